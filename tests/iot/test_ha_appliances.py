"""The things of many sides: each value is told, said and confirmed for itself."""

import json
from typing import Any

import pytest

from gateway.iot.entity import Capability, Value
from gateway.iot.ha_discovery import Place, parse_announcement
from gateway.iot.ha_template import Payload, UnreadableError
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt_entity import MqttEntity, Unknown


def announce(component: str, **keys: object) -> dict[str, MqttEntity]:
    """Return what is announced by the name of its part."""
    found = parse_announcement(Place(component, "n", "n"), json.dumps({"uniq_id": "u", **keys}).encode())
    assert [each.entity.id for each in found] == [
        f"mqtt.u.{each.entity.part}" if each.entity.part else "mqtt.u" for each in found
    ]
    return {each.entity.part: each for each in found}


def said(entity: MqttEntity, payload: bytes) -> Value | Unknown | None:
    return entity.read(Payload(payload))


def told(entity: MqttEntity, value: Value) -> tuple[str, bytes]:
    assert entity.entity.takes(value)
    assert entity.instruction is not None
    return entity.instruction.topic, entity.instruction.payload(value)


AIR_CONDITIONER: dict[str, Any] = {
    "name": "客厅空调",
    "mode_cmd_t": "ac/mode/set",
    "mode_stat_t": "ac/state",
    "mode_stat_tpl": "{{ value_json.mode }}",
    "modes": ["off", "cool", "heat"],
    "temp_cmd_t": "ac/target/set",
    "temp_stat_t": "ac/state",
    "temp_stat_tpl": "{{ value_json.target }}",
    "min_temp": 16,
    "max_temp": 30,
    "temp_step": 0.5,
    "curr_temp_t": "ac/state",
    "curr_temp_tpl": "{{ value_json.room }}",
    "fan_mode_cmd_t": "ac/fan/set",
    "fan_mode_stat_t": "ac/fan",
    "act_t": "ac/action",
}
AC_STATE = b'{"mode": "cool", "target": 22.5, "room": "24.1"}'


def test_an_air_conditioner_is_its_mode_and_its_temperatures() -> None:
    parts = announce("climate", **AIR_CONDITIONER)
    assert {name: each.entity.capability for name, each in parts.items()} == {
        "": Capability.CLIMATE,
        "target": Capability.NUMBER,
        "current_temperature": Capability.SENSOR,
        "action": Capability.SENSOR,
        "fan_mode": Capability.SELECT,
    }
    assert said(parts[""], AC_STATE) == "cool"
    assert said(parts["target"], AC_STATE) == 22.5
    assert said(parts["current_temperature"], AC_STATE) == 24.1
    assert parts["target"].entity.unit == parts["current_temperature"].entity.unit == "°C"
    assert told(parts[""], "heat") == ("ac/mode/set", b"heat")
    assert told(parts["target"], 21.0) == ("ac/target/set", b"21")
    assert told(parts["target"], 21.5) == ("ac/target/set", b"21.5")
    assert told(parts["fan_mode"], "medium") == ("ac/fan/set", b"medium")


@pytest.mark.parametrize(("part", "value"), [("", "dry"), ("", True), ("target", 15.5), ("target", "22")])
def test_an_air_conditioner_is_not_told_what_it_cannot_be(part: str, value: Value) -> None:
    assert not announce("climate", **AIR_CONDITIONER)[part].entity.takes(value)


def test_a_target_is_reached_when_the_report_is_nearer_than_half_a_step() -> None:
    target = announce("climate", **AIR_CONDITIONER)["target"].entity
    assert target.agrees(22, 22.0)
    assert target.agrees(22.2, 22)
    assert not target.agrees(22.5, 22)
    assert not target.agrees(None, 22)
    assert not target.agrees(True, 1)


def test_the_brightness_of_a_lamp_is_told_in_per_cent() -> None:
    parts = announce("light", cmd_t="l/set", stat_t="l", bri_cmd_t="l/b/set", bri_stat_t="l/b")
    assert said(parts["brightness"], b"128") == 50
    assert told(parts["brightness"], 50) == ("l/b/set", b"128")
    assert told(parts[""], False) == ("l/set", b"OFF")
    assert not parts["brightness"].entity.takes(0)


