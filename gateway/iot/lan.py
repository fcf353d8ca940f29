"""Which networks this machine is on now, as the kernel tells (rtnetlink(7)).

One rule: an address counts only when others can reach it at once: its
interface is up and can multicast, and it is neither being tested for
duplicates nor on its way out.
"""

import asyncio
import errno
import ipaddress
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

MAX_ATTACHMENTS = 8
MAX_ADDRESSES = 8
"""Of one interface and family: an announcement must fit into a datagram."""

_SETTLE_S = 0.2
_ANSWER_TIMEOUT_S = 2.0
_LARGEST_ANSWER = 65_536

# linux/rtnetlink.h, linux/netlink.h, linux/if_link.h, linux/if_addr.h, linux/if.h
_NEWLINK, _GETLINK, _NEWADDR, _GETADDR = 16, 18, 20, 22
_ERROR, _DONE = 2, 3
_REQUEST_DUMP = 0x301
_GROUPS = 0x1 | 0x10 | 0x100  # link, IPv4 addresses, IPv6 addresses
_IFNAME, _ADDRESS, _LOCAL = 3, 1, 2
_UP, _LOOPBACK, _MULTICAST, _LOWER_UP = 0x1, 0x8, 0x1000, 0x10000
_TEMPORARY, _DUPLICATE, _DEPRECATED, _TENTATIVE = 0x01, 0x08, 0x20, 0x40
_HEAD = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_PLACE = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One interface that is up.

    Attributes:
        name: As the kernel calls it.
        ipv4: Its addresses, in the kernel's order.
        ipv6: Likewise, link-local ones first.
    """

    name: str
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()


@dataclass(slots=True)
class _Interface:
    name: str
    usable: bool
    ipv4: list[str] = field(default_factory=list)
    ipv6: list[str] = field(default_factory=list)


def attachments(only: Sequence[str] = ()) -> tuple[Attachment, ...]:
    """Return the interfaces with a usable address, loopback apart; of `only` these, if any are named.

    Raises:
        OSError: the kernel does not say.
    """
    links: dict[int, _Interface] = {}
    for kind, body in _dump(_GETLINK):
        if kind == _NEWLINK:
            _, _, index, flags, _ = _LINK.unpack_from(body)
            name = _attributes(body[_LINK.size :]).get(_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
            wanted = _UP | _LOWER_UP | _MULTICAST
            usable = flags & (wanted | _LOOPBACK) == wanted and (not only or name in only)
            links[index] = _Interface(name, usable)
    for kind, body in _dump(_GETADDR):
        if kind == _NEWADDR:
            _put(body, links)
    found = [
        Attachment(
            name=each.name,
            ipv4=tuple(each.ipv4[:MAX_ADDRESSES]),
            ipv6=tuple(sorted(each.ipv6, key=_is_global)[:MAX_ADDRESSES]),
        )
        for each in links.values()
        if each.usable and (each.ipv4 or each.ipv6)
    ]
    return tuple(found[:MAX_ATTACHMENTS])


@contextmanager
def changes() -> Iterator[Callable[[], Awaitable[None]]]:
    """Listen to the kernel; what is returned waits until links or addresses have changed and settled.

    Raises:
        OSError: the kernel does not let us listen.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as listening:
        listening.setblocking(False)
        listening.bind((0, _GROUPS))

        async def changed() -> None:
            await _news(listening)
            # A new address is told of several times: added, tested, in use.
            with suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(_SETTLE_S):
                        await _news(listening)

        yield changed


async def _news(listening: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().sock_recv(listening, _LARGEST_ANSWER)
    except OSError as error:
        # More happened than the socket's buffer holds: that is news, too.
        if error.errno != errno.ENOBUFS:
            raise


def _dump(request: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of every message of the kernel's answer."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(_ANSWER_TIMEOUT_S)
        body = bytes(_LINK.size)
        asking.send(_HEAD.pack(_HEAD.size + len(body), request, _REQUEST_DUMP, 1, 0) + body)
        while True:
            answer = asking.recv(_LARGEST_ANSWER)
            while len(answer) >= _HEAD.size:
                length, kind, *_ = _HEAD.unpack_from(answer)
                if kind == _DONE:
                    return
                if kind == _ERROR or length < _HEAD.size:
                    raise OSError(errno.EIO, "the kernel does not list its addresses")
                yield kind, answer[_HEAD.size : length]
                answer = answer[_aligned(length) :]


def _put(body: bytes, links: dict[int, _Interface]) -> None:
    family, _, flags, _, index = _PLACE.unpack_from(body)
    link = links.get(index)
    if link is None or flags & (_DUPLICATE | _DEPRECATED | _TENTATIVE):
        return
    # Of IPv4 the local one: of a point-to-point link the other is the peer's.
    attributes = _attributes(body[_PLACE.size :])
    packed = attributes.get(_LOCAL) or attributes.get(_ADDRESS) or b""
    if family == socket.AF_INET and len(packed) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
        link.ipv4.append(socket.inet_ntop(socket.AF_INET, packed))
    # A privacy address (RFC 8981) is for going out, and soon gone.
    elif family == socket.AF_INET6 and len(packed) == 16 and not flags & _TEMPORARY:  # noqa: PLR2004 - likewise
        link.ipv6.append(socket.inet_ntop(socket.AF_INET6, packed))


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _is_global(address: str) -> bool:
    return not ipaddress.ip_address(address).is_link_local
