"""Mpv as an engine; the only module that imports `mpv`.

What libmpv dictates:

* commands return at once and failure is the event ``end-file``, on a foreign thread;
* a broadcast needs no index, no probing for more than the first tables, and no
  cache that waits to fill: these three were most of a zap;
* ``time-pos`` stands still when the picture does, also when there are no
  pictures; before the first picture there is none.
"""

import contextlib
import queue
import socket
import sys
from collections.abc import Iterator, Sequence
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from gateway.media import mpv_line
from gateway.media.player import SUBTITLES_OFF, Track
from gateway.media.player_signals import SignalBox
from gateway.media.player_window import Window
from gateway.media.player_worker import Engine, EngineError, Signal, main
from gateway.media.vlc_tracks import bcp_47

ANSWER_WITHIN_S = 0.02
COLD_ANSWER_WITHIN_S = 30.0
_NOT_LOADED = -1
_KINDS = {"audio": "audio", "sub": "subtitle"}
_KNOWN_FORMAT = "demuxer-lavf-format=mpegts,demuxer-lavf-probesize=4096"
"""What is known need not be found out: some 35 ms less on a channel at 5 Mbit/s."""

_LEVELLING = "lavfi=[dynaudnorm=f=250:g=15:p=0.8]"
_FIXED = {
    "config": "no",
    "idle": "yes",
    "terminal": "no",
    "input_default_bindings": "no",
    "input_vo_keyboard": "no",
    "osc": "no",
    "osd_level": "0",
    "load_scripts": "no",
    "ytdl": "no",
    "audio_display": "no",
    "keep_open": "no",
    "force_window": "no",
    "audio_fallback_to_null": "yes",
    "stop_screensaver": "no",
}


