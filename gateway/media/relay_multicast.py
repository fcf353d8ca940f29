"""A channel that comes as UDP or RTP datagrams, mostly to a multicast group, put on the shelf like any other.

One rule: silence is a failure with a code after `SILENCE_S`; loss is a
discontinuity and counts against the source.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.media import relay_joins
from gateway.media.hls import Segment
from gateway.media.relay_cut import Cut, Cutter
from gateway.media.relay_facts import Kind, SourceError
from gateway.media.relay_fetch import Meter
from gateway.media.relay_quality import Report
from gateway.media.relay_rtp import Datagrams
from gateway.media.relay_shelf import Arrival, Media, Shelf
from gateway.media.relay_track import Watch

SCHEMES = ("udp", "rtp", "igmp")
SILENCE_S = 3.0
STEP_S = 0.05
RECEIVE_BYTES = 4 * 1024 * 1024
MAX_WAITING = 16_384
"""Datagrams between two looks; beyond it the newest are dropped and count as lost."""

BAD_LOSS = 0.01


class NoMulticastError(SourceError):
    """No datagrams arrive."""

    code: ClassVar[str] = "TV-214"
    hint = "Check that the network port carries the operator's multicast (IGMP)."


@dataclass(frozen=True, slots=True)
class Group:
    """Where datagrams are listened for.

    Attributes:
        address: Of the group, or of this box.
        port: UDP port.
        sender: The only one to hear, or None for any.
    """

    address: IPv4Address | IPv6Address
    port: int
    sender: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the pieces go, and who is told.

    Attributes:
        news: Called when a piece is on the shelf.
        watch: Hears of every piece; what it raises ends the source.
    """

    shelf: Shelf
    meter: Meter
    news: Callable[[], None]
    watch: Watch


def group_of(url: str) -> Group:
    """Return what ``udp://[sender]@group:port`` means; the schemes are `SCHEMES`.

    Raises:
        SourceError: it means nothing.
    """
    try:
        parts = urlsplit(url)
        sender = IPv4Address(parts.username) if parts.username else None
        address = ip_address(parts.hostname or "0.0.0.0")  # noqa: S104 - udp://@:port means any
        port = parts.port
    except ValueError as error:
        raise SourceError("The channel's multicast address cannot be read") from error
    if not port:
        raise SourceError("The channel's multicast address has no port")
    return Group(address, port, sender)


async def receive(group: Group, interface: str, sink: Sink) -> None:
    """Listen to `group` and fill the shelf; ends only by an error.

    Args:
        group: From `group_of`.
        interface: Network interface that carries television; empty for the one of the default route.
        sink: Where the pieces go.

    Raises:
        NoMulticastError: nothing came for `SILENCE_S`.
        SourceError: the group cannot be joined.
    """
    loop = asyncio.get_running_loop()
    try:
        listening = _joined(group, interface)
    except OSError as error:
        raise SourceError(f"The multicast group cannot be joined: {error.strerror}") from error
    transport, inbox = await loop.create_datagram_endpoint(_Inbox, sock=listening)
    try:
        await _fill(inbox, sink)
    finally:
        transport.close()


class _Inbox(asyncio.DatagramProtocol):
    """Collects datagrams between two looks."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(data)
        else:
            self.dropped += 1

    def taken(self) -> list[bytes]:
        """Return what has come, and forget it."""
        waiting, self._waiting = self._waiting, []
        return waiting


async def _fill(inbox: _Inbox, sink: Sink) -> None:
    clock = asyncio.get_running_loop().time
    datagrams, cutter, shelver = Datagrams(), Cutter(), _Shelver(sink)
    heard_s = clock()
    while True:
        await asyncio.sleep(STEP_S)
        came = inbox.taken()
        now_s = clock()
        if not came:
            if now_s - heard_s > SILENCE_S:
                raise NoMulticastError("No multicast arrives for this channel")
            continue
        payloads = [payload for datagram in came for payload in datagrams.add(datagram)]
        if payloads:
            heard_s = now_s
        sink.meter.received(sum(map(len, came)))
        shelver.count(len(came), datagrams.lost + inbox.dropped)
        for cut in cutter.feed(b"".join(payloads), now_s):
            shelver.put(cut, now_s)


class _Shelver:
    """Puts pieces on the shelf and judges them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._sequence = 0
        self._front: relay_joins.Front | None = None
        self._received = 0
        self._lost = self._lost_before = 0

    def count(self, received: int, lost: int) -> None:
        """Count datagrams: those that came by now, and all that were ever lost."""
        self._received += received
        self._lost = lost

    def put(self, cut: Cut, now_s: float) -> None:
        """Put one piece on the shelf."""
        sink = self._sink
        before, self._front = self._front, relay_joins.front(cut.data, cut.duration_s)
        lost, self._lost_before = self._lost - self._lost_before, self._lost
        broken = before is None or bool(lost) or not relay_joins.joins(before, self._front)
        segment = Segment(uri="", sequence=self._sequence, duration_s=cut.duration_s)
        self._sequence += 1
        arrival = Arrival(now_s, datetime.now(UTC))
        sink.shelf.target_s = max(sink.shelf.target_s, cut.duration_s)
        sink.shelf.add(segment, Media(Kind.TS, cut.data), discontinuity=broken, arrival=arrival)
        sink.meter.segments += 1
        sink.news()
        share = lost / max(self._received + lost, 1)
        self._received = 0
        sink.watch(Report(cut.duration_s, 0.0, len(cut.data), failed=share > BAD_LOSS))


def _joined(group: Group, interface: str) -> socket.socket:
    """Return a socket that hears `group`."""
    v6 = group.address.version == 6  # noqa: PLR2004 - of the Internet protocol
    listening = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        # Bound to the group itself: other groups on the same port are not ours.
        listening.bind((str(group.address), group.port))
        index = socket.if_nametoindex(interface) if interface else 0
        if group.address.is_multicast and v6:
            request = group.address.packed + struct.pack("@I", index)
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        elif group.address.is_multicast and group.sender is not None:
            # struct ip_mreq_source of Linux: group, interface, sender.
            request = group.address.packed + bytes(4) + group.sender.packed
            listening.setsockopt(socket.IPPROTO_IP, _ADD_SOURCE_MEMBERSHIP, request)
        elif group.address.is_multicast:
            request = group.address.packed + bytes(4) + struct.pack("@i", index)
            listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    except OSError:
        listening.close()
        raise
    return listening


_ADD_SOURCE_MEMBERSHIP = 39
"""IP_ADD_SOURCE_MEMBERSHIP of linux/in.h; the socket module of Python 3.11 does not name it."""
