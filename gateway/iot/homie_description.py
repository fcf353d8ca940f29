"""What a Homie device says of itself, as Homie 5 writes it (homieiot.github.io, specification 5.0).

One rule: pure.  A description is believed whole or not at all, and what it
means is decided here; `gateway.iot.homie` carries the payloads.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Value
from gateway.iot.link import AnnouncementError

MAX_DESCRIPTION_BYTES = 256 * 1024
MAX_PROPERTIES = 200
MAX_NAME_CHARS = 128
MAX_VALUE_CHARS = 255
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_FLOAT = re.compile(r"-?[0-9]{1,17}(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?")
_EXACT = 2**53
_WORDS = {"true": True, "false": False}


class _Property(msgspec.Struct, frozen=True):
    datatype: str
    name: str = ""
    format: str = ""
    settable: bool = False
    retained: bool = True
    unit: str = ""


class _Node(msgspec.Struct, frozen=True):
    name: str = ""
    type: str = ""
    properties: dict[str, _Property] = {}


class _Description(msgspec.Struct, frozen=True):
    homie: str
    version: int
    name: str = ""
    type: str = ""
    nodes: dict[str, _Node] = {}


_decoder = msgspec.json.Decoder(_Description)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomieProperty:
    """One property of a device.

    Attributes:
        entity: What the home sees.
        topic: Below the domain: ``5/device/node/property``; in older versions without the first level.
        datatype: Homie's word.
        lowest, highest: Of numbers; None without a bound.
        words: Of an enumeration; empty for others.
        settable: Whether it takes commands.
        retained: Whether the broker keeps its value.
    """

    entity: Entity
    topic: str
    datatype: str
    lowest: float | None = None
    highest: float | None = None
    words: tuple[str, ...] = ()
    settable: bool = False
    retained: bool = True

    def read(self, payload: bytes) -> Value:
        """Return the value that `payload` says.

        Raises:
            ValueError: none of this property's.
        """
        text = payload.decode()
        match self.datatype:
            case "boolean":
                return _WORDS[text]
            case "integer" if _INTEGER.fullmatch(text):
                number = int(text)
                return self._bounded(number if abs(number) <= _EXACT else float(number))
            case "float" if _FLOAT.fullmatch(text):
                return self._bounded(float(text))
            case "enum" if text in self.words:
                return text
            case "string" | "color" | "datetime" | "duration" | "json" if len(text) <= MAX_VALUE_CHARS:
                # An empty text is sent as one zero byte: an empty payload would clear the topic.
                return "" if text == "\0" else text
        raise ValueError(f"is not of type {self.datatype}")

    def word(self, value: Value) -> str:
        """Return how the device is told to become `value`.

        Raises:
            ValueError: it cannot be.
        """
        if not self.settable or not self.entity.takes(value):
            raise ValueError("cannot be told to become that")
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.datatype == "integer" and not isinstance(value, int):
            raise ValueError("is a whole number")
        return str(value)

    def _bounded(self, number: float) -> int | float:
        low = -math.inf if self.lowest is None else self.lowest
        high = math.inf if self.highest is None else self.highest
        if not math.isfinite(number) or not low <= number <= high:
            raise ValueError("is out of bounds")
        return number


def is_device_id(text: str) -> bool:
    """Return whether `text` can be a device's, a node's or a property's."""
    return bool(_ID.fullmatch(text))


def parse_description(device_id: str, payload: bytes) -> tuple[HomieProperty, ...]:
    """Return what the device of that id consists of.

    Raises:
        AnnouncementError: with the reason.
    """
    if len(payload) > MAX_DESCRIPTION_BYTES:
        raise AnnouncementError(f"is larger than {MAX_DESCRIPTION_BYTES} bytes")
    try:
        said = _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise AnnouncementError(f"is not a description: {error}") from error
    if said.homie.partition(".")[0] != "5":
        raise AnnouncementError(f"speaks Homie {said.homie[:10]}, not 5")
    for node_id, node in said.nodes.items():
        for property_id in node.properties:
            if not is_device_id(node_id) or not is_device_id(property_id):
                raise AnnouncementError(f"{f'{node_id}/{property_id}'[:140]!a} is not a name")
    return _properties(device_id, said, f"5/{device_id}")


def parse_document(device_id: str, document: Mapping[str, object]) -> tuple[HomieProperty, ...]:
    """Return what the device of that id consists of, which speaks an older version.

    Args:
        device_id: Its name.
        document: What it would write as Homie 5; the names in it are in order.

    Raises:
        AnnouncementError: with the reason.
    """
    try:
        said = msgspec.convert(document, _Description)
    except msgspec.ValidationError as error:
        raise AnnouncementError(f"is not a description: {error}") from error
    return _properties(device_id, said, device_id)


def _properties(device_id: str, said: _Description, topic: str) -> tuple[HomieProperty, ...]:
    device = Device(
        id=DeviceId(f"homie.{device_id}"),
        name=_name(said.name) or device_id,
        link="homie",
        model=_name(said.type),
    )
    found: list[HomieProperty] = []
    for node_id, node in said.nodes.items():
        for property_id, each in node.properties.items():
            place = f"{node_id}/{property_id}"
            if len(found) == MAX_PROPERTIES:
                raise AnnouncementError(f"has more than {MAX_PROPERTIES} properties")
            name = _name(each.name) or property_id
            if len(said.nodes) > 1:
                name = f"{_name(node.name) or node_id} {name}"
            words = tuple(each.format.split(",")) if each.datatype == "enum" else ()
            if any(len(word) > MAX_VALUE_CHARS for word in words):
                raise AnnouncementError(f"{place} has a word of more than {MAX_VALUE_CHARS} characters")
            lowest, highest, step = _range(each, place)
            capability = _capability(each)
            found.append(
                HomieProperty(
                    entity=Entity(
                        id=EntityId(f"homie.{device_id}.{node_id}.{property_id}"),
                        device=device,
                        name=name,
                        capability=capability,
                        unit=each.unit[:16],
                        choices=words if capability is Capability.SELECT else (),
                        minimum=lowest,
                        maximum=highest,
                        step=step,
                    ),
                    topic=f"{topic}/{place}",
                    datatype=each.datatype,
                    lowest=lowest,
                    highest=highest,
                    words=words,
                    settable=each.settable,
                    retained=each.retained,
                )
            )
    return tuple(found)


def _capability(said: _Property) -> Capability:
    if said.datatype == "boolean":
        return Capability.SWITCH if said.settable else Capability.BINARY_SENSOR
    if said.settable and said.datatype in ("integer", "float"):
        return Capability.NUMBER
    return Capability.SELECT if said.settable and said.datatype == "enum" else Capability.SENSOR


def _range(said: _Property, place: str) -> tuple[float | None, float | None, float]:
    """Return the bounds and the step in ``[min]:[max][:step]``."""
    whole = 1.0 if said.datatype == "integer" else 0.0
    if said.datatype not in ("integer", "float") or not said.format:
        return None, None, whole
    parts = said.format.split(":")
    try:
        lowest, highest, step = (float(each) if each else None for each in (*parts, "")[:3])
    except ValueError:
        parts = []
    numbers = [] if not parts else [each for each in (lowest, highest, step) if each is not None]
    if len(parts) not in (2, 3) or not all(map(math.isfinite, numbers)):
        raise AnnouncementError(f"the format of {place} is not min:max:step")
    return lowest, highest, step or whole


def _name(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:MAX_NAME_CHARS].strip()
