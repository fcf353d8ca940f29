import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import aiocoap
import pytest

from gateway.iot.coap_cbor import encode_cbor
from gateway.iot.coap_endpoint import CoapConfig
from gateway.iot.coap_lwm2m import Lwm2mSession
from gateway.iot.coap_senml import SENML_CBOR, SENML_JSON, TEXT
from gateway.iot.commands_model import Command, CommandState
from gateway.iot.commands_refused import WrongValueError
from gateway.iot.entity import Capability, EntityId, Value
from gateway.iot.link import LinkDownError
from gateway.iot.lwm2m_objects import REBOOT, DeviceFacts, Inventory
from gateway.iot.lwm2m_values import TLV
from gateway.pubsub import Subscription
from tests.conftest import Serve
from tests.iot.coap_peers import Peer, peer
from tests.iot.house import BOX, COAP_CLIENT, House, house, mosquitto, output_of
from tests.iot.lwm2m_peers import Node, coap_node, node_device

THERMOMETER = {"/3303/0": {"5700": "21.5", "5701": "Cel"}}
LAMP = {"/3311/0": {"5850": "0", "5750": "客厅灯"}}
LABEL = {"/3/0": {"0": "ACME", "1": "42", "2": "S-7", "3": "1.0", "9": "88"}}

TEMPERATURE = EntityId("coap.ep1.3303.0.5700")
LIGHT = EntityId("coap.ep1.3311.0.5850")
TLV_ONLY = Inventory(root="", formats=(TLV,), instances=())
Fact = TypeVar("Fact")
OFF, ON = bytes.fromhex("e116da00"), bytes.fromhex("e116da01")


@pytest.fixture
async def home(tmp_path: Path, serve: Serve) -> AsyncIterator[House]:
    async with mosquitto(tmp_path) as port, house(tmp_path, serve, port) as home:
        yield home


async def ordered(home: House, entity: EntityId, value: Value) -> Command:
    """Order it and return what became of it."""
    with home.commands.changes.subscribe() as changes:
        command = await home.commands.order(entity, value)
        async with asyncio.timeout(20):
            while not command.state.over:
                changed = await anext(changes)
                command = changed if changed.id == command.id else command
    return command


async def first(subscription: Subscription[Fact]) -> Fact:
    """Return the next thing that is published."""
    async with asyncio.timeout(20):
        return await anext(subscription)


async def gone(home: House, entity: EntityId) -> None:
    """Wait until `entity` is no longer part of the home."""
    with home.registry.changes.subscribe() as changes:
        async with asyncio.timeout(20):
            while entity in home.registry.states:
                await anext(changes)


async def test_a_foreign_thermometer_is_on_the_screen_with_its_unit_and_its_label(home: House) -> None:
    entity = EntityId("coap.old.3303.0.5700")
    async with node_device(home.endpoint.port, THERMOMETER | LABEL) as device:
        state = await home.state(entity, value=21.5)
        battery = await home.state(EntityId("coap.old.3.0.9"), value=88)
        await device.tell("set /3303/0 5700 22.5")
        await home.state(entity, value=22.5)

    assert (state.entity.name, state.entity.unit, state.entity.capability) == (
        "温度",
        "°C",
        Capability.SENSOR,
    )
    assert (battery.entity.device_class, battery.entity.unit) == ("battery", "%")
    made = battery.entity.device
    assert (made.manufacturer, made.model, made.firmware) == ("ACME", "42", "1.0")


async def test_a_foreign_lamp_is_switched_and_says_so_itself(home: House) -> None:
    entity = EntityId("coap.old.3311.0.5850")
    async with node_device(home.endpoint.port, LAMP) as device:
        state = await home.state(entity, value=False)
        command = await ordered(home, entity, value=True)
        wrote = await device.says("wrote")
        await device.tell("set /3311/0 5850 0")
        await home.state(entity, value=False)

    assert (state.entity.name, state.entity.capability) == ("客厅灯", Capability.LIGHT)
    assert (command.state, wrote) == (CommandState.CONFIRMED, "/3311/0/5850 1")


async def test_a_foreign_device_with_a_codec_of_its_own_is_followed_and_switched(home: House) -> None:
    """It is read in LwM2M JSON, as it wants, and written in TLV."""
    temperature, light = EntityId("coap.node.3303.0.5700"), EntityId("coap.node.3311.0.5850")
    tree: dict[str, dict[str, Value]] = {"/3303/0": {"5700": 21.3, "5701": "Cel"}, "/3311/0": {"5850": False}}
    async with coap_node(home.endpoint.port, tree) as device:
        state = await home.state(temperature, value=21.3)
        await device.tell("set /3303/0 5700 -4.5")
        await home.state(temperature, value=-4.5)
        await home.state(light, value=False)
        command = await ordered(home, light, value=True)
        await device.tell("set /3311/0 5850 false")
        await home.state(light, value=False)
        tlv = Lwm2mSession(home.endpoint, home.link.lwm2m("node").base, TLV_ONLY, CoapConfig())
        said = await tlv.read((3303, 0))
        await device.tell("deregister")
        await gone(home, light)

    assert (command.state, state.entity.unit, state.entity.device.manufacturer) == (
        CommandState.CONFIRMED,
        "°C",
        "sivann",
    )
    assert {path: record.value for path, record in said.items()} == {
        (3303, 0, 5700): -4.5,
        (3303, 0, 5701): "Cel",
    }


