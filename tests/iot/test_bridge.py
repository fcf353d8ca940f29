import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.iot.bridge import REST_S, BridgeConfig, BridgeOut
from gateway.iot.bridge_topics import Topics, component_of, ordered, state_text
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, State
from gateway.iot.entity import Value as EntityValue
from gateway.iot.link import Found, LinkEvent, Lost
from gateway.iot.registry import Registry
from gateway.mqtt import Message
from gateway.pubsub import Publisher
from tests.conftest import Serve
from tests.iot.coap_peers import Value, peer
from tests.iot.house import BOX, House, house, mosquitto

TEMPERATURE = EntityId("coap.ep1.3303.0.5700")
SWITCH = EntityId("coap.ep1.3306.0.5850")
LINKS = '</3303/0/5700>;title="Cellar",</3306/0/5850>'
TEMPERATURE_TOPIC = f"gateway/{BOX}/coap_ep1_3303_0_5700"
SWITCH_TOPIC = f"gateway/{BOX}/coap_ep1_3306_0_5850"
TEMPERATURE_CONFIG = "homeassistant/sensor/gateway_box-1/coap_ep1_3303_0_5700/config"
THERMOMETER = Entity(
    id=TEMPERATURE,
    device=Device(id=DeviceId("coap.ep1"), name="ep1", link="coap"),
    name="Cellar",
    capability=Capability.SENSOR,
)


def entity_of(
    capability: Capability,
    bounds: tuple[float | None, float | None, float] = (None, None, 0.0),
    words: str = "",
) -> Entity:
    minimum, maximum, step = bounds
    return Entity(
        id=EntityId("coap.d.x"),
        device=Device(id=DeviceId("coap.d"), name="D", link="coap"),
        name="X",
        capability=capability,
        choices=tuple(words.split()),
        minimum=minimum,
        maximum=maximum,
        step=step,
    )


class SilentLink:
    """See `gateway.iot.link.Link`.  Says what the test says."""

    name = "coap"

    def __init__(self) -> None:
        self.events: Publisher[LinkEvent] = Publisher()

    async def run(self, ready: Callable[[], None]) -> None:
        ready()

    async def command(self, entity: EntityId, value: EntityValue) -> bool:
        del entity, value
        return False


@pytest.fixture
async def broker_port(tmp_path: Path) -> AsyncIterator[int]:
    async with mosquitto(tmp_path) as port:
        yield port


@pytest.fixture
async def home(tmp_path: Path, serve: Serve, broker_port: int) -> AsyncIterator[House]:
    async with house(tmp_path, serve, broker_port, bridge=BridgeConfig(sweep_after_s=1)) as home:
        yield home


async def test_a_coap_sensors_change_reaches_an_mqtt_subscriber(home: House) -> None:
    value = Value("20")
    async with peer({"/3303/0/5700": value}) as device, home.listening("#") as listener:
        await device.register(home.endpoint.port, LINKS)
        await listener.until(f"{TEMPERATURE_TOPIC}/state", "20")
        value.become("21.5")
        await listener.until(f"{TEMPERATURE_TOPIC}/state", "21.5")


async def test_a_coap_device_is_announced_as_home_assistant_expects(home: House) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device, home.listening("homeassistant/#") as listener:
        await device.register(home.endpoint.port, LINKS)
        announced = json.loads(await listener.next(TEMPERATURE_CONFIG))
    assert announced == {
        "name": "Cellar",
        "unique_id": "gateway_box-1_coap_ep1_3303_0_5700",
        "object_id": "coap_ep1_3303_0_5700",
        "state_topic": f"{TEMPERATURE_TOPIC}/state",
        "availability": [
            {"topic": f"gateway/{BOX}/status"},
            {"topic": f"{TEMPERATURE_TOPIC}/availability"},
        ],
        "availability_mode": "all",
        "device_class": "temperature",
        "unit_of_measurement": "°C",
        "device": {"identifiers": ["gateway_box-1_coap.ep1"], "name": "ep1"},
        "origin": {"name": "gateway"},
    }


async def test_a_coap_switch_is_switched_from_mqtt_and_reports_there(home: House) -> None:
    async with peer({"/3306/0/5850": Value("0")}) as device, home.listening(f"{SWITCH_TOPIC}/#") as listener:
        await device.register(home.endpoint.port, LINKS)
        await listener.until(f"{SWITCH_TOPIC}/state", "OFF")
        for order, value in ((b"perhaps", False), (b"ON", True), (b"OFF", False)):
            await home.client.publish(Message(f"{SWITCH_TOPIC}/set", order))
            if order != b"perhaps":
                await listener.until(f"{SWITCH_TOPIC}/state", "ON" if value else "OFF")


async def test_an_order_kept_by_the_broker_is_not_obeyed(home: House) -> None:
    async with peer({"/3306/0/5850": Value("0")}) as device, home.listening(f"{SWITCH_TOPIC}/#") as listener:
        await home.retain(f"{SWITCH_TOPIC}/set", b"ON")
        await device.register(home.endpoint.port, LINKS)
        await listener.until(f"{SWITCH_TOPIC}/state", "OFF")
        await home.client.publish(Message(f"{SWITCH_TOPIC}/set", b"OFF"))
        await listener.until(f"{SWITCH_TOPIC}/state", "OFF")
    assert [command.value for command in home.commands.recent] == [False]


