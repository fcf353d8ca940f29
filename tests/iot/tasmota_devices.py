"""What devices with the Tasmota firmware say, in the shape that it documents; written anew."""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import aiomqtt

from gateway.broker import ManagedBroker
from gateway.mqtt import BrokerAddress

PLUG_MAC = "5CCF7F0A1B2C"
"""Also the name of an account, in small letters."""

ENERGY: Mapping[str, Any] = {
    "Time": "2024-03-01T08:00:00",
    "ENERGY": {
        "TotalStartTime": "2023-01-01T00:00:00",
        "Total": 12.345,
        "Yesterday": 0.51,
        "Today": 0.127,
        "Power": 61,
        "ApparentPower": 75,
        "ReactivePower": 43,
        "Factor": 0.82,
        "Voltage": 229,
        "Current": 0.326,
    },
}
CLIMATE: Mapping[str, Any] = {
    "Time": "2024-03-01T08:00:00",
    "AM2301": {"Temperature": 21.4, "Humidity": 48.6, "DewPoint": 10.1},
    "BMP280": {"Temperature": 21.9, "Pressure": 1013.2},
    "TempUnit": "C",
    "PressureUnit": "hPa",
}


def config(mac: str, topic: str, **other: object) -> dict[str, object]:
    """Return a ``config`` message of a device with one relay, with `other` in place of what it says."""
    channels = 8
    return {
        "ip": "192.0.2.20",
        "dn": "Plug",
        "fn": ["Plug", *[None] * (channels - 1)],
        "hn": f"tasmota-{mac[-6:]}-0001",
        "mac": mac,
        "md": "Sonoff S31",
        "ty": 0,
        "if": 0,
        "ofln": "Offline",
        "onln": "Online",
        "state": ["OFF", "ON", "TOGGLE", "HOLD"],
        "sw": "13.4.0",
        "t": topic,
        "ft": "%prefix%/%topic%/",
        "tp": ["cmnd", "stat", "tele"],
        "rl": [1, *[0] * (channels - 1)],
        "swc": [-1] * channels,
        "swn": [None] * channels,
        "btn": [0] * channels,
        "so": {"4": 0, "11": 0, "13": 0, "17": 0, "20": 0, "30": 0, "68": 0, "73": 0, "82": 0, "114": 0},
        "lk": 0,
        "lt_st": 0,
        "bat": 0,
        "dslp": 0,
        "sho": [],
        "sht": [],
        "ver": 1,
        **other,
    }


def sensors(sample: Mapping[str, object]) -> dict[str, object]:
    """Return a ``sensors`` message of a device that measures what `sample` shows."""
    return {"sn": sample, "ver": 1}


class Plug:
    """A plug that measures, as the firmware behaves with its defaults: it keeps nothing but its announcement.

    A service, over all restarts of the broker.

    Attributes:
        on: What a look at the relay would tell.
        asked: How often it was asked for its state.
    """

    def __init__(self, broker: ManagedBroker, account: str = PLUG_MAC.lower(), *, deaf: bool = False) -> None:
        self._address = BrokerAddress.parse(broker.url(account))
        self._topic = PLUG_MAC.lower()
        self._deaf = deaf
        self.on = False
        self.asked = 0

    async def run(self, ready: Callable[[], None]) -> None:
        while True:
            try:
                await self._live(ready)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)

    async def _live(self, ready: Callable[[], None]) -> None:
        async with aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=self._address.username,
            password=self._address.password,
            will=aiomqtt.Will(f"tele/{self._topic}/LWT", "Offline", 1, retain=True),
        ) as client:

            async def say(topic: str, payload: object, *, retain: bool = False) -> None:
                raw = payload if isinstance(payload, str) else json.dumps(payload)
                # The firmware never asks whether it arrived.  The library's own time limit may
                # swallow a cancellation on Python 3.11.
                await client.publish(topic, raw, 0, retain=retain, timeout=math.inf)

            await client.subscribe(f"cmnd/{self._topic}/#", 1)
            await say(f"tele/{self._topic}/LWT", "Online", retain=True)
            where = f"tasmota/discovery/{PLUG_MAC}"
            await say(f"{where}/config", config(PLUG_MAC, self._topic), retain=True)
            await say(f"{where}/sensors", sensors(ENERGY), retain=True)
            ready()
            async for message in client.messages:
                await self._answer(message.topic.value.rpartition("/")[2], message.payload, say)

    async def _answer(self, command: str, payload: object, say: Callable[[str, object], Any]) -> None:
        status = f"stat/{self._topic}"
        self.asked += command in ("STATUS", "STATE")
        if command == "STATUS" and payload == b"10":
            await say(f"{status}/STATUS10", {"StatusSNS": ENERGY})
        elif command == "STATE":
            await say(f"{status}/RESULT", {"Time": "2024-03-01T08:00:00", "POWER": self._word()})
        elif command == "POWER1" and not self._deaf:
            self.on = payload == b"ON"
            await say(f"{status}/RESULT", {"POWER": self._word()})
            await say(f"{status}/POWER", self._word())

    def _word(self) -> str:
        return "ON" if self.on else "OFF"
