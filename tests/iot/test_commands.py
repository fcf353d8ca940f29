"""The life of commands, with a real broker, a real store and lamps of all characters."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import ManagedBroker
from gateway.iot import commands_table
from gateway.iot.coap_senml import PayloadError
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.commands_model import Command, CommandState, confirms, moved
from gateway.iot.commands_refused import (
    CommandsDownError,
    NotWritableError,
    UnknownEntityError,
    WrongValueError,
)
from gateway.iot.commands_table import MIGRATIONS
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
from gateway.iot.link import Availability, DeviceRefusedError, Found, LinkDownError, LinkEvent
from gateway.iot.mqtt import MqttLink
from gateway.iot.registry import Registry
from gateway.mqtt import Message
from gateway.mqtt_client import MqttClient
from gateway.pubsub import Publisher
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.conftest import Lamp, Publishing, kill, until, value

SHORT = CommandsConfig(deadline_s=0.5)
BUTTON = Entity(
    id=EntityId("test.button"),
    device=Device(id=DeviceId("test.d"), name="D", link="test"),
    name="Doorbell",
    capability=Capability.BUTTON,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SWITCH = Entity(
    id=EntityId("test.switch"),
    device=Device(id=DeviceId("test.d"), name="D", link="test"),
    name="Switch",
    capability=Capability.SWITCH,
)


class ScriptedLink:
    """See `gateway.iot.link.Link`.  Its one thing does what the test says."""

    name = "test"

    def __init__(self, thing: Entity = SWITCH) -> None:
        self.events: Publisher[LinkEvent] = Publisher()
        self.thing = thing
        self.orders: list[Value] = []
        self.heard = asyncio.Event()
        self.answers: list[bool | Exception] = []

    async def run(self, ready: Callable[[], None]) -> None:
        self.events.publish(Found(self.thing))
        self.events.publish(Found(replace(SWITCH, id=EntityId("test.sensor"), capability=Capability.SENSOR)))
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: Value) -> bool:
        assert entity == self.thing.id
        self.orders.append(value)
        self.heard.set()
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def report(self, value: Value, *, live: bool = True) -> None:
        self.events.publish(Reading(self.thing.id, value, datetime.now(UTC), live=live))


@dataclass
class House:
    """Everything between the one who orders and the device."""

    registry: Registry
    commands: Commands
    way: str = "ordered"

    async def give(self, entity: EntityId, value: Value) -> Command:
        """Order as a person does, or tell as a rule does."""
        if self.way == "told":
            return self.commands.tell(entity, value)
        return await self.commands.order(entity, value)

    async def order(self, entity: EntityId, value: Value) -> list[CommandState]:
        """Give the command and return every state it was seen in, to its end."""
        with self.commands.changes.subscribe() as changes:
            command = await self.give(entity, value)
            return await life(changes.__anext__, command.id)


HouseWith = Callable[[Entity], Awaitable[tuple[House, ScriptedLink]]]


async def life(step: Callable[[], Awaitable[Command]], command_id: str) -> list[CommandState]:
    seen: list[CommandState] = []
    async with asyncio.timeout(20):
        while not (seen and seen[-1].over):
            command = await step()
            if command.id == command_id:
                seen.append(command.state)
    return seen


@pytest.fixture
async def store(serve: Serve, tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "gateway.db", {"commands": MIGRATIONS})
    async with serve(store):
        yield store


@pytest.fixture
def link() -> ScriptedLink:
    return ScriptedLink()


@pytest.fixture
async def house(serve: Serve, store: Store, link: ScriptedLink) -> AsyncIterator[House]:
    registry = Registry([link])
    commands = Commands(store, registry, [link], SHORT)
    async with serve(registry), serve(link), serve(commands):
        await until(registry, lambda: len(registry.states) == 2)
        yield House(registry, commands)


@pytest.fixture
async def house_with(serve: Serve, store: Store) -> AsyncIterator[HouseWith]:
    """A house with one thing of one's own."""
    async with AsyncExitStack() as stack:

        async def make(thing: Entity) -> tuple[House, ScriptedLink]:
            link = ScriptedLink(thing)
            registry = Registry([link])
            commands = Commands(store, registry, [link], SHORT)
            for service in (registry, link, commands):
                await stack.enter_async_context(serve(service))
            await until(registry, lambda: len(registry.states) == 2)
            return House(registry, commands), link

        yield make


