"""Programmes the household wants to be told about, and the telling.

One rule: each is told once, shortly before it begins; through reboots, clocks that
jump, and guides that move the programme.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol

from gateway.errors import BadInputError, GatewayError
from gateway.media.epg import Programme
from gateway.media.guide_renewal import Loaded
from gateway.media.guide_words import series_of
from gateway.media.lineup import ChannelId
from gateway.pubsub import Publisher, Subscription
from gateway.schema import FieldError
from gateway.store import Store

log = logging.getLogger(__name__)

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE reminder (
        id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, start INTEGER NOT NULL,
        stop INTEGER NOT NULL, title TEXT NOT NULL, UNIQUE (channel, start)
    );
    """,
)

MAX_REMINDERS = 200
MOVED = timedelta(hours=2)
# A clock that is wrong at boot is set within minutes; until then nothing is over.
OVER_S = 600.0


class NoSuchReminderError(BadInputError):
    """There is no reminder with that id."""

    code: ClassVar[str] = "TV-111"
    hint = "It may have been told already; look at the list again."


class CannotRemindError(BadInputError):
    """The programme is not in the guide, or is over."""

    code: ClassVar[str] = "TV-112"
    hint = "Choose a programme that is still to come."


class TooManyRemindersError(BadInputError):
    """There are as many reminders as the box keeps."""

    code: ClassVar[str] = "TV-113"
    hint = "Delete some that are no longer wanted."


@dataclass(frozen=True, slots=True, kw_only=True)
class RemindersConfig:
    """The ``media.reminders`` section.

    Attributes:
        lead_s: How long before its beginning a programme is told.
        look_every_s: How soon a clock that was set is noticed.
    """

    lead_s: float = 60.0
    look_every_s: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.lead_s <= 3600:  # noqa: PLR2004 - an hour
            raise FieldError("lead_s", "must be 0 to 3600")
        if not 0 < self.look_every_s <= 60:  # noqa: PLR2004 - a minute
            raise FieldError("look_every_s", "must be over 0 and at most 60")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """One wish; `programme` is as the guide knew it last."""

    id: str
    programme: Programme


@dataclass(frozen=True, slots=True)
class ReminderDue:
    """It is time to tell the household; `Programme.start` may already lie behind."""

    reminder: Reminder


class Guide(Protocol):
    """See `gateway.media.epg.Guide`."""

    @property
    def changes(self) -> Publisher[Loaded]: ...
    async def programme(self, programme: str) -> Programme | None: ...
    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = ...
    ) -> Sequence[Programme]: ...


