"""The bench's own end of CoAP: fast enough to be no part of what it measures.

One rule: no library stands between a value and the socket.  RFC 7252 with observation (RFC 7641):
confirmable, one notification under way at a time as section 4.7 wants it; nothing is sent a second
time, for nothing is lost within one machine.
"""

import asyncio
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

CON, ACK, RST = 0, 2, 3
GET, CHANGED, CONTENT, NOT_FOUND = 0x01, 0x44, 0x45, 0x84
OBSERVE, URI_PATH, CONTENT_FORMAT, MAX_AGE = 6, 11, 12, 14
WELL_KNOWN, LINK_FORMAT = ".well-known/core", b"\x28"
MAX_AGE_S = struct.pack(">H", 600)
PAYLOAD = b"\xff"
ANSWER_S = 10.0

_HEADER = struct.Struct(">BBH")
_MOST_NUMBERS = 1 << 24
_BYTE, _PAIR = 13, 14
"""Lengths that stand in one or two bytes of their own (RFC 7252, section 3.1)."""

Peer = tuple[tuple[str, int], bytes]
"""Address and token."""


class Resource:
    """A value in plain text that can be read, observed by one, and told."""

    def __init__(self, value: bytes, told: Callable[[bytes, float], None] | None = None) -> None:
        """Hold `value`; `told` hears of each that it is given, with the monotonic time."""
        self.value = value
        self._told = told
        self._wire: CoapWire | None = None
        self._observer: Peer | None = None
        self._watched = asyncio.Event()
        self._number = 0
        self._todo: deque[bytes] = deque()
        self._under_way: int | None = None
        self._settled = asyncio.Event()

    async def become(self, *values: bytes) -> None:
        """Notify of each; return when the last was acknowledged."""
        await self._watched.wait()
        self._todo.extend(values)
        self._settled.clear()
        self._go_on()
        async with asyncio.timeout(ANSWER_S + len(values) / 100):
            await self._settled.wait()

    def connected(self, wire: "CoapWire") -> None:
        """Speak by `wire`."""
        self._wire = wire

    def read(self, peer: Peer, observe: int | None) -> bytes:
        """Return options and payload for `peer`, who from now on observes (0), or no longer (1), or reads."""
        begin, before = b"", 0
        if observe == 0:
            self._observer, self._under_way = peer, None
            self._watched.set()
            begin, before = self._observed(), OBSERVE
            self._go_on_later()
        elif observe == 1 and self._observer == peer:
            self._left()
        return begin + self._content(before)

    def write(self, value: bytes, at_s: float) -> None:
        """Become `value`, and notify of it."""
        if self._told is not None:
            self._told(value, at_s)
        self._todo.append(value)
        self._go_on_later()

    def answered(self, message_id: int, *, wanted: bool) -> None:
        """Hear that a notification has come; that it is not `wanted` ends the observation."""
        if message_id == self._under_way:
            self._under_way = None
            if not wanted:
                self._left()
            self._go_on()

    def _go_on(self) -> None:
        while self._todo and self._under_way is None:
            self.value = self._todo.popleft()
            if self._observer is not None and self._wire is not None:
                body = self._observed() + self._content(OBSERVE)
                self._under_way = self._wire.notify(self._observer, body)
        if self._under_way is None:
            self._settled.set()

    def _go_on_later(self) -> None:
        """Let the answer go first."""
        asyncio.get_running_loop().call_soon(self._go_on)

    def _left(self) -> None:
        self._observer = None
        self._watched.clear()

    def _observed(self) -> bytes:
        self._number = (self._number + 1) % _MOST_NUMBERS
        return _option(0, OBSERVE, self._number.to_bytes(3, "big"))

    def _content(self, before: int) -> bytes:
        described = _option(before, CONTENT_FORMAT, b"") + _option(CONTENT_FORMAT, MAX_AGE, MAX_AGE_S)
        return described + PAYLOAD + self.value


class CoapWire(asyncio.DatagramProtocol):
    """One socket, and what can be asked of it."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources
        self._transport: asyncio.DatagramTransport | None = None
        self._message_id = 0
        self._closed = asyncio.get_running_loop().create_future()

    def notify(self, peer: Peer, rest: bytes) -> int:
        """Send what is to be acknowledged; return its number."""
        self._message_id = (self._message_id + 1) & 0xFFFF
        self._send(peer, CON, CONTENT, self._message_id, rest)
        return self._message_id

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own is not one of its own kind.
        self._transport = cast("asyncio.DatagramTransport", transport)
        for resource in self._resources.values():
            resource.connected(self)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        at_s = time.monotonic()
        first, code, message_id = _HEADER.unpack_from(data)
        kind, size = first >> 4 & 3, first & 15
        if kind in (ACK, RST):
            for resource in self._resources.values():
                resource.answered(message_id, wanted=kind == ACK)
            return
        peer = address, data[4 : 4 + size]
        options = list(_options(data, 4 + size))
        path = "/".join(value.decode() for number, value in options if number == URI_PATH)
        said, asked = dict(options), self._resources.get(path)
        if path == WELL_KNOWN:
            links = ",".join(f"</{each}>;obs" for each in self._resources)
            code, rest = CONTENT, _option(0, CONTENT_FORMAT, LINK_FORMAT) + PAYLOAD + links.encode()
        elif asked is None:
            code, rest = NOT_FOUND, b""
        elif code == GET:
            observe = int.from_bytes(said[OBSERVE], "big") if OBSERVE in said else None
            code, rest = CONTENT, asked.read(peer, observe)
        else:
            asked.write(said.get(0, b""), at_s)
            code, rest = CHANGED, b""
        self._send(peer, ACK, code, message_id, rest)

    def connection_lost(self, _error: Exception | None) -> None:
        self._closed.set_result(None)

    async def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()
            await self._closed

    def _send(self, peer: Peer, kind: int, code: int, message_id: int, rest: bytes) -> None:
        if self._transport is not None:
            address, token = peer
            head = _HEADER.pack(1 << 6 | kind << 4 | len(token), code, message_id)
            self._transport.sendto(head + token + rest, address)


@asynccontextmanager
async def coap_wire(port: int, resources: Mapping[str, Resource]) -> AsyncIterator[None]:
    """Answer on `port` of this machine."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_datagram_endpoint(lambda: CoapWire(resources), ("127.0.0.1", port))
    try:
        yield
    finally:
        await wire.close()


def _option(before: int, number: int, value: bytes) -> bytes:
    """Return one that is short and not far from the one before, as all here are."""
    return bytes(((number - before) << 4 | len(value),)) + value


def _options(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of each option from `at` on, and the payload as number 0."""
    number = 0
    while at < len(data):
        first, at = data[at], at + 1
        if first == PAYLOAD[0]:
            yield 0, data[at:]
            return
        delta, at = _extended(data, at, first >> 4)
        size, at = _extended(data, at, first & 15)
        number += delta
        yield number, data[at : at + size]
        at += size


def _extended(data: bytes, at: int, value: int) -> tuple[int, int]:
    if value == _BYTE:
        return data[at] + 13, at + 1
    if value == _PAIR:
        return int.from_bytes(data[at : at + 2], "big") + 269, at + 2
    return value, at
