"""Paths in an LwM2M device's tree, and the type of what stands there.  Pure.

One rule: a resource whose type is not known is not read, because bytes
without a type are a guess.

Source: OMA-TS-LightweightM2M_Core 1.1.1, section 7.2 and appendix E; the IPSO objects of the OMA registry.
"""

import re
from enum import Enum
from typing import TypeAlias

Path: TypeAlias = tuple[int, ...]
"""Object, instance, resource, resource's instance; as many as are meant."""

RESOURCE_DEPTH = 3

_MAX_NUMBER = 0xFFFF
_TEXT = re.compile(r"(?:/[0-9]{1,5}){1,4}")
# From here on a resource means the same in every object.
_FIRST_SHARED = 5500


class Type(Enum):
    """What a resource's value is."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


_DEVICE = dict.fromkeys((0, 1, 2, 3, 17, 18, 19), Type.TEXT) | dict.fromkeys((9, 10, 20), Type.INTEGER)
_FIRMWARE = dict.fromkeys((1, 6, 7), Type.TEXT) | dict.fromkeys((3, 5, 8, 9), Type.INTEGER)
_OWN = {3: _DEVICE, 5: _FIRMWARE}
_FLOATS = (5601, 5602, 5603, 5604, 5700, 5702, 5703, 5704, 5800, 5805, 5810, 5820)
_SHARED = (
    dict.fromkeys(_FLOATS, Type.FLOAT)
    | dict.fromkeys((5701, 5750, 5751, 5706), Type.TEXT)
    | dict.fromkeys((5500, 5850), Type.BOOLEAN)
    | dict.fromkeys((5501, 5851, 5852), Type.INTEGER)
)


def parse_path(text: str) -> Path | None:
    """Return the path in `text`, such as ``/3303/0/5700``; `None` if it is none."""
    if not _TEXT.fullmatch(text):
        return None
    numbers = tuple(map(int, text[1:].split("/")))
    return numbers if max(numbers) <= _MAX_NUMBER else None


def path_text(path: Path) -> str:
    """Return `path` as it stands in an address; the inverse of `parse_path`."""
    return "".join(f"/{number}" for number in path)


def type_of(path: Path) -> Type | None:
    """Return the type of the resource at `path` or above it; `None` if not known."""
    if len(path) < RESOURCE_DEPTH:
        return None
    number = path[2]
    return _SHARED.get(number) if number >= _FIRST_SHARED else _OWN.get(path[0], {}).get(number)
