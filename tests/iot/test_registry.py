"""What is known of the home, told by links that say anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gateway.iot.entity import (
    Capability,
    Device,
    DeviceId,
    Entity,
    EntityId,
    Reading,
    State,
    StateChanged,
    Value,
)
from gateway.iot.link import Availability, Found, LinkEvent, Lost
from gateway.iot.mqtt import MqttLinkConfig
from gateway.iot.registry import MAX_ENTITIES, Registry
from gateway.pubsub import Publisher, Subscription
from tests.conftest import Serve

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = Device(id=DeviceId("said.d"), name="D", link="said")
SENSOR = Entity(id=EntityId("said.a"), device=DEVICE, name="A", capability=Capability.SENSOR)


class SayingLink:
    """See `gateway.iot.link.Link`.  Tells what the test says and does nothing."""

    def __init__(self, name: str = "said") -> None:
        self.name = name
        self.events: Publisher[LinkEvent] = Publisher()

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: Value) -> bool:
        raise NotImplementedError

    def say(self, *events: LinkEvent) -> None:
        for event in events:
            self.events.publish(event)


def reading(value: Value, after_s: float = 0, *, live: bool = True) -> Reading:
    return Reading(SENSOR.id, value, NOW + timedelta(seconds=after_s), live=live)


async def take(changes: Subscription[StateChanged], count: int) -> list[StateChanged]:
    async with asyncio.timeout(5):
        return [await anext(changes) for _ in range(count)]


@pytest.fixture
def link() -> SayingLink:
    return SayingLink()


@pytest.fixture
async def registry(serve: Serve, link: SayingLink) -> AsyncIterator[Registry]:
    registry = Registry(
        [link, SayingLink("other")], max_entities=2, clock=lambda: NOW + timedelta(seconds=60)
    )
    async with serve(registry):
        yield registry


async def test_an_entity_is_found_reports_goes_and_comes(registry: Registry, link: SayingLink) -> None:
    new = State(SENSOR)
    warm = State(SENSOR, 20, NOW)
    away = changed(warm, available=False)
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), reading(20), Availability(SENSOR.id, available=False), Lost(SENSOR.id))
        assert await take(changes, 4) == [
            StateChanged(None, new),
            StateChanged(new, warm, live=True),
            StateChanged(warm, away),
            StateChanged(away, None),
        ]
    assert registry.states == {}


async def test_the_same_report_again_is_told_as_repeated(registry: Registry, link: SayingLink) -> None:
    with registry.changes.subscribe() as changes:
        link.say(
            Found(SENSOR),
            reading(1),
            reading(1, 1),
            reading(value=True, after_s=2),
            reading(2, 3, live=False),
        )
        told = await take(changes, 5)
    assert [(change.repeated, change.live) for change in told] == [
        (False, False),
        (False, True),
        (True, True),
        (False, True),
        (False, False),
    ]


async def test_what_was_only_kept_is_not_sure_until_the_device_says_it(
    registry: Registry, link: SayingLink
) -> None:
    def kept(value: Value, after_s: float) -> Reading:
        return changed(reading(value, after_s, live=False), sure=False)

    said = [kept(1, 0), reading(1, 1), kept(1, 2), kept(2, 3), kept(2, 4), reading(2, 5)]
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), *said)
        states = [change.after for change in (await take(changes, 1 + len(said)))[1:]]
    told = [
        (state.sure, state.reported_at and (state.reported_at - NOW).seconds) for state in states if state
    ]
    assert told == [(False, 0), (True, 1), (True, 1), (False, 3), (False, 4), (True, 5)]


async def test_what_was_measured_of_a_body_hours_ago_is_no_news_for_a_rule(
    link: SayingLink, serve: Serve
) -> None:
    registry = Registry([link], clock=lambda: NOW + timedelta(hours=3))
    cuff = replace(SENSOR, name="Systolic", unit="mmHg")
    said = [
        changed(reading(value, after_s), dated=True) for value, after_s in ((181, 0), (182, 3 * 3600 - 60))
    ]
    async with serve(registry):
        with registry.changes.subscribe() as changes:
            link.say(Found(cuff), *said)
            found = (await take(changes, 3))[1:]
    assert [(each.after.value, each.after.sure, each.live) for each in found if each.after] == [
        (181, False, False),
        (182, True, True),
    ]


async def test_what_changes_nothing_is_not_told(registry: Registry, link: SayingLink) -> None:
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), Found(SENSOR), Availability(SENSOR.id, available=True), reading(1))
        assert [change.after.value for change in await take(changes, 2) if change.after] == [None, 1]


async def test_an_older_report_that_comes_late_is_ignored(registry: Registry, link: SayingLink) -> None:
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), reading(2, 10), reading(1, 9), reading(3, 10))
        assert [change.after.value for change in await take(changes, 3) if change.after] == [None, 2, 3]
    assert registry.ignored == 1


async def test_a_clock_that_was_put_back_does_not_silence_a_sensor(
    registry: Registry, link: SayingLink
) -> None:
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), reading(1, 3600), reading(2, 0))
        assert [change.after.value for change in await take(changes, 3) if change.after] == [None, 1, 2]


async def test_a_device_with_new_properties_keeps_its_state_unless_it_is_another_thing(
    registry: Registry, link: SayingLink
) -> None:
    named = replace(SENSOR, name="B")
    other = replace(SENSOR, capability=Capability.SWITCH)
    with registry.changes.subscribe() as changes:
        link.say(Found(SENSOR), reading(1), Found(named), Found(other))
        told = await take(changes, 4)
    assert [change.after for change in told[2:]] == [State(named, 1, NOW), State(other)]


async def test_a_stranger_and_one_too_many_are_ignored(registry: Registry, link: SayingLink) -> None:
    entities = [replace(SENSOR, id=EntityId(name)) for name in ("other.x", "said.1", "said.2", "said.3")]
    with registry.changes.subscribe() as changes:
        link.say(*map(Found, entities), Reading(EntityId("said.3"), 1, NOW), Lost(EntityId("said.1")))
        await take(changes, 3)
    assert set(registry.states) == {"said.2"}
    assert registry.ignored == 3
    assert registry.devices == (DEVICE,)


@given(
    st.lists(
        st.one_of(
            st.just(Found(SENSOR)),
            st.just(Lost(SENSOR.id)),
            st.builds(Availability, st.just(SENSOR.id), st.booleans()),
            st.builds(reading, st.integers(0, 3), st.integers(0, 20), live=st.booleans()),
        )
    )
)
async def test_the_changes_tell_the_whole_story(events: list[LinkEvent]) -> None:
    link = SayingLink()
    registry = Registry([link], clock=lambda: NOW + timedelta(seconds=60))
    ready = asyncio.Event()
    serving = asyncio.create_task(registry.run(ready.set))
    await ready.wait()
    known: State | None = None
    with registry.changes.subscribe() as changes:
        last = Found(replace(SENSOR, id=EntityId("said.last")))
        link.say(*events, last)
        async for change in changes:
            if change.after and change.after.entity == last.entity:
                break
            assert change.before == known
            known = change.after
    serving.cancel()
    await asyncio.wait([serving])
    assert registry.states.get(SENSOR.id) == known
    if known is not None and known.value is not None:
        said = [event for event in events if isinstance(event, Reading) and event.value == known.value]
        assert known.reported_at in [event.at for event in said]


def test_devices_that_announce_too_much_leave_room_for_the_others() -> None:
    """The television is in the home last; a crowd on MQTT must not shut it out."""
    assert MqttLinkConfig().max_entities < MAX_ENTITIES
