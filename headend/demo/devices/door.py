"""A door contact on MQTT.

One rule: it reports each opening and closing once, when it happens.
"""

import asyncio
from collections.abc import Mapping

from headend.demo.devices.over_mqtt import Wire


class Door:
    """See `headend.demo.devices.over_mqtt.Appliance`.

    It opens and closes by itself every `period_s`, and when ``open`` or ``closed`` is
    published on ``NAME/demo``, which tests do.
    """

    component = "binary_sensor"

    def __init__(self, *, period_s: float = 45.0) -> None:
        self.is_open = False
        self._period_s = period_s

    def announcement(self, name: str) -> Mapping[str, object]:
        return {"name": None, "device_class": "door", "state_topic": f"{name}/state"}

    async def live(self, wire: Wire) -> None:
        await self._report(wire)
        while True:
            try:
                async with asyncio.timeout(self._period_s):
                    _, told = await wire.heard("demo")
            except TimeoutError:
                told = "closed" if self.is_open else "open"
            if told in ("open", "closed"):
                self.is_open = told == "open"
                await self._report(wire)

    async def _report(self, wire: Wire) -> None:
        await wire.say("state", "ON" if self.is_open else "OFF")
