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
* ``MediaPlayerVout`` comes before the picture and up to three times, so it is
  not the first frame.  The statistics of displayed pictures are true but fresh
  only each 250 ms.  So they decide *whether* there was a picture, and the
  decoder's message at its first picture, which the output shows at once, says
  *when*.  Against the framebuffer of Xvfb that moment is 2 to 20 ms early; if
  the message should fail to come, the moment is that of the statistics, up to
  320 ms late.
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
from gateway.media.vlc_window import NoDisplayError, open_window
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
STALLED_AFTER_S = 1.5

_FIRST_PICTURE = b"Received first picture"


class Worker:
    """One libVLC media player, driven by orders from a socket."""

    def __init__(self, line: socket.socket, vlc: Any, options: list[str], window: int | None) -> None:  # noqa: ANN401 - python-vlc has no types
        """Make the player.

        Args:
            line: Where orders come from and reports go to.
            vlc: The module `vlc`.
            options: libVLC's own command line.
            window: X window to draw in; `None` leaves it to libVLC.

        Raises:
            RuntimeError: libVLC refuses the options or has no plugins.
        """
        self._line = line
        self._vlc = vlc
        self._instance = vlc.Instance(options)
        if self._instance is None:
            raise RuntimeError("libVLC does not start: plugins are missing or an option is wrong")
        self._player = self._instance.media_player_new()
        if window is not None:
            self._player.set_xwindow(window)
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
        self._first_picture_s: float | None = None
        self._shown = False
        self._moving = False
        self._counted = 0
        self._counted_at_s = 0.0
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
                ready = {key.fd for key, _ in selector.select(LOOK_EVERY_S)}
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

        def on_message(_data: object, _level: int, _context: object, text: bytes, _arguments: object) -> None:
            if text == _FIRST_PICTURE and self._first_picture_s is None:
                self._first_picture_s = time.monotonic()

        # ctypes does not keep the callback alive; libVLC calls it until the process ends.
        self._on_message = self._vlc.CallbackDecorators.LogCb(on_message)
        self._instance.log_set(self._on_message, None)

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
        self._player.set_media(media)
        self._let_go()
        self._media = media
        self._number = number
        self._first_picture_s = None
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
        """Compare libVLC's statistics with what was said last."""
        if not self._number:
            return
        self._media.get_stats(self._statistics)
        pictures, sounds = self._statistics.displayed_pictures, self._statistics.played_abuffers
        now_s = time.monotonic()
        # Radio: sound, and no picture track that could still bring a first frame.
        count = pictures if pictures or self._player.video_get_track_count() > 0 else sounds
        if count != self._counted:
            self._counted, self._counted_at_s = count, now_s
            if not self._shown:
                self._shown = self._moving = True
                self._say(
                    Shown(
                        self._number, self._first_picture_s if pictures and self._first_picture_s else now_s
                    )
                )
                if self._volume_percent is not None:
                    # Before the first sound there is no output that could keep it.
                    self._player.audio_set_volume(self._volume_percent)
            elif not self._moving:
                self._moving = True
                self._say(Motion(self._number, moving=True))
        elif self._moving and now_s - self._counted_at_s > STALLED_AFTER_S:
            self._moving = False
            self._say(Motion(self._number, moving=False))
        if self._tracks_due and self._shown:
            self._tracks_due = False
            choices = Choices(self._number, *list_tracks(self._vlc, self._player, self._media))
            if choices != self._choices:
                self._choices = choices
                self._say(choices)

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

            window = open_window(arguments.display) if arguments.display else None
            worker = Worker(line, vlc, arguments.options, window)
        except (
            ImportError,
            OSError,
            AttributeError,
            NotImplementedError,
            RuntimeError,
            NoDisplayError,
        ) as error:
            line.sendall(encode(Unusable(" ".join(str(error).split()))) + b"\n")
            return 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.serve()
        # Not through the interpreter's end: it would wait for libVLC's threads.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
