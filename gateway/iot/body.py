"""Readings of the body: which entities they are, what can be true of one, how a person is told.

One rule: pure, and nothing is changed.  What a meter said is kept as it said it; what cannot be
true is believed less, never left out or put right.

Bounds are those of a living person and of the meters' own displays, not of health: the box
judges meters, never people.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from gateway.iot.entity import Body, Capability, Entity, Value
from gateway.schema import FieldError

MGDL_PER_MMOLL = 18.0156
"""Of glucose, whose molar mass is 180.156 g/mol."""

MAX_NAMED = 200

_PRESSURE = frozenset({"mmhg", "mm[hg]", "kpa"})
_RATE = frozenset({"bpm", "beats/min", "beat/min", "/min", "1/min"})
_SUGAR = frozenset({"mmol/l", "mg/dl"})
_MASS = frozenset({"kg", "lb", "lbs", "st", "jin", "斤"})
_HEAT = frozenset({"°c", "°f"})
_SHARE = frozenset({"%", ""})

_AIR = re.compile(
    r"atmospher|baromet|sea.?level|weather|vacuum|tyre|tire|pump|气压|大气|胎压|水压", re.IGNORECASE
)
_NOT_MEASURED = re.compile(r"battery|signal|alarm|limit|target|perfusion|电量|信号|报警|目标", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One thing that is measured of a body.

    Attributes:
        units: In which it is measured, in small letters.
        words: Found in its name or at the end of its id; empty if the unit alone tells.
        classes: Home Assistant's device classes that say so too, and those that do not deny it.
        bounds: What can be true, in the first of Home Assistant's units for it.
    """

    body: Body
    units: frozenset[str]
    words: str
    classes: tuple[str, ...]
    bounds: tuple[float, float]


_SYSTOLIC = r"systol|收缩压|高压|(?:^|[\W_])sys(?:$|[\W_])"
_DIASTOLIC = r"diastol|舒张压|低压|(?:^|[\W_])dia(?:$|[\W_])"
_OXYGEN = r"spo.?[2₂]|oxygen.?sat|blood.?oxygen|oximet|血氧"
_FEVER = r"body.?temp|fever|(?:ear|oral).?thermometer|体温|额温|耳温"
_BLOOD = ("pressure", "blood_pressure")
_HOT = ("temperature", "body_temperature")
_SWEET = ("blood_glucose_concentration", "blood_glucose")

# In this order: what is more certain first.
_KINDS = (
    _Kind(Body.SYSTOLIC, _PRESSURE, _SYSTOLIC, _BLOOD, (50, 280)),
    _Kind(Body.DIASTOLIC, _PRESSURE, _DIASTOLIC, _BLOOD, (20, 200)),
    _Kind(Body.GLUCOSE, _SUGAR, r"gluc|sugar|血糖|cgm", _SWEET, (0.5, 50)),
    _Kind(Body.SPO2, _SHARE, _OXYGEN, ("spo2",), (50, 100)),
    _Kind(Body.BREATHING, _RATE, r"breath|respir|呼吸", (), (3, 80)),
    _Kind(Body.PULSE, _RATE, "", ("heart_rate",), (20, 260)),
    _Kind(Body.TEMPERATURE, _HEAT, _FEVER, _HOT, (25, 45)),
    _Kind(Body.WEIGHT, _MASS, "", ("weight",), (0.3, 400)),
)
_BOUNDS = {kind.body: kind.bounds for kind in _KINDS}
_CERTAIN = {
    "blood_glucose_concentration": Body.GLUCOSE,
    "blood_glucose": Body.GLUCOSE,
    "body_temperature": Body.TEMPERATURE,
    "heart_rate": Body.PULSE,
    "spo2": Body.SPO2,
}
"""Device classes that say it all by themselves."""

_OTHER = re.compile(
    r"body.?fat|muscle.?mass|visceral|(?:^|[\W_])bmi(?:$|[\W_])|cholesterol|ketone|uric.?acid"
    r"|irregular.?(?:pulse|heart)|arrhythm|体脂|血脂|胆固醇|尿酸|心电|心律",
    re.IGNORECASE,
)

