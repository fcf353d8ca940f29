"""The devices of the bench: sensors with a light each, over MQTT or over CoAP, and a crowd of others.

One rule: the first sensor and its light are the same for every player; who needs
to be told where they are is told by Home Assistant's discovery, or by CoAP's.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from bench.iot_circuit import COLD, HIGH, LOW, Circuit, Seen
from bench.iot_coap_wire import Resource, coap_wire
from bench.iot_wire import Wire, wire

CROWD, CROWD_ENTITIES = 500, 10
"""Devices and entities of each; the bench's own sensor and light are two of them."""

THERMOMETER, LAMP = "3303/0/5700", "3311/0/5850"
_PREFIX = "homeassistant"


class Devices:
    """The sensors and the lights; they are numbered, and each sensor has the light of its number."""

    def __init__(self, pairs: int, *, silent: bool) -> None:
        """Describe them; `silent` are lights that do not say over MQTT what they became."""
        self._silent = silent
        self.over_mqtt, self.over_coap = Seen(), Seen()
        self.thermometers = [Resource(LOW) for _ in range(pairs)]
        self.lamps = [Resource(b"0", partial(self._told, number)) for number in range(pairs)]
        self._became: dict[int, tuple[bytes, float]] = {}
        self._wanted: list[bytes] = []
        self._wanted_s = 0.0
        self._chance = random.Random(7)  # noqa: S311 - the same wishes for everybody
        self.lights = {light_topic(number): light_state_topic(number) for number in range(pairs)}
        self.wire: Wire

    def heard(self, topic: str, _payload: bytes, at_s: float) -> None:
        """A light is told something over MQTT, and says what it became."""
        if topic in self.lights:
            self.over_mqtt.note(at_s)
            if not self._silent:
                self.wire.send(self.lights[topic], b"ON")

    def circuit(self, source: str, target: str) -> Circuit:
        """Return the way from the sensors of one world to the lights of the other; ``mqtt`` or ``coap``."""
        seen = self.over_mqtt if target == "mqtt" else self.over_coap
        if source == "mqtt":
            newest = target == "coap"
            return Circuit(
                tell=lambda value: self.wire.say(sensor_topic(0), value),
                stream=lambda values: self.wire.burst([(sensor_topic(0), value) for value in values]),
                burst=self._order_over_mqtt if newest else self._cross_over_mqtt,
                seen=seen,
                wrong=self._wrong_lamps if newest else None,
            )
        first = self.thermometers[0]
        return Circuit(
            tell=first.become,
            stream=lambda values: first.become(*values),
            burst=self._cross_over_coap,
            seen=seen,
        )

    def _told(self, number: int, value: bytes, at_s: float) -> None:
        self._became[number] = value, at_s
        self.over_coap.note(at_s)

    def _wrong_lamps(self) -> int:
        told = [self._became.get(number, (b"", 0.0)) for number in range(len(self.lamps))]
        return sum(
            value != wanted or at_s < self._wanted_s
            for (value, at_s), wanted in zip(told, self._wanted, strict=True)
        )

    async def _cross_over_mqtt(self, crossings: int) -> None:
        pairs = len(self.thermometers)
        round_ = [(sensor_topic(number), value) for value in (HIGH, LOW) for number in range(pairs)]
        await self.wire.burst(round_ * (crossings // pairs))

    async def _order_over_mqtt(self, crossings: int) -> None:
        """Have each report be an order, on and off in turn, and about half of the lights be on at last."""
        pairs = range(len(self.thermometers))
        self._wanted = [self._chance.choice((b"0", b"1")) for _ in pairs]
        last = [HIGH if wanted == b"1" else COLD for wanted in self._wanted]
        others = [COLD if value == HIGH else HIGH for value in last]
        first, second = (
            [(sensor_topic(number), each[number]) for number in pairs] for each in (others, last)
        )
        await self.wire.burst((first + second) * (crossings // len(pairs) - 1) + first)
        self._wanted_s = time.monotonic()
        await self.wire.burst(second)

    async def _cross_over_coap(self, crossings: int) -> None:
        each = [HIGH, LOW] * (crossings // len(self.thermometers))
        async with asyncio.TaskGroup() as together:
            for one in self.thermometers:
                together.create_task(one.become(*each))

    async def announce(self) -> None:
        """Say by Home Assistant's discovery what there is."""
        for number in range(len(self.thermometers)):
            await self._announce_pair(number)

    async def _announce_pair(self, number: int) -> None:
        device = {"identifiers": [f"bench{number}"], "name": f"Bench {number}"}
        sensor = {
            "unique_id": sensor_name(number),
            "object_id": sensor_name(number),
            "name": "Temperature",
            "state_topic": sensor_topic(number),
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "qos": 1,
            "device": device,
        }
        light = {
            "unique_id": light_name(number),
            "object_id": light_name(number),
            "name": "Light",
            "command_topic": light_topic(number),
            "state_topic": light_state_topic(number),
            "qos": 1,
            "device": device,
        }
        await self._announce("sensor", sensor_name(number), sensor)
        await self._announce("light", light_name(number), light)
        await self.wire.say(light_state_topic(number), b"OFF", retain=True)
        await self.wire.say(sensor_topic(number), LOW, retain=True)

    async def announce_crowd(self) -> None:
        """Say that there are many others, each of which reported something once."""
        for number, entity in crowd():
            topic = f"bench/crowd/{number}"
            await self._announce(
                "sensor",
                entity,
                {
                    "unique_id": entity,
                    "name": entity.rpartition("_")[2],
                    "state_topic": topic,
                    "value_template": f"{{{{ value_json.v{entity.rpartition('_')[2]} }}}}",
                    "device": {"identifiers": [f"crowd_{number}"], "name": f"Crowd {number}"},
                },
            )
        for number in range(CROWD):
            values = {f"v{at}": number + at for at in range(CROWD_ENTITIES)}
            await self.wire.say(f"bench/crowd/{number}", json.dumps(values).encode(), retain=True)

    async def _announce(self, component: str, name: str, document: dict[str, Any]) -> None:
        await self.wire.say(
            f"{_PREFIX}/{component}/{name}/config", json.dumps(document).encode(), retain=True
        )


def crowd() -> list[tuple[int, str]]:
    """Return the number of the device and the unique id of each other entity, so that all are 5,000."""
    return [(at // CROWD_ENTITIES, f"crowd_{at}") for at in range(2, CROWD * CROWD_ENTITIES)]


def sensor_name(number: int) -> str:
    """Return what a sensor is called over MQTT."""
    return f"bench_temp_{number}" if number else "bench_temp"


def light_name(number: int) -> str:
    """Return what a light is called over MQTT."""
    return f"bench_light_{number}" if number else "bench_light"


def sensor_topic(number: int) -> str:
    """Return where a sensor reports."""
    return f"bench/{number}/temp/state"


def light_topic(number: int) -> str:
    """Return where a light is told."""
    return f"bench/{number}/light/set"


def light_state_topic(number: int) -> str:
    """Return where a light says what it became."""
    return f"bench/{number}/light/state"


@asynccontextmanager
async def plugged_in(broker: int, coap: Sequence[int], *, silent: bool = False) -> AsyncIterator[Devices]:
    """Connect the devices: to the broker on its port, and each pair answering on one of `coap`."""
    devices = Devices(len(coap), silent=silent)
    async with AsyncExitStack() as stack:
        for port, thermometer, lamp in zip(coap, devices.thermometers, devices.lamps, strict=True):
            await stack.enter_async_context(coap_wire(port, {THERMOMETER: thermometer, LAMP: lamp}))
        devices.wire = await stack.enter_async_context(wire(broker, "bench-devices", devices.heard))
        await devices.wire.listen(*devices.lights)
        yield devices
