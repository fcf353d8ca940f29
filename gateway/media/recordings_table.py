"""Recordings and rules, as rows of the box's durable database.

One rule: a row says what there should be; the files say what there is.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.media.lineup import ChannelId
from gateway.media.recordings_facts import Recording, RecordingState, SeriesRule
from gateway.store import Store

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE recording (
        id TEXT PRIMARY KEY, channel TEXT NOT NULL, channel_name TEXT NOT NULL, title TEXT NOT NULL,
        subtitle TEXT NOT NULL, description TEXT NOT NULL, start REAL NOT NULL, stop REAL NOT NULL,
        asked_at REAL NOT NULL, state TEXT NOT NULL, programme TEXT, series TEXT, episode TEXT NOT NULL,
        begun_at REAL, size_bytes INTEGER NOT NULL, duration_s REAL NOT NULL, position_s REAL NOT NULL,
        watched INTEGER NOT NULL, code TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE recording_series (
        id TEXT PRIMARY KEY, title TEXT NOT NULL, key TEXT NOT NULL, channel TEXT, keep_last INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE recording_had (
        series TEXT NOT NULL, episode TEXT NOT NULL, PRIMARY KEY (series, episode)
    ) STRICT, WITHOUT ROWID;
    """,
    "ALTER TABLE recording ADD COLUMN age INTEGER NOT NULL DEFAULT 0",
)

_COLUMNS = (
    "id, channel, channel_name, title, subtitle, description, start, stop, asked_at, state, programme, "
    "series, episode, begun_at, size_bytes, duration_s, position_s, watched, code, age"
)
_PUT = "INSERT OR REPLACE INTO recording VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class RecordingTable:
    """See the module; every method raises `StoreError` when the database fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def recordings(self) -> Sequence[Recording]:
        """Return all of them."""
        return await self._store.read(
            lambda db: [_recording(row) for row in db.execute(f"SELECT {_COLUMNS} FROM recording")]  # noqa: S608 - a constant
        )

    async def series(self) -> Sequence[SeriesRule]:
        """Return all rules."""
        return await self._store.read(
            lambda db: [
                SeriesRule(
                    id=rule,
                    title=title,
                    key=key,
                    channel=ChannelId(channel) if channel is not None else None,
                    keep_last=keep_last,
                )
                for rule, title, key, channel, keep_last in db.execute(
                    "SELECT id, title, key, channel, keep_last FROM recording_series ORDER BY title, id"
                )
            ]
        )

    async def had(self) -> frozenset[tuple[str, str]]:
        """Return which episodes of which rules need not be recorded (again)."""
        return await self._store.read(
            lambda db: frozenset(db.execute("SELECT series, episode FROM recording_had").fetchall())
        )

    async def put(self, recording: Recording) -> None:
        """Add or replace a recording."""
        row = _row(recording)
        await self._store.write(lambda db: db.execute(_PUT, row) and None)

    async def delete(self, recording: str) -> None:
        """Remove a recording."""
        await self._store.write(
            lambda db: db.execute("DELETE FROM recording WHERE id = ?", (recording,)) and None
        )

    async def put_series(self, rule: SeriesRule) -> None:
        """Add a rule."""
        row = (rule.id, rule.title, rule.key, rule.channel, rule.keep_last)
        await self._store.write(
            lambda db: (
                db.execute("INSERT OR REPLACE INTO recording_series VALUES (?, ?, ?, ?, ?)", row) and None
            )
        )

    async def delete_series(self, rule: str) -> None:
        """Remove a rule; what it recorded stays."""

        def delete(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM recording_series WHERE id = ?", (rule,))
            db.execute("DELETE FROM recording_had WHERE series = ?", (rule,))
            db.execute("UPDATE recording SET series = NULL WHERE series = ?", (rule,))

        await self._store.write(delete)

    async def note_had(self, series: str, episode: str) -> None:
        """Remember that an episode need not be recorded again."""
        await self._store.write(
            lambda db: (
                db.execute("INSERT OR IGNORE INTO recording_had VALUES (?, ?)", (series, episode)) and None
            )
        )


def _row(one: Recording) -> tuple[str | float | None, ...]:
    return (
        one.id,
        one.channel,
        one.channel_name,
        one.title,
        one.subtitle,
        one.description,
        one.start.timestamp(),
        one.stop.timestamp(),
        one.asked_at.timestamp(),
        one.state.value,
        one.programme,
        one.series,
        one.episode,
        one.begun_at.timestamp() if one.begun_at else None,
        one.size_bytes,
        one.duration_s,
        one.position_s,
        int(one.watched),
        one.code,
        one.age,
    )


def _recording(row: Sequence[str | float | None]) -> Recording:
    texts = [str(value) if value is not None else None for value in row]
    return Recording(
        id=texts[0] or "",
        channel=ChannelId(texts[1] or ""),
        channel_name=texts[2] or "",
        title=texts[3] or "",
        subtitle=texts[4] or "",
        description=texts[5] or "",
        start=_moment(row[6]),
        stop=_moment(row[7]),
        asked_at=_moment(row[8]),
        state=RecordingState(texts[9] or ""),
        programme=texts[10],
        series=texts[11],
        episode=texts[12] or "",
        begun_at=_moment(row[13]) if row[13] is not None else None,
        size_bytes=int(row[14] or 0),
        duration_s=float(row[15] or 0.0),
        position_s=float(row[16] or 0.0),
        watched=bool(row[17]),
        code=texts[18],
        age=int(row[19] or 0),
    )


def _moment(value: str | float | None) -> datetime:
    return datetime.fromtimestamp(float(value or 0.0), UTC)
