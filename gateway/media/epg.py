"""The guide: what is on, was on and will be on, out of the operator's XMLTV.

One rule: loading never gets in the way of reading.  A new guide goes in by
small transactions beside the old one, and the old rows leave at the end.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.published import Published
from gateway.media.xmltv import (
    MAX_PACKED_BYTES,
    MAX_PROGRAMME_S,
    GuideChannel,
    GuideError,
    GuideRow,
    XmltvReader,
    unpacked,
)
from gateway.pubsub import Publisher
from gateway.schema import FieldError
from gateway.store import Store

log = logging.getLogger(__name__)

BATCH_ROWS = 1_000
DEFAULT_LIMIT = 10_000

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE guide_channel (
        channel TEXT PRIMARY KEY, names TEXT NOT NULL, load INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE guide_programme (
        channel TEXT NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, title TEXT NOT NULL,
        subtitle TEXT NOT NULL, description TEXT NOT NULL, category TEXT NOT NULL, load INTEGER NOT NULL,
        PRIMARY KEY (channel, start)
    ) WITHOUT ROWID;
    """,
)

_SELECT = "SELECT channel, start, stop, title, subtitle, description, category FROM guide_programme"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideConfig:
    """The ``media.guide_reload`` section.

    Attributes:
        file_every_s: How often a file is looked at.
        address_every_s: How often an http(s) address is asked.
        retry_every_s: How often after a failure.
        timeout_s: For a whole download.
    """

    file_every_s: float = 10.0
    address_every_s: float = 3600.0
    retry_every_s: float = 30.0
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("file_every_s", "address_every_s", "retry_every_s", "timeout_s"):
            if not 0 < getattr(self, name) <= 86_400:  # noqa: PLR2004 - a day
                raise FieldError(name, "must be over 0 and at most 86400")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One entry of the guide; times are UTC."""

    id: str
    channel: ChannelId
    start: datetime
    stop: datetime
    title: str
    subtitle: str = ""
    description: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class NowNext:
    """What is on a channel, and what follows; None where the guide has nothing."""

    now: Programme | None
    next: Programme | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole guide has been taken in."""

    programmes: int
    skipped: int


class LineUpOwner(Protocol):
    """Who knows the channels; `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class Guide:
    """See the module.

    Attributes:
        changes: Every completed load.
        problem: Why the newest attempt failed, or None.
        problems: Every attempt that failed.
    """

    def __init__(
        self, store: Store, book: LineUpOwner, address: str, folder: Path, config: GuideConfig
    ) -> None:
        """Describe the guide.

        Args:
            store: With `MIGRATIONS`; need not be durable.
            book: Whose channels the programmes belong to.
            address: File or http(s) address; empty for the one the line-up itself names.
            folder: Where a download is put.
            config: Times.
        """
        self.changes: Publisher[Loaded] = Publisher()
        self.problem: GatewayError | None = None
        self.problems: Publisher[GatewayError] = Publisher()
        self._store = store
        self._book = book
        self._address = address
        self._scratch = folder / "guide.new"
        self._config = config
        self._source: Published | None = None
        self._mapped_for: tuple[LineUp, int] | None = None
        self._names: dict[ChannelId, str] = {}
        self._load = 0

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        await asyncio.to_thread(self._scratch.parent.mkdir, parents=True, exist_ok=True)
        self._load = await self._store.read(_newest_load)
        ready()
        while True:
            await self._refresh()
            await asyncio.sleep(self._pause_s())

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[Programme]:
        """Return what overlaps `start` … `stop`, by channel in line-up order, then by time."""
        names = await self._mapping()
        wanted = [channel] if channel is not None else [each.id for each in self._book.state.channels]
        pairs = [(each, names[each]) for each in wanted if each in names]
        first, last = int(start.timestamp()), int(stop.timestamp())

        def query(db: sqlite3.Connection) -> list[Programme]:
            found: list[Programme] = []
            for each, name in pairs:
                rows = db.execute(
                    # Bounded from below as well, so that the index is all SQLite reads.
                    f"{_SELECT} WHERE channel = ? AND start > ? AND start < ? AND stop > ? "
                    "ORDER BY start LIMIT ?",
                    (name, first - MAX_PROGRAMME_S, last, first, limit - len(found)),
                )
                found += [_programme(each, row) for row in rows]
                if len(found) >= limit:
                    break
            return found

        return await self._store.read(query)

    async def now(
        self, channels: Iterable[ChannelId], at: datetime | None = None
    ) -> dict[ChannelId, NowNext]:
        """Return now and next of each of `channels`, at the moment or at `at`."""
        names = await self._mapping()
        pairs = [(each, names[each]) for each in channels if each in names]
        moment = int((at or datetime.now(UTC)).timestamp())

        def query(db: sqlite3.Connection) -> dict[ChannelId, NowNext]:
            return {each: _now_next(db, each, name, moment) for each, name in pairs}

        return await self._store.read(query)

    def _pause_s(self) -> float:
        if self.problem is not None or self._source is None:
            return self._config.retry_every_s
        return self._config.file_every_s if self._source.is_file else self._config.address_every_s

    async def _refresh(self) -> None:
        address = self._address or next(iter(self._book.state.guide_urls), "")
        if not address:
            return
        if self._source is None or self._source.address != address:
            limits = {"limit_bytes": MAX_PACKED_BYTES, "timeout_s": self._config.timeout_s}
            self._source = Published(address, **limits)  # type: ignore[arg-type]
        try:
            path = await self._source.newer(self._scratch)
            if path is not None:
                await self._take_in(path)
            if path is not None or not isinstance(self.problem, GuideError):
                self.problem = None
        except GatewayError as error:
            if not isinstance(error, GuideError):  # the same bad file would be read again and again
                self._source.forget()
            if self.problem is None or str(error) != str(self.problem):
                log.warning("%s", error.line())
            self.problem = error
            self.problems.publish(error)

    async def _take_in(self, path: Path) -> None:
        load = self._load + 1
        reader = XmltvReader()
        batches = _batches(reader, path)
        count = 0
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            count += sum(isinstance(row, GuideRow) for row in batch)
            await self._store.write(lambda db, rows=batch: _insert(db, rows, load))  # type: ignore[misc]
        if not count:
            raise GuideError(f"The guide has no readable programme ({reader.skipped} skipped)")
        for channel in await self._store.read(_channels):
            await self._store.write(lambda db, name=channel: _drop_older(db, name, load))  # type: ignore[misc]
        self._load = load
        loaded = Loaded(count, reader.skipped)
        log.info("guide: %d programmes, %d skipped", loaded.programmes, loaded.skipped)
        self.changes.publish(loaded)

    async def _mapping(self) -> Mapping[ChannelId, str]:
        """Return the guide's name of each channel it knows."""
        line_up, load = self._book.state, self._load
        if self._mapped_for is None or self._mapped_for[0] is not line_up or self._mapped_for[1] != load:
            known = await self._store.read(_known_channels)
            self._names = mapped(line_up.channels, known)
            self._mapped_for = (line_up, load)
        return self._names


