"""Announcements and templates as devices of the field write them, and as nobody should."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Value
from gateway.iot.ha_components import understood
from gateway.iot.ha_discovery import (
    Place,
    is_ours,
    parse_announcement,
    place_of,
    tidy_id,
)
from gateway.iot.ha_keys import ENTITY_KEYS
from gateway.iot.ha_template import Payload, Template, TemplateError, UnreadableError, parse_template
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt_entity import (
    UNKNOWN,
    AvailabilityMode,
    AvailabilitySource,
    Instruction,
    MqttEntity,
    Report,
    Unknown,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
COMPONENTS = [c for c in (*Capability, "alarm_control_panel") if understood(c)]
KEYS = st.sampled_from(
    [*ENTITY_KEYS, *ENTITY_KEYS.values(), "~", "name", "schema", "qos", "topic", "t", "device", "components"]
)


def announce(component: str, node: str = "node", **keys: object) -> MqttEntity:
    (found,) = parse_announcement(Place(component, node, node), json.dumps(keys).encode())
    return found


# What Zigbee2MQTT, ESPHome, Tasmota and OpenMQTTGateway announce, in shape; written anew.
ZIGBEE_CONTACT: dict[str, Any] = {
    "availability": [{"topic": "z/bridge/state", "value_template": "{{ value_json.state }}"}],
    "availability_mode": "all",
    "device": {
        "identifiers": ["zigbee2mqtt_0x01"],
        "manufacturer": "Maker",
        "model": "Contact",
        "name": "Front door",
        "sw_version": "7",
    },
    "device_class": "door",
    "payload_off": True,
    "payload_on": False,
    "state_topic": "z/door",
    "unique_id": "0x01_contact_z",
    "value_template": "{{ value_json.contact }}",
}
TASMOTA_SWITCH: dict[str, Any] = {
    "name": "Plug",
    "~": "plug1",
    "cmd_t": "cmnd/~",
    "stat_t": "~/STATE",
    "val_tpl": "{{value_json.POWER}}",
    "pl_off": "OFF",
    "pl_on": "ON",
    "avty_t": "~/LWT",
    "pl_avail": "Online",
    "pl_not_avail": "Offline",
    "uniq_id": "A1_RL_1",
    "dev": {"ids": ["A1"], "cns": [["mac", "aa:bb"]]},
}


def test_a_door_contact_behind_a_zigbee_bridge_is_understood() -> None:
    device = Device(
        id=DeviceId("mqtt.zigbee2mqtt_0x01"),
        name="Front door",
        link="mqtt",
        manufacturer="Maker",
        model="Contact",
        firmware="7",
    )
    assert announce("binary_sensor", **ZIGBEE_CONTACT) == MqttEntity(
        entity=Entity(
            id=EntityId("mqtt.0x01_contact_z"),
            device=device,
            name="Front door",
            capability=Capability.BINARY_SENSOR,
            device_class="door",
        ),
        report=Report(
            topic="z/door",
            template=Template(json=True, steps=("contact",)),
            words={"True": False, "False": True},
        ),
        sources=(AvailabilitySource(topic="z/bridge/state", template=Template(json=True, steps=("state",))),),
        mode=AvailabilityMode.ALL,
    )


def test_a_plug_with_short_names_and_a_base_topic_is_understood() -> None:
    found = announce("switch", **TASMOTA_SWITCH)
    assert found.report == Report(
        topic="plug1/STATE", template=Template(json=True, steps=("POWER",)), words={"ON": True, "OFF": False}
    )
    assert found.instruction == Instruction(topic="cmnd/plug1", words={True: "ON", False: "OFF"})
    assert found.sources == (AvailabilitySource(topic="plug1/LWT", yes="Online", no="Offline"),)
    assert found.entity.id == "mqtt.A1_RL_1"


@pytest.mark.parametrize(
    ("announcement", "payload", "value"),
    [
        (ZIGBEE_CONTACT, b'{"contact": false}', True),
        (ZIGBEE_CONTACT, b'{"contact": true}', False),
        (ZIGBEE_CONTACT, b'{"contact": null}', UNKNOWN),
        ({"stat_t": "a"}, b"ON", True),
        ({"stat_t": "a", "pl_on": 1, "pl_off": 0}, b"0", False),
        ({"stat_t": "a"}, b"unknown", UNKNOWN),
        ({"stat_t": "a"}, b"None", UNKNOWN),
        ({"stat_t": "a"}, b"", None),
    ],
)
def test_a_binary_sensor_is_read(
    announcement: dict[str, Any], payload: bytes, value: Value | Unknown | None
) -> None:
    assert announce("binary_sensor", **announcement).read(Payload(payload)) is value


@pytest.mark.parametrize(
    ("keys", "payload", "value"),
    [
        ({}, b"21.5", 21.5),
        ({}, b"21", 21),
        ({}, b"007", "007"),
        ({}, " 热 ".encode(), "热"),
        ({}, b"", None),
        ({"unit_of_meas": "W"}, b"-3e2", -300.0),
        ({"dev_cla": "timestamp"}, b"2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ({"val_tpl": "{{ value_json.a.b[1] | float | round(1) }}"}, b'{"a": {"b": [0, "1.26"]}}', 1.3),
        ({"val_tpl": "{{ value_json['a b'] | int }}"}, b'{"a b": 7.9}', 7),
        ({"val_tpl": "{{ value_json.x | default(0) }}"}, b"{}", 0),
        ({"val_tpl": "{{ value | float(-1) }}"}, b"warm", -1),
        ({"val_tpl": "{{ value_json.on }}"}, b'{"on": true}', True),
        ({"val_tpl": "{{ value_json.n }}"}, b'{"n": 123456789012345678901234567890}', 1.2345678901234568e29),
    ],
)
def test_a_sensor_is_read(keys: dict[str, Any], payload: bytes, value: Value | None) -> None:
    read = announce("sensor", stat_t="a", **keys).read(Payload(payload))
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("keys", "payload"),
    [
        ({"unit_of_meas": "W"}, b"warm"),
        ({"unit_of_meas": "W", "val_tpl": "{{ value_json.on }}"}, b'{"on": true}'),
        ({"val_tpl": "{{ value_json.a }}"}, b"{}"),
        ({"val_tpl": "{{ value_json.a }}"}, b'{"a": {"b": 1}}'),
        ({"val_tpl": "{{ value_json.a | int }}"}, b'{"a": "x"}'),
        ({"val_tpl": "{{ value_json.a }}"}, b"nonsense"),
        ({}, b"\xff"),
        ({}, b"x" * 300),
        ({}, b"1e999"),
    ],
)
def test_what_a_sensor_must_not_say_is_unreadable(keys: dict[str, Any], payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        announce("sensor", stat_t="a", **keys).read(Payload(payload))


def test_a_switch_may_report_in_other_words_than_it_is_told() -> None:
    switch = announce(
        "switch", cmd_t="s/set", stat_t="s", pl_on="1", pl_off="0", stat_on="yes", stat_off="no"
    )
    assert switch.read(Payload(b"yes")) is True
    assert switch.instruction is not None
    assert (switch.instruction.payload(value=True), switch.instruction.payload(value=False)) == (b"1", b"0")
    with pytest.raises(UnreadableError):
        switch.read(Payload(b"1"))


def test_a_command_may_stand_in_a_text() -> None:
    switch = announce("switch", cmd_t="s/set", cmd_tpl='{"power": "{{ value }}"}')
    assert switch.instruction is not None
    assert switch.instruction.payload(value=True) == b'{"power": "ON"}'
    assert switch.report is None


def test_a_light_that_speaks_json_may_be_silent_about_its_state() -> None:
    light = announce("light", schema="json", cmd_t="l/set", stat_t="l")
    assert light.read(Payload(b'{"state": "OFF", "brightness": 9}')) is False
    assert light.read(Payload(b'{"brightness": 9}')) is None
    assert light.instruction is not None
    assert json.loads(light.instruction.payload(value=True)) == {"state": "ON"}


def test_a_bundle_shares_what_is_said_once_and_passes_over_what_it_does_not_know() -> None:
    bundle = {
        "dev": {"ids": "m1", "name": "Meter"},
        "o": {"name": "maker"},
        "~": "m1",
        "stat_t": "~/state",
        "avty_t": "~/up",
        "cmps": {
            "sys": {"p": "sensor", "val_tpl": "{{ value_json.sys }}", "unit_of_meas": "mmHg"},
            "own": {"p": "sensor", "stat_t": "~/own", "uniq_id": "u.2"},
            "hoover": {"p": "vacuum", "cmd_t": "x"},
            "gone": {"p": "sensor"},
        },
    }
    found = parse_announcement(Place("device", "m1", "m1"), json.dumps(bundle).encode())
    assert [(e.entity.id, e.report.topic if e.report else "") for e in found] == [
        ("mqtt.m1_sys", "m1/state"),
        ("mqtt.u_2", "m1/own"),
    ]
    assert {e.entity.device.name for e in found} == {"Meter"}
    assert all(e.sources == (AvailabilitySource(topic="m1/up"),) for e in found)


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("homeassistant/switch/lamp/config", Place("switch", "lamp", "lamp")),
        ("homeassistant/switch/node/lamp/config", Place("switch", "node", "lamp")),
        ("homeassistant/device/m1/config", Place("device", "m1", "m1")),
    ],
)
def test_the_topic_says_who_announces(topic: str, place: Place) -> None:
    assert place_of(topic, "homeassistant") == place


@pytest.mark.parametrize(
    "topic", ["homeassistant/config", "homeassistant/a/b/c/d/config", "homeassistant/a/ü/config"]
)
def test_another_topic_is_no_announcement(topic: str) -> None:
    with pytest.raises(AnnouncementError):
        place_of(topic, "homeassistant")


def test_only_some_components_are_read() -> None:
    assert [c for c in ("switch", "alarm", "alarm_control_panel", "tag") if understood(c)] == [
        "switch",
        "alarm_control_panel",
    ]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"stat_t": ""}, "state_topic is required"),
        ({"stat_t": "a/+/b"}, "without wildcards"),
        ({"stat_t": "a\u0000b"}, "without wildcards"),
        ({"stat_t": "$SYS/x"}, "not a device's own"),
        ({"stat_t": "a", "val_tpl": "{{ states('x') }}"}, "only value and value_json"),
        ({"stat_t": "a", "uniq_id": "x" * 200}, "unique_id is longer"),
        ({"stat_t": "a", "exp_aft": -1}, "expire_after"),
        ({"stat_t": "a", "exp_aft": "1"}, "expire_after"),
        ({"stat_t": "a", "avty": 5}, "availability is not an object"),
        ({"stat_t": "a", "avty": [{}]}, "availability.topic is required"),
        ({"stat_t": "a", "avty": [{"t": "x"}] * 9}, "more than 8"),
        ({"stat_t": "a", "avty_mode": "most"}, "availability_mode"),
        ({"stat_t": "a", "dev": []}, "device is not an object"),
        ({"stat_t": "a", "name": {}}, "name is not text"),
        ({"stat_t": "~/x", "~": 5}, "~ is not text"),
    ],
)
def test_an_impossible_announcement_says_which_key_is_wrong(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(AnnouncementError) as refused:
        announce("sensor", **keys)
    assert why in str(refused.value)
    assert refused.value.code == "IOT-105"


def test_an_account_may_name_its_own_topics_only() -> None:
    own, foreign = ({"stat_t": topic} for topic in ("lamp/x", "lamp2/x"))
    place, accounts = Place("sensor", "lamp", "lamp"), {"lamp"}
    assert parse_announcement(place, json.dumps(own).encode(), accounts=accounts)
    with pytest.raises(AnnouncementError, match="not below lamp/"):
        parse_announcement(place, json.dumps(foreign).encode(), accounts=accounts)


def test_our_own_announcements_are_recognised() -> None:
    assert is_ours([announce("sensor", stat_t="gateway/box/x")], "gateway/")
    assert is_ours([announce("switch", cmd_t="gateway/box/x/set")], "gateway/")
    assert not is_ours([announce("sensor", stat_t="gatewayish/x")], "gateway/")


def test_ids_stay_apart_when_they_are_made_tidy() -> None:
    assert tidy_id("0x01.temp") == "0x01_temp"
    assert tidy_id("客厅") != tidy_id("卧室")


@given(st.dictionaries(KEYS, JSON, max_size=8), st.sampled_from([*COMPONENTS, "device"]))
def test_no_announcement_does_more_than_be_refused(keys: dict[str, object], component: str) -> None:
    try:
        found = parse_announcement(Place(component, "n", "o"), json.dumps(keys).encode())
    except AnnouncementError:
        return
    for each in found:
        assert each.entity.id.startswith("mqtt.")
        assert all(topic and "+" not in topic and "#" not in topic for topic in each.topics)


@given(st.binary(max_size=64))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    with pytest.raises(AnnouncementError):
        parse_announcement(Place("device", "n", "o"), raw)


@given(
    st.sampled_from(["{{ value }}", "{{ value_json.a }}", "{{ value_json[0] | int }}"]), JSON | st.binary()
)
def test_no_report_does_more_than_be_unreadable(template: str, content: object) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    for component, extra in (("sensor", {}), ("binary_sensor", {}), ("switch", {"cmd_t": "c"})):
        entity = announce(component, stat_t="a", val_tpl=template, **extra)
        try:
            value = entity.read(Payload(raw))
        except UnreadableError:
            continue
        if isinstance(value, Unknown):
            continue
        assert value is None or isinstance(value, bool | int | float | str)
        json.dumps(value, allow_nan=False).encode()


@given(st.text(max_size=40) | st.text("{}valuejson_.[]()|'\"0 x-", max_size=40))
def test_no_template_does_more_than_be_refused(text: str) -> None:
    for each in (text, f"{{{{ {text} }}}}", f"{{{{ value_json{text} }}}}"):
        try:
            template = parse_template(each)
        except TemplateError:
            continue
        with suppress(UnreadableError):
            template.value(Payload(b'{"x": [0, "1"]}'))


PART = st.text("abcXYZ_", min_size=1, max_size=5) | st.integers(0, 3)


@given(st.lists(PART, max_size=6), st.booleans(), st.integers())
def test_a_template_finds_what_is_at_its_path(path: list[str | int], dotted: bool, leaf: int) -> None:
    text, document = "value_json", leaf
    nested: object = document
    for part in path:
        text += f".{part}" if dotted and isinstance(part, str) else f"[{part!r}]"
    for part in reversed(path):
        nested = {part: nested} if isinstance(part, str) else [*([None] * part), nested]
    found = parse_template(f"{{{{ {text} }}}}").value(Payload(json.dumps(nested).encode()))
    assert found == pytest.approx(leaf)


@pytest.mark.parametrize(
    "text",
    [
        "value",
        "{{ value",
        "{{ value }} {{ value }}",
        "{{ value | upper }}",
        "{{ value_json.get('a') }}",
        "{{ value_json.a + 1 }}",
        "{{ 'ON' if value else 'OFF' }}",
        "{{ value.a }}",
        "{{ value | round(99) }}",
        "{{ value | default }}",
        "{{ value_json" + ".a" * 50 + " }}",
        "{{ value_json[1.5] }}",
        "{{ value" + " | int" * 20 + " }}",
        "{{ " + " " * 600 + "value }}",
    ],
)
def test_a_template_outside_the_subset_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)
