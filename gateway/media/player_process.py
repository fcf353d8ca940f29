"""A player in a process of its own.

One rule: nothing that a decoder does, a hang and a crash included, delays the
daemon: orders are lines written to a socket, and a worker whose heartbeat
misses is killed and replaced.

A new worker shows nothing: it is announced as `Restarted`, and who owns the
channel opens it again.  Volume and levelling are remembered here.
"""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from gateway import child
from gateway.errors import GatewayError
from gateway.media.player import (
    Failed,
    FirstFrame,
    Plane,
    PlayerEvent,
    Restarted,
    Resumed,
    Stalled,
    Track,
    TracksFound,
)
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
    decode_report,
    encode,
)
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

WAIT_S = 0.1
"""What a worker's silence is counted in."""

UNPLAYABLE = "TV-301"
ENDED = "TV-304"
"""The stream came to its end, which a live channel should not."""


class PlayerMissingError(GatewayError):
    """There is no usable player, or no display for it."""

    code: ClassVar[str] = "TV-302"
    hint = (
        "Install the Debian packages libvlc5, vlc-plugin-base and vlc-plugin-video-output, or libmpv2, check "
        "that the display answers, or set media.player to inpage."
    )


class PlayerGoneError(GatewayError):
    """The player's process died or hangs."""

    code: ClassVar[str] = "TV-303"
    hint = "The box starts it again by itself; if it keeps happening, call support with this code."


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayerLimits:
    """How patient the daemon is with the player's process.

    Attributes:
        start_s: From the process's start to its first word.
        beat_s: Between two words later; the worker speaks at least each 0.25 s.
        settled_s: A worker that lived so long starts the count of crashes anew.
        free_restarts: Crashes in a row that are answered at once.
        longest_pause_s: After more of them the pause doubles from 1 s up to this.
    """

    start_s: float = 15.0
    beat_s: float = 1.2
    settled_s: float = 60.0
    free_restarts: int = 3
    longest_pause_s: float = 30.0

    def pause_s(self, crashes: int) -> float:
        """Return the wait before the start that follows `crashes` crashes in a row."""
        beyond = crashes - self.free_restarts
        return 0.0 if beyond <= 0 else min(self.longest_pause_s, 2.0 ** min(beyond - 1, 16))


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """An engine that can be run as a worker.

    Attributes:
        module: Run with ``python -m``; see `gateway.media.player_worker`.
        options: Always given.
        without_sound_card: Given beside, where there is none.
        without_graphics: Given beside, where there is no graphics processor.
        levelling: Given beside, to even out loudness; empty if the engine can do that while it plays.
    """

    module: str
    options: tuple[str, ...] = ()
    without_sound_card: tuple[str, ...] = ()
    without_graphics: tuple[str, ...] = ()
    levelling: tuple[str, ...] = ()