def mapped(channels: Sequence[Channel], guide: Sequence[GuideChannel]) -> dict[ChannelId, str]:
    """Return which guide channel belongs to which of the line-up: by id, then by name."""
    ids = {each.id.casefold(): each.id for each in reversed(guide)}
    names = {name.casefold(): each.id for each in reversed(guide) for name in each.names}
    found: dict[ChannelId, str] = {}
    for channel in channels:
        for key, where in (
            (channel.tvg_id, ids),
            (channel.tvg_name, ids),
            (channel.tvg_name, names),
            (channel.name, names),
            (channel.name, ids),
        ):
            if key and key.casefold() in where:
                found[channel.id] = where[key.casefold()]
                break
    return found


def _batches(reader: XmltvReader, path: Path) -> Iterator[list[GuideRow | GuideChannel]]:
    rows: list[GuideRow | GuideChannel] = []
    for chunk in unpacked(path):
        rows += reader.feed(chunk)
        if len(rows) >= BATCH_ROWS:
            yield rows
            rows = []
    rows += reader.feed(b"", last=True)
    if rows:
        yield rows


def _insert(db: sqlite3.Connection, rows: Sequence[GuideRow | GuideChannel], load: int) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO guide_channel VALUES (?, ?, ?)",
        [(row.id, "\n".join(row.names), load) for row in rows if isinstance(row, GuideChannel)],
    )
    db.executemany(
        "INSERT OR REPLACE INTO guide_programme VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (r.channel, r.start, r.stop, r.title, r.subtitle, r.description, r.category, load)
            for r in rows
            if isinstance(r, GuideRow)
        ],
    )
    db.executemany(
        "INSERT OR IGNORE INTO guide_channel VALUES (?, '', ?)",
        [(name, load) for name in {row.channel for row in rows if isinstance(row, GuideRow)}],
    )


def _drop_older(db: sqlite3.Connection, channel: str, load: int) -> None:
    db.execute("DELETE FROM guide_programme WHERE channel = ? AND load <> ?", (channel, load))
    db.execute(
        "DELETE FROM guide_channel WHERE channel = ? AND load <> ? AND NOT EXISTS "
        "(SELECT 1 FROM guide_programme AS p WHERE p.channel = guide_channel.channel)",
        (channel, load),
    )


def _newest_load(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COALESCE(MAX(load), 0) FROM guide_channel").fetchone()[0])


def _channels(db: sqlite3.Connection) -> list[str]:
    return [str(row[0]) for row in db.execute("SELECT channel FROM guide_channel")]


def _known_channels(db: sqlite3.Connection) -> list[GuideChannel]:
    rows = db.execute("SELECT channel, names FROM guide_channel ORDER BY channel")
    return [GuideChannel(channel, tuple(names.split("\n")) if names else ()) for channel, names in rows]


def _now_next(db: sqlite3.Connection, channel: ChannelId, name: str, moment: int) -> NowNext:
    rows = db.execute(
        f"{_SELECT} WHERE channel = ? AND start > ? AND stop > ? ORDER BY start LIMIT 2",
        (name, moment - MAX_PROGRAMME_S, moment),
    ).fetchall()
    found = [_programme(channel, row) for row in rows]
    if found and found[0].start.timestamp() > moment:
        return NowNext(None, found[0])
    return NowNext(found[0] if found else None, found[1] if len(found) > 1 else None)


def _programme(channel: ChannelId, row: tuple[str, int, int, str, str, str, str]) -> Programme:
    _, start, stop, title, subtitle, description, category = row
    return Programme(
        id=f"{channel}.{start}",
        channel=channel,
        start=datetime.fromtimestamp(start, UTC),
        stop=datetime.fromtimestamp(stop, UTC),
        title=title,
        subtitle=subtitle,
        description=description,
        category=category,
    )
