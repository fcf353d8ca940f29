"""As much of CBOR (RFC 8949) as a SenML payload needs.  Pure.

One rule: lengths are believed only as far as bytes are there, and depth is
bounded, so no payload can make us allocate more than it weighs.
"""

import struct

MAX_DEPTH = 4

_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}
_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


class CborError(ValueError):
    """Not CBOR, or a part of it that we do not read."""


def decode_cbor(payload: bytes) -> object:
    """Return the one item in `payload`: numbers, text, bytes, lists, dicts, booleans, `None`.

    Raises:
        CborError: malformed, indefinite lengths, tags, or bytes left over.
    """
    item, at = _item(payload, 0, 0)
    if at != len(payload):
        raise CborError("bytes left over")
    return item


def _item(data: bytes, at: int, depth: int) -> tuple[object, int]:  # noqa: C901, PLR0911 - one case per major type
    if depth > MAX_DEPTH:
        raise CborError("too deep")
    initial = _take(data, at, 1)[0]
    major, low = initial >> 5, initial & 31
    size = _ARGUMENT_BYTES.get(low, 0)
    raw = _take(data, at + 1, size)
    at += 1 + size
    if low > max(_ARGUMENT_BYTES):
        raise CborError("indefinite length")
    argument = int.from_bytes(raw) if size else low
    match major:
        case 0:
            return argument, at
        case 1:
            return -1 - argument, at
        case 2:
            return _take(data, at, argument), at + argument
        case 3:
            return _decoded(_take(data, at, argument)), at + argument
        case 4:
            return _list(data, at, argument, depth)
        case 5:
            flat, at = _list(data, at, argument * 2, depth)
            return _dict(flat), at
        case 7 if low in _FLOATS:
            (number,) = struct.unpack(_FLOATS[low], raw)
            return number, at
        case 7 if low in _SIMPLE:
            return _SIMPLE[low], at
    raise CborError(f"major type {major} is not read here")


def _list(data: bytes, at: int, count: int, depth: int) -> tuple[list[object], int]:
    if count > len(data) - at:
        raise CborError("more items than bytes")
    items = []
    for _ in range(count):
        item, at = _item(data, at, depth + 1)
        items.append(item)
    return items, at


def _dict(flat: list[object]) -> dict[object, object]:
    keys = flat[::2]
    if not all(isinstance(key, int | str) for key in keys):
        raise CborError("a key is neither number nor text")
    return dict(zip(keys, flat[1::2], strict=True))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise CborError("text is not UTF-8") from error


def _take(data: bytes, at: int, count: int) -> bytes:
    if count > len(data) - at:
        raise CborError("cut short")
    return data[at : at + count]
