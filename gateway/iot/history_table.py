"""What was reported, on the disk: samples, and what they come to in five minutes and in an hour.

One rule: everything is ordered by time, so that writing only ever adds at the
end: the fewest pages of flash are touched, whatever the number of devices.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.iot.entity import EntityId, Value

STEPS_S = (300, 3600)
"""Five minutes and an hour."""

RAW_S = 0
MOST_POINTS = 5_000
MOST_STEPS = 24
"""Summed up in one transaction."""

MOST_BACK_S = 86_400
"""Sums are made anew for a clock that was ahead by less; for more, what comes counts as late."""

MS = 1000

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE history_entity (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE history_sample (
        at_ms INTEGER NOT NULL, entity INTEGER NOT NULL, value ANY NOT NULL, PRIMARY KEY (at_ms, entity)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE history_span (
        step_s INTEGER NOT NULL, begin_s INTEGER NOT NULL, entity INTEGER NOT NULL, count INTEGER NOT NULL,
        least REAL, most REAL, mean REAL, last ANY NOT NULL, PRIMARY KEY (step_s, begin_s, entity)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE history_rolled (step_s INTEGER PRIMARY KEY, until_s INTEGER NOT NULL) STRICT;
    """,
)

Stored = int | float | str | bytes
Sample = tuple[int, EntityId, Value]
"""When in milliseconds since 1970, whose, what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What an entity reported at an instant, or in the time that begins there.

    Attributes:
        value: The (last) report.
        count: Of reports.
        least, most, mean: Of numbers; None for words and for what is on or off.
    """

    at: datetime
    value: Value
    count: int = 1
    least: float | None = None
    most: float | None = None
    mean: float | None = None


