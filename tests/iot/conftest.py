"""A real broker, our connection to it, and real devices that speak MQTT."""

import asyncio
import json
import math
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import aiomqtt
import pytest

from gateway.broker import BrokerConfig, ManagedBroker
from gateway.iot.entity import EntityId, Value
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from gateway.supervisor import Supervisor, Unit
from tests.conftest import Serve

ACCOUNTS = ("lamp", "thermometer", "stranger", "5ccf7f0a1b2c")


@pytest.fixture
async def broker(serve: Serve, tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    """A real mosquitto with an account for each of `ACCOUNTS`, started again when killed."""
    managed = ManagedBroker(BrokerConfig(port=0, tls=False, devices=ACCOUNTS), tmp_path / "broker")
    async with serve(Supervisor([Unit(name="broker", service=managed)])):
        yield managed


@pytest.fixture
async def mqtt(serve: Serve, broker: ManagedBroker) -> AsyncIterator[MqttClient]:
    """The gateway's own connection to `broker`."""
    client = MqttClient(BrokerAddress.parse(broker.url()), "gateway-test")
    async with serve(client):
        yield client


class Lamp:
    """A lamp over real MQTT: announces itself, does as it is told, and reports what it did.

    A service: it is switched off by leaving its block.

    Attributes:
        lit: What a look at the bulb would tell.
        orders: How many it heard.
    """

    ID = EntityId("mqtt.lamp_light")

    def __init__(self, broker: ManagedBroker, *, deaf: bool = False, mute: bool = False) -> None:
        self._address = BrokerAddress.parse(broker.url("lamp"))
        self._deaf = deaf
        self._mute = mute
        self.lit = False
        self.orders = 0

    def listen(self) -> None:
        """Be deaf no more."""
        self._deaf = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Be a lamp until cancelled, over all restarts of the broker."""
        while True:
            try:
                await self._live(ready)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    async def _live(self, ready: Callable[[], None]) -> None:
        will = aiomqtt.Will("lamp/available", "offline", 1, retain=True)
        async with aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            will=will,
        ) as client:
            announcement = {
                "uniq_id": "lamp_light",
                "name": "灯",
                "~": "lamp",
                "stat_t": "~/state",
                "cmd_t": "~/set",
                "avty_t": "~/available",
                "dev": {"ids": ["lamp"], "name": "Lamp", "mf": "Example", "mdl": "L1"},
            }
            await client.publish("homeassistant/light/lamp/config", json.dumps(announcement), 1, retain=True)
            await client.publish("lamp/available", "online", 1, retain=True)
            await client.subscribe("lamp/set", 1)
            await self._report(client)
            ready()
            async for message in client.messages:
                self.orders += 1
                if not self._deaf:
                    self.lit = message.payload == b"ON"
                    await self._report(client)

    async def _report(self, client: aiomqtt.Client) -> None:
        if not self._mute:
            # The library's own time limit may swallow a cancellation on Python 3.11.
            await client.publish("lamp/state", "ON" if self.lit else "OFF", 1, retain=True, timeout=math.inf)


class Publishing:
    """Says things on the broker as one account or as the gateway, like any MQTT tool."""

    def __init__(self, broker: ManagedBroker, account: str = "gateway") -> None:
        self._address = BrokerAddress.parse(broker.url(account))

    async def say(
        self, topic: str, payload: bytes | str | Mapping[str, object], *, retain: bool = False
    ) -> None:
        """Publish one message and go."""
        await self.say_all({topic: payload}, retain=retain)

    async def say_in_order(self, messages: Mapping[str, bytes | str], *, retain: bool = False) -> None:
        """Publish `messages` one after the other and go."""
        address = self._address
        async with aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password
        ) as client:
            for topic, payload in messages.items():
                await client.publish(topic, payload, 1, retain=retain)

    async def say_over_and_over(self, topic: str, payloads: Sequence[str], times: int) -> None:
        """Publish one of `payloads` after the other, in turns, and go."""
        address = self._address
        async with aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password
        ) as client:
            for at in range(times):
                await client.publish(topic, payloads[at % len(payloads)], 1, retain=True)

    async def say_all(
        self, messages: Mapping[str, bytes | str | Mapping[str, object]], *, retain: bool = False
    ) -> None:
        """Publish all of `messages` and go."""
        address = self._address
        async with aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password
        ) as client:
            client.pending_calls_threshold = 1000
            async with asyncio.TaskGroup() as tasks:
                for topic, payload in messages.items():
                    raw = json.dumps(payload) if isinstance(payload, Mapping) else payload
                    tasks.create_task(client.publish(topic, raw, 1, retain=retain))


def kill(broker: ManagedBroker) -> None:
    """End the broker as a power cut would."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)


async def until(registry: Registry, fact: Callable[[], bool], timeout_s: float = 5) -> None:
    """Wait until `fact` holds in `registry`."""
    with registry.changes.subscribe() as changes:
        async with asyncio.timeout(timeout_s):
            while not fact():
                await anext(changes)


def value(registry: Registry, entity: str) -> Value | None:
    """Return what `entity` reported; `None` if it is unknown or silent."""
    state = registry.states.get(EntityId(entity))
    return None if state is None else state.value
