"""Pause, seek, catch-up, recordings and the lock, with a player that has no screen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.errors import GatewayError
from gateway.focus import Focus
from gateway.media.epg import Programme
from gateway.media.lineup import Channel, ChannelId
from gateway.media.past import Window
from gateway.media.player import Failed
from gateway.media.simulated import SimulatedPlayer
from gateway.media.streams import Recorded, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import (
    NoRecordingsError,
    NoSuchProgrammeError,
    NothingKeptError,
    NothingShownError,
    NotYetShownError,
    PauseOutlivedError,
    Picture,
    Playhead,
    Surroundings,
    TvConfig,
    TvState,
)
from gateway.media.tv_memory import MIGRATIONS, TvMemory
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve
from tests.media.test_tv import DOOR, FILM, NEWS, QUICK, SPORT, Book, Direct

HOUR = timedelta(hours=1)
NEARLY = timedelta(seconds=6)


@dataclass
class Attic:
    """A past of some hours of each channel.

    Attributes:
        hours: How many; 0 for nothing at all.
        starts: When it begins, if not so many hours ago.
    """

    hours: float = 2.0
    starts: datetime | None = None

    def window(self, channel: ChannelId) -> Window | None:
        del channel
        now = datetime.now(UTC)
        return Window(self.starts or now - self.hours * HOUR, now) if self.hours else None


@dataclass
class Cassettes:
    """Recordings, and where they were left."""

    kept: dict[str, Recorded] = field(default_factory=dict)
    left: list[tuple[str, float]] = field(default_factory=list)
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def recorded(self, recording: str) -> Recorded | None:
        return self.kept.get(recording)

    async def left_at(self, recording: str, position_s: float) -> None:
        self.left.append((recording, round(position_s)))
        self.written.set()


@dataclass
class Listing:
    """A guide of some programmes."""

    programmes: Sequence[Programme] = ()

    async def programme(self, programme: str, /) -> Programme | None:
        return next((one for one in self.programmes if one.id == programme), None)


class Key:
    """A lock for some channels.

    Attributes:
        shut: Which.
    """

    def __init__(self) -> None:
        self.shut: set[ChannelId] = set()
        self.changes: Publisher[None] = Publisher()

    async def verdict(self, channel: Channel, at: datetime | None = None) -> str | None:
        del at
        return "TV-601" if channel.id in self.shut else None

    async def verdict_recorded(self, channel: ChannelId, at: datetime, age: int) -> str | None:
        del at, age
        return "TV-601" if channel in self.shut else None

    def turn(self, *shut: ChannelId) -> None:
        """Lock exactly these."""
        self.shut = set(shut)
        self.changes.publish(None)


@dataclass
class Room:
    """A television and all that it can reach."""

    tv: Tv
    player: SimulatedPlayer
    relay: Direct
    attic: Attic
    cassettes: Cassettes
    listing: Listing
    key: Key
    book: Book
    told: list[GatewayError]

    async def when(self, what: Callable[[TvState], bool]) -> TvState:
        with self.tv.changes.subscribe() as changes:
            async with asyncio.timeout(5):
                while not what(self.tv.state):
                    await anext(changes)
        return self.tv.state

    async def playing(self, mode: str = "live") -> TvState:
        return await self.when(lambda now: now.picture is Picture.PLAYING and now.mode == mode)

    def asked_for(self) -> datetime:
        """The instant in the address that is open."""
        return datetime.fromisoformat(parse_qs(urlsplit(self.player.url or "").query)["at"][0])


Furnish = Callable[..., AbstractAsyncContextManager[Room]]


@pytest.fixture
async def furnish(tmp_path: Path, serve: Serve) -> AsyncIterator[Furnish]:
    store = Store(tmp_path / "gateway.db", {"tv": MIGRATIONS}, durable=False)

    @asynccontextmanager
    async def furnishing(
        *, config: TvConfig = QUICK, player: SimulatedPlayer | None = None, past: bool = True
    ) -> AsyncIterator[Room]:
        player = player or SimulatedPlayer()
        relay, attic, cassettes, listing, key, book = (
            Direct(), Attic(), Cassettes(), Listing(), Key(), Book(NEWS, SPORT, FILM),
        )  # fmt: skip
        told: list[GatewayError] = []
        tv = Tv(
            config,
            player=player,
            source=Streams(relay, DOOR, past=attic if past else None, recordings=cassettes if past else None),
            line_up=book,
            focus=Focus(),
            memory=TvMemory(store),
            around=Surroundings(guide=listing, gate=key, tell=told.append),
        )
        async with serve(player), serve(tv):
            yield Room(tv, player, relay, attic, cassettes, listing, key, book, told)

    async with serve(store):
        yield furnishing


def ago(what: timedelta) -> datetime:
    return datetime.now(UTC) - what


async def test_a_short_pause_holds_the_player_and_opens_nothing(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.playing()
        await room.tv.pause()
        state = room.tv.state
        assert (state.paused, state.mode, state.picture) == (True, "timeshift", Picture.PLAYING)
        assert room.player.paused
        position = state.position
        await room.tv.resume()
        assert (room.tv.state.paused, room.player.paused) == (False, False)
        assert position is not None
        assert room.tv.state.position is not None
        assert room.tv.state.position - position < timedelta(seconds=2)
        assert room.player.opened == ["news"]


async def test_a_pause_that_outlived_its_buffer_goes_on_from_what_is_kept(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.playing()
        await room.tv.pause()
        room.attic.starts = datetime.now(UTC) + timedelta(seconds=1)
        await room.tv.resume()
        assert [type(error) for error in room.told] == [PauseOutlivedError]
        await room.playing("timeshift")
        assert abs(room.asked_for() - room.attic.starts) < timedelta(milliseconds=2)
        assert not room.tv.state.paused


async def test_a_pause_before_the_picture_holds_the_first_one(furnish: Furnish) -> None:
    async with furnish(player=SimulatedPlayer(slow_s={"sport": 0.1})) as room:
        await room.tv.tune(SPORT.id)
        await room.tv.pause()
        assert not room.player.paused
        await room.playing("timeshift")
        assert (room.tv.state.paused, room.player.paused) == (True, True)


async def test_a_pause_of_which_nothing_is_kept_ends_live(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.playing()
        await room.tv.pause()
        room.attic.hours = 0
        await room.tv.resume()
        await room.playing("live")


async def test_seeking_goes_back_and_forth_and_beyond_live_is_live(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.playing()
        await room.tv.seek(position=ago(HOUR))
        await room.playing("timeshift")
        assert abs(room.asked_for() - ago(HOUR)) < NEARLY
        await room.tv.seek(step_s=600)
        await room.playing("timeshift")
        assert abs(room.asked_for() - ago(HOUR - timedelta(minutes=10))) < NEARLY
        await room.tv.seek(step_s=-7 * 3600)
        await room.playing("timeshift")
        assert abs(room.asked_for() - ago(2 * HOUR)) < NEARLY
        await room.tv.seek(step_s=7 * 3600)
        state = await room.playing("live")
        assert state.position is None


async def test_steps_add_up_before_the_picture_is_there(furnish: Furnish) -> None:
    """Who presses rewind three times means three steps."""
    async with furnish(config=replace(QUICK, zap_timeout_s=5)) as room:
        await room.playing()
        begin = datetime.now(UTC)
        for _ in range(3):
            await room.tv.seek(step_s=-300)
        await room.playing("timeshift")
        assert abs(room.asked_for() - (begin - timedelta(minutes=15))) < NEARLY


async def test_time_that_stands_still_is_not_played(furnish: Furnish) -> None:
    async with furnish(config=replace(QUICK, stall_timeout_s=5)) as room:
        await room.tv.seek(position=ago(HOUR))
        assert moves(await room.playing("timeshift"))
        room.player.stall()
        assert not moves(await room.when(lambda now: now.picture is Picture.STALLED))
        room.player.resume()
        assert moves(await room.playing("timeshift"))
        await room.tv.pause()
        assert not moves(room.tv.state)


def moves(state: TvState) -> bool:
    return state.playhead is not None and state.playhead.moves


def test_a_playhead_runs_on_until_it_is_held() -> None:
    at = ago(HOUR)
    head = Playhead(at, time.monotonic() - 10)
    assert timedelta(seconds=10) <= head.position - at < timedelta(seconds=11)
    held = head.moving(False)
    assert replace(held, noted_s=held.noted_s - 10).position == held.position


async def test_a_player_that_died_goes_on_where_it_was_and_stays_paused(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.seek(position=ago(HOUR))
        await room.playing("timeshift")
        await room.tv.pause()
        position = room.tv.state.position
        room.player.crash()
        await room.when(lambda now: now.picture is Picture.TUNING)
        state = await room.playing("timeshift")
        assert position is not None
        assert abs(room.asked_for() - position) < timedelta(seconds=1)
        assert (state.paused, room.player.paused) == (True, True)


async def test_the_past_is_shown_again_from_where_it_broke_off(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(SPORT.id, ago(HOUR))
        await room.playing("timeshift")
        opened = len(room.player.opened)
        room.player.fail()
        await room.when(lambda now: now.picture is Picture.FAILED)
        await room.playing("timeshift")
        assert len(room.player.opened) == opened + 1
        assert abs(room.asked_for() - ago(HOUR)) < NEARLY


async def test_a_programme_of_yesterday_is_shown_from_its_beginning(furnish: Furnish) -> None:
    def programme(name: str, start: datetime, stop: datetime) -> Programme:
        return Programme(id=name, channel=SPORT.id, start=start, stop=stop, title=name)

    async with furnish() as room:
        room.attic.hours = 30
        room.listing.programmes = (
            programme("match", ago(20 * HOUR), ago(18 * HOUR)),
            programme("begun", ago(31 * HOUR), ago(29 * HOUR)),
            programme("old", ago(40 * HOUR), ago(39 * HOUR)),
            programme("later", ago(-HOUR), ago(-2 * HOUR)),
        )
        await room.tv.watch_programme("match")
        state = await room.playing("catchup")
        assert state.channel == SPORT
        assert abs(room.asked_for() - ago(20 * HOUR)) < NEARLY
        await room.tv.seek(step_s=60)
        await room.playing("catchup")
        await room.tv.watch_programme("begun")
        await room.playing("catchup")
        assert abs(room.asked_for() - ago(30 * HOUR)) < NEARLY
        with pytest.raises(NothingKeptError):
            await room.tv.watch_programme("old")
        with pytest.raises(NotYetShownError):
            await room.tv.watch_programme("later")
        with pytest.raises(NoSuchProgrammeError):
            await room.tv.watch_programme("pirate")
        await room.tv.live()
        assert (await room.playing("live")).channel == SPORT


async def test_a_recording_goes_on_where_it_was_left(furnish: Furnish) -> None:
    start = ago(50 * HOUR)
    match = Recorded(id="r1", channel=SPORT.id, start=start, stop=start + HOUR, position_s=600)
    async with furnish() as room:
        room.cassettes.kept["r1"] = match
        await room.tv.watch_recording("r1")
        state = await room.playing("recording")
        assert (state.recording, state.channel) == ("r1", SPORT)
        assert room.player.url == "http://box/recordings/r1.ts?from_s=600.000&ticket=secret"
        assert room.tv.window == Window(start, start + HOUR)
        await room.tv.seek(step_s=-1200)
        await room.playing("recording")
        assert room.player.url == "http://box/recordings/r1.ts?from_s=0.000&ticket=secret"
        await room.tv.seek(position=start + timedelta(minutes=50))
        await room.playing("recording")
        await room.tv.tune(FILM.id)
        await room.playing("live")
        async with asyncio.timeout(5):
            await room.cassettes.written.wait()
        assert room.cassettes.left == [("r1", 3000)]
        with pytest.raises(NoRecordingsError):
            await room.tv.watch_recording("r2")


async def test_after_a_recording_the_channel_is_shown(furnish: Furnish) -> None:
    start = ago(50 * HOUR)
    async with furnish() as room:
        room.cassettes.kept["r1"] = Recorded(
            id="r1", channel=SPORT.id, start=start, stop=start + timedelta(minutes=1), position_s=50
        )
        await room.tv.watch_recording("r1")
        await room.playing("recording")
        room.player.events.publish(Failed(room.player.url or "", "TV-304"))
        assert (await room.playing("live")).channel == SPORT


async def test_a_recording_of_a_channel_that_is_no_more_is_shown(furnish: Furnish) -> None:
    start = ago(50 * HOUR)
    async with furnish() as room:
        room.cassettes.kept["r1"] = Recorded(
            id="r1", channel=ChannelId("gone"), start=start, stop=start + HOUR
        )
        await room.tv.watch_recording("r1")
        state = await room.playing("recording")
        assert (state.channel, state.is_on) == (None, True)
        await room.tv.live()
        assert (await room.playing("live")).channel == NEWS


async def test_a_box_that_keeps_nothing_says_so(furnish: Furnish) -> None:
    async with furnish(past=False) as room:
        before = await room.playing()
        for refused in (room.tv.pause(), room.tv.seek(step_s=-60), room.tv.tune(FILM.id, ago(HOUR))):
            with pytest.raises(NothingKeptError):
                await refused
        with pytest.raises(NoRecordingsError):
            await room.tv.watch_recording("r1")
        assert room.tv.state == before
        await room.tv.standby()
        with pytest.raises(NothingShownError):
            await room.tv.pause()


async def test_of_a_locked_channel_nothing_is_fetched(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.playing()
        room.key.turn(FILM.id)
        await room.tv.tune(FILM.id)
        state = await room.when(lambda now: now.picture is Picture.FAILED)
        assert (state.channel, state.code) == (FILM, "TV-601")
        assert room.relay.asked == [NEWS.id]
        assert room.player.url is None
        room.key.turn()
        assert (await room.playing()).code is None
        assert room.relay.asked == [NEWS.id, FILM.id]


async def test_the_lock_closes_over_what_is_watched(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(SPORT.id, ago(HOUR))
        await room.playing("timeshift")
        opened = len(room.player.opened)
        room.key.turn(FILM.id)
        room.key.turn(FILM.id, SPORT.id)
        await room.when(lambda now: now.code == "TV-601")
        room.key.turn(FILM.id)
        await room.playing("timeshift")
        assert len(room.player.opened) == opened + 1
        assert abs(room.asked_for() - ago(HOUR)) < NEARLY


async def test_what_was_decoded_before_is_told_apart(furnish: Furnish) -> None:
    async with furnish() as room:
        room.relay.here = {SPORT.id, FILM.id}
        assert (await room.playing()).zap == "cold"
        await room.tv.tune(SPORT.id)
        assert (await room.when(lambda now: now.first_frame_ms is not None)).zap == "warm"
        await room.player.prepare("film")
        room.relay.held = {FILM.id}  # whose picture is ready need not be asked for
        await room.tv.tune(FILM.id)
        assert (await room.when(lambda now: now.first_frame_ms is not None)).zap == "predicted"


async def test_the_order_reaches_the_player_within_milliseconds(furnish: Furnish) -> None:
    """What the set itself adds to a zap; the median, on a machine that has other things to do."""
    async with furnish() as room:
        await room.playing()
        asked_ms = []
        for _ in range(50):
            await room.tv.zap(1)
            state = await room.when(lambda now: now.first_frame_ms is not None)
            asked_ms.append((state.first_frame_ms or 0) - (state.player_ms or 0))
        assert sorted(asked_ms)[25] <= 5


async def test_levelling_is_the_player_s(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.set_levelling(True)
        assert room.player.levelling
