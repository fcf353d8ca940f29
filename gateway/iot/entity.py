"""What the home consists of: devices, their entities, and what was reported.

One rule: a reported state is only ever what the device itself said.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

EntityId = NewType("EntityId", str)
DeviceId = NewType("DeviceId", str)

Value = bool | int | float | str
"""Switches and binary sensors report booleans, sensors numbers or words, lights booleans."""


class Capability(StrEnum):
    """What an entity can do; Home Assistant's words."""

    SWITCH = "switch"
    LIGHT = "light"
    SENSOR = "sensor"
    BINARY_SENSOR = "binary_sensor"

    @property
    def writable(self) -> bool:
        """Whether it takes commands."""
        return self in (Capability.SWITCH, Capability.LIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A thing in the home.

    Attributes:
        id: Stable over restarts of device and box.
        name: As the household calls it.
        link: ``mqtt``, ``coap`` or ``tv``.
    """

    id: DeviceId
    name: str
    link: str
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One ability of a device.

    Attributes:
        id: ``mqtt.<unique_id>``, ``coap.<endpoint>.<path with dots>`` or ``tv.*``.
        device: Whose it is.
        name: As the household calls it.
        capability: What it can do.
        device_class: Home Assistant's device class, empty if none.
        unit: Home Assistant's unit of measurement, empty if none.
    """

    id: EntityId
    device: Device
    name: str
    capability: Capability
    device_class: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device said of one of its entities.

    Attributes:
        entity: Which.
        value: What it is now.
        at: When it was so, or when we learned it; timezone-aware UTC.
        live: False when it was said at an unknown earlier time and kept for us: it tells
            the state, but proves nothing about what happened since.
    """

    entity: EntityId
    value: Value
    at: datetime
    live: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of an entity.

    Attributes:
        entity: Whose state this is.
        value: The last reported value; `None` before the first report.
        reported_at: When it was reported; `None` before the first report.
        available: Whether the device can be reached.
    """

    entity: Entity
    value: Value | None = None
    reported_at: datetime | None = None
    available: bool = True


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A state is no longer what it was.

    Attributes:
        before: `None` when the entity is new.
        after: `None` when the entity has gone.
        repeated: True when the device reported the same value again.
        live: Whether the device said so just now: False for what was kept from an unknown
            earlier time, and when something else than the value changed.
    """

    before: State | None
    after: State | None
    repeated: bool = False
    live: bool = False
