"""Addresses as line-ups write them, several in one line often.

One rule: pure; what cannot be pulled is refused with the reason that is counted.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from gateway.media import lineup_headers
from gateway.media.lineup import Source

DATAGRAMS = ("udp", "rtp", "igmp")
DEFAULT_PORT = 1234
"""What players take for a group without a port."""

_NEXT = re.compile(r"[#|](?=[a-z][a-z0-9+.-]{1,15}://)", re.IGNORECASE)
_LABEL = re.compile(r"(?:\$[^$/=&?]*)+\Z")


class AddressError(ValueError):
    """An address that cannot be pulled; says why."""


def sources(line: str, base: str, headers: Mapping[str, str]) -> Iterator[Source | AddressError]:
    """Yield what each address in `line` means, best first.

    Several are joined by ``#`` or ``|``; ``$`` begins a label for people, ``|name=value``
    the HTTP headers the origin wants.

    Args:
        line: Without white space around it.
        base: http(s) address of the list, for relative addresses.
        headers: What was said for the channel.
    """
    for address in _NEXT.split(line):
        try:
            yield _source(address.strip(), base, headers)
        except AddressError as error:
            yield error
        except ValueError as error:
            # Versions of Python word their findings differently; what they find is the same.
            yield AddressError(f"address that is not well formed ({error})")


def _source(line: str, base: str, headers: Mapping[str, str]) -> Source:
    address, _, options = line.partition("|")
    address = _LABEL.sub("", address).strip()
    url = urljoin(base, address) if base else address
    parts = urlsplit(url)
    if parts.scheme in DATAGRAMS:
        return Source(url=_datagrams(parts.scheme, parts.netloc))
    if parts.scheme not in ("http", "https"):
        scheme = parts.scheme[:16]
        raise AddressError(f"address scheme '{scheme}' is not supported" if scheme else "relative address")
    if not parts.hostname or (parts.port is not None and not parts.port):
        raise AddressError("address without a host")
    if "[" in parts.netloc:
        ipaddress.IPv6Address(parts.hostname.partition("%")[0])  # Python 3.11.2 takes anything in brackets
    return Source(url=url, headers={**headers, **(lineup_headers.of_address(options) if options else {})})


def _datagrams(scheme: str, place: str) -> str:
    """Return ``scheme://[sender]@group:port`` in one way of writing; IGMP is how a group of UDP is joined."""
    sender, _, group = place.rpartition("@")
    parts = urlsplit(f"//{group}")
    try:
        address = ipaddress.ip_address(parts.hostname or "")
        if sender:
            ipaddress.ip_address(sender.strip("[]"))
    except ValueError as error:
        raise AddressError("datagrams need an address in figures") from error
    shown = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    return f"{'rtp' if scheme == 'rtp' else 'udp'}://{sender}@{shown}:{parts.port or DEFAULT_PORT}"
