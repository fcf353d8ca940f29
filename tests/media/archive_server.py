"""An operator's archive on a real port: any stretch of a day, in segments that say their instant.

One rule: it knows only what is in the request, like the real ones.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

SEGMENT_S = 2
FOREVER = datetime.max.replace(tzinfo=UTC)
PACKETS = 5


def packet(moment: datetime) -> bytes:
    """A transport stream segment that carries nothing but its instant."""
    said = f"{int(moment.timestamp()):020d}".encode()
    return (b"\x47\x1f\xff\x10" + said.ljust(184, b"\xff")) * PACKETS


def instant(body: bytes) -> datetime:
    """What `packet` was made of."""
    return datetime.fromtimestamp(int(body[4:24]), UTC)


@dataclass
class ArchiveServer:
    """What it is asked and how it misbehaves.

    Attributes:
        asked: Every stretch that was asked for.
        segments: Instants of the segments that were sent.
        missing: Instants whose segments it has lost.
        gone: Answers 404 to every playlist.
        until: It keeps nothing from then on.
        front: A line in front of the segments.
    """

    root: str = ""
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    segments: list[datetime] = field(default_factory=list)
    missing: set[datetime] = field(default_factory=set)
    gone: bool = False
    until: datetime = FOREVER
    front: str = "#EXT-X-INDEPENDENT-SEGMENTS"

    async def playlist(self, request: web.Request) -> web.Response:
        if self.gone:
            return web.Response(status=404)
        start, stop = (datetime.fromtimestamp(int(request.query[key]), UTC) for key in ("b", "e"))
        self.asked.append((start, stop))
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{SEGMENT_S}", "#EXT-X-PLAYLIST-TYPE:VOD", self.front]
        moment = start
        while moment < min(stop, self.until):
            lines += [f"#EXTINF:{SEGMENT_S},", f"{int(moment.timestamp())}.ts"]
            moment += timedelta(seconds=SEGMENT_S)
        return web.Response(text="\n".join([*lines, "#EXT-X-ENDLIST", ""]))

    async def master(self, _request: web.Request) -> web.Response:
        """Sound apart from the picture."""
        sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="zh",URI="sound.m3u8"'
        return web.Response(text=f'#EXTM3U\n{sound}\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nnews.m3u8\n')

    async def segment(self, request: web.Request) -> web.Response:
        moment = datetime.fromtimestamp(int(request.match_info["moment"]), UTC)
        if moment in self.missing:
            return web.Response(status=404)
        self.segments.append(moment)
        return web.Response(body=packet(moment))


@asynccontextmanager
async def archive_server() -> AsyncIterator[ArchiveServer]:
    """A server for the length of the block."""
    server = ArchiveServer()
    app = web.Application()
    app.router.add_get("/news.m3u8", server.playlist)
    app.router.add_get("/apart.m3u8", server.master)
    app.router.add_get(r"/{moment:\d+}.ts", server.segment)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
