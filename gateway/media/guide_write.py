"""A guide's rows into its file, so that what did not change is not written again.

One rule: one load is one transaction: whoever reads meanwhile, or after a cut at any
moment, finds the old guide or the new one, whole.

An empty file is filled without a journal and gets its name only when it is complete
(`gateway.media.guide_loader`); an existing one is compared row by row.
"""

import sqlite3
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from gateway.media.guide_pinyin import initials, spellings
from gateway.media.guide_words import series_of
from gateway.media.xmltv import MAX_PROGRAMME_S, GuideChannel, GuideError, GuideRow

MAX_CHANNELS = 10_000
MAX_PROGRAMMES = 4_000_000
# A page that loses some of its rows is written, one that loses all is not: several days at once.
PRUNE_SLACK_S = 3 * 86_400
# Series beyond these are shown in the guide, but a search does not find them.
MAX_SERIES = 200_000

_COLUMNS = ("stop", "title", "subtitle", "description", "category", "age", "catchup_id", "series")
_INSERT = "INSERT INTO guide_programme VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# An update that changes nothing would still write its page.
_UPSERT = (
    f"{_INSERT} ON CONFLICT (channel, start) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)
    + f" WHERE ({', '.join(_COLUMNS)}) IS NOT ({', '.join('excluded.' + name for name in _COLUMNS)})"
)


@dataclass(frozen=True, slots=True)
class Window:
    """What of a guide is kept, in seconds since 1970; `now` parts it."""

    since: int
    now: int
    until: int


