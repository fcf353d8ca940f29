"""What rules can do, as plain values, checked when they are made.

One rule: a step that exists can be done; how is not known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.iot.entity import EntityId, Value
from gateway.schema import FieldError

MAX_STEPS = 16
MAX_STEPS_IN_ALL = 64
MAX_DEPTH = 2
"""Of questions within the steps of questions."""
MAX_TEXT_CHARS = 200
MAX_NAME_CHARS = 512
LEAST_AFTER_S, MOST_AFTER_S = 0.1, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStep:
    """Order `entity` to become `value`."""

    entity: EntityId
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeStep:
    """Say `text`; one text for all, or one per locale.

    Attributes:
        camera: What it sees is shown beside the text; it need not be one that is there.
    """

    text: str | dict[str, str]
    camera: EntityId | None = None

    def __post_init__(self) -> None:
        _check_text(self.text)
        _check_camera(self.camera)

    @property
    def by_locale(self) -> dict[str, str]:
        """The text by locale, ``zh`` and ``en`` at least when one text is for all."""
        return _by_locale(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneStep:
    """Tune the television; exactly one of the two is given."""

    number: int | None = None
    channel: str | None = None

    def __post_init__(self) -> None:
        if (self.number is None) == (self.channel is None):
            raise ValueError("exactly one of number, channel is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStep:
    """Ask the household on the television.

    Attributes:
        text: The question, like that of a notice.
        camera: As of a notice.
        after_s: So long somebody may think.
        yes: What is done when the answer is yes.
        no: What is done when it is no.
        otherwise: What is done when nobody answered in time, or nobody could be asked.
    """

    text: str | dict[str, str]
    after_s: float
    camera: EntityId | None = None
    yes: tuple["Step", ...] = ()
    no: tuple["Step", ...] = ()
    otherwise: tuple["Step", ...] = ()

    def __post_init__(self) -> None:
        _check_text(self.text)
        _check_camera(self.camera)
        if not LEAST_AFTER_S <= self.after_s <= MOST_AFTER_S:
            raise FieldError("after_s", f"must be {LEAST_AFTER_S:g} to {MOST_AFTER_S:g} seconds")
        for name in ("yes", "no", "otherwise"):
            if len(getattr(self, name)) > MAX_STEPS:
                raise FieldError(name, f"must have at most {MAX_STEPS} steps")
        if not (self.yes or self.no or self.otherwise):
            raise ValueError("at least one of yes, no, otherwise is needed")
        if self.depth > MAX_DEPTH:
            raise ValueError(f"questions may be {MAX_DEPTH} deep at most")

    @property
    def by_locale(self) -> dict[str, str]:
        """The question by locale, as that of a notice."""
        return _by_locale(self.text)

    @property
    def depth(self) -> int:
        """How many questions may follow from each other, this one counted."""
        steps = (*self.yes, *self.no, *self.otherwise)
        return 1 + max((step.ask.depth for step in steps if step.ask is not None), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do; exactly one is given.

    Attributes:
        command: Order a device.
        notice: Say something on the television.
        notify: Say it on the phones of the house, too.
        tune: Tune the television.
        scene: Activate the scene with this id.
        ask: Ask, and go on by the answer.
    """

    command: CommandStep | None = None
    notice: NoticeStep | None = None
    notify: NoticeStep | None = None
    tune: TuneStep | None = None
    scene: str | None = None
    ask: AskStep | None = None

    def __post_init__(self) -> None:
        given = (self.command, self.notice, self.notify, self.tune, self.scene, self.ask)
        if sum(each is not None for each in given) != 1:
            raise ValueError("exactly one of command, notice, notify, tune, scene, ask is needed")
        if self.scene is not None and not self.scene:
            raise FieldError("scene", "must not be empty")


def every(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Yield `steps`, and those that may follow from their questions."""
    for step in steps:
        yield step
        if step.ask is not None:
            yield from every(step.ask.yes + step.ask.no + step.ask.otherwise)


def _check_text(text: str | dict[str, str]) -> None:
    texts = [text] if isinstance(text, str) else list(text.values())
    if not texts or not all(0 < len(each) <= MAX_TEXT_CHARS for each in texts):
        raise FieldError("text", f"must have 1 to {MAX_TEXT_CHARS} characters")


def _check_camera(camera: EntityId | None) -> None:
    if camera is not None and not 0 < len(camera) <= MAX_NAME_CHARS:
        raise FieldError("camera", f"must have 1 to {MAX_NAME_CHARS} characters")


def _by_locale(text: str | dict[str, str]) -> dict[str, str]:
    return {"zh": text, "en": text} if isinstance(text, str) else dict(text)
