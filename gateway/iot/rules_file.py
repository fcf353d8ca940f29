"""Rules as documents: the file an installer writes, and what the API takes and gives.

One rule: both have the same words, and every fault is named by its dotted
path in those words.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gateway.iot.rules_model import Rule
from gateway.schema import Problem, SchemaError, decode, parse_yaml

MAX_RULES = 1000

# "if" cannot name a field in Python, so it has another name inside.
_OUTSIDE, _INSIDE = "if", "conditions"
_INSIDE_PATH = re.compile(rf"(?<![^.]){_INSIDE}(?![^\[.])")

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _RulesFile:
    rules: tuple[Rule, ...] = ()


def parse_rules(text: bytes) -> tuple[Rule, ...]:
    """Return the rules in the YAML `text` of a rules file.

    Raises:
        SchemaError: with every problem, as ``rules[0].when.above: …``.
    """
    data = parse_yaml(text)
    if data is None:
        return ()
    if isinstance(data, Mapping) and isinstance(data.get("rules"), list):
        items = data["rules"]
        _refuse_inside_name({f"rules[{i}]": item for i, item in enumerate(items)})
        data = {**data, "rules": [_inward(item) for item in items]}
    elif isinstance(data, Mapping) and data.get("rules", ...) is None:
        data = {**data, "rules": []}
    rules = _decode(data, _RulesFile).rules
    problems = [
        Problem(f"rules[{i}].id", f"{rule.id} is there twice")
        for i, rule in enumerate(rules)
        if any(rule.id == other.id for other in rules[:i])
    ]
    if len(rules) > MAX_RULES:
        problems.append(Problem("rules", f"has more than {MAX_RULES} entries"))
    if problems:
        raise SchemaError(problems)
    return rules


def decode_rule(document: object) -> Rule:
    """Return the rule that `document`, plain objects from JSON, describes.

    Raises:
        SchemaError: with every problem, as ``when.above: …``.
    """
    _refuse_inside_name({"": document})
    return _decode(_inward(document), Rule)


def document_of(rule: Rule) -> dict[str, object]:
    """Return `rule` as `decode_rule` takes it, without what is as by default."""
    document = {
        _OUTSIDE if field.name == _INSIDE else field.name: _plain(getattr(rule, field.name))
        for field in dataclasses.fields(rule)
        if field.name != _INSIDE or rule.conditions
    }
    plain: dict[str, object] = msgspec.to_builtins(document)
    return plain


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
    return others if conditions is None else {**others, _INSIDE: conditions}


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
