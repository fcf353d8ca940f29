"""The guide as a household asks it: searching, ages, shifts, refresh and what hostile files do."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.media.epg import Guide
from gateway.media.guide_renewal import GuideConfig
from gateway.media.guide_shelf import GuideFileError
from gateway.media.lineup import Catchup, Channel, ChannelId, LineUp, Source
from gateway.media.xmltv import GuideError, XmltvReader
from tests.conftest import Serve


@dataclass
class FixedBook:
    """A line-up that stays."""

    state: LineUp


QUICK = GuideConfig(file_every_s=0.02, address_every_s=0.02, retry_every_s=0.02)
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def channel(number: int, name: str) -> Channel:
    past = Catchup(kind="append", source="?x={utc}", days=7) if number == 1 else None
    source = Source(url="http://a.example/")
    return Channel(id=ChannelId(name), number=number, name=name, tvg_id=name, sources=(source,), catchup=past)


NEWS, DRAMA = channel(1, "news"), channel(2, "drama")
BOOK = FixedBook(LineUp([NEWS, DRAMA]))


def shown(name: str, begins: timedelta, title: str, *, length: timedelta = HOUR, more: str = "") -> str:
    start, stop = NOW + begins, NOW + begins + length
    times = f'start="{start:%Y%m%d%H%M%S}" stop="{stop:%Y%m%d%H%M%S}"'
    return f'<programme channel="{name}" {times} catchup-id="x1"><title>{title}</title>{more}</programme>'


def xmltv(*programmes: str) -> str:
    return f"<tv>{''.join(programmes)}</tv>"


WEEK = xmltv(
    shown("news", -26 * HOUR, "新闻联播"),
    shown("news", -HOUR / 2, "新闻联播", more="<rating system='x'><value>12+</value></rating>"),
    shown("news", 24 * HOUR, "新闻联播", more="<star-rating><value>18/20</value></star-rating>"),
    shown("drama", -2 * HOUR, "重庆故事 第1集"),
    shown("drama", 2 * HOUR, "重庆故事 第2集"),
    shown("drama", 26 * HOUR, "重庆故事 第3集"),
    shown("drama", 30 * HOUR, "NBA 直播"),
)


@asynccontextmanager
async def guide_of(
    serve: Serve, folder: Path, address: str | Path, book: FixedBook = BOOK, config: GuideConfig = QUICK
) -> AsyncIterator[Guide]:
    guide = Guide(folder / "guide.db", book, str(address), folder / "state", config, box="box-1")
    with guide.changes.subscribe() as changes:
        async with serve(guide), asyncio.timeout(30):
            if not guide.version or not await guide.programmes(NOW - 99 * HOUR, NOW + 99 * HOUR):
                await anext(changes)
            yield guide


async def test_titles_are_found_by_text_pinyin_and_initials_the_future_first(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file) as guide:
        news = await guide.search("新闻联播")
        assert [each.start for each in news] == [NOW - HOUR / 2, NOW + 24 * HOUR, NOW - 26 * HOUR]
        for typed in ("xwlb", "XWLB", "xinwen", "新闻", "联播", "xw", "xin wen"):
            assert await guide.search(typed) == news
        # Without catch-up the past of a channel cannot be watched.
        drama = await guide.search("cqgs")
        assert [each.title for each in drama] == ["重庆故事 第2集", "重庆故事 第3集"]
        assert [each.title for each in await guide.search("nba")] == ["NBA 直播"]
        assert await guide.search("重庆", limit=1) == drama[:1]
        for nothing in ("", "  ", "%", "_", '"', "'", "\\", "没有的节目", "x" * 500, "新%", "* OR"):
            assert await guide.search(nothing) == []
        assert await guide.upcoming(drama[0].series) == drama
        assert await guide.upcoming(drama[0].series, NEWS.id) == []


async def test_a_programme_is_known_by_its_id_with_age_and_archive_name(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file) as guide:
        on = (await guide.now([NEWS.id]))[NEWS.id]
        assert on.now is not None
        assert on.next is not None
        assert (on.now.age, on.next.age, on.now.catchup_id) == (12, 0, "x1")
        assert await guide.programme(on.now.id) == on.now
        for wrong in ("", "news", "news.", "news.x", "news.1", "other.1", f"news.{'9' * 40}"):
            assert await guide.programme(wrong) is None


async def test_a_channel_an_hour_behind_has_its_guide_an_hour_later(serve: Serve, tmp_path: Path) -> None:
    late = replace(NEWS, id=ChannelId("news-1"), number=3, guide_shift_s=3600)
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file, FixedBook(LineUp([NEWS, late]))) as guide:
        plain, shifted = await guide.programmes(NOW + 24 * HOUR, NOW + 27 * HOUR)
        assert (shifted.channel, shifted.start, shifted.title) == (late.id, plain.start + HOUR, plain.title)
        assert await guide.programme(shifted.id) == shifted
        assert (await guide.now([late.id], NOW + HOUR / 4))[late.id].now is None
        assert [each.channel for each in await guide.upcoming("新闻联播")] == ["news", "news-1"] * 2


async def test_a_bad_clock_or_an_old_day_is_left_out_and_the_past_stays_for_catch_up(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    wide = shown("news", -30 * 24 * HOUR, "too old") + shown("news", 30 * 24 * HOUR, "too far")
    async with guide_of(serve, tmp_path, file) as guide:
        with guide.changes.subscribe() as changes:
            file.write_text(xmltv(wide, shown("news", HOUR, "晚间新闻")))
            await anext(changes)
        found = await guide.programmes(NOW - 60 * 24 * HOUR, NOW + 60 * 24 * HOUR)
        # What began before the new guide and ended in its time is out; another channel keeps its past.
        assert [each.title for each in found] == ["新闻联播", "新闻联播", "晚间新闻", "重庆故事 第1集"]
        assert guide.report is not None
        assert (guide.report.earlier, guide.report.later) == (1, 1)
        assert await guide.search("nba") == []


async def test_the_same_guide_again_writes_next_to_nothing(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    rows = "".join(shown("news", at * HOUR, f"节目{at}", more="<desc>" + "长" * 900) for at in range(-99, 99))
    file.write_text(xmltv(rows.replace("长<", "长</desc><").replace("长</p", "长</desc></p")))
    async with guide_of(serve, tmp_path, file) as guide:
        assert guide.report is not None
        first = guide.report
        with guide.changes.subscribe() as changes:
            file.touch()
            await anext(changes)
        assert guide.report is not first
        assert guide.report.changed == 1  # the note of the load itself
        assert guide.report.written_bytes < first.written_bytes / 2


async def test_a_box_that_restarts_reads_the_guide_it_has_and_loads_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file) as guide:
        assert guide.report is not None
    async with guide_of(serve, tmp_path, file) as guide:
        assert await guide.search("xwlb")
        with guide.changes.subscribe() as changes:
            file.write_text(WEEK + "<!-- another -->")
            await anext(changes)
        assert guide.report is not None


@pytest.mark.parametrize("spoil", [b"x" * 9000, b"", b"SQLite format 3\0" + bytes(5000)])
async def test_a_damaged_file_is_made_afresh(serve: Serve, tmp_path: Path, spoil: bytes) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    (tmp_path / "guide.db").write_bytes(spoil)
    (tmp_path / "guide.db-wal").write_bytes(spoil)
    async with guide_of(serve, tmp_path, file) as guide:
        assert await guide.search("xwlb")


async def test_damage_under_a_running_box_is_noticed_and_mended(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(xmltv(*(shown("news", at * HOUR, "长" * 200) for at in range(-150, 300))))
    async with guide_of(serve, tmp_path, file):
        pass
    with (tmp_path / "guide.db").open("r+b") as database:
        database.seek(4096 * 12)
        database.write(b"\xee" * 4096 * 20)
    guide = Guide(tmp_path / "guide.db", BOOK, str(file), tmp_path / "state", QUICK)
    with guide.changes.subscribe() as changes:
        async with serve(guide), asyncio.timeout(30):
            assert await guide.programmes(NOW - 150 * HOUR, NOW + 300 * HOUR) == []
            assert isinstance(guide.problem, GuideFileError)
            await anext(changes)
            assert len(await guide.programmes(NOW - 150 * HOUR, NOW + 300 * HOUR)) > 400
            assert guide.problem is None


async def test_a_full_disk_leaves_the_old_guide(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    small = replace(QUICK, limit_bytes=1024 * 1024)
    async with guide_of(serve, tmp_path, file, config=small) as guide:
        with guide.problems.subscribe() as problems:
            long = (
                shown("news", at * timedelta(minutes=1), f"{at}", more=f"<desc>{'长' * 900}</desc>")
                for at in range(2000)
            )
            file.write_text(xmltv(*long))
            assert isinstance(await anext(problems), GuideFileError)
        assert await guide.search("xwlb")


@dataclass
class Origin:
    """An operator's server that counts what it is asked."""

    body: bytes
    asked: int = 0
    sent: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.headers.get("If-None-Match") == '"v1"':
            return web.Response(status=304)
        self.sent += 1
        return web.Response(body=self.body, headers={"ETag": '"v1"'})


