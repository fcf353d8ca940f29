"""What an LwM2M device says and is told, in each format it may choose.  Pure.

One rule: an answer speaks only of what was asked, and every value has the
type its resource has, or is left out.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from gateway.iot.coap_cbor import shortest
from gateway.iot.coap_senml import (
    MAX_NUMBER,
    MAX_PAYLOAD_BYTES,
    MAX_TEXT_CHARS,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    PayloadError,
    Record,
    decode,
    encode,
    plain_text,
    resolve,
)
from gateway.iot.entity import Value
from gateway.iot.lwm2m_paths import RESOURCE_DEPTH, Path, Type, parse_path, path_text, type_of
from gateway.iot.lwm2m_tlv import Entry, Kind, TlvError, decode_tlv, encode_tlv

TLV = 11_542
LWM2M_JSON = 11_543
WRITABLE = (TLV, SENML_CBOR, SENML_JSON, TEXT)

_INTEGER_BYTES = (1, 2, 4, 8)
_FLOATS = {4: ">f", 8: ">d"}
# OMA-TS-LightweightM2M_Core 1.1.1, section 7.4.5: these say what SenML says by other names.
_SENML_NAMES = {"sv": "vs", "bv": "vb"}


def read(payload: bytes, content_format: int | None, asked: Path, *, now: datetime) -> Mapping[Path, Record]:
    """Return what `payload` says of the resources at and below `asked`; of several values the last.

    Args:
        payload: As received.
        content_format: The CoAP option; `None` is read as plain text.
        asked: An object's instance, a resource or a resource's instance.
        now: What relative times count from; timezone-aware UTC.

    Raises:
        PayloadError: too large, of another format, malformed, or not a word about `asked`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"a payload has more than {MAX_PAYLOAD_BYTES} bytes")
    found = {
        path: record
        for path, record in _records(payload, content_format, asked, now)
        if path[: len(asked)] == asked
    }
    if not found:
        raise PayloadError(f"an answer says nothing of {path_text(asked)} that can be read")
    return found


def read_one(payload: bytes, content_format: int | None, asked: Path, *, now: datetime) -> Record:
    """Return what `payload` says of the one resource at `asked`.

    Raises:
        PayloadError: as `read` does.
    """
    said = read(payload, content_format, asked, now=now)
    if asked not in said:
        raise PayloadError(f"{path_text(asked)} is several")
    return said[asked]


def write(value: Value, content_format: int, path: Path) -> bytes:
    """Return `value` for the resource at `path`, in one of the formats of `WRITABLE`.

    Raises:
        PayloadError: the resource cannot have this value.
    """
    typed = _typed(value, type_of(path))
    if typed is None:
        raise PayloadError(f"{path_text(path)} cannot be {value!r:.40}")
    if content_format == TLV:
        # Four or eight bytes are a float to a device, so a whole number of degrees must not be an integer.
        exact = float(typed) if type_of(path) is Type.FLOAT else typed
        return encode_tlv([Entry(Kind.RESOURCE, path[2], _bytes_of(exact))])
    if content_format in (SENML_CBOR, SENML_JSON):
        return encode(Record(typed, name=path_text(path)), content_format)
    return plain_text(typed)


def _records(
    payload: bytes, content_format: int | None, asked: Path, now: datetime
) -> Iterator[tuple[Path, Record]]:
    if content_format == TLV:
        try:
            entries = decode_tlv(payload)
        except TlvError as error:
            raise PayloadError(f"a payload is not TLV: {error}") from error
        for path, raw in _flat(entries, asked):
            value = _value_of(raw, type_of(path))
            if value is not None:
                yield path, Record(value)
        return
    for record in _named(payload, content_format, asked, now):
        named = _absolute(record.name, asked)
        kind = type_of(named) if named else None
        value = _typed(record.value, kind)
        if value is not None and named is not None:
            yield named, Record(value, record.at, unit=record.unit)


def _named(payload: bytes, content_format: int | None, asked: Path, now: datetime) -> tuple[Record, ...]:
    if content_format in (None, TEXT) and type_of(asked) is Type.TEXT:
        # A model called "42" is not a number, nor is a version "1.0".
        try:
            return (Record(payload.decode()),)
        except UnicodeDecodeError as error:
            raise PayloadError("a plain text is not UTF-8") from error
    if content_format == LWM2M_JSON:
        return resolve(_as_senml(payload), now)
    return decode(payload, content_format, now=now)


def _as_senml(payload: bytes) -> object:
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise PayloadError("a payload is not what its content format says") from error
    entries = said.get("e") if isinstance(said, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise PayloadError("an LwM2M JSON payload has no entries")
    base = {name: said[name] for name in ("bn", "bt") if name in said}
    renamed = [{_SENML_NAMES.get(name, name): value for name, value in entry.items()} for entry in entries]
    if base.get("bn") and all(entry.get("n") for entry in renamed):
        # The names are to be put together as they are; coap-node leaves out the slash between them.
        base["bn"] = f"{base['bn']}/".replace("//", "/")
    return [base, *renamed]


def _absolute(name: str, asked: Path) -> Path | None:
    if not name:
        return asked
    if not name.startswith("/"):
        return parse_path(f"{path_text(asked)}/{name}")
    path = parse_path(name)
    # A device with an alternate path may name its resources with it.
    return path or parse_path("/" + name.split("/", 2)[-1])


def _flat(entries: tuple[Entry, ...], asked: Path) -> Iterator[tuple[Path, bytes]]:
    for entry in entries:
        depth = {Kind.OBJECT_INSTANCE: 1, Kind.RESOURCE_INSTANCE: RESOURCE_DEPTH}.get(entry.kind, 2)
        # A device may leave out what was asked for, or say it again.
        path = (*asked[:depth], entry.id)
        if len(path) != depth + 1:
            continue
        if entry.children:
            yield from _flat(entry.children, path)
        else:
            yield path, entry.value


def _value_of(raw: bytes, kind: Type | None) -> Value | None:
    if kind is Type.FLOAT and len(raw) in _FLOATS:
        return _typed(shortest(raw, _FLOATS[len(raw)]), kind)
    if kind is Type.INTEGER and len(raw) in _INTEGER_BYTES:
        return int.from_bytes(raw, signed=True)
    if kind is Type.BOOLEAN and raw in (b"\0", b"\1"):
        return raw == b"\1"
    if kind is Type.TEXT:
        try:
            return _typed(raw.decode(), kind)
        except UnicodeDecodeError:
            return None
    return None


def _typed(value: Value, kind: Type | None) -> Value | None:
    """Return `value` as `kind` has it; `None` if it cannot be that."""
    if isinstance(value, str):
        return value if kind is Type.TEXT and len(value) <= MAX_TEXT_CHARS else None
    if kind is Type.BOOLEAN:
        return bool(value) if value in (0, 1) else None
    if isinstance(value, bool) or not math.isfinite(value) or not -MAX_NUMBER < value < MAX_NUMBER:
        return None
    if kind is Type.FLOAT:
        return value
    return int(value) if kind is Type.INTEGER and value == int(value) else None


def _bytes_of(value: Value) -> bytes:
    match value:
        case bool():
            return bytes([value])
        case str():
            return value.encode()
        case int():
            size = next(size for size in _INTEGER_BYTES if -1 << 8 * size - 1 <= value < 1 << 8 * size - 1)
            return value.to_bytes(size, signed=True)
    return struct.pack(">d", value)
