"""Home Assistant itself at the box's broker: it shows the home's CoAP devices and switches them."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiocoap
import pytest
import pytest_asyncio

from gateway.iot import commands_table
from gateway.iot.bridge import BridgeConfig, BridgeOut
from gateway.iot.bridge_topics import Topics
from gateway.iot.commands import Commands
from gateway.iot.commands_model import CommandState
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading
from gateway.iot.entity import Value as EntityValue
from gateway.iot.link import Found, LinkEvent
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress, Message
from gateway.mqtt_client import MqttClient
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.coap_peers import Value, peer
from tests.iot.home_assistant import Installed, Owner, alone, home_assistant, sought
from tests.iot.house import BOX, House, house, mosquitto

# Starting it may take its time; nothing here is measured.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SENSOR, LAMP, DIMMER = (
    "sensor.coap_ep1_3303_0_5700",
    "light.coap_ep1_3311_0_5850",
    "number.coap_ep1_3311_0_5851",
)


@dataclass(frozen=True)
class Hubs:
    """Home Assistant, and the broker it shares with the box."""

    second: Installed
    broker_port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hubs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hubs]:
    folder = tmp_path_factory.mktemp("home-assistant")
    async with mosquitto(folder) as port, home_assistant(folder, port) as second:
        yield Hubs(second, port)


@pytest.fixture
async def owner(hubs: Hubs) -> AsyncIterator[Owner]:
    """The owner, who in the end has heard no complaint and sent nothing out of the house."""
    had = len(hubs.second.complaints)
    async with hubs.second.owner() as owner:
        yield owner
    assert hubs.second.complaints[had:] == []
    assert sought(hubs.second.folder) == []


@pytest.fixture
async def home(tmp_path: Path, serve: Serve, hubs: Hubs) -> AsyncIterator[House]:
    """The box, which in the end has taken nothing that it announced for a device."""
    bridge = BridgeConfig(sweep_after_s=1)
    async with house(tmp_path, serve, hubs.broker_port, bridge=bridge, deadline_s=1) as home:
        yield home
        assert not [each for each in home.registry.states if each.startswith(f"mqtt.gateway_{BOX}")]


class Lamp(Value):
    """A lamp that takes its time, and may leave it at a promise."""

    def __init__(self) -> None:
        super().__init__("0")
        self.heard = asyncio.Event()
        self.may = asyncio.Event()
        self.obeys = True

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Say that it is done, when it may."""
        self.heard.set()
        await self.may.wait()
        return await super().render_put(request) if self.obeys else aiocoap.Message(code=aiocoap.CHANGED)


async def test_it_shows_what_a_coap_sensor_says(home: House, owner: Owner) -> None:
    value = Value("20")
    async with peer({"/3303/0/5700": value}) as device:
        await device.register(home.endpoint.port, '</3303/0/5700>;title="Cellar"')
        shown = await owner.until(SENSOR, "20")
        value.become("21.5")
        await owner.until(SENSOR, "21.5")
    assert (shown["device_class"], shown["unit_of_measurement"]) == ("temperature", "°C")
    assert shown["friendly_name"] == "ep1 Cellar"


async def test_a_coap_lamp_that_it_switches_is_on_when_the_lamp_says_so(home: House, owner: Owner) -> None:
    lamp, dimmer = Lamp(), Value("40")
    async with peer({"/3311/0/5850": lamp, "/3311/0/5851": dimmer}) as device:
        await device.register(home.endpoint.port, '</3311/0/5850>;title="Lamp",</3311/0/5851>;title="Lamp"')
        await owner.until(LAMP, "off")

        await owner.call("light.turn_on", LAMP)
        await lamp.heard.wait()
        before = await owner.ask(LAMP)
        lamp.may.set()
        await owner.until(LAMP, "on")
        assert (before and before["state"], lamp.text) == ("off", "1")

        await owner.call("light.turn_off", LAMP)
        await owner.until(LAMP, "off")
        assert lamp.text == "0"

        await owner.until(DIMMER, "40")
        await owner.call("number.set_value", DIMMER, value=75)
        await owner.until(DIMMER, "75")
        assert dimmer.text == "75"
    assert owner.past[LAMP].count("on") == 1


