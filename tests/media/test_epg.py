import asyncio
import gzip
import lzma
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.epg import Guide, NowNext, Programme
from gateway.media.guide_renewal import GuideConfig, Loaded
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.published import MissingDocumentError
from gateway.media.xmltv import GuideChannel, GuideError, GuideRow, XmltvReader, moment, unpacked
from tests.conftest import Serve


@dataclass
class FixedBook:
    """A line-up that stays."""

    state: LineUp


QUICK = GuideConfig(file_every_s=0.02, address_every_s=0.02, retry_every_s=0.02)
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
NEW_YEAR = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def channel(number: int, name: str, *, tvg_id: str = "", tvg_name: str = "") -> Channel:
    return Channel(
        id=ChannelId(name.lower()),
        number=number,
        name=name,
        tvg_id=tvg_id,
        tvg_name=tvg_name,
        sources=(Source(url="http://a.example/"),),
    )


NEWS = channel(1, "News", tvg_id="NEWS.cn")
SPORT = channel(2, "Sport")
FILM = channel(3, "Film", tvg_name="Kino")
SILENT = channel(4, "Silent")
BOOK = FixedBook(LineUp([NEWS, SPORT, FILM, SILENT]))

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tv SYSTEM "xmltv.dtd">
<tv>
<channel id="news.cn"><display-name>News One</display-name></channel>
<channel id="s1"><display-name>SPORT</display-name><display-name>Sport 1</display-name></channel>
<channel id="k"><display-name>Kino</display-name></channel>
"""


def shown(name: str, hours: int, title: str, *, length: int = 1, more: str = "") -> str:
    start = NOON + hours * HOUR
    stop = start + length * HOUR
    return (
        f'<programme channel="{name}" start="{start:%Y%m%d%H%M%S} +0000" stop="{stop:%Y%m%d%H%M%S} +0000">'
        f"<title>{title}</title>{more}</programme>\n"
    )


def xmltv(*programmes: str) -> str:
    return HEAD + "".join(programmes) + "</tv>\n"


DAY = xmltv(
    shown("news.cn", -1, "Morning &amp; more"),
    shown(
        "news.cn", 0, "Noon", more="<title lang='en'>No</title><desc>All\n of it</desc><category>n</category>"
    ),
    shown("news.cn", 1, "Afternoon"),
    shown("s1", 0, "Match", length=3),
    shown("k", 2, "A film"),
    shown("k", 24, "Another film"),
)


@asynccontextmanager
async def guide_of(serve: Serve, tmp_path: Path, file: Path) -> AsyncIterator[Guide]:
    guide = Guide(tmp_path / "guide.db", BOOK, str(file), tmp_path / "state", QUICK)
    with guide.changes.subscribe() as changes:
        async with serve(guide), asyncio.timeout(30):
            if file.exists():
                await anext(changes)
            yield guide


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lzma.compress, lambda b: gzip.compress(b[:99]) + gzip.compress(b[99:])],
    ids=["plain", "gz", "xz", "gz in two parts"],
)  # fmt: skip
async def test_what_is_on_is_found_by_channel_and_time(
    serve: Serve, tmp_path: Path, pack: type[bytes]
) -> None:
    file = tmp_path / "guide"
    file.write_bytes(pack(DAY.encode()))
    async with guide_of(serve, tmp_path, file) as guide:
        everything = await guide.programmes(NOON, NOON + HOUR)
        one = await guide.programmes(NOON - HOUR, NOON + 9 * HOUR, NEWS.id)
        first = await guide.programmes(NOON - HOUR, NOON + 9 * HOUR, limit=2)
        now = await guide.now([NEWS.id, FILM.id, SILENT.id], NOON + HOUR / 2)

    noon = Programme(
        id=f"news.{int(NOON.timestamp())}",
        channel=NEWS.id,
        start=NOON,
        stop=NOON + HOUR,
        title="Noon",
        description="All of it",
        category="n",
    )
    assert [(p.channel, p.title) for p in everything] == [("news", "Noon"), ("sport", "Match")]
    assert everything[0] == noon
    assert [p.title for p in one] == ["Morning & more", "Noon", "Afternoon"]
    assert [p.title for p in first] == ["Morning & more", "Noon"]
    assert set(now) == {NEWS.id, FILM.id}
    assert now[NEWS.id].now == noon
    assert now[NEWS.id].next == one[2]
    film = now[FILM.id]
    assert (film.now, film.next and film.next.title) == (None, "A film")
    assert isinstance(film, NowNext)


async def test_a_new_guide_replaces_the_old_one_whole(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(DAY)
    async with guide_of(serve, tmp_path, file) as guide:
        with guide.changes.subscribe() as changes:
            file.write_text(xmltv(shown("news.cn", 24, "Special", length=2)))
            assert await anext(changes) == Loaded(1, 0)
        found = await guide.programmes(NOON + 12 * HOUR, NOON + 36 * HOUR)

    assert [programme.title for programme in found] == ["Special"]


@pytest.mark.parametrize(
    "spoilt",
    ["", "<html>", "<tv></tv>", DAY[: len(DAY) // 2], "<!DOCTYPE tv [<!ENTITY a 'b'>]><tv>&a;</tv>"],
    ids=["empty", "page", "no programme", "half", "entities"],
)
async def test_a_spoilt_guide_leaves_the_old_one(serve: Serve, tmp_path: Path, spoilt: str) -> None:
    file = tmp_path / "guide.xml"
    file.write_text(DAY)
    async with guide_of(serve, tmp_path, file) as guide:
        with guide.problems.subscribe() as problems:
            file.write_text(spoilt)
            await anext(problems)
        found = await guide.programmes(NOON, NOON + HOUR, NEWS.id)
        assert isinstance(guide.problem, GuideError)

    assert [programme.title for programme in found] == ["Noon"]


async def test_a_box_without_a_guide_has_an_empty_one_and_says_why(serve: Serve, tmp_path: Path) -> None:
    async with guide_of(serve, tmp_path, tmp_path / "nowhere.xml") as guide:
        with guide.problems.subscribe() as problems:
            await anext(problems)
        assert await guide.programmes(NOON, NOON + HOUR) == []
        assert await guide.now([NEWS.id]) == {}
        assert isinstance(guide.problem, MissingDocumentError)


def read(text: str) -> tuple[Sequence[GuideRow | GuideChannel], int]:
    reader = XmltvReader()
    rows = reader.feed(text.encode())
    return [*rows, *reader.feed(b"", last=True)], reader.skipped


@pytest.mark.parametrize(
    "programme",
    [
        '<programme start="20260101120000" stop="20260101130000"><title>x</title></programme>',
        '<programme channel="a" start="noon" stop="20260101130000"><title>x</title></programme>',
        '<programme channel="a" start="20260101120000" stop="then"><title>x</title></programme>',
        '<programme channel="a" start="20260101120000" stop="20260101110000"><title>x</title></programme>',
        '<programme channel="a" start="20260101120000" stop="20260109110000"><title>x</title></programme>',
        '<programme channel="a" start="20260101120000" stop="20260101130000"></programme>',
        '<programme channel="a" start="20261301120000" stop="20260101130000"><title>x</title></programme>',
    ],
    ids=["no channel", "no start", "no stop", "ends before it starts", "a week long", "no title", "month 13"],
)
def test_a_bad_programme_costs_itself_only(programme: str) -> None:
    rows, skipped = read(xmltv(programme, shown("k", 2, "A film")))

    assert [row.title for row in rows if isinstance(row, GuideRow)] == ["A film"]
    assert skipped == 1


def test_a_programme_without_an_end_lasts_until_the_next() -> None:
    starts = ("20260101120000", "20260101123000", "202601020000")
    rows, _ = read(
        xmltv(*(f'<programme channel="a" start="{at}"><title>{at}</title></programme>' for at in starts))
    )

    noon = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    assert [(row.start, row.stop) for row in rows if isinstance(row, GuideRow)] == [
        (noon, noon + 1800),
        (noon + 1800, noon + 12 * 3600),
        (noon + 12 * 3600, noon + 13 * 3600),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260101200000 +0800", NEW_YEAR),
        ("20260101200000+0800", NEW_YEAR),
        ("20260101063000 -0530", NEW_YEAR),
        ("20260101120000", NEW_YEAR),
        ("202601011200 UTC", NEW_YEAR),
        ("2026010112", NEW_YEAR),
        ("", None),
        ("20260101120000 CST", None),
        ("2026-01-01 12:00", None),
    ],
)
def test_times_are_read_with_their_zone(text: str, expected: datetime | None) -> None:
    assert moment(text) == (int(expected.timestamp()) if expected else None)


def test_a_bomb_is_refused_before_it_fills_the_box(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(64 * 1024 * 1024)))
    with pytest.raises(GuideError, match="far more"):
        sum(map(len, unpacked(bomb)))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fall(data: bytes) -> None:
    reader = XmltvReader()
    try:
        reader.feed(HEAD.encode() + data)
        reader.feed(b"", last=True)
    except GuideError:
        assert reader.skipped == 0
