"""What is asked of the guide's file, in SQL.

One rule: every query is bounded at both ends of the clustered key, so that
it reads what it answers and little else.
"""

import json
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from gateway.media.xmltv import MAX_PROGRAMME_S, GuideChannel

MAX_SERIES_FOUND = 400
TRIGRAM_CHARS = 3

# channel, start, stop, title, subtitle, description, category, age, catchup_id
Row = tuple[int, int, int, str, str, str, str, int, str]

_FIELDS = "start, stop, title, subtitle, description, category, age, catchup_id"
_SELECT = f"SELECT channel, {_FIELDS} FROM guide_programme"  # noqa: S608 - a constant
# The nearest hours first: what is on everywhere fills the answer without a look at the rest.
_AHEAD_S = (0, 3 * 3600, 24 * 3600, 15 * 86_400)
_BACK_S = (0, 3 * 3600, 24 * 3600, 12 * 86_400)


class Lane(Protocol):
    """Which channel of the guide, the length of its longest programme, and what is added to its times."""

    @property
    def number(self) -> int: ...
    @property
    def longest_s(self) -> int: ...
    @property
    def shift_s(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sought:
    """One channel to search: its `number` in the guide, and where its past that can be watched begins."""

    number: int
    since: int


@dataclass(frozen=True, slots=True)
class Shelved:
    """A channel of the guide; none of its programmes is longer than `longest_s`."""

    number: int
    channel: GuideChannel
    longest_s: int


def channels(db: sqlite3.Connection) -> list[Shelved]:
    """Return all channels of the guide."""
    rows = db.execute("SELECT id, name, names, longest FROM guide_channel ORDER BY name")
    return [
        Shelved(number, GuideChannel(name, tuple(names.split("\n") if names else ())), longest_s)
        for number, name, names, longest_s in rows
    ]


def overlapping(
    db: sqlite3.Connection, channels: Sequence[Lane], first: int, last: int, limit: int
) -> list[Row]:
    """Return what is on between `first` and `last`, in the order of `channels`.

    In place of the channel's number, a row begins with its place in `channels`.
    """
    # One statement for a whole grid: three hundred of them cost as much again as their rows.
    spans = [
        (each.number, first - each.shift_s - each.longest_s - 1, last - each.shift_s, first - each.shift_s)
        for each in channels
    ]
    found: list[Row] = db.execute(
        # A cross join keeps the order of the spans.
        f"SELECT span.key, {_FIELDS} "  # noqa: S608 - a constant
        "FROM json_each(?) AS span CROSS JOIN guide_programme AS shown "
        "ON shown.channel = span.value ->> 0 AND start > span.value ->> 1 AND start < span.value ->> 2 "
        "AND stop > span.value ->> 3 LIMIT ?",
        (json.dumps(spans), limit),
    ).fetchall()
    return found


def now_next(db: sqlite3.Connection, channel: Lane, moment: int) -> tuple[Row | None, Row | None]:
    """Return what is on at `moment`, and what follows."""
    moment -= channel.shift_s
    rows: list[Row] = db.execute(
        f"{_SELECT} WHERE channel = ? AND start > ? AND stop > ? ORDER BY start LIMIT 2",
        (channel.number, moment - channel.longest_s - 1, moment),
    ).fetchall()
    if rows and rows[0][1] > moment:
        return None, rows[0]
    return (rows[0] if rows else None), (rows[1] if len(rows) > 1 else None)


def beginning(db: sqlite3.Connection, channel: int, start: int) -> Row | None:
    """Return the programme that begins just then."""
    row: Row | None = db.execute(f"{_SELECT} WHERE channel = ? AND start = ?", (channel, start)).fetchone()
    return row


def series_like(db: sqlite3.Connection, folded: str) -> list[int]:
    """Return the series with `folded` in their name, or in how it is said; shortest names first."""
    pattern = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    if len(folded) >= TRIGRAM_CHARS:
        quoted = '"' + folded.replace('"', '""') + '"'
        named = "id IN (SELECT rowid FROM guide_series_text WHERE series MATCH :quoted)"
    else:
        quoted, named = "", "series LIKE '%' || :pattern || '%' ESCAPE '\\'"
    spelt = " OR initials LIKE '%' || :pattern || '%' OR pinyin LIKE '% ' || :pattern || '%'"
    said = folded.replace(" ", "")
    typed = said.isascii() and said.isalnum()
    where = f"{named}{spelt if typed else ''} ORDER BY length(series) LIMIT :most"
    rows = db.execute(
        f"SELECT id FROM guide_series WHERE {where}",  # noqa: S608 - put together from constants
        {"quoted": quoted, "pattern": said if typed else pattern, "most": MAX_SERIES_FOUND},
    )
    return [number for (number,) in rows]


def series_named(db: sqlite3.Connection, name: str) -> list[int]:
    """Return the one series with that very name."""
    return [number for (number,) in db.execute("SELECT id FROM guide_series WHERE series = ?", (name,))]


def showing(
    db: sqlite3.Connection, series: Sequence[int], sought: Iterable[Sought], moment: int, limit: int
) -> list[Row]:
    """Return programmes of `series`: what is on and to come, soonest first; then the past, newest first."""
    on = _on(db, series)
    places = [(each, on[each.number]) for each in sought if each.number in on]
    found: list[Row] = []
    for nearer, farther in _pairs(_AHEAD_S):
        if len(found) < limit:
            first, last = moment + nearer, moment + farther
            rows = (
                row
                for each, wanted in places
                for row in _between(db, each.number, wanted, first - (0 if nearer else MAX_PROGRAMME_S), last)
                if nearer or row[2] > moment
            )
            found += sorted(rows, key=_by_start)
    for nearer, farther in _pairs(_BACK_S):
        if len(found) < limit:
            first, last = moment - farther, moment - nearer
            rows = (
                row
                for each, wanted in places
                if each.since < last
                for row in _between(db, each.number, wanted, max(first, each.since), last)
                if row[2] <= moment
            )
            found += sorted(rows, key=_by_start, reverse=True)
    return found[:limit]


def _on(db: sqlite3.Connection, series: Sequence[int]) -> dict[int, list[int]]:
    """Return per channel which of `series` it shows."""
    on: dict[int, list[int]] = {}
    for number in series:
        row = db.execute("SELECT channels FROM guide_series WHERE id = ?", (number,)).fetchone()
        for channel in array("I", row[0] if row else b""):
            on.setdefault(channel, []).append(number)
    return on


def _between(db: sqlite3.Connection, channel: int, series: list[int], first: int, last: int) -> Iterator[Row]:
    wanted = ", ".join(map(str, series))  # our own numbers
    yield from db.execute(
        f"{_SELECT} WHERE channel = ? AND start >= ? AND start < ? AND series IN ({wanted})",
        (channel, first, last),
    )


def _pairs(steps: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    yield from pairwise(steps)


def _by_start(row: Row) -> tuple[int, int]:
    return row[1], row[0]
