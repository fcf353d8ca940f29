"""Under which of its addresses a device reaches the box.

One rule: the kernel's routes are asked; nothing is sent.
"""

import ipaddress
import socket

from gateway.iot.link import LinkDownError

_ANY_PORT = 9
_MAX_SCOPE = 10


def own_address(host: str) -> str:
    """Return the box's address towards `host`, both in figures.

    Raises:
        LinkDownError: there is no way there.
    """
    try:
        plain = ipaddress.ip_address(host.partition("%")[0])
    except ValueError as error:
        raise LinkDownError(f"{host!r} is not an address") from error
    mapped = plain.ipv4_mapped if isinstance(plain, ipaddress.IPv6Address) else None
    scope = host.partition("%")[2]
    towards = mapped or plain
    try:
        # In figures to the last: a name would be asked for, and everything would wait for the answer.
        at = (str(towards), _ANY_PORT) if towards.version == 4 else (str(plain), _ANY_PORT, 0, _index(scope))  # noqa: PLR2004
        family = socket.AF_INET if len(at) == 2 else socket.AF_INET6  # noqa: PLR2004 - host and port
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(at)
            return str(probe.getsockname()[0])
    except (OSError, ValueError, UnicodeError) as error:
        raise LinkDownError(f"there is no way to {host!a}: {error}") from error


def _index(scope: str) -> int:
    """Return the number of the interface that an IPv6 address is bound to; 0 for any."""
    if not scope:
        return 0
    return int(scope) if scope.isdecimal() and len(scope) < _MAX_SCOPE else socket.if_nametoindex(scope)
