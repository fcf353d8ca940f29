"""What the relay costs and what it loses: one heavy faulty channel, twenty channels, an hour at speed.

One rule: origin, relay and reader are processes of their own, and the loss is
judged by the times in the stream that comes out, against what the origin
withheld.  ``python bench/relay.py [--seconds 600] [--mbit 40]``; ends with 1 when
something was lost that the origin gave, when a player would have stalled, or
when memory grows.

The peer, in the same run: ffmpeg copying the same channel.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.relay_origin import FAULTS, SEGMENT_S, make
from gateway.media import ts

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PLAYER_BUFFER_S = 1.0
FPS = 50
CHANNELS = 20
SMALL_MBIT = 6.0
HOUR_SEGMENTS = 1800
CLAIMED_S = 0.05
WARMING = 0.3
GROWTH_MB = 12.0
CPU_GOAL = 3.0
FAULTY = "faults"


@dataclass
class Usage:
    """Processor seconds and resident memory of a process and its children."""

    cpu_s: float
    rss_mb: float


@dataclass
class Timeline:
    """What a player sees in the stream: its pictures' times, against the clock on the wall.

    Attributes:
        pictures: Counted by their PES packets.
        holes_s: Longer steps between two pictures than one frame.
        backwards: Steps that do not go forward.
        late_s: By how much a picture came after its time at worst, if the first was shown at once.
        stalls: Times when that was more than a player's buffer.
    """

    pictures: int = 0
    holes_s: list[float] = field(default_factory=list)
    backwards: int = 0
    late_s: float = 0.0
    stalls: int = 0
    size_bytes: int = 0

    def __post_init__(self) -> None:
        self._rest = b""
        self._last: int | None = None
        self._media_s = 0.0
        self._began_s = 0.0
        self._stalled = False

    @property
    def media_s(self) -> float:
        """From the first picture to the last."""
        return self._media_s

    def hear(self, chunk: bytes) -> None:
        """Take what came just now."""
        self.size_bytes += len(chunk)
        data = self._rest + chunk
        whole = len(data) - len(data) % ts.PACKET
        data, self._rest = data[:whole], data[whole:]
        for at in ts.unit_starts(data):
            time_at = ts.picture_time(data, at)
            if time_at is not None:
                self._picture(time_at)

    def _picture(self, dts: int) -> None:
        now = time.monotonic()
        self.pictures += 1
        if self._last is None:
            self._began_s = now
        else:
            step_s = ts.difference(dts, self._last) / ts.CLOCK_HZ
            if step_s <= 0:
                self.backwards += 1
            elif step_s > 1.5 / FPS:
                self.holes_s.append(round(step_s - 1 / FPS, 3))
            self._media_s += step_s
            late_s = now - self._began_s - self._media_s
            self.late_s = max(self.late_s, late_s)
            self.stalls += late_s > PLAYER_BUFFER_S and not self._stalled
            self._stalled = late_s > PLAYER_BUFFER_S
        self._last = dts


def usage(pid: int) -> Usage:
    """Return what the process `pid` and its children have used."""
    total = Usage(0.0, 0.0)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(folder.name) == pid or int(fields[1]) == pid:
                total.cpu_s += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
                total.rss_mb += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return total


@contextmanager
def process(module: str, *arguments: str | Path) -> Iterator[tuple[int, int]]:
    """Run a module that prints its port; yields its number and the port."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running.pid, int(running.stdout.readline()) if running.stdout else 0
        finally:
            running.terminate()
            try:
                running.wait(5)
            except subprocess.TimeoutExpired:
                running.kill()


async def ask(session: aiohttp.ClientSession, port: int, path: str) -> dict[str, object]:
    """Return an answer in JSON, if it is any."""
    async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
        text = await response.text()
        answer: dict[str, object] = json.loads(text) if text else {}
        return answer


