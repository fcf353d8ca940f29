"""Which hosts an origin may lead us to.

One rule: every hop is judged, the first address as well as each redirect,
variant, key and segment, because pictures from a stranger's host are an illegal insertion.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

from gateway.media.relay_facts import ForeignHostError, SourceError

Allowed = Callable[[str], bool]
"""Tells of a host, lower case and without a port, whether the line-up lists it."""

REMEMBERED_S = 60.0
MAX_REMEMBERED = 256
_SECRET = ("authorization", "cookie", "proxy-authorization")


def anywhere(_host: str) -> bool:
    """Allow every host: the line-up has no list."""
    return True


def host_of(url: str) -> str:
    """Return the host of `url`, lower case, without a port; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_private(address: str) -> bool:
    """Tell whether a numeric `address` is of a house or of the box itself, not of the public network."""
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    return not number.is_global or number.is_multicast


class Hosts:
    """Judges addresses for one session."""

    def __init__(self, allowed: Allowed) -> None:
        """Describe a judge that asks `allowed` about every host."""
        self._allowed = allowed
        self._private: dict[str, tuple[float, bool]] = {}

    def check(self, url: str) -> None:
        """Raise `ForeignHostError` unless the line-up allows the host of `url`."""
        host = host_of(url)
        if not self._allowed(host):
            raise ForeignHostError(f"The channel leads to {host[:80] or 'no host'}", host=host)

    async def redirected(self, url: str, location: str) -> str:
        """Return the absolute address `location` leads to.

        Raises:
            ForeignHostError: its host is not listed.
            SourceError: it is no web address, or leads from the public network into the house.
        """
        target = urljoin(url, location.strip())
        if urlsplit(target).scheme.lower() not in ("http", "https"):
            raise SourceError("The origin leads to an address that is not of the web")
        self.check(target)
        before, after = host_of(url), host_of(target)
        if before != after and await self._is_private(after) and not await self._is_private(before):
            raise ForeignHostError("A public origin leads into the house", host=after)
        return target

    async def _is_private(self, host: str) -> bool:
        loop = asyncio.get_running_loop()
        known = self._private.get(host)
        if known is not None and loop.time() < known[0]:
            return known[1]
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SourceError("The origin leads to a host that has no address") from error
        private = any(is_private(str(entry[4][0])) for entry in found)
        if len(self._private) >= MAX_REMEMBERED:
            self._private.clear()
        self._private[host] = (loop.time() + REMEMBERED_S, private)
        return private


def headers_for(target: str, first: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return `headers` without what another host than that of `first` must not learn."""
    if host_of(target) == host_of(first):
        return headers
    return {name: value for name, value in headers.items() if name.lower() not in _SECRET}
