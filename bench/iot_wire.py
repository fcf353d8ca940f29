"""The bench's own end of MQTT: fast enough to be no part of what it measures.

One rule: what was sent and what came is stamped here, where the socket is; no
library stands in between.  MQTT 3.1.1, QoS 1 both ways, nothing else.
"""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14
ANSWER_S = 10.0
WINDOW = 500
"""So many messages the broker may have without having said so."""

_QOS1, _RETAIN = 0x02, 0x01
_MOST_IDS = 0xFFFF

Heard = Callable[[str, bytes, float], None]
"""Called with topic, payload and the monotonic time of its arrival."""


class Wire(asyncio.Protocol):
    """One connection to a broker."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._transport: asyncio.WriteTransport | None = None
        self._rest = b""
        self._next_id = 0
        self._open: set[int] = set()
        self._changed = asyncio.Event()
        self._answers: dict[int, asyncio.Future[None]] = {}

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish one message now."""
        self._write(self._packet(topic, payload, retain=retain))

    async def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish one message and wait until the broker has it."""
        self.send(topic, payload, retain=retain)
        await self.settled()

    async def burst(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish all, topic and payload, as fast as the broker takes them; wait until it has them."""
        for first in range(0, len(messages), WINDOW // 5):
            part = messages[first : first + WINDOW // 5]
            self._write(b"".join(self._packet(*each) for each in part))
            await self.settled(WINDOW - len(part))
        await self.settled()

    async def settled(self, under_way: int = 0) -> None:
        """Wait until no more than `under_way` messages are on their way to the broker."""
        async with asyncio.timeout(ANSWER_S):
            while len(self._open) > under_way:
                self._changed.clear()
                await self._changed.wait()

    async def listen(self, *filters: str) -> None:
        """Hear `filters` from now on."""
        self._next_id += 1
        wanted = b"".join(_text(each) + b"\x01" for each in filters)
        body = struct.pack(">H", self._next_id) + wanted
        await self._ask(SUBACK, _framed(SUBSCRIBE << 4 | _QOS1, body))

    async def greet(self, name: str) -> None:
        """Introduce ourselves, without a keep-alive."""
        body = _text("MQTT") + b"\x04\x02" + struct.pack(">H", 0) + _text(name)
        await self._ask(CONNACK, _framed(CONNECT << 4, body))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the types
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        at_s = time.monotonic()
        data = self._rest + data
        begin, answers = 0, bytearray()
        while (found := _frame(data, begin)) is not None:
            kind, start, begin = found
            if kind >> 4 == PUBLISH:
                size = int.from_bytes(data[start : start + 2], "big")
                topic = data[start + 2 : start + 2 + size].decode()
                start += 2 + size
                if kind & 0x06:
                    answers += b"\x40\x02" + data[start : start + 2]
                    start += 2
                self._heard(topic, data[start:begin], at_s)
            elif kind >> 4 == PUBACK:
                self._open.discard(int.from_bytes(data[start : start + 2], "big"))
                self._changed.set()
            elif (answer := self._answers.pop(kind >> 4, None)) is not None and not answer.done():
                answer.set_result(None)
        self._rest = data[begin:]
        if answers:
            self._write(bytes(answers))

    def close(self) -> None:
        """Leave."""
        self._write(_framed(DISCONNECT << 4, b""))
        if self._transport is not None:
            self._transport.close()

    def _packet(self, topic: str, payload: bytes, *, retain: bool = False) -> bytes:
        self._next_id = self._next_id % _MOST_IDS + 1
        self._open.add(self._next_id)
        body = _text(topic) + struct.pack(">H", self._next_id) + payload
        return _framed(PUBLISH << 4 | _QOS1 | (_RETAIN if retain else 0), body)

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the broker hung up on the bench")
        self._transport.write(data)

    async def _ask(self, answer: int, packet: bytes) -> None:
        waiting = self._answers[answer] = asyncio.get_running_loop().create_future()
        self._write(packet)
        async with asyncio.timeout(ANSWER_S):
            await waiting


@asynccontextmanager
async def wire(port: int, name: str, heard: Heard) -> AsyncIterator[Wire]:
    """Connect to the broker on `port` of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Wire(heard), "127.0.0.1", port)
    try:
        await connection.greet(name)
        yield connection
    finally:
        connection.close()


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _framed(first: int, body: bytes) -> bytes:
    """Return a packet: first byte, remaining length (MQTT 3.1.1 section 2.2.3), body."""
    size, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((first,)) + bytes(size) + body


def _frame(data: bytes, begin: int) -> tuple[int, int, int] | None:
    """Return first byte, start of the body and end of the packet at `begin`; None if it is not whole."""
    size, shift, at = 0, 0, begin + 1
    while True:
        if at >= len(data):
            return None
        digit = data[at]
        size |= (digit & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not digit & 0x80:
            break
    return (data[begin], at, at + size) if at + size <= len(data) else None