async def watch(session: aiohttp.ClientSession, port: int, channel: str, seconds: float) -> Timeline:
    """Read a channel as a player does, for so long."""
    timeline = Timeline()
    ends = time.monotonic() + seconds
    address = f"http://127.0.0.1:{port}/live/{channel}.ts"
    async with session.get(address, timeout=aiohttp.ClientTimeout(None, sock_read=30)) as response:
        async for chunk in response.content.iter_any():
            timeline.hear(chunk)
            if time.monotonic() > ends:
                break
    return timeline


def ffmpeg_copies(url: str, progress: Path) -> "subprocess.Popen[bytes]":
    """Let the peer pull the same channel, and note there how far it came."""
    command = [shutil.which("ffmpeg") or "ffmpeg", "-v", "quiet", "-nostdin", "-progress", str(progress)]
    return subprocess.Popen([*command, "-i", url, "-c", "copy", "-f", "mpegts", "-y", "/dev/null"])


def frames_copied(progress: Path) -> int:
    """Return how many pictures the peer has passed on."""
    lines = progress.read_text().splitlines() if progress.exists() else []
    counts = [line.removeprefix("frame=").strip() for line in lines if line.startswith("frame=")]
    return int(counts[-1]) if counts else 0


async def heavy(origin: int, kind: str, packing: str, faults: str, seconds: float) -> dict[str, object]:
    """Watch one heavy channel, with the peer beside it."""
    path = f"{kind}/{packing}/{SEGMENT_S}/{faults}"
    base = f"http://127.0.0.1:{origin}"
    house = process("bench.relay_house", base, path)
    with tempfile.TemporaryDirectory() as scratch, house as (pid, port):
        async with aiohttp.ClientSession() as session:
            before = await ask(session, origin, "report")
            note = Path(scratch) / "progress"
            peer = ffmpeg_copies(f"{base}/{path}/index.m3u8", note)
            begin, began = usage(pid), time.monotonic()
            try:
                timeline = await watch(session, port, "c0", seconds)
                took, end, other = time.monotonic() - began, usage(pid), usage(peer.pid)
                copied = frames_copied(note)
            finally:
                peer.kill()
                peer.wait()
            after = await ask(session, origin, "report")
            state = await ask(session, port, "state")
    withheld = int(str(after["lost"])) - int(str(before["lost"]))
    holes = sum(timeline.holes_s)
    return {
        "channel": path,
        "seconds": round(took, 1),
        "mbit_s": round(timeline.size_bytes * 8 / took / 1e6, 1),
        "injected": after["injected"] if faults == FAULTY else {},
        "pictures": timeline.pictures,
        "withheld_s": withheld * SEGMENT_S,
        "holes_s": timeline.holes_s,
        "backwards": timeline.backwards,
        "stalls": timeline.stalls,
        "worst_late_s": round(timeline.late_s, 2),
        "cpu_percent": round(100 * (end.cpu_s - begin.cpu_s) / took, 2),
        "rss_mb": round(end.rss_mb),
        "held_mb": round(int(str(state["held"])) / 1e6),
        "ffmpeg_cpu_percent": round(100 * other.cpu_s / took, 2),
        "ffmpeg_rss_mb": round(other.rss_mb),
        "ffmpeg_pictures": copied,
        "ok": timeline.pictures > 0
        and holes <= withheld * SEGMENT_S + 0.1
        and not timeline.backwards
        and not timeline.stalls,
    }


async def many(origin: int, seconds: float) -> dict[str, object]:
    """Pull twenty channels at once."""
    paths = [f"small/ts/{SEGMENT_S}/plain{at}" for at in range(CHANNELS)]
    with process("bench.relay_house", f"http://127.0.0.1:{origin}", *paths) as (pid, port):
        async with aiohttp.ClientSession() as session:
            await ask(session, port, f"warm/{CHANNELS}")
            await asyncio.sleep(SEGMENT_S * 3)
            before, first, began = usage(pid), await ask(session, port, "state"), time.monotonic()
            await asyncio.sleep(seconds)
            after, last = usage(pid), await ask(session, port, "state")
            took = time.monotonic() - began
    received = int(str(last["received"])) - int(str(first["received"]))
    return {
        "channels": CHANNELS,
        "warm": last["warm"],
        "mbit_s": round(received * 8 / took / 1e6, 1),
        "cpu_percent": round(100 * (after.cpu_s - before.cpu_s) / took, 2),
        "rss_mb": round(after.rss_mb),
        "held_mb": round(int(str(last["held"])) / 1e6),
        "ok": last["warm"] == CHANNELS,
    }


