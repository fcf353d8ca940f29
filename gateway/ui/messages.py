"""What the household is to know wherever it is: on the screen now, on each phone when it looks.

One rule: a message is on the disk before it is shown, for a phone may look
only hours later, and the power may fail in between.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.iot.entity import EntityId
from gateway.store import Store
from gateway.ui import documents as doc
from gateway.ui.notices import NoticeBoard

MAX_MESSAGES = 50

MIGRATIONS = (
    """
    CREATE TABLE message (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, at TEXT NOT NULL);
    """,
)


class Messages:
    """Keeps the newest messages: a service."""

    def __init__(self, store: Store, notices: NoticeBoard) -> None:
        """Describe the service; it uses `MIGRATIONS` in `store`."""
        self._store = store
        self._notices = notices
        self._known: list[doc.Message] = []

    @property
    def recent(self) -> tuple[doc.Message, ...]:
        """The newest messages, newest first."""
        return tuple(reversed(self._known))

    async def run(self, ready: Callable[[], None]) -> None:
        """Read what was said before, and be there until cancelled."""
        self._known = await self._store.read(_load)
        ready()
        await asyncio.Event().wait()

    async def notify(self, text: Mapping[str, str], camera: EntityId | None = None) -> None:
        """Tell everybody `text`, by locale; on the screen beside what `camera` sees, which is not kept.

        Raises:
            StoreError: it could not be kept; it was shown on the screen all the same.
        """
        self._notices.put(text, urgent=True, camera=camera)
        now = datetime.now(UTC)
        number = max((each.id for each in self._known), default=0) + 1
        try:
            number = await self._store.write(lambda db: _insert(db, text, now))
        finally:
            # The phones hear a call for help even if there is no room to keep it.
            self._known = [*self._known, doc.Message(id=number, text=dict(text), at=now)][-MAX_MESSAGES:]


def _load(db: sqlite3.Connection) -> list[doc.Message]:
    rows = db.execute("SELECT number, text, at FROM message ORDER BY number")
    return [
        doc.Message(id=number, text=json.loads(text), at=datetime.fromisoformat(at))
        for number, text, at in rows
    ]


def _insert(db: sqlite3.Connection, text: Mapping[str, str], at: datetime) -> int:
    row = (json.dumps(dict(text), ensure_ascii=False), at.isoformat())
    number = db.execute("INSERT INTO message (text, at) VALUES (?, ?)", row).lastrowid or 0
    db.execute("DELETE FROM message WHERE number <= ?", (number - MAX_MESSAGES,))
    return number