async def test_a_lamp_that_only_promises_is_not_shown_as_lit(home: House, owner: Owner) -> None:
    lamp = Lamp()
    lamp.may.set()
    lamp.obeys = False
    async with peer({"/3311/0/5850": lamp}) as device:
        await device.register(home.endpoint.port, "</3311/0/5850>")
        await owner.until(LAMP, "off")
        with home.commands.changes.subscribe() as steps:
            await owner.call("light.turn_on", LAMP)
            async with asyncio.timeout(30):
                while not (step := await anext(steps)).state.over:
                    pass
        lamp.become("0")
        await owner.until(LAMP, "off")
    assert step.state is CommandState.EXPIRED
    assert lamp.heard.is_set()
    assert "on" not in owner.past[LAMP]


async def test_what_goes_is_unavailable_until_it_is_back_and_what_takes_its_leave_is_gone(
    home: House, owner: Owner
) -> None:
    async with peer({"/3303/0/5700": Value("18", max_age_s=1)}) as device:
        await device.register(home.endpoint.port, "</3303/0/5700>")
        await owner.until(SENSOR, "18")
    await owner.until(SENSOR, "unavailable")
    async with peer({"/3303/0/5700": Value("17", max_age_s=1)}) as device:
        registration = await device.register(home.endpoint.port, "</3303/0/5700>")
        await owner.until(SENSOR, "17")
        device_in_its_registry = f"{{{{ device_id('{SENSOR}') }}}}"
        assert await owner.work_out(device_in_its_registry) != "None"
        await device.ask(aiocoap.DELETE, registration)
        await owner.until(SENSOR, None)
    assert await owner.work_out(device_in_its_registry) == "None"


async def test_when_the_box_goes_all_of_it_is_unavailable(
    tmp_path: Path, serve: Serve, hubs: Hubs, owner: Owner
) -> None:
    value = Value("16")
    async with peer({"/3303/0/5700": value}) as device:
        async with house(tmp_path, serve, hubs.broker_port) as home:
            await device.register(home.endpoint.port, "</3303/0/5700>")
            await owner.until(SENSOR, "16")
        await owner.until(SENSOR, "unavailable")
        async with house(tmp_path, serve, hubs.broker_port):
            await owner.until(SENSOR, "16")


def test_what_it_would_seek_outside_is_refused_and_noted(tmp_path: Path) -> None:
    program = "import socket; socket.create_connection(('192.0.2.1', 443), 1)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=alone(tmp_path), capture_output=True, check=False
    )
    assert b"192.0.2.1 is not on this machine" in done.stderr
    assert sought(tmp_path) == ["socket.getaddrinfo 192.0.2.1"]


class Shelf:
    """See `gateway.iot.link.Link`.  Has things of every kind, and each does as it is told."""

    name = "coap"

    def __init__(self) -> None:
        self.events: Publisher[LinkEvent] = Publisher()
        self.told: list[EntityValue] = []

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: EntityValue) -> bool:
        self.told.append(value)
        self.events.publish(Reading(entity, value, datetime.now(UTC)))
        return True

    def put(self, said: EntityValue | None, capability: Capability, name: str, **more: Any) -> None:  # noqa: ANN401 - the attributes of an entity
        """Have one more thing, called `name`, that reports what it `said`."""
        device = Device(id=DeviceId("coap.shelf"), name="Shelf", link="coap")
        entity = Entity(
            id=EntityId(f"coap.shelf.{name.lower()}"),
            device=device,
            name=name,
            capability=capability,
            **more,
        )
        self.events.publish(Found(entity))
        if said is not None:
            self.events.publish(Reading(entity.id, said, datetime.now(UTC)))


@pytest.fixture
async def shelf(tmp_path: Path, serve: Serve, hubs: Hubs) -> AsyncIterator[Shelf]:
    """The shelf in another box."""
    topics = Topics("box-2")
    birth = Message("gateway/box-2/status", b"online", retain=True)
    client = MqttClient(BrokerAddress("127.0.0.1", hubs.broker_port), "box-2", birth=birth)
    store = Store(tmp_path / "shelf.db", {"commands": commands_table.MIGRATIONS})
    shelf = Shelf()
    registry = Registry([shelf])
    orders = Commands(store, registry, [shelf])
    services = (store, client, registry, orders, BridgeOut(topics, client, registry, orders), shelf)
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(serve(service))
        yield shelf


