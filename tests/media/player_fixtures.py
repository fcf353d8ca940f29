"""A screen whose pixels can be read, and an origin of channels in plain colours.

One rule: what the tests call "on the screen" is light, read from the X
server's framebuffer; never an event of the player under test.
"""

import asyncio
import mmap
import os
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiohttp import ClientError, ClientResponse, ClientSession, web

from gateway import child
from gateway.media.inpage import InPagePlayer, Screen
from gateway.media.player import Track

COLOURS = {
    "red": (254, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 254),
    "yellow": (254, 254, 0),
    "magenta": (254, 0, 254),
    "cyan": (0, 254, 254),
    "white": (254, 254, 254),
}
BLACK = (0, 0, 0)
SECONDS = 15
_NEAR = 40


@dataclass
class Framebuffer:
    """What an X server shows: its XWD file, mapped."""

    display: str
    memory: mmap.mmap
    width: int
    height: int
    bytes_per_line: int
    offset: int

    def pixel(self, x: int | None = None, y: int | None = None) -> tuple[int, int, int]:
        """Return red, green, blue at a point, by default near the middle."""
        x = self.width // 2 if x is None else x
        y = self.height // 2 if y is None else y
        at = self.offset + y * self.bytes_per_line + x * 4
        blue, green, red = self.memory[at : at + 3]
        return red, green, blue

    def shows(self, colour: tuple[int, int, int]) -> bool:
        """Tell whether the middle and the corners have `colour`, as far as video keeps colours."""
        right, bottom = self.width - 3, self.height - 3
        points = [(2, 2), (right, 2), (2, bottom), (right, bottom), (None, None)]
        return all(
            abs(seen - wanted) < _NEAR
            for point in points
            for seen, wanted in zip(self.pixel(*point), colour, strict=True)
        )

    async def until(self, colour: tuple[int, int, int], *, within_s: float) -> float:
        """Return the monotonic time at which `colour` was seen, looking each 2 ms."""
        async with asyncio.timeout(within_s):
            while not self.shows(colour):  # noqa: ASYNC110 - memory of another process
                # A screen has no event for "now it is lit".
                await asyncio.sleep(0.002)
        return time.monotonic()


@asynccontextmanager
async def framebuffer(folder: Path) -> AsyncIterator[Framebuffer]:
    """Run an X server of 1280 by 720 on a free display."""
    reading, writing = os.pipe()
    argv: Sequence[str | Path] = [
        "Xvfb", "-displayfd", str(writing), "-fbdir", folder, "-screen", "0", "1280x720x24",
        "-nolisten", "tcp",
    ]  # fmt: skip
    try:
        async with child.running(argv, pass_fds=(writing,), stderr=subprocess.DEVNULL):
            async with asyncio.timeout(10):
                number = await asyncio.to_thread(os.read, reading, 16)
            yield _map(f":{number.decode().strip()}", folder / "Xvfb_screen0")
    finally:
        os.close(reading)
        os.close(writing)


def _map(display: str, path: Path) -> Framebuffer:
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    # XWDFile.h: 25 big-endian words, the window's name, then the colour map, 12 bytes an entry.
    header = struct.unpack(">25I", memory[:100])
    size, width, height, bytes_per_line, colours = header[0], header[4], header[5], header[12], header[19]
    return Framebuffer(display, memory, width, height, bytes_per_line, size + colours * 12)


