"""What a CoAP resource means to the household: from a link to an entity.  Pure.

One rule: only a resource whose kind is known becomes an entity; the rest of
a device is left alone.
"""

import re
from dataclasses import dataclass

from gateway.iot.coap_links import Link
from gateway.iot.entity import Capability, Device, Entity, EntityId, Value


@dataclass(frozen=True, slots=True)
class Kind:
    """What a resource is, in Home Assistant's words.

    Attributes:
        part: As `gateway.iot.entity.Entity` has it.
    """

    capability: Capability
    device_class: str = ""
    unit: str = ""
    part: str = ""


# The IPSO and OMA LwM2M registry's objects: the resource each instance has, then those that some have.
_SENSOR_VALUE, _DIGITAL_INPUT, _ON_OFF = "5700", "5500", "5850"
_OBJECTS = {
    "3200": (_DIGITAL_INPUT, Kind(Capability.BINARY_SENSOR)),
    "3300": (_SENSOR_VALUE, Kind(Capability.SENSOR)),
    "3301": (_SENSOR_VALUE, Kind(Capability.SENSOR, "illuminance", "lx")),
    "3302": (_DIGITAL_INPUT, Kind(Capability.BINARY_SENSOR, "occupancy")),
    "3303": (_SENSOR_VALUE, Kind(Capability.SENSOR, "temperature", "°C")),
    "3304": (_SENSOR_VALUE, Kind(Capability.SENSOR, "humidity", "%")),
    "3305": ("5800", Kind(Capability.SENSOR, "power", "W")),
    "3306": (_ON_OFF, Kind(Capability.SWITCH)),
    "3311": (_ON_OFF, Kind(Capability.LIGHT)),
    "3312": (_ON_OFF, Kind(Capability.SWITCH, "outlet")),
    "3313": ("5702", Kind(Capability.SENSOR, "", "m/s²")),
    "3315": (_SENSOR_VALUE, Kind(Capability.SENSOR, "atmospheric_pressure", "Pa")),
    "3316": (_SENSOR_VALUE, Kind(Capability.SENSOR, "voltage", "V")),
    "3317": (_SENSOR_VALUE, Kind(Capability.SENSOR, "current", "A")),
    "3320": (_SENSOR_VALUE, Kind(Capability.SENSOR, "", "%")),
    "3322": (_SENSOR_VALUE, Kind(Capability.SENSOR, "weight", "kg")),
    "3323": (_SENSOR_VALUE, Kind(Capability.SENSOR, "pressure", "Pa")),
    "3325": (_SENSOR_VALUE, Kind(Capability.SENSOR, "", "ppm")),
    "3328": (_SENSOR_VALUE, Kind(Capability.SENSOR, "power", "W")),
    "3342": (_DIGITAL_INPUT, Kind(Capability.BINARY_SENSOR)),
    "3346": (_SENSOR_VALUE, Kind(Capability.SENSOR)),
    "3347": (_DIGITAL_INPUT, Kind(Capability.BINARY_SENSOR)),
}
_ENERGY = Kind(Capability.SENSOR, "energy", "Wh")
_DIMMER = Kind(Capability.NUMBER, "", "%", "brightness")
_POWER_LEVEL = Kind(Capability.NUMBER, "", "%", "level")
_OPTIONAL = {
    ("3", "9"): Kind(Capability.SENSOR, "battery", "%"),
    ("3305", "5805"): _ENERGY,
    ("3306", "5851"): _POWER_LEVEL,
    ("3311", "5851"): _DIMMER,
    ("3312", "5851"): _POWER_LEVEL,
    ("3311", "5805"): _ENERGY,
    ("3312", "5805"): _ENERGY,
    ("3313", "5703"): Kind(Capability.SENSOR, "", "m/s²"),
    ("3313", "5704"): Kind(Capability.SENSOR, "", "m/s²"),
    ("3342", _ON_OFF): Kind(Capability.SWITCH, "switch"),
}
_RESOURCE_TYPES = {
    "oic.r.temperature": Kind(Capability.SENSOR, "temperature", "°C"),
    "oic.r.humidity": Kind(Capability.SENSOR, "humidity", "%"),
    "oic.r.sensor.illuminance": Kind(Capability.SENSOR, "illuminance", "lx"),
    "oic.r.sensor.atmosphericpressure": Kind(Capability.SENSOR, "atmospheric_pressure", "hPa"),
    "oic.r.sensor.contact": Kind(Capability.BINARY_SENSOR, "opening"),
    "oic.r.sensor.motion": Kind(Capability.BINARY_SENSOR, "motion"),
    "oic.r.sensor.presence": Kind(Capability.BINARY_SENSOR, "occupancy"),
    "oic.r.sensor.smoke": Kind(Capability.BINARY_SENSOR, "smoke"),
    "oic.r.sensor.water": Kind(Capability.BINARY_SENSOR, "moisture"),
    "oic.r.switch.binary": Kind(Capability.SWITCH),
    "oic.r.light": Kind(Capability.LIGHT),
}
# RFC 9176 and the IETF's "core.*" interface descriptions.
_INTERFACES = {
    "core.s": Kind(Capability.SENSOR),
    "core.rp": Kind(Capability.SENSOR),
    "core.a": Kind(Capability.SWITCH),
}
# What the household reads when the device does not say what it calls the value.
_NAMES = {
    "atmospheric_pressure": "气压",
    "battery": "电量",
    "binary_sensor": "状态",
    "current": "电流",
    "energy": "用电量",
    "humidity": "湿度",
    "illuminance": "光照",
    "light": "灯",
    "moisture": "漏水",
    "motion": "移动",
    "occupancy": "有人",
    "opening": "开合",
    "outlet": "插座",
    "power": "功率",
    "pressure": "压力",
    "sensor": "读数",
    "smoke": "烟雾",
    "switch": "开关",
    "temperature": "温度",
    "voltage": "电压",
    "weight": "重量",
}
_IPSO_PATH = re.compile(r"/(\d{1,5})/(\d{1,5})/(\d{1,5})")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%!$&'()*+;=:@-]{1,64}){1,8}")
_MAX_NAME_CHARS = 64


