"""A player's own process: an engine behind a socket.

One rule: the engine is called from this process's main thread only, and that
thread also sends the heartbeat, so that a call that hangs is seen outside and
the whole process is replaced.

The first frame is light: pixels of our own window that are not black and
changed since the older stream ended, looked at each 10 ms.  Against the
framebuffer of Xvfb, all corners of it, the moment is right to 20 ms.  Where X
cannot see the picture (hardware overlays, a covered window that X does not
keep), or two channels look the same, the engine's own count decides.
"""

import argparse
import contextlib
import faulthandler
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Protocol

from gateway.media.player import Track
from gateway.media.player_window import NoDisplayError, Window
from gateway.media.player_wire import (
    LINE_LIMIT_BYTES,
    Beat,
    Broken,
    Choices,
    Close,
    Front,
    Level,
    Motion,
    Open,
    Order,
    Pause,
    Raise,
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
"""An engine's count may go ahead of the light by less than this."""
UNSEEN_HIDDEN_AFTER_S = 1.0
"""Where nobody waits for the picture, it is better to be sure of it."""
STALLED_AFTER_S = 1.5


class Signal(Enum):
    """What an engine says by itself."""

    BROKEN = "broken"
    ENDED = "ended"
    TRACKS = "tracks"


class EngineError(Exception):
    """The engine cannot be used on this machine."""


class Engine(Protocol):
    """Decodes and shows one stream at a time; no call blocks for long."""

    @property
    def version(self) -> str: ...

    @property
    def wake(self) -> int:
        """A file descriptor that can be read when there are `signals`."""

    def open(self, url: str, *, heard: bool) -> None:
        """Begin to play `url` instead of what was playing."""

    def close(self) -> None:
        """Show nothing."""

    def signals(self) -> Iterator[Signal]:
        """Yield what happened to the newest stream since the last call."""

    def begun(self) -> bool:
        """Tell whether the newest stream may be painted yet; from then on no older one is."""

    def count(self) -> int:
        """Return a number that grows with each picture, or each sound where there are none; 0 first."""

    def tracks(self) -> tuple[tuple[Track, ...], tuple[str, ...]]:
        """Return what can be chosen, and the ids of what is."""

    def select(self, kind: str, track_id: str) -> None: ...

    def set_volume(self, level_percent: int) -> None: ...

    def set_heard(self, heard: bool) -> None: ...

    def set_paused(self, paused: bool) -> None: ...

    def set_levelling(self, on: bool) -> None:
        """Even out loudness, if that can be done while it plays."""


class Worker:
    """One engine, driven by orders from a socket."""

    def __init__(self, line: socket.socket, engine: Engine, window: Window | None) -> None:
        """Describe a worker.

        Args:
            line: Where orders come from and reports go to.
            engine: What plays.
            window: Where it draws; `None` leaves that to the engine.
        """
        self._line = line
        self._engine = engine
        self._window = window
        self._rest = b""
        self._number = 0
        self._hidden = False
        self._paused = False
        self._before = b""
        self._shown = False
        self._moving = False
        self._counted = 0
        self._counted_at_s = 0.0
        self._counting_since_s = 0.0
        self._tracks_due = False
        self._choices: Choices | None = None

    def serve(self) -> None:
        """Take orders and report, until the other end hangs up."""
        self._say(Up(self._engine.version, self._window.id if self._window else 0))
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            selector.register(self._engine.wake, selectors.EVENT_READ)
            beat_at_s = 0.0
            while True:
                ready = {key.fd for key, _ in selector.select(self._pause_s())}
                if self._engine.wake in ready:
                    os.read(self._engine.wake, 4096)
                if self._line.fileno() in ready and not self._take_orders():
                    return
                self._heed_signals()
                self._look()
                now_s = time.monotonic()
                if now_s >= beat_at_s:
                    self._say(Beat())
                    beat_at_s = now_s + BEAT_EVERY_S

    def _pause_s(self) -> float:
        return LOOK_EVERY_S if not self._number or self._shown else TUNING_LOOK_EVERY_S

    def _take_orders(self) -> bool:
        """Obey what has arrived; of several `Open` only the last. Returns False at the end."""
        data = self._line.recv(LINE_LIMIT_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        orders = [decode_order(line) for line in lines]
        streams = [order for order in orders if isinstance(order, Open | Close | Front)]
        for order in orders:
            # A thumb on channel-up: the channels in between are not worth a decoder's start.
            passed = isinstance(order, Open | Close) and order is not streams[-1]
            if not passed or isinstance(streams[-1], Front):
                self._obey(order)
        return bool(data)

    def _obey(self, order: Order) -> None:
        match order:
            case Open(number, url, hidden):
                self._open(number, url, hidden=hidden)
            case Front(number, above):
                self._come_forward(number, above)
            case Raise(above):
                if self._window is not None:
                    self._window.come_forward(above)
            case Close():
                self._number = 0
                self._engine.close()
            case Pause(paused):
                self._paused = paused
                self._engine.set_paused(paused)
            case Level(on):
                self._engine.set_levelling(on)
            case Select(kind, track_id):
                self._engine.select(kind, track_id)
                self._tracks_due = True
            case SetVolume(level_percent):
                self._engine.set_volume(level_percent)

    def _open(self, number: int, url: str, *, hidden: bool) -> None:
        self._number = 0
        self._engine.open(url, heard=not hidden)
        self._number = number
        self._hidden = hidden
        self._paused = False
        if self._window is not None:
            self._window.keep(kept=hidden)
            self._before = self._window.look()
        self._shown = self._moving = False
        self._counted = 0
        self._tracks_due = False
        self._choices = None

    def _come_forward(self, number: int, above: int) -> None:
        if not self._number or not self._hidden:
            return
        self._number = number
        self._hidden = False
        self._shown = False
        self._tracks_due = True
        self._choices = None
        self._counting_since_s = time.monotonic()
        if self._window is not None:
            self._window.come_forward(above)
            # What X did not keep is not there yet; until it is painted, the older picture may stay.
            self._before = b"" if self._window.keeps else self._window.look()
            self._look()
            self._window.keep(kept=False)
        self._engine.set_heard(True)

    def _heed_signals(self) -> None:
        for signal in self._engine.signals():
            if not self._number:
                continue
            if signal is Signal.TRACKS:
                self._tracks_due = True
            else:
                self._say(Broken(self._number, signal is Signal.ENDED))
                self._number = 0

    def _look(self) -> None:
        """Compare the window and the engine's count with what was said last."""
        if not self._number:
            return
        now_s = time.monotonic()
        count = self._engine.count()
        grown = count != self._counted
        if grown:
            if not self._counted:
                self._counting_since_s = now_s
            self._counted, self._counted_at_s = count, now_s
        if not self._shown:
            self._look_for_light(now_s)
        elif self._paused:
            self._counted_at_s = now_s
        elif grown != self._moving and (grown or now_s - self._counted_at_s > STALLED_AFTER_S):
            self._moving = grown
            self._say(Motion(self._number, moving=grown))
        if self._tracks_due and self._shown and not self._hidden:
            self._tracks_due = False
            choices = Choices(self._number, *self._engine.tracks())
            if choices != self._choices:
                self._choices = choices
                self._say(choices)

    def _look_for_light(self, now_s: float) -> None:
        if self._sees_light():
            at_s = now_s
        elif self._counted and now_s - self._counting_since_s > self._unseen_after_s:
            at_s = self._counting_since_s
        else:
            return
        self._shown = self._moving = True
        self._counted_at_s = now_s
        self._say(Shown(self._number, at_s))

    @property
    def _unseen_after_s(self) -> float:
        return UNSEEN_HIDDEN_AFTER_S if self._hidden else UNSEEN_AFTER_S

    def _sees_light(self) -> bool:
        seen = self._window.look() if self._window else b""
        if not self._engine.begun():
            # An older picture that waited for its time: not black, another one, and no news.
            self._before = seen
            return False
        return bool(seen) and seen != self._before

    def _say(self, report: Report) -> None:
        self._line.sendall(encode(report) + b"\n")


MakeEngine = Callable[[Sequence[str], Window | None], Engine]
"""Makes an engine of its own options and of where it draws; raises `EngineError`."""


def main(argv: list[str], make: MakeEngine) -> int:
    """Serve on the socket with the given number; the engine's own options follow ``--``."""
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
            window = Window(arguments.display) if arguments.display else None
            worker = Worker(line, make(arguments.options, window), window)
        except (EngineError, NoDisplayError) as error:
            line.sendall(encode(Unusable(" ".join(str(error).split()))) + b"\n")
            return 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            worker.serve()
        # Not through the interpreter's end: it would wait for the engine's threads.
        os._exit(0)