async def test_a_foreign_lamp_is_dimmed(home: House) -> None:
    entity = EntityId("coap.old.3311.0.5851")
    async with node_device(home.endpoint.port, {"/3311/0": {"5850": "1", "5851": "40"}}) as device:
        state = await home.state(entity, value=40)
        command = await ordered(home, entity, value=70)
        wrote = await device.says("wrote")
        with pytest.raises(WrongValueError):
            await home.commands.order(entity, value=101)

    assert (state.entity.capability, state.entity.unit, state.entity.part) == (
        Capability.NUMBER,
        "%",
        "brightness",
    )
    assert (command.state, wrote) == (CommandState.CONFIRMED, "/3311/0/5851 70")


@pytest.mark.slow
async def test_a_foreign_device_that_drops_formats_it_does_not_know_is_asked_without(home: House) -> None:
    async with node_device(home.endpoint.port, THERMOMETER | LABEL, formats=[]):
        state = await home.state(EntityId("coap.old.3303.0.5700"), value=21.5)
    assert (state.entity.unit, state.entity.device.manufacturer) == ("°C", "ACME")


async def test_a_foreign_device_updates_is_rebooted_and_takes_its_leave(home: House) -> None:
    entity = EntityId("coap.old.3303.0.5700")
    async with node_device(home.endpoint.port, THERMOMETER | LABEL) as device:
        await home.state(entity, value=21.5)
        await device.tell("update")
        await device.says("updated")
        label = await home.link.lwm2m("old").label()
        await home.link.lwm2m("old").execute((3, 0, 4))
        executed = await device.says("executed")
        await device.tell("leave")
        await device.says("left")
        await gone(home, entity)

    assert label == DeviceFacts(manufacturer="ACME", model="42", serial="S-7", firmware="1.0")
    assert executed == "/3/0/4"


def degrees(value: float) -> bytes:
    """Resource 5700 as TLV."""
    return b"\xe4\x16\x44" + struct.pack(">f", value)


def said(path: str, value: Value) -> bytes:
    """One record of SenML in CBOR."""
    return encode_cbor([{-2: path, 4 if isinstance(value, bool) else 2: value}])


async def register(
    device: Peer,
    home: House,
    links: str,
    query: str = "lwm2m=1.1&b=U",
    *,
    name: str = "ep1",
    lifetime_s: int = 60,
) -> str:
    """Register as LwM2M clients do; returns the location's address."""
    url = f"{home.coap}/rd?ep={name}&lt={lifetime_s}&{query}"
    answer = await device.ask(aiocoap.POST, url, links.encode(), content_format=40)
    assert answer.code == aiocoap.CREATED, answer
    return f"{home.coap}/" + "/".join(answer.opt.location_path)


async def test_a_lamp_of_version_1_1_is_on_when_it_says_so_and_not_before(home: House) -> None:
    lamp = Node({SENML_CBOR: said("/3311/0/5850", value=False)}, takes={SENML_CBOR})
    instance = Node({SENML_CBOR: said("/3311/0/5850", value=False)})
    tree = {"/lwm2m/3311/0": instance, "/lwm2m/3311/0/5850": lamp}
    async with peer(tree) as device:
        await register(device, home, '</lwm2m>;rt="oma.lwm2m";ct=112,</lwm2m/1/0>,</lwm2m/3311/0>')
        await home.state(LIGHT, value=False)
        with home.commands.changes.subscribe() as changes, lamp.orders.subscribe() as orders:
            await home.commands.order(LIGHT, value=True)
            told = await first(orders)
            async with asyncio.timeout(20):
                while (await anext(changes)).state is not CommandState.ACKNOWLEDGED:
                    pass
            lit_before = home.registry.states[LIGHT].value
            lamp.become({SENML_CBOR: said("/3311/0/5850", value=True)})
            async with asyncio.timeout(20):
                while not (command := await anext(changes)).state.over:
                    pass

    assert told == (SENML_CBOR, encode_cbor([{0: "/3311/0/5850", 4: True}]))
    assert (lit_before, command.state) == (False, CommandState.CONFIRMED)
    assert home.registry.states[LIGHT].value is True


