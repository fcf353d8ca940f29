"""The player's own process: libVLC behind a socket.

One rule: libVLC is called from this process's main thread only, and that
thread also sends the heartbeat, so that a call that hangs is seen outside and
the whole process is replaced.

The only module that imports `vlc`.  What libVLC 3 dictates:

* ``play`` succeeds even for a dead address; failure arrives as an event, on a
  foreign thread that must not call libVLC back;
* ``stop`` may hang, and costs 80 ms of every zap, so a zap is ``set_media`` and
  ``play``; ``set_media`` returns after the older input has ended, so whatever
  is heard after it belongs to the new one;
* ``MediaPlayerVout`` comes up to three times and before the picture, and the
  decoder's first picture waits for its time, so neither is the first frame.
  The statistics of displayed pictures are fresh only each 250 ms and count the
  older channel's last picture when it is painted again.  So the first frame is
  light: pixels of our own window that are not black and changed since the
  older input ended, looked at each 10 ms.  Against the framebuffer of Xvfb,
  all corners of it, the moment is right to 20 ms; with many times more work
  than processors single ones were 250 ms early, libVLC painting one still black
  or in a corner first.  Where X cannot
  see the picture (hardware overlays), or two channels look the same, the
  statistics decide, up to 320 ms late.
"""

import argparse
import contextlib
import faulthandler
import os
import queue
import selectors
import socket
import sys
import time
from typing import Any

from gateway.media.player import SUBTITLES_OFF
from gateway.media.vlc_tracks import list_tracks
from gateway.media.vlc_window import NoDisplayError, Window
from gateway.media.vlc_wire import (
    LINE_LIMIT_BYTES,
    Beat,
    Broken,
    Choices,
    Close,
    Motion,
    Open,
    Order,
    Report,
    Select,
    SetVolume,
    Shown,
    Unusable,
    Up,
    decode_order,
    encode,
)

BEAT_EVERY_S = 0.25
LOOK_EVERY_S = 0.05
TUNING_LOOK_EVERY_S = 0.01
UNSEEN_AFTER_S = 0.3
"""Statistics may go ahead of the light by less than this."""
STALLED_AFTER_S = 1.5


