"""Under which of its addresses a device reaches the box.

One rule: the kernel's routes are asked; nothing is sent.
"""

import ipaddress
import socket

from gateway.iot.link import LinkDownError

_ANY_PORT = 9


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
    towards = str(mapped or host)
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, _ANY_PORT))
        except OSError as error:
            raise LinkDownError(f"there is no way to {host}: {error.strerror}") from error
        return str(probe.getsockname()[0])
