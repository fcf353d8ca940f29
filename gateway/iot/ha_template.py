"""The part of Home Assistant's templates that devices need to say where their value is.

One rule: a template is data, never a program.  What is outside the subset is
refused when a device announces itself, not guessed when it reports.

The subset: ``{{ value }}`` or ``{{ value_json }}`` with ``.name``, ``['name']`` and
``[0]``, then any of the filters ``int``, ``float``, ``round``, ``default`` and ``is_defined``.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

MAX_TEMPLATE_CHARS = 512
MAX_STEPS = 16
MAX_FILTERS = 8
MAX_DIGITS = 15

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'[^'\\]*'|\"[^\"\\]*\")|(?P<mark>[.\[\]|(),]))",
    re.ASCII,
)
_WORDS = {"true": True, "True": True, "false": False, "False": False, "none": None, "None": None}
_ARGUMENTS = {"int": 1, "float": 1, "round": 1, "default": 1, "is_defined": 0}


class TemplateError(ValueError):
    """A template is outside the subset."""


class UnreadableError(ValueError):
    """A report does not hold what the template promised."""


class Payload:
    """What a device published, decoded once for all entities that read it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @cached_property
    def text(self) -> str:
        """The payload as text.

        Raises:
            UnreadableError: it is not UTF-8.
        """
        try:
            return self._raw.decode()
        except UnicodeDecodeError:
            raise UnreadableError("is not UTF-8") from None

    @cached_property
    def json(self) -> object:
        """The payload as plain objects.

        Raises:
            UnreadableError: it is not JSON, or too deep.
        """
        try:
            return msgspec.json.decode(self._raw)
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise UnreadableError("is not JSON") from None


@dataclass(frozen=True, slots=True)
class Filter:
    """One step after the value was found."""

    name: str
    arguments: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """Where a value is in a payload, and what is done to it.

    Attributes:
        json: Whether the payload is JSON; else it is text.
        steps: Names and positions to follow from the outside in.
        filters: Applied in this order.
    """

    json: bool = False
    steps: tuple[str | int, ...] = ()
    filters: tuple[Filter, ...] = ()

    def value(self, payload: Payload) -> object:
        """Return the value in `payload`.

        Raises:
            UnreadableError: there is none, or a filter cannot take it.
        """
        found: object = payload.json if self.json else payload.text
        for step in self.steps:
            found = _step(found, step)
        for each in self.filters:
            found = _FILTERS[each.name](found, *each.arguments)
        if found is _MISSING:
            raise UnreadableError(f"has no {'.'.join(map(str, self.steps))}")
        return found


def parse_template(text: str) -> Template:
    """Return the meaning of `text`.

    Raises:
        TemplateError: it is outside the subset.
    """
    inner = text.strip()
    if len(inner) > MAX_TEMPLATE_CHARS or not (inner.startswith("{{") and inner.endswith("}}")):
        raise TemplateError("only {{ … }} around one value is supported")
    tokens = _Tokens(inner[2:-2].removeprefix("-").removesuffix("-"))
    root = tokens.take("name")
    if root not in ("value", "value_json"):
        raise TemplateError(f"only value and value_json are supported, not {root}")
    steps: list[str | int] = []
    while tokens.next_is(".", "["):
        steps.append(_parse_step(tokens))
    filters: list[Filter] = []
    while tokens.skip("|"):
        filters.append(_parse_filter(tokens))
    tokens.expect_end()
    if (steps and root == "value") or len(steps) > MAX_STEPS or len(filters) > MAX_FILTERS:
        raise TemplateError("value has no parts, and value_json not that many")
    return Template(root == "value_json", tuple(steps), tuple(filters))


def as_text(value: object) -> str:
    """Return `value` as a template prints it: ``True``, ``None``, ``21.5``."""
    return value if isinstance(value, str) else str(value)


class _Tokens:
    """The words of a template, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise TemplateError(f"{text[position : position + 20].strip()!r} is not supported")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def next_is(self, *marks: str) -> bool:
        return bool(self._tokens) and self._tokens[0][0] == "mark" and self._tokens[0][1] in marks

    def skip(self, mark: str) -> bool:
        found = self.next_is(mark)
        if found:
            del self._tokens[0]
        return found

    def take(self, *kinds: str) -> str:
        if not self._tokens or self._tokens[0][0] not in kinds:
            raise TemplateError(f"expected {' or '.join(kinds)}")
        return self._tokens.pop(0)[1]

    def expect(self, mark: str) -> None:
        if not self.skip(mark):
            raise TemplateError(f"expected {mark}")

    def literal(self) -> object:
        word = self.take("number", "text", "name")
        if word[0] in "'\"":
            return word[1:-1]
        if word in _WORDS:
            return _WORDS[word]
        if len(word) > MAX_DIGITS or not (word[0] == "-" or word[0].isdigit()):
            raise TemplateError(f"{word[:20]} is not a plain value")
        return float(word) if "." in word else int(word)

    def expect_end(self) -> None:
        if self._tokens:
            raise TemplateError(f"{self._tokens[0][1]!r} is not supported there")


def _parse_step(tokens: _Tokens) -> str | int:
    if tokens.skip("."):
        name = tokens.take("name")
        if tokens.next_is("("):
            raise TemplateError(f"the call of {name} is not supported")
        return name
    tokens.expect("[")
    step = tokens.literal()
    tokens.expect("]")
    if isinstance(step, bool) or not isinstance(step, str | int):
        raise TemplateError("a part is named by text or by a whole number")
    return step


def _parse_filter(tokens: _Tokens) -> Filter:
    name = tokens.take("name")
    if name not in _ARGUMENTS:
        raise TemplateError(f"the filter {name} is not supported")
    arguments: list[object] = []
    if tokens.skip("(") and not tokens.skip(")"):
        arguments.append(tokens.literal())
        tokens.expect(")")
    if len(arguments) > _ARGUMENTS[name] or (name == "default" and not arguments):
        raise TemplateError(f"the filter {name} takes another number of arguments")
    if name == "round" and arguments and not _is_precision(arguments[0]):
        raise TemplateError("round takes a whole number of digits")
    return Filter(name, tuple(arguments))


def _is_precision(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_DIGITS


_MISSING = object()


def _step(found: object, step: str | int) -> object:
    if isinstance(found, Mapping) and isinstance(step, str):
        return found.get(step, _MISSING)
    if isinstance(found, list) and isinstance(step, int) and -len(found) <= step < len(found):
        return found[step]
    return _MISSING


def _number(found: object) -> float:
    if isinstance(found, str | int | float):
        try:
            number = float(found)
        except (ValueError, OverflowError):
            pass
        else:
            if math.isfinite(number):
                return number
    raise UnreadableError("is not a number")


def _float(found: object, *fallback: object) -> object:
    try:
        return _number(found)
    except UnreadableError:
        if fallback:
            return fallback[0]
        raise


def _int(found: object, *fallback: object) -> object:
    try:
        return int(_number(found))
    except UnreadableError:
        if fallback:
            return fallback[0]
        raise


def _round(found: object, digits: object = 0) -> object:
    rounded = round(_number(found), digits if isinstance(digits, int) else 0)
    return rounded if digits else int(rounded)


def _default(found: object, fallback: object) -> object:
    return fallback if found is _MISSING else found


def _is_defined(found: object) -> object:
    return found


_FILTERS: Mapping[str, Callable[..., object]] = {
    "int": _int,
    "float": _float,
    "round": _round,
    "default": _default,
    "is_defined": _is_defined,
}
