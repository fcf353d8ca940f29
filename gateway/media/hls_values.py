"""What stands after the colon of a playlist's tags (RFC 8216 section 4.2), read with tolerance.

One rule: pure, and what cannot be read is nothing, never an exception.
"""

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

_ATTRIBUTE = re.compile(r'\s*([A-Z0-9-]+)\s*=\s*("[^"]*"|[^,]*)\s*(?:,|$)')
_VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)")


def attributes(text: str) -> dict[str, str]:
    """Return an attribute list, without the quotes."""
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(text)}


def whole(text: str) -> int:
    """Return a whole number, 0 if it is none."""
    digits = text.strip().partition(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len(str(1 << 63)) else 0


def seconds(text: str, *, limit: float) -> float | None:
    """Return seconds over 0 and at most `limit`, or None."""
    number = _NUMBER.match(text)
    return min(float(number[1]), limit) or None if number else None


def moment(text: str) -> datetime | None:
    """Return a date with its zone, UTC if it names none, or None."""
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def defined(lines: list[str], url: str) -> list[str]:
    """Return `lines` with the variables of ``EXT-X-DEFINE`` filled in; unknown ones stay as they are."""
    values: dict[str, str] = {}
    for line in lines:
        if not line.startswith("#EXT-X-DEFINE:"):
            continue
        said = attributes(line.partition(":")[2])
        if "NAME" in said:
            values.setdefault(said["NAME"], said.get("VALUE", ""))
        elif "QUERYPARAM" in said:
            asked = dict(parse_qsl(urlsplit(url).query))
            values.setdefault(said["QUERYPARAM"], asked.get(said["QUERYPARAM"], ""))
    if not values:
        return lines
    return [_VARIABLE.sub(lambda found: values.get(found[1], found[0]), line) for line in lines]
