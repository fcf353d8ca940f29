"""Rules, helpers and scenes as documents: the file an installer writes, what the API takes and gives.

One rule: both have the same words, and every fault is named by its dotted
path in those words.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from gateway.iot.household import MAX_HELPERS, Helper
from gateway.iot.rules_model import Rule
from gateway.iot.scenes_model import MAX_SCENES, Scene
from gateway.schema import Problem, SchemaError, decode, parse_yaml

MAX_RULES = 1000

# "if" cannot name a field in Python, so it has another name inside.
_OUTSIDE, _INSIDE = "if", "conditions"
_INSIDE_PATH = re.compile(rf"(?<![^.]){_INSIDE}(?![^\[.])")

_ANSWERS = {True: "yes", False: "no"}
_MOST_LISTS = 8
_FOLLOWING = (*_ANSWERS.values(), "otherwise")

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RulesFile:
    """What a rules file says.

    Attributes:
        helpers: What the household itself can say.
        scenes: Commands with a name.
        rules: What happens by itself.
    """

    helpers: tuple[Helper, ...] = ()
    scenes: tuple[Scene, ...] = ()
    rules: tuple[Rule, ...] = ()


_MOST = {"helpers": MAX_HELPERS, "scenes": MAX_SCENES, "rules": MAX_RULES}


def parse_file(text: bytes) -> RulesFile:
    """Return what the YAML `text` of a rules file says.

    Raises:
        SchemaError: with every problem, as ``rules[0].when.above: …``.
    """
    data = parse_yaml(text)
    if data is None:
        return RulesFile()
    if isinstance(data, Mapping):
        data = {key: [] if key in _MOST and value is None else value for key, value in data.items()}
        if isinstance(items := data.get("rules"), list):
            _refuse_inside_name({f"rules[{i}]": item for i, item in enumerate(items)})
            data["rules"] = [_inward(item) for item in items]
    said = _decode(data, RulesFile)
    problems = [problem for name in _MOST for problem in _list_problems(name, getattr(said, name))]
    if problems:
        raise SchemaError(problems)
    return said


def parse_rules(text: bytes) -> tuple[Rule, ...]:
    """Return the rules alone; see `parse_file`."""
    return parse_file(text).rules


def decode_rule(document: object) -> Rule:
    """Return the rule that `document`, plain objects from JSON, describes.

    Raises:
        SchemaError: with every problem, as ``when.above: …``.
    """
    _refuse_inside_name({"": document})
    return _decode(_inward(document), Rule)


def decode_helper(document: object) -> Helper:
    """Return the helper that `document` describes; see `decode_rule`."""
    return decode(document, Helper)


def decode_scene(document: object) -> Scene:
    """Return the scene that `document` describes; see `decode_rule`."""
    return decode(document, Scene)


def document_of(entry: Rule | Helper | Scene) -> dict[str, object]:
    """Return `entry` as `decode_rule` and its like take it, without what is as by default."""
    document = {
        _OUTSIDE if field.name == _INSIDE else field.name: _plain(getattr(entry, field.name))
        for field in dataclasses.fields(entry)
        if field.name == "mode" or getattr(entry, field.name) != field.default
    }
    plain: dict[str, object] = msgspec.to_builtins(document)
    return plain


def _list_problems(name: str, entries: Sequence[Rule | Helper | Scene]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        if entry.id in seen:
            yield Problem(f"{name}[{i}].id", f"{entry.id} is there twice")
        seen.add(entry.id)
    if len(entries) > _MOST[name]:
        yield Problem(name, f"has more than {_MOST[name]} entries")


def _decode(data: object, kind: type[T]) -> T:
    try:
        return decode(data, kind)
    except SchemaError as error:
        raise SchemaError(
            [Problem(_INSIDE_PATH.sub(_OUTSIDE, problem.path), problem.message) for problem in error.problems]
        ) from error


def _inward(document: object) -> object:
    if not isinstance(document, Mapping):
        return document
    conditions = document.get(_OUTSIDE)
    others = {key: value for key, value in document.items() if key != _OUTSIDE}
    if "do" in others:
        others["do"] = _with_answers(others["do"])
    return others if conditions is None else {**others, _INSIDE: conditions}


def _with_answers(steps: object, depth: int = 0) -> object:
    """Return `steps` with the answers of questions as words: to YAML 1.1, yes and no are true and false."""
    if depth > _MOST_LISTS:
        # Far beyond what is allowed, which is said with its path when it is less absurd.
        raise SchemaError([Problem("do", "is nested too deeply")])
    if isinstance(steps, list):
        return [_with_answers(step, depth + 1) for step in steps]
    if not isinstance(steps, Mapping) or not isinstance(ask := steps.get("ask"), Mapping):
        return steps
    named = {_ANSWERS[key] if isinstance(key, bool) else key: value for key, value in ask.items()}
    asked = {key: _with_answers(value, depth) if key in _FOLLOWING else value for key, value in named.items()}
    return {**steps, "ask": asked}


def _refuse_inside_name(documents: Mapping[str, object]) -> None:
    problems = [
        Problem(f"{path}.{_INSIDE}".lstrip("."), f"is not a known key; did you mean {_OUTSIDE}?")
        for path, document in documents.items()
        if isinstance(document, Mapping) and _INSIDE in document
    ]
    if problems:
        raise SchemaError(problems)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
        }
    return value
