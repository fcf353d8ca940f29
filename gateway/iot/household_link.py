"""What the household itself says, as a part of the home like any device.

One rule: what was said is on the disk before it is reported, so that a home
that was armed is armed after a power cut.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from gateway.errors import BadInputError
from gateway.iot.entity import EntityId, Reading, Value
from gateway.iot.household import LINK, MAX_HELPERS, Helper
from gateway.iot.link import DeviceRefusedError, Found, LinkDownError, LinkEvent, Lost
from gateway.iot.rules_book import Book, Kind
from gateway.iot.rules_file import decode_helper
from gateway.pubsub import Publisher
from gateway.store import Store, StoreError

MIGRATIONS = (
    "CREATE TABLE household_word (helper TEXT PRIMARY KEY, value TEXT NOT NULL, at TEXT NOT NULL);",
)

_STEP_BACK = timedelta(seconds=2)
"""A clock that was put back by no more than this must not make a word look old."""


class HelperUnknownError(BadInputError):
    """There is no helper with this id."""

    code: ClassVar[str] = "IOT-403"
    hint = "Ask for the list of helpers; it may have been deleted."


HELPERS = Kind(
    name="helper",
    most=MAX_HELPERS,
    of_file=lambda said: said.helpers,
    decode=decode_helper,
    unknown=HelperUnknownError,
)

Word = tuple[Value, datetime]


class HouseholdLink:
    """See `gateway.iot.link.Link`.

    Attributes:
        helpers: What can be said; change it by `put` and `delete`.
    """

    name = LINK

    def __init__(self, file: Path | None, store: Store) -> None:
        """Describe the link; nothing is read before `run`.

        Args:
            file: The rules file, if any.
            store: Keeps what was said, by `MIGRATIONS` and those of the rules.
        """
        self.events: Publisher[LinkEvent] = Publisher()
        self.helpers = Book(HELPERS, file, store)
        self._store = store
        self._shown: dict[EntityId, Helper] = {}
        self._said: dict[EntityId, Word] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        await self.helpers.load()
        self._said = await self._store.read(_load)
        self._shown.clear()
        self._show()
        ready()
        await asyncio.Event().wait()

    async def put(self, helper: Helper) -> None:
        """Keep `helper`; see `gateway.iot.rules_book.Book.put`."""
        await self.helpers.put(helper)
        self._show()

    async def delete(self, helper: str) -> None:
        """Forget a helper and what was said of it; see `gateway.iot.rules_book.Book.delete`."""
        entity = self.helpers.get(helper).entity.id
        await self.helpers.delete(helper)
        self._show()
        await self._store.write(lambda db: _forget(db, entity))

    async def command(self, entity: EntityId, value: Value) -> bool:
        """Take the household's word; its report confirms it, so nothing is acknowledged before."""
        helper = self._shown.get(entity)
        if helper is None or not _fits(helper, value):
            raise DeviceRefusedError(f"{entity} cannot become {value!r}")
        at = datetime.now(UTC)
        if entity in self._said and at < self._said[entity][1] <= at + _STEP_BACK:
            at = self._said[entity][1]
        try:
            await self._store.write(lambda db: _keep(db, entity, value, at))
        except StoreError as error:
            raise LinkDownError(f"{entity} could not be kept: {error}") from error
        self._said[entity] = (value, at)
        self.events.publish(Reading(entity, value, at))
        return False

    def _show(self) -> None:
        present = {helper.entity.id: helper for helper in self.helpers.entries}
        for gone in self._shown.keys() - present.keys():
            self._said.pop(gone, None)
            self.events.publish(Lost(gone))
        for entity, helper in present.items():
            if self._shown.get(entity) == helper:
                continue
            self.events.publish(Found(helper.entity))
            value, at = self._said.get(entity, (helper.initial, datetime.now(UTC)))
            if not _fits(helper, value):
                value, at = helper.initial, datetime.now(UTC)
            self._said[entity] = (value, at)
            self.events.publish(Reading(entity, value, at, live=False))
        self._shown = present


def _fits(helper: Helper, value: Value) -> bool:
    entity = helper.entity
    return entity.takes(value) or value in entity.reserved


def _load(db: sqlite3.Connection) -> dict[EntityId, Word]:
    rows = db.execute("SELECT helper, value, at FROM household_word")
    return {EntityId(entity): (json.loads(value), datetime.fromisoformat(at)) for entity, value, at in rows}


def _keep(db: sqlite3.Connection, entity: EntityId, value: Value, at: datetime) -> None:
    row = (entity, json.dumps(value), at.isoformat())
    db.execute("INSERT OR REPLACE INTO household_word VALUES (?, ?, ?)", row)


def _forget(db: sqlite3.Connection, entity: EntityId) -> None:
    db.execute("DELETE FROM household_word WHERE helper = ?", (entity,))
