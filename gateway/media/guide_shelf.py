"""The guide's file, as the daemon sees it: it reads, and has a child process write.

One rule: nothing here waits on the loop's own thread, and nothing that is wrong
with the file is more than a guide that has to be fetched again.
"""

import asyncio
import contextlib
import logging
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE
from typing import ClassVar, TypeVar

import msgspec

from gateway.child import running
from gateway.errors import GatewayError
from gateway.media.guide_order import Order, Report, Said
from gateway.media.guide_schema import BUSY_MS, Meta, is_usable, read_meta
from gateway.media.xmltv import GuideError

log = logging.getLogger(__name__)

T = TypeVar("T")

# At the lowest priority of the disk that still moves on a busy one; without the call, at its usual one.
_GENTLY = ("ionice", "-t", "-c", "2", "-n", "7")


class GuideFileError(GatewayError):
    """The guide could not be taken in, or its file cannot be read."""

    code: ClassVar[str] = "TV-105"
    hint = "The last good guide stays; the box tries again by itself. Check the space on its disk."


class GuideShelf:
    """See the module.

    Attributes:
        meta: Of the newest load; `Meta.load` is 0 while there is none.
        path: Of the file.
        damaged: Set when a read finds that the file must be made afresh.
    """

    def __init__(self, path: Path) -> None:
        self.meta = Meta()
        self.damaged = asyncio.Event()
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Begin to read what an earlier run has left."""
        await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="guide-reader")
        await self._in_thread(self._connect)

    def close(self) -> None:
        """End; waits for the query that is running."""
        if self._thread is not None:
            self._thread.submit(self._disconnect)
            self._thread.shutdown(wait=True)
        self._thread = None

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` reads.

        Raises:
            GuideFileError: there is no guide yet, or the file is damaged.
        """

        def call() -> T:
            if self._db is None:
                raise GuideFileError("There is no guide yet")
            return query(self._db)

        try:
            return await self._in_thread(call)
        except sqlite3.Error as error:
            if type(error) is sqlite3.DatabaseError:  # its subclasses are about the query, not the file
                self.damaged.set()
            raise GuideFileError(f"The guide's file cannot be read: {error}") from error

    async def load(self, order: Order, progress: Callable[[int], None], timeout_s: float) -> Report:
        """Have a child process carry out `order`; reading goes on meanwhile.

        Args:
            order: Its target is this shelf's file.
            progress: Called with the number of programmes so far.
            timeout_s: For the whole.

        Raises:
            GuideError: the guide is not one.
            GuideFileError: it could not be written.
        """
        try:
            async with asyncio.timeout(timeout_s):
                report = await _child(order, progress)
        except TimeoutError as error:
            raise GuideFileError(f"The guide was not taken in within {timeout_s:.0f} s") from error
        finally:
            await self._in_thread(self._connect)
        return report

    async def _in_thread(self, act: Callable[[], T]) -> T:
        if self._thread is None:
            raise GuideFileError("The guide is closed")
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, act)
        except RuntimeError as error:
            raise GuideFileError("The guide is closed") from error
        return await asyncio.shield(future)

    def _connect(self) -> None:
        self._disconnect()
        self.meta = Meta()
        if not is_usable(self.path):
            return
        try:
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            with contextlib.ExitStack() as undo:
                undo.callback(db.close)
                db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
                db.execute("PRAGMA query_only = 1")
                self.meta = read_meta(db)
                self._db = db
                undo.pop_all()
        except sqlite3.Error as error:
            log.warning("the guide's file cannot be opened: %s", error)

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None


async def _child(order: Order, progress: Callable[[int], None]) -> Report:
    argv = (*_GENTLY, sys.executable, "-m", "gateway.media.guide_loader")
    async with running(argv, stdin=PIPE, stdout=PIPE) as child:
        if child.stdin is None or child.stdout is None:  # both were asked for
            raise GuideFileError("The guide's loader cannot be talked to")
        child.stdin.write(msgspec.json.encode(order))
        child.stdin.close()
        async for line in child.stdout:
            said = msgspec.json.decode(line, type=Said)
            if said.report is not None:
                return said.report
            if said.refused:
                raise GuideError(said.refused)
            if said.failed:
                raise GuideFileError(f"The guide could not be written: {said.failed}")
            progress(said.programmes)
        raise GuideFileError(f"The guide's loader ended with status {await child.wait()}")
