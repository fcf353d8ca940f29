"""What the rules file and the API both say of rules, helpers or scenes, and whose word counts.

One rule: the last word counts.  What was put or deleted through the API
replaces what the file says, until the file itself says something new about it.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from gateway.errors import BadInputError, GatewayError
from gateway.iot.household import Helper
from gateway.iot.rules_file import RulesFile, document_of, parse_file
from gateway.iot.rules_model import Rule
from gateway.iot.scenes_model import Scene
from gateway.pubsub import Publisher
from gateway.schema import Problem, SchemaError
from gateway.store import Store

log = logging.getLogger(__name__)


class RulesFileError(BadInputError):
    """The rules file cannot be read."""

    code: ClassVar[str] = "IOT-401"
    hint = "Check the path at iot.rules, and that the file can be read."


T = TypeVar("T", Rule, Helper, Scene)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """What a book is about.

    Attributes:
        name: Of one entry, for messages and in the store.
        most: Entries that there may be.
        of_file: The entries in the rules file.
        decode: An entry from its document; see `document_of`.
        unknown: Raised when there is no such entry.
    """

    name: str
    most: int
    of_file: Callable[[RulesFile], tuple[T, ...]]
    decode: Callable[[object], T]
    unknown: type[BadInputError]


class Book(Generic[T]):
    """All entries of one kind.

    Attributes:
        entries: The file's first, then in the order they were put.
        changes: `entries`, whenever they are others.
    """

    def __init__(self, kind: Kind[T], file: Path | None, store: Store) -> None:
        """Describe a book; nothing is read before `load`.

        Args:
            kind: What it is about.
            file: The rules file, if any.
            store: Keeps what the API put, by `gateway.iot.rules.MIGRATIONS`.
        """
        self.entries: tuple[T, ...] = ()
        self.changes: Publisher[tuple[T, ...]] = Publisher()
        self._kind: Kind[T] = kind
        self._file = file
        self._store = store
        self._from_file: dict[str, T] = {}
        self._changing = asyncio.Lock()
        self._trouble = "it has not been read yet"

    async def load(self) -> None:
        """Read the file and what was kept.

        Raises:
            RulesFileError: the file cannot be read.
            SchemaError: it is not a rules file.
            StoreError: the store cannot be read.
        """
        try:
            await self._load()
        except GatewayError as error:
            self._trouble = str(error)
            raise
        self._trouble = ""

    def get(self, entry: str) -> T:
        """Return an entry.

        Raises:
            BadInputError: there is none with this id.
        """
        for known in self.entries:
            if known.id == entry:
                return known
        raise self._kind.unknown(f"there is no {self._kind.name} {entry}")

    async def put(self, entry: T) -> None:
        """Keep `entry`, in place of one with its id; on the disk when this returns.

        Raises:
            SchemaError: there are too many.
            RulesFileError: it is not known yet what the file says.
        """
        async with self._changing:
            self._check_known()
            present = {known.id: known for known in self.entries}
            if entry.id not in present and len(present) >= self._kind.most:
                raise SchemaError([Problem("id", f"there are {self._kind.most} {self._kind.name}s already")])
            await self._keep(entry.id, entry)
            self._set(tuple({**present, entry.id: entry}.values()))

    async def delete(self, entry: str) -> None:
        """Forget an entry; on the disk when this returns.

        Raises:
            BadInputError: there is none with this id.
            RulesFileError: it is not known yet what the file says.
        """
        async with self._changing:
            self._check_known()
            self.get(entry)
            await self._keep(entry, None)
            self._set(tuple(known for known in self.entries if known.id != entry))

    def _check_known(self) -> None:
        # A change is kept as instead of what the file says, which must be known.
        if self._trouble:
            raise RulesFileError(
                f"no {self._kind.name} can be changed while the file is not in force: {self._trouble}"
            )

    def _set(self, entries: tuple[T, ...]) -> None:
        self.entries = entries
        self.changes.publish(entries)

    async def _load(self) -> None:
        kind = self._kind
        in_file = kind.of_file(await asyncio.to_thread(read_file, self._file)) if self._file else ()
        self._from_file = {entry.id: entry for entry in in_file}
        entries = dict(self._from_file)
        for identifier, document, instead_of in await self._store.read(partial(_select, kind=kind.name)):
            if instead_of != self._file_says(identifier):
                log.info(
                    "%s %s has changed in the rules file, which counts from now on", kind.name, identifier
                )
                await self._store.write(partial(_forget, kind=kind.name, entry=identifier))
            elif document is None:
                entries.pop(identifier, None)
            else:
                entries[identifier] = kind.decode(json.loads(document))
        self.entries = tuple(entries.values())

    def _file_says(self, entry: str) -> str | None:
        known = self._from_file.get(entry)
        return None if known is None else _text_of(known)

    async def _keep(self, entry: str, now: T | None) -> None:
        instead_of = self._file_says(entry)
        if now is None and instead_of is None:
            await self._store.write(partial(_forget, kind=self._kind.name, entry=entry))
            return
        row = (self._kind.name, entry, None if now is None else _text_of(now), instead_of)
        await self._store.write(lambda db: _upsert(db, row))


def read_file(file: Path) -> RulesFile:
    """Return what `file` says; blocking.

    Raises:
        RulesFileError: it cannot be read.
        SchemaError: it is not a rules file, with every problem.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise RulesFileError(f"{file}: {error.strerror}") from error
    return parse_file(text)


def _text_of(entry: Rule | Helper | Scene) -> str:
    return json.dumps(document_of(entry), ensure_ascii=False, sort_keys=True)


def _select(db: sqlite3.Connection, kind: str) -> list[tuple[str, str | None, str | None]]:
    rows = db.execute(
        "SELECT id, document, instead_of FROM house_word WHERE kind = ? ORDER BY rowid", (kind,)
    )
    return rows.fetchall()


def _upsert(db: sqlite3.Connection, row: tuple[str, str, str | None, str | None]) -> None:
    db.execute(
        "INSERT INTO house_word VALUES (?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET "
        "document = excluded.document, instead_of = excluded.instead_of",
        row,
    )


def _forget(db: sqlite3.Connection, kind: str, entry: str) -> None:
    db.execute("DELETE FROM house_word WHERE kind = ? AND id = ?", (kind, entry))