_BLOOD_UNIT = (Body.SYSTOLIC, Body.DIASTOLIC)
_SHOWN = {
    (_BLOOD_UNIT, "kpa"): (7.50062, 0.0, 0, "mmHg"),
    (_BLOOD_UNIT, "mm[hg]"): (1.0, 0.0, 0, "mmHg"),
    ((Body.GLUCOSE,), "mg/dl"): (1 / MGDL_PER_MMOLL, 0.0, 1, "mmol/L"),
    ((Body.GLUCOSE,), "mmol/l"): (MGDL_PER_MMOLL, 0.0, 0, "mg/dL"),
    ((Body.TEMPERATURE,), "°f"): (1 / 1.8, -32.0, 1, "°C"),
    ((Body.WEIGHT,), "lb"): (0.45359237, 0.0, 1, "kg"),
    ((Body.WEIGHT,), "lbs"): (0.45359237, 0.0, 1, "kg"),
    ((Body.WEIGHT,), "st"): (6.35029318, 0.0, 1, "kg"),
    ((Body.WEIGHT,), "jin"): (0.5, 0.0, 1, "kg"),
    ((Body.WEIGHT,), "斤"): (0.5, 0.0, 1, "kg"),
}
"""Of which values and from which unit: by what they are multiplied after something is added, how many
digits are left after the point, and in which unit that is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyConfig:
    """The ``iot.body`` section.

    Attributes:
        kinds: What an entity measures of a body, ``none`` for nothing, where the box cannot see it or sees
            it wrongly: by entity id.
        glucose_unit: In which the household reads glucose.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    glucose_unit: Literal["mmol/L", "mg/dL"] = "mmol/L"

    def __post_init__(self) -> None:
        if len(self.kinds) > MAX_NAMED:
            raise FieldError("kinds", f"names more than {MAX_NAMED} entities")
        for entity, kind in self.kinds.items():
            if kind != "none" and kind not in tuple(Body):
                raise FieldError(f"kinds.{entity}", f"{kind} is none of none, {', '.join(Body)}")

    def of(self, entity: Entity) -> Body | None:
        """Return what `entity` measures of a body, as the household or its own words have it."""
        said = self.kinds.get(entity.id)
        if said is not None:
            return None if said == "none" else Body(said)
        return body_of(entity)


def body_of(entity: Entity) -> Body | None:
    """Return what `entity` measures of a body by its own words; `None` if nothing, as far as can be told.

    Where a unit is used for little else than bodies and the words do not tell which value it is, it is
    `Body.OTHER`: better a barometer hidden than a blood pressure shown.
    """
    own = f"{entity.name} {entity.part} {entity.id.rpartition('.')[2]}"
    if entity.capability not in (Capability.SENSOR, Capability.BINARY_SENSOR) or _NOT_MEASURED.search(own):
        return None
    if certain := _CERTAIN.get(entity.device_class):
        return certain
    if _OTHER.search(own):
        return Body.OTHER
    if entity.capability is Capability.BINARY_SENSOR:
        return None
    unit, said = entity.unit.lower(), entity.device_class
    found = (
        kind.body
        for kind in _KINDS
        if unit in kind.units
        and (not said or said in kind.classes)
        and re.search(kind.words, own, re.IGNORECASE)
    )
    is_air = said == "atmospheric_pressure" or _AIR.search(f"{own} {entity.device.name}")
    # Weather is told in kPa, and hardly anything but blood in mmHg.
    is_doubtful = (unit in _PRESSURE - {"kpa"} and not is_air) or unit in _SUGAR
    return next(found, Body.OTHER if is_doubtful else None)


def is_plausible(body: Body, value: Value, unit: str) -> bool:
    """Return whether `value` in `unit` can be true of a living person."""
    bounds = _BOUNDS.get(body)
    if bounds is None:
        return True
    if isinstance(value, bool | str):
        return False
    return bounds[0] <= in_household_unit(body, value, unit)[0] <= bounds[1]


def in_household_unit(body: Body, value: float, unit: str, glucose: str = "mmol/L") -> tuple[float, str]:
    """Return `value` and its unit as the household reads them: for showing only."""
    for (bodies, measured), (factor, offset, digits, shown) in _SHOWN.items():
        if body not in bodies or unit.lower() != measured or (body is Body.GLUCOSE and shown != glucose):
            continue
        told = (value + offset) * factor
        return (round(told, digits) if digits else round(told)), shown
    return value, unit
