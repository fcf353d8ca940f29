"""A live origin for the relay's bench, in a process of its own: endless, exact, and at fault on schedule.

One rule: it counts what it withheld, so that the bench can tell a loss of the
origin's from a loss of the relay's.
"""

import asyncio
import functools
import gzip
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from aiohttp import web

from gateway.media import ts, ts_edit

SEGMENT_S = 2
LOOP = 3
WINDOW = 5
EVERY = 4
JUMP = 3600 * ts.CLOCK_HZ
FAULTS = (
    "segment 404, then there",
    "segment 404 for good",
    "hangs up half-way",
    "trickles",
    "playlist stands still",
    "page instead of playlist",
    "playlist zipped unannounced",
    "clock jumps by an hour",
)
LOSES = "segment 404 for good"
CODECS = {
    # Pictures as costly as the line-up's best, and small ones of which an hour fits in a minute.
    "big": ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"],
    "small": ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"],
}


def make(folder: Path, kind: str, mbit: float) -> None:
    """Make six seconds of `mbit` Mbit/s as transport stream and as fragmented MP4."""
    size, rate = ("3840x2160", 50) if kind == "big" else ("1280x720", 25)
    seconds, kbit = LOOP * SEGMENT_S, int(mbit * 1000) - 200
    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]
    source += ["-f", "lavfi", "-i", f"sine=440:r=48000:d={seconds}"]
    if kind == "big":
        exact = f"keyint={rate * 2}:min-keyint={rate * 2}:scenecut=0:bitrate={kbit}:vbv-maxrate={kbit}"
        exact += f":vbv-bufsize={kbit}:strict-cbr=1:filler=1:log-level=error"
        rates = ["-x265-params", exact]
    else:
        rates = ["-b:v", f"{kbit}k", "-minrate", f"{kbit}k", "-maxrate", f"{kbit}k", "-bufsize", f"{kbit}k"]
        rates += ["-nal-hrd", "cbr", "-g", str(rate * 2), "-sc_threshold", "0"]
    hls = ["-f", "hls", "-hls_time", str(SEGMENT_S), "-hls_list_size", "0"]
    coded = folder / f"{kind}.mp4"
    run = [shutil.which("ffmpeg") or "ffmpeg", "-v", "error", "-y"]
    encode = [*run, *source, *CODECS[kind], *rates, "-c:a", "aac", "-t", str(seconds), str(coded)]
    subprocess.run(encode, check=True, timeout=900)
    copy = [*run, "-i", str(coded), "-c", "copy", *hls]
    fmp4 = ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", f"{kind}-init.mp4"]
    fmp4 += ["-hls_segment_filename", f"{folder}/{kind}-%d.m4s", f"{folder}/{kind}-f.m3u8"]
    plain = ["-hls_segment_filename", f"{folder}/{kind}-%d.ts", f"{folder}/{kind}-t.m3u8"]
    subprocess.run([*copy, *fmp4], check=True, timeout=60)
    subprocess.run([*copy, *plain], check=True, timeout=60)
    coded.unlink()


