"""The household's habits on the disk, some hundred short rows.

One rule: they stay in the box; nothing here can be asked for from outside.
"""

import sqlite3
from collections.abc import Iterable

from gateway.media.lineup import ChannelId
from gateway.media.zap_habit import HabitRow
from gateway.store import Store

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE zap_habit (
        hour INTEGER NOT NULL, channel TEXT NOT NULL, weight REAL NOT NULL, day INTEGER NOT NULL,
        PRIMARY KEY (hour, channel)
    ) STRICT, WITHOUT ROWID;
    """,
)


class HabitMemory:
    """Them, in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> tuple[HabitRow, ...]:
        """Return what was kept.

        Raises:
            StoreError: the store cannot be read.
        """

        def query(db: sqlite3.Connection) -> tuple[HabitRow, ...]:
            rows = db.execute("SELECT hour, channel, weight, day FROM zap_habit")
            return tuple(
                HabitRow(hour, ChannelId(channel), weight, day) for hour, channel, weight, day in rows
            )

        return await self._store.read(query)

    async def save(self, rows: Iterable[HabitRow]) -> None:
        """Keep `rows` and nothing else.

        Raises:
            StoreError: the store cannot be written.
        """
        values = [(row.hour, row.channel, row.weight, row.day) for row in rows]

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM zap_habit")
            db.executemany("INSERT INTO zap_habit VALUES (?, ?, ?, ?)", values)

        await self._store.write(change)
