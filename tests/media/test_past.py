import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.media.archive import Archive
from gateway.media.catchup import NoCatchupError
from gateway.media.epg import Programme
from gateway.media.hls import MasterPlaylist, MediaPlaylist, parse
from gateway.media.lineup import Catchup, Channel, ChannelId, LineUp, Source
from gateway.media.past import Past, Shelves
from gateway.media.past_pages import AHEAD, PastPages
from gateway.media.relay_facts import (
    ForeignHostError,
    Kind,
    NoSuchPieceError,
    NotContinuousError,
    RelayConfig,
    UnknownChannelError,
    Weight,
)
from gateway.media.relay_shelf import Piece
from tests.media.archive_server import SEGMENT_S, ArchiveServer, archive_server, instant, packet
from tests.ui.living import running

NEWS = ChannelId("news")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LENGTH = timedelta(seconds=20)
STEP = timedelta(seconds=SEGMENT_S)


def piece(pull: int, number: int, moment: datetime) -> Piece:
    return Piece(
        pull=pull,
        number=number,
        kind=Kind.TS,
        data=packet(moment),
        duration_s=SEGMENT_S,
        discontinuity=False,
        init=None,
        program_date=None,
        at=moment,
        arrived_s=0.0,
    )


@dataclass
class Air:
    """A relay that goes on for a while from any instant on."""

    asked: list[datetime | None] = field(default_factory=list)

    async def follow(
        self, channel: ChannelId, *, weight: Weight = Weight.RECORDING, since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]:
        assert channel == NEWS
        assert weight is Weight.TV
        self.asked.append(since)
        for number in range(100):
            yield piece(1, number, (since or NOW) + number * STEP)


@dataclass
class Disk:
    """A time-shift that holds what it is given."""

    held: list[Piece] = field(default_factory=list)

    def window(self, channel: ChannelId) -> tuple[datetime, datetime] | None:
        assert channel == NEWS
        return (self.held[0].at, self.held[-1].at + STEP) if self.held else None

    async def from_instant(self, channel: ChannelId, at: datetime) -> AsyncGenerator[Piece, None]:
        assert channel == NEWS
        for each in self.held:
            if each.at + STEP > at:
                yield each


