import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiocoap
import pytest
from aiocoap import resource

from bench.iot_coap_wire import Resource, coap_wire
from gateway.child import running
from gateway.iot.coap import CoapLink
from gateway.iot.coap_directory import MIGRATIONS
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, CoapPortError, StaticDevice
from gateway.iot.entity import Capability, EntityId, Reading
from gateway.iot.link import Availability, DeviceRefusedError, Found, LinkDownError, LinkEvent, Lost
from gateway.pubsub import Subscription
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.coap_peers import Value, peer

TEMPERATURE = EntityId("coap.ep1.3303.0.5700")
SWITCH = EntityId("coap.ep1.3306.0.5850")
LINKS = "</3303/0/5700>;obs,</3306/0/5850>;obs"

Kind = TypeVar("Kind", Found, Lost, Availability, Reading)


@dataclass
class Box:
    """The box as a CoAP device sees it."""

    endpoint: CoapEndpoint
    link: CoapLink
    events: Subscription[LinkEvent]

    @property
    def port(self) -> int:
        return self.endpoint.port

    async def next(self, kind: type[Kind], entity: EntityId) -> Kind:
        """Return the next event of `kind` about `entity`."""
        async with asyncio.timeout(20):
            while True:
                event = await anext(self.events)
                about = event.entity.id if isinstance(event, Found) else event.entity
                if isinstance(event, kind) and about == entity:
                    return event

    async def until(self, entity: EntityId, value: object) -> None:
        """Wait until `entity` is reported to be `value`."""
        while (await self.next(Reading, entity)).value != value:
            pass


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


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_the_demo_thermometer_is_read_and_its_fan_switched(start: Start) -> None:
    temperature = EntityId("coap.thermometer.3303.0.5700")
    fan = EntityId("coap.thermometer.3306.0.5850")
    command = [sys.executable, "-m", "headend.demo.devices", "thermometer", "--step", "0", "--start", "21.5"]
    async with (
        start(CoapConfig(port=0, admission="open")) as box,
        running([*command, "--port", str(box.port)]),
    ):
        found = await box.next(Found, temperature)
        reading = await box.next(Reading, temperature)
        acknowledged = await box.link.command(fan, True)
        await box.until(fan, value=True)

    assert (found.entity.capability, found.entity.unit) == (Capability.SENSOR, "°C")
    assert found.entity.device.name == "客厅温度计"
    assert reading.value == 21.5
    assert acknowledged


class Hasty(Resource):
    """Says what it became before it answers that it was told."""

    def write(self, value: bytes, _at_s: float) -> None:
        self._todo.append(value)
        self._go_on()


async def test_who_is_content_with_a_word_that_comes_before_the_answer_breaks_nothing(start: Start) -> None:
    port, light = free_port(), EntityId("coap.lamp.3311.0.5850")
    broken: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    lamp = StaticDevice(endpoint="lamp", url=f"coap://127.0.0.1:{port}")
    async with (
        coap_wire(port, {"3311/0/5850": Hasty(b"0")}),
        start(CoapConfig(port=0, devices=(lamp,))) as box,
    ):
        await box.until(light, value=False)
        with box.link.events.subscribe() as said:
            for wanted in (True, False) * 5:
                telling = asyncio.create_task(box.link.command(light, wanted), name="tell")

                def enough(
                    event: LinkEvent, wanted: bool = wanted, telling: asyncio.Task[bool] = telling
                ) -> None:
                    if isinstance(event, Reading) and event.value is wanted:
                        telling.cancel()

                heeding = asyncio.create_task(said.heed_each(enough), name="heed")
                async with asyncio.timeout(10):
                    await asyncio.wait({telling})
                heeding.cancel()
                await asyncio.wait({heeding})
    assert broken == []


async def test_each_change_is_heard_and_at_the_end_the_device_is_told(start: Start) -> None:
    value = Value("20")
    with value.observers.subscribe() as observers:
        async with peer({"/3303/0/5700": value}) as device:
            async with start(CoapConfig(port=0, admission="open")) as box:
                await device.register(box.port, LINKS)
                await box.until(TEMPERATURE, 20)
                for text in ("21.5", "22"):
                    value.become(text)
                    await box.until(TEMPERATURE, float(text))
            counts = [await anext(observers) for _ in range(2)]
    assert counts == [1, 0]