class MpvEngine:
    """See `gateway.media.player_worker.Engine`."""

    def __init__(self, mpv: Any, options: Sequence[str], window: Window | None) -> None:  # noqa: ANN401 - python-mpv has no types
        """Make the player.

        Args:
            mpv: The module `mpv`.
            options: As on mpv's command line.
            window: Where to draw; `None` leaves it to mpv.

        Raises:
            EngineError: libmpv refuses the options.
        """
        said = dict(_option(option) for option in options)
        where = {"wid": str(window.id)} if window is not None else {}
        try:
            self._player = mpv.MPV(**_FIXED, **where, **said)
        except (AttributeError, ValueError, TypeError, OSError) as error:
            raise EngineError(f"mpv does not start: an option is wrong ({error})") from error
        self._mpv = mpv
        # Mpv numbers what it is told to load, and says the number in its events.
        self._wanted = _NOT_LOADED
        self._heard = True
        self._paused = self._silent = False
        self._line: socket.socket | None = None
        self._answers: queue.SimpleQueue[tuple[str, socket.socket, bool]] = queue.SimpleQueue()
        self._begun = 0
        self._loaded = 0
        self._decoded = 0
        self._shown = 0
        self._box = SignalBox()
        self._attach()

    @property
    def version(self) -> str:
        return str(self._player.mpv_version)

    @property
    def wake(self) -> int:
        return self._box.wake

    def open(self, url: str, *, heard: bool) -> None:
        self._wanted = _NOT_LOADED
        self._hang_up()
        self._heard = heard
        line = mpv_line.ask(url)
        plain = mpv_line.answer(line, within_s=ANSWER_WITHIN_S) if line is not None else False
        if line is None or plain is not None:
            self._load(url, line, plain=bool(plain))
            return
        # The channel is not here yet; meanwhile the older one neither moves nor is heard.
        self._hold(paused=True, silent=True)
        self._line = line
        Thread(target=self._await, args=(url, line), name="mpv: answer", daemon=True).start()

    def close(self) -> None:
        self._wanted = _NOT_LOADED
        self._hang_up()
        self._player.command("stop")

    def signals(self) -> Iterator[Signal]:
        while not self._answers.empty():
            url, line, plain = self._answers.get_nowait()
            if line is self._line:
                self._line = None
                self._load(url, line, plain=plain)
            else:
                line.close()
        return self._box.take(self._wanted)

    def begun(self) -> bool:
        # When the new file is loaded the last picture of the old one may still wait for its time.
        return self._wanted in (self._decoded, self._shown)

    def count(self) -> int:
        if self._shown != self._wanted:
            return 0
        position = self._player.time_pos
        return max(1, round(abs(position) * 1000)) if position is not None else 0

    def tracks(self) -> tuple[tuple[Track, ...], tuple[str, ...]]:
        known = [entry for entry in self._player.track_list if entry.get("type") in _KINDS]
        tracks = [
            Track(
                _name(entry),
                _KINDS[entry["type"]],
                bcp_47(entry.get("lang") or ""),
                entry.get("title") or "",
            )
            for entry in known
        ]
        selected = [_name(entry) for entry in known if entry.get("selected")]
        if any(track.kind == "subtitle" for track in tracks):
            tracks.append(SUBTITLES_OFF)
            if not any(entry.get("selected") for entry in known if entry["type"] == "sub"):
                selected.append(SUBTITLES_OFF.id)
        return tuple(tracks), tuple(selected)

    def select(self, kind: str, track_id: str) -> None:
        number = track_id.removeprefix("s")
        wanted = int(number) if number.isdigit() else "no"
        known = {_name(entry) for entry in self._player.track_list}
        if track_id not in known and track_id != SUBTITLES_OFF.id:
            return
        if kind == "audio":
            self._player.aid = wanted
        else:
            self._player.sid = wanted

    def set_volume(self, level_percent: int) -> None:
        self._player.volume = level_percent

    def set_heard(self, heard: bool) -> None:
        self._heard = heard
        self._hold(paused=self._paused, silent=not heard)

    def set_paused(self, paused: bool) -> None:
        self._hold(paused=paused, silent=self._silent)

    def set_levelling(self, on: bool) -> None:
        self._player.af = _LEVELLING if on else ""

    def _load(self, url: str, line: socket.socket | None, *, plain: bool) -> None:
        self._hold(paused=False, silent=not self._heard)
        of_stream = _KNOWN_FORMAT if urlsplit(url).path.endswith(".ts") else ""
        address = url
        if line is not None and plain:
            address = f"fdclose://{line.detach()}"
        elif line is not None:
            line.close()
        loaded = self._player.command("loadfile", address, "replace", of_stream)
        self._wanted = loaded["playlist_entry_id"]

    def _hold(self, *, paused: bool, silent: bool) -> None:
        """Say only what is new: mpv answers when it has decoded the older channel's next picture."""
        if paused != self._paused:
            self._paused = self._player.pause = paused
        if silent != self._silent:
            self._silent = self._player.mute = silent

    def _await(self, url: str, line: socket.socket) -> None:
        """Wait for a channel that is cold; on a thread of its own."""
        plain = mpv_line.answer(line, within_s=COLD_ANSWER_WITHIN_S)
        self._answers.put((url, line, bool(plain)))
        self._box.ring()

    def _hang_up(self) -> None:
        """Let go of a channel that was still waited for."""
        if self._line is not None:
            line, self._line = self._line, None
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits on it

    def _attach(self) -> None:
        @self._player.event_callback(
            "end-file", "start-file", "file-loaded", "video-reconfig", "playback-restart"
        )  # type: ignore[untyped-decorator]
        def _(event: Any) -> None:  # noqa: ANN401 - python-mpv has no types
            self._heed(event.as_dict(decoder=self._mpv.strict_decoder))

        @self._player.property_observer("track-list")  # type: ignore[untyped-decorator]
        def _(_name: str, _tracks: object) -> None:
            self._box.put(self._begun, Signal.TRACKS)

    def _heed(self, event: dict[str, Any]) -> None:
        """Take in an event; on libmpv's thread."""
        match event.get("event"):
            case "start-file":
                self._begun = event["playlist_entry_id"]
            case "file-loaded":
                self._loaded = self._begun
            case "video-reconfig" if self._loaded == self._begun:
                self._decoded = self._begun
            case "playback-restart":
                self._shown = self._begun
                self._box.put(self._begun, Signal.TRACKS)
            case "end-file" if event.get("reason") == "error":
                self._box.put(event["playlist_entry_id"], Signal.BROKEN)
            case "end-file" if event.get("reason") == "eof":
                self._box.put(event["playlist_entry_id"], Signal.ENDED)


def _option(option: str) -> tuple[str, str]:
    name, _, value = option.removeprefix("--").partition("=")
    return name.replace("-", "_"), value or "yes"


def _name(entry: dict[str, Any]) -> str:
    # Sounds and subtitles are counted apart.
    return f"{'s' if entry.get('type') == 'sub' else ''}{entry.get('id')}"


def make(options: Sequence[str], window: Window | None) -> Engine:
    """Return the engine.

    Raises:
        EngineError: there is no usable libmpv here.
    """
    try:
        # Here and not above: without libmpv the import itself fails, and that is worth a report.
        import mpv  # noqa: PLC0415

        return MpvEngine(mpv, options, window)
    except (ImportError, OSError) as error:
        raise EngineError(f"libmpv cannot be loaded: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], make))
