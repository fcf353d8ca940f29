"""HTTP headers that an origin wants, in all the ways line-ups say so.

One rule: pure; a header that could not be sent is left out, the address stays.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

MAX_HEADERS = 16
MAX_VALUE_CHARS = 1_024

_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")
_USUAL = {
    "user-agent": "User-Agent",
    "http-user-agent": "User-Agent",
    "referer": "Referer",
    "referrer": "Referer",
    "http-referer": "Referer",
    "http-referrer": "Referer",
    "http-origin": "Origin",
}
_OF_CHANNEL = ("user-agent", "http-user-agent", "referer", "referrer", "http-referer", "http-referrer")
_OF_KODI = ("stream_headers", "manifest_headers", "common_headers")
# The box decides these itself: how the connection is kept, and what part of a file is asked for.
_OURS = ("host", "connection", "content-length", "transfer-encoding", "range", "accept-encoding", "upgrade")


def of_address(options: str) -> dict[str, str]:
    """Return the headers of ``name=value&…`` after the ``|`` of an address, or in a property of Kodi.

    Raises:
        ValueError: there are too many.
    """
    pairs = parse_qsl(options, max_num_fields=MAX_HEADERS)
    # Kodi marks the headers that it does not know itself with an exclamation mark.
    return _usable((name.removeprefix("!"), value) for name, value in pairs)


def of_option(name: str, value: str) -> dict[str, str]:
    """Return the headers in an option of VLC, such as ``http-user-agent=…``."""
    known = name.lower().lstrip(":-")
    return _usable([(known, value.strip('"'))]) if known.startswith("http-") and known in _USUAL else {}


def of_property(name: str, value: str) -> dict[str, str]:
    """Return the headers in a property of Kodi, such as ``inputstream.adaptive.stream_headers=…``."""
    last = name.lower().rpartition(".")[2]
    try:
        return of_address(value) if last in _OF_KODI else of_option(last, value)
    except ValueError:
        return {}


def of_json(text: str) -> dict[str, str]:
    """Return the headers in ``#EXTHTTP:{…}``."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return _usable((name, value) for name, value in said.items() if isinstance(value, str))


def of_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the headers among what the line of a channel says."""
    return _usable((name, attributes[name]) for name in _OF_CHANNEL if name in attributes)


def _usable(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        fits = len(value) <= MAX_VALUE_CHARS and value.isprintable() and value.strip()
        if fits and _TOKEN.fullmatch(name) and name.lower() not in _OURS and len(found) < MAX_HEADERS:
            found[_USUAL.get(name.lower(), name)] = value.strip()
    return found
