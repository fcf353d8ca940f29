"""What the API says about rules, scenes and helpers, as JSON documents.

One rule: the same as `gateway.ui.documents`: a name here is a promise to the outside.
"""

from typing import Annotated, Any, Literal

import msgspec

from gateway.ui.documents import Command, EntityName, Key, NoticeText, Tune, Value, WantedValue

Threshold = (
    Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
)
ThinkingTime = Annotated[float, msgspec.Meta(ge=0.1, le=3600)]
HouseId = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*$", min_length=1, max_length=64)
]
ShortName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
ClockOrSun = Annotated[
    str, msgspec.Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|dawn|sunrise|sunset|dusk)$")
]
DayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From one time of day to before another, on the household's clock; maybe over midnight."""

    start: ClockTime = msgspec.field(name="from")
    stop: ClockTime = msgspec.field(name="to")


class ClockOrSunHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same, or from or to what the sun does that day where the box stands."""

    start: ClockOrSun = msgspec.field(name="from")
    stop: ClockOrSun = msgspec.field(name="to")


class RuleCondition(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Something that is so: of an entity, by exactly one of `above`, `below`, `equals`; or `between`."""

    entity: EntityName | msgspec.UnsetType = msgspec.UNSET
    between: ClockOrSunHours | msgspec.UnsetType = msgspec.UNSET
    above: Threshold | msgspec.UnsetType = msgspec.UNSET
    below: Threshold | msgspec.UnsetType = msgspec.UNSET
    equals: WantedValue | msgspec.UnsetType = msgspec.UNSET
    for_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | msgspec.UnsetType = msgspec.UNSET
    hysteresis: Annotated[float, msgspec.Meta(ge=0, le=1e15)] | msgspec.UnsetType = msgspec.UNSET


class RuleTrigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What sets a rule off; exactly one of `entity`, `at`, `sun`, `key`, `quiet`.

    With `entity`, exactly one of `above`, `below`, `equals`, `changes`; `days` goes with `at`
    and `sun`; `offset_s` with `sun`, so long after it, or before it if negative; `between` with
    `quiet` says which hours count.
    """

    entity: EntityName | msgspec.UnsetType = msgspec.UNSET
    at: ClockTime | msgspec.UnsetType = msgspec.UNSET
    sun: Literal["dawn", "sunrise", "sunset", "dusk"] | msgspec.UnsetType = msgspec.UNSET
    offset_s: Annotated[float, msgspec.Meta(ge=-14_400, le=14_400)] | msgspec.UnsetType = msgspec.UNSET
    days: Annotated[list[DayName], msgspec.Meta(max_length=7)] | msgspec.UnsetType = msgspec.UNSET
    key: Key | msgspec.UnsetType = msgspec.UNSET
    quiet: Annotated[list[EntityName], msgspec.Meta(min_length=1, max_length=64)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    between: Hours | msgspec.UnsetType = msgspec.UNSET
    above: Threshold | msgspec.UnsetType = msgspec.UNSET
    below: Threshold | msgspec.UnsetType = msgspec.UNSET
    equals: WantedValue | msgspec.UnsetType = msgspec.UNSET
    changes: bool | msgspec.UnsetType = msgspec.UNSET
    for_s: Annotated[float, msgspec.Meta(ge=0, le=172_800)] | msgspec.UnsetType = msgspec.UNSET
    hysteresis: Annotated[float, msgspec.Meta(ge=0, le=1e15)] | msgspec.UnsetType = msgspec.UNSET


class RuleCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Order an entity to become a value."""

    entity: EntityName
    value: WantedValue


class RuleNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Show a text on the television, one for all or one per locale, and beside it what `camera` sees."""

    text: NoticeText | Annotated[dict[str, NoticeText], msgspec.Meta(min_length=1, max_length=16)]
    camera: EntityName | msgspec.UnsetType = msgspec.UNSET


class RuleLastStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to do that is no question; exactly one of them.

    `notify` tells it on the phones of the house, too; `scene` is the id of one.
    """

    command: RuleCommand | msgspec.UnsetType = msgspec.UNSET
    notice: RuleNotice | msgspec.UnsetType = msgspec.UNSET
    notify: RuleNotice | msgspec.UnsetType = msgspec.UNSET
    tune: Tune | msgspec.UnsetType = msgspec.UNSET
    scene: HouseId | msgspec.UnsetType = msgspec.UNSET


# Not described further: a document of three such levels is more than tools can digest.
LaterSteps = Annotated[list[dict[str, Any]], msgspec.Meta(max_length=16)]


class RuleAsk(RuleNotice, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Ask on the television, and do by the answer; `otherwise` when there is none after `after_s`.

    What is done then are steps in the words of `do`, among them one more question at most.
    """

    after_s: ThinkingTime
    yes: LaterSteps = []
    no: LaterSteps = []
    otherwise: LaterSteps = []


class RuleStep(RuleLastStep, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing to do; exactly one of them."""

    ask: RuleAsk | msgspec.UnsetType = msgspec.UNSET


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When something becomes so, and if other things are so, do something.

    `id` may be left out of a `PUT`; the address says it.
    """

    id: str | msgspec.UnsetType = msgspec.UNSET
    when: RuleTrigger
    conditions: Annotated[list[RuleCondition], msgspec.Meta(max_length=16)] | msgspec.UnsetType = (
        msgspec.field(default=msgspec.UNSET, name="if")
    )
    do: Annotated[list[RuleStep], msgspec.Meta(min_length=1, max_length=16)]
    mode: Literal["single", "restart", "queued", "parallel"] | msgspec.UnsetType = msgspec.UNSET


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Several commands under one name, which is one for all or one per locale.

    `id` may be left out of a `PUT`; the address says it.
    """

    id: str | msgspec.UnsetType = msgspec.UNSET
    name: ShortName | Annotated[dict[str, ShortName], msgspec.Meta(min_length=1, max_length=16)]
    do: Annotated[list[RuleCommand], msgspec.Meta(min_length=1, max_length=64)]


class SceneOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one command of a scene at first; without a `command` it was not taken, see `code`."""

    entity: str
    value: Value
    command: Command | None
    code: str | None


class Helper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that only the household knows; the entity ``home.<id>`` says what it is now.

    `choices` belong to a select, `minimum` and `maximum` to a number. `id` may be left out of a `PUT`.
    """

    id: str | msgspec.UnsetType = msgspec.UNSET
    kind: Literal["switch", "select", "number", "alarm"]
    name: Annotated[str, msgspec.Meta(max_length=64)] = ""
    choices: Annotated[list[ShortName], msgspec.Meta(max_length=32)] = []
    minimum: Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)] | msgspec.UnsetType = msgspec.UNSET
    maximum: Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)] | msgspec.UnsetType = msgspec.UNSET
    step: Annotated[float, msgspec.Meta(gt=0, le=1e15)] = 1.0
