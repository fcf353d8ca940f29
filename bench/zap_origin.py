"""The origin at the far end of the emulated line, a process of its own.

One rule: what is sent is decided at once and handed out as `bench.zap_line` says;
nothing else delays an answer.  Plain HTTP/1.1 with connections kept open.

``python -m bench.zap_origin MATERIAL [--port 0] [--log FILE]`` prints its address.  The
log has one JSON line per answer: when it was asked, began to come and had come, by
the monotonic clock, which all processes of a machine share.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TextIO

from bench.zap_line import Connection, Line, LineSpeed
from bench.zap_loop import Loop
from bench.zap_material import LANGUAGES, RUNGS, Colour
from headend.demo import stock, window
from headend.demo.delivery import PLAYLIST_TYPE, TYPES, encrypt

WINDOW_SEGMENTS = 4
GRACE_SEGMENTS = 4
MAX_HEAD_BYTES = 16 * 1024
IDLE_S = 60.0


class Kind(StrEnum):
    """How a channel is packed."""

    TS2 = "ts2"
    TS6 = "ts6"
    FMP4 = "fmp4"
    ABR = "abr"
    AES = "aes"
    MULTI = "multi"


_RENDITION = {Kind.TS6: "six", Kind.FMP4: "fmp4", Kind.MULTI: "silent"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One live channel; its picture is all of one colour."""

    kind: Kind
    colour: Colour

    @property
    def id(self) -> str:
        """Its name in addresses and in the line-up."""
        return f"{self.kind}-{self.colour.name.lower()}"

    @property
    def renditions(self) -> tuple[str, ...]:
        """The playlists it has."""
        if self.kind is Kind.ABR:
            return tuple(rung.name for rung in RUNGS)
        best = _RENDITION.get(self.kind, RUNGS[0].name)
        return (
            (best, *(f"audio-{language}" for language in LANGUAGES)) if self.kind is Kind.MULTI else (best,)
        )

    @property
    def has_master(self) -> bool:
        """Whether its address is that of a master playlist."""
        return self.kind in (Kind.ABR, Kind.MULTI)


