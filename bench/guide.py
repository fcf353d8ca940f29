"""What a guide costs: taking it in, and reading it meanwhile, beside the obvious way.

A made guide of one and of ten hundred thousand programmes is loaded by the product, loaded again
unchanged, and again a day on, while a household reads it; then by a plain ElementTree and SQLite
script in one process, which is what one would write first.  Run it by ``make bench-guide``.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import random
import resource
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import aiohttp
import uvicorn
from litestar import Litestar

from gateway.media.epg import Guide
from gateway.media.guide_renewal import GuideConfig
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.ui.api import guide as api
from gateway.ui.house import House

DAYS = 14
SHOWN_A_DAY = 72
ROUNDS = 40
GRID_CHANNELS = 300
SYLLABLES = (
    "新闻联播天气预报晚间焦点访谈今日说法动物世界电视剧场体育赛事音乐风云健康之路法治在线走近科学百家讲坛"
    "星光大道中国诗词大会重庆长江故事人间少儿动画城军事纪实财经频道国际时讯海峡两岸"
)


def make(file: Path, channels: int, *, day: int = 0) -> None:
    """Write a guide of `channels` x 14 days, the first of them seven days before `day`."""
    chance = random.Random(7)  # noqa: S311 - the same guide for everybody
    names = ["".join(chance.sample(SYLLABLES, chance.randint(3, 8))) for _ in range(3000)]
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    step = timedelta(days=1) / SHOWN_A_DAY
    with gzip.open(file, "wt", compresslevel=1, encoding="utf-8") as out:
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n<tv>\n')
        for channel in range(channels):
            out.write(f'<channel id="ch{channel}"><display-name>频道{channel}</display-name></channel>\n')
        first = midnight + timedelta(days=day - 7)
        times = [f"{first + step * at:%Y%m%d%H%M%S} +0000" for at in range(DAYS * SHOWN_A_DAY + 1)]
        for channel in range(channels):
            for at in range(DAYS * SHOWN_A_DAY):
                number = at + day * SHOWN_A_DAY
                pick = random.Random(channel * 100_003 + number)  # noqa: S311 - likewise
                name = names[(channel * 37 + pick.randrange(120)) % len(names)]
                title = f"{name} 第{number % 60 + 1}集"
                about = f"{name}：本期节目带您了解第{number}期的精彩内容，敬请收看频道{channel}的播出。"
                out.write(
                    f'<programme start="{times[at]}" stop="{times[at + 1]}" channel="ch{channel}">'
                    f'<title lang="zh">{title}</title><desc lang="zh">{about}</desc>'
                    '<category lang="zh">综合</category></programme>\n'
                )
        out.write("</tv>\n")


@dataclass
class Book:
    """A line-up that stands still."""

    state: LineUp


@dataclass
class Meanwhile:
    """What the loop and a household see while a guide is loaded."""

    longest_pause_ms: float = 0.0
    peak_mb: float = 0.0
    reads_ms: list[float] = field(default_factory=list)

    async def beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            late_ms = (time.perf_counter() - before - 0.002) * 1e3
            self.longest_pause_ms = max(self.longest_pause_ms, late_ms)
            self.peak_mb = max(self.peak_mb, resident_mb())

    async def read(self, guide: Guide, channels: Sequence[ChannelId]) -> None:
        while True:
            before = time.perf_counter()
            await guide.now(channels[:1])
            self.reads_ms.append((time.perf_counter() - before) * 1e3)
            await asyncio.sleep(0.05)


def resident_mb() -> float:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def idle_pause_ms(seconds: float) -> float:
    """Return the longest pause of the loop while nothing is done: the machine's own share."""
    seen = Meanwhile()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await seen.beat()
    return round(seen.longest_pause_ms, 1)