async def test_what_has_gone_is_taken_back(home: House) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device, home.listening("#") as listener:
        await device.register(home.endpoint.port, LINKS)
        await listener.until(f"{TEMPERATURE_TOPIC}/state", "20")
        await device.register(home.endpoint.port, "")
        await listener.until(TEMPERATURE_CONFIG, "")
        await listener.until(f"{TEMPERATURE_TOPIC}/state", "")


async def test_what_an_earlier_run_left_behind_is_swept(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    async with house(tmp_path, serve, broker_port) as before:
        ghost = "homeassistant/switch/gateway_box-1/coap_ghost/config"
        await before.retain(ghost, {"unique_id": "x", "state_topic": f"gateway/{BOX}/coap_ghost/state"})
        await before.retain("homeassistant/switch/stranger/x/config", b"{}")
    bridge = BridgeConfig(sweep_after_s=1)
    async with house(tmp_path, serve, broker_port, bridge=bridge) as home, home.listening("#") as listener:
        await listener.until(ghost, "")
        async with home.listening("homeassistant/switch/#") as others:
            assert await others.next("homeassistant/switch/stranger/x/config") == "{}"


async def test_what_an_earlier_run_announced_and_is_there_again_stays(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    ghost = "homeassistant/switch/gateway_box-1/coap_ghost/config"
    async with house(tmp_path, serve, broker_port) as home, home.listening("homeassistant/#") as listener:
        for announcement in (TEMPERATURE_CONFIG, ghost):
            await home.retain(announcement, {"unique_id": "x", "state_topic": "of/an/earlier/life"})
        link = SilentLink()
        registry = Registry([link])
        bridge = BridgeOut(Topics(BOX), home.client, registry, home.commands, BridgeConfig(sweep_after_s=1))
        async with serve(registry), serve(bridge):
            # A device registers a moment after the box has heard what it left behind.
            await asyncio.sleep(0.3)
            link.events.publish(Found(THERMOMETER))
            await listener.until(ghost, "")
            async with home.listening(TEMPERATURE_CONFIG) as later:
                assert "Cellar" in await later.next(TEMPERATURE_CONFIG)


async def test_what_went_while_the_bridge_was_down_is_swept(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    async with house(tmp_path, serve, broker_port) as home, home.listening("homeassistant/#") as listener:
        link = SilentLink()
        registry = Registry([link])
        bridge = BridgeOut(Topics(BOX), home.client, registry, home.commands, BridgeConfig(sweep_after_s=1))
        async with serve(registry):
            link.events.publish(Found(THERMOMETER))
            async with serve(bridge):
                await listener.next(TEMPERATURE_CONFIG)
            with registry.changes.subscribe() as changes:
                link.events.publish(Lost(TEMPERATURE))
                await anext(changes)
            async with serve(bridge):
                await listener.until(TEMPERATURE_CONFIG, "")


async def test_who_speaks_without_a_pause_is_told_with_pauses_and_its_newest_word_stands(
    home: House, serve: Serve
) -> None:
    link = SilentLink()
    registry = Registry([link])
    bridge = BridgeOut(Topics(BOX), home.client, registry, home.commands, BridgeConfig())
    said, heard, loop = 200, list[str](), asyncio.get_running_loop()
    async with serve(registry), serve(bridge), home.listening(f"{TEMPERATURE_TOPIC}/state") as listener:
        link.events.publish(Found(THERMOMETER))
        begun_s = loop.time()
        for number in range(said + 1):
            link.events.publish(Reading(TEMPERATURE, number, datetime.now(UTC)))
            await asyncio.sleep(0.002)  # time enough to be told, were it told each time
        took_s = loop.time() - begun_s
        while not heard or heard[-1] != str(said):
            heard.append(await listener.next(f"{TEMPERATURE_TOPIC}/state"))
    assert heard == sorted(heard, key=int)
    assert len(heard) <= took_s / REST_S + 3


async def test_the_box_does_not_take_its_own_announcements_for_devices(home: House) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device, home.listening("#") as listener:
        await device.register(home.endpoint.port, LINKS)
        await listener.until(f"{TEMPERATURE_TOPIC}/state", "20")
        await home.retain(
            "homeassistant/sensor/last/config", {"unique_id": "last", "state_topic": "last/state"}
        )
        await home.state(EntityId("mqtt.last"))
    assert set(home.registry.states) == {TEMPERATURE, SWITCH, "mqtt.last"}


async def test_a_device_that_falls_silent_is_offline_in_mqtt(home: House) -> None:
    async with home.listening(f"{TEMPERATURE_TOPIC}/#") as listener:
        async with peer({"/3303/0/5700": Value("20", max_age_s=1)}) as device:
            await device.register(home.endpoint.port, LINKS)
            await listener.until(f"{TEMPERATURE_TOPIC}/state", "20")
        await listener.until(f"{TEMPERATURE_TOPIC}/availability", "offline")


@pytest.mark.parametrize(
    ("entity", "more"),
    [
        (
            entity_of(Capability.NUMBER, (0.0, 50.0, 0.5)),
            {"min": 0.0, "max": 50.0, "step": 0.5},
        ),
        (entity_of(Capability.NUMBER), {"min": -1e9, "max": 1e9, "step": 1.0}),
        (entity_of(Capability.NUMBER, (0.0, 1.0, 1e-6)), {"step": 1e-3}),
        (entity_of(Capability.SELECT, words="eco day"), {"options": ["eco", "day"]}),
        (
            entity_of(Capability.LOCK, words="locked unlocked"),
            {"payload_lock": "locked", "payload_unlock": "unlocked", "state_jammed": "jammed"},
        ),
        (
            entity_of(Capability.COVER, words="open closed"),
            {"payload_open": "open", "payload_close": "closed", "payload_stop": None},
        ),
        (entity_of(Capability.BUTTON), {"payload_press": "PRESS"}),
    ],
)
def test_what_a_thing_can_become_is_announced(entity: Entity, more: dict[str, object]) -> None:
    document = json.loads(Topics(BOX).document(entity))
    assert {key: document.get(key) for key in more} == more
    assert document["command_topic"].endswith("/set")


@pytest.mark.parametrize(
    ("entity", "payload", "value"),
    [
        (entity_of(Capability.NUMBER, (0.0, 50.0, 0.0)), b" 21.5 ", 21.5),
        (entity_of(Capability.NUMBER, (0.0, 50.0, 0.0)), b"51", None),
        (entity_of(Capability.NUMBER), b"nan", None),
        (entity_of(Capability.NUMBER), b"ON", None),
        (entity_of(Capability.BUTTON), b"PRESS", True),
        (entity_of(Capability.BUTTON), b"ON", None),
        (entity_of(Capability.COVER, words="open"), b"closed", None),
        (entity_of(Capability.SELECT, words="eco ON"), b"ON", "ON"),
        (entity_of(Capability.SELECT, words="eco"), b"day", None),
        (entity_of(Capability.LIGHT), b"on", True),
        (entity_of(Capability.SENSOR), b"ON", None),
    ],
)
def test_an_order_is_understood_or_passed_over(
    entity: Entity, payload: bytes, value: EntityValue | None
) -> None:
    assert ordered(entity, payload) == value


def test_a_whole_number_is_handed_on_as_one() -> None:
    assert repr(ordered(entity_of(Capability.NUMBER), b"75.0")) == "75"


@pytest.mark.parametrize(
    ("entity", "name"),
    [
        (entity_of(Capability.SWITCH), "X"),
        (replace(entity_of(Capability.SWITCH), name="D"), None),
        (replace(entity_of(Capability.NUMBER), name="D", part="color_temp"), "color temp"),
        (replace(entity_of(Capability.NUMBER), part="brightness"), "X brightness"),
    ],
)
def test_a_name_does_not_repeat_the_devices(entity: Entity, name: str | None) -> None:
    assert json.loads(Topics(BOX).document(entity))["name"] == name


@pytest.mark.parametrize(
    ("entity", "value", "text"),
    [
        (replace(entity_of(Capability.SENSOR), unit="°C"), "warm", b"None"),
        (replace(entity_of(Capability.SENSOR), unit="°C"), "21.5", b"21.5"),
        (replace(entity_of(Capability.SENSOR), unit="°C"), math.inf, b"None"),
        (replace(entity_of(Capability.SENSOR), device_class="ph"), True, b"None"),
        (entity_of(Capability.SENSOR), "warm", b"warm"),
        (entity_of(Capability.SENSOR), True, b"true"),
        (entity_of(Capability.SWITCH), True, b"ON"),
    ],
)
def test_where_numbers_are_awaited_nothing_else_is_said(
    entity: Entity, value: EntityValue, text: bytes
) -> None:
    assert state_text(State(entity, value)) == text


@pytest.mark.parametrize(
    ("entity", "component"),
    [
        (entity_of(Capability.LOCK, words="locked"), "lock"),
        (entity_of(Capability.LOCK), "sensor"),
        (entity_of(Capability.ALARM, words="disarmed"), "alarm_control_panel"),
        (entity_of(Capability.EVENT), "sensor"),
        (entity_of(Capability.BUTTON), "button"),
        (entity_of(Capability.NUMBER, (0.0, 0.0, 1.0)), "sensor"),
    ],
)
def test_what_cannot_be_told_is_a_sensor(entity: Entity, component: str) -> None:
    assert component_of(entity) == component
    assert ("command_topic" in json.loads(Topics(BOX).document(entity))) is (component != "sensor")


@pytest.mark.parametrize(("said", "announced"), [("ph", "ph"), ("comfort", None), ("timestamp", None)])
def test_only_classes_that_home_assistant_knows_are_announced(said: str, announced: str | None) -> None:
    document = json.loads(Topics(BOX).document(replace(entity_of(Capability.SENSOR), device_class=said)))
    assert document.get("device_class") == announced
