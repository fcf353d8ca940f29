"""What the relay costs: processor time and memory while it pulls and serves one heavy channel.

One rule: the origin runs in a process of its own, so that the figures are the
relay's alone.  ``python bench/relay.py [--mbit 40] [--seconds 30] [--readers 2]``
"""

import argparse
import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from gateway.media.lineup import ChannelId, LineUp, parse_m3u
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig

SEGMENT_S = 2
COUNT = 5


@dataclass
class Book:
    """A line-up of one channel."""

    state: LineUp


def make(folder: Path, mbit: int) -> None:
    """Make ten seconds of `mbit` Mbit/s, padded by the multiplexer."""
    source = [
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s=640x360:r=50:d={COUNT * SEGMENT_S}",
        "-f",
        "lavfi",
        "-i",
        "sine=440",
    ]
    video = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "100", "-sc_threshold", "0", "-c:a", "aac"]
    whole = folder / "whole.ts"
    padded = ["-muxrate", f"{mbit}M", "-f", "mpegts", str(whole)]
    subprocess.run(
        [
            shutil.which("ffmpeg") or "/usr/bin/ffmpeg",
            "-v",
            "error",
            "-y",
            *source,
            *video,
            "-shortest",
            *padded,
        ],
        check=True,
        timeout=300,
    )
    data = whole.read_bytes()
    size = len(data) // COUNT // 188 * 188
    for at in range(COUNT):
        (folder / f"{at}.ts").write_bytes(data[at * size : (at + 1) * size])


def serve(folder: Path) -> None:
    """Be the origin, until killed; prints its port."""
    pieces = [(folder / f"{at}.ts").read_bytes() for at in range(COUNT)]
    began = time.monotonic()

    async def answer(request: web.Request) -> web.Response:
        newest = 100 + int((time.monotonic() - began) / SEGMENT_S)
        name = request.path.rpartition("/")[2]
        if name.endswith(".ts"):
            return web.Response(body=pieces[int(name[:-3]) % COUNT])
        lines = [f"#EXTM3U\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-MEDIA-SEQUENCE:{newest - 4}"]
        lines += [f"#EXTINF:{SEGMENT_S},\n{number}.ts" for number in range(newest - 4, newest + 1)]
        return web.Response(text="\n".join(lines))

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/{name}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(main())


async def measure(port: int, seconds: float, readers: int) -> str:
    """Return one line of figures."""
    book = Book(parse_m3u(f"#EXTM3U\n#EXTINF:-1,A\nhttp://127.0.0.1:{port}/index.m3u8\n"))
    relay = Relay(book, RelayConfig(), base_url="http://127.0.0.1")
    ready = asyncio.Event()
    channel = ChannelId("a")
    received = [0] * readers

    async def read(at: int) -> None:
        stream = relay.continuous(channel)
        async with aclosing(stream):
            async for chunk in stream:
                received[at] += len(chunk)

    async with asyncio.TaskGroup() as group:
        service = group.create_task(relay.run(ready.set), name="relay")
        await ready.wait()
        await relay.open(channel)
        tasks = [group.create_task(read(at), name=f"reader {at}") for at in range(readers)]
        await asyncio.sleep(SEGMENT_S * 2)
        before, cpu = sum(received), time.process_time()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        spent, got = time.process_time() - cpu, sum(received) - before
        state = relay.state[channel]
        for task in [*tasks, service]:
            task.cancel()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    flow = (
        f"{state.bitrate_bps / 1e6:.1f} Mbit/s in, {got * 8 / took / 1e6:.1f} Mbit/s out to {readers} readers"
    )
    held = f"{state.bytes_held / 1e6:.0f} MB of media held, {memory:.0f} MB at most"
    return f"{flow}: {100 * spent / took:.2f} % of a core, {held}"


def main() -> None:
    """Read the arguments, start the origin, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mbit", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--origin", type=Path)
    said = parser.parse_args()
    if said.origin is not None:
        serve(said.origin)
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), said.mbit)
        command = [sys.executable, __file__, "--origin", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as origin:
            try:
                port = int(origin.stdout.readline()) if origin.stdout else 0
                sys.stdout.write(asyncio.run(measure(port, said.seconds, said.readers)) + "\n")
            finally:
                origin.kill()


if __name__ == "__main__":
    main()
