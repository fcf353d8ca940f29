"""What became of commands that nobody was promised, on the disk a little later.

One rule: together with its like, which spares the flash; what a full disk does not take waits, up to
its bound.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

from gateway.iot import commands_table
from gateway.iot.commands_model import Command
from gateway.store import Store, StoreError

log = logging.getLogger(__name__)

KEPT_WITHIN_S = 1.0


class Kept:
    """The commands that the disk does not know yet, by id."""

    def __init__(self, store: Store, most: int) -> None:
        """Begin with none; `most` are remembered, the newest."""
        self._store = store
        self._most = most
        self._waiting: OrderedDict[str, Command] = OrderedDict()
        self._any = asyncio.Event()

    @property
    def waiting(self) -> Mapping[str, Command]:
        """What is still to be written, as it was last."""
        return MappingProxyType(self._waiting)

    def soon(self, command: Command) -> None:
        """Have `command` written as it is now, or as it is by then."""
        self._waiting[command.id] = command
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
        self._any.set()

    async def run(self) -> None:
        """Write now and then until cancelled."""
        told = False
        while True:
            await self._any.wait()
            await asyncio.sleep(KEPT_WITHIN_S)
            try:
                await self.write()
                told = False
            except StoreError as error:
                # Said once, not each second of a full disk.
                log.log(logging.DEBUG if told else logging.WARNING, "%s", error.line())
                told = True
                self._any.set()

    async def write(self) -> None:
        """Write what waits.

        Raises:
            StoreError: it goes on waiting.
        """
        self._any.clear()
        batch, self._waiting = self._waiting, OrderedDict()
        try:
            await self._store.write(lambda db: commands_table.keep(db, tuple(batch.values()), self._most))
        except (StoreError, asyncio.CancelledError):
            self._waiting = batch | self._waiting
            raise