async def test_a_value_that_grew_old_is_asked_for_anew(start: Start) -> None:
    value = Value("20", max_age_s=1)
    async with (
        peer({"/3303/0/5700": value}) as device,
        start(CoapConfig(port=0, admission="open", margin_s=0.1)) as box,
    ):
        await device.register(box.port, LINKS)
        await box.until(TEMPERATURE, 20)
        value.text = "30"  # and the notification of it is lost
        await box.until(TEMPERATURE, 30)


async def test_a_device_that_falls_silent_is_unavailable_until_it_is_back(start: Start) -> None:
    config = CoapConfig(port=0, admission="open", margin_s=0.1, longest_pause_s=0.2)
    port = free_port()
    async with start(config) as box:
        async with peer({"/3303/0/5700": Value("20", max_age_s=1)}, port) as device:
            await device.register(box.port, LINKS)
            await box.until(TEMPERATURE, 20)
        silent = await box.next(Availability, TEMPERATURE)
        while silent.available:
            silent = await box.next(Availability, TEMPERATURE)
        async with peer({"/3303/0/5700": Value("25")}, port):
            back = await box.next(Availability, TEMPERATURE)
            reading = await box.next(Reading, TEMPERATURE)
    assert (back.available, reading.value) == (True, 25)


async def test_a_device_that_restarts_elsewhere_is_followed_there(start: Start) -> None:
    async with start(CoapConfig(port=0, admission="open")) as box:
        async with peer({"/3303/0/5700": Value("20")}) as device:
            await device.register(box.port, LINKS)
            await box.until(TEMPERATURE, 20)
        async with peer({"/3303/0/5700": Value("25")}) as device:
            await device.register(box.port, LINKS)
            await box.until(TEMPERATURE, 25)


async def test_a_restarted_box_knows_its_devices_without_being_told(start: Start) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device:
        async with start(CoapConfig(port=0, admission="open")) as box:
            location = await device.register(box.port, LINKS)
            config = CoapConfig(port=box.port, admission="open")
            await box.until(TEMPERATURE, 20)
        async with start(config) as box:
            await box.until(TEMPERATURE, 20)
            updated = await device.ask(aiocoap.POST, location)
    assert updated.code == aiocoap.CHANGED


async def test_a_device_that_takes_its_leave_is_gone(start: Start) -> None:
    async with (
        start(CoapConfig(port=0, admission="open")) as box,
        peer({"/3303/0/5700": Value("20")}) as device,
    ):
        location = await device.register(box.port, LINKS)
        await box.until(TEMPERATURE, 20)
        left = await device.ask(aiocoap.DELETE, location)
        await box.next(Lost, TEMPERATURE)
        again = await device.ask(aiocoap.DELETE, location)
    assert (left.code, again.code) == (aiocoap.DELETED, aiocoap.NOT_FOUND)


async def test_a_device_not_heard_of_for_its_lifetime_is_unavailable(start: Start) -> None:
    async with (
        start(CoapConfig(port=0, admission="open")) as box,
        peer({"/3303/0/5700": Value("20")}) as device,
    ):
        await device.register(box.port, "</3303/0/5700>", lifetime_s=1)
        await box.until(TEMPERATURE, 20)
        assert await box.next(Availability, TEMPERATURE) == Availability(TEMPERATURE, available=False)


async def test_a_resource_that_a_device_no_longer_has_is_gone(start: Start) -> None:
    async with (
        start(CoapConfig(port=0, admission="open")) as box,
        peer({"/3303/0/5700": Value("20")}) as device,
    ):
        await device.register(box.port, LINKS)
        await device.register(box.port, "</3303/0/5700>")
        await box.next(Lost, SWITCH)
        await box.until(TEMPERATURE, 20)


async def test_a_command_is_refused_lost_or_done(start: Start) -> None:
    resources: dict[str, resource.Resource] = {
        "/3306/0/5850": Value("0"),
        "/3306/1/5850": Value("0", refuses=True),
    }
    config = CoapConfig(port=0, admission="open", command_timeout_s=0.5)
    async with start(config) as box:
        async with peer(resources) as device:
            await device.register(box.port, "</3306/0/5850>,</3306/1/5850>")
            await box.until(SWITCH, value=False)
            assert await box.link.command(SWITCH, value=True)
            await box.until(SWITCH, value=True)
            with pytest.raises(DeviceRefusedError):
                await box.link.command(EntityId("coap.ep1.3306.1.5850"), value=True)
        with pytest.raises(LinkDownError):
            await box.link.command(SWITCH, value=False)
        with pytest.raises(LinkDownError):
            await box.link.command(EntityId("coap.nobody.1"), value=False)


