"""One image over HTTP/1.1, for one device, for as long as it takes.

One rule: one path that nobody guesses, one host, one file; everything else is 404.
"""

import asyncio
import contextlib
import hmac
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.iot.link import LinkDownError

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 4096
MAX_CONNECTIONS = 4
REQUEST_TIMEOUT_S = 10.0
IMAGE_TIMEOUT_S = 600.0
_CHUNK = 16 * 1024


class ImageServer:
    """Serves one image.

    Attributes:
        path: Where, beginning with a slash.
    """

    def __init__(self, image: bytes, token: str, host: str, fetched: Callable[[], None]) -> None:
        """Describe it.

        Args:
            image: Checked.
            token: Unguessable.
            host: Nobody else is answered; in figures.
            fetched: Called whenever the last byte has been taken.
        """
        self.path = f"/fw/{token}.bin"
        self._image = image
        self._host = host
        self._fetched = fetched
        self._open = 0

    @asynccontextmanager
    async def serving(self, address: str) -> AsyncIterator[int]:
        """Serve at `address`, one of the box's own, for the length of a block; the port."""
        try:
            server = await asyncio.start_server(self._answer, address, 0, limit=MAX_REQUEST_BYTES)
        except OSError as error:
            raise LinkDownError(f"the image cannot be offered at {address}: {error.strerror}") from error
        async with server:
            yield int(server.sockets[0].getsockname()[1])

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._open += 1
        try:
            peer = writer.get_extra_info("peername")
            if self._open <= MAX_CONNECTIONS and peer is not None and peer[0] == self._host:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                async with asyncio.timeout(IMAGE_TIMEOUT_S):
                    await self._reply(head, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("An image was not fetched: %s", error)
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reply(self, head: bytes, writer: StreamWriter) -> None:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0]
        if method not in (b"GET", b"HEAD") or not hmac.compare_digest(path, self.path.encode()):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        size = len(self._image)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size
        )
        if method == b"HEAD":
            await writer.drain()
            return
        for begin in range(0, size, _CHUNK):
            writer.write(self._image[begin : begin + _CHUNK])
            await writer.drain()
        self._fetched()