async def test_a_device_of_version_1_0_that_knows_tlv_only_is_read_and_written(home: House) -> None:
    lamp = Node({TLV: OFF}, takes={TLV})
    tree = {
        "/3303/0": Node({TLV: degrees(70) + b"\xe1\x16\x45F"}),
        "/3303/0/5700": (thermometer := Node({TLV: degrees(70)})),
        "/3311/0": Node({TLV: OFF}),
        "/3311/0/5850": lamp,
    }
    with home.registry.changes.subscribe() as changes:
        async with peer(tree) as device:
            await register(device, home, "</3303/0>,</3311/0>", "lwm2m=1.0&b=U")
            await home.state(TEMPERATURE, value=70)
            thermometer.become({TLV: degrees(71.3)})
            state = await home.state(TEMPERATURE, value=71.3)
            await home.state(LIGHT, value=False)
            with lamp.orders.subscribe() as orders:
                await home.commands.order(LIGHT, value=True)
                told = await first(orders)
        seen = [(await anext(changes)).after for _ in range(6)]

    assert (told, state.entity.unit) == ((TLV, ON), "°F")
    # 70 °F was never 70 °C on the screen.
    assert {each.entity.unit for each in seen if each and each.entity.id == TEMPERATURE and each.value} == {
        "°F"
    }


async def test_a_device_that_refuses_every_format_may_choose(home: House) -> None:
    lamp = Node({TEXT: b"0"}, takes={TEXT})
    unknown = Node({60: b"\x00"})
    async with peer({"/3311/0": unknown, "/3311/0/5850": lamp}) as device:
        await register(device, home, '</>;rt="oma.lwm2m";ct=11542,</3311/0>', "b=U")
        await home.state(LIGHT, value=False)
        with lamp.orders.subscribe() as orders:
            await home.commands.order(LIGHT, value=True)
            told = await first(orders)
            lamp.become({TEXT: b"1"})
            await home.state(LIGHT, value=True)

    assert told == (TEXT, b"1")


async def test_a_restarted_box_knows_its_lwm2m_devices_without_being_told(
    tmp_path: Path, serve: Serve
) -> None:
    tree = {"/3303/0": Node({TLV: degrees(20)}), "/3303/0/5700": Node({TLV: degrees(20)})}
    async with mosquitto(tmp_path) as port, peer(tree) as device:
        async with house(tmp_path, serve, port) as home:
            location = await register(device, home, "</3303/0>", "lwm2m=1.0&b=U")
            await home.state(TEMPERATURE, value=20)
            coap_port = home.endpoint.port
        async with house(tmp_path, serve, port, coap_port=coap_port) as home:
            await home.state(TEMPERATURE, value=20, available=True)
            updated = await device.ask(aiocoap.POST, f"{location}?lt=60&b=U")
            with pytest.raises(LinkDownError):
                home.link.lwm2m("stranger")
    assert updated.code == aiocoap.CHANGED


async def test_an_update_brings_a_new_list(home: House) -> None:
    tree = {
        "/3303/0/5700": Node({SENML_JSON: b'[{"v":20}]'}),
        "/3303/1/5700": Node({SENML_JSON: b'[{"v":30}]'}),
    }
    async with peer(tree) as device:
        location = await register(device, home, "</3303/0>")
        await home.state(TEMPERATURE, value=20)
        updated = await device.ask(aiocoap.POST, location, b"</3303/1>", content_format=40)
        await home.state(EntityId("coap.ep1.3303.1.5700"), value=30)
        await gone(home, TEMPERATURE)
        refused = await device.ask(aiocoap.POST, location, b"no list", content_format=40)
    assert (updated.code, refused.code) == (aiocoap.CHANGED, aiocoap.BAD_REQUEST)


async def test_a_device_is_unavailable_when_it_falls_silent_unless_it_sleeps(home: House) -> None:
    sleeper = EntityId("coap.sleeper.3303.0.5700")
    async with peer({"/3303/0/5700": Node({TEXT: b"20"}, max_age_s=1)}) as device:
        await register(device, home, "</3303/0>")
        await register(device, home, "</3303/0>", "lwm2m=1.1&b=U&Q", name="sleeper")
        await home.state(TEMPERATURE, value=20)
        await home.state(sleeper, value=20)
    await home.state(TEMPERATURE, available=False)
    assert home.registry.states[sleeper].available
    with pytest.raises(LinkDownError):
        await home.link.lwm2m("sleeper").read((3303, 0))


async def test_a_quiet_device_is_asked_and_observed_anew_only_when_it_forgot_to_tell(home: House) -> None:
    thermometer = Node({TEXT: b"20"}, max_age_s=1)
    async with peer({"/3303/0/5700": thermometer}) as device:
        with thermometer.reads.subscribe() as reads, thermometer.observers.subscribe() as observers:
            await register(device, home, "</3303/0>")
            await home.state(TEMPERATURE, value=20)
            checks = 0
            while checks < 2:
                checks += not await first(reads)
            thermometer.become({TEXT: b"21"}, quietly=True)
            await home.state(TEMPERATURE, value=21)
            counts = [await first(observers) for _ in range(3)]

    assert counts == [1, 0, 1]