@pytest.fixture(params=["ordered", "told"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether a person orders or a rule tells: what becomes of it is the same."""
    return str(request.param)


@pytest.fixture
async def real(serve: Serve, store: Store, mqtt: MqttClient, way: str) -> AsyncIterator[House]:
    link = MqttLink(mqtt)
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=6))
    async with serve(registry), serve(link), serve(commands):
        yield House(registry, commands, way)


async def test_a_lamp_confirms_by_its_own_report(serve: Serve, real: House, broker: ManagedBroker) -> None:
    lamp = Lamp(broker)
    async with serve(lamp):
        await until(real.registry, lambda: value(real.registry, Lamp.ID) is False)
        assert await real.order(Lamp.ID, value=True) == [CommandState.SENT, CommandState.CONFIRMED]
        assert lamp.lit
        assert value(real.registry, Lamp.ID) is True


async def test_a_lamp_without_power_is_never_shown_as_on(
    serve: Serve, store: Store, mqtt: MqttClient, broker: ManagedBroker, way: str
) -> None:
    link = MqttLink(mqtt)
    registry = Registry([link])
    commands = Commands(store, registry, [link], SHORT)
    async with serve(registry), serve(link), serve(commands):
        async with serve(Lamp(broker)):
            await until(registry, lambda: value(registry, Lamp.ID) is False)

        seen = await House(registry, commands, way).order(Lamp.ID, value=True)

        assert seen == [CommandState.SENT, CommandState.EXPIRED]
        assert value(registry, Lamp.ID) is False
        assert commands.recent[0].code == "IOT-207"


@pytest.mark.parametrize("character", ["deaf", "mute"])
async def test_a_lamp_that_says_nothing_confirms_nothing(
    serve: Serve, store: Store, mqtt: MqttClient, broker: ManagedBroker, character: str, way: str
) -> None:
    link = MqttLink(mqtt)
    registry = Registry([link])
    commands = Commands(store, registry, [link], SHORT)
    lamp = Lamp(broker, deaf=character == "deaf", mute=character == "mute")
    async with serve(registry), serve(link), serve(commands), serve(lamp):
        await until(registry, lambda: Lamp.ID in registry.states)
        assert await House(registry, commands, way).order(Lamp.ID, value=True) == [
            CommandState.SENT,
            CommandState.EXPIRED,
        ]
        assert lamp.orders == 1


async def test_a_state_kept_by_the_broker_confirms_nothing(
    serve: Serve, store: Store, mqtt: MqttClient, broker: ManagedBroker
) -> None:
    """Another entity on the same topic makes the broker repeat the old word while we wait."""
    tool = Publishing(broker)
    switch = {"stat_t": "sw/state", "cmd_t": "sw/set"}
    await tool.say("sw/state", "ON", retain=True)
    await tool.say("homeassistant/switch/sw/config", switch, retain=True)
    link = MqttLink(mqtt)
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=1))
    async with serve(registry), serve(link), serve(commands):
        await until(registry, lambda: value(registry, "mqtt.sw") is True)
        with commands.changes.subscribe() as changes:
            command = await commands.order(EntityId("mqtt.sw"), value=True)
            await tool.say("homeassistant/switch/twin/config", switch, retain=True)
            await until(registry, lambda: value(registry, "mqtt.twin") is True)
            assert await life(changes.__anext__, command.id) == [CommandState.SENT, CommandState.EXPIRED]


async def test_a_broker_killed_in_the_middle_loses_no_command(
    serve: Serve, real: House, broker: ManagedBroker
) -> None:
    lamp = Lamp(broker)
    async with serve(lamp):
        await until(real.registry, lambda: value(real.registry, Lamp.ID) is False)
        with real.commands.changes.subscribe() as changes:
            kill(broker)
            command = await real.give(Lamp.ID, value=True)
            assert await life(changes.__anext__, command.id) == [CommandState.SENT, CommandState.CONFIRMED]
        assert lamp.lit


async def test_what_a_rule_tells_is_with_the_broker_before_anything_else_happens(
    serve: Serve, store: Store, mqtt: MqttClient, broker: ManagedBroker
) -> None:
    """However fast a newer wish follows, the older one has been said."""
    link = MqttLink(mqtt)
    registry = Registry([link])
    commands = Commands(store, registry, [link])
    lamp = Lamp(broker)
    async with serve(registry), serve(link), serve(commands), serve(lamp):
        await until(registry, lambda: value(registry, Lamp.ID) is False)
        with mqtt.subscribe("lamp/set") as heard, commands.changes.subscribe(500) as changes:
            await mqtt.publish(Message("the/broker", b"lets us listen by now"))
            told = [commands.tell(Lamp.ID, value=bool(number % 2)) for number in range(100)]
            async with asyncio.timeout(10):
                said = [(await anext(heard)).payload for _ in told]
                assert await life(changes.__anext__, told[-1].id) == [
                    CommandState.SENT,
                    CommandState.CONFIRMED,
                ]
        ends = [each.state for each in map(commands.get, (one.id for one in told)) if each]
    assert said == [b"OFF", b"ON"] * 50
    assert ends == [CommandState.FAILED] * 99 + [CommandState.CONFIRMED]


async def test_a_lamp_that_was_away_when_it_was_told_is_told_again(
    serve: Serve, real: House, broker: ManagedBroker
) -> None:
    """The broker took the order, and forgot it together with the lamp's subscription."""
    lamp = Lamp(broker, deaf=True)
    async with serve(lamp):
        await until(real.registry, lambda: value(real.registry, Lamp.ID) is False)
        with real.commands.changes.subscribe() as changes:
            command = await real.give(Lamp.ID, True)
            async with asyncio.timeout(5):
                while not lamp.orders:  # noqa: ASYNC110 - a lamp tells nobody what it does not do
                    await asyncio.sleep(0.01)
            lamp.listen()
            kill(broker)
            seen = await life(changes.__anext__, command.id)

    assert seen[-1] is CommandState.CONFIRMED
    assert lamp.orders > 1


@pytest.mark.parametrize(("away", "times"), [(True, 4), (False, 1)])
async def test_only_a_device_that_was_away_is_told_again_and_a_few_times_only(
    serve: Serve, store: Store, link: ScriptedLink, away: bool, times: int
) -> None:
    """A gate that opens on an impulse must not be told twice because it says something else."""
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=4))
    async with serve(registry), serve(link), serve(commands):
        await until(registry, lambda: len(registry.states) == 2)
        with commands.changes.subscribe() as changes:
            command = await commands.order(SWITCH.id, True)
            living = asyncio.create_task(life(changes.__anext__, command.id))
            await asyncio.sleep(0.1)
            if away:
                link.events.publish(Availability(SWITCH.id, available=False))
                link.events.publish(Availability(SWITCH.id, available=True))
            while not living.done():
                link.report(False)
                await asyncio.sleep(0.05)
            seen = await living

    assert link.orders == [True] * times
    assert seen[-1] is CommandState.EXPIRED


