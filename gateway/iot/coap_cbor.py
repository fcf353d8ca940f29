"""As much of CBOR (RFC 8949) as a SenML payload needs.  Pure.

One rule: lengths are believed only as far as bytes are there, and depth is
bounded, so no payload can make us allocate more than it weighs.
"""

import math
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


def encode_cbor(item: object) -> bytes:  # noqa: PLR0911 - one case per type
    """Return `item` as CBOR: what `decode_cbor` gives, tuples as lists.

    Raises:
        CborError: of another type, or a whole number of more than 64 bits.
    """
    match item:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if item else b"\xf4"
        case int():
            return _head(0, item) if item >= 0 else _head(1, -1 - item)
        case float():
            return b"\xfb" + struct.pack(">d", item)
        case bytes():
            return _head(2, len(item)) + item
        case str():
            raw = item.encode()
            return _head(3, len(raw)) + raw
        case list() | tuple():
            return _head(4, len(item)) + b"".join(map(encode_cbor, item))
        case dict():
            pairs = (encode_cbor(key) + encode_cbor(value) for key, value in item.items())
            return _head(5, len(item)) + b"".join(pairs)
    raise CborError(f"{type(item).__name__} is not written here")


def shortest(raw: bytes, layout: str) -> float:
    """Return the float in `raw` with the fewest digits that mean it.

    A narrow float widened as it is would put 21.299999 on the screen for a thermometer's 21.3.

    Args:
        raw: IEEE 754, big-endian.
        layout: As `struct` names it: ``>e``, ``>f`` or ``>d``.
    """
    number: float
    (number,) = struct.unpack(layout, raw)
    if layout == ">d" or not math.isfinite(number):
        return number
    for digits in range(1, 9):
        shorter = float(f"{number:.{digits}g}")
        try:
            if struct.pack(layout, shorter) == raw:
                return shorter
        except OverflowError:  # rounded up, beyond the narrow format's range
            continue
    return number


def _head(major: int, argument: int) -> bytes:
    if argument < min(_ARGUMENT_BYTES):
        return bytes([major << 5 | argument])
    for low, size in _ARGUMENT_BYTES.items():
        if argument < 1 << 8 * size:
            return bytes([major << 5 | low]) + argument.to_bytes(size)
    raise CborError("a number has more than 64 bits")


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
            return shortest(raw, _FLOATS[low]), at
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
