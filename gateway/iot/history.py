"""What the home reported, for later: samples for days, sums for months.

One rule: flash wears out by writing.  Reports wait in memory for a few seconds
and go to the disk together; what a power cut takes is those seconds.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.iot import history_table
from gateway.iot.entity import Capability, EntityId, Reading, StateChanged, Value
from gateway.iot.history_table import MS, RAW_S, STEPS_S, Point
from gateway.iot.history_tidy import HistoryConfig, Tidying
from gateway.iot.registry import Registry
from gateway.pubsub import Subscription, in_turns
from gateway.store import Store, StoreError

log = logging.getLogger(__name__)

MIGRATIONS = history_table.MIGRATIONS
BACKLOG = 50_000
MOST_WAITING = 20_000
REPEATED_S = 300.0
"""A value that does not change is kept this often."""

CLOSEST_MS, CLOSEST_SWITCH_MS = 1_000, 100
"""Of what comes faster, the newest is kept; what is on or off may change more often than other things."""

AHEAD = timedelta(hours=1)
RAW_SPAN = timedelta(hours=6)
FINE_SPAN = timedelta(days=14)
LAST_WRITE_S = 2.0
NOT_KEPT = "tv."
"""What was watched is nobody's business later."""


@dataclass(frozen=True, slots=True)
class History:
    """What one entity reported in some time.

    Attributes:
        step_s: Seconds that each point stands for; 0 if each is one report.
        points: Oldest first.
    """

    step_s: int
    points: tuple[Point, ...]


@dataclass(slots=True)
class _Kept:
    at_ms: int
    value: Value


class Historian:
    """A service over a store of its own.

    Attributes:
        dropped: Reports that came faster than they could be written.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        config: HistoryConfig | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe it.

        Args:
            store: With `MIGRATIONS`; need not be durable.
            registry: Whose changes are kept.
            config: How much and for how long.
            clock: Timezone-aware.
            steady: Seconds that nobody puts right.
        """
        self.dropped = 0
        self._store = store
        self._registry = registry
        self._config = config or HistoryConfig()
        self._clock = clock
        self._tidying = Tidying(store, self._config, steady)
        self._waiting: dict[tuple[int, EntityId], Value] = {}
        self._writing: dict[tuple[int, EntityId], Value] = {}
        self._kept: dict[EntityId, _Kept] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep what is reported until cancelled."""
        if not self._config.kept:
            ready()
            await asyncio.get_running_loop().create_future()
        with (
            self._registry.changes.subscribe(BACKLOG) as changes,
            self._registry.late.subscribe(BACKLOG) as late,
        ):
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hear(changes), name="history: reports")
                    group.create_task(self._hear_late(late), name="history: late reports")
                    group.create_task(self._write_often(), name="history: write")
                    ready()
            finally:
                with suppress(TimeoutError, StoreError):
                    async with asyncio.timeout(LAST_WRITE_S):
                        await self._write()

    async def of(self, entity: EntityId, since: datetime, until: datetime) -> History:
        """Return what `entity` reported from `since` to before `until`.

        The longer that is, the coarser; at most `history_table.MOST_POINTS` points.

        Raises:
            StoreError: it cannot be read.
        """
        until = min(until, self._clock() + AHEAD)
        if since >= until:
            return History(RAW_S, ())
        span = until - since
        finest_s = RAW_S if span <= RAW_SPAN else STEPS_S[0] if span <= FINE_SPAN else STEPS_S[1]
        samples_from = self._clock() - timedelta(days=self._config.samples_days)
        if since < samples_from:
            finest_s = max(finest_s, STEPS_S[0])
        if since < self._clock() - timedelta(days=self._config.minutes_days):
            finest_s = STEPS_S[1]
        # Taken before the disk is read: what is on its way there is in one of the two, or in both.
        unwritten = {**self._writing, **self._waiting}
        step_s, points = await self._store.read(
            lambda db: history_table.points(db, entity, since, until, finest_s=finest_s)
        )
        if step_s == RAW_S:
            found = {point.at: point for point in points}
            for (at_ms, whose), value in unwritten.items():
                at = datetime.fromtimestamp(at_ms / MS, UTC)
                if whose == entity and since <= at < until:
                    found[at] = Point(at=at, value=value)
            points = [found[at] for at in sorted(found)]
        return History(step_s, tuple(points))

    async def _hear(self, changes: Subscription[StateChanged]) -> None:
        await changes.note_each(self._heed)

    async def _hear_late(self, late: Subscription[Reading]) -> None:
        async for reading in in_turns(late):
            if reading.value is None:
                continue
            at_ms = math.floor(min(reading.at, self._clock()).timestamp() * MS)
            if (at_ms, reading.entity) in self._waiting or self._has_room():
                self._waiting[at_ms, reading.entity] = reading.value

    def _heed(self, change: StateChanged) -> None:
        after = change.after
        if after is None:
            if change.before is not None:
                self._kept.pop(change.before.entity.id, None)
            return
        entity = after.entity.id
        if after.entity.capability is Capability.CAMERA:
            return
        if after.value is None or after.reported_at is None or not change.live or entity.startswith(NOT_KEPT):
            return
        # A clock that is ahead would put its reports where nobody looks for years.
        at = min(after.reported_at, self._clock())
        at_ms = math.floor(at.timestamp() * MS)
        before = self._kept.get(entity)
        if before is not None and change.repeated and 0 <= at_ms - before.at_ms < REPEATED_S * MS:
            return
        self._keep(at_ms, entity, after.value, before)

    def _keep(self, at_ms: int, entity: EntityId, value: Value, before: _Kept | None) -> None:
        closest_ms = CLOSEST_SWITCH_MS if isinstance(value, bool) else CLOSEST_MS
        close = before is not None and 0 <= at_ms - before.at_ms < closest_ms
        if before is not None and close and (before.at_ms, entity) in self._waiting:
            at_ms = before.at_ms
        elif not self._has_room():
            return
        self._waiting[at_ms, entity] = value
        self._kept[entity] = _Kept(at_ms, value)

    def _has_room(self) -> bool:
        if len(self._waiting) < MOST_WAITING:
            return True
        self.dropped += 1
        if self.dropped == 1:
            log.warning("More is reported than can be kept; some of it is not")
        return False

    async def _write_often(self) -> None:
        tidy_at_s, told = 0, False
        while True:
            await asyncio.sleep(self._config.write_every_s)
            now_s = int(self._clock().timestamp())
            try:
                await self._write()
                if now_s // STEPS_S[0] != tidy_at_s // STEPS_S[0]:
                    await self._tidying.tidy(now_s)
                    tidy_at_s = now_s
                told = False
            except StoreError as error:
                # What waits stays, up to its bound: the disk may have room again.  Said once:
                # a disk that is full for a night must not fill the log as well.
                log.log(logging.DEBUG if told else logging.WARNING, "%s", error.line())
                told = True

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, {}
        if not batch:
            return
        self._writing = batch
        samples = [(at_ms, entity, value) for (at_ms, entity), value in batch.items()]
        try:
            await self._store.write(lambda db: history_table.add(db, samples))
        except StoreError:
            self._waiting = batch | self._waiting
            raise
        finally:
            self._writing = {}
