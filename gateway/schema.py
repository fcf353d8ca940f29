"""From untyped YAML or JSON to frozen types, naming every fault by its dotted path.

One rule: all problems are reported at once, because an installer on a ladder
corrects a file one time, not ten.  Unknown keys are problems.
"""

import dataclasses
import difflib
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from gateway.errors import BadInputError

T = TypeVar("T")

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32

_MSGSPEC_PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: Dotted path such as ``media.buffer_ms`` or ``rules[2].when``; empty for the whole.
        message: What is wrong there, without the path.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SchemaError(BadInputError):
    """A document does not have the expected shape.

    Attributes:
        problems: Everything wrong with it, in document order.
    """

    code: ClassVar[str] = "CFG-001"
    hint = "Correct the named keys; docs/configuration.md lists all of them."

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class FieldError(ValueError):
    """Raised by a type's ``__post_init__`` about one of its own fields.

    Attributes:
        field: Name of the field, relative to the type.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_yaml(text: bytes, *, where: str = "") -> object:
    """Return the plain objects in YAML `text`.

    Raises:
        SchemaError: too large, too deep, with aliases, or not YAML.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise SchemaError([Problem(where, f"is larger than {MAX_DOCUMENT_BYTES} bytes")])
    try:
        _refuse_bombs(text, where)
        data: object = msgspec.yaml.decode(text)
    except (msgspec.DecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise SchemaError([Problem(where, f"is not readable YAML: {_one_line(error)}")]) from error
    return data


def decode(data: object, kind: type[T], *, at: str = "") -> T:
    """Return `data` as an instance of `kind`, a dataclass, struct or plain type.

    Args:
        data: Plain objects as YAML or JSON give them.
        kind: What it must be.
        at: Dotted path of `data` in the larger document, for messages.

    Raises:
        SchemaError: with every problem found.
    """
    problems: list[Problem] = []
    value = _build(kind, data, at, problems)
    if problems:
        raise SchemaError(problems)
    return value  # type: ignore[no-any-return]


def _build(kind: Any, data: object, path: str, problems: list[Problem]) -> Any:  # noqa: ANN401 - any kind there is
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and isinstance(data, Mapping):
        alternatives = [argument for argument in arguments if dataclasses.is_dataclass(argument)]
        kind = alternatives[0] if len(alternatives) == 1 else kind
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, path, problems)
    if origin in (list, tuple) and isinstance(data, list) and _holds_dataclass(arguments[0]):
        items = [_build(arguments[0], item, f"{path}[{i}]", problems) for i, item in enumerate(data)]
        return tuple(items) if origin is tuple else items
    if origin is dict and isinstance(data, Mapping) and _holds_dataclass(arguments[1]):
        return {key: _build(arguments[1], d, _join(path, str(key)), problems) for key, d in data.items()}
    return _build_plain(kind, data, path, problems)


def _build_plain(kind: Any, data: object, path: str, problems: list[Problem]) -> Any:  # noqa: ANN401 - any kind there is
    try:
        return msgspec.convert(data, kind, dec_hook=_convert_path)
    except msgspec.ValidationError as error:
        message = str(error)
        inner = _MSGSPEC_PATH.search(message)
        below = inner["path"] if inner else ""
        problems.append(Problem(path + below, _MSGSPEC_PATH.sub("", message).replace("`", "").lower()))
        return None


def _build_dataclass(kind: Any, data: object, path: str, problems: list[Problem]) -> Any:  # noqa: ANN401 - any kind there is
    if not isinstance(data, Mapping):
        problems.append(Problem(path, f"expected keys and values, got {type(data).__name__}"))
        return None
    found = len(problems)
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            problems.append(Problem(_join(path, str(key)), f"is not a known key{advice}"))
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _build(hints[name], data[name], _join(path, name), problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(Problem(_join(path, name), "is required"))
    if len(problems) > found:
        return None
    try:
        return kind(**values)
    except FieldError as error:
        problems.append(Problem(_join(path, error.field), str(error)))
    except ValueError as error:
        problems.append(Problem(path, str(error)))
    return None


def _holds_dataclass(kind: Any) -> bool:  # noqa: ANN401 - any kind there is
    return dataclasses.is_dataclass(kind) or any(map(dataclasses.is_dataclass, get_args(kind)))


def _convert_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError(f"expected {kind.__name__}, got {type(value).__name__}")


def _refuse_bombs(text: bytes, where: str) -> None:
    # libyaml's events come one by one; only building objects from them recurses, in C and
    # without a bound, so that deep nesting ends the process.  Aliases can make a few lines
    # stand for gigabytes.
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise SchemaError([Problem(where, f"uses an alias (*{event.anchor}); write the value out")])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise SchemaError([Problem(where, f"is nested deeper than {MAX_DEPTH}")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
