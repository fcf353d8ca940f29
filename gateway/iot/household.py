"""What the household itself says of its home: armed or not, holiday or not, how many guests.  Plain values.

One rule: a helper that exists can be told and can be shown; nothing wrong
with it is left to be found later.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Value
from gateway.schema import FieldError

LINK = "home"
HOUSEHOLD = Device(id=DeviceId(LINK), name="家", link=LINK)

MAX_HELPERS = 100
MAX_CHOICES = 32
MAX_NAME_CHARS = 64
MAX_WORD_CHARS = 64

DISARMED = "disarmed"
TOLD_BY_PEOPLE = (DISARMED, "armed_home", "armed_away")
TOLD_BY_RULES = ("arming", "pending", "triggered")
"""An alarm's words between those; Home Assistant's words, as the others."""


class HelperKind(StrEnum):
    """What can be said."""

    SWITCH = "switch"
    SELECT = "select"
    NUMBER = "number"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """Something that only the household knows, kept over power cuts.

    Attributes:
        id: Names it; the entity is ``home.<id>``.
        kind: What can be said of it.
        name: As the household calls it; the id if empty.
        choices: Of a selection.
        minimum: Of a number, as `maximum`.
        step: Between two numbers that it tells apart.
    """

    id: str
    kind: HelperKind
    name: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float = 1.0

    def __post_init__(self) -> None:
        check_id(self.id)
        if len(self.name) > MAX_NAME_CHARS:
            raise FieldError("name", f"must have at most {MAX_NAME_CHARS} characters")
        if (self.kind is HelperKind.SELECT) != bool(self.choices):
            raise FieldError("choices", "are needed by a select, and go with nothing else")
        self._check_choices()
        self._check_bounds()

    def _check_choices(self) -> None:
        if len(self.choices) > MAX_CHOICES or len(set(self.choices)) < len(self.choices):
            raise FieldError("choices", f"must be at most {MAX_CHOICES} different words")
        if not all(0 < len(word) <= MAX_WORD_CHARS for word in self.choices):
            raise FieldError("choices", f"must have 1 to {MAX_WORD_CHARS} characters each")

    def _check_bounds(self) -> None:
        for name in ("minimum", "maximum"):
            bound = getattr(self, name)
            if (self.kind is HelperKind.NUMBER) != (bound is not None):
                raise FieldError(name, "is needed by a number, and goes with nothing else")
            if not math.isfinite(bound or 0):
                raise FieldError(name, "must be a number")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise FieldError("maximum", "must be greater than the minimum")
        if not (self.step > 0 and math.isfinite(self.step)):
            raise FieldError("step", "must be greater than 0")

    @property
    def entity(self) -> Entity:
        """The helper as a part of the home."""
        is_number, is_alarm = self.kind is HelperKind.NUMBER, self.kind is HelperKind.ALARM
        return Entity(
            id=EntityId(f"{LINK}.{self.id}"),
            device=HOUSEHOLD,
            name=self.name or self.id,
            capability=Capability(self.kind.value),
            choices=TOLD_BY_PEOPLE if is_alarm else self.choices,
            reserved=TOLD_BY_RULES if is_alarm else (),
            minimum=self.minimum,
            maximum=self.maximum,
            step=self.step if is_number else 0.0,
        )

    @property
    def initial(self) -> Value:
        """What is so before anybody said anything."""
        match self.kind:
            case HelperKind.SWITCH:
                return False
            case HelperKind.SELECT:
                return self.choices[0]
            case HelperKind.ALARM:
                return DISARMED
            case HelperKind.NUMBER:
                return self.minimum or 0.0


MAX_ID_CHARS = 64


def check_id(identifier: str) -> None:
    """Refuse a name that could not stand in an address or a topic.

    Raises:
        FieldError: about ``id``.
    """
    plain = identifier.replace("-", "").replace("_", "").replace(".", "")
    if not (0 < len(identifier) <= MAX_ID_CHARS and plain.isalnum() and plain.isascii()):
        raise FieldError("id", f"must be 1 to {MAX_ID_CHARS} letters, digits or any of . - _")
