"""A wire between the gateway and the broker that can be cut while both live on, or carry nothing."""

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
        self._dead: set[asyncio.StreamWriter] = set()
        self._towards_broker: set[asyncio.StreamWriter] = set()

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

    def fall_silent(self, *, broker_hears: bool = False) -> None:
        """Let every connection that is open now stay so and carry nothing, as half-open ones do.

        That the other end gives it up is not carried either.

        Args:
            broker_hears: Lose only what the broker says.
        """
        self._dead |= {one for one in self._open if not broker_hears or one not in self._towards_broker}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(HOST, self._broker_port)
        mine = {writer, back}
        self._open |= mine
        self._towards_broker.add(back)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, back))
                tasks.create_task(self._pass(there, writer))
        finally:
            for each in mine:
                each.transport.abort()
            self._open -= mine
            self._dead -= mine
            self._towards_broker.discard(back)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                if writer in self._dead:
                    continue
                writer.write(chunk)
                await writer.drain()
        if writer not in self._dead:
            writer.transport.abort()