def test_a_lamp_that_speaks_json_is_told_in_json() -> None:
    parts = announce(
        "light",
        schema="json",
        cmd_t="l/set",
        stat_t="l",
        brightness=True,
        bri_scl=254,
        sup_clrm=["color_temp"],
    )
    state = b'{"state": "ON", "brightness": 254, "color_temp": 370}'
    assert [said(parts[name], state) for name in ("", "brightness", "color_temp")] == [True, 100, 370]
    topic, payload = told(parts["brightness"], 25)
    assert (topic, json.loads(payload)) == ("l/set", {"state": "ON", "brightness": 63})
    assert json.loads(told(parts[""], True)[1]) == {"state": "ON"}
    # A message that tells a part of it says nothing of the rest.
    assert said(parts["brightness"], b'{"state": "OFF"}') is None


def test_a_fan_has_a_speed_and_turns_its_head() -> None:
    parts = announce(
        "fan",
        cmd_t="f/set",
        stat_t="f",
        pct_cmd_t="f/speed/set",
        pct_stat_t="f/speed",
        spd_rng_max=3,
        osc_cmd_t="f/turn/set",
        osc_stat_t="f/turn",
        pr_mode_cmd_t="f/mode/set",
        pr_mode_stat_t="f/mode",
        pr_modes=["breeze", "sleep"],
    )
    assert said(parts["speed"], b"2") == 67
    assert told(parts["speed"], 67) == ("f/speed/set", b"2")
    assert said(parts["oscillation"], b"oscillate_on") is True
    assert told(parts["preset_mode"], "sleep") == ("f/mode/set", b"sleep")
    assert told(parts[""], True) == ("f/set", b"ON")


@pytest.mark.parametrize("full", [1, 2, 3, 5, 100, 254, 255, 1000])
def test_whatever_a_device_counts_to_it_can_say_that_it_did_what_it_was_told(full: int) -> None:
    speed = announce("fan", cmd_t="f", pct_cmd_t="f/p", pct_stat_t="f/s", spd_rng_max=full)["speed"]
    for wanted in range(1, 101):
        # The device says what it was told.
        reported = said(speed, told(speed, wanted)[1])
        assert not isinstance(reported, Unknown)
        assert speed.entity.agrees(reported, wanted)


def test_a_blind_says_whether_it_moves_and_how_far_open_it_is() -> None:
    parts = announce(
        "cover", cmd_t="c/set", stat_t="c", pos_t="c/pos", set_pos_t="c/pos/set", set_pos_tpl="{{position}}"
    )
    assert [said(parts[""], word) for word in (b"closing", b"closed", b"stopped")] == [
        "closing",
        "closed",
        "stopped",
    ]
    assert told(parts[""], "closed") == ("c/set", b"CLOSE")
    assert told(parts[""], "stopped") == ("c/set", b"STOP")
    assert said(parts["position"], b"40") == 40
    assert told(parts["position"], 55) == ("c/pos/set", b"55")


def test_a_blind_that_says_only_where_it_is_is_open_or_closed() -> None:
    blind = announce("cover", cmd_t="c/set", pos_t="c/pos", pos_clsd=100, pos_open=0)[""]
    assert [said(blind, word) for word in (b"100", b"99", b"0")] == ["closed", "open", "open"]


def test_a_lock_that_is_jammed_is_not_locked() -> None:
    lock = announce("lock", cmd_t="k/set", stat_t="k", stat_jam="STUCK")[""]
    assert [said(lock, word) for word in (b"LOCKED", b"UNLOCKING", b"STUCK")] == [
        "locked",
        "unlocking",
        "jammed",
    ]
    assert not lock.entity.agrees("jammed", "locked")
    assert told(lock, "unlocked") == ("k/set", b"UNLOCK")
    assert not lock.entity.takes("jammed")


