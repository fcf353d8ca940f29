"""What a rule is: when, if, do.  Plain values, checked when they are made.

One rule: a rule that exists can be evaluated; nothing wrong with it is left
to be found while it runs.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from gateway.iot.entity import EntityId, Value
from gateway.iot.household import check_id
from gateway.iot.rules_steps import MAX_STEPS, MAX_STEPS_IN_ALL, Step, every
from gateway.iot.rules_times import DAYS, SUN_WORDS, minutes_of
from gateway.iot.sun import SunEvent
from gateway.schema import FieldError

RuleId = NewType("RuleId", str)

MAX_FOR_S = 86_400.0
MAX_QUIET_S = 172_800.0
MAX_QUIET = 64
MAX_OFFSET_S = 14_400.0
MAX_KEY_CHARS = 32
MAX_CONDITIONS = 16

REMOTE = EntityId("tv.keys")
"""Among the things that may be quiet, any key of the remote; no entity, for nobody else need know."""


_NONE = EntityId("")


class Mode(StrEnum):
    """What happens when a rule fires while what it did last is still going on."""

    SINGLE = "single"
    RESTART = "restart"
    QUEUED = "queued"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """Something that is so or not so, or something that happens.

    Exactly one of `entity`, `at`, `sun`, `key`, `quiet` and, without `quiet`, `between` is given; with
    `entity`, exactly one of `above`, `below`, `equals` and `changes`.

    Attributes:
        entity: Whose value counts.
        above: So while the value is greater than this.
        below: So while the value is less than this.
        equals: So while the value is this.
        changes: Happens whenever the value becomes another.
        for_s: Seconds it must stay so before it counts.
        hysteresis: How far the value must go back over the threshold to be no longer so.
        at: Happens at this time of day, as ``22:30`` on the household's clock.
        sun: Happens when the sun does this where the box stands.
        offset_s: So many seconds after that, or before it if it is negative.
        days: On these days only, as ``mon``; on all without.
        key: Happens when this key of the remote is pressed.
        quiet: Happens when none of these entities told of life for `for_s`; `REMOTE` stands for
            any key of the remote.
        between: So from one time of day to before another: ``{"from": "22:00", "to": "06:00"}``, or from
            or to what the sun does, as ``sunset``.  With `quiet`, the hours that count, without the sun.
    """

    __test__ = False

    entity: EntityId = _NONE
    above: int | float | None = None
    below: int | float | None = None
    equals: Value | None = None
    changes: bool = False
    for_s: float = 0.0
    hysteresis: float = 0.0
    at: str = ""
    sun: SunEvent | None = None
    offset_s: float = 0.0
    days: tuple[str, ...] = ()
    key: str = ""
    quiet: tuple[EntityId, ...] = ()
    between: dict[str, str] | None = None

    def __post_init__(self) -> None:
        hours = self.between is not None and not self.quiet
        given = (self.entity, self.at, self.sun, self.key, self.quiet, hours)
        if sum(map(bool, given)) != 1:
            raise ValueError("exactly one of entity, at, sun, key, quiet, between is needed")
        if not -MAX_OFFSET_S <= self.offset_s <= MAX_OFFSET_S:
            raise FieldError("offset_s", f"must be -{MAX_OFFSET_S:g} to {MAX_OFFSET_S:g} seconds")
        if self.offset_s and self.sun is None:
            raise FieldError("offset_s", "goes only with sun")
        self._check_value()
        self._check_for()
        if self.at:
            _check_time("at", self.at)
        if self.days and not (self.at or self.sun):
            raise FieldError("days", "goes only with at or sun")
        if not set(self.days) <= set(DAYS):
            raise FieldError("days", f"must be some of {', '.join(DAYS)}")
        if self.between is not None:
            _check_hours(self.between, by_sun=not self.quiet)
        if len(self.key) > MAX_KEY_CHARS:
            raise FieldError("key", f"must have at most {MAX_KEY_CHARS} characters")
        if len(self.quiet) > MAX_QUIET or len(set(self.quiet)) < len(self.quiet) or not all(self.quiet):
            raise FieldError("quiet", f"must be at most {MAX_QUIET} different entities")

    @property
    def needs_place(self) -> bool:
        """Whether it asks for the sun, which is another one elsewhere."""
        return self.sun is not None or not SUN_WORDS.isdisjoint((self.between or {}).values())

    def _check_value(self) -> None:
        given = [self.above is not None, self.below is not None, self.equals is not None, self.changes]
        if sum(given) != bool(self.entity):
            raise ValueError(
                "exactly one of above, below, equals, changes: true is needed"
                if self.entity
                else "above, below, equals and changes go only with entity"
            )
        for name in ("above", "below"):
            if not math.isfinite(getattr(self, name) or 0):
                raise FieldError(name, "must be a number")
        if not (self.hysteresis >= 0 and math.isfinite(self.hysteresis)):
            raise FieldError("hysteresis", "must be 0 or more")
        if self.hysteresis and self.above is None and self.below is None:
            raise FieldError("hysteresis", "goes only with above or below")

    def _check_for(self) -> None:
        most = MAX_QUIET_S if self.quiet else MAX_FOR_S
        if not 0 <= self.for_s <= most:
            raise FieldError("for_s", f"must be 0 to {most:g} seconds")
        if self.for_s and self.changes:
            raise FieldError("for_s", "does not go with changes")
        if self.for_s and not (self.entity or self.quiet):
            raise FieldError("for_s", "goes only with entity or quiet")
        if self.quiet and not self.for_s:
            raise FieldError("for_s", "is needed with quiet")


def _check_time(field: str, text: str) -> None:
    try:
        minutes_of(text)
    except ValueError as error:
        raise FieldError(field, str(error)) from error


def _check_hours(hours: dict[str, str], *, by_sun: bool) -> None:
    if hours.keys() != {"from", "to"}:
        raise FieldError("between", "must be from and to")
    for name, text in hours.items():
        if text not in SUN_WORDS:
            _check_time(f"between.{name}", text)
        elif not by_sun:
            raise FieldError(f"between.{name}", "cannot be the sun's with quiet; use times of day")
    if hours["from"] == hours["to"]:
        raise FieldError("between", "from and to are the same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When something becomes so, and if other things are so, do something.

    Attributes:
        id: Names it; unique in the house.
        when: What sets it off, at the moment it becomes so.
        conditions: What must be so then as well; ``if`` in the file.
        do: What is done, in order.
        mode: What happens when it fires while it is still at it.
    """

    id: RuleId
    when: Test
    conditions: tuple[Test, ...] = ()
    do: tuple[Step, ...]
    mode: Mode = Mode.SINGLE

    @property
    def needs_place(self) -> bool:
        """Whether it goes by the sun."""
        return any(test.needs_place for test in (self.when, *self.conditions))

    def __post_init__(self) -> None:
        check_id(self.id)
        if not 0 < len(self.do) <= MAX_STEPS:
            raise FieldError("do", f"must have 1 to {MAX_STEPS} steps")
        if len(self.conditions) > MAX_CONDITIONS:
            raise FieldError("conditions", f"must have at most {MAX_CONDITIONS} entries")
        if any(condition.changes for condition in self.conditions):
            raise FieldError("conditions", "changes cannot be a condition; use above, below or equals")
        if any(one.at or one.sun or one.key or one.quiet for one in self.conditions):
            raise FieldError("conditions", "at, sun, key and quiet cannot be conditions; they are moments")
        if self.when.between is not None and not self.when.quiet:
            raise FieldError("when", "between alone sets nothing off; use at")
        if len(list(every(self.do))) > MAX_STEPS_IN_ALL:
            raise FieldError(
                "do", f"must have at most {MAX_STEPS_IN_ALL} steps, those after questions counted"
            )
