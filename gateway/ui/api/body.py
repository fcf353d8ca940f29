"""Request bodies, decoded strictly.

One rule: a body is JSON with exactly the documented keys and types; ``"8"``
is not the number 8, and every refusal names the dotted path.
"""

import re
from collections.abc import Generator
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from gateway.schema import Problem as Fault
from gateway.ui.problems import MalformedError

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED_FIELD = re.compile(r"^Object (?P<what>contains unknown|missing required) field `(?P<name>[^`]*)`")


class Schemas(Protocol):
    """What Litestar describes a type with, as far as it is used here."""

    def for_field_definition(self, field_definition: FieldDefinition) -> Reference | Schema: ...


class Body(AbstractDTO[T], Generic[T]):
    """How Litestar reads a body of type `T`: ``@post(..., dto=Body[Tune], return_dto=None)``.

    Litestar's own way converts leniently, and reports without a path.
    """

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401 - as in the class above
        return decode_json(value, self.model_type)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        del model_type
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        del field_definition
        return False

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: type[Any] | None = None
    ) -> None:
        """Prepare nothing: the type itself is the whole description."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Schemas
    ) -> Reference | Schema:
        del handler_id
        return schema_creator.for_field_definition(field_definition)


def decode_json(raw: bytes, kind: type[T]) -> T:
    """Return the JSON document `raw` as `kind`.

    Raises:
        MalformedError: not JSON, or not of that shape.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise MalformedError([_fault(str(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError([Fault("", f"is not readable JSON: {error}")]) from error


def _fault(message: str) -> Fault:
    at = _AT.search(message)
    path = at["path"] if at else ""
    said = _AT.sub("", message)
    if named := _NAMED_FIELD.match(said):
        path = f"{path}.{named['name']}" if path else named["name"]
        said = "is not a known key" if "unknown" in named["what"] else "is required"
    return Fault(path, said[:1].lower() + said[1:].replace("`", ""))
