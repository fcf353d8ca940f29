"""What the home consists of: devices, their entities, and what was reported.

One rule: a reported state is only ever what the device itself said.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

import msgspec

EntityId = NewType("EntityId", str)
DeviceId = NewType("DeviceId", str)

Value = bool | int | float | str
"""What is on or off reports booleans, sensors numbers or words, the rest as its capability says."""


class Capability(StrEnum):
    """What an entity can do; Home Assistant's words.

    A device of many sides (an air conditioner, a dimmable lamp) is one entity for each of them:
    every entity has one value, and says of itself alone whether it came true.
    """

    SWITCH = "switch"
    LIGHT = "light"
    FAN = "fan"
    SENSOR = "sensor"
    BINARY_SENSOR = "binary_sensor"
    NUMBER = "number"
    SELECT = "select"
    CLIMATE = "climate"
    """Its mode, a word; the temperatures are parts of their own."""
    COVER = "cover"
    """open, opening, closed, closing or stopped."""
    LOCK = "lock"
    """locked, locking, unlocked, unlocking or jammed."""
    ALARM = "alarm"
    BUTTON = "button"
    """Is pressed, which is the value True, and has no state."""
    UPDATE = "update"
    """The version that is installed; installing is not done this way."""
    EVENT = "event"
    """The word of what happened last."""
    CAMERA = "camera"
    """The kind of its newest picture, which `gateway.iot.pictures` has; it is nobody else's."""

    @property
    def writable(self) -> bool:
        """Whether it takes commands."""
        return self not in _TELLING

    @property
    def is_switched(self) -> bool:
        """Whether its value is on or off."""
        return self in _SWITCHED


class Body(StrEnum):
    """What of a body is measured; `gateway.iot.body` tells which entities do.  Private, wherever it goes."""

    SYSTOLIC = "systolic"
    DIASTOLIC = "diastolic"
    PULSE = "pulse"
    BREATHING = "breathing"
    GLUCOSE = "glucose"
    SPO2 = "spo2"
    WEIGHT = "weight"
    TEMPERATURE = "temperature"
    OTHER = "other"
    """Something else, or the device does not say what."""


class Quality(StrEnum):
    """How far a report is to be believed."""

    GOOD = "good"
    IMPLAUSIBLE = "implausible"
    """No body is like that: a slipped cuff, a wrong unit, a suitcase on the scales."""
    UNDATED = "undated"
    """The meter's clock is wrong: only when the report arrived is known."""


_TELLING = (
    Capability.SENSOR,
    Capability.BINARY_SENSOR,
    Capability.UPDATE,
    Capability.EVENT,
    Capability.CAMERA,
)
_WORDED = (Capability.SELECT, Capability.CLIMATE, Capability.COVER, Capability.LOCK, Capability.ALARM)
_SWITCHED = (Capability.SWITCH, Capability.LIGHT, Capability.FAN, Capability.BINARY_SENSOR)


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
        id: ``mqtt.<unique_id>[.<part>]``, ``coap.<endpoint>.<path with dots>`` or ``tv.*``.
        device: Whose it is.
        name: As the household calls it.
        capability: What it can do.
        device_class: Home Assistant's device class, empty if none.
        unit: Home Assistant's unit of measurement, empty if none.
        part: Which side of the thing called `name` this is, ``brightness`` or ``target``; empty
            for the thing itself.
        choices: The words that it can be told to become; it may report others.
        reserved: Further words that only rules may tell it.
        minimum: Of a number; `None` without a bound, as `maximum`.
        step: Between two numbers that it tells apart; 0 if that is not known.
        body: What of a body it measures; `None` if nothing.  The registry says so.
    """

    id: EntityId
    device: Device
    name: str
    capability: Capability
    device_class: str = ""
    unit: str = ""
    part: str = ""
    choices: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float = 0.0
    body: Body | None = None

    @property
    def writable(self) -> bool:
        """Whether there is anything that it can be told."""
        return self.capability.writable and (self.capability not in _WORDED or bool(self.choices))

    def takes(self, value: Value) -> bool:
        """Return whether it can be told to become `value`."""
        if not self.writable:
            return False
        if isinstance(value, bool):
            return self.capability.is_switched or (self.capability is Capability.BUTTON and value)
        if isinstance(value, str):
            return value in self.choices
        if self.capability is not Capability.NUMBER or not math.isfinite(value):
            return False
        lowest = -math.inf if self.minimum is None else self.minimum
        highest = math.inf if self.maximum is None else self.maximum
        return lowest <= value <= highest

    def agrees(self, reported: Value | None, wanted: Value) -> bool:
        """Return whether what it `reported` is what it was told: for numbers, to half a step."""
        if self.capability is not Capability.NUMBER:
            return type(reported) is type(wanted) and reported == wanted
        if isinstance(reported, bool | str | None) or isinstance(wanted, bool | str):
            return False
        return math.isclose(reported, wanted, rel_tol=1e-6, abs_tol=self.step / 2)


class Reading(msgspec.Struct, frozen=True):
    """What a device said of one of its entities.

    Attributes:
        entity: Which.
        value: What it is now; `None` if it says that it does not know.
        at: When it was so, or when we learned it; timezone-aware UTC.
        live: False when it was said at an unknown earlier time and kept for us: it tells
            the state, but proves nothing about what happened since.
        sure: False when who kept it may have lost what was said after it, as a broker does
            that lost power.
        dated: Whether `at` is the device's own word about when it was measured.
        quality: How far it is to be believed.
    """

    entity: EntityId
    value: Value | None
    at: datetime
    live: bool = True
    sure: bool = True
    dated: bool = False
    quality: Quality = Quality.GOOD


class State(msgspec.Struct, frozen=True):
    """All that is known of an entity.

    Attributes:
        entity: Whose state this is.
        value: The last reported value; `None` before the first report, and when the device says that it
            does not know.
        reported_at: When it was reported; `None` before the first report.
        available: Whether the device can be reached.
        sure: False while `value` was only kept for us, and may be an older one: see `Reading`.
        quality: How far `value` and `reported_at` are to be believed.
    """

    entity: Entity
    value: Value | None = None
    reported_at: datetime | None = None
    available: bool = True
    sure: bool = True
    quality: Quality = Quality.GOOD


class StateChanged(msgspec.Struct, frozen=True):
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
