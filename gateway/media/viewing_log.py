"""How long each zap took and why, for support.

One rule: it stays in the house.  Unless the household agreed, nothing of it can
be exported, and no log line ever says what was watched.

Flash wears out by writing: rows wait in memory, and go to the disk at most once
a minute and at the end.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Protocol

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import PullState, RelayFact, SourceChanged
from gateway.media.tv_facts import Picture, TvState, Zap
from gateway.pubsub import Publisher
from gateway.store import Store, StoreError

log = logging.getLogger(__name__)

WRITE_EVERY_S = 60.0
LAST_WRITE_S = 2.0
MAX_ROWS = 5_000
MAX_WAITING = 500
MAX_AGE = timedelta(days=90)
SHOWN = 500

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE tv_zap (
        id INTEGER PRIMARY KEY, at INTEGER NOT NULL, channel TEXT NOT NULL, first_frame_ms INTEGER,
        how TEXT NOT NULL, player_ms INTEGER, source INTEGER NOT NULL, stalls INTEGER NOT NULL,
        stalled_ms INTEGER NOT NULL, source_changes INTEGER NOT NULL, watched_s INTEGER NOT NULL, code TEXT
    ) STRICT;
    """,
)

_COLUMNS = (
    "at, channel, first_frame_ms, how, player_ms, source, stalls, stalled_ms, source_changes, watched_s, code"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZapRecord:
    """One channel change; see `gateway.ui.documents_watching.Zap`."""

    at: datetime
    channel: ChannelId
    first_frame_ms: int | None
    how: Zap
    player_ms: int | None
    source: int
    stalls: int
    stalled_ms: int
    source_changes: int
    watched_s: int
    code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What support looks at.

    Attributes:
        shared: Whether the household lets it out of the house.
        zaps: The newest first.
        median_first_frame_ms: None before the first picture.
        predicted_share: Of the pictures, those that were decoded before they were asked for.
    """

    shared: bool
    zaps: tuple[ZapRecord, ...]
    median_first_frame_ms: int | None
    predicted_share: float | None


class Set(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvState: ...
    @property
    def changes(self) -> Publisher[TvState]: ...


class Relay(Protocol):
    """See `gateway.media.relay.Relay`."""

    @property
    def facts(self) -> Publisher[RelayFact]: ...
    @property
    def state(self) -> Mapping[ChannelId, PullState]: ...


class ViewingLog:
    """A service."""

    def __init__(
        self,
        store: Store,
        tv: Set,
        relay: Relay,
        *,
        shared: Callable[[], bool] = lambda: False,
        write_every_s: float = WRITE_EVERY_S,
    ) -> None:
        """Describe it.

        Args:
            store: With `MIGRATIONS`.
            tv: Whose zaps are counted.
            relay: Says when a channel changes its source.
            shared: Whether the household lets it out of the house.
            write_every_s: How long rows may wait.
        """
        self._store = store
        self._tv = tv
        self._relay = relay
        self._shared = shared
        self._write_every_s = write_every_s
        self._now: _Zap | None = None
        self._waiting: list[ZapRecord] = []

    async def run(self, ready: Callable[[], None]) -> None:
        """Count until cancelled."""
        with self._tv.changes.subscribe() as states, self._relay.facts.subscribe() as facts:
            self._heed(self._tv.state)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hear_set(states), name="viewing log: set")
                    group.create_task(self._hear_relay(facts), name="viewing log: relay")
                    group.create_task(self._write_often(), name="viewing log: write")
                    ready()
            finally:
                self._end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WRITE_S):
                        await self._write()

    async def summary(self) -> Summary:
        """Return what support looks at, on the box or by the household's leave.

        Raises:
            StoreError: it cannot be read.
        """
        waiting = self._waiting[-SHOWN:]
        now = (self._now.record(),) if self._now is not None else ()
        kept = await self._store.read(lambda db: _newest(db, SHOWN))
        zaps = (*now, *reversed(waiting), *kept)[:SHOWN]
        shown = [zap for zap in zaps if zap.first_frame_ms is not None]
        return Summary(
            shared=self._shared(),
            zaps=zaps,
            median_first_frame_ms=round(median(zap.first_frame_ms or 0 for zap in shown)) if shown else None,
            predicted_share=sum(zap.how == "predicted" for zap in shown) / len(shown) if shown else None,
        )

    async def exportable(self) -> tuple[ZapRecord, ...]:
        """Return what may leave the house: nothing, unless the household agreed.

        Raises:
            StoreError: it cannot be read.
        """
        return (await self.summary()).zaps if self._shared() else ()

    async def _hear_set(self, states: AsyncIterator[TvState]) -> None:
        async for state in states:
            self._heed(state)

    async def _hear_relay(self, facts: AsyncIterator[RelayFact]) -> None:
        async for fact in facts:
            now = self._now
            if isinstance(fact, SourceChanged) and now is not None and fact.channel == now.channel:
                now.source_changes += 1
                now.source = fact.now

    def _heed(self, state: TvState) -> None:
        here = state.channel.id if state.channel is not None else None
        if self._now is not None and self._now.channel != here:
            self._end()
        if self._now is None and here is not None and state.mode == "live":
            self._now = _Zap(here)
        if self._now is not None and here is not None:
            pull = self._relay.state.get(here)
            self._now.heed(state, pull.source if pull is not None else 0)

    def _end(self) -> None:
        if self._now is not None:
            self._waiting.append(self._now.record())
            del self._waiting[:-MAX_WAITING]
            self._now = None

    async def _write_often(self) -> None:
        while True:
            await asyncio.sleep(self._write_every_s)
            await self._write()

    async def _write(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        try:
            await self._store.write(lambda db: _write(db, rows))
        except StoreError as error:
            log.warning("zaps will not be remembered: %s", error)


@dataclass(slots=True)
class _Zap:
    """The channel that is on."""

    channel: ChannelId
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun_s: float = field(default_factory=time.monotonic)
    first_frame_ms: int | None = None
    player_ms: int | None = None
    how: Zap = "cold"
    source: int = 0
    stalls: int = 0
    stalled_s: float = 0.0
    source_changes: int = 0
    code: str | None = None
    still_since_s: float | None = None

    def heed(self, state: TvState, source: int) -> None:
        """Take in what the set shows of it."""
        if state.zap is not None and self.first_frame_ms is None:
            self.how = state.zap
        if state.first_frame_ms is not None and self.first_frame_ms is None:
            self.first_frame_ms, self.player_ms = state.first_frame_ms, state.player_ms
            self.source = source
        self.code = state.code or self.code
        still = state.picture is Picture.STALLED
        if still and self.still_since_s is None:
            self.stalls += 1
            self.still_since_s = time.monotonic()
        elif not still and self.still_since_s is not None:
            self.stalled_s += time.monotonic() - self.still_since_s
            self.still_since_s = None

    def record(self) -> ZapRecord:
        """Return it as it is so far."""
        now_s = time.monotonic()
        still_s = now_s - self.still_since_s if self.still_since_s is not None else 0.0
        return ZapRecord(
            at=self.at,
            channel=self.channel,
            first_frame_ms=self.first_frame_ms,
            how=self.how,
            player_ms=self.player_ms,
            source=self.source,
            stalls=self.stalls,
            stalled_ms=round((self.stalled_s + still_s) * 1000),
            source_changes=self.source_changes,
            watched_s=round(now_s - self.begun_s),
            code=self.code,
        )


def _newest(db: sqlite3.Connection, limit: int) -> Sequence[ZapRecord]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM tv_zap ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 - constant
    names = _COLUMNS.split(", ")
    return [
        ZapRecord(**{**dict(zip(names, row, strict=True)), "at": datetime.fromtimestamp(row[0] / 1000, UTC)})
        for row in rows
    ]


def _write(db: sqlite3.Connection, zaps: Sequence[ZapRecord]) -> None:
    names = _COLUMNS.split(", ")
    rows = [[_milliseconds(zap.at) if name == "at" else getattr(zap, name) for name in names] for zap in zaps]
    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT INTO tv_zap ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608 - constant
    db.execute("DELETE FROM tv_zap WHERE at < ?", (_milliseconds(datetime.now(UTC) - MAX_AGE),))
    db.execute("DELETE FROM tv_zap WHERE id <= (SELECT max(id) FROM tv_zap) - ?", (MAX_ROWS,))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
