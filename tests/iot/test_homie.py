"""Devices that speak Homie 5: there when they say so, obeyed when they report so, gone when they leave."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import ManagedBroker
from gateway.iot.entity import Capability, EntityId
from gateway.iot.homie import HomieLink
from gateway.iot.homie_description import parse_description
from gateway.iot.link import AnnouncementError, DeviceRefusedError, LinkDownError
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from tests.conftest import Serve
from tests.iot.conftest import Publishing, kill, until, value

Description = Mapping[str, object]
LAMP = EntityId("homie.lamp.main.power")
WARMTH = EntityId("homie.lamp.main.warmth")
MODE = EntityId("homie.lamp.main.mode")
DESCRIPTION: Description = {
    "homie": "5.0",
    "version": 1,
    "name": "客厅灯",
    "nodes": {
        "main": {
            "name": "Light",
            "properties": {
                "power": {"name": "开关", "datatype": "boolean", "settable": True},
                "warmth": {"datatype": "float", "format": "-40:125", "unit": "°C"},
                "mode": {"datatype": "enum", "format": "eco,day"},
                "level": {"datatype": "integer", "format": "0:100:5", "unit": "%", "settable": True},
                "scene": {"datatype": "enum", "format": "read,film", "settable": True},
            },
        }
    },
}


class Lamp:
    """A lamp as the Homie specification describes one.  A service.

    Attributes:
        lit: What a look at the bulb would tell.
    """

    def __init__(self, broker: ManagedBroker, *, deaf: bool = False) -> None:
        self._address = BrokerAddress.parse(broker.url("lamp"))
        self._deaf = deaf
        self.lit = False

    async def run(self, ready: Callable[[], None]) -> None:
        while True:
            try:
                await self._live(ready)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    async def _live(self, ready: Callable[[], None]) -> None:
        address = self._address
        base = "homie/5/lamp"
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            will=aiomqtt.Will(f"{base}/$state", "lost", 1, retain=True),
        ) as client:

            async def say(topic: str, payload: str) -> None:
                # The library's own time limit may swallow a cancellation on Python 3.11.
                await client.publish(f"{base}/{topic}", payload, 1, retain=True, timeout=math.inf)

            await say("$state", "init")
            await say("$description", json.dumps(DESCRIPTION))
            await say("main/power", "true" if self.lit else "false")
            await say("main/warmth", "31.5")
            await say("main/mode", "eco")
            await say("main/level", "40")
            await say("main/scene", "read")
            await client.subscribe(f"{base}/+/+/set", 1)
            await say("$state", "ready")
            ready()
            async for message in client.messages:
                if self._deaf:
                    continue
                topic = message.topic.value.removeprefix(f"{base}/").removesuffix("/set")
                assert isinstance(message.payload, bytes)
                self.lit = message.payload == b"true" if topic == "main/power" else self.lit
                await say(topic, message.payload.decode())


@pytest.fixture
def link(mqtt: MqttClient) -> HomieLink:
    return HomieLink(mqtt)


@pytest.fixture
async def registry(serve: Serve, link: HomieLink) -> AsyncIterator[Registry]:
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


async def test_a_device_is_found_with_what_it_says(
    serve: Serve, broker: ManagedBroker, registry: Registry
) -> None:
    async with serve(Lamp(broker)):
        await until(registry, lambda: value(registry, MODE) == "eco" and registry.states[MODE].available)
        lamp, warmth = registry.states[LAMP], registry.states[WARMTH]

    assert (lamp.entity.name, lamp.entity.device.name, lamp.entity.capability, lamp.value) == (
        "开关",
        "客厅灯",
        Capability.SWITCH,
        False,
    )
    assert (warmth.value, warmth.entity.unit, warmth.entity.capability) == (31.5, "°C", Capability.SENSOR)


async def test_a_lamp_is_on_when_it_says_so(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    lamp = Lamp(broker)
    async with serve(lamp):
        await until(registry, lambda: value(registry, LAMP) is False)
        assert await link.command(LAMP, True) is False
        await until(registry, lambda: value(registry, LAMP) is True)
        assert lamp.lit
        with pytest.raises(DeviceRefusedError):
            await link.command(WARMTH, 3)
        with pytest.raises(LinkDownError):
            await link.command(EntityId("homie.lamp.main.none"), True)


async def test_a_level_and_a_scene_are_told_and_said_back(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    level, scene = EntityId("homie.lamp.main.level"), EntityId("homie.lamp.main.scene")
    async with serve(Lamp(broker)):
        await until(registry, lambda: (value(registry, level), value(registry, scene)) == (40, "read"))
        found = registry.states[level].entity
        assert (found.capability, found.minimum, found.maximum, found.step) == (Capability.NUMBER, 0, 100, 5)
        assert registry.states[scene].entity.choices == ("read", "film")
        await link.command(level, 55.0)
        await link.command(scene, "film")
        await until(registry, lambda: (value(registry, level), value(registry, scene)) == (55, "film"))
        for entity, wish in ((level, 101), (level, 5.5), (level, True), (scene, "dance"), (scene, 1)):
            with pytest.raises(DeviceRefusedError):
                await link.command(entity, wish)


async def test_a_lamp_that_does_nothing_is_not_shown_as_lit(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    async with serve(Lamp(broker, deaf=True)):
        await until(registry, lambda: value(registry, LAMP) is False)
        await link.command(LAMP, True)
        await asyncio.sleep(0.2)

        assert value(registry, LAMP) is False


async def test_a_device_that_vanishes_is_unavailable_and_one_that_leaves_is_gone(
    serve: Serve, broker: ManagedBroker, registry: Registry
) -> None:
    speaking = Publishing(broker, "gateway")
    async with serve(Lamp(broker)):
        await until(registry, lambda: LAMP in registry.states and registry.states[LAMP].available)
    await speaking.say("homie/5/lamp/$state", "lost", retain=True)
    await until(registry, lambda: not registry.states[LAMP].available)
    assert value(registry, LAMP) is False
    await speaking.say("homie/5/lamp/$state", "sleeping", retain=True)
    await until(registry, lambda: registry.states[LAMP].available)
    await speaking.say("homie/5/lamp/$state", "", retain=True)
    await until(registry, lambda: not registry.states)


async def test_a_description_without_a_property_takes_it_back(
    serve: Serve, broker: ManagedBroker, registry: Registry
) -> None:
    speaking = Publishing(broker)
    shorter = {
        **DESCRIPTION,
        "version": 2,
        "nodes": {"main": {"properties": {"mode": {"datatype": "string"}}}},
    }
    async with serve(Lamp(broker)):
        await until(registry, lambda: value(registry, MODE) == "eco")
        await speaking.say("homie/5/lamp/$description", shorter, retain=True)
        await until(registry, lambda: set(registry.states) == {MODE})


async def test_all_is_well_again_after_the_broker_was_killed(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    async with serve(Lamp(broker)):
        await until(registry, lambda: LAMP in registry.states and registry.states[LAMP].available)
        kill(broker)
        await until(registry, lambda: not registry.states[LAMP].available)
        await until(registry, lambda: registry.states[LAMP].available, 10)
        await link.command(LAMP, True)
        await until(registry, lambda: value(registry, LAMP) is True)


async def test_nobody_speaks_for_another(serve: Serve, broker: ManagedBroker, registry: Registry) -> None:
    stranger = Publishing(broker, "stranger")
    async with serve(Lamp(broker)):
        await until(registry, lambda: value(registry, LAMP) is False)
        await stranger.say("homie/5/lamp/main/power", "true", retain=True)
        await stranger.say("homie/5/lamp/$state", "", retain=True)
        await stranger.say("homie/5/stranger/$description", {**DESCRIPTION, "name": "S"}, retain=True)
        await until(registry, lambda: EntityId("homie.stranger.main.mode") in registry.states)

        assert value(registry, LAMP) is False


async def test_what_is_no_description_is_named_and_costs_the_others_nothing(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    speaking = Publishing(broker)
    wrong: dict[str, bytes | str | Mapping[str, object]] = {
        "homie/5/a/$description": "{",
        "homie/5/b/$description": {**DESCRIPTION, "homie": "4.0.0"},
        "homie/5/c/$description": "[" * 5_000,
        "homie/5/d/$description": b"\xff\xfe",
        "homie/5/UPPER/$description": DESCRIPTION,
        "homie/5/e/$description": {
            **DESCRIPTION,
            "nodes": {"x y": {"properties": {"p": {"datatype": "float"}}}},
        },
        "homie/5/f/$description": {
            **DESCRIPTION,
            "nodes": {"n": {"properties": {f"p{at}": {"datatype": "float"} for at in range(201)}}},
        },
    }
    await speaking.say_all(wrong, retain=True)
    async with serve(Lamp(broker)):
        await until(registry, lambda: value(registry, LAMP) is False)

    assert set(link.refused) == {"a", "b", "c", "d", "UPPER", "e", "f"}
    assert all(entity.startswith("homie.lamp.") for entity in registry.states)


async def test_values_that_are_none_are_counted_and_change_nothing(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: HomieLink
) -> None:
    speaking = Publishing(broker)
    async with serve(Lamp(broker)):
        await until(registry, lambda: value(registry, WARMTH) == 31.5)
        for payload in (b"hot", b"126", b"nan", b"\xff", b"1e999"):
            await speaking.say("homie/5/lamp/main/warmth", payload)
        await speaking.say("homie/5/lamp/main/mode", "night")
        await speaking.say("homie/5/lamp/main/warmth", "32")
        await until(registry, lambda: value(registry, WARMTH) == 32.0)

    assert link.unreadable == 6
    assert value(registry, MODE) == "eco"


@given(st.binary(max_size=300))
def test_no_payload_makes_the_reader_fail_otherwise(payload: bytes) -> None:
    try:
        parse_description("d", payload)
    except AnnouncementError:
        return
    raise AssertionError("believed")


@given(
    st.binary(max_size=40),
    st.sampled_from(["boolean", "integer", "float", "enum", "string", "color", "nonsense"]),
)
def test_a_value_is_read_or_refused(payload: bytes, datatype: str) -> None:
    said = {**DESCRIPTION, "nodes": {"n": {"properties": {"p": {"datatype": datatype, "format": ""}}}}}
    (known,) = parse_description("d", json.dumps(said).encode())
    try:
        assert isinstance(known.read(payload), bool | int | float | str)
    except (ValueError, KeyError):
        return