async def test_a_broker_that_stays_away_lets_the_command_expire(house: House, link: ScriptedLink) -> None:
    link.answers = [LinkDownError("away")] * 10
    assert await house.order(SWITCH.id, value=True) == [CommandState.SENT, CommandState.EXPIRED]
    assert house.commands.recent[0].code == "IOT-202"
    assert len(link.orders) > 1


async def test_a_device_that_answers_is_acknowledged_before_it_confirms(
    house: House, link: ScriptedLink
) -> None:
    link.answers = [True]
    with house.commands.changes.subscribe() as changes:
        command = await house.commands.order(SWITCH.id, value=True)
        states: list[CommandState] = []
        async with asyncio.timeout(5):
            while not states or not states[-1].over:
                states.append((await anext(changes)).state)
                if states[-1] is CommandState.ACKNOWLEDGED:
                    link.report(value=False)
                    link.report(value=True, live=False)
                    link.report(value=True)
    assert states == [CommandState.SENT, CommandState.ACKNOWLEDGED, CommandState.CONFIRMED]
    assert house.commands.get(command.id) == house.commands.recent[0]


async def test_a_button_is_pressed_once_and_nobody_waits_for_what_it_cannot_say(
    house_with: HouseWith,
) -> None:
    house, link = await house_with(BUTTON)
    assert await house.order(BUTTON.id, value=True) == [CommandState.SENT, CommandState.EXPIRED]
    assert house.commands.recent[0].code == "IOT-209"
    assert link.orders == [True]


async def test_a_button_that_may_have_been_pressed_is_not_pressed_again(house_with: HouseWith) -> None:
    house, link = await house_with(BUTTON)
    link.answers = [LinkDownError("the broker went while it was told")]
    assert await house.order(BUTTON.id, value=True) == [CommandState.SENT, CommandState.EXPIRED]
    assert house.commands.recent[0].code == "IOT-202"
    assert link.orders == [True]


