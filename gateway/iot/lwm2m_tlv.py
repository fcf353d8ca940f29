"""OMA LwM2M's TLV format (content format 11542): how small devices pack resources.  Pure.

One rule: lengths are believed only as far as bytes are there, and what may
stand in what is fixed, so depth and count are bounded before anything is kept.

Source: OMA-TS-LightweightM2M_Core 1.1.1, section 7.4.4.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

MAX_ENTRIES = 256
MAX_ID = 0xFFFF
MAX_VALUE_BYTES = 0xFFFFFF

_WIDE_ID = 0b0010_0000
_LENGTH_HERE = 0b0000_0111


class TlvError(ValueError):
    """Not TLV, or over a limit."""


class Kind(IntEnum):
    """What an entry is; the two highest bits of its first byte."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


_MAY_HOLD = {
    Kind.OBJECT_INSTANCE: frozenset({Kind.MULTIPLE_RESOURCE, Kind.RESOURCE}),
    Kind.MULTIPLE_RESOURCE: frozenset({Kind.RESOURCE_INSTANCE}),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One node of a device's tree.

    Attributes:
        kind: What it is.
        id: Its number, 0..65535.
        value: Of a resource or a resource's instance, as its type has it; else empty.
        children: Of an object's instance or a multiple resource; else empty.
    """

    kind: Kind
    id: int
    value: bytes = b""
    children: tuple["Entry", ...] = ()


def decode_tlv(payload: bytes) -> tuple[Entry, ...]:
    """Return the entries in `payload`, in order.

    Raises:
        TlvError: cut short, wrongly nested, or more than `MAX_ENTRIES`.
    """
    left = [MAX_ENTRIES]
    return _entries(payload, frozenset(Kind), left)


def encode_tlv(entries: Iterable[Entry]) -> bytes:
    """Return `entries` as TLV; the inverse of `decode_tlv`.

    Raises:
        TlvError: an id or a value is too large.
    """
    return b"".join(map(_encode, entries))


def _entries(data: bytes, allowed: frozenset[Kind], left: list[int]) -> tuple[Entry, ...]:
    found = []
    at = 0
    while at < len(data):
        left[0] -= 1
        if left[0] < 0:
            raise TlvError(f"more than {MAX_ENTRIES} entries")
        kind = Kind(data[at] >> 6)
        if kind not in allowed:
            raise TlvError(f"a {kind.name.lower()} stands where it may not")
        identifier, value, at = _one(data, at)
        if inner := _MAY_HOLD.get(kind):
            found.append(Entry(kind, identifier, children=_entries(value, inner, left)))
        else:
            found.append(Entry(kind, identifier, value))
    return tuple(found)


def _one(data: bytes, at: int) -> tuple[int, bytes, int]:
    first = data[at]
    id_bytes = 2 if first & _WIDE_ID else 1
    length_bytes = first >> 3 & 0b11
    start = at + 1 + id_bytes
    end = start + length_bytes
    if end > len(data):
        raise TlvError("cut short")
    length = int.from_bytes(data[start:end]) if length_bytes else first & _LENGTH_HERE
    if length > len(data) - end:
        raise TlvError("a length goes beyond the payload")
    return int.from_bytes(data[at + 1 : start]), data[end : end + length], end + length


def _encode(entry: Entry) -> bytes:
    value = encode_tlv(entry.children) if entry.kind in _MAY_HOLD else entry.value
    if not 0 <= entry.id <= MAX_ID or len(value) > MAX_VALUE_BYTES:
        raise TlvError("an id or a value is too large")
    id_bytes = 2 if entry.id > 0xFF else 1  # noqa: PLR2004 - one byte
    if len(value) <= _LENGTH_HERE:
        first, length = len(value), b""
    else:
        length = len(value).to_bytes((len(value).bit_length() + 7) // 8)
        first = len(length) << 3
    first |= entry.kind << 6 | (_WIDE_ID if id_bytes > 1 else 0)
    return bytes([first]) + entry.id.to_bytes(id_bytes) + length + value
