"""A device on an MQTT broker: it announces itself, listens, and comes back after every loss.

One rule: all its topics are below its own name, so that its account needs
nothing else: ``NAME/#``, and ``homeassistant/+/NAME/#`` to announce itself.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiomqtt

from headend.demo.devices.running import RETRY_S

log = logging.getLogger(__name__)

_FAREWELL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the broker is, and who the device is there.

    Attributes:
        password_file: Holds the password, white space around it ignored; `None` for no login.
    """

    host: str
    port: int
    name: str
    password_file: Path | None = None


class Appliance(Protocol):
    """What differs from device to device.

    Attributes:
        component: Home Assistant's component, such as ``light``.
    """

    component: str

    def announcement(self, name: str) -> Mapping[str, object]:
        """Return its discovery document, without availability and device."""

    async def live(self, wire: "Wire") -> None:
        """Report and obey while the connection holds."""


class Wire:
    """One connection to the broker, seen from a device."""

    def __init__(self, client: aiomqtt.Client, name: str) -> None:
        self._client = client
        self.name = name

    async def say(self, below: str, text: str) -> None:
        """Publish `text`, retained, on the device's topic `below`."""
        await self._client.publish(f"{self.name}/{below}", text, qos=1, retain=True)

    async def heard(self, *below: str) -> tuple[str, str]:
        """Return the next text on one of the device's topics `below`, and on which."""
        async for message in self._client.messages:
            on = message.topic.value.removeprefix(f"{self.name}/")
            if on in below and isinstance(message.payload, bytes):
                return on, message.payload.decode(errors="replace")
        raise ConnectionError("the broker closed the connection")


async def live_on_mqtt(appliance: Appliance, account: Account, title: str) -> None:
    """Be `appliance` until cancelled."""
    while True:
        # The next attempt is the handling: a device has nobody to tell.
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            await _connect_and_live(appliance, account, title)
        log.info("%s: no broker, trying again", account.name)
        await asyncio.sleep(RETRY_S)


async def _connect_and_live(appliance: Appliance, account: Account, title: str) -> None:
    name = account.name
    password = account.password_file.read_text().strip() if account.password_file else None
    async with aiomqtt.Client(
        account.host,
        account.port,
        username=name if password else None,
        password=password,
        identifier=f"demo-{name}",
        will=aiomqtt.Will(f"{name}/availability", "offline", qos=1, retain=True),
        keepalive=10,
        timeout=5,
    ) as client:
        await client.subscribe(f"{name}/#", qos=1)
        document = {
            "unique_id": f"demo_{name}",
            "availability_topic": f"{name}/availability",
            "device": {"identifiers": [f"demo_{name}"], "name": title, "manufacturer": "Demo", "model": name},
            **appliance.announcement(name),
        }
        config = f"homeassistant/{appliance.component}/{name}/config"
        await client.publish(config, json.dumps(document, ensure_ascii=False), qos=1, retain=True)
        wire = Wire(client, name)
        await wire.say("availability", "online")
        try:
            await appliance.live(wire)
        except asyncio.CancelledError:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await wire.say("availability", "offline")
            raise