class Reminders:
    """See the module.

    Attributes:
        due: Every reminder, once, when its time has come.
        changes: The list is another one.
    """

    def __init__(
        self,
        store: Store,
        guide: Guide,
        config: RemindersConfig,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Describe the reminders.

        Args:
            store: Durable, with `MIGRATIONS`.
            guide: Knows the programmes, and says when they may have moved.
            config: Times.
            clock: The wall clock, which may jump.
        """
        self.due: Publisher[ReminderDue] = Publisher()
        self.changes: Publisher[tuple[Reminder, ...]] = Publisher()
        self._store = store
        self._guide = guide
        self._config = config
        self._clock = clock
        self._kept: dict[str, Reminder] = {}
        self._over_since: dict[str, float] = {}
        self._woken = asyncio.Event()

    @property
    def reminders(self) -> tuple[Reminder, ...]:
        """All that are still to be told, or were just missed; soonest first."""
        return tuple(sorted(self._kept.values(), key=lambda one: (one.programme.start, one.id)))

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        rows = await self._store.read(_all)
        self._kept = {each.id: each for each in map(_reminder, rows)}
        with self._guide.changes.subscribe() as loads:
            ready()
            await self._follow()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell(), name="reminders")
                group.create_task(self._refresh(loads), name="reminders and the guide")

    async def add(self, programme: str) -> Reminder:
        """Remind of the programme with that id; of one that is reminded of already, again the same.

        Raises:
            CannotRemindError: the guide does not know it, or it is over.
            TooManyRemindersError: the list is full.
        """
        wanted = await self._guide.programme(programme)
        if wanted is None:
            raise CannotRemindError("The guide has no such programme")
        if wanted.stop <= self._clock():
            raise CannotRemindError("That programme is over")
        for one in self._kept.values():
            if (one.programme.channel, one.programme.start) == (wanted.channel, wanted.start):
                return one
        if len(self._kept) >= MAX_REMINDERS:
            raise TooManyRemindersError(f"There are {MAX_REMINDERS} reminders already")
        number = await self._store.write(lambda db: _insert(db, wanted))
        kept = self._kept.setdefault(str(number), Reminder(id=str(number), programme=wanted))
        self._changed()
        return kept

    async def delete(self, reminder: str) -> None:
        """Forget a reminder.

        Raises:
            NoSuchReminderError: there is none with that id.
        """
        if reminder not in self._kept:
            raise NoSuchReminderError(f"There is no reminder {reminder}")
        await self._store.write(lambda db: _delete(db, reminder))
        self._kept.pop(reminder, None)
        self._changed()

    def _changed(self) -> None:
        self._woken.set()
        self.changes.publish(self.reminders)

    async def _tell(self) -> None:
        lead = timedelta(seconds=self._config.lead_s)
        while True:
            self._woken.clear()
            now = self._clock()
            for one in self.reminders:
                if one.programme.stop <= now:
                    if time.monotonic() - self._over_since.setdefault(one.id, time.monotonic()) > OVER_S:
                        await self._take(one, tell=False)
                elif one.programme.start - lead <= now:
                    await self._take(one, tell=True)
                else:
                    self._over_since.pop(one.id, None)
            await self._until_next(lead)

    async def _take(self, one: Reminder, *, tell: bool) -> None:
        self._over_since.pop(one.id, None)
        # Off the disk first: told twice after a power cut would be worse than a cut in that instant.
        await self._store.write(lambda db: _delete(db, one.id))
        if self._kept.pop(one.id, None) is not None:
            if tell:
                self.due.publish(ReminderDue(one))
            self.changes.publish(self.reminders)

    async def _until_next(self, lead: timedelta) -> None:
        pause_s = self._config.look_every_s
        now = self._clock()
        for one in self._kept.values():
            if one.programme.stop > now:
                left = one.programme.start - lead - now
                pause_s = min(pause_s, max(left.total_seconds(), 0.0) + 0.001)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._woken.wait()

    async def _refresh(self, loads: Subscription[Loaded]) -> None:
        async for _ in loads:
            await self._follow()

    async def _follow(self) -> None:
        """Look where the guide has moved the programmes to."""
        for one in self.reminders:
            try:
                found = await self._where(one.programme)
            except GatewayError as error:
                log.warning("%s", error.line())
                return
            if found is not None and found != one.programme and one.id in self._kept:
                await self._store.write(lambda db, new=found, old=one.id: _move(db, old, new))  # type: ignore[misc]
                if one.id in self._kept:
                    self._kept[one.id] = Reminder(id=one.id, programme=found)
                    self._changed()

    async def _where(self, programme: Programme) -> Programme | None:
        """Return `programme` as the guide has it now; None if it has nothing like it near that time."""
        start, stop = programme.start - MOVED, programme.start + MOVED + timedelta(seconds=1)
        near = await self._guide.programmes(start, stop, programme.channel)
        taken = {
            one.programme.start for one in self._kept.values() if one.programme.channel == programme.channel
        }
        same = [
            each
            for each in near
            if abs(each.start - programme.start) <= MOVED
            and series_of(each.title) == series_of(programme.title)
            and (each.start == programme.start or each.start not in taken)
        ]
        return min(
            same,
            # The same episode, wherever it went, rather than another one at the old time.
            key=lambda each: (each.title != programme.title, abs(each.start - programme.start)),
            default=None,
        )


_Row = tuple[int, str, int, int, str]


def _all(db: sqlite3.Connection) -> list[_Row]:
    return db.execute("SELECT id, channel, start, stop, title FROM reminder").fetchall()


def _reminder(row: _Row) -> Reminder:
    number, channel, start, stop, title = row
    programme = Programme(
        id=f"{channel}.{start}",
        channel=ChannelId(channel),
        start=datetime.fromtimestamp(start, UTC),
        stop=datetime.fromtimestamp(stop, UTC),
        title=title,
    )
    return Reminder(id=str(number), programme=programme)


def _times(programme: Programme) -> tuple[int, int]:
    return int(programme.start.timestamp()), int(programme.stop.timestamp())


def _insert(db: sqlite3.Connection, programme: Programme) -> int:
    row = (programme.channel, *_times(programme), programme.title)
    change = (
        "INSERT INTO reminder (channel, start, stop, title) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (channel, start) DO UPDATE SET stop = excluded.stop, title = excluded.title RETURNING id"
    )
    return int(db.execute(change, row).fetchone()[0])


def _move(db: sqlite3.Connection, reminder: str, programme: Programme) -> None:
    change = "UPDATE OR REPLACE reminder SET start = ?, stop = ?, title = ? WHERE id = ?"
    db.execute(change, (*_times(programme), programme.title, int(reminder)))


def _delete(db: sqlite3.Connection, reminder: str) -> None:
    db.execute("DELETE FROM reminder WHERE id = ?", (int(reminder),))
