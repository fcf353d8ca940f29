"""The things of many sides in Home Assistant's MQTT discovery: lamps, fans, blinds, locks, alarms, climate.

One rule: each side is a part with one value; what a person must not be able
to do by mistake, such as opening a lock that asks for a code, cannot be ordered.
"""

from collections.abc import Iterator
from typing import Any

from gateway.iot.entity import Capability, Value
from gateway.iot.ha_fields import AnnouncementFieldError, Fields
from gateway.iot.ha_parts import Part, choice, factor, number, percent, says, told
from gateway.iot.ha_template import Filter, Template
from gateway.iot.mqtt_entity import Instruction, Report, switched

_MODES = ("auto", "off", "cool", "heat", "dry", "fan_only")
_FAN_MODES = ("auto", "low", "medium", "high")
_LOCK_STATES = ("locked", "unlocked", "locking", "unlocking", "jammed")
_ALARM_ORDERS = {
    "disarmed": "disarm",
    "armed_home": "arm_home",
    "armed_away": "arm_away",
    "armed_night": "arm_night",
    "armed_vacation": "arm_vacation",
    "armed_custom_bypass": "arm_custom_bypass",
}
_ALARM_STATES = (*_ALARM_ORDERS, "arming", "disarming", "pending", "triggered")


def light(fields: Fields) -> Iterator[Part]:
    """Yield a lamp, its brightness, colour temperature and effects."""
    schema = fields.text("schema") or "basic"
    if schema == "json":
        yield from _json_light(fields)
        return
    if schema not in ("basic", "default"):
        raise AnnouncementFieldError(f"the schema {schema} is not supported")
    on, off = fields.word("payload_on", "ON"), fields.word("payload_off", "OFF")
    yield Part(
        capability=Capability.LIGHT,
        report=says(fields, "state_topic", "state_value_template", words=switched(on, off)),
        instruction=told(fields, words={True: on, False: off}),
    )
    if fields.topic("brightness_command_topic"):
        yield percent(
            fields,
            "brightness",
            scale=("brightness_scale", 255),
            report=("brightness_state_topic", "brightness_value_template"),
            order=("brightness_command_topic", "brightness_command_template"),
        )
    if fields.topic("color_temp_command_topic"):
        yield number(
            fields,
            "color_temp",
            report=("color_temp_state_topic", "color_temp_value_template"),
            order=("color_temp_command_topic", "color_temp_command_template"),
            bounds=(fields.real("min_mireds", 153), fields.real("max_mireds", 500), 1),
            unit="mired",
        )
    yield from choice(fields, "effect", "effect_list", value="effect_value_template")


def _json_light(fields: Fields) -> Iterator[Part]:
    topic, order = fields.topic("state_topic"), told(fields)

    def report(key: str, **more: Any) -> Report | None:  # noqa: ANN401 - the attributes of a report
        # Each message may tell a part of it alone.
        template = Template(json=True, steps=(key,), filters=(Filter("default", ("",)),))
        return Report(topic=topic, template=template, **more) if topic else None

    yield Part(
        capability=Capability.LIGHT,
        report=report("state", words=switched()),
        instruction=Instruction(
            topic=order.topic, words={True: "ON", False: "OFF"}, key="state", retain=order.retain
        ),
    )
    modes = fields.words("supported_color_modes")
    if fields.flag("brightness"):
        per_cent = factor(fields, "brightness_scale", 255)
        yield Part(
            capability=Capability.NUMBER,
            name="brightness",
            report=report("brightness", numeric=True, factor=per_cent),
            instruction=Instruction(
                topic=order.topic,
                factor=per_cent,
                key="brightness",
                beside={"state": "ON"},
                retain=order.retain,
            ),
            unit="%",
            minimum=1,
            maximum=100,
            step=1,
        )
    if "color_temp" in modes or fields.flag("color_temp"):
        yield Part(
            capability=Capability.NUMBER,
            name="color_temp",
            report=report("color_temp", numeric=True),
            instruction=Instruction(
                topic=order.topic, key="color_temp", beside={"state": "ON"}, retain=order.retain
            ),
            unit="mired",
            minimum=fields.real("min_mireds", 153),
            maximum=fields.real("max_mireds", 500),
            step=1,
        )


def fan(fields: Fields) -> Iterator[Part]:
    """Yield a fan, its speed, preset and oscillation."""
    on, off = fields.word("payload_on", "ON"), fields.word("payload_off", "OFF")
    yield Part(
        capability=Capability.FAN,
        report=says(fields, "state_topic", "state_value_template", words=switched(on, off)),
        instruction=told(fields, words={True: on, False: off}),
    )
    if fields.topic("percentage_command_topic"):
        yield percent(
            fields,
            "speed",
            scale=("speed_range_max", 100),
            report=("percentage_state_topic", "percentage_value_template"),
            order=("percentage_command_topic", "percentage_command_template"),
        )
    yield from choice(fields, "preset_mode", "preset_modes", value="preset_mode_value_template")
    if fields.topic("oscillation_command_topic"):
        on = fields.word("payload_oscillation_on", "oscillate_on")
        off = fields.word("payload_oscillation_off", "oscillate_off")
        yield Part(
            capability=Capability.SWITCH,
            name="oscillation",
            report=says(
                fields, "oscillation_state_topic", "oscillation_value_template", words=switched(on, off)
            ),
            instruction=told(
                fields,
                "oscillation_command_topic",
                "oscillation_command_template",
                words={True: on, False: off},
            ),
        )