@pytest.mark.parametrize(
    ("component", "keys"),
    [("lock", {"code_format": "^\\d{4}$"}), ("alarm_control_panel", {"code": "REMOTE_CODE"})],
)
def test_what_asks_for_a_code_is_told_nothing(component: str, keys: dict[str, object]) -> None:
    found = announce(component, cmd_t="k/set", stat_t="k", **keys)[""]
    assert not any(found.entity.takes(w) for w in ("locked", "unlocked", "disarmed", "armed_away", True))


def test_an_alarm_is_armed_in_the_ways_it_knows() -> None:
    alarm = announce(
        "alarm_control_panel", cmd_t="a/set", stat_t="a", sup_feat=["arm_home", "arm_away"], pl_disarm="0"
    )[""]
    assert alarm.entity.choices == ("disarmed", "armed_home", "armed_away")
    assert said(alarm, b"triggered") == "triggered"
    assert told(alarm, "armed_away") == ("a/set", b"ARM_AWAY")
    assert told(alarm, "disarmed") == ("a/set", b"0")


def test_a_number_has_bounds_and_a_selection_has_words() -> None:
    number = announce("number", cmd_t="n/set", stat_t="n", min=-5, max=5, step=0.1, unit_of_meas="dB")[""]
    assert said(number, b"-2.5") == -2.5
    assert told(number, -5) == ("n/set", b"-5")
    assert not number.entity.takes(5.1)
    select = announce("select", cmd_t="s/set", stat_t="s", ops=["自动", "手动"])[""]
    assert said(select, "手动".encode()) == "手动"
    assert told(select, "自动") == ("s/set", "自动".encode())
    with pytest.raises(UnreadableError):
        said(select, b"other")


def test_a_button_is_pressed_and_has_no_state() -> None:
    button = announce("button", cmd_t="b/set", pl_prs="GO")[""]
    assert button.report is None
    assert told(button, True) == ("b/set", b"GO")
    assert not button.entity.takes(False)


def test_firmware_is_told_and_not_ordered() -> None:
    parts = announce(
        "update",
        cmd_t="u/set",
        pl_inst="install",
        stat_t="u",
        val_tpl="{{ value_json['update']['installed_version'] }}",
        l_ver_t="u",
        l_ver_tpl="{{ value_json['update']['latest_version'] }}",
    )
    state = b'{"update": {"installed_version": "1.10", "latest_version": 20}}'
    assert (said(parts[""], state), said(parts["latest_version"], state)) == ("1.10", "20")
    assert parts[""].instruction is None
    assert not parts[""].entity.takes(True)


def test_an_event_is_the_word_of_what_happened() -> None:
    event = announce("event", stat_t="e", evt_typ=["single", "double"])[""]
    assert said(event, b'{"event_type": "double", "x": 1}') == "double"
    with pytest.raises(UnreadableError):
        said(event, b'{"event_type": "triple"}')


@pytest.mark.parametrize(
    ("component", "keys", "why"),
    [
        ("select", {"cmd_t": "s"}, "options is required"),
        ("select", {"cmd_t": "s", "ops": ["a", 1, None]}, "options is not a list of words"),
        ("select", {"cmd_t": "s", "ops": ["w" * 256]}, "options is not a list of words"),
        ("number", {"cmd_t": "n", "min": 5, "max": 1}, "has no range"),
        ("number", {"cmd_t": "n", "step": 0}, "has no range"),
        ("number", {"cmd_t": "n", "max": "ten"}, "max is not a number"),
        ("button", {}, "command_topic is required"),
        ("lock", {"cmd_t": "k"}, "state_topic is required"),
        ("cover", {}, "neither says nor takes"),
        ("climate", {"temp_cmd_t": "+/x"}, "temperature_command_topic is not a topic"),
        ("fan", {"cmd_t": "f", "pct_cmd_t": "f/p", "spd_rng_max": 0}, "speed_range_max is not 1 or more"),
        ("light", {"cmd_t": "l", "schema": "template"}, "schema template is not supported"),
        ("event", {"stat_t": "e"}, "event_types is required"),
    ],
)
def test_a_wrong_announcement_is_refused_by_name(component: str, keys: dict[str, object], why: str) -> None:
    with pytest.raises(AnnouncementError, match=why):
        announce(component, **keys)