class Lamp(Value):
    """A lamp that says by itself what it became, or keeps that to itself.

    Attributes:
        asked: How often it was, beside being observed.
    """

    def __init__(self, *, mute: bool) -> None:
        super().__init__("0")
        self.asked = 0
        self._mute = mute

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        self.asked += request.opt.observe is None
        return await super().render_get(request)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        if not self._mute:
            return await super().render_put(request)
        self.text = request.payload.decode()
        return aiocoap.Message(code=aiocoap.CHANGED)


@pytest.mark.parametrize("mute", [False, True], ids=["says so", "mute"])
async def test_a_lamp_is_asked_what_it_became_if_it_does_not_say_so(start: Start, mute: bool) -> None:
    lamp = Lamp(mute=mute)
    async with start(CoapConfig(port=0, admission="open")) as box, peer({"/3306/0/5850": lamp}) as device:
        await device.register(box.port, "</3306/0/5850>;obs")
        await box.until(SWITCH, value=False)
        for value in (True, False):
            assert await box.link.command(SWITCH, value=value)
            await box.until(SWITCH, value=value)
    assert lamp.asked == (2 if mute else 0)


async def test_a_device_of_the_configuration_is_found_by_its_own_list(start: Start) -> None:
    site = {"/3303/0/5700": Value("20")}
    port = free_port()
    devices = (StaticDevice(endpoint="cellar", url=f"coap://127.0.0.1:{port}"),)
    async with start(CoapConfig(port=0, admission="open", devices=devices, longest_pause_s=0.2)) as box:
        core = resource.Site()
        core.add_resource(["3303", "0", "5700"], site["/3303/0/5700"])
        listing = resource.WKCResource(core.get_resources_as_linkheader)
        async with peer({**site, "/.well-known/core": listing}, port):
            await box.until(EntityId("coap.cellar.3303.0.5700"), 20)


async def test_a_taken_port_is_one_clear_error(serve: Serve) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        endpoint = CoapEndpoint(CoapConfig(port=other.getsockname()[1]))
        with pytest.raises(CoapPortError, match="is in use"):
            async with serve(endpoint):
                pass


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("", "", aiocoap.BAD_REQUEST),
        ("ep=a/b", "", aiocoap.BAD_REQUEST),
        ("ep=a%23", "", aiocoap.BAD_REQUEST),
        ("ep=a&ep=b", "", aiocoap.BAD_REQUEST),
        ("ep=a&lt=0", "", aiocoap.BAD_REQUEST),
        ("ep=a&lt=-1", "", aiocoap.BAD_REQUEST),
        ("ep=a&lt=99999999999", "", aiocoap.BAD_REQUEST),
        ("ep=a&base=coap%3A%2F%2F10.1.2.3", "", aiocoap.BAD_REQUEST),
        ("ep=a&base=http%3A%2F%2F127.0.0.1", "", aiocoap.BAD_REQUEST),
        ("ep=a&base=coap%3A%2F%2F%5B", "", aiocoap.BAD_REQUEST),
        ("ep=a", "not links", aiocoap.BAD_REQUEST),
        ("ep=a", "</a>," * 6000 + "</a>", aiocoap.REQUEST_ENTITY_TOO_LARGE),
        ("ep=full", "</a>", aiocoap.SERVICE_UNAVAILABLE),
    ],
)
async def test_a_wrong_registration_is_refused_with_a_reason(
    start: Start, query: str, body: str, code: aiocoap.Code
) -> None:
    async with start(CoapConfig(port=0, admission="open", max_devices=1)) as box, peer() as device:
        if query == "ep=full":
            await device.register(box.port, "")
        answer = await device.ask(
            aiocoap.POST, f"coap://127.0.0.1:{box.port}/rd?{query}", body.encode(), content_format=40
        )
    assert answer.code == code
