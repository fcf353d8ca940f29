"""What is kept ready, when, and at what cost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import pytest

from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.relay_facts import PullState
from gateway.media.tv_facts import Focused, Hint, Picture, TvState, Typed
from gateway.media.warming import Warming
from gateway.media.warming_facts import Account, Hands, WarmingConfig
from gateway.media.zap_habit import HabitRow
from gateway.media.zap_memory import MIGRATIONS, HabitMemory
from gateway.pubsub import Publisher
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve
from tests.media.key_logs import line_up

QUICK = WarmingConfig(settle_s=0.01, relief_s=0.05, bandwidth_bps=24_000_000)
CHANNELS = line_up(30)
EVENING = datetime(2026, 11, 2, 19, 30).astimezone()


def known(number: int) -> Channel:
    found = CHANNELS.by_number(number)
    assert found is not None
    return found


class Hand:
    """A television, as far as guessing looks at it."""

    def __init__(self) -> None:
        self.state = TvState()
        self.changes: Publisher[TvState] = Publisher()
        self.hints: Publisher[Hint] = Publisher()

    def show(
        self,
        number: int,
        *,
        picture: Picture = Picture.PLAYING,
        zap: Literal["predicted", "warm", "cold"] = "cold",
    ) -> None:
        """Show a channel."""
        self.become(TvState(channel=known(number), picture=picture, zap=zap))

    def become(self, state: TvState) -> None:
        self.state = state
        self.changes.publish(state)


NO_PULL = PullState(
    kind=None, source=0, tracks=1, readers=0, playlists=0, segments=0, bytes_received=0,
    bytes_held=0, bitrate_bps=0, score=1.0, height=0, code=None,
)  # fmt: skip


class Kettle:
    """A relay that is warm as soon as it is told to be.

    Attributes:
        told: Every order, as numbers of channels.
        state: Its pulls.
        slow: Whether it takes for ever to get warm.
    """

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.state: dict[ChannelId, PullState] = {}
        self.orders: Publisher[tuple[str, ...]] = Publisher()
        self.slow = False

    def warm(self, channels: Sequence[ChannelId]) -> None:
        self.told.append(tuple(channels))
        self.orders.publish(self.told[-1])
        for channel in channels:
            self.state.setdefault(channel, NO_PULL)

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        return "warm" if channel in self.state and not self.slow else "cold"

    def receive(self, channel: str, **change: object) -> None:
        """Let something arrive for a channel."""
        name = ChannelId(channel)
        self.state[name] = replace(self.state.get(name, NO_PULL), **change)  # type: ignore[arg-type]  # any field


class SecondDecoder:
    """A player that prepares whatever it is told to."""

    def __init__(self) -> None:
        self.prepared = ""
        self.orders: Publisher[str] = Publisher()

    async def prepare(self, url: str) -> None:
        self.prepared = url
        self.orders.publish(url)


class Addresses:
    """Streams at the names of their channels."""

    def expected(self, channel: ChannelId) -> str:
        return f"http://box/{channel}"


@dataclass
class Book:
    """A line-up that stays."""

    state: LineUp = field(default_factory=lambda: CHANNELS)
    changes: Publisher[LineUp] = field(default_factory=Publisher)


class Lock:
    """Shuts the channels with these numbers off."""

    def __init__(self, *numbers: int) -> None:
        self.changes: Publisher[None] = Publisher()
        self._numbers = numbers

    def turn(self, *numbers: int) -> None:
        """Shut these off, and no others."""
        self._numbers = numbers
        self.changes.publish(None)

    async def verdict(self, channel: Channel, at: datetime | None = None) -> str | None:
        del at
        return "TV-601" if channel.number in self._numbers else None

    async def verdict_recorded(self, channel: ChannelId, at: datetime, age: int) -> str | None:
        raise AssertionError(f"nobody guesses recordings: {channel}, {at}, {age}")


@dataclass
class Kitchen:
    """Guessing, and all that it acts with."""

    warming: Warming
    tv: Hand
    relay: Kettle
    player: SecondDecoder

    async def warmed(self, *channels: str) -> None:
        """Wait until exactly these are kept ready."""
        with self.relay.orders.subscribe() as orders:
            async with asyncio.timeout(5):
                while not self.relay.told or self.relay.told[-1] != channels:
                    await anext(orders)

    async def prepared(self, channel: str) -> None:
        url = f"http://box/{channel}" if channel else ""
        with self.player.orders.subscribe() as orders:
            async with asyncio.timeout(5):
                while self.player.prepared != url:
                    await anext(orders)


Cook = Callable[..., AbstractAsyncContextManager[Kitchen]]


@pytest.fixture
async def store(tmp_path: Path, serve: Serve) -> AsyncIterator[Store]:
    store = Store(tmp_path / "gateway.db", {"habits": MIGRATIONS}, durable=False)
    async with serve(store):
        yield store


@pytest.fixture
def cook(store: Store, serve: Serve) -> Cook:
    @asynccontextmanager
    async def cooking(config: WarmingConfig = QUICK, gate: Lock | None = None) -> AsyncIterator[Kitchen]:
        tv, relay, player = Hand(), Kettle(), SecondDecoder()
        hands = Hands(tv=tv, relay=relay, streams=Addresses(), player=player, line_up=Book(), gate=gate)
        warming = Warming(config, hands, HabitMemory(store), local_now=lambda: EVENING)
        async with serve(warming):
            yield Kitchen(warming, tv, relay, player)

    return cooking


async def test_the_neighbours_are_warm_and_the_likeliest_is_decoded(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        await kitchen.prepared("c9")
        kitchen.tv.show(9, zap="predicted")
        await kitchen.warmed("c10", "c11", "c8")
        await kitchen.prepared("c10")


async def test_what_the_hand_does_comes_first(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        kitchen.tv.hints.publish(Focused(ChannelId("c25")))
        await kitchen.warmed("c25", "c9", "c7")
        kitchen.tv.hints.publish(Focused(None))
        kitchen.tv.hints.publish(Typed("2"))
        await kitchen.warmed("c2", "c20", "c21")


async def test_a_quick_hand_is_waited_for(cook: Cook) -> None:
    async with cook(replace(QUICK, settle_s=0.3)) as kitchen:
        for number in range(1, 20):
            kitchen.tv.show(number)
            await asyncio.sleep(0)
        await kitchen.warmed("c20", "c21", "c18")
        assert len(kitchen.relay.told) == 1


async def test_nothing_is_pulled_while_the_picture_suffers(cook: Cook) -> None:
    async with cook(replace(QUICK, relief_s=0.3)) as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        await kitchen.prepared("c9")
        kitchen.tv.show(8, picture=Picture.STALLED)
        await kitchen.warmed()
        await kitchen.prepared("")
        kitchen.tv.show(8)
        assert kitchen.warming.warmed == ()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await kitchen.warmed("c9", "c7")


async def test_a_line_that_is_short_is_left_to_who_watches(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        kitchen.relay.receive("c8", score=0.4)
        kitchen.tv.show(8, zap="warm")
        await kitchen.warmed()


async def test_a_set_that_rests_pulls_nothing(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.prepared("c9")
        kitchen.tv.become(TvState())
        await kitchen.warmed()
        await kitchen.prepared("")


async def test_it_ends_with_its_service(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
    assert kitchen.relay.told[-1] == ()


async def test_of_locked_channels_nothing_is_fetched(cook: Cook) -> None:
    lock = Lock(9, 10)
    async with cook(gate=lock) as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c7")
        lock.turn(7)
        await kitchen.warmed("c9")


async def test_a_dear_neighbour_is_left_out(cook: Cook) -> None:
    async with cook(replace(QUICK, bandwidth_bps=20_000_000)) as kitchen:
        kitchen.relay.receive("c9", bitrate_bps=40_000_000)
        kitchen.tv.show(8)
        await kitchen.warmed("c7")


@pytest.mark.parametrize("none", [{"channels": 0}, {"bandwidth_bps": 0}, {"memory_bytes": 0}])
async def test_without_a_budget_there_is_no_guess(cook: Cook, none: dict[str, int]) -> None:
    async with cook(replace(QUICK, **none)) as kitchen:  # type: ignore[arg-type]  # its numbers
        kitchen.tv.show(8)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await kitchen.prepared("c9")
        assert kitchen.relay.told == []


async def test_one_decoder_is_for_the_picture(cook: Cook) -> None:
    async with cook(replace(QUICK, prepare=False)) as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await kitchen.prepared("c9")


async def test_a_cold_channel_is_not_decoded_ahead(cook: Cook) -> None:
    """The decoder would only wait; and the relay decides whether there is room."""
    async with cook() as kitchen:
        kitchen.relay.slow = True
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        assert kitchen.player.prepared == ""
        kitchen.relay.slow = False
        await kitchen.prepared("c9")


async def test_what_it_costs_and_brings_is_counted(cook: Cook) -> None:
    async with cook() as kitchen:
        kitchen.relay.receive("c7", bytes_received=5_000_000)
        kitchen.tv.show(8)
        await kitchen.warmed("c9", "c7")
        kitchen.relay.receive("c9", bytes_received=3_000_000)
        kitchen.relay.receive("c7", bytes_received=6_000_000)
        kitchen.relay.receive("c20", bytes_received=9_000_000)
        kitchen.tv.show(9, picture=Picture.TUNING, zap="predicted")
        kitchen.tv.show(9, zap="predicted")
        await kitchen.warmed("c10", "c11", "c8")
        assert kitchen.warming.account == Account(bytes_pulled=4_000_000, predicted=1, cold=1)


async def test_habits_survive(cook: Cook, store: Store) -> None:
    await HabitMemory(store).save([HabitRow(19, ChannelId("c25"), 9.0, EVENING.toordinal())])
    async with cook() as kitchen:
        kitchen.tv.show(8)
        await kitchen.warmed("c25", "c9", "c7")
    assert await HabitMemory(store).load() == (HabitRow(19, ChannelId("c25"), 9.0, EVENING.toordinal()),)


@pytest.mark.parametrize(("key", "value"), [("channels", 99), ("settle_s", -1), ("bandwidth_bps", -1)])
def test_a_senseless_setting_is_named(key: str, value: object) -> None:
    with pytest.raises(SchemaError, match=f"media.warming.{key}"):
        decode({key: value}, WarmingConfig, at="media.warming")
