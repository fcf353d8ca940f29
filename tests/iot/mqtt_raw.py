"""A device that speaks MQTT 3.1.1 byte by byte, and so can say what no library would."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

PATIENCE_S = 20.0


@dataclass
class RawDevice:
    """One connection to the broker."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    async def publish(
        self, topic: str, payload: bytes, number: int, *, retain: bool = False, duplicate: bool = False
    ) -> None:
        """Publish at QoS 1 with packet `number`, and wait for the broker's word."""
        self.send(0x32 | retain | duplicate << 3, text(topic) + number.to_bytes(2) + payload)
        while (kind := await self.packet())[0] >> 4 != 4:  # PUBACK
            assert kind[0] >> 4 == 13, kind  # PINGRESP

    def cut(self) -> None:
        """Lose the connection as a loss of power does, only at once: the broker says the will."""
        self._writer.transport.abort()

    async def packet(self) -> bytes:
        """Return the next packet, a short one."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readexactly(2)
            return head + await self._reader.readexactly(head[1])

    def send(self, kind: int, body: bytes) -> None:
        """Send a packet."""
        length, left = b"", len(body)
        while not length or left:
            left, low = divmod(left, 128)
            length += bytes([low | (0x80 if left else 0)])
        self._writer.write(bytes([kind]) + length + body)


def text(words: str) -> bytes:
    """Return `words` as MQTT writes them."""
    raw = words.encode()
    return len(raw).to_bytes(2) + raw


@asynccontextmanager
async def raw_device(port: int, name: str, will: tuple[str, str] | None = None) -> AsyncIterator[RawDevice]:
    """A device at the broker for the length of a block; `will` is a topic and what is then kept on it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    device = RawDevice(reader, writer)
    flags = 0x02 | (0x2C if will else 0)
    body = text("MQTT") + bytes([4, flags]) + (600).to_bytes(2) + text(name)
    device.send(0x10, body + b"".join(text(each) for each in will or ()))
    assert await device.packet() == b"\x20\x02\x00\x00"
    try:
        yield device
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def switch(name: str, **more: object) -> bytes:
    """Return the announcement of a switch that reports on ``NAME/state`` and is told on ``NAME/set``."""
    topics = {"state_topic": f"{name}/state", "command_topic": f"{name}/set"}
    return json.dumps({"unique_id": name, **topics, **more}).encode()
