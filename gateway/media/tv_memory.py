"""What the television still knows after a power cut: channel, loudness, languages.

One rule: writing is for whoever calls to space out; what is written is all there
is, and takes the place of what was.
"""

import sqlite3
from dataclasses import dataclass

from gateway.media.lineup import ChannelId
from gateway.media.tv_tracks import Choice
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
    """
    CREATE TABLE tv_language (
        position INTEGER PRIMARY KEY, channel TEXT NOT NULL, kind TEXT NOT NULL, language TEXT NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was on when the box was last on, and which languages were chosen."""

    channel: ChannelId | None = None
    volume_percent: int = 50
    muted: bool = False
    languages: tuple[Choice, ...] = ()


class TvMemory:
    """It, in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> Kept:
        """Return what was kept; the defaults on a new box.

        Raises:
            StoreError: the store cannot be read.
        """
        return await self._store.read(_load)

    async def save(self, kept: Kept) -> None:
        """Keep it.

        Raises:
            StoreError: the store cannot be written.
        """
        await self._store.write(lambda db: _save(db, kept))


def _load(db: sqlite3.Connection) -> Kept:
    row = db.execute("SELECT channel, volume_percent, muted FROM tv_memory").fetchone() or (None, 50, 0)
    languages = db.execute("SELECT channel, kind, language FROM tv_language ORDER BY position")
    return Kept(
        channel=ChannelId(row[0]) if row[0] is not None else None,
        volume_percent=max(0, min(100, row[1])),
        muted=bool(row[2]),
        languages=tuple(Choice(*choice) for choice in languages),
    )


def _save(db: sqlite3.Connection, kept: Kept) -> None:
    values = (kept.channel, kept.volume_percent, int(kept.muted))
    db.execute("INSERT OR REPLACE INTO tv_memory VALUES (1, ?, ?, ?)", values)
    known = db.execute("SELECT channel, kind, language FROM tv_language ORDER BY position").fetchall()
    choices = [(choice.channel, choice.kind, choice.language) for choice in kept.languages]
    if choices != known:
        db.execute("DELETE FROM tv_language")
        db.executemany("INSERT INTO tv_language VALUES (NULL, ?, ?, ?)", choices)
