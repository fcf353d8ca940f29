"""What the television still knows after a power cut: channel and loudness.

One rule: writing is for whoever calls to space out; one row, always replaced.
"""

import sqlite3
from dataclasses import dataclass

from gateway.media.lineup import ChannelId
from gateway.store import Store

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE tv_memory (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        channel TEXT,
        volume_percent INTEGER NOT NULL,
        muted INTEGER NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was on when the box was last on."""

    channel: ChannelId | None = None
    volume_percent: int = 50
    muted: bool = False


class TvMemory:
    """The one row in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> Kept:
        """Return what was kept; the defaults on a new box.

        Raises:
            StoreError: the store cannot be read.
        """

        def query(db: sqlite3.Connection) -> Kept:
            row = db.execute("SELECT channel, volume_percent, muted FROM tv_memory").fetchone()
            if row is None:
                return Kept()
            channel = ChannelId(row[0]) if row[0] is not None else None
            return Kept(channel=channel, volume_percent=max(0, min(100, row[1])), muted=bool(row[2]))

        return await self._store.read(query)

    async def save(self, kept: Kept) -> None:
        """Keep it.

        Raises:
            StoreError: the store cannot be written.
        """
        values = (kept.channel, kept.volume_percent, int(kept.muted))
        await self._store.write(
            lambda db: db.execute("INSERT OR REPLACE INTO tv_memory VALUES (1, ?, ?, ?)", values)
        )
