import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from gateway.errors import GatewayError
from gateway.focus import Focus, Holder, Priority
from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.player import SUBTITLES_OFF, Plane, Track
from gateway.media.player_process import ProcessPlayer
from gateway.media.relay_facts import SourceMissingError, UnknownChannelError
from gateway.media.simulated import SimulatedPlayer
from gateway.media.streams import Door, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import NoChannelsError, Picture, TvConfig, TvState, UnknownTrackError
from gateway.media.tv_memory import MIGRATIONS, TvMemory
from gateway.media.tv_player import choose_player
from gateway.pubsub import Publisher
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve


def channel(name: str, number: int) -> Channel:
    return Channel(
        id=ChannelId(name), number=number, name=name, sources=(Source(url=f"http://origin/{name}"),)
    )


NEWS, SPORT, FILM = channel("news", 1), channel("sport", 5), channel("film", 8)
CHINESE = Track("1", "audio", "zh", "")
ENGLISH = Track("2", "audio", "en", "")
GERMAN_TEXT = Track("3", "subtitle", "de", "")
DOOR = Door(base_url="http://box", ticket="secret")
QUICK = TvConfig(zap_timeout_s=0.3, stall_timeout_s=0.1, retry_s=0.05, retry_max_s=0.1, remember_after_s=0.05)


class Book:
    """The line-up, as the operator's last word has it."""

    def __init__(self, *channels: Channel) -> None:
        self.state = LineUp(channels)
        self.changes: Publisher[LineUp] = Publisher()

    def become(self, *channels: Channel) -> None:
        self.state = LineUp(channels)
        self.changes.publish(self.state)


@dataclass
class Direct:
    """A relay that answers with a channel's name as its address, or refuses.

    Attributes:
        refusing: What to raise instead.
        held: Channels whose answer does not come.
        asked: Every channel that was asked for.
    """

    refusing: GatewayError | None = None
    held: set[str] = field(default_factory=set)
    asked: list[ChannelId] = field(default_factory=list)
    here: set[str] = field(default_factory=set)

    def address(self, channel: ChannelId) -> str:
        return str(channel)

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        return "warm" if channel in self.here else "cold"

    async def open(self, channel: ChannelId) -> str:
        self.asked.append(channel)
        if self.refusing is not None:
            raise self.refusing
        if channel in self.held:
            await asyncio.Event().wait()
        return str(channel)


@dataclass
class Room:
    """A television with all around it."""

    tv: Tv
    player: SimulatedPlayer
    source: Direct
    book: Book
    focus: Focus

    async def until(self, picture: Picture, *, on: Channel | None = None) -> TvState:
        return await self.when(lambda now: now.picture is picture and (on is None or now.channel == on))

    async def when(self, what: Callable[[TvState], bool]) -> TvState:
        with self.tv.changes.subscribe() as changes:
            async with asyncio.timeout(5):
                while not what(self.tv.state):
                    await anext(changes)
        return self.tv.state


Furnish = Callable[..., AbstractAsyncContextManager[Room]]


@pytest.fixture
async def store(tmp_path: Path, serve: Serve) -> AsyncIterator[Store]:
    store = Store(tmp_path / "gateway.db", {"tv": MIGRATIONS}, durable=False)
    async with serve(store):
        yield store


@pytest.fixture
def furnish(store: Store, serve: Serve) -> Furnish:
    @asynccontextmanager
    async def furnishing(
        player: SimulatedPlayer | None = None,
        config: TvConfig = QUICK,
        channels: tuple[Channel, ...] = (NEWS, SPORT, FILM),
    ) -> AsyncIterator[Room]:
        player = player or SimulatedPlayer()
        book, source, focus = Book(*channels), Direct(), Focus()
        tv = Tv(
            config,
            player=player,
            source=Streams(source, DOOR),
            line_up=book,
            focus=focus,
            memory=TvMemory(store),
        )
        async with serve(player), serve(tv):
            yield Room(tv, player, source, book, focus)

    return furnishing