def entity_of(device: Device, endpoint: str, link: Link) -> Entity | None:
    """Return the entity that `link` of `endpoint` is; `None` if it is none."""
    kind = kind_of(link)
    if kind is None or not _PATH.fullmatch(link.target):
        return None
    path = link.target.strip("/")
    return Entity(
        id=EntityId(f"coap.{endpoint}.{path.replace('/', '.')}"),
        device=device,
        name=printable(link.first("title"))[:_MAX_NAME_CHARS] or _name(kind, link),
        capability=kind.capability,
        device_class=kind.device_class,
        unit=kind.unit,
        part=kind.part,
        # The only numbers here are the registry's dimmers, 0 to 100 % in whole ones.
        minimum=0 if kind.capability is Capability.NUMBER else None,
        maximum=100 if kind.capability is Capability.NUMBER else None,
        step=1 if kind.capability is Capability.NUMBER else 0,
    )


def kind_of(link: Link) -> Kind | None:
    """Return what the resource behind `link` is; `None` if that is not known."""
    interfaces = link.words("if")
    kind: Kind | None = None
    if path := _IPSO_PATH.fullmatch(link.target):
        kind = _kind_of_object(path[1], path[3], settable="core.a" in interfaces)
    kind = kind or next((_RESOURCE_TYPES[rt] for rt in link.words("rt") if rt in _RESOURCE_TYPES), None)
    kind = kind or next((_INTERFACES[name] for name in interfaces if name in _INTERFACES), None)
    unit = printable(link.first("u") or link.first("unit"))
    if kind is not None and unit and kind.capability is Capability.SENSOR:
        return Kind(kind.capability, printable(link.first("dc")) or kind.device_class, unit[:16])
    return kind


def link_of(entity: Entity, target: str) -> Link:
    """Return how the box itself lists `entity` at `target`; the inverse of `kind_of`."""
    unitless = (entity.capability, entity.device_class)
    known = (
        name for name, kind in _RESOURCE_TYPES.items() if (kind.capability, kind.device_class) == unitless
    )
    attributes = [
        ("rt", next(known, f"gateway.{entity.capability}")),
        ("if", "core.a" if entity.writable else "core.s"),
        ("title", " ".join(dict.fromkeys((entity.device.name, entity.name, entity.part))).strip()),
        ("u", entity.unit),
        ("ct", "110 0"),
    ]
    return Link(target, (*((name, text) for name, text in attributes if text), ("obs", "")))


def printable(text: str) -> str:
    """Return `text` without what cannot be seen: it goes on a screen and into a log."""
    return "".join(character for character in text if character.isprintable()).strip()


def reading_value(entity: Entity, value: Value) -> Value | None:
    """Return `value` as an entity of this capability has it; `None` if it cannot be that."""
    if entity.capability is Capability.SENSOR:
        return value
    if entity.capability is Capability.NUMBER:
        return None if isinstance(value, bool | str) else value
    if not entity.capability.is_switched and entity.capability is not Capability.BUTTON:
        return value if isinstance(value, str) else None
    if isinstance(value, str):
        return {"on": True, "off": False, "1": True, "0": False}.get(value.lower())
    return bool(value)


def resources_of(number: str) -> tuple[str, ...]:
    """Return which resources of object `number` are entities; one that each instance has comes first."""
    first = (_OBJECTS[number][0],) if number in _OBJECTS else ()
    return (*first, *(resource for each, resource in _OPTIONAL if each == number))


def _name(kind: Kind, link: Link) -> str:
    path = _IPSO_PATH.fullmatch(link.target)
    if path and kind.part:
        # A side of a thing bears the thing's name.
        kind = _OBJECTS[path[1]][1]
    name = _NAMES.get(kind.device_class) or _NAMES.get(kind.capability.value, kind.capability.value)
    return f"{name} {int(path[2]) + 1}" if path and int(path[2]) else name


def _kind_of_object(number: str, resource: str, *, settable: bool) -> Kind | None:
    if resource == _DIGITAL_INPUT and settable:
        resource = _ON_OFF
    first, kind = _OBJECTS.get(number, ("", None))
    return kind if resource == first else _OPTIONAL.get((number, resource))
