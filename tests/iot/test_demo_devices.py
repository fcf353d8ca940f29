"""The demo's devices as the box meets them: processes of their own, real MQTT and CoAP."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiocoap
import pytest

from gateway.broker import ManagedBroker
from gateway.child import running
from gateway.iot.commands_model import CommandState
from gateway.iot.entity import Capability, EntityId, Value
from gateway.mqtt import BrokerAddress, Message
from gateway.mqtt_client import MqttClient
from tests.conftest import Serve
from tests.iot.coap_peers import peer
from tests.iot.conftest import kill, until, value
from tests.iot.house import BOX, House, house, mosquitto

LAMP = EntityId("mqtt.demo_lamp")
DOOR = EntityId("mqtt.demo_door")
TEMPERATURE = EntityId("coap.thermometer.3303.0.5700")
HOT = b"""
rules:
  - id: hot
    when: {entity: coap.thermometer.3303.0.5700, above: 25}
    do:
      - command: {entity: mqtt.demo_lamp, value: true}
"""


def device(kind: str, port: int, *arguments: str) -> AbstractAsyncContextManager[Process]:
    """One demo device as a child process."""
    return running(
        [sys.executable, "-m", "headend.demo.devices", kind, "--port", str(port), *arguments], stdout=DEVNULL
    )


@pytest.fixture
async def broker_port(tmp_path: Path) -> AsyncIterator[int]:
    async with mosquitto(tmp_path) as port:
        yield port


@pytest.fixture
async def home(tmp_path: Path, serve: Serve, broker_port: int) -> AsyncIterator[House]:
    async with house(tmp_path, serve, broker_port, rules_text=HOT, deadline_s=2.0) as home:
        yield home


async def fate(home: House, entity: EntityId, value: Value) -> CommandState:
    """Order, and return what becomes of it."""
    with home.commands.changes.subscribe() as changes:
        command = await home.commands.order(entity, value)
        async with asyncio.timeout(20):
            while not command.state.over:
                changed = await anext(changes)
                command = changed if changed.id == command.id else command
    return command.state


async def set_temperature(home: House, value: float) -> None:
    """Warm the demo thermometer, wherever it answers."""
    rows = await home.store.read(lambda db: db.execute("SELECT base FROM coap_registration").fetchall())
    async with peer() as hand:
        answer = await hand.ask(aiocoap.PUT, f"{rows[0][0]}/demo/temperature", str(value).encode())
    assert answer.code == aiocoap.CHANGED


async def test_the_lamp_confirms_by_its_own_report(home: House) -> None:
    async with device("lamp", home.broker_port):
        lamp = await home.state(LAMP, value=False, available=True)
        on, off = await fate(home, LAMP, value=True), await fate(home, LAMP, value=False)
    assert (lamp.entity.capability, lamp.entity.device.name) == (Capability.LIGHT, "客厅灯")
    assert (on, off) == (CommandState.CONFIRMED, CommandState.CONFIRMED)


async def test_the_lamp_and_the_door_need_no_more_rights_than_an_account_has(
    broker: ManagedBroker, mqtt: MqttClient, tmp_path: Path
) -> None:
    secret = tmp_path / "lamp.password"
    secret.write_text(BrokerAddress.parse(broker.url("lamp")).password + "\n")
    with mqtt.subscribe("homeassistant/light/lamp/config", "lamp/state", "lamp/availability") as heard:
        async with device("lamp", broker.port, "--password-file", str(secret)), asyncio.timeout(20):
            first = {(await anext(heard)).topic for _ in range(3)}
            await mqtt.publish(Message("lamp/set", b"ON"))
            lit = await anext(heard)
            kill(broker)
            while (await anext(heard)).topic != "lamp/availability":
                pass
    assert first == {"homeassistant/light/lamp/config", "lamp/state", "lamp/availability"}
    assert (lit.topic, lit.payload) == ("lamp/state", b"ON")


async def test_a_lamp_that_is_deaf_or_dead_lets_the_command_expire(home: House) -> None:
    async with device("lamp", home.broker_port, "--deaf") as lamp:
        await home.state(LAMP, value=False, available=True)
        deaf = await fate(home, LAMP, value=True)
        os.kill(lamp.pid, signal.SIGKILL)
        await home.state(LAMP, available=False)
    dead = await fate(home, LAMP, value=True)
    assert (deaf, dead) == (CommandState.EXPIRED, CommandState.EXPIRED)


async def test_the_door_tells_that_it_opened(home: House) -> None:
    async with device("door", home.broker_port, "--period", "60"):
        door = await home.state(DOOR, value=False)
        await home.client.publish(Message("door/demo", b"open"))
        await home.state(DOOR, value=True)
    assert (door.entity.capability, door.entity.device_class) == (Capability.BINARY_SENSOR, "door")


async def test_the_door_opens_by_itself(home: House) -> None:
    async with device("door", home.broker_port, "--period", "0.2"):
        await home.state(DOOR, value=False)
        await home.state(DOOR, value=True)
        await home.state(DOOR, value=False)


async def test_a_hot_room_lights_the_lamp(home: House) -> None:
    async with (
        device("lamp", home.broker_port),
        device("thermometer", home.endpoint.port, "--start", "22", "--step", "0"),
        home.listening("lamp/state") as listener,
    ):
        await home.state(LAMP, value=False, available=True)
        await home.state(TEMPERATURE, value=22.0)
        await set_temperature(home, 26.5)
        await home.state(TEMPERATURE, value=26.5)
        await home.state(LAMP, value=True)
        await listener.until("lamp/state", "ON")


async def test_the_room_follows_what_the_air_conditioner_was_told(home: House) -> None:
    whole, target = EntityId("mqtt.demo_airconditioner"), EntityId("mqtt.demo_airconditioner.target")
    room = EntityId("mqtt.demo_airconditioner.current_temperature")
    async with device("airconditioner", home.broker_port, "--period", "0.05"):
        await home.state(target, value=26.0)
        assert await fate(home, target, value=18) is CommandState.CONFIRMED
        assert await fate(home, whole, value="cool") is CommandState.CONFIRMED
        await until(home.registry, lambda: isinstance(now := value(home.registry, room), float) and now < 24)


async def test_the_temperature_wanders_and_an_mqtt_subscriber_hears_it(home: House) -> None:
    topic = f"gateway/{BOX}/coap_thermometer_3303_0_5700/state"
    async with (
        device("thermometer", home.endpoint.port, "--period", "0.1"),
        home.listening(topic) as listener,
    ):
        heard = {float(await listener.next(topic)) for _ in range(5)}
    assert len(heard) > 1
    assert all(20 <= value <= 28 for value in heard)


async def test_a_measurement_carries_its_own_time(home: House) -> None:
    async with device("bloodpressure", home.endpoint.port, "--period", "0.5"):
        known = [
            await home.state(EntityId(f"coap.bloodpressure.bp.{name}")) for name in ("systolic", "diastolic")
        ]
        first = [
            await home.state(state.entity.id, value=value)
            for state, value in zip(known, (122, 79), strict=True)
        ]
    assert [state.entity.unit for state in known] == ["mmHg", "mmHg"]
    assert all(state.reported_at is not None for state in first)


async def test_devices_come_back_after_the_broker_and_the_box_did(tmp_path: Path, serve: Serve) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        coap_port = int(probe.getsockname()[1])
    async with AsyncExitStack() as devices:
        async with mosquitto(tmp_path) as port, house(tmp_path, serve, port, coap_port=coap_port) as home:
            await devices.enter_async_context(device("lamp", port))
            await devices.enter_async_context(device("thermometer", coap_port))
            await home.state(LAMP, value=False)
            await home.state(TEMPERATURE)
        async with mosquitto(tmp_path, port), house(tmp_path, serve, port, coap_port=coap_port) as home:
            await home.state(LAMP, value=False, available=True)
            await home.state(TEMPERATURE, available=True)


@pytest.mark.parametrize("kind", ["lamp", "door", "thermometer", "bloodpressure"])
async def test_a_device_goes_at_once_when_told(home: House, kind: str) -> None:
    port = home.broker_port if kind in ("lamp", "door") else home.endpoint.port
    async with device(kind, port) as process:
        with home.registry.changes.subscribe() as changes:
            async with asyncio.timeout(20):
                await anext(changes)
        process.terminate()
        async with asyncio.timeout(2):
            assert await process.wait() == 0