async def test_an_instance_that_talks_nonsense_does_not_hurt_the_others(home: House) -> None:
    tree = {
        "/3303/0": Node({SENML_CBOR: b"\x9b" + b"\xff" * 8}),
        "/3303/0/5700": Node({SENML_CBOR: b"\x81" * 50}),
        "/3303/1": Node({TEXT: "摄氏".encode()}),
        "/3303/1/5700": Node({SENML_JSON: b'[{"n":"/3303/1/5700","v":20}]'}),
    }
    async with peer(tree) as device:
        await register(device, home, "</3303/0>,</3303/1>")
        await home.state(EntityId("coap.ep1.3303.1.5700"), value=20)
        await home.state(TEMPERATURE, available=False)
    assert home.registry.states[TEMPERATURE].value is None


async def test_a_device_is_read_written_and_rebooted_by_hand(home: House) -> None:
    reboot = Node({TEXT: b""})
    address = Node({TEXT: b""}, takes={TEXT})
    tree = {"/5/0": Node({TLV: b"\xc1\x03\x00\xc1\x05\x01"}), "/5/0/1": address, "/3/0/4": reboot}
    async with peer(tree) as device:
        await register(device, home, "</3/0>,</5/0>", "lwm2m=1.0&b=U")
        session = home.link.lwm2m("ep1")
        firmware = await session.read((5, 0))
        with address.orders.subscribe() as orders, reboot.executed.subscribe() as executed:
            await session.write((5, 0, 1), "coap://127.0.0.1/fw")
            await session.execute(REBOOT)
            told, done = await first(orders), await first(executed)

    assert 5 in session.inventory.objects
    assert {path: record.value for path, record in firmware.items()} == {(5, 0, 3): 0, (5, 0, 5): 1}
    assert (told, done) == ((TEXT, b"coap://127.0.0.1/fw"), True)


async def test_libcoaps_client_registers_updates_and_leaves_for_a_device(home: House) -> None:
    async with peer({"/3303/0/5700": Node({TEXT: b"21.5"})}) as device:
        query = f"ep=ep1&lt=60&lwm2m=1.1&b=U&base={device.url}"
        client = [
            COAP_CLIENT,
            "-m",
            "post",
            "-t",
            "40",
            "-v",
            "7",
            "-e",
            "</3303/0>",
            f"{home.coap}/rd?{query}",
        ]
        location = re.search(r"Location-Path:([0-9a-f]{12})", "".join(await output_of(client)))
        assert location
        state = await home.state(TEMPERATURE, value=21.5)
        await output_of([COAP_CLIENT, "-m", "delete", f"{home.coap}/rd/{location[1]}"])
        await gone(home, TEMPERATURE)
    assert (state.entity.name, state.entity.unit) == ("温度", "°C")


async def test_a_thermometer_is_announced_to_home_assistant_with_its_maker(home: House) -> None:
    topic = f"homeassistant/sensor/gateway_{BOX}/coap_old_3303_0_5700/config"
    device = node_device(home.endpoint.port, THERMOMETER | LABEL)
    async with home.listening("homeassistant/#") as listener, device:
        announced = json.loads(await listener.next(topic))
        while not announced["device"].get("manufacturer"):
            announced = json.loads(await listener.next(topic))
    assert (announced["unit_of_measurement"], announced["device_class"]) == ("°C", "temperature")
    assert (announced["device"]["manufacturer"], announced["device"]["model"]) == ("ACME", "42")


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("ep=a&lwm2m=2.0", "</3303/0>", aiocoap.PRECONDITION_FAILED),
        ("ep=a&lwm2m=", "</3303/0>", aiocoap.PRECONDITION_FAILED),
        ("ep=a&lwm2m=1.1&b=S", "</3303/0>", aiocoap.BAD_REQUEST),
        ("ep=a&lwm2m=1.1&lwm2m=1.0", "</3303/0>", aiocoap.BAD_REQUEST),
        ("lwm2m=1.1", "</3303/0>", aiocoap.BAD_REQUEST),
        ("ep=a&lwm2m=1.1", "nothing of the kind", aiocoap.BAD_REQUEST),
    ],
)
async def test_a_wrong_lwm2m_registration_is_refused(
    home: House, query: str, body: str, code: aiocoap.Code
) -> None:
    async with peer() as device:
        answer = await device.ask(aiocoap.POST, f"{home.coap}/rd?{query}", body.encode(), content_format=40)
    assert answer.code == code
