import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiocoap
import pytest

from gateway.child import running
from gateway.iot.coap import CoapLink
from gateway.iot.coap_directory import MIGRATIONS
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, CoapPortError, StaticDevice
from gateway.iot.entity import Capability, EntityId, Reading
from gateway.iot.link import Availability, DeviceRefusedError, Found, LinkDownError, LinkEvent, Lost
from gateway.pubsub import Subscription
from gateway.store import Store
from gateway.supervisor import Service

Serve = Callable[[Service], AbstractAsyncContextManager[None]]

TEMPERATURE = EntityId("coap.thermometer.3303.0.5700")
FAN = EntityId("coap.thermometer.3306.0.5850")


@dataclass
class Box:
    endpoint: CoapEndpoint
    link: CoapLink
    events: Subscription[LinkEvent]

    async def next(self, kind: type[LinkEvent], entity: EntityId) -> LinkEvent:
        """Return the next event of `kind` about `entity`."""
        async with asyncio.timeout(20):
            async for event in self.events:
                about = event.entity.id if isinstance(event, Found) else event.entity
                if isinstance(event, kind) and about == entity:
                    return event
        raise AssertionError


Start = Callable[[CoapConfig], AbstractAsyncContextManager[Box]]


@pytest.fixture
def start(tmp_path: Path, serve: Serve) -> Start:
    @asynccontextmanager
    async def starting(config: CoapConfig) -> AsyncIterator[Box]:
        store = Store(tmp_path / "gateway.db", {"coap": MIGRATIONS})
        endpoint = CoapEndpoint(config)
        link = CoapLink(config, endpoint, store)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serve(store))
            await stack.enter_async_context(serve(endpoint))
            events = stack.enter_context(link.events.subscribe())
            await stack.enter_async_context(serve(link))
            yield Box(endpoint, link, events)

    return starting


def thermometer(port: int, *arguments: str) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    return running(
        [
            sys.executable,
            "-m",
            "headend.demo.devices",
            "thermometer",
            "--port",
            str(port),
            "--step",
            "0",
            *arguments,
        ]
    )


async def test_a_thermometer_that_registers_is_read_and_its_fan_switched(start: Start) -> None:
    async with start(CoapConfig(port=0)) as box, thermometer(box.endpoint.port, "--start", "21.5"):
        found = await box.next(Found, TEMPERATURE)
        reading = await box.next(Reading, TEMPERATURE)
        acknowledged = await box.link.command(FAN, True)
        fan = await box.next(Reading, FAN)
        while not (isinstance(fan, Reading) and fan.value is True):
            fan = await box.next(Reading, FAN)

    assert isinstance(found, Found)
    assert (found.entity.capability, found.entity.unit) == (Capability.SENSOR, "°C")
    assert found.entity.device.name == "客厅温度计"
    assert isinstance(reading, Reading)
    assert reading.value == 21.5
    assert acknowledged
