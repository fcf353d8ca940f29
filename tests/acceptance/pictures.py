"""Telling by its picture alone which channel is on a screen.

One rule: a channel is recognised by the pixels that the demo's own material
has, never by what the box says it shows.
"""

import asyncio
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headend.demo import stock
from headend.demo.channels import DemoChannel
from headend.demo.recipe import Recipe
from tests.media.player_fixtures import Framebuffer

COLUMNS, ROWS = 16, 9
CELLS = COLUMNS * ROWS * 3

Look = bytes
"""Red, green, blue of each cell of a grid over the picture."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture looks like most.

    Attributes:
        number: Of the channel.
        distance: Mean difference of a cell to that channel, 0..255.
        next_best: The same to the next similar channel.
    """

    number: int
    distance: float
    next_best: float

    @property
    def sure(self) -> bool:
        """Whether there is no doubt."""
        return self.distance < 12 and self.distance * 1.5 < self.next_best


class Album:
    """How each channel looks over its loop."""

    def __init__(self, material: Path, channels: Sequence[DemoChannel]) -> None:
        self.looks = {channel.number: _looks(material, channel) for channel in channels}

    def recognise(self, look: Look) -> Seen:
        """Return the channel that `look` is of."""
        return recognise(look, self.looks)


def recognise(look: Look, looks: Mapping[int, Sequence[Look]]) -> Seen:
    """Return the number among `looks` that is most like `look`."""
    ranking = sorted((min(difference(look, one) for one in known), number) for number, known in looks.items())
    return Seen(ranking[0][1], ranking[0][0], ranking[1][0])


def difference(one: Look, other: Look) -> float:
    """Return the mean difference of two looks' cells."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / CELLS


def _looks(material: Path, channel: DemoChannel) -> list[Look]:
    """Return the key frames of `channel`, small."""
    rendition = [each for each in Recipe(channel).renditions if each.video][-1]
    made = stock.load(material / channel.id / rendition.name)
    film = bytearray(made.init() if made.scales else b"")
    for file, start_s in zip(made.files, made.starts_s, strict=True):
        if start_s < channel.video_loop_s:
            film += (made.folder / file).read_bytes()
    argv = ["ffmpeg", "-loglevel", "error", "-skip_frame", "nokey", "-i", "pipe:0", "-an"]
    argv += ["-vf", f"scale={COLUMNS}:{ROWS}:flags=area", "-fps_mode", "passthrough"]
    argv += ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    pixels = subprocess.run(argv, input=bytes(film), capture_output=True, check=True, timeout=120).stdout
    return [pixels[at : at + CELLS] for at in range(0, len(pixels) - CELLS + 1, CELLS)]


def look_at(screen: Framebuffer) -> Look:
    """Return what an X server shows now."""
    wide, high, points = screen.width // COLUMNS, screen.height // ROWS, 4
    look = bytearray()
    for row in range(ROWS):
        for column in range(COLUMNS):
            sums = [0, 0, 0]
            for y in range(row * high + high // (2 * points), (row + 1) * high, high // points):
                for x in range(column * wide + wide // (2 * points), (column + 1) * wide, wide // points):
                    sums = [one + more for one, more in zip(sums, screen.pixel(x, y), strict=True)]
            look += bytes(one // points**2 for one in sums)
    return bytes(look)


async def shown(screen: Framebuffer, album: Album, number: int, within_s: float) -> float:
    """Return the monotonic time at which channel `number` was seen on `screen`."""
    seen: Seen | None = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                seen = album.recognise(look_at(screen))
                if seen.number == number and seen.sure:
                    return time.monotonic()
                # A screen has no event for "now it is lit".
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"channel {number} did not come to the screen; it shows {seen}") from None
