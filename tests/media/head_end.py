"""A live origin in miniature, on a real port, that can be told to misbehave.

One rule: it is right until a test says otherwise, and it remembers every
request, so that a test can count what the house asked of it.
"""

import asyncio
import gzip
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.media import ts

SEGMENT_S = 0.5
COUNT = 40
WINDOW = 5
KEY = bytes(range(16))
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
VTT = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000\n\n00:00:00.000 --> 00:00:00.500\n{n}\n"
MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="中文",LANGUAGE="zh",DEFAULT=YES,URI="zh.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",URI="en.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="中文",LANGUAGE="zh",URI="text.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=160x90,AUDIO="a",SUBTITLES="s"
video.m3u8
"""
ABR = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=160x90
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=1920x1080
plain.m3u8
"""
STEPS = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720
plain.m3u8
"""
MASTERS = {"multi": MASTER, "abr": ABR, "steps": STEPS}
SPANS = {"long": 4, "sealed": 4}
SEALED = frozenset({"aes", "sealed"})
"""How many half-second pieces make one segment."""

Regular = Callable[[], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request, Regular], Awaitable[web.StreamResponse]]


def make_material(folder: Path) -> Path:
    """Make 20 s of small pictures and sound, in half-second segments of every packing."""
    seconds = COUNT * SEGMENT_S
    source = ["-f", "lavfi", "-i", f"testsrc2=s=160x90:r=24:d={seconds}"]
    source += ["-f", "lavfi", "-i", f"sine=440:d={seconds}", "-f", "lavfi", "-i", f"sine=880:d={seconds}"]
    coded = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-bf",
        "2",
        "-g",
        "12",
        "-sc_threshold",
        "0",
        "-c:a",
        "aac",
    ]
    hls = ["-f", "hls", "-hls_time", str(SEGMENT_S), "-hls_list_size", "0"]
    plain = ["-map", "0:v", "-map", "1:a", *coded, *hls, "-hls_segment_filename", f"{folder}/plain-%d.ts"]
    fmp4 = ["-map", "0:v", "-map", "1:a", *coded, *hls, "-hls_segment_type", "fmp4"]
    fmp4 += ["-hls_fmp4_init_filename", "fmp4-init.mp4", "-hls_segment_filename", f"{folder}/fmp4-%d.m4s"]
    video = ["-map", "0:v", *coded, *hls, "-hls_segment_filename", f"{folder}/video-%d.ts"]
    tracks = [plain, f"{folder}/plain.m3u8", fmp4, f"{folder}/fmp4.m3u8", video, f"{folder}/video.m3u8"]
    for at, name in ((1, "zh"), (2, "en")):
        sound = ["-map", f"{at}:a", "-c:a", "aac", *hls, "-hls_segment_filename", f"{folder}/{name}-%d.ts"]
        tracks += [sound, f"{folder}/{name}.m3u8"]
    outputs = [part for each in tracks for part in ([each] if isinstance(each, str) else each)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *outputs], check=True, timeout=120)
    return folder


class HeadEnd:
    """Channels named as the tracks below, and ``multi``, ``abr`` and ``steps``, live for long.

    Attributes:
        asked: How often each path was asked for.
        frozen: Paths' beginnings whose playlists stand still.
        dated: Whether playlists tell the time of day.
        renumbered: Tracks whose playlists count from elsewhere.
    """

    def __init__(self, material: Path) -> None:
        self.asked: Counter[str] = Counter()
        self.frozen: dict[str, int] = {}
        self.offset = 100
        self.dated = False
        self.renumbered: dict[str, int] = {}
        self._material = material
        self._answers: dict[str, Answer] = {}
        self._base = ""
        self._began_s = 0.0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["HeadEnd"]:
        """Answer on an ephemeral port for the length of the block."""
        app = web.Application()
        app.router.add_get("/{name:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._began_s = asyncio.get_running_loop().time()
        try:
            yield self
        finally:
            await runner.cleanup()

    def url(self, path: str) -> str:
        """Return the address of ``channel/name``."""
        return f"{self._base}/{path}"

    def interfere(self, beginning: str, answer: Answer) -> None:
        """Let `answer` decide about every path that begins so, from now on."""
        self._answers[beginning] = answer

    def freeze(self, beginning: str) -> None:
        """Let playlists that begin so never change again."""
        self.frozen[beginning] = self.newest(beginning)

    async def broadcast(self, segments: int) -> None:
        """Return when that many more segments have been on the air."""
        await asyncio.sleep(segments * SEGMENT_S)

    def newest(self, path: str = "") -> int:
        """Return the sequence number of the newest segment of a playlist."""
        stopped = next((at for beginning, at in self.frozen.items() if path.startswith(beginning)), None)
        if stopped is not None:
            return stopped
        span_s = SEGMENT_S * SPANS.get(path.partition("/")[0], 1)
        return self.offset + int((asyncio.get_running_loop().time() - self._began_s) / span_s)

    def media(self, track: str, sequence: int) -> bytes:
        """Return a segment as it was made."""
        if track == "text":
            return VTT.format(n=sequence).encode()
        if track in SPANS:
            span = SPANS[track]
            return b"".join(self.media("plain", span * sequence + at) for at in range(span))
        name = {"low": "plain", "aes": "plain"}.get(track, track)
        ending = "m4s" if name == "fmp4" else "ts"
        return (self._material / f"{name}-{sequence % COUNT}.{ending}").read_bytes()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["name"]
        self.asked[path] += 1

        async def regular() -> web.StreamResponse:
            return self._regular(path)

        answers = [answer for beginning, answer in self._answers.items() if path.startswith(beginning)]
        return await (answers[-1](request, regular) if answers else regular())

    def _regular(self, path: str) -> web.Response:
        channel, _, name = path.rpartition("/")
        kind = channel.rpartition("/")[2]
        stem, _, ending = name.rpartition(".")
        if name == "index.m3u8" and kind in MASTERS:
            return web.Response(text=MASTERS[kind])
        if ending == "m3u8":
            return web.Response(text=self.playlist(path, kind if stem == "index" else stem))
        if name == "key":
            return web.Response(body=KEY)
        if stem == "fmp4-init":
            return web.Response(body=(self._material / "fmp4-init.mp4").read_bytes())
        track, _, number = stem.rpartition("-")
        data = self.media(track, int(number))
        return web.Response(body=_locked(data, int(number)) if track in SEALED else data)

    def playlist(self, path: str, track: str) -> str:
        """Return the playlist of `track` as it is now."""
        newest = self.newest(path)
        first = newest - WINDOW + 1
        span = SPANS.get(track, 1)
        duration_s = SEGMENT_S * span
        said = first + self.renumbered.get(track, 0)
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{duration_s}", f"#EXT-X-MEDIA-SEQUENCE:{said}"]
        if track in SEALED:
            lines.append('#EXT-X-KEY:METHOD=AES-128,URI="key"')
        if track == "fmp4":
            lines.append('#EXT-X-MAP:URI="fmp4-init.mp4"')
        ending = {"fmp4": "m4s", "text": "vtt"}.get(track, "ts")
        for sequence in range(first, newest + 1):
            if sequence * span % COUNT == 0:
                lines.append("#EXT-X-DISCONTINUITY")
            if self.dated:
                at = EPOCH + timedelta(seconds=sequence * duration_s)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat()}")
            lines += [f"#EXTINF:{duration_s},", f"{track}-{sequence}.{ending}"]
        return "\n".join(lines) + "\n"


def _locked(data: bytes, sequence: int) -> bytes:
    padder = PKCS7(128).padder()
    closer = Cipher(algorithms.AES(KEY), modes.CBC(sequence.to_bytes(16))).encryptor()
    return closer.update(padder.update(data) + padder.finalize()) + closer.finalize()


def status(code: int) -> Answer:
    """Answer with that status and nothing else."""

    async def answer(_request: web.Request, _regular: Regular) -> web.StreamResponse:
        return web.Response(status=code)

    return answer


async def web_page(_request: web.Request, _regular: Regular) -> web.StreamResponse:
    """Answer 200 with a page for people."""
    return web.Response(text="<!DOCTYPE html><html>Sorry</html>", content_type="text/html")


async def never(_request: web.Request, _regular: Regular) -> web.StreamResponse:
    """Take the request and never finish the answer."""
    await asyncio.Event().wait()
    raise web.HTTPInternalServerError


async def broken_off(request: web.Request, regular: Regular) -> web.StreamResponse:
    """Promise the whole body and hang up after half of it."""
    whole = await regular()
    body = whole.body if isinstance(whole, web.Response) else b""
    assert isinstance(body, bytes)
    half = web.StreamResponse()
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return half


async def unannounced_gzip(_request: web.Request, regular: Regular) -> web.StreamResponse:
    """Send gzip and do not say so."""
    whole = await regular()
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    return web.Response(body=gzip.compress(whole.body))


async def regular_body(regular: Regular) -> bytes:
    """Return the body the origin means to send."""
    whole = await regular()
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    return whole.body


def rewritten(change: Callable[[bytes], bytes]) -> Answer:
    """Answer with the right body, changed."""

    async def answer(_request: web.Request, regular: Regular) -> web.StreamResponse:
        return web.Response(body=change(await regular_body(regular)))

    return answer


def delayed(delay_s: float) -> Answer:
    """Answer rightly, but later."""

    async def answer(_request: web.Request, regular: Regular) -> web.StreamResponse:
        await asyncio.sleep(delay_s)
        return await regular()

    return answer


class Resumable:
    """Breaks off once in the middle, and goes on when asked by Range.

    Attributes:
        asked: The ``Range`` headers of all requests, empty for none.
    """

    def __init__(self, tags: tuple[str, str] = ('"one"', '"one"'), *, lies: bool = False) -> None:
        """Describe an origin.

        Args:
            tags: ETags of the first answer and of those after it.
            lies: Goes on at the wrong place.
        """
        self.asked: list[str] = []
        self._tags = tags
        self._lies = lies

    async def answer(self, request: web.Request, regular: Regular) -> web.StreamResponse:
        body = await regular_body(regular)
        asked = request.headers.get("Range", "")
        first = not self.asked
        self.asked.append(asked)
        tag = self._tags[0 if first else 1]
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if request.headers.get("If-Range", tag) != tag:
            begin = 0
        response = web.StreamResponse(status=206 if begin else 200, headers={"ETag": tag})
        begin_at = begin + 188 if self._lies and begin else begin
        if begin:
            response.headers["Content-Range"] = f"bytes {begin_at}-{len(body) - 1}/{len(body)}"
        response.content_length = len(body) - begin_at
        await response.prepare(request)
        end = len(body) // 2 if first else len(body)
        await response.write(body[begin_at:end])
        if first:
            await asyncio.sleep(0.05)  # so that the half is read before the end is noticed
            assert request.transport is not None
            request.transport.close()
        return response


def retimed(data: bytes, ticks: int) -> bytes:
    """Return transport stream `data` with all its clocks and times `ticks` of 90 kHz later."""
    changed = bytearray(data)
    for at in ts.pcr_positions(data):
        clock = int.from_bytes(changed[at + 6 : at + 12])
        base = ((clock >> 15) + ticks) % ts.WRAP
        changed[at + 6 : at + 12] = (base << 15 | clock & 0x7FFF).to_bytes(6)
    for at in range(0, len(data), ts.PACKET):
        start = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if not data[at + 1] & 0x40 or data[start : start + 3] != b"\0\0\1":
            continue
        flags = data[start + 7] >> 6
        for place in ([start + 9] if flags & 2 else []) + ([start + 14] if flags == 3 else []):
            bits = int.from_bytes(changed[place : place + 5])
            time = (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF
            time = (time + ticks) % ts.WRAP
            spread = (time >> 30) << 33 | (time >> 15 & 0x7FFF) << 17 | (time & 0x7FFF) << 1
            changed[place : place + 5] = (bits & 0xF100010001 | spread).to_bytes(5)
    return bytes(changed)


def line_up_text(head_end: HeadEnd, **channels: str | list[str]) -> str:
    """Return an M3U list of `channels`: id to the paths of its sources."""
    lines = ["#EXTM3U"]
    for name, paths in channels.items():
        lines.append(f'#EXTINF:-1 tvg-id="{name}",{name}')
        lines += [head_end.url(path) for path in ([paths] if isinstance(paths, str) else paths)]
    return "\n".join(lines) + "\n"