async def test_an_unchanged_guide_is_fetched_once_even_over_a_restart(serve: Serve, tmp_path: Path) -> None:
    origin = Origin(WEEK.encode())
    app = web.Application()
    app.router.add_get("/guide.xml", origin.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/guide.xml"
        async with guide_of(serve, tmp_path, address):
            await until(lambda: origin.asked >= 3)
        before = origin.asked
        async with guide_of(serve, tmp_path, address) as guide:
            await until(lambda: origin.asked >= before + 3)
            assert await guide.search("xwlb")
        assert origin.sent == 1
        assert not (tmp_path / "state" / "guide.new").exists()
    finally:
        await runner.cleanup()


async def test_boxes_that_have_a_guide_ask_at_different_moments(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file):
        pass
    asked = Origin(b"")
    app = web.Application()
    app.router.add_get("/guide.xml", asked.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/guide.xml"
        with contextlib.closing(sqlite3.connect(tmp_path / "guide.db", isolation_level=None)) as db:
            change = "UPDATE guide_meta SET value = json_set(value, '$.address', ?)"
            db.execute(change, (address,))
        guide = Guide(tmp_path / "guide.db", BOOK, address, tmp_path, GuideConfig(), box="box-1")
        async with serve(guide):
            assert await guide.search("xwlb")
        assert asked.asked == 0
    finally:
        await runner.cleanup()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - see below
        await asyncio.sleep(0.01)  # a server counts, it does not call


HOSTILE = {
    "a huge attribute": b'<tv><programme channel="' + b"x" * 3_000_000,
    "a huge comment": b"<tv><!--" + b"x" * 3_000_000,
    "a huge text": b"<tv><programme><title>" + b"x" * 3_000_000,
    "deep nesting": b"<tv>" + b"<a>" * 1_000_000,
    "many names": b"<tv>" + b"".join(b"<n%d/>" % at for at in range(20_000)),
    "billion laughs": b'<!DOCTYPE tv [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><tv>&b;</tv>',
    "an outside entity": b'<!DOCTYPE tv [<!ENTITY a SYSTEM "file:///etc/passwd">]><tv>&a;</tv>',
}


def read(document: bytes) -> None:
    reader = XmltvReader()
    for at in range(0, len(document), 65_536):
        reader.feed(document[at : at + 65_536])


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_document_made_to_fill_the_memory_is_refused_early(document: bytes) -> None:
    with pytest.raises(GuideError):
        read(document)


async def test_a_loader_that_hangs_is_ended_and_the_old_guide_stays(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(WEEK)
    async with guide_of(serve, tmp_path, file):
        pass
    file.write_text(WEEK + "<!-- another -->")
    hasty = replace(QUICK, load_timeout_s=0.001)
    guide = Guide(tmp_path / "guide.db", BOOK, str(file), tmp_path / "state", hasty)
    with guide.problems.subscribe() as problems:
        async with serve(guide), asyncio.timeout(30):
            assert isinstance(await anext(problems), GuideFileError)
            assert await guide.search("xwlb")