class GuideWriter:
    """Takes rows in any order.  The caller's transaction goes round everything.

    Attributes:
        programmes: Rows taken.
        earlier: Rows left out because they lie before the window; `later` those behind it.
        until: When the last programme ends.
    """

    def __init__(self, db: sqlite3.Connection, window: Window) -> None:
        self.programmes = self.earlier = self.later = self.until = 0
        self._db = db
        self._window = window
        channels = db.execute("SELECT id, name, names FROM guide_channel").fetchall()
        self._channels: dict[str, int] = {name: number for number, name, _ in channels}
        self._names: dict[str, str] = {name: names for _, name, names in channels}
        self._series: dict[str, int] = dict(db.execute("SELECT series, id FROM guide_series"))
        self._numbers = count(max(self._series.values(), default=0) + 1)
        # Only the starts are remembered, 4 bytes each: what is not among them goes at the end.
        self._seen: dict[int, array[int]] = {}

    def take(self, rows: Iterable[GuideRow | GuideChannel]) -> None:
        """Put `rows` in, or leave them as they are.

        Raises:
            GuideError: more of them than any guide has.
        """
        new: list[tuple[object, ...]] = []
        since, until, channels, series = self._window.since, self._window.until, self._channels, self._series
        for row in rows:
            if isinstance(row, GuideChannel):
                self._channel(row.id, "\n".join(row.names))
                continue
            name, start, stop, *texts = row
            if stop <= since:
                self.earlier += 1
            elif start >= until:
                self.later += 1
            else:
                channel = channels.get(name) or self._channel(name, "")
                seen = self._seen.get(channel)
                if seen is None:
                    seen = self._seen[channel] = array("I")
                seen.append(start)
                number = series.get(series_of(row.title)) or self._number(series_of(row.title))
                new.append((channel, start, stop, *texts, number))
                self.until = max(self.until, stop)
        self.programmes += len(new)
        if self.programmes > MAX_PROGRAMMES:
            raise GuideError(f"The guide has more than {MAX_PROGRAMMES} programmes")
        self._db.executemany(_UPSERT, new)

    def finish(self) -> None:
        """Drop what the new guide no longer says, and what is too old; make the rest findable."""
        for name, channel in sorted(self._channels.items()):
            self._drop_stale(channel)
            if channel not in self._seen and not self._has_programmes(channel):
                self._db.execute("DELETE FROM guide_channel WHERE name = ?", (name,))
        self._index()

    def _channel(self, name: str, names: str) -> int:
        number = self._channels.get(name, 0)
        if not number:
            if len(self._channels) >= MAX_CHANNELS:
                raise GuideError(f"The guide has more than {MAX_CHANNELS} channels")
            number = self._channels[name] = max(self._channels.values(), default=0) + 1
            self._db.execute("INSERT INTO guide_channel VALUES (?, ?, ?, 0)", (number, name, names))
        elif names and self._names.get(name, "") != names:
            self._db.execute("UPDATE guide_channel SET names = ? WHERE id = ?", (names, number))
        self._names[name] = names or self._names.get(name, "")
        return number

    def _number(self, series: str) -> int:
        if len(self._series) >= MAX_SERIES:
            return 0
        number = self._series[series] = next(self._numbers)
        return number

    def _drop_stale(self, channel: int) -> None:
        seen = self._seen.get(channel)
        # What the guide does not speak of any more stays in the past, for catch-up.
        begins = min(seen) if seen else self._window.now
        kept = frozenset(seen or ())
        found = self._db.execute(
            "SELECT start FROM guide_programme WHERE channel = ? AND start > ? AND stop > ?",
            (channel, begins - MAX_PROGRAMME_S, begins),
        )
        gone = [(channel, start) for (start,) in found if start not in kept]
        self._db.executemany("DELETE FROM guide_programme WHERE channel = ? AND start = ?", gone)
        first = "SELECT MIN(start) FROM guide_programme WHERE channel = ?"
        (oldest,) = self._db.execute(first, (channel,)).fetchone()
        if oldest is not None and oldest < self._window.since - PRUNE_SLACK_S:
            self._db.execute(
                "DELETE FROM guide_programme WHERE channel = ? AND start < ? AND stop <= ?",
                (channel, self._window.since, self._window.since),
            )

    def _has_programmes(self, channel: int) -> bool:
        query = "SELECT 1 FROM guide_programme WHERE channel = ? LIMIT 1"
        return self._db.execute(query, (channel,)).fetchone() is not None

    def _index(self) -> None:
        """Bring the series in line with the programmes that are there now."""
        on: dict[int, array[int]] = {}
        for channel in sorted(self._channels.values()):
            query = "SELECT DISTINCT series FROM guide_programme WHERE channel = ?"
            for (series,) in self._db.execute(query, (channel,)):
                on.setdefault(series, array("I")).append(channel)
            query = "SELECT COALESCE(MAX(stop - start), 0) FROM guide_programme WHERE channel = ?"
            (longest,) = self._db.execute(query, (channel,)).fetchone()
            change = "UPDATE guide_channel SET longest = ? WHERE id = ? AND longest <> ?"
            self._db.execute(change, (longest, channel, longest))
        known = {
            number: (name, channels)
            for number, name, channels in self._db.execute("SELECT id, series, channels FROM guide_series")
        }
        for number, (name, channels) in known.items():
            if number not in on:
                self._forget(number, name)
            elif on[number].tobytes() != channels:
                change = "UPDATE guide_series SET channels = ? WHERE id = ?"
                self._db.execute(change, (on[number].tobytes(), number))
        for name, number in self._series.items():
            if number in on and number not in known:
                row = (number, name, initials(name), spellings(name), on[number].tobytes())
                self._db.execute("INSERT INTO guide_series VALUES (?, ?, ?, ?, ?)", row)
                self._db.execute("INSERT INTO guide_series_text (rowid, series) VALUES (?, ?)", row[:2])

    def _forget(self, number: int, name: str) -> None:
        self._db.execute(
            "INSERT INTO guide_series_text (guide_series_text, rowid, series) VALUES ('delete', ?, ?)",
            (number, name),
        )
        self._db.execute("DELETE FROM guide_series WHERE id = ?", (number,))