def make_material(folder: Path) -> Path:
    """Fill `folder` with one MPEG-TS file per colour, and ``two.ts`` with two languages."""
    inputs: list[str] = []
    outputs: list[str] = []
    encode = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a mp2 -muxdelay 0"
    for number, name in enumerate(COLOURS):
        inputs += ["-f", "lavfi", "-i", f"color={name}:s=640x360:r=25"]
        outputs += [
            "-map", f"{number}:v", "-map", f"{len(COLOURS)}:a", *encode.split(),
            "-t", str(SECONDS), "-f", "mpegts", str(folder / f"{name}.ts"),
        ]  # fmt: skip
    sounds = ["-f", "lavfi", "-i", "sine=frequency=440", "-f", "lavfi", "-i", "sine=frequency=880"]
    two = [
        "-map", "0:v", "-map", f"{len(COLOURS)}:a", "-map", f"{len(COLOURS) + 1}:a", *encode.split(),
        "-metadata:s:a:0", "language=zho", "-metadata:s:a:1", "language=eng",
        "-t", str(SECONDS), "-f", "mpegts", str(folder / "two.ts"),
    ]  # fmt: skip
    radio = [
        "-map",
        f"{len(COLOURS)}:a",
        "-c:a",
        "mp2",
        "-t",
        str(SECONDS),
        "-f",
        "mpegts",
        str(folder / "radio.ts"),
    ]
    command = ["ffmpeg", "-loglevel", "error", *inputs, *sounds, *outputs, *two, *radio]
    subprocess.run(command, check=True, timeout=120)
    return folder


@dataclass
class Origin:
    """Sends each file at the speed of television, one second ahead.

    Attributes:
        base: Where it listens.
        flowing: Cleared to let every stream stand still.
    """

    folder: Path
    base: str = ""
    flowing: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, name: str) -> str:
        """Return the address of the channel `name`."""
        return f"{self.base}/{name}.ts"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Origin"]:
        """Listen on a free port."""
        self.flowing.set()
        app = web.Application()
        app.router.add_get("/{name}.ts", self._send)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _send(self, request: web.Request) -> web.StreamResponse:
        path = self.folder / f"{request.match_info['name']}.ts"
        if not path.exists():
            raise web.HTTPNotFound
        data = path.read_bytes()
        per_tick = len(data) // (SECONDS * 20)
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        sent = per_tick * 20
        await response.write(data[:sent])
        while sent < len(data):
            await asyncio.sleep(0.05)
            await self.flowing.wait()
            try:
                await response.write(data[sent : sent + per_tick])
            except ConnectionError:
                break  # zapped away
            sent += per_tick
        return response


Event = TypeVar("Event")


async def first_of(kind: type[Event], events: AsyncIterator[object]) -> Event:
    """Return the next fact of `kind`, passing over the others."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("the player stopped talking")


class HonestPage:
    """A page whose video element is a download: it says what it got, and nothing else."""

    def __init__(self, player: InPagePlayer) -> None:
        self._player = player

    async def run(self, ready: Callable[[], None]) -> None:
        """Show what the player says, as every open page would."""
        with self._player.changes.subscribe() as changes:
            ready()
            shown: str | None = None
            async with ClientSession() as session:
                while True:
                    state = self._player.state
                    if state.stream_id == shown:
                        await anext(changes)
                        continue
                    shown = state.stream_id
                    async with asyncio.TaskGroup() as group:
                        playing = group.create_task(self._play(session, state), name="page: play")
                        while self._player.state.stream_id == shown:
                            await anext(changes)
                        playing.cancel()

    async def _play(self, session: ClientSession, screen: Screen) -> None:
        name, url = screen.stream_id, screen.stream
        if name is None or url is None:
            return
        try:
            async with session.get(url) as response:
                response.raise_for_status()
                await response.content.readany()
                self._player.first_frame(name)
                if url.endswith("two.ts"):
                    two = (Track("1", "audio", "zh", ""), Track("2", "audio", "en", ""))
                    self._player.tracks(name, two, ("1",))
                await self._watch(response, name)
        except ClientError:
            self._player.failed(name, "TV-301")

    async def _watch(self, response: ClientResponse, name: str) -> None:
        moving = True
        while True:
            try:
                async with asyncio.timeout(0.5 if moving else None):
                    if not await response.content.readany():
                        return
                if not moving:
                    self._player.resumed(name)
                moving = True
            except TimeoutError:
                self._player.stalled(name)
                moving = False
