"""What a device announces about itself, as Home Assistant's MQTT discovery writes it.

One rule: pure and wary.  An announcement is a stranger's text: it yields
entities, or one `AnnouncementError` with the reason, and nothing else.

Which components are understood, alone or bundled by device, `gateway.iot.ha_components`
says; others are passed over.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from gateway.iot.entity import Device, DeviceId, Entity, EntityId
from gateway.iot.ha_components import parts_of, understood
from gateway.iot.ha_fields import AnnouncementFieldError, Fields
from gateway.iot.ha_keys import AVAILABILITY_KEYS, DEVICE_KEYS, ENTITY_KEYS, SHARED_KEYS
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt_entity import AvailabilityMode, AvailabilitySource, MqttEntity

MAX_ANNOUNCEMENT_BYTES = 64 * 1024
MAX_COMPONENTS = 200
MAX_SOURCES = 8
MAX_NAME_CHARS = 120
MAX_ID_CHARS = 128

_LEVEL = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UNTIDY = re.compile(r"[^A-Za-z0-9_-]")
BUNDLE = "device"
"""Where the level for the component stands when a device announces all of them at once."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the topic of an announcement says.

    Attributes:
        component: ``switch``, … or ``device`` for a bundle.
        node: Who announces; the node id, or the object id if there is none.
        object_id: The last level before ``config``.
    """

    component: str
    node: str
    object_id: str


def place_of(topic: str, prefix: str) -> Place:
    """Return what ``<prefix>/<component>/[<node>/]<object>/config`` says.

    Raises:
        AnnouncementError: `topic` is not of that form.
    """
    levels = topic.removeprefix(f"{prefix}/").split("/")
    if len(levels) not in (3, 4) or levels[-1] != "config" or not all(map(_LEVEL.fullmatch, levels)):
        raise AnnouncementError("the topic is not of the form component/node/object/config")
    return Place(levels[0], levels[1], levels[-2])


def parse_announcement(
    place: Place, payload: bytes, *, accounts: Collection[str] = ()
) -> tuple[MqttEntity, ...]:
    """Return the entities in the announcement `payload` made at `place`.

    Args:
        place: From `place_of`; its component is understood.
        payload: JSON, not empty.
        accounts: Names that the broker lets only their owner announce at.  Such an owner may
            name topics below its own name only: it must not lead us to speak for it elsewhere.

    Raises:
        AnnouncementError: with the reason; no entity of it is to be believed.
    """
    if len(payload) > MAX_ANNOUNCEMENT_BYTES:
        raise AnnouncementError(f"is larger than {MAX_ANNOUNCEMENT_BYTES} bytes")
    try:
        document: object = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise AnnouncementError("is not readable JSON") from error
    try:
        found = _read(place, Fields(document, ENTITY_KEYS))
    except AnnouncementFieldError as error:
        raise AnnouncementError(str(error)) from error
    for each in found:
        _check_topics(each, place.node if place.node in accounts else None)
    if len({each.entity.id for each in found}) < len(found):
        raise AnnouncementError("two components have the same unique_id")
    return found


def _read(place: Place, outside: Fields) -> tuple[MqttEntity, ...]:
    if place.component != BUNDLE:
        name = place.object_id if place.node == place.object_id else f"{place.node}_{place.object_id}"
        return tuple(_entities(place.component, outside, outside.inner("device", DEVICE_KEYS), name))
    components = outside.mapping("components")
    if not components or len(components) > MAX_COMPONENTS:
        raise AnnouncementFieldError(f"components must be 1 to {MAX_COMPONENTS}")
    device = outside.inner("device", DEVICE_KEYS)
    if not device:
        raise AnnouncementFieldError("device is required in a bundle")
    found: list[MqttEntity] = []
    for key, content in components.items():
        fields = Fields(content, ENTITY_KEYS, at=f"components.{key}", outside=outside.only(SHARED_KEYS))
        component = fields.text("platform")
        # A component with nothing but its platform is one that has gone.
        if understood(component) and len(fields) > 1:
            found.extend(_entities(component, fields, device, f"{place.object_id}_{key}"))
    return tuple(found)


def _entities(component: str, fields: Fields, device: Fields, name: str) -> Iterator[MqttEntity]:
    unique_id = fields.text("unique_id") or name
    if len(unique_id) > MAX_ID_CHARS:
        raise AnnouncementFieldError(f"unique_id is longer than {MAX_ID_CHARS} characters")
    label = fields.text("name", limit=MAX_NAME_CHARS)
    owner = _device(device, unique_id, label or name)
    sources = _sources(fields)
    mode = fields.choice("availability_mode", AvailabilityMode, AvailabilityMode.LATEST)
    expire_after_s = fields.number("expire_after") if component in _EXPIRING else 0.0
    for part in parts_of(component, fields):
        suffix = f".{part.name}" if part.name else ""
        yield MqttEntity(
            entity=Entity(
                id=EntityId(f"mqtt.{tidy_id(unique_id)}{suffix}"),
                device=owner,
                name=label or owner.name,
                capability=part.capability,
                device_class=part.device_class if part.name else fields.text("device_class", limit=64),
                unit=part.unit if part.name else fields.text("unit_of_measurement", limit=32),
                part=part.name,
                choices=part.choices,
                minimum=part.minimum,
                maximum=part.maximum,
                step=part.step,
            ),
            report=part.report,
            instruction=part.instruction,
            picture=part.picture,
            sources=sources,
            mode=mode,
            expire_after_s=expire_after_s or None,
        )


_EXPIRING = ("sensor", "binary_sensor")


def tidy_id(unique_id: str) -> str:
    """Return `unique_id` with letters, digits, - and _ only; still unique if it was not ASCII."""
    tidy = _UNTIDY.sub("_", unique_id)
    if unique_id.isascii():
        return tidy
    return f"{tidy}_{hashlib.sha256(unique_id.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _device(fields: Fields, unique_id: str, name: str) -> Device:
    identifier = fields.first_text("identifiers") or fields.first_text("connections") or unique_id
    return Device(
        id=DeviceId(f"mqtt.{tidy_id(identifier[:MAX_ID_CHARS])}"),
        name=fields.text("name", limit=MAX_NAME_CHARS) or name,
        link="mqtt",
        manufacturer=fields.text("manufacturer", limit=MAX_NAME_CHARS),
        model=fields.text("model", limit=MAX_NAME_CHARS),
        firmware=fields.text("sw_version", limit=MAX_NAME_CHARS),
    )


def _sources(fields: Fields) -> tuple[AvailabilitySource, ...]:
    single = fields.topic("availability_topic")
    if single:
        return (
            AvailabilitySource(
                topic=single,
                template=fields.template("availability_template"),
                yes=fields.word("payload_available", "online"),
                no=fields.word("payload_not_available", "offline"),
            ),
        )
    each = fields.inner_list("availability", AVAILABILITY_KEYS)
    if len(each) > MAX_SOURCES:
        raise AnnouncementFieldError(f"availability has more than {MAX_SOURCES} topics")
    return tuple(map(_source, each))


def _source(fields: Fields) -> AvailabilitySource:
    topic = fields.topic("topic")
    if not topic:
        raise AnnouncementFieldError("availability.topic is required")
    return AvailabilitySource(
        topic=topic,
        template=fields.template("value_template"),
        yes=fields.word("payload_available", "online"),
        no=fields.word("payload_not_available", "offline"),
    )


def _check_topics(each: MqttEntity, account: str | None) -> None:
    for topic in (*each.topics, *_others(each)):
        if topic.startswith(("$", "homeassistant/")) or topic == "homeassistant":
            raise AnnouncementError(f"the topic {topic[:80]} is not a device's own")
        if account is not None and not topic.startswith(f"{account}/"):
            raise AnnouncementError(f"the topic {topic[:80]} is not below {account}/")


def is_ours(found: Sequence[MqttEntity], prefix: str) -> bool:
    """Return whether any of `found` speaks below `prefix`, where only the gateway itself does."""
    return any(topic.startswith(prefix) for each in found for topic in (*each.topics, *_others(each)))


def _others(each: MqttEntity) -> tuple[str, ...]:
    orders = () if each.instruction is None else (each.instruction.topic,)
    return orders if each.picture is None else (*orders, each.picture.topic)
