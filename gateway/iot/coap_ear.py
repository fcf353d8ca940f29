"""How the box's CoAP socket hears, and finds whom it speaks to.

One rule: what a stranger can send at no cost must cost nothing here.
"""

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import aiocoap
from aiocoap import error
from aiocoap.message import Direction
from aiocoap.numbers.constants import COAP_PORT, TransportTuning
from aiocoap.transports.udp6 import MessageInterfaceUDP6, UDP6EndpointAddress
from aiocoap.util import hostportsplit

MAX_REQUESTS_PER_S = 1000
MOST_AT_ONCE = 16
"""Datagrams read in one turn of the loop; what they set off is then done together."""
_ADDRESS_BYTES = 16
_LONGEST_BYTES, _MOST_BESIDE_BYTES = 4096, 1024
_FIRST_OF_ANSWERS = 0x20


class _Memory(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """Remember a request, to answer its repetition, for as long as peers repeat (not 247 s)."""

    EXCHANGE_LIFETIME = 60.0


class Peer(UDP6EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """An address that is not written and read again each time to tell whether it is one of many."""

    @property
    def is_multicast(self) -> bool:
        """Whether what goes there goes to many."""
        return _is_multicast(self.sockaddr[0])

    @property
    def is_multicast_locally(self) -> bool:
        """Whether what came from there came to many."""
        return _is_multicast(self.pktinfo[:_ADDRESS_BYTES])


class Ear(MessageInterfaceUDP6):  # type: ignore[misc]  # aiocoap has no types
    """The transport, with four things aiocoap leaves to others.

    It reads in one go what has come, not one datagram in each turn of the loop; it is deaf to datagrams
    on which the decoder stumbles; it takes no more requests than it can remember: each costs memory for
    a minute, and UDP senders cost nothing; and whoever is named by an address is not looked up, for
    which aiocoap takes a thread and a socket each time.

    Attributes:
        takes: Whether a request is to be heard at all.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - handed on as they are
        super().__init__(*arguments, **named)
        self._allowance = float(MAX_REQUESTS_PER_S)
        self._counted_s = time.monotonic()
        self.takes: Callable[[aiocoap.Message], bool] = lambda _: True
        self._takes_more = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        # Later than the transport's own, in whose place it comes.
        loop.call_soon(self._listen, loop, transport.get_extra_info("socket"))

    def _listen(self, loop: asyncio.AbstractEventLoop, taken: socket.socket) -> None:
        if self._shutting_down is None:
            loop.add_reader(taken, self._read, taken)

    def _read(self, taken: socket.socket) -> None:
        self._takes_more = True
        # An error, if there is one, and the first datagram.
        self.transport._read_ready()  # noqa: SLF001 - the transport's own way
        for _ in range(MOST_AT_ONCE - 1):
            if not self._takes_more or self._shutting_down is not None:
                return
            try:
                came = taken.recvmsg(_LONGEST_BYTES, _MOST_BESIDE_BYTES)
            except OSError:
                return  # nothing more, or an error, which the next turn begins with
            self.datagram_msg_received(*came)

    def datagram_msg_received(
        self, data: bytes, ancdata: Sequence[tuple[int, int, bytes]], _flags: int, address: tuple[object, ...]
    ) -> None:
        # The task of a request is to begin before another one of its token ends it.
        self._takes_more = not _is_request(data)
        local = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
        pktinfo = next((value for level, kind, value in ancdata if (level, kind) == local), None)
        try:
            message = aiocoap.Message.decode(data, Peer(address, self, pktinfo=pktinfo))
        except (ValueError, LookupError, ArithmeticError, struct.error, error.Error):
            return
        if message.code.is_request() and not (self.takes(message) and self._has_room()):
            return
        message.direction = Direction.INCOMING
        message.transport_tuning = _Memory()
        self._ctx.dispatch_message(message)

    async def determine_remote(self, request: aiocoap.Message) -> UDP6EndpointAddress | None:
        """Return where `request` goes, or None if that is not for this transport."""
        place = request.unresolved_remote if request.requested_scheme in ("coap", None) else None
        sockaddr = None if place is None else literal(*hostportsplit(place))
        if sockaddr is None:
            return await super().determine_remote(request)
        remote = Peer(sockaddr, self)
        remote.maximum_block_size_exp = min(
            remote.maximum_block_size_exp, request.remote.maximum_block_size_exp
        )
        return remote

    def _has_room(self) -> bool:
        now_s = time.monotonic()
        earned = (now_s - self._counted_s) * MAX_REQUESTS_PER_S
        self._counted_s = now_s
        self._allowance = min(self._allowance + earned, float(MAX_REQUESTS_PER_S))
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


def _is_request(datagram: bytes) -> bool:
    """Whether it says so: the code's class is 0, and it is not empty (RFC 7252, section 3)."""
    return len(datagram) > 1 and 0 < datagram[1] < _FIRST_OF_ANSWERS


@lru_cache(maxsize=1024)
def _is_multicast(address: str | bytes) -> bool:
    here = ipaddress.IPv6Address(address)
    return (here.ipv4_mapped or here).is_multicast


@lru_cache(maxsize=1024)
def literal(host: str | None, port: int | None) -> tuple[str, int, int, int] | None:
    """Return the socket's address of `host`, as the kernel writes it; None for names and for zones."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        packed = bytes(10) + b"\xff\xff" + address.packed
    elif address.is_link_local or address.scope_id is not None:
        return None
    else:
        packed = address.packed
    return socket.inet_ntop(socket.AF_INET6, packed), port or COAP_PORT, 0, 0