class ProcessPlayer:
    """See `gateway.media.player.Player`.

    Attributes:
        window: The worker's X window; 0 while there is none.
        losses: Says that the worker is gone, before there is a new one.
    """

    def __init__(  # noqa: PLR0913 - engine, place, and how patient we are
        self,
        backend: Backend,
        *,
        display: str,
        plane: Plane = Plane.UNDER,
        options: tuple[str, ...] = (),
        limits: PlayerLimits = PlayerLimits(),
        devices: Path = Path("/dev"),
    ) -> None:
        """Describe a player; nothing is started before `run`.

        Args:
            backend: The engine.
            display: X display to draw on, such as ``:0``.
            plane: Whether a page lies above the picture.
            options: More of the engine's command line, from the board: output, decoder, cache.
            limits: When to give a worker up.
            devices: Where the kernel shows sound cards and graphics processors.
        """
        self.window = 0
        self.plane = plane
        self.events: Publisher[PlayerEvent] = Publisher()
        self.losses: Publisher[None] = Publisher()
        self._backend = backend
        self._display = display
        self._options = options
        self._limits = limits
        self._devices = devices
        self._line: asyncio.StreamWriter | None = None
        self._pid: int | None = None
        self._number = 0
        self._url = ""
        self._opened_at_s = 0.0
        self._hidden = False
        self._decoded = False
        self._volume_percent: int | None = None
        self._levelling = False

    @property
    def prepared(self) -> str:
        """The address that was opened hidden and is decoded; empty if none is."""
        return self._url if self._hidden and self._decoded else ""

    @property
    def pid(self) -> int | None:
        """Process id of the worker; `None` while there is none that takes orders."""
        return self._pid

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep one worker alive until cancelled.

        Raises:
            PlayerMissingError: starting a worker is of no use on this machine.
        """
        crashes = 0
        tell: Callable[[], None] = ready
        while True:
            started_s = time.monotonic()
            try:
                async with self._worker() as (process, lines):
                    await self._listen(process, lines, tell)
            except (PlayerGoneError, OSError) as error:
                self.losses.publish(None)
                tell = self._tell_restarted
                crashes = 1 if time.monotonic() - started_s > self._limits.settled_s else crashes + 1
                pause_s = self._limits.pause_s(crashes)
                log.warning("the player: %s; starting a new one in %.0f s", error, pause_s)
                await asyncio.sleep(pause_s)

    async def open(self, url: str) -> None:
        self._begin(url, hidden=False)

    async def prepare(self, url: str) -> None:
        """There is one decoder only; see `gateway.media.prepared.PreparedPlayer`."""

    def open_hidden(self, url: str) -> None:
        """Decode `url` unheard, behind whatever is in front; `prepared` says when it is so."""
        self._begin(url, hidden=True)

    def come_forward(self, above: int) -> None:
        """Show what was opened hidden, above the window `above`; then comes its `FirstFrame`."""
        self._number += 1
        self._hidden = False
        self._opened_at_s = time.monotonic()
        self._order(Front(self._number, above))

    def lie_above(self, window: int) -> None:
        """Be in front of `window`, whatever is shown."""
        if window:
            self._order(Raise(window))

    def _begin(self, url: str, *, hidden: bool) -> None:
        self._number += 1
        self._url = url
        self._hidden, self._decoded = hidden, False
        self._opened_at_s = time.monotonic()
        self._order(Open(self._number, url, hidden))

    async def attended(self) -> None:
        """The screen is the box's own."""

    async def close(self) -> None:
        self._number += 1
        self._url = ""
        self._hidden = self._decoded = False
        self._order(Close())

    async def set_paused(self, paused: bool) -> None:
        self._order(Pause(paused))

    async def select(self, track: Track) -> None:
        self._order(Select(track.kind, track.id))

    async def set_volume(self, level_percent: int) -> None:
        self._volume_percent = level_percent
        self._order(SetVolume(level_percent))

    async def set_levelling(self, on: bool) -> None:
        changed, self._levelling = on != self._levelling, on
        if changed and self._backend.levelling and self._pid is not None:
            os.kill(self._pid, signal.SIGKILL)  # its filters are chosen when it starts
        elif changed:
            self._order(Level(on))

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
        ours, theirs = socket.socketpair()
        try:
            async with child.running(self._command(theirs.fileno()), pass_fds=(theirs.fileno(),)) as process:
                theirs.close()
                reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_LIMIT_BYTES)
                try:
                    self._line = writer
                    yield process, reader
                finally:
                    self._line = self._pid = None
                    self._decoded = False
                    self.window = 0
                    writer.transport.abort()
        finally:
            theirs.close()
            ours.close()

    def _command(self, descriptor: int) -> list[str]:
        worker = [sys.executable, "-m", self._backend.module, "--fd", str(descriptor)]
        # The board speaks last: of an option given twice engines take the latter.
        options = [*self._backend.options, *self._defaults(), *self._options]
        return [*worker, "--display", self._display, "--", *options]

    def _defaults(self) -> Iterator[str]:
        # ALSA names playback devices pcmC<card>D<device>p.
        if not any(self._devices.glob("snd/pcmC*p")):
            yield from self._backend.without_sound_card
        if not any(self._devices.glob("dri/renderD*")):
            yield from self._backend.without_graphics
        if self._levelling:
            yield from self._backend.levelling

    async def _listen(
        self, process: asyncio.subprocess.Process, lines: asyncio.StreamReader, tell: Callable[[], None]
    ) -> None:
        limit_s = self._limits.start_s
        while True:
            try:
                line = await _line(lines, limit_s)
                report = decode_report(line)
            except TimeoutError as error:
                process.kill()
                raise PlayerGoneError(f"said nothing for {limit_s:.1f} s") from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise PlayerGoneError(await _how_it_ended(process)) from error
            except (asyncio.LimitOverrunError, msgspec.DecodeError) as error:
                process.kill()
                raise PlayerGoneError(f"said something strange: {error}") from error
            if isinstance(report, Up):
                limit_s = self._limits.beat_s
                self._pid, self.window = process.pid, report.window
                log.info("the player is ready: %s", report.version)
                if self._volume_percent is not None:
                    self._order(SetVolume(self._volume_percent))
                if self._levelling and not self._backend.levelling:
                    self._order(Level(on=True))
                tell()
            else:
                self._heed(report)

    def _heed(self, report: Report) -> None:
        match report:
            case Unusable(reason):
                raise PlayerMissingError(reason)
            case Beat() | Up():
                return
        if report.number != self._number:
            return
        if self._hidden:
            # Of what nobody sees it counts only whether there is a picture, and that it moves.
            self._decoded = isinstance(report, Shown) or (isinstance(report, Motion) and report.moving)
            return
        match report:
            case Shown(_, at_s):
                after_ms = round(max(0.0, at_s - self._opened_at_s) * 1000)
                self.events.publish(FirstFrame(self._url, after_ms))
            case Motion(_, moving):
                self.events.publish(Resumed(self._url) if moving else Stalled(self._url))
            case Broken(_, ended):
                self.events.publish(Failed(self._url, ENDED if ended else UNPLAYABLE))
            case Choices(_, tracks, selected):
                self.events.publish(TracksFound(self._url, tracks, selected))

    def _order(self, order: Order) -> None:
        # While there is no worker, `Restarted` will ask for everything again.
        if self._line is not None:
            self._line.write(encode(order) + b"\n")

    def _tell_restarted(self) -> None:
        self._number += 1
        self._hidden = self._decoded = False
        self._url = ""
        self.events.publish(Restarted())


async def _line(lines: asyncio.StreamReader, limit_s: float) -> bytes:
    """Return the next line.

    The time is counted in short waits, each as long as it should be: where this process is late, the
    worker is, too, and a box that is short of processors is not helped by a new decoder.

    Raises:
        TimeoutError: there was none in `limit_s`.
    """
    reading = asyncio.ensure_future(lines.readuntil(b"\n"))
    try:
        for _ in range(math.ceil(limit_s / WAIT_S)):
            if (await asyncio.wait((reading,), timeout=WAIT_S))[0]:
                return reading.result()
        raise TimeoutError
    finally:
        reading.cancel()


async def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    try:
        async with asyncio.timeout(1.0):
            return f"its process ended ({await process.wait()})"
    except TimeoutError:
        process.kill()
        return "hung up without ending"
