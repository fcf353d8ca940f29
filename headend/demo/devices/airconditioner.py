"""An air conditioner on MQTT.

One rule: the room follows slowly; what it was told and what it measures are
different things.
"""

import asyncio
import json
from collections.abc import Mapping

from gateway.errors import ungrouped
from headend.demo.devices.over_mqtt import Wire

_MODES = ("off", "cool", "heat", "fan_only")
_FAN_MODES = ("auto", "low", "high")
_COLDEST, _HOTTEST = 16.0, 30.0
_OUTSIDE = 29.0
_PULL = 0.1
"""The share of the difference by which the room moves in one period."""


class AirConditioner:
    """See `headend.demo.devices.over_mqtt.Appliance`.

    Attributes:
        mode: One of off, cool, heat, fan_only.
        target: °C.
        room: °C.
    """

    component = "climate"

    def __init__(self, *, period_s: float = 10.0) -> None:
        """Describe one that measures each `period_s`."""
        self.mode, self.fan = "off", "auto"
        self.target, self.room = 26.0, 28.0
        self._period_s = period_s

    def announcement(self, name: str) -> Mapping[str, object]:
        state = f"{name}/state"
        return {
            "name": None,
            "modes": _MODES,
            "mode_command_topic": f"{name}/mode/set",
            "mode_state_topic": state,
            "mode_state_template": "{{ value_json.mode }}",
            "temperature_command_topic": f"{name}/target/set",
            "temperature_state_topic": state,
            "temperature_state_template": "{{ value_json.target }}",
            "min_temp": _COLDEST,
            "max_temp": _HOTTEST,
            "temp_step": 1,
            "current_temperature_topic": state,
            "current_temperature_template": "{{ value_json.room }}",
            "fan_modes": _FAN_MODES,
            "fan_mode_command_topic": f"{name}/fan/set",
            "fan_mode_state_topic": state,
            "fan_mode_state_template": "{{ value_json.fan }}",
        }

    async def live(self, wire: Wire) -> None:
        await self._report(wire)
        # Side by side: whoever gives up waiting for an order may lose the one that is just coming.
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._blow_on(wire), name="air")
                while True:
                    self._obey(*await wire.heard("mode/set", "target/set", "fan/set"))
                    await self._report(wire)

    async def _blow_on(self, wire: Wire) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            self._blow()
            await self._report(wire)

    def _obey(self, below: str, word: str) -> None:
        if below == "mode/set" and word in _MODES:
            self.mode = word
        elif below == "fan/set" and word in _FAN_MODES:
            self.fan = word
        elif below == "target/set" and word.replace(".", "", 1).isdigit():
            self.target = min(max(float(word), _COLDEST), _HOTTEST)

    def _blow(self) -> None:
        wanted = self.target if self.mode in ("cool", "heat") else _OUTSIDE
        works = self.mode != "cool" or self.room > wanted
        if works and not (self.mode == "heat" and self.room > wanted):
            self.room = round(self.room + (wanted - self.room) * _PULL, 1)

    async def _report(self, wire: Wire) -> None:
        state = {"mode": self.mode, "target": self.target, "room": self.room, "fan": self.fan}
        await wire.say("state", json.dumps(state))
