"""How one entity speaks MQTT: where it reports, what its words mean, what it is told.

One rule: pure.  These types decide what a payload means; `gateway.iot.mqtt`
carries the payloads.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from gateway.iot.entity import Entity, Value
from gateway.iot.ha_template import Payload, Template, UnreadableError, as_text

MAX_VALUE_CHARS = 255

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,3})?")
_EXACT = 2**53
_UNKNOWN = ("None", "unknown", "")


class Unknown(Enum):
    """What a device says that knows its own state no more."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


def switched(on: str = "ON", off: str = "OFF") -> Mapping[str, Value]:
    """Return the words of something that is on or off."""
    return {off: False, on: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Where and how an entity says its state.

    Attributes:
        topic: Where.
        template: Where in the payload.
        words: What each word means; empty for measurements and free text.
        numeric: Whether it must be a number.
        literal: Whether it is text though it may look like a number, as versions do.
        factor: What a number is multiplied by, and rounded to whole ones, to be in our unit.
        ends: The numbers for ``closed`` and ``open``, of what says only how far open it is.
    """

    topic: str
    template: Template = field(default_factory=Template)
    words: Mapping[str, Value] = field(default_factory=dict)
    numeric: bool = False
    literal: bool = False
    factor: float = 1.0
    ends: tuple[float, float] | None = None

    def read(self, payload: Payload) -> Value | Unknown | None:
        """Return the value in `payload`, or that it is not known; `None` if nothing is said of it.

        Raises:
            UnreadableError: the payload is not what was announced.
        """
        found = self.template.value(payload)
        if self.words or self.literal:
            return self._word(found)
        if isinstance(found, str) and not found.strip():
            return None
        value = _measured(found, numeric=self.numeric)
        if value is None:
            return UNKNOWN
        if isinstance(value, bool | str):
            return value
        if self.ends is not None:
            return "closed" if value == self.ends[0] else "open"
        # What counts to 255 says one of a hundred steps, and not a fraction of one.
        return value if self.factor == 1 else _bounded(round(value * self.factor))

    def _word(self, found: object) -> Value | Unknown | None:
        word = as_text(found)
        if self.words:
            if word not in self.words and word not in _UNKNOWN:
                raise UnreadableError(f"is none of {', '.join(self.words)}"[:MAX_VALUE_CHARS])
            return self.words.get(word, UNKNOWN if word else None)
        if len(word := word.strip()) > MAX_VALUE_CHARS:
            raise UnreadableError(f"is longer than {MAX_VALUE_CHARS} characters")
        return None if word in _UNKNOWN else word


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Where and how an entity is told what to become.

    Attributes:
        topic: Where.
        words: What it is told for each value; numbers are told as numbers.
        factor: What our number is divided by, and rounded to whole ones, to be in its unit.
        frame: Text around the word, which stands for ``{{ value }}``; `None` for the word alone.
        key: Wrap what is told as ``{key: …}``; empty to leave it plain.
        beside: What else stands in that object.
        retain: Whether the broker keeps it for a device that sleeps.
    """

    topic: str
    words: Mapping[Value, str] = field(default_factory=dict)
    factor: float = 1.0
    frame: tuple[str, ...] | None = None
    key: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)
    retain: bool = False

    def payload(self, value: Value) -> bytes:
        """Return what to publish to make it `value`."""
        told: str | float = value
        if isinstance(value, bool | str):
            told = self.words.get(value, str(value))
        elif self.factor != 1:
            told = round(value / self.factor)
        elif isinstance(value, float) and value.is_integer():
            told = int(value)
        if self.key:
            return json.dumps({**self.beside, self.key: told}).encode()
        word = str(told)
        return (word if self.frame is None else word.join(self.frame)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTopic:
    """Where a camera sends its pictures, and whether they are in base64."""

    topic: str
    encoded: bool = False


class AvailabilityMode(StrEnum):
    """How several sources of availability are put together; Home Assistant's words."""

    ALL = "all"
    ANY = "any"
    LATEST = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilitySource:
    """One topic that says whether the device can be reached."""

    topic: str
    template: Template = field(default_factory=Template)
    yes: str = "online"
    no: str = "offline"

    def read(self, payload: Payload) -> bool | None:
        """Return whether it can be reached; `None` if the payload says neither.

        Raises:
            UnreadableError: the payload is not what was announced.
        """
        word = as_text(self.template.value(payload))
        return True if word == self.yes else False if word == self.no else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttEntity:
    """Everything one announcement says of one entity.

    Attributes:
        entity: What the home sees.
        report: `None` if it never says its state.
        also: Further places where it says the same; several may share a topic.
        instruction: `None` if it takes no commands.
        sources: Without any it counts as reachable.
        mode: How `sources` are put together.
        expire_after_s: A report is worth nothing after this long; `None` for ever.
        asks: What to publish, topic and payload, to have it say its state.
        picture: Of a camera; `None` for others.
    """

    entity: Entity
    report: Report | None = None
    also: tuple[Report, ...] = ()
    instruction: Instruction | None = None
    sources: tuple[AvailabilitySource, ...] = ()
    mode: AvailabilityMode = AvailabilityMode.LATEST
    expire_after_s: float | None = None
    asks: tuple[tuple[str, bytes], ...] = ()
    picture: PictureTopic | None = None

    @property
    def topics(self) -> frozenset[str]:
        """Everything we must listen to for it."""
        reports = () if self.report is None else (self.report.topic,)
        also = (report.topic for report in self.also)
        return frozenset((*reports, *also, *(source.topic for source in self.sources)))

    def read(self, payload: Payload) -> Value | Unknown | None:
        """Return the state in `payload`, or that it is not known; `None` if nothing is said of it.

        Raises:
            UnreadableError: the payload is not what was announced.
        """
        return None if self.report is None else self.report.read(payload)

    def reachable(self, votes: Mapping[str, bool], latest: bool | None) -> bool:
        """Return whether the sources together say that it can be reached.

        Args:
            votes: What each topic said last.
            latest: What the last of them said; `None` before the first word.
        """
        if not self.sources:
            return True
        if self.mode is AvailabilityMode.LATEST:
            return bool(latest)
        said = [votes.get(source.topic, False) for source in self.sources]
        return all(said) if self.mode is AvailabilityMode.ALL else any(said)


def _measured(found: object, *, numeric: bool) -> Value | None:
    value = _from_word(found.strip()) if isinstance(found, str) else found
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise UnreadableError("is not a single value")
    if numeric and isinstance(value, bool | str):
        raise UnreadableError("is not a number")
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        raise UnreadableError(f"is longer than {MAX_VALUE_CHARS} characters")
    return value if isinstance(value, bool | str) else _bounded(value)


def _from_word(word: str) -> str | float | None:
    if word in _UNKNOWN:
        return None
    if _NUMBER.fullmatch(word):
        return float(word) if any(mark in word for mark in ".eE") else int(word)
    return word


def _bounded(number: float) -> int | float:
    """Return `number` as every reader of JSON can hold it."""
    try:
        if isinstance(number, float) or abs(number) > _EXACT:
            number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnreadableError("is not a finite number")
    return number