async def test_it_can_tell_everything_what_to_become(shelf: Shelf, owner: Owner) -> None:
    shelf.put(False, Capability.SWITCH, "Plug", device_class="outlet")
    shelf.put(False, Capability.LIGHT, "Lamp")
    shelf.put(False, Capability.FAN, "Fan")
    shelf.put(20, Capability.NUMBER, "Target", device_class="temperature", unit="°C", minimum=5, step=0.5)
    shelf.put("eco", Capability.SELECT, "Program", choices=("eco", "day"))
    shelf.put("off", Capability.CLIMATE, "Heating", choices=("off", "heat"))
    shelf.put("closed", Capability.COVER, "Blind", choices=("open", "closed", "stopped"))
    shelf.put("locked", Capability.LOCK, "Door", choices=("locked", "unlocked"))
    shelf.put("disarmed", Capability.ALARM, "Alarm", choices=("disarmed", "armed_away"))
    shelf.put(None, Capability.BUTTON, "Bell")
    wishes: tuple[tuple[str, str, str, dict[str, object], EntityValue, str], ...] = (
        ("switch.coap_shelf_plug", "off", "switch.turn_on", {}, True, "on"),
        ("light.coap_shelf_lamp", "off", "light.turn_on", {}, True, "on"),
        ("fan.coap_shelf_fan", "off", "fan.turn_on", {}, True, "on"),
        ("number.coap_shelf_target", "20", "number.set_value", {"value": 21.5}, 21.5, "21.5"),
        ("select.coap_shelf_program", "eco", "select.select_option", {"option": "day"}, "day", "day"),
        ("climate.coap_shelf_heating", "off", "climate.set_hvac_mode", {"hvac_mode": "heat"}, "heat", "heat"),
        ("cover.coap_shelf_blind", "closed", "cover.open_cover", {}, "open", "open"),
        ("lock.coap_shelf_door", "locked", "lock.unlock", {}, "unlocked", "unlocked"),
        (
            "alarm_control_panel.coap_shelf_alarm",
            "disarmed",
            "alarm_control_panel.alarm_arm_away",
            {},
            "armed_away",
            "armed_away",
        ),
    )
    for entity, was, service, more, told, becomes in wishes:
        await owner.until(entity, was)
        await owner.call(service, entity, **more)
        await owner.until(entity, becomes)
        assert shelf.told.pop() == told
    await owner.until("button.coap_shelf_bell", "unknown")
    with shelf.events.subscribe() as events:
        await owner.call("button.press", "button.coap_shelf_bell")
        async with asyncio.timeout(30):
            await anext(events)
    assert shelf.told == [True]


async def test_it_shows_everything_that_only_tells(shelf: Shelf, owner: Owner) -> None:
    shelf.put(3.5, Capability.SENSOR, "Distance", device_class="distance", unit="m")
    shelf.put(7, Capability.SENSOR, "Comfort", device_class="comfort", unit="points")
    shelf.put("warm", Capability.SENSOR, "Heat", device_class="temperature", unit="°C")
    shelf.put(True, Capability.BINARY_SENSOR, "Shelf", device_class="door")
    shelf.put("double", Capability.EVENT, "Switch", device_class="button")
    shelf.put("1.2.3", Capability.UPDATE, "Firmware", device_class="firmware")
    shelf.put("jammed", Capability.LOCK, "Safe")
    shelf.put("eco", Capability.SELECT, "Mode", part="preset_mode")
    seen = {
        "sensor.coap_shelf_distance": ("3.5", "Shelf Distance", "distance"),
        "sensor.coap_shelf_comfort": ("7", "Shelf Comfort", None),
        "sensor.coap_shelf_heat": ("unknown", "Shelf Heat", "temperature"),
        "binary_sensor.coap_shelf_shelf": ("on", "Shelf", "door"),
        "sensor.coap_shelf_switch": ("double", "Shelf Switch", None),
        "sensor.coap_shelf_firmware": ("1.2.3", "Shelf Firmware", None),
        "sensor.coap_shelf_safe": ("jammed", "Shelf Safe", None),
        "sensor.coap_shelf_mode": ("eco", "Shelf Mode preset mode", None),
    }
    for entity, (state, name, device_class) in seen.items():
        shown = await owner.until(entity, state)
        assert (shown["friendly_name"], shown.get("device_class")) == (name, device_class)