class TwentySeconds:
    """A guide whose programmes last twenty seconds each."""

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = 100
    ) -> Sequence[Programme]:
        assert channel == NEWS
        assert limit
        begins = datetime.fromtimestamp(start.timestamp() // 20 * 20, UTC)
        assert begins < stop
        one = Programme(
            id="p", channel=NEWS, start=begins, stop=begins + LENGTH, title="新闻", catchup_id="7"
        )
        return [one]


@dataclass
class Book:
    """A line-up of one channel."""

    state: LineUp


@dataclass
class Set:
    """A past to watch, and what it is made of."""

    archive: ArchiveServer
    air: Air
    disk: Disk
    past: Past


@pytest.fixture(name="set_")
async def one_set() -> AsyncIterator[Set]:
    async with archive_server() as server:
        archive = Catchup(kind="default", source=server.root + "/news.m3u8?b={utc}&e={utcend}", days=7)
        dead = Source(url="http://127.0.0.1:1/live.m3u8")
        channel = Channel(id=NEWS, number=1, name="新闻", sources=(dead,), catchup=archive)
        air, disk = Air(), Disk()
        config = RelayConfig(retry_pause_s=0.01)
        shelves = Shelves(shift=disk, archive=Archive(config), live=air)
        yield Set(server, air, disk, Past(shelves, Book(LineUp([channel])), TwentySeconds(), lambda: NOW))


async def take(past: Past, at: datetime, count: int) -> list[Piece]:
    found: list[Piece] = []
    async with asyncio.timeout(20), aclosing(past.pieces(NEWS, at)) as pieces:
        async for each in pieces:
            found.append(each)
            if len(found) == count:
                break
    return found


def moments(pieces: Sequence[Piece]) -> list[datetime]:
    return [instant(each.data) for each in pieces]


async def test_programme_follows_programme_without_a_gap(set_: Set) -> None:
    at = NOW - timedelta(hours=2)
    found = await take(set_.past, at, 25)
    assert moments(found) == [at + number * STEP for number in range(25)]
    assert [each.at for each in found] == moments(found)
    assert set_.archive.asked[:2] == [(at, at + LENGTH), (at + LENGTH, at + 2 * LENGTH)]
    assert [number for number, each in enumerate(found) if each.discontinuity] == [0, 10, 20]


async def test_it_begins_in_the_middle_of_a_programme(set_: Set) -> None:
    at = NOW - timedelta(hours=2) + timedelta(seconds=7)
    found = await take(set_.past, at, 9)
    # What remains of the programme, asked for to its end, and then the next.
    assert set_.archive.asked[0] == (at, NOW - timedelta(hours=2) + LENGTH)
    assert moments(found)[0] == at


async def test_the_archive_is_followed_by_the_disk_and_then_by_the_air(set_: Set) -> None:
    begins = NOW - timedelta(seconds=60)
    set_.disk.held = [piece(7, number, begins + LENGTH + number * STEP) for number in range(20)]
    found = await take(set_.past, begins, 35)
    assert moments(found) == [begins + number * STEP for number in range(35)]
    assert set_.air.asked == [NOW]


async def test_what_is_almost_live_comes_from_the_air(set_: Set) -> None:
    at = NOW - timedelta(seconds=10)
    assert moments(await take(set_.past, at, 2)) == [at, at + STEP]
    assert set_.archive.asked == []


async def test_an_archive_that_lags_behind_is_left_for_live_television(set_: Set) -> None:
    at = NOW - timedelta(hours=1)
    set_.archive.until = at + STEP
    found = await take(set_.past, at, 3)
    assert moments(found)[0] == at
    assert moments(found)[1] == NOW
    assert found[1].discontinuity


async def test_a_lost_segment_costs_itself_and_is_marked(set_: Set) -> None:
    at = NOW - timedelta(hours=2)
    set_.archive.missing = {at + STEP}
    found = await take(set_.past, at, 3)
    assert moments(found) == [at, at + 2 * STEP, at + 3 * STEP]
    assert [each.discontinuity for each in found] == [True, True, False]


async def test_what_nobody_kept_is_refused(set_: Set) -> None:
    set_.archive.gone = True
    with pytest.raises(NoCatchupError):
        await take(set_.past, NOW - timedelta(hours=2), 1)
    with pytest.raises(NoCatchupError):
        await take(set_.past, NOW - timedelta(days=8), 1)
    with pytest.raises(UnknownChannelError):
        await anext(set_.past.pieces(ChannelId("none"), NOW))


async def test_only_little_is_fetched_ahead_of_the_reader(set_: Set) -> None:
    await take(set_.past, NOW - timedelta(hours=2), 1)
    assert len(set_.archive.segments) <= 2


def test_the_window_begins_where_the_archive_does(set_: Set) -> None:
    window = set_.past.window(NEWS)
    assert window is not None
    assert (window.start, window.end) == (NOW - timedelta(days=7), NOW)


async def test_a_page_plays_the_past_from_its_first_piece_on(set_: Set) -> None:
    pages = PastPages(set_.past)
    at = NOW - timedelta(hours=2)
    async with asyncio.timeout(20), running(pages.run):
        master = parse((await pages.begin(NEWS, at, ticket="a b")).body.decode(), "")
        assert isinstance(master, MasterPlaylist)
        name, _, query = master.variants[0].uri.partition("?")
        assert query == "ticket=a%20b"
        first = await pages.resource(name)
        assert b"#EXT-X-START:TIME-OFFSET=0,PRECISE=YES" in first.body
        seen: list[datetime] = []
        while len(seen) < 30:
            playlist = parse((await pages.resource(name)).body.decode(), "")
            assert isinstance(playlist, MediaPlaylist)
            for segment in playlist.segments:
                if segment.sequence == len(seen):
                    seen.append(instant((await pages.resource(segment.uri)).body))
                    assert segment.program_date == seen[-1]
            await asyncio.sleep(0)
        assert seen == [at + number * STEP for number in range(30)]
        assert len(set_.archive.segments) <= 30 + AHEAD + 3


async def test_the_past_ends_where_it_may_not_be_watched_any_more(set_: Set) -> None:
    at = NOW - timedelta(hours=2)

    async def allowed(instant: datetime) -> bool:
        return instant < at + 3 * STEP

    async with asyncio.timeout(20):
        whole = [chunk async for chunk in set_.past.continuous(NEWS, at, allowed=allowed)]
        assert whole
        assert not [chunk async for chunk in set_.past.continuous(NEWS, at + LENGTH, allowed=allowed)]
        pages = PastPages(set_.past)
        async with running(pages.run):
            with pytest.raises(NoSuchPieceError):
                await pages.begin(NEWS, at + LENGTH, allowed=allowed)


async def test_what_may_be_watched_begins_though_its_first_piece_is_older(set_: Set) -> None:
    at = NOW - timedelta(hours=2)

    async def allowed(instant: datetime) -> bool:
        return instant >= at + STEP / 2

    async with asyncio.timeout(20):
        async with aclosing(set_.past.continuous(NEWS, at + STEP / 2, allowed=allowed)) as stream:
            assert await anext(stream)
        pages = PastPages(set_.past)
        async with running(pages.run):
            assert (await pages.begin(NEWS, at + STEP / 2, allowed=allowed)).body


async def test_a_page_plays_to_the_end_of_what_it_may_watch(set_: Set) -> None:
    at = NOW - timedelta(hours=2)
    pages = PastPages(set_.past)

    async def allowed(instant: datetime) -> bool:
        return instant < at + 3 * STEP

    async with asyncio.timeout(20), running(pages.run):
        master = parse((await pages.begin(NEWS, at, allowed=allowed)).body.decode(), "")
        assert isinstance(master, MasterPlaylist)
        name = master.variants[0].uri
        while b"#EXT-X-ENDLIST" not in (found := (await pages.resource(name)).body):  # noqa: ASYNC110 - as a player asks
            await asyncio.sleep(0.01)
        playlist = parse(found.decode(), "")
        assert isinstance(playlist, MediaPlaylist)
        assert [segment.program_date for segment in playlist.segments] == [at + n * STEP for n in range(3)]
        for segment in playlist.segments:
            assert (await pages.resource(segment.uri)).body


async def test_a_page_asking_for_nothing_kept_is_told_so(set_: Set) -> None:
    set_.archive.gone = True
    pages = PastPages(set_.past)
    async with running(pages.run):
        with pytest.raises(NoCatchupError):
            await pages.begin(NEWS, NOW - timedelta(hours=2))
        with pytest.raises(NoSuchPieceError):
            await pages.resource("past-0123456789abcdef.m3u8")
        with pytest.raises(NoSuchPieceError):
            await pages.resource("past-../../etc.m3u8")


async def test_an_archive_of_programmes_is_entered_in_the_middle(set_: Set) -> None:
    line_up = LineUp(
        [
            Channel(
                id=NEWS,
                number=1,
                name="新闻",
                sources=(Source(url="http://127.0.0.1:1/live.m3u8"),),
                catchup=Catchup(
                    kind="vod", source=set_.archive.root + "/news.m3u8?b={utc}&e={utcend}&id={catchup-id}"
                ),
            )
        ]
    )
    shelves = Shelves(shift=set_.disk, archive=Archive(RelayConfig()), live=set_.air)
    past = Past(shelves, Book(line_up), TwentySeconds(), lambda: NOW)
    begins = NOW - timedelta(hours=2)
    found = await take(past, begins + 3 * STEP, 9)
    assert set_.archive.asked[0] == (begins, begins + LENGTH)
    assert moments(found) == [begins + number * STEP for number in range(3, 12)]


async def test_an_archive_on_a_host_that_is_not_listed_is_not_asked(set_: Set) -> None:
    archive = Archive(RelayConfig(), lambda host: host == "listed.example")
    address = f"{set_.archive.root}/news.m3u8?b=0&e=20"
    stretch = archive.stretch(address, Source(url=address), NOW)
    with pytest.raises(ForeignHostError):
        async with aclosing(stretch):
            await anext(stretch)
    assert set_.archive.asked == []


@pytest.mark.parametrize("path", ["news.m3u8?b=0&e=20", "apart.m3u8"], ids=["fragmented MP4", "sound apart"])
async def test_an_archive_that_would_be_silent_or_dark_is_refused_at_once(set_: Set, path: str) -> None:
    set_.archive.front = '#EXT-X-MAP:URI="init.mp4"'
    address = f"{set_.archive.root}/{path}"
    stretch = Archive(RelayConfig()).stretch(address, Source(url=address), NOW)
    with pytest.raises(NotContinuousError):
        async with aclosing(stretch):
            await anext(stretch)
    assert set_.archive.segments == []