def lock(fields: Fields) -> Iterator[Part]:
    """Yield a lock."""
    yield Part(
        capability=Capability.LOCK,
        report=says(
            fields,
            required=True,
            words={fields.word(f"state_{each}", each.upper()): each for each in _LOCK_STATES},
        ),
        instruction=told(
            fields,
            words={
                "locked": fields.word("payload_lock", "LOCK"),
                "unlocked": fields.word("payload_unlock", "UNLOCK"),
            },
        ),
        # A code is for the person at the door; a box that kept it would open for everybody.
        choices=() if fields.has("code_format") else ("locked", "unlocked"),
    )


def cover(fields: Fields) -> Iterator[Part]:
    """Yield a blind or a gate, its position and tilt."""
    closed, opened = fields.real("position_closed", 0), fields.real("position_open", 100)
    states = ("open", "opening", "closed", "closing", "stopped")
    report = says(fields, words={fields.word(f"state_{each}", each): each for each in states})
    if report is None:
        report = says(
            fields, "position_topic", "position_template", numeric=True, ends=(float(closed), float(opened))
        )
    moves = bool(fields.topic("command_topic"))
    if moves or report is not None:
        yield Part(
            capability=Capability.COVER,
            report=report,
            instruction=told(
                fields,
                words={
                    "open": fields.word("payload_open", "OPEN"),
                    "closed": fields.word("payload_close", "CLOSE"),
                    "stopped": fields.word("payload_stop", "STOP"),
                },
            )
            if moves
            else None,
            choices=("open", "closed", "stopped") if moves else (),
        )
    if fields.topic("set_position_topic"):
        yield number(
            fields,
            "position",
            report=("position_topic", "position_template"),
            order=("set_position_topic", "set_position_template"),
            bounds=(min(closed, opened), max(closed, opened), 1),
            unit="%",
        )
    if fields.topic("tilt_command_topic"):
        yield number(
            fields,
            "tilt",
            report=("tilt_status_topic", "tilt_status_template"),
            order=("tilt_command_topic", "tilt_command_template"),
            bounds=(fields.real("tilt_min", 0), fields.real("tilt_max", 100), 1),
            unit="%",
        )


def climate(fields: Fields) -> Iterator[Part]:
    """Yield the mode of a heating or an air conditioner, and the rest of its sides."""
    modes = fields.words("modes", _MODES)
    report = says(fields, "mode_state_topic", "mode_state_template", words={each: each for each in modes})
    if fields.topic("mode_command_topic") or report is not None:
        settable = bool(fields.topic("mode_command_topic"))
        yield Part(
            capability=Capability.CLIMATE,
            report=report,
            instruction=told(fields, "mode_command_topic", "mode_command_template") if settable else None,
            choices=modes if settable else (),
        )
    degrees = f"°{fields.text('temperature_unit') or 'C'}"
    if fields.topic("temperature_command_topic"):
        yield number(
            fields,
            "target",
            report=("temperature_state_topic", "temperature_state_template"),
            order=("temperature_command_topic", "temperature_command_template"),
            bounds=(fields.real("min_temp", 7), fields.real("max_temp", 35), fields.real("temp_step", 1)),
            device_class="temperature",
            unit=degrees,
        )
    if fields.topic("target_humidity_command_topic"):
        yield number(
            fields,
            "target_humidity",
            report=("target_humidity_state_topic", "target_humidity_state_template"),
            order=("target_humidity_command_topic", "target_humidity_command_template"),
            bounds=(fields.real("min_humidity", 30), fields.real("max_humidity", 99), 1),
            device_class="humidity",
            unit="%",
        )
    for measured, unit in (("temperature", degrees), ("humidity", "%")):
        report = says(fields, f"current_{measured}_topic", f"current_{measured}_template", numeric=True)
        if report is not None:
            yield Part(
                capability=Capability.SENSOR,
                name=f"current_{measured}",
                report=report,
                device_class=measured,
                unit=unit,
            )
    if action := says(fields, "action_topic", "action_template", literal=True):
        yield Part(capability=Capability.SENSOR, name="action", report=action, device_class="enum")
    yield from choice(fields, "fan_mode", "fan_modes", _FAN_MODES)
    yield from choice(fields, "swing_mode", "swing_modes", ("on", "off"))
    yield from choice(fields, "preset_mode", "preset_modes", value="preset_mode_value_template")


def alarm(fields: Fields) -> Iterator[Part]:
    """Yield an alarm system."""
    orders: dict[Value, str] = {
        state: fields.word(f"payload_{order}", order.upper()) for state, order in _ALARM_ORDERS.items()
    }
    features = fields.words("supported_features", [*_ALARM_ORDERS.values()])
    choices = tuple(s for s, order in _ALARM_ORDERS.items() if order in ("disarm", *features))
    yield Part(
        capability=Capability.ALARM,
        report=says(fields, required=True, words={each: each for each in _ALARM_STATES}),
        instruction=told(fields, words=orders),
        # See `lock`.
        choices=() if fields.has("code") else choices,
    )
