"""The devices of the bench: one sensor and one light, over MQTT or over CoAP, and a crowd of others.

One rule: the sensor and the light are the same for every player; who needs to
be told where they are is told by Home Assistant's discovery, or by CoAP's.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.iot_circuit import LOW, Circuit, Seen
from bench.iot_coap_wire import Resource, coap_wire
from bench.iot_wire import Wire, wire

SENSOR, LIGHT, LIGHT_STATE = "bench/temp/state", "bench/light/set", "bench/light/state"
CROWD, CROWD_ENTITIES = 500, 10
"""Devices and entities of each; the bench's own sensor and light are two of them."""

_THERMOMETER, _LAMP = "3303/0/5700", "3311/0/5850"
_PREFIX = "homeassistant"


class Devices:
    """The sensor and the light."""

    def __init__(self, *, silent: bool) -> None:
        """Describe them; `silent` is a light that does not say over MQTT what it became."""
        self._silent = silent
        self.over_mqtt, self.over_coap = Seen(), Seen()
        self.thermometer = Resource(LOW)
        self.lamp = Resource(b"0", lambda _, at_s: self.over_coap.note(at_s))
        self.wire: Wire

    def heard(self, topic: str, _payload: bytes, at_s: float) -> None:
        """The light is told something over MQTT, and says what it became."""
        if topic == LIGHT:
            self.over_mqtt.note(at_s)
            if not self._silent:
                self.wire.send(LIGHT_STATE, b"ON")

    def circuit(self, source: str, target: str) -> Circuit:
        """Return the way from the sensor of one world to the light of the other; ``mqtt`` or ``coap``."""
        seen = self.over_mqtt if target == "mqtt" else self.over_coap
        if source == "mqtt":
            return Circuit(
                tell=lambda value: self.wire.say(SENSOR, value),
                burst=lambda values: self.wire.burst(SENSOR, values),
                seen=seen,
            )
        return Circuit(
            tell=self.thermometer.become,
            burst=lambda values: self.thermometer.become(*values),
            seen=seen,
        )

    async def announce(self) -> None:
        """Say by Home Assistant's discovery what there is."""
        device = {"identifiers": ["bench"], "name": "Bench"}
        sensor = {
            "unique_id": "bench_temp",
            "object_id": "bench_temp",
            "name": "Temperature",
            "state_topic": SENSOR,
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "device": device,
        }
        light = {
            "unique_id": "bench_light",
            "object_id": "bench_light",
            "name": "Light",
            "command_topic": LIGHT,
            "state_topic": LIGHT_STATE,
            "qos": 1,
            "device": device,
        }
        await self._announce("sensor", "bench_temp", sensor | {"qos": 1})
        await self._announce("light", "bench_light", light)
        await self.wire.say(LIGHT_STATE, b"OFF", retain=True)
        await self.wire.say(SENSOR, LOW, retain=True)

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


@asynccontextmanager
async def plugged_in(broker: int, coap: int, *, silent: bool = False) -> AsyncIterator[Devices]:
    """Connect the devices: to the broker on one port, answering on the other."""
    devices = Devices(silent=silent)
    resources = {_THERMOMETER: devices.thermometer, _LAMP: devices.lamp}
    async with coap_wire(coap, resources), wire(broker, "bench-devices", devices.heard) as devices.wire:
        await devices.wire.listen(LIGHT)
        yield devices