CHANNELS = tuple(Channel(kind, colour) for kind in Kind for colour in Colour)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered."""

    status: int
    type: str
    body: bytes


NOT_FOUND = Answer(404, "text/plain", b"not found\n")


class Site:
    """What there is at which address at which moment."""

    def __init__(self, material: Path) -> None:
        self._material = material
        self._loops: dict[tuple[str, str], Loop] = {}

    @cached_property
    def _paths(self) -> dict[str, tuple[Channel, str]]:
        return {
            f"{channel.id}/{name}": (channel, name) for channel in CHANNELS for name in channel.renditions
        }

    def answer(self, path: str, now: float, *, host: str) -> Answer:
        """Return the answer to a GET of `path` at Unix time `now`."""
        if path == "/lineup.m3u":
            return Answer(200, "audio/x-mpegurl", line_up(f"http://{host}").encode())
        folder, _, name = path.removeprefix("/").rpartition("/")
        if name == "index.m3u8" and "/" not in folder:
            return self._entry(folder, now)
        if folder.endswith("/key") and name.isdecimal():
            return Answer(200, "application/octet-stream", _key(folder.removesuffix("/key"), int(name)))
        return self._part(*self._paths[folder], name, now) if folder in self._paths else NOT_FOUND

    def _part(self, channel: Channel, rendition: str, name: str, now: float) -> Answer:
        loop = self._loop(channel.colour, rendition)
        if name == "index.m3u8":
            return Answer(200, PLAYLIST_TYPE, _playlist(channel, loop, now).encode())
        if name == "init.mp4" and loop.stock.scales:
            return Answer(200, TYPES["mp4"], loop.init)
        number, _, ending = name.partition(".")
        newest = loop.stock.newest(now)
        served = range(newest - WINDOW_SEGMENTS - GRACE_SEGMENTS + 1, newest + 1)
        if ending != loop.stock.ending or not number.isdecimal() or int(number) not in served:
            return NOT_FOUND
        body = loop.segment(int(number))
        if channel.kind is Kind.AES:
            body = encrypt(body, _key(channel.id, window.key_number(int(number))), int(number))
        return Answer(200, TYPES[ending], body)

    def _entry(self, name: str, now: float) -> Answer:
        channel = next((channel for channel in CHANNELS if channel.id == name), None)
        if channel is None:
            return NOT_FOUND
        if channel.has_master:
            return Answer(200, PLAYLIST_TYPE, self._master(channel).encode())
        rendition = channel.renditions[0]
        loop = self._loop(channel.colour, rendition)
        return Answer(200, PLAYLIST_TYPE, _playlist(channel, loop, now, prefix=f"{rendition}/").encode())

    def _master(self, channel: Channel) -> str:
        lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
        group = ""
        if channel.kind is Kind.MULTI:
            group = ',AUDIO="sound"'
            for n, language in enumerate(LANGUAGES):
                lines.append(
                    f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="{language}",LANGUAGE="{language}",'
                    f'DEFAULT={"NO" if n else "YES"},AUTOSELECT=YES,URI="audio-{language}/index.m3u8"'
                )
        rungs = RUNGS if channel.kind is Kind.ABR else RUNGS[:1]
        for rung in rungs:
            name = rung.name if channel.kind is Kind.ABR else channel.renditions[0]
            peak = self._loop(channel.colour, name).stock.peak_kbps
            shape = f"RESOLUTION={rung.width}x{rung.height},FRAME-RATE=25.000"
            about = f'BANDWIDTH={peak * 1000},{shape},CODECS="avc1.640028,mp4a.40.2"{group}'
            lines += [f"#EXT-X-STREAM-INF:{about}", f"{name}/index.m3u8"]
        return "\n".join(lines) + "\n"

    def _loop(self, colour: Colour, rendition: str) -> Loop:
        key = (colour.name.lower(), rendition)
        if key not in self._loops:
            self._loops[key] = Loop(stock.load(self._material / key[0] / key[1]))
        return self._loops[key]

    def warm_up(self, now: float) -> None:
        """Cast every segment of the loop once, so that the first zap is served as fast as the last."""
        for channel in CHANNELS:
            for rendition in channel.renditions:
                loop = self._loop(channel.colour, rendition)
                newest = loop.stock.newest(now)
                for number in range(newest, newest + len(loop.stock.files)):
                    loop.segment(number)


def line_up(base: str, channels: Iterable[Channel] = CHANNELS) -> str:
    """Return the line-up of `channels` as M3U."""
    lines = ["#EXTM3U"]
    for number, channel in enumerate(channels, start=1):
        lines.append(f'#EXTINF:-1 tvg-id="{channel.id}" tvg-chno="{number}",{channel.id}')
        lines.append(f"{base}/{channel.id}/index.m3u8")
    return "\n".join(lines) + "\n"


def _playlist(channel: Channel, loop: Loop, now: float, *, prefix: str = "") -> str:
    newest = loop.stock.newest(now)
    moments = [loop.stock.moment(n) for n in range(newest - WINDOW_SEGMENTS + 1, newest + 1)]
    shape = window.Shape(
        ending=loop.stock.ending,
        with_init=bool(loop.stock.scales),
        encrypted=channel.kind is Kind.AES,
        prefix=prefix,
        key_prefix="" if prefix else "../",
    )
    return window.media_playlist(moments, shape)


def _key(channel: str, number: int) -> bytes:
    return hashlib.sha256(f"zap {channel} {number}".encode()).digest()[:16]


class Origin:
    """Answers requests through the line."""

    def __init__(self, site: Site, line: Line, log: TextIO | None = None) -> None:
        self._site = site
        self._line = line
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[int]:
        """Serve for as long as the block lasts; yields the port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=MAX_HEAD_BYTES)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = Connection(self._line, time.monotonic())
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.decode("latin-1"), connection, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return
        finally:
            writer.transport.abort()

    async def _answer(self, head: str, connection: Connection, writer: asyncio.StreamWriter) -> None:
        asked_s = time.monotonic()
        at_s = first_s = connection.asked(asked_s)
        request, *fields = head.rstrip().split("\r\n")
        method, target, _ = request.split(" ", 2)
        headers = {name.lower(): text.strip() for name, _, text in (each.partition(":") for each in fields)}
        path = target.partition("?")[0]
        # A line-up is asked for at the time of the request's arrival, half a round trip later.
        now = time.time() + self._line.speed.rtt_s / 2
        answer = self._site.answer(path, now, host=headers.get("host", ""))
        data = _with_head(answer, headers.get("range", ""), only_head=method == "HEAD")
        sent = 0
        while sent < len(data):
            size, came_s = connection.send(len(data) - sent, at_s)
            await asyncio.sleep(came_s - time.monotonic())
            writer.write(data[sent : sent + size])
            await writer.drain()
            sent += size
        if self._log is not None:
            times = {"asked": asked_s, "first": first_s, "last": came_s}
            print(json.dumps({"path": path, "bytes": sent, **times}), file=self._log, flush=True)


def _with_head(answer: Answer, wanted: str, *, only_head: bool) -> bytes:
    status, body, more = f"{answer.status} {'OK' if answer.status == 200 else 'Not Found'}", answer.body, ""  # noqa: PLR2004
    first, dash, last = wanted.removeprefix("bytes=").partition("-")
    if answer.status == 200 and dash and first.isdecimal() and int(first) < len(body):  # noqa: PLR2004
        end = min(int(last), len(body) - 1) if last.isdecimal() else len(body) - 1
        more = f"Content-Range: bytes {first}-{end}/{len(body)}\r\n"
        status, body = "206 Partial Content", body[int(first) : end + 1]
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {answer.type}\r\nContent-Length: {len(body)}\r\n"
        f"Accept-Ranges: bytes\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: no-cache\r\n{more}\r\n"
    )
    return head.encode() + (b"" if only_head else body)


async def serve(origin: Origin, port: int) -> None:
    """Listen until told to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with origin.listening(port) as taken:
        print(f"http://127.0.0.1:{taken}", flush=True)  # noqa: T201 - told to who started us
        await stop.wait()


def main() -> None:
    """Serve made material."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("material", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    said = parser.parse_args()
    with contextlib.suppress(OSError):
        os.nice(-10)  # another machine would not suffer from this one's load
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(said.log.open("a")) if said.log else None
        site = Site(said.material)
        site.warm_up(time.time())
        asyncio.run(serve(Origin(site, Line(LineSpeed()), log), said.port))


if __name__ == "__main__":
    main()
