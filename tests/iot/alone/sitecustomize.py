"""For a program in Python that shall keep to this machine: loaded by Python itself, from ``PYTHONPATH``.

One rule: whoever is sought beyond the loopback is refused, and written down in
the file that ``SOUGHT`` names.  A datagram socket that is connected sends nothing:
so a program asks for its own address, which is refused and not worth a note.
"""

import ipaddress
import os
import socket
import sys
from pathlib import Path

_BY_ADDRESS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_BY_NAME = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def _host(event: str, arguments: tuple[object, ...]) -> str:
    sought: object = None
    if event in _BY_ADDRESS:
        address = arguments[1]
        sought = address[0] if isinstance(address, tuple) else None
    elif event in _BY_NAME:
        sought = arguments[0]
    if isinstance(sought, bytes):
        return sought.decode(errors="replace")
    return sought if isinstance(sought, str) else ""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost")


def _is_datagram(asking: object) -> bool:
    return isinstance(asking, socket.socket) and asking.type == socket.SOCK_DGRAM


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not event.startswith("socket."):
        return
    host = _host(event, arguments)
    if _is_here(host):
        return
    if not (event == "socket.connect" and _is_datagram(arguments[0])):
        with Path(os.environ["SOUGHT"]).open("a") as notes:
            notes.write(f"{event} {host}\n")
    raise OSError(f"{host} is not on this machine")


sys.addaudithook(_hear)
