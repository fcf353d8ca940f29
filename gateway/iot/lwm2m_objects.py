"""What an LwM2M device has: from its registration and its own words to links and a device.  Pure.

One rule: a registration names instances, not resources.  What each instance of
an object has is taken to be there until the device says otherwise; what only
some have, when the device says so.

Sources: OMA-TS-LightweightM2M_Core 1.1.1, sections 6.4 and 8.2.2; the OMA registry's objects.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.iot.coap_links import Link
from gateway.iot.coap_resources import printable, resources_of
from gateway.iot.coap_senml import SENML_CBOR, SENML_JSON, TEXT, home_unit
from gateway.iot.entity import Device, Value
from gateway.iot.lwm2m_paths import Path, parse_path, path_text
from gateway.iot.lwm2m_values import LWM2M_JSON, TLV

MAX_INSTANCES = 64
DEVICE: Path = (3, 0)
REBOOT: Path = (3, 0, 4)

_ROOT_TYPE = "oma.lwm2m"
# Some write 1.0.0 or 1.0.2 for 1.0.
_VERSION = re.compile(r"(1\.[0-9])(?:\.[0-9])?")
_ROOT = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,31}){1,4}")
_FIRST_VERSION = "1.0"
_FORMATS = (SENML_CBOR, SENML_JSON, TLV, LWM2M_JSON, TEXT)
_FIRST_FORMATS = (TLV, LWM2M_JSON, TEXT)
_UNITS, _APPLICATION = 5701, 5750
# What resource 5701 is the unit of; in a lamp it is that of the colour.
_MEASURED = (5700, 5702, 5703, 5704)
_INSTANCE_DEPTH = 2
_MAX_TEXT_CHARS = 64
# What devices write where the OMA registry wants SenML's "Cel" and its like.
_LOOSE_UNITS = {"C": "°C", "degC": "°C", "Celsius": "°C", "F": "°F", "lux": "lx", "percent": "%"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a registration says.

    Attributes:
        root: What stands before every path, ``/lwm2m`` for instance; usually empty.
        formats: Content formats to ask for, best first.
        instances: Those of objects that are entities, and the device's own, which comes first.
        objects: The numbers of all its objects, also of those that nothing is made of here.
    """

    root: str
    formats: tuple[int, ...]
    instances: tuple[Path, ...]
    objects: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Explored:
    """What a device said when it was asked what it has.

    Attributes:
        values: Its resources' values, as far as they could be read.
        present: The resources of each instance that told which it has.
    """

    values: Mapping[Path, Value] = field(default_factory=dict)
    present: Mapping[Path, frozenset[Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """Object 3, what is printed on a label; empty where it says nothing."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    hardware: str = ""


def version_of(said: str | None, links: Iterable[Link]) -> str | None:
    """Return the LwM2M version a registering device speaks, empty if it is none; `None` if not one of ours.

    Args:
        said: The ``lwm2m`` parameter; `None` if it is not there.
        links: The body of its registration.
    """
    if said is not None:
        version = _VERSION.fullmatch(said)
        return version[1] if version else None
    return _FIRST_VERSION if any(_ROOT_TYPE in link.words("rt") for link in links) else ""


def inventory(version: str, links: tuple[Link, ...]) -> Inventory:
    """Return what `links`, the body of a registration, say."""
    roots = [link for link in links if link.target == "/" or _ROOT_TYPE in link.words("rt")]
    said = next((link.target.rstrip("/") for link in roots if _ROOT_TYPE in link.words("rt")), "")
    # It is put behind the device's address: anything but a path would be another address.
    root = said if _ROOT.fullmatch(said) else ""
    # Devices write ct="110 112", and ct=110;ct=112 too.
    offered = {
        word for link in roots for name, text in link.attributes if name == "ct" for word in text.split()
    }
    known = _FIRST_FORMATS if version == _FIRST_VERSION else _FORMATS
    preferred = [each for each in _FORMATS if str(each) in offered]
    listed = [path for link in links if (path := parse_path(link.target.removeprefix(root))) is not None]
    found = dict.fromkeys(
        path for path in listed if len(path) == _INSTANCE_DEPTH and resources_of(str(path[0]))
    )
    ordered = sorted(found, key=lambda path: path != DEVICE)[:MAX_INSTANCES]
    return Inventory(
        root=root,
        formats=tuple(dict.fromkeys((*preferred, *known))),
        instances=tuple(ordered),
        objects=frozenset(path[0] for path in listed),
    )


def facts_of(values: Mapping[Path, Value]) -> DeviceFacts:
    """Return what the device's object 3 says in `values`."""

    def text(resource: int) -> str:
        said = values.get((*DEVICE, resource), "")
        return printable(str(said))[:_MAX_TEXT_CHARS]

    return DeviceFacts(
        manufacturer=text(0), model=text(1), serial=text(2), firmware=text(3), hardware=text(18)
    )


def described(device: Device, explored: Explored) -> Device:
    """Return `device` with what it says of itself."""
    facts = facts_of(explored.values)
    label = f"{facts.manufacturer} {facts.model}".strip()
    return replace(
        device,
        # A number is no name for a household.
        name=label if label and device.name.startswith("urn:") else device.name,
        manufacturer=facts.manufacturer,
        model=facts.model or device.model,
        firmware=facts.firmware,
    )


def links_of(inventory: Inventory, explored: Explored) -> tuple[Link, ...]:
    """Return the resources that may be entities, each as a plain CoAP device would list it."""
    # Its battery is not what a household has it for.
    ordered = sorted(inventory.instances, key=lambda instance: instance == DEVICE)
    return tuple(_link(path, explored) for instance in ordered for path in _resources(instance, explored))


def _resources(instance: Path, explored: Explored) -> list[Path]:
    known = [(*instance, int(resource)) for resource in resources_of(str(instance[0]))]
    # A value that cannot be read now, not a number for instance, is there all the same.
    sure = [] if instance == DEVICE else known[:1]
    present = explored.present.get(instance, frozenset())
    return [path for path in known if path in sure or path in present]


def _link(path: Path, explored: Explored) -> Link:
    unit = str(explored.values.get((*path[:_INSTANCE_DEPTH], _UNITS), ""))
    title = str(explored.values.get((*path[:_INSTANCE_DEPTH], _APPLICATION), ""))
    attributes = (
        ("title", title),
        ("u", _LOOSE_UNITS.get(unit, home_unit(unit)) if path[2] in _MEASURED else ""),
    )
    return Link(path_text(path), (*((name, text) for name, text in attributes if text), ("obs", "")))