async def load(guide: Guide, channels: Sequence[ChannelId], change: Callable[[], object]) -> dict[str, Any]:
    """Let the guide notice `change`; return the figures of the load."""
    seen, before = Meanwhile(), resident_mb()
    with guide.changes.subscribe() as changes:
        began = time.perf_counter()
        await asyncio.to_thread(change)
        beating = asyncio.create_task(seen.beat(), name="beat")
        reading = asyncio.create_task(seen.read(guide, channels), name="read")
        async with asyncio.timeout(900):
            await anext(changes)
        took = time.perf_counter() - began
        for task in (beating, reading):
            task.cancel()
        await asyncio.wait({beating, reading})
    report = guide.report
    if report is None:
        raise SystemExit("nothing was loaded")
    return {
        "programmes": report.programmes,
        "took_s": round(took, 1),
        "loader_cpu_s": report.processor_s,
        "loader_peak_mb": round(report.peak_bytes / 1e6),
        "parent_growth_mb": round(seen.peak_mb - before, 1),
        "longest_pause_ms": round(seen.longest_pause_ms, 1),
        "read_meanwhile_p95_ms": round(percentile(seen.reads_ms, 95), 2),
        "written_mb": round(report.written_bytes / 1e6, 1),
        "rows_changed": report.changed,
    }


def percentile(values: Sequence[float], which: int) -> float:
    """Return that percentile of `values`."""
    return statistics.quantiles(values, n=100)[which - 1] if len(values) > 1 else 0.0


async def timed(ask: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Return how long `ask` takes, in ms."""
    took = []
    for _ in range(ROUNDS):
        before = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - before) * 1e3)
    return {"p50": round(statistics.median(took), 2), "p95": round(percentile(took, 95), 2)}


async def answers(guide: Guide, book: Book) -> dict[str, dict[str, float]]:
    """Return how long the usual questions take."""
    now = datetime.now(UTC)
    house = SimpleNamespace(guide=guide)
    all_ids = [each.id for each in book.state.channels]
    few = Book(LineUp(book.state.channels[:GRID_CHANNELS]))
    house.line_up = few
    few_count = len(few.state.channels)
    asked = {
        "now, 1 channel": lambda: guide.now(all_ids[:1]),
        f"now, {few_count} channels": lambda: guide.now(all_ids[:GRID_CHANNELS]),
        "search 新闻": lambda: guide.search("新闻"),
        "search 焦点访谈": lambda: guide.search("焦点访谈"),
        "search xwlb": lambda: guide.search("xwlb"),
        "search chongqing": lambda: guide.search("chongqing"),
    }
    found = {name: await timed(ask) for name, ask in asked.items()}
    # The grid of a household with 300 channels, whatever the guide knows besides.
    guide._book = few  # noqa: SLF001 - the same file, a shorter list
    found[f"grid, {few_count} x 3 h"] = await timed(lambda: guide.programmes(now, now + timedelta(hours=3)))
    async with serving(cast("House", house)) as url, aiohttp.ClientSession() as session:
        span = f"from={now:%Y-%m-%dT%H:%M:%SZ}&to={now + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
        grid = f"{url}/api/v1/guide?{span}"

        async def get(at: str, tag: str = "") -> str:
            async with session.get(at, headers={"If-None-Match": tag} if tag else {}) as answer:
                await answer.read()
                return answer.headers.get("ETag", "")

        tag = await get(grid)
        found["HTTP grid"] = await timed(lambda: get(grid))
        found["HTTP grid, unchanged"] = await timed(lambda: get(grid, tag))
        found[f"HTTP now, {few_count} channels"] = await timed(lambda: get(f"{url}/api/v1/guide/now"))
        found["HTTP search xwlb"] = await timed(lambda: get(f"{url}/api/v1/guide/search?q=xwlb"))
    guide._book = book  # noqa: SLF001 - likewise
    return found


@contextlib.asynccontextmanager
async def serving(house: House) -> AsyncIterator[str]:
    """Serve the guide's part of the API."""
    application = Litestar(api.handlers(house), openapi_config=None, logging_config=None)
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_config=None, access_log=False))
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server.serve(sockets=[listening]), name="server")
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


