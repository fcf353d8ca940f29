"""What must survive a power cut: one SQLite file, written by one thread.

One rule: when `Store.write` returns, it is on the disk (`durable`) or will be
whole or absent after a power cut (not `durable`).

The file is checked at start.  A damaged one is put aside, never deleted, and
the newest backup copy takes its place; `Store.recovered` says so, for the
screen and the log.  Copies are made at start and a few times a day.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, TypeVar

from gateway.disk import LocalDisk
from gateway.errors import GatewayError

log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY_MS = 5_000
BACKUP_EVERY_S = 6 * 3600.0
KEPT_DAMAGED = 3

_disk = LocalDisk()


class StoreError(GatewayError):
    """The database cannot be opened, read or written."""

    code: ClassVar[str] = "SUP-101"
    hint = "Check that the state folder is writable and has space left."


class StoreNewerError(StoreError):
    """The database was written by a newer version of the daemon."""

    code: ClassVar[str] = "SUP-102"
    hint = "Install the newer version again; nothing was changed."


class DamagedStoreError(StoreError):
    """The database was damaged; the newest good copy, or an empty one, took its place."""

    code: ClassVar[str] = "SUP-105"
    hint = "What was set since the copy may have to be set again; the old file is kept for support."


@dataclass(frozen=True, slots=True)
class Recovery:
    """What had to be done to a damaged database at start.

    Attributes:
        at: When it was done.
        damaged: Where the damaged file was put; `None` when there was no file at all.
        restored_from: When the backup copy was made; `None` if there was none.
    """

    at: datetime
    damaged: Path | None
    restored_from: datetime | None

    def __str__(self) -> str:
        what = "was damaged" if self.damaged else "was gone"
        kept = f", old file kept as {self.damaged.name}" if self.damaged else ""
        if self.restored_from is None:
            return f"the database {what} and there was no good copy: starting empty{kept}"
        return f"the database {what}; went back to the copy of {self.restored_from:%Y-%m-%d %H:%M} UTC{kept}"


class Store:
    """One database file: a service, and the only way to its tables."""

    def __init__(
        self,
        path: Path,
        migrations: Mapping[str, Sequence[str]],
        *,
        durable: bool = True,
        on_restore: Sequence[str] = (),
    ) -> None:
        """Describe a store; nothing is opened before `run`.

        Args:
            path: The file; its backup copy stands beside it as ``….backup``.
            migrations: Per owner of tables the SQL scripts that made them, in order.  A script
                is applied once and never edited afterwards.
            durable: Whether each commit waits for the disk and a backup copy is kept.  Without,
                a power cut may take the newest commits, whole: for what can be fetched anew.
            on_restore: SQL that a copy needs before it takes a damaged file's place, for owners of
                what must never go back; one whose table the copy does not have is left out.
        """
        self.path = path
        self.recovered: Recovery | None = None
        self._backup = path.with_name(path.name + ".backup")
        self._migrations = migrations
        self._durable = durable
        self._on_restore = on_restore
        self._writing: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"{path.stem}-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"{path.stem}-reader")

    @property
    def durable(self) -> bool:
        """Whether what was written survives every power cut."""
        return self._durable

    async def run(self, ready: Callable[[], None]) -> None:
        """Open, check, migrate; keep a backup copy fresh; close when cancelled."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writer, self._open)
            await loop.run_in_executor(self._writer, self._copy)
            ready()
            while True:
                await asyncio.sleep(BACKUP_EVERY_S)
                await loop.run_in_executor(self._writer, self._copy)
        finally:
            self._close()

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` reads; it runs beside the writer, in the store's reading thread.

        Raises:
            StoreError: the store is not open, or SQLite refuses.
        """
        return await self._do(self._reader, query, lambda: self._reading)

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `change` returns, after its one transaction is committed.

        Raises:
            StoreError: the store is not open, or SQLite refuses; nothing was changed.
        """

        def in_transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(connection)
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has done so itself when the disk is full; its own reason is the one to tell.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

        return await self._do(self._writer, in_transaction, lambda: self._writing)

    async def _do(
        self,
        thread: ThreadPoolExecutor,
        act: Callable[[sqlite3.Connection], T],
        connection: Callable[[], sqlite3.Connection | None],
    ) -> T:
        def call() -> T:
            opened = connection()
            if opened is None:
                raise StoreError(f"{self.path.name} is not open")
            try:
                return act(opened)
            except sqlite3.Error as error:
                raise StoreError(f"{self.path.name}: {error}") from error

        try:
            future = asyncio.get_running_loop().run_in_executor(thread, call)
        except RuntimeError as error:
            raise StoreError(f"{self.path.name} is closed") from error
        # A cancelled caller must not leave a transaction unobserved: the thread finishes it.
        return await asyncio.shield(future)

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._is_lost():
                self.recovered = self._recover()
                log.warning("%s", DamagedStoreError(str(self.recovered)).line())
            self._writing = self._connect()
            self._migrate(self._writing)
            self._reading = self._connect()
            self._reading.execute("PRAGMA query_only = 1")
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            raise StoreError(f"{self.path}: {error}") from error

    def _is_lost(self) -> bool:
        if self.path.exists() and not _is_whole(self.path):
            return True
        # A power cut may leave the file empty, or gone in the middle of an earlier recovery; to
        # begin anew would soon put an empty copy in the place of the good one.
        return self._backup.exists() and _is_empty(self.path)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = 1")
        return connection

    def _migrate(self, db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS migration (owner TEXT PRIMARY KEY, applied INTEGER NOT NULL)")
        for owner, scripts in self._migrations.items():
            row = db.execute("SELECT applied FROM migration WHERE owner = ?", (owner,)).fetchone()
            applied = int(row[0]) if row else 0
            if applied > len(scripts):
                raise StoreNewerError(
                    f"{self.path.name} holds version {applied} of {owner}, known is {len(scripts)}"
                )
            for number, script in enumerate(scripts[applied:], applied + 1):
                _apply(db, script, owner, number)

    def _copy(self) -> None:
        """Replace the backup by a fresh copy, whole or not at all."""
        if self._writing is None or not self._durable:
            return
        fresh = self._backup.with_name(self._backup.name + ".new")
        fresh.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(fresh)) as target:
                self._writing.backup(target)
            _disk.sync(fresh)
            fresh.replace(self._backup)
            _disk.sync(self._backup.parent)
        except (sqlite3.Error, OSError) as error:
            # A full disk must not stop the box; the previous copy is still there.
            log.warning("no fresh backup copy of %s: %s", self.path.name, error)
            fresh.unlink(missing_ok=True)

    def _recover(self) -> Recovery:
        now = datetime.now(UTC)
        damaged = self.path.with_name(f"{self.path.name}.damaged-{now:%Y%m%dT%H%M%S%f}")
        was_there = self.path.exists()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).replace(damaged.with_name(damaged.name + suffix))
        # Names end in their time, so they sort by age; the newest few are kept for support.
        aside = sorted(self.path.parent.glob(f"{self.path.name}.damaged-*"))
        times = sorted({name.name.split(".damaged-")[1].split("-")[0] for name in aside})
        for old in aside:
            if not any(time in old.name for time in times[-KEPT_DAMAGED:]):
                old.unlink()
        if not (self._backup.exists() and _is_whole(self._backup)):
            return Recovery(now, damaged if was_there else None, None)
        made_at = datetime.fromtimestamp(self._backup.stat().st_mtime, UTC)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_bytes(self._backup.read_bytes())
        self._go_forward(fresh)
        _disk.sync(fresh)
        fresh.replace(self.path)
        _disk.sync(self.path.parent)
        return Recovery(now, damaged if was_there else None, made_at)

    def _go_forward(self, copy: Path) -> None:
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            # In the file itself, which alone is moved.
            db.execute("PRAGMA journal_mode = DELETE")
            for statement in self._on_restore:
                try:
                    db.execute(statement)
                except sqlite3.OperationalError as error:
                    # A copy from before a migration; anything else must not be passed over.
                    if "no such table" not in str(error):
                        raise

    def _close(self) -> None:
        # Waits for writes that were promised; new ones are refused from here on.
        self._reader.shutdown(wait=True)
        self._writer.shutdown(wait=True)
        self._disconnect()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"{self.path.stem}-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix=f"{self.path.stem}-reader")

    def _disconnect(self) -> None:
        for connection in (self._reading, self._writing):
            if connection is not None:
                connection.close()
        self._reading = self._writing = None


def _apply(db: sqlite3.Connection, script: str, owner: str, number: int) -> None:
    """Run one migration and note it, whole or not at all."""
    # Statement by statement: executescript would commit before it begins.
    db.execute("BEGIN IMMEDIATE")
    try:
        statement = ""
        for line in script.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                db.execute(statement)
                statement = ""
        if statement.strip():
            db.execute(statement)
        db.execute("INSERT OR REPLACE INTO migration VALUES (?, ?)", (owner, number))
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _is_whole(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [row[0] for row in db.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.Error:
        return False


def _is_empty(path: Path) -> bool:
    """Return whether there is no table in `path`, which is whole or not there."""
    if not path.exists():
        return True
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
