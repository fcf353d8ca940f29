"""A thermometer with a fan, on CoAP.

One rule: the temperature wanders between 20 and 28 °C, and sinks while the
fan turns, so that a rule on it does something one can watch.
"""

import asyncio
import random

from headend.demo.devices.over_coap import Measured, Settable

_COLDEST, _HOTTEST = 20.0, 28.0
_FAN_PULL = 0.3


class Thermometer:
    """See `headend.demo.devices.over_coap.Instrument`.

    ``PUT /demo/temperature`` sets the temperature, which tests do.
    """

    def __init__(self, *, start: float = 24.0, step: float = 0.2, period_s: float = 2.0) -> None:
        """Describe a thermometer.

        Args:
            start: First temperature, °C.
            step: Largest change per period, °C; 0 holds it still.
            period_s: Time between measurements.
        """
        self._step = step
        self._period_s = period_s
        self._temperature = Measured(
            start, unit="Cel", rt="oic.r.temperature", if_="core.s", title="温度", u="°C"
        )
        self._fan = Settable(False, rt="oic.r.switch.binary", if_="core.a", title="风扇")
        self._told = _Told(self._temperature)

    def resources(self) -> dict[str, Measured]:
        return {"/3303/0/5700": self._temperature, "/3306/0/5850": self._fan, "/demo/temperature": self._told}

    async def live(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            if self._step:
                drift = random.uniform(-self._step, self._step)  # noqa: S311 - weather, not a secret
                drift -= _FAN_PULL * self._step if self._fan.value else 0
                wanted = self._temperature.value + drift
                self._temperature.become(round(min(max(wanted, _COLDEST), _HOTTEST), 2))


class _Told(Settable):
    """Hands on what it is set to."""

    def __init__(self, to: Measured) -> None:
        super().__init__(to.value)
        self._to = to

    def become(self, value: float) -> None:
        super().become(value)
        self._to.become(value)
