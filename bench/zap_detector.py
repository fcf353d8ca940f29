"""Light on the screen: the colour and the frame counter in the X server's own memory.

One rule: it knows nothing of zaps.  A process of its own looks each millisecond
and writes down what changed and when; what that means is computed afterwards.

``python -m bench.zap_detector FRAMEBUFFER`` prints a line per change: monotonic
time in seconds, colour (``r``, ``b``, ``-`` for neither), number of the frame.
"""

import argparse
import asyncio
import contextlib
import mmap
import os
import struct
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.zap_material import BLOCKS, Colour, block
from gateway import child

LOOK_EVERY_S = 0.001
WATCHED_S = 2.0
"""How long after the first frame a freeze counts."""

START_S = 10.0
_HUE = 60
_GREY = 128
# All over the picture: a player that paints into a corner first shows nothing yet.
_PLACES = ((0.06, 0.06), (0.94, 0.06), (0.5, 0.25), (0.06, 0.94), (0.94, 0.94), (0.5, 0.75))
_LETTERS = {Colour.RED: "r", Colour.BLUE: "b"}


@dataclass(frozen=True, slots=True)
class Change:
    """What the screen shows from a moment on.

    Attributes:
        at_s: Monotonic time.
        colour: Of the whole picture, or None.
        frame: The counter in the picture.
    """

    at_s: float
    colour: Colour | None
    frame: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a zap.

    Attributes:
        light_ms: From the command to the new channel's first frame on the screen.
        freeze_ms: The longest time without a new frame that began in the `WATCHED_S` after.
        frozen_at_ms: When that began, from the first frame on.
        frames: New frames in that time.
    """

    light_ms: float
    freeze_ms: float
    frozen_at_ms: float
    frames: int


def judge(changes: Sequence[Change], colour: Colour, pressed_s: float, until_s: float) -> Seen | None:
    """Return what came of a zap to `colour` at `pressed_s`; None if it was not seen by `until_s`.

    Args:
        changes: In order of time.
        colour: Of the new channel; another one was there before.
        pressed_s: Monotonic time of the command.
        until_s: Monotonic time up to which `changes` are complete.
    """
    lit_s = next((c.at_s for c in changes if c.at_s >= pressed_s and c.colour is colour), None)
    if lit_s is None:
        return None
    # What is not the channel's colour is no frame of it, so black in between lasts as a freeze.
    frames = [c.at_s for c in changes if c.at_s >= lit_s and c.colour is colour]
    gaps = [
        after - before for before, after in zip(frames, [*frames[1:], max(until_s, frames[-1])], strict=True)
    ]
    within = [(gap, at_s) for at_s, gap in zip(frames, gaps, strict=True) if at_s < lit_s + WATCHED_S]
    freeze_s, frozen_s = max(within)
    return Seen((lit_s - pressed_s) * 1000, freeze_s * 1000, (frozen_s - lit_s) * 1000, len(within))


class Framebuffer:
    """The screen of an Xvfb, read where the server keeps it."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        # XWDFile.h: 25 big-endian words, the window's name, then the colour map, 12 bytes an entry.
        header = struct.unpack(">25I", self._memory[:100])
        self._start = header[0] + header[19] * 12
        self._width, self._height, self._line = header[4], header[5], header[12]
        self._colour_at = [self._offset(x, y) for x, y in _PLACES]
        blocks = [block(number) for number in range(BLOCKS)]
        self._counter_at = [
            self._offset(left + width / 2, top + height / 2) for left, top, width, height in blocks
        ]

    def look(self) -> tuple[str, int]:
        """Return the colour's letter and the frame's number."""
        memory = self._memory
        # Little-endian XRGB: blue, green, red.
        hues = [memory[at + 2] - memory[at] for at in self._colour_at]
        letter = "r" if min(hues) > _HUE else "b" if max(hues) < -_HUE else "-"
        frame = sum(1 << bit for bit, at in enumerate(self._counter_at) if memory[at + 1] > _GREY)
        return letter, frame

    def _offset(self, x: float, y: float) -> int:
        return int(self._start + int(y * self._height) * self._line + int(x * self._width) * 4)


@dataclass
class Screen:
    """An Xvfb and what is seen on it.

    Attributes:
        display: Its name.
        changes: All since the last `forget`.
    """

    display: str
    changes: list[Change] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self) -> None:
        """Drop what was seen but for the last."""
        del self.changes[:-1]

    async def changed(self) -> None:
        """Wait for the next change."""
        self._news.clear()
        await self._news.wait()

    async def until(self, colour: Colour, since_s: float, within_s: float) -> bool:
        """Wait for `colour`; tell whether it came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not any(c.colour is colour and c.at_s >= since_s for c in self.changes):
                    await self.changed()
                return True
        return False

    async def listen(self, lines: asyncio.StreamReader) -> None:
        """Take down what the detector says."""
        colours = {letter: colour for colour, letter in _LETTERS.items()}
        while line := await lines.readline():
            at, letter, frame = line.decode().split()
            self.changes.append(Change(float(at), colours.get(letter), int(frame)))
            self._news.set()
        raise RuntimeError("the detector ended")


@asynccontextmanager
async def screen(folder: Path, *, width: int, height: int) -> AsyncIterator[Screen]:
    """Run an Xvfb and a detector on it; `folder` is for its memory and should be in memory itself."""
    reading, writing = os.pipe()
    shape = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    server: list[str | Path] = ["Xvfb", "-displayfd", str(writing), "-fbdir", folder, *shape]
    try:
        async with child.running(server, pass_fds=(writing,), stderr=asyncio.subprocess.DEVNULL):
            async with asyncio.timeout(START_S):
                number = await asyncio.to_thread(os.read, reading, 16)
            look = [sys.executable, "-m", "bench.zap_detector", str(folder / "Xvfb_screen0")]
            async with (
                child.running(look, stdout=asyncio.subprocess.PIPE) as detector,
                asyncio.TaskGroup() as group,
            ):
                if detector.stdout is None:
                    raise RuntimeError("no pipe")
                seen = Screen(f":{number.decode().strip()}")
                listening = group.create_task(seen.listen(detector.stdout), name="detector")
                yield seen
                listening.cancel()
    finally:
        os.close(reading)
        os.close(writing)


def main() -> None:
    """Look until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framebuffer", type=Path)
    framebuffer = Framebuffer(parser.parse_args().framebuffer)
    with contextlib.suppress(OSError):
        os.nice(-15)  # it sleeps nearly always, and must not be late
    before = None
    while True:
        now = framebuffer.look()
        if now != before:
            before = now
            print(f"{time.monotonic():.6f} {now[0]} {now[1]}", flush=True)  # noqa: T201 - told to who started us
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main()
