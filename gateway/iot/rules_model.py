"""What a rule is: when, if, do.  Plain values, checked when they are made.

One rule: a rule that exists can be evaluated; nothing wrong with it is left
to be found while it runs.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from gateway.iot.entity import EntityId, Value
from gateway.schema import FieldError

RuleId = NewType("RuleId", str)

MAX_FOR_S = 86_400.0
MAX_STEPS = 16
MAX_CONDITIONS = 16
MAX_ID_CHARS = 64
MAX_TEXT_CHARS = 200


class Mode(StrEnum):
    """What happens when a rule fires while what it did last is still going on."""

    SINGLE = "single"
    RESTART = "restart"
    QUEUED = "queued"
    PARALLEL = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """Something that is so or not so of an entity.

    Exactly one of `above`, `below`, `equals` and `changes` is given.

    Attributes:
        entity: Whose value counts.
        above: So while the value is greater than this.
        below: So while the value is less than this.
        equals: So while the value is this.
        changes: So at every moment the value becomes another.
        for_s: Seconds it must stay so before it counts.
        hysteresis: How far the value must go back over the threshold to be no longer so.
    """

    __test__ = False

    entity: EntityId
    above: int | float | None = None
    below: int | float | None = None
    equals: Value | None = None
    changes: bool = False
    for_s: float = 0.0
    hysteresis: float = 0.0

    def __post_init__(self) -> None:
        given = [self.above is not None, self.below is not None, self.equals is not None, self.changes]
        if sum(given) != 1:
            raise ValueError("exactly one of above, below, equals, changes: true is needed")
        if not self.entity:
            raise FieldError("entity", "must not be empty")
        for name in ("above", "below"):
            if not math.isfinite(getattr(self, name) or 0):
                raise FieldError(name, "must be a number")
        if not 0 <= self.for_s <= MAX_FOR_S:
            raise FieldError("for_s", f"must be 0 to {MAX_FOR_S:g} seconds")
        if not (self.hysteresis >= 0 and math.isfinite(self.hysteresis)):
            raise FieldError("hysteresis", "must be 0 or more")
        if self.hysteresis and self.above is None and self.below is None:
            raise FieldError("hysteresis", "goes only with above or below")
        if self.for_s and self.changes:
            raise FieldError("for_s", "does not go with changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep:
    """Order `entity` to become `value`."""

    entity: EntityId
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeStep:
    """Show `text` on the television; one text for all, or one per locale."""

    text: str | dict[str, str]

    def __post_init__(self) -> None:
        texts = [self.text] if isinstance(self.text, str) else list(self.text.values())
        if not texts or not all(0 < len(text) <= MAX_TEXT_CHARS for text in texts):
            raise FieldError("text", f"must have 1 to {MAX_TEXT_CHARS} characters")

    @property
    def by_locale(self) -> dict[str, str]:
        """The text by locale, ``zh`` and ``en`` at least when one text is for all."""
        return {"zh": self.text, "en": self.text} if isinstance(self.text, str) else dict(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneStep:
    """Tune the television; exactly one of the two is given."""

    number: int | None = None
    channel: str | None = None

    def __post_init__(self) -> None:
        if (self.number is None) == (self.channel is None):
            raise ValueError("exactly one of number, channel is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do; exactly one is given."""

    command: CommandStep | None = None
    notice: NoticeStep | None = None
    tune: TuneStep | None = None
    scene: str | None = None

    def __post_init__(self) -> None:
        if self.scene is not None:
            raise FieldError("scene", "scenes are not there yet; use command, notice or tune")
        if sum(each is not None for each in (self.command, self.notice, self.tune)) != 1:
            raise ValueError("exactly one of command, notice, tune is needed")


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

    def __post_init__(self) -> None:
        plain = self.id.replace("-", "").replace("_", "").replace(".", "")
        if not (0 < len(self.id) <= MAX_ID_CHARS and plain.isalnum() and plain.isascii()):
            raise FieldError("id", f"must be 1 to {MAX_ID_CHARS} letters, digits or any of . - _")
        if not 0 < len(self.do) <= MAX_STEPS:
            raise FieldError("do", f"must have 1 to {MAX_STEPS} steps")
        if len(self.conditions) > MAX_CONDITIONS:
            raise FieldError("conditions", f"must have at most {MAX_CONDITIONS} entries")
        if any(condition.changes for condition in self.conditions):
            raise FieldError("conditions", "changes cannot be a condition; use above, below or equals")
