"""What a scene is: a name for several commands.  Plain values, checked when they are made.

One rule: a scene is something to do, never a state of the home; nothing says that it "is on".
"""

from dataclasses import dataclass

from gateway.iot.entity import EntityId, Value
from gateway.iot.household import check_id
from gateway.schema import FieldError

MAX_SCENES = 100
MAX_COMMANDS = 64
MAX_TEXT_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneCommand:
    """Order `entity` to become `value`."""

    entity: EntityId
    value: Value

    def __post_init__(self) -> None:
        if not self.entity:
            raise FieldError("entity", "must not be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Several commands under one name.

    Attributes:
        id: Names it; unique in the house.
        name: As the household calls it; one for all, or one per locale.
        do: What is ordered, in order.
    """

    id: str
    name: str | dict[str, str]
    do: tuple[SceneCommand, ...]

    def __post_init__(self) -> None:
        check_id(self.id)
        names = [self.name] if isinstance(self.name, str) else list(self.name.values())
        if not names or not all(0 < len(name) <= MAX_TEXT_CHARS for name in names):
            raise FieldError("name", f"must have 1 to {MAX_TEXT_CHARS} characters")
        if not 0 < len(self.do) <= MAX_COMMANDS:
            raise FieldError("do", f"must have 1 to {MAX_COMMANDS} commands")
        if len({each.entity for each in self.do}) < len(self.do):
            raise FieldError("do", "orders the same entity twice")

    @property
    def by_locale(self) -> dict[str, str]:
        """The name by locale, ``zh`` and ``en`` at least when one name is for all."""
        return {"zh": self.name, "en": self.name} if isinstance(self.name, str) else dict(self.name)
