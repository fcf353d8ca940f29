"""A plug with Tasmota gets an image by HTTP: over a real broker, fetched by a foreign client."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import aiomqtt
import pytest

from gateway.broker import ManagedBroker
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_attempt import Attempt, FirmwareFailedError, Stage
from gateway.iot.firmware_delivery import Carrying
from gateway.iot.firmware_facts import FirmwareConfig
from gateway.iot.firmware_http import ImageServer
from gateway.iot.firmware_tasmota import TasmotaWay
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from gateway.trust.firmware import SignedFirmware, image_path, manifest_path
from tests.conftest import Serve
from tests.iot.tasmota_devices import PLUG_MAC, config

IMAGE = b"\xe9" + bytes(range(256)) * 200
TOPIC = PLUG_MAC.lower()
MANIFEST = SignedFirmware(
    vendor="Tasmota",
    model="Sonoff S31",
    hardware=["ESP8266EX"],
    sequence=1,
    version="14.2.0",
    size=len(IMAGE),
    sha256="0" * 64,
    expires=datetime(2099, 1, 1, tzinfo=UTC),
    link="tasmota",
    image=image_path("Tasmota", "Sonoff S31", 1),
)


@dataclass
class Plug:
    """A plug that fetches whatever it is told to; a service.

    Attributes:
        broken: Whether its flash refuses every image.
        fetched: What it has flashed.
    """

    broker: ManagedBroker
    broken: bool = False
    version: str = "13.4.0(release-tasmota)"
    fetched: bytes = b""
    _url: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, ready: Callable[[], None]) -> None:
        """Answer until cancelled."""
        address = BrokerAddress.parse(self.broker.url(TOPIC))
        async with aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password
        ) as client:

            async def say(topic: str, payload: object, *, retain: bool = False) -> None:
                await client.publish(topic, json.dumps(payload), 1, retain=retain, timeout=math.inf)

            await client.subscribe(f"cmnd/{TOPIC}/#", 1)
            await say(
                f"tasmota/discovery/{PLUG_MAC}/config", config(PLUG_MAC, TOPIC, ip="127.0.0.1"), retain=True
            )
            ready()
            async for message in client.messages:
                await self._do(message.topic.value.rpartition("/")[2], bytes(message.payload).decode(), say)

    async def _do(self, command: str, payload: str, say: Callable[[str, object], Awaitable[None]]) -> None:
        if command == "STATUS":
            about = {"StatusFWR": {"Version": self.version, "Hardware": "ESP8266EX", "Core": "2_7_7"}}
            await say(f"stat/{TOPIC}/STATUS2", about)
        elif command == "OtaUrl":
            self._url = payload
        elif command == "Upgrade":
            await say(f"stat/{TOPIC}/UPGRADE", "Version 13.4.0 from " + self._url)
            async with aiohttp.ClientSession() as session, session.get(self._url) as answer:
                image = await answer.read()
            if self.broken:
                await say(f"stat/{TOPIC}/UPGRADE", "Failed Program flash size is larger than real flash size")
                return
            self.fetched, self.version = image, "14.2.0(release-tasmota)"
            await say(f"stat/{TOPIC}/UPGRADE", "Successful. Restarting")


@pytest.fixture
async def way(serve: Serve, mqtt: MqttClient) -> AsyncIterator[TasmotaWay]:
    way = TasmotaWay(mqtt, FirmwareConfig(poll_s=0.05), accounts=(TOPIC,))
    async with serve(way):
        yield way


def attempt() -> Attempt:
    now = datetime.now(UTC)
    path = manifest_path("Tasmota", "Sonoff S31", 1)
    device = DeviceId(f"mqtt.tasmota_{PLUG_MAC}")
    return Attempt(device=device, path=path, manifest=MANIFEST, started_at=now, changed_at=now)


async def carried(way: TasmotaWay) -> list[Stage]:
    """Carry the image, and return the stages that were written down, and how it ended."""
    kept: list[Stage] = []

    async def keep(attempt: Attempt) -> None:
        kept.append(attempt.stage)

    async def cleared() -> None:
        pass

    async with asyncio.timeout(30):
        ended = await way.carry(attempt(), Carrying(IMAGE, keep, cleared))
    return [*kept, ended.stage]


async def test_a_plug_fetches_the_very_image_and_is_believed_by_its_version(
    way: TasmotaWay, broker: ManagedBroker, serve: Serve
) -> None:
    plug = Plug(broker)
    async with serve(plug):
        stages = await carried(way)
        [candidate] = await way.survey()
    assert (candidate.vendor, candidate.model, candidate.hardware, candidate.version) == (
        "Tasmota",
        "Sonoff S31",
        "ESP8266EX",
        "14.2.0",
    )
    assert plug.fetched == IMAGE
    assert (stages[0], stages[-1]) == (Stage.DOWNLOADING, Stage.UPDATED)


async def test_a_plug_that_refuses_the_image_says_why(
    way: TasmotaWay, broker: ManagedBroker, serve: Serve
) -> None:
    async with serve(Plug(broker, broken=True)):
        with pytest.raises(FirmwareFailedError, match="flash size"):
            await carried(way)


async def test_nobody_else_gets_the_image() -> None:
    whole = asyncio.Event()
    server = ImageServer(IMAGE, "secret", "127.0.0.1", whole.set)
    async with server.serving("127.0.0.1") as port, aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{port}"
        for path in ("/", "/fw/other.bin", "/fw/secret-minimal.bin", "/fw/secret.bin?x"):
            async with session.get(base + path) as answer:
                assert (answer.status, await answer.read()) == (404, b"")
        async with session.post(base + server.path) as answer:
            assert answer.status == 404
        async with session.get(base + server.path) as answer:
            assert await answer.read() == IMAGE
        assert whole.is_set()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"A" * 100_000)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        writer.close()
    stranger = ImageServer(IMAGE, "secret", "127.0.0.9", whole.set)
    async with stranger.serving("127.0.0.1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {stranger.path} HTTP/1.1\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                assert await reader.read() == b""
        writer.close()
