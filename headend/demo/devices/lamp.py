"""A lamp on MQTT.

One rule: it reports what it is only after it has become so.
"""

import asyncio
from collections.abc import Mapping

from headend.demo.devices.over_mqtt import Wire


class Lamp:
    """See `headend.demo.devices.over_mqtt.Appliance`.

    Attributes:
        lit: Whether it is on.
    """

    component = "light"

    def __init__(self, *, delay_s: float = 0.0, deaf: bool = False) -> None:
        """Describe a lamp.

        Args:
            delay_s: Time it takes to obey.
            deaf: Hears commands and does nothing, as a lamp behind a wall switch.
        """
        self.lit = False
        self._delay_s = delay_s
        self._deaf = deaf

    def announcement(self, name: str) -> Mapping[str, object]:
        return {"name": None, "state_topic": f"{name}/state", "command_topic": f"{name}/set"}

    async def live(self, wire: Wire) -> None:
        await self._report(wire)
        while True:
            _, order = await wire.heard("set")
            if self._deaf or order not in ("ON", "OFF"):
                continue
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            self.lit = order == "ON"
            await self._report(wire)

    async def _report(self, wire: Wire) -> None:
        await wire.say("state", "ON" if self.lit else "OFF")