async def measure(folder: Path, channels: int) -> dict[str, Any]:
    """Return all figures of the product for a guide of that size."""
    source, today, tomorrow = folder / "guide.xml.gz", folder / "today.gz", folder / "tomorrow.gz"
    make(today, channels)
    make(tomorrow, channels, day=1)
    listed = [
        Channel(
            id=ChannelId(f"ch{at}"),
            number=at + 1,
            name=f"频道{at}",
            tvg_id=f"ch{at}",
            sources=(Source(url="http://a.example/"),),
        )
        for at in range(channels)
    ]
    ids = [each.id for each in listed]
    config = GuideConfig(file_every_s=0.05, retry_every_s=0.05)
    book = Book(LineUp(listed))
    guide = Guide(folder / "guide.db", book, str(source), folder, config)
    figures: dict[str, Any] = {"channels": channels, "file_mb": round(today.stat().st_size / 1e6, 1)}
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        service = group.create_task(guide.run(ready.set), name="guide")
        await ready.wait()
        figures["pause_without_load_ms"] = await idle_pause_ms(10.0)
        figures["first load"] = await load(guide, ids, lambda: os.link(today, source))
        figures["database_mb"] = round((folder / "guide.db").stat().st_size / 1e6, 1)
        figures["same again"] = await load(guide, ids, lambda: os.utime(source))
        figures["a day on"] = await load(guide, ids, lambda: tomorrow.replace(source))
        figures["answers_ms"] = await answers(guide, book)
        service.cancel()
    naive = [sys.executable, __file__, "--naive", str(source), str(folder / "naive.db")]
    done = await asyncio.to_thread(subprocess.run, naive, stdout=subprocess.PIPE, check=True)
    figures["naive"] = json.loads(done.stdout)
    return figures


def naive(source: Path, target: Path) -> dict[str, Any]:
    """Load `source` the obvious way."""
    began = time.perf_counter()
    db = sqlite3.connect(target)
    db.execute("CREATE TABLE programme (channel TEXT, start INTEGER, stop INTEGER, title TEXT, descr TEXT)")
    count = 0
    with gzip.open(source) as file:
        for _, element in ET.iterparse(file):  # noqa: S314 - made by ourselves
            if element.tag == "programme":
                times = [
                    int(datetime.strptime(element.get(name, ""), "%Y%m%d%H%M%S %z").timestamp())
                    for name in ("start", "stop")
                ]
                texts = (element.findtext("title"), element.findtext("desc"))
                row = (element.get("channel"), *times, *texts)
                db.execute("INSERT INTO programme VALUES (?, ?, ?, ?, ?)", row)
                count += 1
                element.clear()
    db.execute("CREATE INDEX by_time ON programme (channel, start)")
    db.commit()
    took = time.perf_counter() - began
    moment = int(time.time())
    asked = []
    for _ in range(5):
        before = time.perf_counter()
        for channel in range(min(GRID_CHANNELS, 100)):
            query = "SELECT * FROM programme WHERE channel = ? AND start <= ? AND stop > ?"
            db.execute(query, (f"ch{channel}", moment, moment)).fetchall()
        asked.append((time.perf_counter() - before) * 1e3 * GRID_CHANNELS / min(GRID_CHANNELS, 100))
    return {
        "programmes": count,
        "took_s": round(took, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "written_mb": round(target.stat().st_size / 1e6, 1),
        "now_300_ms": round(statistics.median(asked), 1),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the table."""
    out = sys.stdout.write
    out(f"\n{figures['channels']} channels x {DAYS} days, {figures['file_mb']} MB packed, ")
    out(f"{figures['database_mb']} MB on the box\n")
    head = ("took_s", "loader_cpu_s", "loader_peak_mb", "parent_growth_mb", "longest_pause_ms", "written_mb")
    out(f"{'':<14}" + "".join(f"{name:>18}" for name in head) + "\n")
    for name in ("first load", "same again", "a day on"):
        out(f"{name:<14}" + "".join(f"{figures[name][column]:>18}" for column in head) + "\n")
    plain = figures["naive"]
    out(f"{'naive script':<14}{plain['took_s']:>18}{'':>18}{plain['peak_mb']:>18}{'':>18}{'all of it':>18}")
    out(f"{plain['written_mb']:>18}\n")
    out(f"{'idle loop':<14}{'':>72}{figures['pause_without_load_ms']:>18}\n")
    for name, took in figures["answers_ms"].items():
        out(f"  {name:<26}{took['p50']:>9.2f} ms   p95 {took['p95']:>7.2f} ms\n")
    out(f"  {'naive: now, 300 channels':<26}{plain['now_300_ms']:>9.2f} ms\n")


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--naive", type=Path, nargs=2)
    said = parser.parse_args()
    if said.naive:
        sys.stdout.write(json.dumps(naive(*said.naive)))
        return
    every = []
    for channels in said.channels:
        with tempfile.TemporaryDirectory() as folder:
            every.append(asyncio.run(measure(Path(folder), channels)))
        show(every[-1])
    sys.stdout.write(json.dumps({"bench": "guide", "runs": every}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