async def hour(origin: int, packing: str) -> dict[str, object]:
    """Feed an hour's worth of segments at speed: each lasts two seconds and claims to last 50 ms."""
    path = f"small/{packing}/{CLAIMED_S}/plain"
    samples: list[tuple[int, float]] = []
    with process("bench.relay_house", f"http://127.0.0.1:{origin}", path) as (pid, port):
        async with aiohttp.ClientSession() as session, asyncio.timeout(600):
            await ask(session, port, "warm/1")
            fed = 0
            while fed < HOUR_SEGMENTS:
                await asyncio.sleep(1.0)
                fed = int(str((await ask(session, port, "state"))["segments"]))
                samples.append((fed, usage(pid).rss_mb))
    settled = [sample for sample in samples if sample[0] > WARMING * HOUR_SEGMENTS]
    growth_mb = slope(settled) * HOUR_SEGMENTS
    return {
        "packing": packing,
        "segments": fed,
        "media_s": fed * SEGMENT_S,
        "rss_mb_from": round(settled[0][1], 1),
        "rss_mb_to": round(settled[-1][1], 1),
        "growth_mb_per_hour": round(growth_mb, 2),
        "ok": growth_mb < GROWTH_MB,
    }


def slope(samples: Sequence[tuple[int, float]]) -> float:
    """Return the slope of the straight line closest to `samples`."""
    count = len(samples)
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def table(title: str, rows: dict[str, object]) -> None:
    """Print figures for people."""
    sys.stdout.write(f"\n{title}\n")
    for name, value in rows.items():
        if isinstance(value, dict):
            for fault in FAULTS:
                sys.stdout.write(f"  {'  ' + fault:<34}{value.get(fault, 0):>10}\n")
        else:
            sys.stdout.write(f"  {name:<34}{value!s:>10}\n")
    sys.stdout.flush()


async def measure(folder: Path, said: argparse.Namespace) -> dict[str, object]:
    """Run all parts, one after the other."""
    results: dict[str, object] = {}
    with process("bench.relay_origin", folder) as (_, origin):
        if "heavy" in said.parts:
            results["heavy"] = row = await heavy(origin, "big", "ts", FAULTY, said.seconds)
            table(f"{said.mbit:g} Mbit/s 2160p50 HEVC, with faults", row)
        if "fmp4" in said.parts:
            results["fmp4"] = row = await heavy(origin, "big", "m4s", "plain", min(said.seconds, 60))
            table(f"{said.mbit:g} Mbit/s 2160p50 HEVC in fragmented MP4, repacked", row)
        if "many" in said.parts:
            results["many"] = row = await many(origin, min(said.seconds, 30))
            table(f"{CHANNELS} channels of {SMALL_MBIT:g} Mbit/s at once", row)
        if "hour" in said.parts:
            for packing in ("ts", "m4s"):
                results[f"hour_{packing}"] = row = await hour(origin, packing)
                table(f"an hour's worth of segments at speed, {packing}", row)
    return results


def main() -> None:
    """Read the arguments, make the material, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--mbit", type=float, default=40.0)
    parser.add_argument("--parts", nargs="+", default=["heavy", "fmp4", "many", "hour"])
    parser.add_argument("--material", type=Path, help="keep the material here; making it takes minutes")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = said.material or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for kind, mbit in (("big", said.mbit), ("small", SMALL_MBIT)):
            if not (folder / f"{kind}-0.ts").exists():
                make(folder, kind, mbit)
        results = asyncio.run(measure(folder, said))
    sys.stdout.write(json.dumps({"bench": "relay", **results}) + "\n")
    if not all(row["ok"] for row in results.values() if isinstance(row, dict)):
        sys.exit(1)


if __name__ == "__main__":
    main()