class Worker:
    """One libVLC media player, driven by orders from a socket."""

    def __init__(self, line: socket.socket, vlc: Any, options: list[str], window: Window | None) -> None:  # noqa: ANN401 - python-vlc has no types
        """Make the player.

        Args:
            line: Where orders come from and reports go to.
            vlc: The module `vlc`.
            options: libVLC's own command line.
            window: Where to draw; `None` leaves it to libVLC.

        Raises:
            RuntimeError: libVLC refuses the options or has no plugins.
        """
        self._line = line
        self._vlc = vlc
        self._instance = vlc.Instance(options)
        if self._instance is None:
            raise RuntimeError("libVLC does not start: plugins are missing or an option is wrong")
        self._player = self._instance.media_player_new()
        # `set_xwindow` puts the decoder's choice back to automatic, which tries and reopens the
        # output for each kind of hardware; said again with the stream, it holds.
        of_decoder = [option for option in options if option.startswith("--avcodec-hw=")]
        self._of_stream = [f":{option.removeprefix('--')}" for option in of_decoder]
        self._window = window
        if window is not None:
            self._player.set_xwindow(window.id)
        self._player.video_set_key_input(False)
        self._player.video_set_mouse_input(False)
        self._media: Any = None
        self._statistics = vlc.MediaStats()
        self._number = 0
        self._volume_percent: int | None = None
        self._rest = b""
        self._signals: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        self._before = b""
        self._shown = False
        self._moving = False
        self._counted = 0
        self._counted_at_s = 0.0
        self._counting_since_s = 0.0
        self._tracks_due = False
        self._choices: Choices | None = None
        self._attach()

    def serve(self) -> None:
        """Take orders and report, until the other end hangs up."""
        self._say(Up(self._vlc.libvlc_get_version().decode(errors="replace")))
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            selector.register(self._wake_reader, selectors.EVENT_READ)
            beat_at_s = 0.0
            while True:
                ready = {key.fd for key, _ in selector.select(self._pause_s())}
                if self._wake_reader in ready:
                    os.read(self._wake_reader, 4096)
                if self._line.fileno() in ready and not self._take_orders():
                    return
                self._heed_signals()
                self._look()
                now_s = time.monotonic()
                if now_s >= beat_at_s:
                    self._say(Beat())
                    beat_at_s = now_s + BEAT_EVERY_S

    def _pause_s(self) -> float:
        return TUNING_LOOK_EVERY_S if self._number and not self._shown else LOOK_EVERY_S

    def _attach(self) -> None:
        """Listen to libVLC; on its threads nothing happens but a note for ours."""
        kinds = self._vlc.EventType
        names = {
            kinds.MediaPlayerEncounteredError: "broken",
            kinds.MediaPlayerEndReached: "ended",
            kinds.MediaPlayerESAdded: "tracks",
            kinds.MediaPlayerESDeleted: "tracks",
            kinds.MediaPlayerESSelected: "tracks",
        }
        manager = self._player.event_manager()
        for kind, name in names.items():
            manager.event_attach(kind, lambda _event, name=name: self._signal(name))

    def _signal(self, name: str) -> None:
        self._signals.put((self._number, name))
        try:
            os.write(self._wake_writer, b"!")
        except BlockingIOError:
            return  # full of wake-ups already

    def _take_orders(self) -> bool:
        """Obey what has arrived; of several `Open` only the last. Returns False at the end."""
        data = self._line.recv(LINE_LIMIT_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        orders = [decode_order(line) for line in lines]
        streams = [order for order in orders if isinstance(order, Open | Close)]
        for order in orders:
            # A thumb on channel-up: the channels in between are not worth a decoder's start.
            if not isinstance(order, Open | Close) or order is streams[-1]:
                self._obey(order)
        return bool(data)

    def _obey(self, order: Order) -> None:
        match order:
            case Open(number, url):
                self._open(number, url)
            case Close():
                self._number = 0
                self._player.stop()
                self._let_go()
            case Select(kind, track_id):
                self._select(kind, track_id)
            case SetVolume(level_percent):
                self._volume_percent = level_percent
                self._player.audio_set_volume(level_percent)

    def _open(self, number: int, url: str) -> None:
        self._number = 0
        media = self._instance.media_new(url)
        for option in self._of_stream:
            media.add_option(option)
        self._player.set_media(media)
        self._let_go()
        self._media = media
        self._number = number
        self._before = self._window.look() if self._window else b""
        self._shown = False
        self._moving = False
        self._counted = 0
        self._tracks_due = False
        self._choices = None
        self._player.play()

    def _let_go(self) -> None:
        # python-vlc counts no references: what is not released stays for ever.
        if self._media is not None:
            self._media.release()
            self._media = None

    def _heed_signals(self) -> None:
        while not self._signals.empty():
            number, name = self._signals.get_nowait()
            if number != self._number or number == 0:
                continue
            if name == "tracks":
                self._tracks_due = True
            else:
                self._say(Broken(number, name == "ended"))
                self._number = 0

    def _look(self) -> None:
        """Compare the window and libVLC's statistics with what was said last."""
        if not self._number:
            return
        now_s = time.monotonic()
        self._media.get_stats(self._statistics)
        pictures, sounds = self._statistics.displayed_pictures, self._statistics.played_abuffers
        # Radio: sound, and no picture track that could still bring a first frame.
        count = pictures if pictures or self._player.video_get_track_count() > 0 else sounds
        grown = count != self._counted
        if grown:
            if not self._counted:
                self._counting_since_s = now_s
            self._counted, self._counted_at_s = count, now_s
        if not self._shown:
            self._look_for_light(now_s)
        elif grown != self._moving and (grown or now_s - self._counted_at_s > STALLED_AFTER_S):
            self._moving = grown
            self._say(Motion(self._number, moving=grown))
        if self._tracks_due and self._shown:
            self._tracks_due = False
            choices = Choices(self._number, *list_tracks(self._vlc, self._player, self._media))
            if choices != self._choices:
                self._choices = choices
                self._say(choices)

    def _look_for_light(self, now_s: float) -> None:
        seen = self._window.look() if self._window else b""
        if seen and seen != self._before:
            at_s = now_s
        elif self._counted and now_s - self._counting_since_s > UNSEEN_AFTER_S:
            at_s = self._counting_since_s
        else:
            return
        self._shown = self._moving = True
        self._counted_at_s = now_s
        self._say(Shown(self._number, at_s))
        if self._volume_percent is not None:
            # Before the first sound there is no output that could keep it.
            self._player.audio_set_volume(self._volume_percent)

    def _select(self, kind: str, track_id: str) -> None:
        track = -1 if track_id == SUBTITLES_OFF.id else int(track_id)
        if kind == "audio":
            self._player.audio_set_track(track)
        else:
            self._player.video_set_spu(track)
        self._tracks_due = True

    def _say(self, report: Report) -> None:
        self._line.sendall(encode(report) + b"\n")


def main(argv: list[str]) -> int:
    """Serve on the socket with the given number; libVLC's own options follow ``--``."""
    parser = argparse.ArgumentParser(prog="gateway-player")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--display", default="")
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args(argv)
    faulthandler.enable()
    if arguments.display:
        os.environ["DISPLAY"] = arguments.display
    with socket.socket(fileno=arguments.fd) as line:
        try:
            # Here and not above: without libVLC the import itself fails, and that is worth a report.
            import vlc  # noqa: PLC0415

            window = Window(arguments.display) if arguments.display else None
            worker = Worker(line, vlc, arguments.options, window)
        except (
            ImportError,
            OSError,
            AttributeError,
            NotImplementedError,
            RuntimeError,
            NoDisplayError,
            SystemExit,  # python-vlc leaves by itself when the library it was pointed to is not there
        ) as error:
            reason = (
                "libVLC cannot be loaded" if isinstance(error, SystemExit) else " ".join(str(error).split())
            )
            line.sendall(encode(Unusable(reason)) + b"\n")
            return 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.serve()
        # Not through the interpreter's end: it would wait for libVLC's threads.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
