"""A blood-pressure meter on CoAP.

One rule: the three values belong to one measurement and carry its time.
"""

import asyncio
import random
import time

from headend.demo.devices.over_coap import Measured

_PRESSURE = {"rt": "demo.bloodpressure", "if_": "core.s", "u": "mmHg", "dc": "pressure"}


class BloodPressureMeter:
    """See `headend.demo.devices.over_coap.Instrument`."""

    def __init__(self, *, period_s: float = 30.0) -> None:
        """Describe a meter.

        Args:
            period_s: Time between measurements.
        """
        self._period_s = period_s
        self._systolic = Measured(122, unit="mmHg", title="收缩压", **_PRESSURE)
        self._diastolic = Measured(79, unit="mmHg", title="舒张压", **_PRESSURE)
        self._pulse = Measured(68, unit="bpm", title="脉搏", rt="demo.pulse", if_="core.s", u="bpm")

    def resources(self) -> dict[str, Measured]:
        return {
            "/bp/systolic": self._systolic,
            "/bp/diastolic": self._diastolic,
            "/bp/pulse": self._pulse,
        }

    async def live(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            measured_at = time.time()
            for each, around, width in (
                (self._systolic, 122, 9),
                (self._diastolic, 79, 6),
                (self._pulse, 68, 8),
            ):
                each.become(round(random.gauss(around, width / 2)))
                each.measured_at = measured_at