async def test_a_target_is_confirmed_by_a_report_that_is_near_enough(house_with: HouseWith) -> None:
    target = replace(SWITCH, capability=Capability.NUMBER, minimum=16.0, maximum=30.0, step=0.5)
    house, link = await house_with(target)
    with house.commands.changes.subscribe() as changes:
        command = await house.commands.order(target.id, 21)
        link.report(20.5)
        link.report(21.04)
        assert (await life(changes.__anext__, command.id))[-1] is CommandState.CONFIRMED
    with pytest.raises(WrongValueError):
        await house.commands.order(target.id, 31)


async def test_a_jammed_lock_is_never_confirmed_as_locked(house_with: HouseWith) -> None:
    lock = replace(SWITCH, capability=Capability.LOCK, choices=("locked", "unlocked"))
    house, link = await house_with(lock)
    with house.commands.changes.subscribe() as changes:
        command = await house.commands.order(lock.id, "locked")
        link.report("locking")
        link.report("jammed")
        assert (await life(changes.__anext__, command.id))[-1] is CommandState.EXPIRED


async def test_a_refusal_of_the_device_is_final(house: House, link: ScriptedLink) -> None:
    link.answers = [DeviceRefusedError("no")]
    assert await house.order(SWITCH.id, value=True) == [CommandState.SENT, CommandState.FAILED]
    assert house.commands.recent[0].code == "IOT-201"


async def test_a_links_own_trouble_ends_one_command_and_no_other(house: House, link: ScriptedLink) -> None:
    link.answers = [PayloadError("it can be whole numbers only")]
    assert await house.order(SWITCH.id, value=True) == [CommandState.SENT, CommandState.FAILED]
    link.answers = [True]
    assert (await house.order(SWITCH.id, value=False))[-1] is CommandState.EXPIRED
    assert link.orders == [True, False]


async def test_a_newer_order_takes_the_place_of_the_older(house: House) -> None:
    older = await house.commands.order(SWITCH.id, value=True)
    newer = await house.commands.order(SWITCH.id, value=False)
    replaced = house.commands.get(older.id)
    assert replaced is not None
    assert (replaced.state, replaced.code) == (CommandState.FAILED, "IOT-206")
    assert house.commands.recent[0].id == newer.id


async def test_hundreds_of_orders_at_once_all_come_to_an_end(house: House) -> None:
    async with asyncio.TaskGroup() as tasks:
        orders = [tasks.create_task(house.commands.order(SWITCH.id, value=bool(n % 2))) for n in range(200)]
    with house.commands.changes.subscribe() as changes:
        async with asyncio.timeout(10):
            while any(not command.state.over for command in house.commands.recent):
                await anext(changes)
    ends = [house.commands.get(order.result().id) for order in orders]
    assert [end.state for end in ends if end].count(CommandState.FAILED) == 199


