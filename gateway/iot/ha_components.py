"""What each component of Home Assistant's MQTT discovery consists of.

One rule: one announcement, one part for each value that the thing has.
Firmware is told and cannot be ordered here: it is installed with its
publisher's signature or not at all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gateway.iot import ha_appliances
from gateway.iot.entity import Capability
from gateway.iot.ha_fields import AnnouncementFieldError, Fields
from gateway.iot.ha_parts import Part, number, says, told
from gateway.iot.ha_template import Template
from gateway.iot.mqtt_entity import PictureTopic, switched

_WORD_CLASSES = ("date", "timestamp", "enum")
_EVENT = Template(json=True, steps=("event_type",))


def understood(component: str) -> bool:
    """Return whether announcements of this component are read."""
    return component in _COMPONENTS


def parts_of(component: str, fields: Fields) -> tuple[Part, ...]:
    """Return the parts of an announced thing, itself first.

    Raises:
        AnnouncementFieldError: a key is missing or holds something else than it should.
    """
    found = tuple(_COMPONENTS[component](fields))
    if not found:
        raise AnnouncementFieldError("it neither says nor takes anything")
    return found


def _switch(fields: Fields) -> Iterator[Part]:
    on, off = fields.word("payload_on", "ON"), fields.word("payload_off", "OFF")
    words = switched(fields.word("state_on", on), fields.word("state_off", off))
    yield Part(
        capability=Capability.SWITCH,
        report=says(fields, words=words),
        instruction=told(fields, words={True: on, False: off}),
    )


def _sensor(fields: Fields) -> Iterator[Part]:
    kind = fields.text("device_class")
    promised = any(map(fields.text, ("unit_of_measurement", "state_class"))) or bool(kind)
    report = says(fields, required=True, numeric=promised and kind not in _WORD_CLASSES)
    yield Part(capability=Capability.SENSOR, report=report)


def _binary_sensor(fields: Fields) -> Iterator[Part]:
    words = switched(fields.word("payload_on", "ON"), fields.word("payload_off", "OFF"))
    yield Part(capability=Capability.BINARY_SENSOR, report=says(fields, required=True, words=words))


def _numbered(fields: Fields) -> Iterator[Part]:
    yield number(
        fields,
        "",
        report=("state_topic", "value_template"),
        order=("command_topic", "command_template"),
        bounds=(fields.real("min", 1), fields.real("max", 100), fields.real("step", 1)),
    )


def _camera(fields: Fields) -> Iterator[Part]:
    where, encoding = fields.topic("topic"), fields.text("image_encoding")
    if not where:
        raise AnnouncementFieldError("topic is required")
    if encoding not in ("", "b64"):
        raise AnnouncementFieldError("image_encoding is not b64")
    picture = PictureTopic(topic=where, encoded=encoding == "b64")
    yield Part(capability=Capability.CAMERA, picture=picture)


def _select(fields: Fields) -> Iterator[Part]:
    choices = fields.words("options")
    if not choices:
        raise AnnouncementFieldError("options is required")
    yield Part(
        capability=Capability.SELECT,
        report=says(fields, words={each: each for each in choices}),
        instruction=told(fields),
        choices=choices,
    )


def _button(fields: Fields) -> Iterator[Part]:
    press = fields.word("payload_press", "PRESS")
    yield Part(capability=Capability.BUTTON, instruction=told(fields, words={True: press}))


def _update(fields: Fields) -> Iterator[Part]:
    yield Part(capability=Capability.UPDATE, report=says(fields, required=True, literal=True))
    if latest := says(fields, "latest_version_topic", "latest_version_template", literal=True):
        yield Part(capability=Capability.SENSOR, name="latest_version", report=latest, device_class="enum")


def _event(fields: Fields) -> Iterator[Part]:
    words = {each: each for each in fields.words("event_types")}
    if not words:
        raise AnnouncementFieldError("event_types is required")
    report = says(fields, required=True, words=dict(words))
    if report is not None and not fields.has("value_template"):
        report = replace(report, template=_EVENT)
    yield Part(capability=Capability.EVENT, report=report)


_COMPONENTS: Mapping[str, Callable[[Fields], Iterator[Part]]] = {
    "switch": _switch,
    "light": ha_appliances.light,
    "fan": ha_appliances.fan,
    "sensor": _sensor,
    "binary_sensor": _binary_sensor,
    "number": _numbered,
    "select": _select,
    "button": _button,
    "lock": ha_appliances.lock,
    "cover": ha_appliances.cover,
    "climate": ha_appliances.climate,
    "alarm_control_panel": ha_appliances.alarm,
    "update": _update,
    "event": _event,
    "camera": _camera,
}