async def test_a_new_box_begins_with_the_first_channel(furnish: Furnish) -> None:
    async with furnish() as room:
        state = await room.until(Picture.PLAYING)
        assert state == TvState(
            channel=NEWS,
            picture=Picture.PLAYING,
            first_frame_ms=state.first_frame_ms,
            player_ms=0,
            zap="cold",
        )
        assert room.focus.holder == Holder("tv", Priority.TV)
    assert room.focus.holder is None


async def test_the_box_comes_back_with_the_channel_and_loudness_it_had(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(FILM.id)
        await room.tv.set_volume(23)
        await room.until(Picture.PLAYING, on=FILM)
    async with furnish() as room:
        state = await room.until(Picture.PLAYING)
        assert (state.channel, state.volume_percent) == (FILM, 23)
        assert room.player.volume_percent == 23


async def until_not_tuning(changes: AsyncIterator[TvState]) -> None:
    async for state in changes:
        if state.picture is not Picture.TUNING:
            return


async def test_an_empty_room_is_no_failure(store: Store, serve: Serve) -> None:
    """The box without a display waits for its page, however long that takes."""
    player = InPagePlayer()
    book, focus = Book(NEWS), Focus()
    hasty = replace(QUICK, zap_timeout_s=0.05)
    tv = Tv(
        hasty,
        player=player,
        source=Streams(Direct(), DOOR),
        line_up=book,
        focus=focus,
        memory=TvMemory(store),
    )
    with tv.changes.subscribe() as changes, player.changes.subscribe() as screens:
        async with serve(player), serve(tv):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(until_not_tuning(changes), 0.2)
            with player.page():
                async with asyncio.timeout(5):
                    while not (stream_id := (await anext(screens)).stream_id):
                        pass
                    assert player.first_frame(stream_id)
                    while (state := await anext(changes)).picture is not Picture.PLAYING:
                        pass
            assert state.first_frame_ms is not None
            assert state.first_frame_ms < 200


async def test_a_box_that_shall_begin_dark_does(furnish: Furnish) -> None:
    async with furnish(config=replace(QUICK, boot="none")) as room:
        assert room.tv.state == TvState()
        await room.tv.zap(1)
        await room.until(Picture.PLAYING, on=NEWS)


async def test_the_line_up_may_come_after_the_television(furnish: Furnish) -> None:
    async with furnish(channels=()) as room:
        assert room.tv.state.picture is Picture.IDLE
        with pytest.raises(NoChannelsError):
            await room.tv.zap(1)
        room.book.become(SPORT)
        await room.until(Picture.PLAYING, on=SPORT)


async def test_zapping_goes_round_the_ends(furnish: Furnish) -> None:
    async with furnish() as room:
        for step, there in [(-1, FILM), (1, NEWS), (1, SPORT), (1, FILM), (1, NEWS)]:
            await room.tv.zap(step)
            await room.until(Picture.PLAYING, on=there)


async def test_last_goes_back_and_forth(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.last()
        await room.until(Picture.PLAYING, on=NEWS)
        await room.tv.tune_number(8)
        await room.until(Picture.PLAYING, on=FILM)
        for there in (NEWS, FILM):
            await room.tv.last()
            await room.until(Picture.PLAYING, on=there)


async def test_a_channel_that_is_not_in_the_line_up_changes_nothing(furnish: Furnish) -> None:
    async with furnish() as room:
        before = await room.until(Picture.PLAYING)
        with pytest.raises(UnknownChannelError):
            await room.tv.tune(ChannelId("pirate"))
        with pytest.raises(UnknownChannelError):
            await room.tv.tune_number(99)
        assert room.tv.state == before


async def test_of_many_quick_zaps_only_the_last_is_shown(furnish: Furnish) -> None:
    async with furnish() as room:
        room.source.held = {"news", "sport"}
        await room.tv.tune(NEWS.id)
        for _ in range(20):
            await room.tv.zap(1)
            await asyncio.sleep(0)
        await room.tv.tune(FILM.id)
        state = await room.until(Picture.PLAYING)
        assert state.channel == FILM
        assert room.player.url == "film"


async def test_the_order_is_seen_at_once(furnish: Furnish) -> None:
    async with furnish(SimulatedPlayer(silent=["sport"])) as room:
        await room.tv.tune(SPORT.id)
        assert room.tv.state == TvState(channel=SPORT, picture=Picture.TUNING)


async def test_a_silent_channel_fails_in_time_and_comes_back_by_itself(furnish: Furnish) -> None:
    async with furnish(SimulatedPlayer(silent=["sport"])) as room:
        await room.tv.tune(SPORT.id)
        failed = await room.until(Picture.FAILED)
        assert (failed.channel, failed.code) == (SPORT, "TV-401")
        room.player.silent.clear()
        state = await room.until(Picture.PLAYING)
        assert (state.channel, state.code) == (SPORT, None)


async def test_a_dead_stream_is_tried_again(furnish: Furnish) -> None:
    async with furnish(SimulatedPlayer(dead=["news"])) as room:
        failed = await room.until(Picture.FAILED)
        assert failed.code == "TV-301"
        room.player.dead.clear()
        await room.until(Picture.PLAYING, on=NEWS)


async def test_what_the_source_says_is_what_the_household_sees(furnish: Furnish) -> None:
    async with furnish() as room:
        room.source.refusing = SourceMissingError("404")
        await room.tv.tune(FILM.id)
        assert (await room.until(Picture.FAILED)).code == "TV-203"
        room.source.refusing = None
        await room.until(Picture.PLAYING, on=FILM)


async def test_beside_a_failure_the_screen_is_dark(furnish: Furnish) -> None:
    async with furnish(config=replace(QUICK, retry_s=60, retry_max_s=60)) as room:
        await room.until(Picture.PLAYING, on=NEWS)
        room.source.refusing = SourceMissingError("404")
        await room.tv.tune(FILM.id)
        await room.until(Picture.FAILED)
        assert room.player.url is None


async def test_a_failing_channel_can_be_left(furnish: Furnish) -> None:
    async with furnish(SimulatedPlayer(dead=["news"])) as room:
        await room.until(Picture.FAILED)
        await room.tv.zap(1)
        await room.until(Picture.PLAYING, on=SPORT)


async def test_a_short_stall_is_only_shown(furnish: Furnish) -> None:
    async with furnish(config=replace(QUICK, stall_timeout_s=5)) as room:
        await room.until(Picture.PLAYING)
        room.player.stall()
        await room.until(Picture.STALLED)
        room.player.resume()
        await room.until(Picture.PLAYING)
        assert room.player.opened == ["news"]


async def test_a_long_stall_opens_the_channel_anew(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.until(Picture.PLAYING)
        room.player.stall()
        await room.until(Picture.STALLED)
        await room.until(Picture.PLAYING)
        assert room.player.opened == ["news", "news"]


async def test_a_player_that_died_gets_the_same_channel_again(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(FILM.id)
        await room.until(Picture.PLAYING, on=FILM)
        room.player.crash()
        await room.until(Picture.TUNING)
        await room.until(Picture.PLAYING, on=FILM)
        assert room.player.url == "film"


async def test_stop_is_dark_and_the_channel_is_not_forgotten(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(FILM.id)
        await room.until(Picture.PLAYING, on=FILM)
        await room.tv.stop()
        assert room.tv.state == TvState()
        await room.tv.last()
        await room.until(Picture.PLAYING, on=FILM)


async def test_muting_keeps_the_loudness(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.set_volume(70)
        await room.tv.set_muted(True)
        assert (room.tv.state.volume_percent, room.tv.state.muted) == (70, True)
        assert room.player.volume_percent == 0
        await room.tv.set_volume(180)
        assert (room.tv.state.volume_percent, room.tv.state.muted) == (100, False)
        assert room.player.volume_percent == 100


async def test_another_language_is_chosen_from_what_the_stream_has(furnish: Furnish) -> None:
    async with furnish(SimulatedPlayer(tracks=(CHINESE, ENGLISH))) as room:
        state = await room.when(lambda now: bool(now.tracks))
        assert (state.tracks, state.selected) == ((CHINESE, ENGLISH), ("1",))
        await room.tv.select("2")
        await room.when(lambda now: now.selected == ("2",))
        with pytest.raises(UnknownTrackError):
            await room.tv.select("3")


async def test_the_language_is_remembered_here_and_everywhere(furnish: Furnish) -> None:
    tracks = (CHINESE, ENGLISH, GERMAN_TEXT, SUBTITLES_OFF)
    async with furnish(SimulatedPlayer(tracks=tracks)) as room:
        await room.when(lambda now: set(now.selected) == {"1", "3"})
        for chosen in (ENGLISH, SUBTITLES_OFF):
            await room.tv.select(chosen.id)
        await room.when(lambda now: set(now.selected) == {"2", "off"})
        await room.tv.tune(SPORT.id)
        await room.when(lambda now: now.channel == SPORT and set(now.selected) == {"2", "off"})
        await room.tv.select("1")
        await room.when(lambda now: set(now.selected) == {"1", "off"})
    async with furnish(SimulatedPlayer(tracks=tracks)) as room:
        await room.when(lambda now: now.channel == SPORT and set(now.selected) == {"1", "off"})
        await room.tv.tune(NEWS.id)
        await room.when(lambda now: now.channel == NEWS and set(now.selected) == {"2", "off"})
        await room.tv.tune(FILM.id)
        await room.when(lambda now: now.channel == FILM and set(now.selected) == {"1", "off"})


async def test_standby_ends_on_the_same_channel(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.tv.tune(SPORT.id)
        await room.tv.tune(FILM.id)
        await room.tv.standby()
        await room.until(Picture.IDLE)
        await room.tv.wake()
        await room.until(Picture.PLAYING, on=FILM)
        await room.tv.last()
        await room.until(Picture.PLAYING, on=SPORT)


async def test_a_new_line_up_does_not_disturb_the_picture(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.until(Picture.PLAYING)
        renamed = replace(NEWS, name="The News", number=3)
        room.book.become(SPORT, renamed)
        state = await room.when(lambda now: now.channel == renamed)
        assert state.picture is Picture.PLAYING
        assert room.player.opened == ["news"]


async def test_a_channel_taken_from_the_line_up_is_left(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.until(Picture.PLAYING)
        room.book.become(SPORT, FILM)
        await room.until(Picture.PLAYING, on=SPORT)
        room.book.become()
        await room.until(Picture.IDLE)


async def test_a_walk_through_the_channels_is_one_write(furnish: Furnish, store: Store) -> None:
    async with furnish(config=replace(QUICK, remember_after_s=60)) as room:
        for _ in range(10):
            await room.tv.zap(1)
        assert await store.read(lambda db: db.execute("SELECT count(*) FROM tv_memory").fetchone()[0]) == 0
        last = room.tv.state.channel
    assert last is not None
    kept = await TvMemory(store).load()
    assert kept.channel == last.id


@pytest.mark.parametrize(
    ("key", "value"), [("zap_timeout_s", 0), ("buffer_ms", -1), ("retry_s", 1e9), ("boot", "never")]
)
def test_a_senseless_setting_is_named(key: str, value: object) -> None:
    with pytest.raises(SchemaError, match=f"media.tv.{key}"):
        decode({key: value}, TvConfig, at="media.tv")


async def test_the_picture_is_on_the_display_or_in_the_page() -> None:
    under = choose_player("vlc", display=":9", plane=Plane.UNDER)
    assert isinstance(under, ProcessPlayer)
    assert under.plane is Plane.UNDER
    assert choose_player("vlc", display=":9").plane is Plane.OSD
    assert isinstance(choose_player("vlc", display=None), InPagePlayer)
    assert isinstance(choose_player("inpage", display=":9"), InPagePlayer)
    assert isinstance(choose_player("simulated", display=None), SimulatedPlayer)
