"""A wire between the gateway and the broker that can be cut while both live on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

HOST = "127.0.0.1"


class Wire:
    """Passes on what is said, except while it is cut.  A service.

    Attributes:
        port: Where the gateway finds the broker.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self._broker_port = port
        self._whole = True
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self, ready: Callable[[], None]) -> None:
        server = await asyncio.start_server(self._carry, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                ready()
                await server.serve_forever()
            finally:
                self.cut()

    def cut(self) -> None:
        """Break every connection, and let none come about."""
        self._whole = False
        for writer in tuple(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Pass on again."""
        self._whole = True

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(HOST, self._broker_port)
        mine = {writer, back}
        self._open |= mine
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass(reader, back))
                tasks.create_task(_pass(there, writer))
        finally:
            self._open -= mine


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.transport.abort()