class Origin:
    """Channels ``{kind}/{ts,m4s}/{segment_s}/{faults}/``; `segment_s` is what a segment claims to last."""

    def __init__(self, folder: Path) -> None:
        self.lost: set[int] = set()
        self.injected: Counter[str] = Counter()
        self._folder = folder
        self._began = time.monotonic()
        self._done: set[object] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever is asked for."""
        if request.path == "/report":
            return web.json_response({"lost": len(self.lost), "injected": self.injected})
        kind, packing, claimed, faults, name = request.path.strip("/").split("/")
        if name == "index.m3u8":
            return self._playlist(packing, float(claimed), faulty=faults == "faults")
        if name.startswith("init"):
            return web.Response(body=(self._folder / f"{kind}-init.mp4").read_bytes())
        number = int(name.partition(".")[0])
        data = self._media(kind, packing, number, jumps=_jumps(number) if faults == "faults" else 0)
        return await self._segment(request, number, data) if faults == "faults" else web.Response(body=data)

    def _media(self, kind: str, packing: str, number: int, *, jumps: int) -> bytes:
        if packing == "m4s":
            return (self._folder / f"{kind}-{number % LOOP}.m4s").read_bytes()
        return moved(self._folder, kind, number, jumps)

    def _playlist(self, packing: str, claimed_s: float, *, faulty: bool) -> web.Response:
        elapsed_s = time.monotonic() - self._began
        newest = 100 + int(elapsed_s / claimed_s)
        fault = _fault(newest) if faulty else None
        if fault == "playlist stands still" and elapsed_s % claimed_s < claimed_s * 0.75:
            self._count(fault, newest)
            newest -= 1
        if fault == "page instead of playlist" and self._once("page", newest):
            self._count(fault, newest)
            return web.Response(text="<!DOCTYPE html><html>Sorry</html>", content_type="text/html")
        first = newest - (WINDOW - 1)
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{claimed_s}", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        if packing == "m4s":
            lines.append('#EXT-X-MAP:URI="init.mp4"')
        for number in range(first, newest + 1):
            breaks = _fault(number) == FAULTS[-1] if faulty else packing == "m4s" and number % LOOP == 0
            if breaks and faulty:
                self._count(FAULTS[-1], number)
            lines += ["#EXT-X-DISCONTINUITY"] * breaks + [f"#EXTINF:{claimed_s},", f"{number}.{packing}"]
        text = "\n".join(lines) + "\n"
        if fault == "playlist zipped unannounced":
            self._count(fault, newest)
            return web.Response(body=gzip.compress(text.encode()))
        return web.Response(text=text)

    async def _segment(self, request: web.Request, number: int, data: bytes) -> web.StreamResponse:
        fault = _fault(number)
        if fault == LOSES:
            self._count(fault, number)
            self.lost.add(number)
            return web.Response(status=404)
        if fault == FAULTS[0] and self._once("404", number):
            self._count(fault, number)
            return web.Response(status=404)
        if fault in ("hangs up half-way", "trickles") and self._once(fault, number):
            self._count(fault, number)
            return await _badly(request, data, trickles=fault == "trickles")
        wanted = request.http_range
        if wanted.start:
            return web.Response(
                status=206,
                body=data[wanted.start :],
                headers={"Content-Range": f"bytes {wanted.start}-{len(data) - 1}/{len(data)}"},
            )
        return web.Response(body=data)

    def _once(self, *what: object) -> bool:
        first = what not in self._done
        self._done.add(what)
        return first

    def _count(self, fault: str, number: int) -> None:
        if self._once("counted", fault, number):
            self.injected[fault] += 1


@functools.lru_cache(maxsize=16)
def moved(folder: Path, kind: str, number: int, jumps: int) -> bytes:
    """Return segment `number` of an endless transport stream: time and counters go on from loop to loop."""
    data = (folder / f"{kind}-{number % LOOP}.ts").read_bytes()
    ticks = (number // LOOP * LOOP * SEGMENT_S * ts.CLOCK_HZ + jumps * JUMP) % ts.WRAP
    edits = ts_edit.media_edits(data, ticks) + ts_edit.clock_edits(data, ticks)
    whole = ts_edit.applied(data, edits)
    each = counters_of_loop(folder, kind)
    before = {pid: (steps * (number // LOOP) - 1) % 16 for pid, steps in each.items()}
    for at in range(number % LOOP):
        ts_edit.counted((folder / f"{kind}-{at}.ts").read_bytes(), before)
    return ts_edit.counted(whole, before)


@functools.cache
def counters_of_loop(folder: Path, kind: str) -> dict[int, int]:
    """Return by how much each packet identifier's counter moves in one loop."""
    counters: dict[int, int] = {}
    for at in range(LOOP):
        data = (folder / f"{kind}-{at}.ts").read_bytes()
        for place in range(0, len(data), ts.PACKET):
            pid = ts.pid(data, place)
            counters[pid] = (counters.get(pid, 0) + (data[place + 3] >> 4 & 1)) % 16
    return counters


def _fault(number: int) -> str | None:
    place, rest = divmod(number % (EVERY * len(FAULTS)), EVERY)
    return FAULTS[place] if rest == EVERY - 1 else None


def _jumps(number: int) -> int:
    """Return how many times the clock has jumped by segment `number`."""
    return (number + 1) // (EVERY * len(FAULTS))


async def _badly(request: web.Request, data: bytes, *, trickles: bool) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = len(data)
    await response.prepare(request)
    if trickles:
        step = len(data) // 20 + 1
        for at in range(0, len(data), step):
            await response.write(data[at : at + step])
            await asyncio.sleep(SEGMENT_S * 0.9 / 20)
        return response
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def main() -> None:
    """Serve the material in the folder given, until killed; prints the port."""
    app = web.Application()
    app.router.add_get("/{path:.*}", Origin(Path(sys.argv[1])).answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