def add(db: sqlite3.Connection, samples: Iterable[Sample]) -> None:
    """Keep `samples`, and put those that come late into the sums they missed.

    One of the same entity and instant replaces the former.  What a meter tells again out of its memory
    is in the sums already.
    """
    keys: dict[EntityId, int] = {}
    rows: list[tuple[int, int, Stored]] = []
    for at_ms, entity, value in samples:
        if entity not in keys:
            keys[entity] = _key(db, entity)
        rows.append((at_ms, keys[entity], _stored(value)))
    summed_s = _done_until(db, STEPS_S[0])
    late = [
        row for row in rows if summed_s is not None and row[0] < summed_s * MS and not _is_known(db, *row)
    ]
    db.executemany("INSERT OR REPLACE INTO history_sample VALUES (?, ?, ?)", rows)
    for step_s in STEPS_S:
        done_s = _done_until(db, step_s)
        sums = _Sums(step_s)
        for at_ms, key, stored in late:
            if done_s is not None and at_ms < done_s * MS:
                sums.take(at_ms // MS, key, _Sum.of(stored))
        for at_s, key in sums:
            row = db.execute(
                "SELECT count, least, most, mean, last FROM history_span"
                " WHERE step_s = ? AND begin_s = ? AND entity = ?",
                (step_s, at_s, key),
            ).fetchone()
            if row is not None:
                sums.take(at_s, key, _Sum(*row))
        sums.write(db)


def _is_known(db: sqlite3.Connection, at_ms: int, key: int, stored: Stored) -> bool:
    """Tell whether just this was kept before: as a sample, or where those are forgotten in its sum."""
    if db.execute(
        "SELECT 1 FROM history_sample WHERE at_ms = ? AND entity = ? AND value IS ?", (at_ms, key, stored)
    ).fetchone():
        return True
    forgotten_s = _done_until(db, RAW_S)
    if forgotten_s is None or at_ms >= forgotten_s * MS:
        return False
    begin_s = at_ms // MS // STEPS_S[0] * STEPS_S[0]
    sums = db.execute(
        "SELECT least, most, last FROM history_span WHERE step_s = ? AND begin_s = ? AND entity = ?",
        (STEPS_S[0], begin_s, key),
    ).fetchone()
    return sums is not None and stored in sums


def roll_up(db: sqlite3.Connection, now_s: int) -> bool:
    """Sum up what is over at the Unix time `now_s`: five minutes out of samples, hours out of those.

    Returns:
        Whether there is more to do: so many steps only are done at once.
    """
    more = False
    for step_s in STEPS_S:
        begin_s, end_s = _done_until(db, step_s), now_s // step_s * step_s
        if step_s != STEPS_S[0]:
            end_s = min(end_s, (_done_until(db, STEPS_S[0]) or 0) // step_s * step_s)
        if begin_s is not None and 0 < begin_s - end_s <= MOST_BACK_S:
            # The clock was a little ahead and has been put right.
            _done(db, step_s, end_s)
        if begin_s is not None and begin_s >= end_s:
            continue
        next_s = _next_s(db, step_s, begin_s or 0)
        if next_s is None or next_s >= end_s:
            if begin_s is not None:
                _done(db, step_s, end_s)
            continue
        begin_s = next_s // step_s * step_s
        more = more or end_s - begin_s > MOST_STEPS * step_s
        end_s = min(end_s, begin_s + MOST_STEPS * step_s)
        sums = _Sums(step_s)
        if step_s == STEPS_S[0]:
            for at_ms, key, value in db.execute(
                "SELECT at_ms, entity, value FROM history_sample WHERE at_ms >= ? AND at_ms < ?",
                (begin_s * MS, end_s * MS),
            ):
                sums.take(at_ms // MS, key, _Sum.of(value))
        else:
            for at_s, key, *row in db.execute(
                "SELECT begin_s, entity, count, least, most, mean, last FROM history_span"
                " WHERE step_s = ? AND begin_s >= ? AND begin_s < ?",
                (STEPS_S[0], begin_s, end_s),
            ):
                sums.take(at_s, key, _Sum(*row))
        sums.write(db)
        _done(db, step_s, end_s)
    return more


def forget(db: sqlite3.Connection, *, raw_before_s: int, spans_before_s: Sequence[int]) -> None:
    """Forget samples, and sums of each of `STEPS_S`, from before the given Unix times."""
    # Noted only when there were any: a note each time would wear the flash for nothing.
    if db.execute("DELETE FROM history_sample WHERE at_ms < ?", (raw_before_s * MS,)).rowcount:
        _done(db, RAW_S, raw_before_s)
    for step_s, before_s in zip(STEPS_S, spans_before_s, strict=True):
        db.execute("DELETE FROM history_span WHERE step_s = ? AND begin_s < ?", (step_s, before_s))


def forget_names(db: sqlite3.Connection) -> None:
    """Forget the entities of which nothing is kept; reads everything, so not often."""
    db.execute(
        "DELETE FROM history_entity WHERE key NOT IN (SELECT entity FROM history_sample)"
        " AND key NOT IN (SELECT entity FROM history_span)"
    )


def bytes_used(db: sqlite3.Connection) -> int:
    """Return how much of the file is in use."""
    (pages,), (free,), (size,) = (
        db.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def oldest_s(db: sqlite3.Connection) -> int | None:
    """Return the Unix time of the oldest sample, None if there is none."""
    (at_ms,) = db.execute("SELECT min(at_ms) FROM history_sample").fetchone()
    return None if at_ms is None else int(at_ms // MS)


def oldest_span_s(db: sqlite3.Connection, step_s: int) -> int | None:
    """Return the Unix time of the oldest sum of that step, None if there is none."""
    (at_s,) = db.execute("SELECT min(begin_s) FROM history_span WHERE step_s = ?", (step_s,)).fetchone()
    return None if at_s is None else int(at_s)


def points(
    db: sqlite3.Connection, entity: EntityId, since: datetime, until: datetime, *, finest_s: int
) -> tuple[int, list[Point]]:
    """Return what `entity` reported from `since` to before `until`, and the step in seconds.

    Args:
        db: Where.
        entity: Whose.
        since: Timezone-aware, like the next.
        until: Not included.
        finest_s: The finest step wanted, `RAW_S` or one of `STEPS_S`; a coarser one is taken
            where that would be more than `MOST_POINTS`.
    """
    row = db.execute("SELECT key FROM history_entity WHERE id = ?", (entity,)).fetchone()
    begin_s, end_s = since.timestamp(), until.timestamp()
    for step_s in (RAW_S, *STEPS_S):
        last = step_s == STEPS_S[-1]
        if step_s < finest_s or (step_s and not last and (end_s - begin_s) / step_s > MOST_POINTS):
            continue
        if step_s == RAW_S and _was_trimmed(db, begin_s):
            continue
        if row is None:
            return step_s, []
        found = (
            _raw(db, row[0], begin_s, end_s)
            if step_s == RAW_S
            else _spans(db, row[0], step_s, begin_s, end_s)
        )
        if len(found) <= MOST_POINTS or last:
            return step_s, found[-MOST_POINTS:]
    raise ValueError(f"there is no step of {finest_s} s")


def _was_trimmed(db: sqlite3.Connection, begin_s: float) -> bool:
    """Tell whether samples since `begin_s` were forgotten already, so that only sums are left."""
    raw_s, span_s = oldest_s(db), oldest_span_s(db, STEPS_S[0])
    return raw_s is not None and span_s is not None and max(begin_s, span_s + STEPS_S[0]) < raw_s


def _raw(db: sqlite3.Connection, key: int, begin_s: float, end_s: float) -> list[Point]:
    rows = db.execute(
        "SELECT at_ms, value FROM history_sample WHERE at_ms >= ? AND at_ms < ? AND entity = ? LIMIT ?",
        (int(begin_s * MS), int(end_s * MS), key, MOST_POINTS + 1),
    )
    return [Point(at=datetime.fromtimestamp(at_ms / MS, UTC), value=_value(value)) for at_ms, value in rows]


def _spans(db: sqlite3.Connection, key: int, step_s: int, begin_s: float, end_s: float) -> list[Point]:
    begin = max(int(begin_s), int(end_s) - MOST_POINTS * step_s) // step_s * step_s
    sums = _Sums(step_s)
    for at_s, *row in _stored_sums(db, key, step_s, begin, end_s):
        sums.take(at_s, key, _Sum(*row))
    # What is not over yet has not been summed up: it is made of what is finer.
    open_s = max(begin, _done_until(db, step_s) or 0)
    if step_s != STEPS_S[0]:
        for at_s, *row in _stored_sums(db, key, STEPS_S[0], open_s, end_s):
            sums.take(at_s, key, _Sum(*row))
        open_s = max(open_s, _done_until(db, STEPS_S[0]) or 0)
    for at_ms, value in db.execute(
        "SELECT at_ms, value FROM history_sample WHERE at_ms >= ? AND at_ms < ? AND entity = ?",
        (open_s * MS, int(end_s * MS), key),
    ):
        sums.take(at_ms // MS, key, _Sum.of(value))
    return sums.points()


def _stored_sums(
    db: sqlite3.Connection, key: int, step_s: int, begin_s: int, end_s: float
) -> Iterator[tuple[Any, ...]]:
    # One look-up for each step: a scan would read what all other devices reported as well.
    return db.execute(
        """
        WITH RECURSIVE step(at_s) AS (
            SELECT ?1 WHERE ?1 < ?3 UNION ALL SELECT at_s + ?2 FROM step WHERE at_s + ?2 < ?3
        )
        SELECT begin_s, count, least, most, mean, last FROM step CROSS JOIN history_span
        WHERE step_s = ?2 AND begin_s = at_s AND entity = ?4
        """,
        (begin_s, step_s, end_s, key),
    )


@dataclass(frozen=True, slots=True)
class _Sum:
    """What some reports come to."""

    count: int
    least: float | None
    most: float | None
    mean: float | None
    last: Stored

    @classmethod
    def of(cls, value: Stored) -> "_Sum":
        number = float(value) if isinstance(value, int | float) else None
        return cls(1, number, number, number, value)

    def then(self, later: "_Sum") -> "_Sum":
        """Return both together; numbers and words do not mix."""
        count = self.count + later.count
        if self.least is None or self.most is None or self.mean is None:
            return _Sum(count, None, None, None, later.last)
        if later.least is None or later.most is None or later.mean is None:
            return _Sum(count, None, None, None, later.last)
        return _Sum(
            count,
            min(self.least, later.least),
            max(self.most, later.most),
            (self.mean * self.count + later.mean * later.count) / count,
            later.last,
        )


class _Sums:
    """Sums of one step, by when it begins and whose they are."""

    def __init__(self, step_s: int) -> None:
        self._step_s = step_s
        self._sums: dict[tuple[int, int], _Sum] = {}

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(tuple(self._sums))

    def take(self, at_s: int, key: int, more: _Sum) -> None:
        place = (at_s // self._step_s * self._step_s, key)
        known = self._sums.get(place)
        self._sums[place] = more if known is None else known.then(more)

    def points(self) -> list[Point]:
        return [
            Point(
                at=datetime.fromtimestamp(at_s, UTC),
                value=_value(each.last),
                count=each.count,
                least=each.least,
                most=each.most,
                mean=each.mean,
            )
            for (at_s, _), each in sorted(self._sums.items())
        ]

    def write(self, db: sqlite3.Connection) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO history_span VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (self._step_s, at_s, key, each.count, each.least, each.most, each.mean, each.last)
                for (at_s, key), each in self._sums.items()
            ),
        )


def _done_until(db: sqlite3.Connection, step_s: int) -> int | None:
    """Return up to when that step was summed up; of `RAW_S`, up to when samples are forgotten."""
    row = db.execute("SELECT until_s FROM history_rolled WHERE step_s = ?", (step_s,)).fetchone()
    return None if row is None else int(row[0])


def _next_s(db: sqlite3.Connection, step_s: int, begin_s: int) -> int | None:
    """Return the Unix time of the first of what that step is made of, from `begin_s` on."""
    if step_s == STEPS_S[0]:
        (at_ms,) = db.execute(
            "SELECT min(at_ms) FROM history_sample WHERE at_ms >= ?", (begin_s * MS,)
        ).fetchone()
        return None if at_ms is None else int(at_ms // MS)
    (at_s,) = db.execute(
        "SELECT min(begin_s) FROM history_span WHERE step_s = ? AND begin_s >= ?", (STEPS_S[0], begin_s)
    ).fetchone()
    return None if at_s is None else int(at_s)


def _done(db: sqlite3.Connection, step_s: int, until_s: int) -> None:
    db.execute("INSERT OR REPLACE INTO history_rolled VALUES (?, ?)", (step_s, until_s))


def _key(db: sqlite3.Connection, entity: EntityId) -> int:
    row = db.execute("SELECT key FROM history_entity WHERE id = ?", (entity,)).fetchone()
    if row is None:
        row = db.execute("INSERT INTO history_entity (id) VALUES (?) RETURNING key", (entity,)).fetchone()
    return int(row[0])


def _stored(value: Value) -> Stored:
    """Return `value` as SQLite keeps it: what is on or off as one byte, or it would become a number."""
    return bytes([value]) if isinstance(value, bool) else value


def _value(stored: Stored) -> Value:
    return stored != b"\0" if isinstance(stored, bytes) else stored