@pytest.mark.parametrize(
    ("entity", "wish", "refusal"),
    [
        ("test.nobody", True, UnknownEntityError),
        ("test.sensor", True, NotWritableError),
        ("test.switch", "on", WrongValueError),
        ("test.switch", 1, WrongValueError),
    ],
)
async def test_an_impossible_order_is_refused_and_not_kept(
    house: House, entity: str, wish: Value, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await house.commands.order(EntityId(entity), wish)
    assert house.commands.recent == ()


async def test_whoever_orders_and_hangs_up_is_obeyed_all_the_same(house: House) -> None:
    with house.commands.changes.subscribe() as changes:
        ordering = asyncio.create_task(house.commands.order(SWITCH.id, value=True))
        await asyncio.sleep(0)
        ordering.cancel()
        async with asyncio.timeout(5):
            assert (await anext(changes)).state is CommandState.SENT
            assert (await anext(changes)).state is CommandState.EXPIRED


async def test_an_order_is_refused_while_nobody_follows_it(
    serve: Serve, store: Store, link: ScriptedLink
) -> None:
    registry = Registry([link])
    async with serve(registry), serve(link):
        await until(registry, lambda: len(registry.states) == 2)
        with pytest.raises(CommandsDownError):
            await Commands(store, registry, [link]).order(SWITCH.id, value=True)


async def test_a_restart_of_the_daemon_resumes_what_is_young_and_expires_what_is_old(
    serve: Serve, tmp_path: Path, link: ScriptedLink
) -> None:
    path = tmp_path / "gateway.db"

    async def daemon(life: AsyncExitStack, config: CommandsConfig) -> Commands:
        store = Store(path, {"commands": MIGRATIONS})
        registry = Registry([link])
        commands = Commands(store, registry, [link], config)
        for service in (store, registry, link, commands):
            await life.enter_async_context(serve(service))
        await until(registry, lambda: len(registry.states) == 2)
        return commands

    async with AsyncExitStack() as first:
        commands = await daemon(first, CommandsConfig(deadline_s=60))
        young = await commands.order(SWITCH.id, value=True)
    async with AsyncExitStack() as second:
        commands = await daemon(second, CommandsConfig(deadline_s=0.2))
        with commands.changes.subscribe() as changes:
            assert commands.get(young.id) == young
            link.report(value=True)
            assert await life(changes.__anext__, young.id) == [CommandState.CONFIRMED]
        assert link.orders == [True, True]
        old = await commands.order(SWITCH.id, value=False)
    with suppress(TimeoutError):
        async with asyncio.timeout((old.expires_at - datetime.now(UTC)).total_seconds()):
            await asyncio.Event().wait()
    async with AsyncExitStack() as third:
        commands = await daemon(third, CommandsConfig())
        ended = commands.get(old.id)
        assert ended is not None
        assert (ended.state, ended.code) == (CommandState.EXPIRED, "IOT-207")
        confirmed = commands.get(young.id)
        assert confirmed is not None
        assert confirmed.state is CommandState.CONFIRMED
        assert link.orders == [True, True, False]


async def test_what_was_ordered_by_a_later_clock_is_not_done_when_the_box_wakes_in_the_past(
    serve: Serve, store: Store, link: ScriptedLink
) -> None:
    later = datetime.now(UTC) + timedelta(minutes=3)
    ordered = Command(
        id="gate", entity=SWITCH.id, value=True, created_at=later, changed_at=later, expires_at=later
    )
    await store.write(partial(commands_table.insert, command=ordered, kept=50))
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=60))
    async with serve(registry), serve(link), serve(commands):
        ended = commands.get("gate")
        assert ended is not None
        assert (ended.state, ended.code) == (CommandState.EXPIRED, "IOT-207")
    assert link.orders == []


async def test_a_restart_in_the_middle_presses_no_button_again(serve: Serve, store: Store) -> None:
    link = ScriptedLink(BUTTON)
    registry = Registry([link])
    now = datetime.now(UTC)
    times = (now.isoformat(), now.isoformat(), (now + timedelta(minutes=1)).isoformat())

    def leave_behind(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO command (id, entity, value, state, created_at, changed_at, expires_at)"
            " VALUES ('press', 'test.button', 'true', 'sent', ?, ?, ?)",
            times,
        )

    await store.write(leave_behind)
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=60))
    with commands.changes.subscribe() as changes:
        async with serve(registry), serve(commands), serve(link):
            assert await life(changes.__anext__, "press") == [CommandState.EXPIRED]
    assert link.orders == []


async def test_what_nobody_was_promised_does_not_wait_for_the_disk(
    house: House, link: ScriptedLink, store: Store
) -> None:
    let_go = threading.Event()
    holding = asyncio.create_task(store.write(lambda _: let_go.wait(10)))
    link.answers = [True]
    async with asyncio.timeout(5):
        with house.commands.changes.subscribe() as changes:
            house.commands.tell(SWITCH.id, value=True)
            assert (await anext(changes)).state is CommandState.SENT
            assert (await anext(changes)).state is CommandState.ACKNOWLEDGED
            link.report(value=True)
            assert (await anext(changes)).state is CommandState.CONFIRMED
    assert not holding.done()
    let_go.set()
    assert await holding


async def test_what_nobody_was_promised_is_kept_a_little_later(
    serve: Serve, store: Store, link: ScriptedLink
) -> None:
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=60))
    async with serve(registry), serve(link), serve(commands):
        await until(registry, lambda: len(registry.states) == 2)
        told = [commands.tell(SWITCH.id, value=bool(n % 2)) for n in range(5)]
    async with serve(registry), serve(commands):
        kept = [commands.get(each.id) for each in told]
    ends = [(each.state, each.code) for each in kept if each]
    # The last was under way when all ended; what was young is told again, and that is all of it.
    assert ends == [(CommandState.FAILED, "IOT-206")] * 4 + [(CommandState.SENT, None)]


