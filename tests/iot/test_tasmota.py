"""Devices with the Tasmota firmware: found whole, shown once, believed about themselves only."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker import BrokerConfig, ManagedBroker
from gateway.iot.entity import Capability, EntityId
from gateway.iot.ha_template import Payload
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt import MqttLink
from gateway.iot.mqtt_entity import UNKNOWN, MqttEntity
from gateway.iot.mqtt_present import Present
from gateway.iot.registry import Registry
from gateway.iot.tasmota_announced import MAX_DEVICES, Announced, Halves
from gateway.iot.tasmota_discovery import parse_device
from gateway.mqtt_client import MqttClient
from gateway.schema import FieldError
from tests.conftest import Serve
from tests.iot.conftest import ACCOUNTS, Publishing, kill, until, value
from tests.iot.tasmota_devices import CLIMATE, ENERGY, PLUG_MAC, Plug, config, sensors

MAC = "A4CF12000001"
RELAY = EntityId(f"mqtt.tasmota_{PLUG_MAC}_POWER1")
POWER = EntityId(f"mqtt.tasmota_{PLUG_MAC}_ENERGY_Power")
OWN = f"tasmota/discovery/{PLUG_MAC}"


def announced(
    said: Mapping[str, object], sample: Mapping[str, object] | None = None, mac: str = MAC
) -> dict[str, MqttEntity]:
    """Return the entities in a pair of messages, by the end of their ids."""
    raw = json.dumps(sensors(sample)).encode() if sample is not None else b""
    found = parse_device(Announced(mac, json.dumps(said).encode(), raw))
    return {each.entity.id.removeprefix(f"mqtt.tasmota_{mac}_"): each for each in found}


def read(spec: MqttEntity, topic: str, payload: object) -> object:
    raw = payload if isinstance(payload, str) else json.dumps(payload)
    return Present(spec, "").read(topic, Payload(raw.encode()))


def test_a_plug_measures_and_switches() -> None:
    found = announced(config(MAC, "plug"), ENERGY)

    assert {
        key: (each.entity.capability.value, each.entity.device_class, each.entity.unit)
        for key, each in found.items()
    } == {
        "POWER1": ("switch", "", ""),
        "ENERGY_Total": ("sensor", "energy", "kWh"),
        "ENERGY_Yesterday": ("sensor", "energy", "kWh"),
        "ENERGY_Today": ("sensor", "energy", "kWh"),
        "ENERGY_Power": ("sensor", "power", "W"),
        "ENERGY_ApparentPower": ("sensor", "apparent_power", "VA"),
        "ENERGY_ReactivePower": ("sensor", "reactive_power", "var"),
        "ENERGY_Factor": ("sensor", "power_factor", ""),
        "ENERGY_Voltage": ("sensor", "voltage", "V"),
        "ENERGY_Current": ("sensor", "current", "A"),
    }
    device = found["POWER1"].entity.device
    assert (device.name, device.manufacturer, device.model, device.firmware) == (
        "Plug",
        "Tasmota",
        "Sonoff S31",
        "13.4.0",
    )
    assert read(found["ENERGY_Power"], "tele/plug/SENSOR", ENERGY) == 61
    assert read(found["ENERGY_Power"], "stat/plug/STATUS10", {"StatusSNS": ENERGY}) == 61
    assert read(found["ENERGY_Power"], "tele/plug/SENSOR", {"ENERGY": {"Power": None}}) is UNKNOWN


@pytest.mark.parametrize(
    ("topic", "payload", "means"),
    [
        ("stat/plug/RESULT", {"POWER": "ON"}, True),
        ("stat/plug/RESULT", {"POWER1": "OFF"}, False),
        ("stat/plug/POWER", "ON", True),
        ("stat/plug/POWER1", "OFF", False),
        ("tele/plug/STATE", {"Uptime": "0T00:01:00", "POWER": "ON", "Wifi": {}}, True),
        ("stat/plug/RESULT", {"Dimmer": 40}, None),
    ],
)
def test_a_relay_reports_in_several_places(topic: str, payload: object, means: object) -> None:
    relay = announced(config(MAC, "plug"))["POWER1"]

    assert read(relay, topic, payload) is means


def test_two_channels_are_two_switches_with_their_own_names_and_words() -> None:
    said = config(
        MAC,
        "dual",
        dn="Dual",
        fn=["Ceiling", "Wall", None],
        rl=[1, 1, 0],
        state=["aus", "an", "um", "halt"],
        ft="home/%topic%/%prefix%",
    )
    found = announced(said)

    assert [(key, each.entity.name) for key, each in found.items()] == [
        ("POWER1", "Ceiling"),
        ("POWER2", "Wall"),
    ]
    second = found["POWER2"]
    assert second.instruction is not None
    assert (second.instruction.topic, second.instruction.payload(True)) == ("home/dual/cmnd/POWER2", b"an")
    assert read(second, "home/dual/stat/RESULT", {"POWER1": "aus", "POWER2": "an"}) is True
    assert read(second, "home/dual/stat/RESULT", {"POWER1": "an"}) is None
    assert {source.topic for source in second.sources} == {"home/dual/tele/LWT"}


def test_a_climate_sensor_says_its_units() -> None:
    found = announced(config(MAC, "air", rl=[0]), CLIMATE)
    fahrenheit = announced(config(MAC, "air", rl=[0]), {**CLIMATE, "TempUnit": "F"})
    unsaid = announced(config(MAC, "air", rl=[0]), {"AM2301": {"Temperature": 70.5}})

    assert {key: (each.entity.device_class, each.entity.unit) for key, each in found.items()} == {
        "AM2301_Temperature": ("temperature", "°C"),
        "AM2301_Humidity": ("humidity", "%"),
        "AM2301_DewPoint": ("temperature", "°C"),
        "BMP280_Temperature": ("temperature", "°C"),
        "BMP280_Pressure": ("pressure", "hPa"),
    }
    assert fahrenheit["AM2301_Temperature"].entity.unit == "°F"
    assert unsaid["AM2301_Temperature"].entity.device_class == ""


def test_a_light_is_a_light_and_so_is_a_relay_that_shall_be_one() -> None:
    found = announced(config(MAC, "bulb", rl=[2], lt_st=2, lk=1))
    light = found["POWER1"]
    relay = announced(config(MAC, "plug", so={"30": 1}))["POWER1"]

    state = {"POWER": "ON", "Dimmer": 60, "Color": "99,66", "White": 60, "CT": 250, "Channel": [60, 40]}
    assert light.entity.capability is relay.entity.capability is Capability.LIGHT
    assert read(light, "stat/plug/RESULT", state) is None
    assert read(light, "stat/bulb/RESULT", state) is True
    brightness, tint = found["POWER1.brightness"], found["POWER1.color_temp"]
    assert (read(brightness, "tele/bulb/STATE", state), read(tint, "stat/bulb/RESULT", state)) == (60, 250)
    assert read(brightness, "stat/bulb/RESULT", {"POWER": "ON"}) is None
    assert (brightness.entity.part, brightness.entity.minimum, brightness.entity.maximum) == (
        "brightness",
        1,
        100,
    )
    assert tint.instruction is not None
    assert (tint.instruction.topic, tint.instruction.payload(300)) == ("cmnd/bulb/CT", b"300")


@pytest.mark.parametrize(
    ("said", "commands"),
    [
        ({"rl": [2], "lt_st": 0}, []),
        ({"rl": [2], "lt_st": 1}, ["Dimmer"]),
        ({"rl": [2], "lt_st": 5, "lk": 1}, ["Dimmer", "CT"]),
        ({"rl": [1, 2, 2], "lt_st": 5, "lk": 0}, ["Dimmer1", "Dimmer2", "CT"]),
        ({"rl": [2, 2], "lt_st": 4, "lk": 0}, ["Dimmer1", "Dimmer2"]),
        ({"rl": [2, 2], "lt_st": 2, "lk": 1, "so": {"68": 1}}, ["Channel1", "Channel2"]),
        ({"rl": [2], "lt_st": 1, "ty": 1}, ["Dimmer3"]),
        ({"rl": [2], "lt_st": 1, "if": 1}, []),
    ],
)
def test_lights_are_told_as_their_firmware_is_set(said: dict[str, object], commands: list[str]) -> None:
    found = announced(config(MAC, "x", **said)).values()

    told = [each.instruction.topic for each in found if each.instruction and each.entity.part]
    assert told == [f"cmnd/x/{command}" for command in commands]


def test_a_shutter_is_open_or_closed_and_somewhere_between() -> None:
    found = announced(config(MAC, "blind", dn="Blind", rl=[3, 3, 3, 3], sho=[0, 1]))
    first, position, inverted = found["Shutter1"], found["Shutter1.position"], found["Shutter2"]

    assert set(found) == {"Shutter1", "Shutter1.position", "Shutter2"}
    assert (first.entity.name, first.entity.capability) == ("Blind 1", Capability.COVER)
    half = {
        "Shutter1": {"Position": 50, "Direction": 1, "Target": 100, "Tilt": 0},
        "Shutter2": {"Position": 100},
    }
    assert read(first, "stat/blind/RESULT", half) == "open"
    assert read(first, "tele/blind/SENSOR", {"Shutter1": {"Position": 0, "Direction": 0}}) == "closed"
    assert read(position, "stat/blind/STATUS10", {"StatusSNS": half}) == 50
    assert read(inverted, "stat/blind/RESULT", half) == "closed"
    assert first.instruction is not None
    assert position.instruction is not None
    assert (first.instruction.topic, first.instruction.payload("closed")) == (
        "cmnd/blind/Backlog",
        b"ShutterClose1",
    )
    assert (position.instruction.topic, position.instruction.payload(30)) == (
        "cmnd/blind/ShutterPosition1",
        b"30",
    )


def test_more_phases_indices_and_other_energy_are_told_apart() -> None:
    sample = {
        "ENERGY": {"Power": [10, 20], "Total": 1.5},
        "ANALOG": {"Temperature1": 20.5},
        "LD2410": {"Energy": 30},
        "TX23": {"Speed": {"Act": 14.8}, "Dir": {"Card": "WSW"}},
        "SpeedUnit": "km/h",
        "TempUnit": "C",
        "SDS0X1": {"PM2.5": 4.2, "PM10": 8},
        "SCD40": {"CarbonDioxide": 612},
        "BH1750": {"Illuminance": 310},
        "DS18B20": {"Id": "0000075D1234", "Temperature": 20},
    }
    found = announced(config(MAC, "m"), sample)

    classes = {key: (each.entity.device_class, each.entity.unit) for key, each in found.items()}
    assert classes == {
        "POWER1": ("", ""),
        "ENERGY_Power_1": ("power", "W"),
        "ENERGY_Power_2": ("power", "W"),
        "ENERGY_Total": ("energy", "kWh"),
        "ANALOG_Temperature1": ("temperature", "°C"),
        "LD2410_Energy": ("", ""),
        "TX23_Speed_Act": ("speed", "km/h"),
        "TX23_Dir_Card": ("", ""),
        "SDS0X1_PM2_5": ("pm25", "µg/m³"),
        "SDS0X1_PM10": ("pm10", "µg/m³"),
        "SCD40_CarbonDioxide": ("carbon_dioxide", "ppm"),
        "BH1750_Illuminance": ("illuminance", "lx"),
        "DS18B20_Temperature": ("temperature", "°C"),
    }
    assert read(found["ENERGY_Power_2"], "tele/m/SENSOR", sample) == 20
    assert read(found["TX23_Dir_Card"], "tele/m/SENSOR", sample) == "WSW"


def test_a_wall_switch_is_seen_where_it_follows_and_not_where_it_only_toggles() -> None:
    said = config(MAC, "wall", rl=[0], swc=[1, 0, 13, -1], swn=["Door", "Key", "PIR", None])
    (door,) = announced(said).values()

    assert (door.entity.name, door.entity.capability) == ("Door", Capability.BINARY_SENSOR)
    assert read(door, "stat/wall/RESULT", {"Door": {"Action": "ON"}}) is True
    assert read(door, "tele/wall/SENSOR", {"Time": "", "Door": "OFF"}) is False


def test_one_that_sleeps_deeply_is_not_called_away() -> None:
    assert not announced(config(MAC, "s", dslp=1))["POWER1"].sources


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (config(PLUG_MAC, "x"), "another address"),
        (config(MAC, "x", ver=2), "version 2"),
        (config(MAC, "x", t="a/+/b"), "full topic"),
        (config(MAC, "x", ft="homeassistant/%topic%/"), "not a device's own"),
        (config(MAC, "x", ft="gateway/%prefix%/"), "not a device's own"),
        (config(MAC, "x", ft="tasmota/discovery/%topic%/"), "not a device's own"),
        (config(MAC, "x", t="x" * 5_000), "full topic"),
        (config(MAC, "x", state=["OFF"]), "words"),
        (config(MAC, "x", onln=""), "word"),
        (config(MAC, "x", rl=[1] * 65), "more than 64"),
        (config(MAC, "x", rl="1"), "not an announcement"),
        ({"mac": MAC}, "not an announcement"),
    ],
)
def test_what_is_no_device_is_refused_with_its_reason(said: dict[str, object], why: str) -> None:
    with pytest.raises(AnnouncementError, match=why):
        announced(said)


@pytest.mark.parametrize(
    "sample",
    [
        {"A": {"B": {"C": {"D": {"E": 1}}}}},
        {"A": {f"k{at}": 1 for at in range(101)}},
        {"A": {"k" * 65: 1}},
        {"A B": {"C": 1}, "A_B": {"C": 1}},
    ],
    ids=["deep", "many", "long", "twice"],
)
def test_telemetry_without_measure_is_refused(sample: Mapping[str, object]) -> None:
    with pytest.raises(AnnouncementError):
        announced(config(MAC, "x"), sample)


def test_no_more_devices_than_there_is_room_for() -> None:
    halves = Halves()
    for at in range(MAX_DEVICES):
        mac = f"{at:012X}"
        halves.join(f"tasmota/discovery/{mac}/config", json.dumps(config(mac, "x")).encode())
    with pytest.raises(AnnouncementError, match="already"):
        halves.join(f"tasmota/discovery/{MAC}/config", json.dumps(config(MAC, "x")).encode())
    halves.join(f"tasmota/discovery/{0:012X}/config", b"")
    assert halves.join(f"tasmota/discovery/{MAC}/config", json.dumps(config(MAC, "x")).encode()).config


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_payload_makes_the_reader_fail_otherwise(first: bytes, second: bytes) -> None:
    try:
        found = parse_device(Announced(MAC, first, second))
    except AnnouncementError:
        return
    assert found == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(config(MAC, "x"))), JSON, st.dictionaries(st.text(max_size=8), JSON))
def test_any_key_may_hold_anything(key: str, content: object, sample: dict[str, Any]) -> None:
    try:
        found = announced({**config(MAC, "x"), key: content}, sample)
    except AnnouncementError:
        return
    assert all(each.topics for each in found.values())


@pytest.fixture
def link(mqtt: MqttClient) -> MqttLink:
    return MqttLink(mqtt, accounts=ACCOUNTS)


@pytest.fixture
async def registry(serve: Serve, link: MqttLink) -> AsyncIterator[Registry]:
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


async def test_a_plug_is_found_asked_and_obeyed_when_it_says_so(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: MqttLink
) -> None:
    plug = Plug(broker)
    async with serve(plug):
        # It reports by itself every five minutes only: it was asked.
        await until(registry, lambda: (value(registry, RELAY), value(registry, POWER)) == (False, 61))
        assert registry.states[RELAY].available
        assert await link.command(RELAY, True) is False
        await until(registry, lambda: value(registry, RELAY) is True)
        assert plug.on
        # Once for each half of its announcement, and for its greeting; not for each of its ten entities.
        assert plug.asked <= 6


async def test_a_plug_that_does_nothing_is_not_shown_as_on(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: MqttLink
) -> None:
    async with serve(Plug(broker, deaf=True)):
        await until(registry, lambda: value(registry, RELAY) is False)
        await link.command(RELAY, True)
        await Publishing(broker, PLUG_MAC.lower()).say(
            f"tele/{PLUG_MAC.lower()}/SENSOR", {"ENERGY": {"Power": 1}}
        )
        await until(registry, lambda: value(registry, POWER) == 1)

        assert value(registry, RELAY) is False


async def test_a_plug_without_power_is_away_and_one_that_takes_itself_back_is_gone(
    serve: Serve, broker: ManagedBroker, registry: Registry
) -> None:
    speaking = Publishing(broker, PLUG_MAC.lower())
    async with serve(Plug(broker)):
        await until(registry, lambda: value(registry, POWER) == 61)
    await speaking.say(f"tele/{PLUG_MAC.lower()}/LWT", "Offline", retain=True)
    await until(registry, lambda: not registry.states[RELAY].available)
    await speaking.say(f"{OWN}/sensors", b"", retain=True)
    await until(registry, lambda: set(registry.states) == {RELAY})
    await speaking.say(f"{OWN}/config", b"", retain=True)
    await until(registry, lambda: not registry.states)


async def test_all_is_well_again_after_the_broker_was_killed(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: MqttLink
) -> None:
    async with serve(Plug(broker)):
        await until(registry, lambda: value(registry, RELAY) is False)
        kill(broker)
        await until(registry, lambda: not registry.states[RELAY].available)
        last = registry.states[RELAY].reported_at
        # A device that tries the broker just then waits for ten seconds before it tries again.
        await until(registry, lambda: registry.states[RELAY].reported_at != last, 30)
        await link.command(RELAY, True)
        await until(registry, lambda: value(registry, RELAY) is True)


HOME_ASSISTANT = {
    "name": "Plug",
    "stat_t": f"stat/{PLUG_MAC.lower()}/RESULT",
    "avty_t": f"tele/{PLUG_MAC.lower()}/LWT",
    "pl_avail": "Online",
    "pl_not_avail": "Offline",
    "cmd_t": f"cmnd/{PLUG_MAC.lower()}/POWER",
    "val_tpl": "{{value_json.POWER}}",
    "uniq_id": "0A1B2C_RL_1",
    "dev": {"ids": ["0A1B2C"]},
}
TWIN = EntityId("mqtt.0A1B2C_RL_1")
TWIN_TOPIC = "homeassistant/switch/0A1B2C_RL_1/config"


@pytest.mark.parametrize("first", ["its own", "home assistant"])
async def test_one_that_announces_itself_both_ways_is_there_once(
    broker: ManagedBroker, registry: Registry, first: str, link: MqttLink
) -> None:
    tool = Publishing(broker)
    if first == "home assistant":
        await tool.say(TWIN_TOPIC, HOME_ASSISTANT, retain=True)
        await until(registry, lambda: TWIN in registry.states)
    await tool.say(f"{OWN}/config", config(PLUG_MAC, PLUG_MAC.lower()), retain=True)
    await until(registry, lambda: RELAY in registry.states and TWIN not in registry.states)
    await tool.say(TWIN_TOPIC, {**HOME_ASSISTANT, "name": "Again"}, retain=True)
    async with asyncio.timeout(5):
        while TWIN_TOPIC not in link.refused:  # noqa: ASYNC110 - the link tells nobody
            await asyncio.sleep(0.01)
    assert set(registry.states) == {RELAY}

    await tool.say(f"{OWN}/config", b"", retain=True)
    await until(registry, lambda: set(registry.states) == {TWIN})
    assert registry.states[TWIN].entity.name == "Again"


@pytest.mark.parametrize("name", ["tasmota", "cmnd", "stat", "tele", "homie", "5"])
def test_no_account_is_named_like_what_several_devices_share(name: str) -> None:
    with pytest.raises(FieldError, match="free name"):
        BrokerConfig(devices=(name,))


async def test_nobody_announces_another_device(
    serve: Serve, broker: ManagedBroker, registry: Registry, link: MqttLink
) -> None:
    stranger = Publishing(broker, "stranger")
    owner = Publishing(broker, PLUG_MAC.lower())
    async with serve(Plug(broker)):
        await until(registry, lambda: value(registry, RELAY) is False)
        # What an account may not say, the broker does not pass on.
        await stranger.say_all(
            {
                f"{OWN}/config": b"",
                f"{OWN}/sensors": b"",
                f"tasmota/discovery/{MAC}/config": config(MAC, "stranger"),
                f"stat/{PLUG_MAC.lower()}/RESULT": {"POWER": "ON"},
                f"tele/{PLUG_MAC.lower()}/LWT": "Offline",
                f"cmnd/{PLUG_MAC.lower()}/POWER1": "ON",
            },
            retain=True,
        )
        # What its owner may say is believed of its own topics only.
        await owner.say(f"{OWN}/config", config(PLUG_MAC, "stranger"), retain=True)
        async with asyncio.timeout(5):
            while f"{OWN}/config" not in link.refused:  # noqa: ASYNC110 - the link tells nobody
                await asyncio.sleep(0.01)

        assert value(registry, RELAY) is False
        assert registry.states[RELAY].available
        assert all(entity.startswith(f"mqtt.tasmota_{PLUG_MAC}_") for entity in registry.states)


async def test_telemetry_that_cannot_be_read_leaves_the_relay(
    broker: ManagedBroker, registry: Registry, link: MqttLink
) -> None:
    tool = Publishing(broker)
    await tool.say(f"{OWN}/sensors", b'{"sn":{"ENERGY":{"Power":1', retain=True)
    await tool.say(f"tasmota/discovery/{MAC}/config", b"{" * 5_000, retain=True)
    await tool.say("tasmota/discovery/nonsense/config", b"{}", retain=True)
    await tool.say(f"tasmota/discovery/{MAC}/sensors", b" " * 9_000, retain=True)
    await tool.say(f"{OWN}/config", config(PLUG_MAC, PLUG_MAC.lower()), retain=True)
    await until(registry, lambda: set(registry.states) == {RELAY})

    assert set(link.refused) == {
        f"{OWN}/sensors",
        f"tasmota/discovery/{MAC}/config",
        "tasmota/discovery/nonsense/config",
        f"tasmota/discovery/{MAC}/sensors",
    }
