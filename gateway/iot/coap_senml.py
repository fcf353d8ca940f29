"""Readings as CoAP carries them: SenML in JSON and CBOR (RFC 8428), and plain text.  Pure.

One rule: a value without a sound form is refused, never guessed.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import msgspec

from gateway.errors import BadInputError
from gateway.iot.coap_cbor import CborError, decode_cbor, encode_cbor
from gateway.iot.entity import Value

TEXT = 0
SENML_JSON = 110
SENML_CBOR = 112
READABLE = (SENML_JSON, SENML_CBOR, TEXT)

MAX_PAYLOAD_BYTES = 16_384
MAX_RECORDS = 64
MAX_TEXT_CHARS = 255

# RFC 8428, section 4.6: a time below this is relative to now.
ABSOLUTE_FROM_S = 2**28
MAX_TIME_S = 2**33
MAX_NUMBER = 2**63

UNITS = {"°C": "Cel", "°F": "degF", "%": "%", "lx": "lx", "W": "W", "V": "V", "A": "A", "Pa": "Pa", "K": "K"}
"""Home Assistant's units and SenML's (RFC 8428, section 12.1) for the same."""

_HOME_UNITS = {senml: home for home, senml in UNITS.items()} | {
    "%RH": "%",
    "mm[Hg]": "mmHg",
    "beat/min": "bpm",
    "%EL": "%",
    "m/s2": "m/s²",
    "ug/m3": "µg/m³",
    "mg/m3": "mg/m³",
}

_CBOR_LABELS = {-2: "bn", -3: "bt", -4: "bu", -5: "bv", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 6: "t"}
_LABELS = {name: label for label, name in _CBOR_LABELS.items()}


class PayloadError(BadInputError):
    """A CoAP payload is not a reading we understand."""

    code: ClassVar[str] = "IOT-304"
    hint = "Update or replace the device; what it sends cannot be read."


class Record(msgspec.Struct, frozen=True):
    """One value in a payload.

    Attributes:
        value: What it is.
        at: When it was measured; timezone-aware UTC; `None` if the payload does not say.
        name: SenML name, base and own together; empty if none.
        unit: Home Assistant's unit, or SenML's where it has none; empty if none.
    """

    value: Value
    at: datetime | None = None
    name: str = ""
    unit: str = ""


def encode(record: Record, content_format: int = SENML_JSON) -> bytes:
    """Return `record` as a SenML pack of one, in JSON or CBOR."""
    fields: dict[str, object] = {"n": record.name} if record.name else {}
    if record.unit:
        fields["u"] = UNITS.get(record.unit, record.unit)
    fields["vb" if isinstance(record.value, bool) else "vs" if isinstance(record.value, str) else "v"] = (
        record.value
    )
    if record.at is not None:
        fields["t"] = round(record.at.timestamp(), 3)
    if content_format == SENML_CBOR:
        return encode_cbor([{_LABELS[name]: value for name, value in fields.items()}])
    return msgspec.json.encode([fields])


def home_unit(unit: str) -> str:
    """Return Home Assistant's unit for what a device calls `unit`; the same where it has none."""
    return _HOME_UNITS.get(unit, unit)


def plain_text(value: Value) -> bytes:
    """Return `value` as plain text; booleans as OMA LwM2M has them, 0 and 1."""
    return str(int(value) if isinstance(value, bool) else value).encode()


def decode(payload: bytes, content_format: int | None, *, now: datetime) -> tuple[Record, ...]:
    """Return the records in `payload`, newest value of a name last.

    Args:
        payload: As received.
        content_format: The CoAP option; `None` is read as plain text.
        now: What relative times count from; timezone-aware UTC.

    Raises:
        PayloadError: too large, of another format, or malformed.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(f"a payload has more than {MAX_PAYLOAD_BYTES} bytes")
    if content_format in (None, TEXT):
        return (Record(_plain(payload)),)
    try:
        if content_format == SENML_JSON:
            pack: object = msgspec.json.decode(payload)
        elif content_format == SENML_CBOR:
            pack = _named(decode_cbor(payload))
        else:
            raise PayloadError(f"content format {content_format} is not known")
    except (msgspec.DecodeError, CborError, RecursionError, ValueError) as error:
        raise PayloadError("a payload is not what its content format says") from error
    return resolve(pack, now)


def resolve(pack: object, now: datetime) -> tuple[Record, ...]:
    """Return the records of a SenML `pack` that has been taken out of its JSON or CBOR.

    Raises:
        PayloadError: against the rules of RFC 8428, or over a limit.
    """
    if not isinstance(pack, list) or not 0 < len(pack) <= MAX_RECORDS:
        raise PayloadError(f"SenML is a list of 1 to {MAX_RECORDS} records")
    base: dict[str, object] = {}
    records = []
    for item in pack:
        if not isinstance(item, Mapping):
            raise PayloadError("a SenML record is not an object")
        # RFC 8428, section 4.4: a label ending in an underscore must be understood.
        if any(isinstance(label, str) and label.endswith("_") for label in item):
            raise PayloadError("a SenML record has a label that must be understood and is not")
        base |= {label: value for label, value in item.items() if label in ("bn", "bt", "bu", "bv")}
        value = _value(item, base)
        if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
            raise PayloadError(f"a SenML text has more than {MAX_TEXT_CHARS} characters")
        if value is not None:
            name = _text(base.get("bn", "")) + _text(item.get("n", ""))
            unit = _text(item.get("u", base.get("bu", "")))
            records.append(Record(value, _time(item, base, now), name, home_unit(unit)))
    if not records:
        raise PayloadError("SenML without a value")
    return tuple(records)


def _plain(payload: bytes) -> Value:
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise PayloadError("a plain text is not UTF-8") from error
    if not 0 < len(text) <= MAX_TEXT_CHARS:
        raise PayloadError(f"a plain text has 1 to {MAX_TEXT_CHARS} characters")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return text
    if not -MAX_NUMBER < number < MAX_NUMBER:
        return text
    return int(text) if text.lstrip("+-").isdecimal() else number


def _named(pack: object) -> object:
    if not isinstance(pack, list):
        return pack
    return [
        {_CBOR_LABELS.get(key, key): value for key, value in record.items()}
        if isinstance(record, dict)
        else record
        for record in pack
    ]


def _value(item: Mapping[str, object], base: Mapping[str, object]) -> Value | None:
    match item:
        case {"vb": bool(flag)}:
            return flag
        case {"vs": str(text)}:
            return text
        case {"vb": _} | {"vs": _}:
            raise PayloadError("a SenML value has the wrong type")
        case {"v": number}:
            offset = base.get("bv")
            return _number(number) if offset is None else _number(_number(number) + _number(offset))
    return None


def _time(item: Mapping[str, object], base: Mapping[str, object], now: datetime) -> datetime | None:
    if "t" not in item and "bt" not in base:
        return None
    seconds = _number(item.get("t", 0)) + _number(base.get("bt", 0))
    if not -MAX_TIME_S < seconds < MAX_TIME_S:
        raise PayloadError("a SenML time is out of range")
    if seconds < ABSOLUTE_FROM_S:
        return now + timedelta(seconds=seconds)
    return datetime.fromtimestamp(seconds, UTC)


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER < value < MAX_NUMBER:
        raise PayloadError("a SenML number is not a number, or out of range")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PayloadError("a SenML name or unit is not text")
    return value