@pytest.mark.parametrize("is_full", [False, True], ids=["disk", "full disk"])
async def test_what_nobody_was_promised_comes_to_an_end_over_a_restart_of_the_service(
    serve: Serve, store: Store, link: ScriptedLink, is_full: bool
) -> None:
    registry = Registry([link])
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=60))
    if is_full:
        await store.write(lambda db: db.execute("PRAGMA query_only = ON") and None)
    async with serve(registry), serve(link):
        with commands.changes.subscribe() as changes:
            async with serve(commands):
                await until(registry, lambda: len(registry.states) == 2)
                told = commands.tell(SWITCH.id, value=True)
            link.heard.clear()
            async with serve(commands), asyncio.timeout(10):
                assert commands.get(told.id) is not None
                await link.heard.wait()
                link.report(value=True)
                assert (await life(changes.__anext__, told.id))[-1] is CommandState.CONFIRMED


async def test_what_was_kept_late_does_not_undo_what_was_kept_since(store: Store) -> None:
    now = datetime.now(UTC)
    sent = Command(
        id="c",
        entity=SWITCH.id,
        value=True,
        created_at=now,
        changed_at=now,
        expires_at=now + timedelta(seconds=9),
    )
    told = moved(sent, CommandState.ACKNOWLEDGED, sent.created_at + timedelta(seconds=1))
    assert told is not None
    done = moved(told, CommandState.CONFIRMED, sent.created_at + timedelta(seconds=2))
    assert done is not None
    for command, becomes in ((sent, sent), (told, told), (done, done), (told, done), (sent, done)):
        await store.write(partial(commands_table.keep, commands=[command], kept=50))
        assert await store.read(commands_table.load) == [becomes]


async def test_only_the_newest_are_remembered(serve: Serve, store: Store, link: ScriptedLink) -> None:
    registry = Registry([link])
    config = CommandsConfig(deadline_s=60, kept=50)
    commands = Commands(store, registry, [link], config)
    async with serve(registry), serve(link), serve(commands):
        await until(registry, lambda: len(registry.states) == 2)
        orders = [await commands.order(SWITCH.id, value=True) for _ in range(60)]
    async with serve(registry), serve(commands):
        assert [command.id for command in commands.recent] == [order.id for order in reversed(orders[10:])]
        assert commands.get(orders[0].id) is None


@given(st.lists(st.tuples(st.sampled_from(CommandState), st.integers(-5, 5))))
def test_a_life_never_goes_back_and_ends_once(steps: list[tuple[CommandState, int]]) -> None:
    rank = {CommandState.SENT: 0, CommandState.ACKNOWLEDGED: 1}
    command = Command(
        id="1",
        entity=SWITCH.id,
        value=True,
        created_at=NOW,
        changed_at=NOW,
        expires_at=NOW + timedelta(seconds=10),
    )
    for state, seconds in steps:
        after = moved(command, state, NOW + timedelta(seconds=seconds))
        if after is None:
            assert command.state.over or rank.get(state, 2) <= rank.get(command.state, 2)
            continue
        assert not command.state.over
        assert rank.get(after.state, 2) > rank.get(command.state, 2)
        assert after.changed_at >= command.changed_at
        command = after


@given(
    wish=st.booleans(),
    said=st.booleans() | st.integers(0, 1) | st.sampled_from(["ON", "True"]) | st.none(),
    live=st.booleans(),
    late_s=st.integers(-100, 100),
)
def test_only_a_live_equal_and_later_report_confirms(
    wish: bool, said: Value | None, live: bool, late_s: int
) -> None:
    command = Command(id="1", entity=SWITCH.id, value=wish, created_at=NOW, changed_at=NOW, expires_at=NOW)
    after = State(SWITCH, said, NOW + timedelta(seconds=late_s))

    expected = live and said is wish and late_s >= -1

    assert confirms(StateChanged(None, after, live=live), command) is expected
    assert not confirms(StateChanged(after, None, live=live), command)


@pytest.mark.parametrize("section", [{"deadline_s": 0}, {"kept": 1}])
def test_a_wrong_section_is_named_by_its_path(section: dict[str, object]) -> None:
    with pytest.raises(SchemaError, match=r"^iot\.commands\.(deadline_s|kept): "):
        decode(section, CommandsConfig, at="iot.commands")
