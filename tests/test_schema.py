from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schema import MAX_DOCUMENT_BYTES, FieldError, SchemaError, decode, parse_yaml


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuner:
    """A part of the box in the examples."""

    buffer_ms: int = 1500
    line_up: Path | None = None

    def __post_init__(self) -> None:
        if self.buffer_ms < 200:
            raise FieldError("buffer_ms", f"{self.buffer_ms} is below 200")


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A whole document in the examples."""

    name: str
    tuner: Tuner = field(default_factory=Tuner)
    spare: tuple[Tuner, ...] = ()
    rooms: dict[str, Tuner] = field(default_factory=dict)
    guest: Tuner | None = None
    ports: list[int] = field(default_factory=list)


def problems(text: bytes) -> list[str]:
    with pytest.raises(SchemaError) as caught:
        decode(parse_yaml(text), Box)
    return [str(problem) for problem in caught.value.problems]


def test_a_document_becomes_frozen_types() -> None:
    text = b"name: hall\ntuner: {line_up: /tv.m3u}\nspare: [{buffer_ms: 300}]\nrooms: {den: {}}\nguest: {}"
    assert decode(parse_yaml(text), Box) == Box(
        name="hall",
        tuner=Tuner(line_up=Path("/tv.m3u")),
        spare=(Tuner(buffer_ms=300),),
        rooms={"den": Tuner()},
        guest=Tuner(),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{}", ["name: is required"]),
        (b"name: 3", ["name: expected str, got int"]),
        (b"name: a\ntunr: {}", ["tunr: is not a known key; did you mean tuner?"]),
        (b"name: a\ntuner: {buffer_ms: fast}", ["tuner.buffer_ms: expected int, got str"]),
        (b"name: a\ntuner: {buffer_ms: 5}", ["tuner.buffer_ms: 5 is below 200"]),
        (b"name: a\ntuner: 7", ["tuner: expected keys and values, got int"]),
        (b"name: a\nspare: [{}, {buffer_ms: 1}]", ["spare[1].buffer_ms: 1 is below 200"]),
        (b"name: a\nrooms: {den: {x: 1}}", ["rooms.den.x: is not a known key"]),
        (b"name: a\nguest: {x: 1}", ["guest.x: is not a known key"]),
        (b"name: a\nports: [1, two]", ["ports[1]: expected int, got str"]),
        (b"[1, 2]", ["expected keys and values, got list"]),
        (b"", ["expected keys and values, got NoneType"]),
        (b"name: 1\ntuner: {buffer_ms: x, y: 1}", [
            "name: expected str, got int",
            "tuner.y: is not a known key",
            "tuner.buffer_ms: expected int, got str",
        ]),
    ],
)  # fmt: skip
def test_each_fault_is_named_by_its_dotted_path(text: bytes, expected: list[str]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: [", "is not readable YAML"),
        (b"\xff\xfe\x00", "is not readable YAML"),
        (b"[" * 40 + b"]" * 40, "is nested deeper"),
        (b"[" * 1_000_000, "is nested deeper"),
        (b"a: &a [1]\nb: *a", "uses an alias"),
        (b"a" * (MAX_DOCUMENT_BYTES + 1), "is larger than"),
    ],
    ids=["syntax", "not text", "deep", "very deep", "aliases", "large"],
)
def test_hostile_text_is_refused_in_one_line(text: bytes, why: str) -> None:
    with pytest.raises(SchemaError, match=why) as caught:
        parse_yaml(text, where="rules.yaml")
    assert "\n" not in caught.value.line()
    assert caught.value.problems[0].path == "rules.yaml"


PLAIN = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_whatever_comes_is_either_a_box_or_a_schema_error(data: object) -> None:
    try:
        outcome: Box | SchemaError = decode(data, Box)
    except SchemaError as error:
        outcome = error
    assert isinstance(outcome, Box) or all(problem.message for problem in outcome.problems)
