"""One value of an announced thing: where it is said, what it is told, in which bounds.

One rule: pure; a key that is missing or wrong is named, whatever the component.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.iot.entity import Capability, Value
from gateway.iot.ha_fields import AnnouncementFieldError, Fields
from gateway.iot.mqtt_entity import Instruction, PictureTopic, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One value of an announced thing.

    Attributes:
        name: Empty for the thing itself; see `gateway.iot.entity.Entity.part`.
        device_class: Of a part with a name; the thing itself has what is announced.
        unit: Likewise.
    """

    capability: Capability
    name: str = ""
    report: Report | None = None
    instruction: Instruction | None = None
    device_class: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float = 0.0
    picture: PictureTopic | None = None


def says(
    fields: Fields,
    topic: str = "state_topic",
    template: str = "value_template",
    *,
    required: bool = False,
    **more: Any,  # noqa: ANN401 - the attributes of a report
) -> Report | None:
    """Return what `topic` and `template` announce; `None` if there is no such topic."""
    where = fields.topic(topic)
    if not where and required:
        raise AnnouncementFieldError(f"{topic} is required")
    return Report(topic=where, template=fields.template(template), **more) if where else None


def told(
    fields: Fields,
    topic: str = "command_topic",
    template: str = "command_template",
    *,
    words: Mapping[Value, str] | None = None,
    factor: float = 1.0,
) -> Instruction:
    """Return what `topic` and `template` announce.

    Raises:
        AnnouncementFieldError: there is no such topic.
    """
    where = fields.topic(topic)
    if not where:
        raise AnnouncementFieldError(f"{topic} is required")
    return Instruction(
        topic=where,
        words=words or {},
        factor=factor,
        frame=fields.frame(template),
        retain=fields.flag("retain"),
    )


def number(  # noqa: PLR0913 - each is a different fact
    fields: Fields,
    name: str,
    *,
    report: tuple[str, str],
    order: tuple[str, str],
    bounds: tuple[float, float, float],
    device_class: str = "",
    unit: str = "",
) -> Part:
    """Return a part that is a number; `bounds` are its least, its most and its step."""
    minimum, maximum, step = bounds
    if not (minimum <= maximum and step > 0):
        raise AnnouncementFieldError(f"{name or 'the number'} has no range")
    return Part(
        capability=Capability.NUMBER,
        name=name,
        report=says(fields, *report, numeric=True),
        instruction=told(fields, *order),
        device_class=device_class,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        step=step,
    )


def percent(
    fields: Fields, name: str, *, scale: tuple[str, float], report: tuple[str, str], order: tuple[str, str]
) -> Part:
    """Return a part in per cent of the number at the first of `scale`, or else the second."""
    by = factor(fields, *scale)
    return Part(
        capability=Capability.NUMBER,
        name=name,
        report=says(fields, *report, numeric=True, factor=by),
        instruction=told(fields, *order, factor=by),
        unit="%",
        minimum=1,
        maximum=100,
        # A fan of three speeds knows no others between them.
        step=math.ceil(by),
    )


def factor(fields: Fields, scale: str, full: float) -> float:
    """Return what makes per cent of something that counts to the number at the first of `scale`."""
    most = fields.real(scale, full)
    if most < 1:
        raise AnnouncementFieldError(f"{scale} is not 1 or more")
    return 100 / most


def choice(
    fields: Fields, name: str, words: str, default: tuple[str, ...] = (), *, value: str = ""
) -> Iterator[Part]:
    """Yield the part whose keys begin with `name`, if it can be told one of `words`."""
    if not fields.topic(f"{name}_command_topic"):
        return
    choices = fields.words(words, default)
    if not choices:
        raise AnnouncementFieldError(f"{words} is required")
    yield Part(
        capability=Capability.SELECT,
        name=name,
        report=says(
            fields,
            f"{name}_state_topic",
            value or f"{name}_state_template",
            words={each: each for each in choices},
        ),
        instruction=told(fields, f"{name}_command_topic", f"{name}_command_template"),
        choices=choices,
    )
