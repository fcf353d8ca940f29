"""A small house that is really lived in: parts that keep state and tell of it.

One rule: a part here behaves like the one it stands for, as seen through the
ports of `gateway.ui.house`; where the real one needs no network, it is used.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.focus import Focus
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, State, StateChanged, Value
from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.player import Track
from gateway.pubsub import Publisher
from gateway.ui.house import House, TvFacts

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NEWS = Channel(
    id=ChannelId("news"),
    number=1,
    name="新闻",
    group="央视",
    sources=(Source(url="http://127.0.0.1:1/n.m3u8"),),
)
SPORT = Channel(
    id=ChannelId("sport"), number=2, name="体育", sources=(Source(url="http://127.0.0.1:1/s.m3u8"),)
)
OPERA = Channel(
    id=ChannelId("opera"), number=12, name="戏曲", sources=(Source(url="http://127.0.0.1:1/o.m3u8"),)
)
LAMP = Entity(
    id=EntityId("mqtt.lamp"),
    device=Device(id=DeviceId("mqtt.lamp-1"), name="客厅灯", link="mqtt"),
    name="灯",
    capability=Capability.LIGHT,
)
TEMPERATURE = Entity(
    id=EntityId("coap.ep1.3303.0.5700"),
    device=Device(id=DeviceId("coap.ep1"), name="温度计", link="coap", manufacturer="Demo"),
    name="温度",
    capability=Capability.SENSOR,
    device_class="temperature",
    unit="°C",
)


@dataclass
class Book:
    """See `gateway.ui.house.LineUps`."""

    state: LineUp = field(default_factory=lambda: LineUp((NEWS, SPORT, OPERA)))
    changes: Publisher[LineUp] = field(default_factory=Publisher)

    def become(self, line_up: LineUp) -> None:
        self.state = line_up
        self.changes.publish(line_up)


@dataclass(frozen=True, kw_only=True)
class Programme:
    """One entry of the guide."""

    id: str
    channel: str
    start: datetime
    stop: datetime
    title: str


class Evening:
    """A guide with one programme an hour on every channel."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = 1000
    ) -> Sequence[Programme]:
        first = start.replace(minute=0, second=0, microsecond=0)
        found = [
            Programme(
                id=f"{one.id}-{at:%Y%m%d%H}",
                channel=one.id,
                start=at,
                stop=at + timedelta(hours=1),
                title=f"{one.name} {at:%H}",
            )
            for one in self._book.state.channels
            if channel in (None, one.id)
            for hour in range(24)
            if (at := first + timedelta(hours=hour)) < stop
        ]
        return found[:limit]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the television shows."""

    channel: Channel | None = None
    picture: str = "idle"
    first_frame_ms: int | None = None
    tracks: tuple[Track, ...] = ()
    selected: tuple[str, ...] = ()
    volume_percent: int = 50
    muted: bool = False
    code: str | None = None


class Television:
    """A television whose pictures come at once."""

    def __init__(self, book: Book, player: InPagePlayer) -> None:
        self.state = Shown()
        self.changes: Publisher[TvFacts] = Publisher()
        self._book = book
        self._player = player
        self._before: Channel | None = None

    async def tune(self, channel: ChannelId) -> None:
        wanted = self._book.state.by_id(channel)
        assert wanted is not None
        if self.state.channel != wanted:
            self._before = self.state.channel
        await self._player.open(f"http://127.0.0.1:1/live/{wanted.id}/index.m3u8?ticket=secret")
        self._become(replace(self.state, channel=wanted, picture="playing", first_frame_ms=7))

    async def zap(self, step: int) -> None:
        here = self.state.channel.id if self.state.channel else None
        there = self._book.state.neighbour(here, step)
        if there:
            await self.tune(there.id)

    async def last(self) -> None:
        if self._before:
            await self.tune(self._before.id)

    async def stop(self) -> None:
        await self._player.close()
        self._become(replace(self.state, channel=None, picture="idle", first_frame_ms=None))

    async def select(self, track: str) -> None:
        self._become(replace(self.state, selected=(track,)))

    async def set_volume(self, level_percent: int) -> None:
        self._become(replace(self.state, volume_percent=max(0, min(100, level_percent))))

    async def set_muted(self, muted: bool) -> None:
        self._become(replace(self.state, muted=muted))

    def _become(self, state: Shown) -> None:
        self.state = state
        self.changes.publish(state)


class Things:
    """The registry of a lamp and a thermometer."""

    def __init__(self) -> None:
        self.states: Mapping[EntityId, State] = {
            LAMP.id: State(LAMP),
            TEMPERATURE.id: State(TEMPERATURE, 21.5, NOON),
        }
        self.changes: Publisher[StateChanged] = Publisher()

    def report(self, entity: EntityId, value: Value) -> None:
        """Let the device say what it is now."""
        before = self.states[entity]
        after = replace(before, value=value, reported_at=NOON)
        self.states = {**self.states, entity: after}
        self.changes.publish(StateChanged(before, after))

    def forget(self, entity: EntityId) -> None:
        """Let the device take the entity back."""
        before = self.states[entity]
        self.states = {known: state for known, state in self.states.items() if known != entity}
        self.changes.publish(StateChanged(before, None))


@dataclass
class Keeper:
    """See `gateway.ui.house.Services`."""

    states: Mapping[str, str] = field(default_factory=lambda: {"tv": "running", "ui": "running"})
    changes: Publisher[Mapping[str, str]] = field(default_factory=Publisher)

    def become(self, **states: str) -> None:
        self.states = {**self.states, **states}
        self.changes.publish(self.states)


class LivingHouse:
    """The parts of one house, to act on, and the `house` the API is given."""

    def __init__(self) -> None:
        self.book = Book()
        self.player = InPagePlayer()
        self.tv = Television(self.book, self.player)
        self.things = Things()
        self.focus = Focus()
        self.keeper = Keeper()
        self.house = House(
            box="box-1",
            live_ticket="secret",
            apps_origin="http://127.0.0.1:9",
            line_up=self.book,
            guide=Evening(self.book),
            tv=self.tv,
            screen=self.player,
            inpage=self.player,
            focus=self.focus,
            registry=self.things,
            services=lambda: self.keeper,
        )

    async def live(self) -> None:
        """Let the temperature wander, for ever."""
        for tenths in itertools.cycle((*range(205, 260), *range(260, 205, -1))):
            self.things.report(TEMPERATURE.id, tenths / 10)
            await asyncio.sleep(3)
