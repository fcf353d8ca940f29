"""The child lock: a PIN, and what may be watched without it.

One rule: whatever the box was told holds after a power cut, after a change of
the clock, and while the guide is being renewed.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Protocol

from gateway.errors import BadInputError
from gateway.media.epg import NowNext
from gateway.media.household import HouseholdState
from gateway.media.lineup import Channel, ChannelId
from gateway.media.lock_memory import LockMemory, PinDigest
from gateway.media.lock_rules import LockSettings, Situation, day_to_charge, verdict
from gateway.media.tv_facts import Picture, TvState
from gateway.pubsub import Publisher

LOOK_EVERY_S = 5.0
WRITE_EVERY_S = 60.0
OPEN_FOR_S = 2 * 3600.0
FREE_TRIES = 5
WAIT_S = 300.0


class WrongPinError(BadInputError):
    """The PIN is not the one."""

    code: ClassVar[str] = "TV-605"
    hint = "Try again; after five wrong ones the box waits five minutes."


class PinWaitError(BadInputError):
    """The PIN was wrong too often."""

    code: ClassVar[str] = "TV-606"
    hint = "Wait five minutes, then try again."


class LockHoldsError(BadInputError):
    """A child may not change who is watching, nor the lock."""

    code: ClassVar[str] = "TV-608"
    hint = "Type the PIN first."


class NoPinError(BadInputError):
    """There is no lock that could be opened."""

    code: ClassVar[str] = "TV-607"
    hint = "Set a PIN for the child lock first."


class Household(Protocol):
    """See `gateway.media.household.Household`."""

    @property
    def state(self) -> HouseholdState: ...
    @property
    def changes(self) -> Publisher[HouseholdState]: ...


class Guide(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def now(
        self, channels: Iterable[ChannelId], at: datetime | None = None
    ) -> Mapping[ChannelId, NowNext]: ...


class Set(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvState: ...
    @property
    def changes(self) -> Publisher[TvState]: ...


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is.

    Attributes:
        local_now: Wall time with the house's time zone.
        monotonic_s: Seconds that never go back.
    """

    local_now: Callable[[], datetime] = lambda: datetime.now().astimezone()
    monotonic_s: Callable[[], float] = time.monotonic


class ChildLock:
    """Decides what may be watched; a service.

    Attributes:
        changes: What was decided may be different now.
    """

    def __init__(
        self,
        memory: LockMemory,
        household: Household,
        guide: Guide,
        clocks: Clocks = Clocks(),
    ) -> None:
        """Describe a lock.

        Args:
            memory: What survives.
            household: Who is watching.
            guide: For whom programmes are fit.
            clocks: What time it is.
        """
        self.changes: Publisher[None] = Publisher()
        self._memory = memory
        self._household = household
        self._guide = guide
        self._local_now = clocks.local_now
        self._clock = clocks.monotonic_s
        self._pin: PinDigest | None = None
        self._settings = LockSettings()
        self._wrong_pins = 0
        self._wait_until_s = 0.0
        self._open_until_s: float | None = None
        self._days: dict[date, float] = {}
        self._trying = asyncio.Lock()

    @property
    def has_pin(self) -> bool:
        """Whether there is a lock at all."""
        return self._pin is not None

    @property
    def settings(self) -> LockSettings:
        """What children may watch."""
        return self._settings

    @property
    def open_for_s(self) -> float | None:
        """For how long the PIN has opened it yet; None while it is closed."""
        left_s = self._open_until_s - self._clock() if self._open_until_s is not None else 0.0
        return left_s if left_s > 0 else None

    @property
    def minutes_left(self) -> int | None:
        """What is left of today; None without a limit."""
        if self._settings.minutes_a_day is None:
            return None
        return max(0, round(self._settings.minutes_a_day - self._watched_s() / 60))

    def holds(self) -> bool:
        """Whether the lock applies to whoever is watching now."""
        household = self._household.state
        member = household.member(household.current)
        return self.has_pin and self.open_for_s is None and (member is None or member.child)

    async def verdict(self, channel: Channel, at: datetime | None = None) -> str | None:
        """Return the code of the reason why `channel` is locked, or None.

        Args:
            channel: Of the line-up.
            at: The instant of it that is wanted; None for the present.

        Raises:
            GuideError: the guide cannot be asked for whom the programme is.
        """
        return await self._judged(channel.id, at) if self.holds() else None

    async def verdict_recorded(self, channel: ChannelId, at: datetime, age: int) -> str | None:
        """Return the code of the reason why a recording is locked, or None.

        Args:
            channel: It was on; empty if nobody knows.
            at: When.
            age: Kept with it: the guide forgets after some days.

        Raises:
            GuideError: the guide cannot be asked for whom the programme was.
        """
        return await self._judged(channel, at, age) if self.holds() else None

    async def verdict_elsewhere(
        self, channel: ChannelId, at: datetime | None = None, *, age: int = 0
    ) -> str | None:
        """Return the code of the reason why `channel` is locked on another screen than the box's own.

        Who holds a phone is not known, whoever sits before the television: there the lock holds
        unless the PIN has opened it.

        Args:
            channel: Of the line-up, or once recorded from it.
            at: The instant of it that is wanted; None for the present.
            age: What is known of it besides the guide.

        Raises:
            GuideError: the guide cannot be asked for whom the programme is.
        """
        return await self._judged(channel, at, age) if self.has_pin and self.open_for_s is None else None

    async def put(self, settings: LockSettings, *, pin: str, new_pin: str | None = None) -> None:
        """Set what children may watch.

        Args:
            settings: From now on.
            pin: The present one, or the first ever.
            new_pin: Replaces it.

        Raises:
            WrongPinError, PinWaitError: `pin` is not the present one.
            StoreError: it could not be kept; nothing has changed.
        """
        digest = self._pin
        if digest is not None:
            await self._check(pin)
        if digest is None or new_pin is not None:
            digest = await asyncio.to_thread(PinDigest.of, new_pin or pin)
        await self._memory.save(digest, settings)
        self._pin, self._settings, self._wrong_pins = digest, settings, 0
        self.changes.publish(None)

    async def open(self, pin: str) -> None:
        """Let everything be watched for a while.

        Raises:
            NoPinError: there is no lock.
            WrongPinError, PinWaitError: this is not the PIN.
        """
        if self._pin is None:
            raise NoPinError("There is no child lock")
        await self._check(pin)
        self._open_until_s = self._clock() + OPEN_FOR_S
        self.changes.publish(None)

    def close(self) -> None:
        """Lock again, before the time is over."""
        if self._open_until_s is not None:
            self._open_until_s = None
            self.changes.publish(None)

    async def load(self) -> None:
        """Know what was set before.

        Raises:
            StoreError: the store cannot be read.
        """
        kept = await self._memory.load()
        self._pin, self._settings, self._days = kept.pin, kept.settings, dict(kept.days)
        self._wrong_pins = kept.wrong_pins
        if self._wrong_pins >= FREE_TRIES:  # pulling the plug does not shorten the wait
            self._wait_until_s = self._clock() + WAIT_S
        self.changes.publish(None)

    def count(self, watched_s: float) -> date:
        """Add to today's account; return which day that was."""
        day = self._today()
        self._days[day] = self._days.get(day, 0.0) + watched_s
        return day

    async def write(self, day: date) -> None:
        """Keep the account of `day`."""
        await self._memory.charge(day, self._days.get(day, 0.0))

    async def _judged(self, channel: ChannelId, at: datetime | None, age: int = 0) -> str | None:
        now = self._local_now()
        if self._settings.max_age is not None:
            on = (await self._guide.now([channel], at or now)).get(channel)
            age = max(age, on.now.age if on is not None and on.now is not None else 0)
        situation = Situation(channel=channel, age=age, moment=now, watched_s=self._watched_s())
        return verdict(self._settings, situation)

    def _today(self) -> date:
        return day_to_charge(self._days, self._local_now().date())

    def _watched_s(self) -> float:
        return self._days.get(self._today(), 0.0)

    async def _check(self, pin: str) -> None:
        async with self._trying:
            if self._clock() < self._wait_until_s:
                raise PinWaitError("The PIN was wrong too often")
            digest = self._pin
            if digest is not None and await asyncio.to_thread(digest.matches, pin):
                if self._wrong_pins:
                    await self._memory.count_wrong(0)
                self._wrong_pins = 0
                return
            self._wrong_pins += 1
            # Counted on the disk before it is answered, so that a power cut is no new try.
            await self._memory.count_wrong(self._wrong_pins)
            if self._wrong_pins >= FREE_TRIES:
                self._wait_until_s = self._clock() + WAIT_S
            raise WrongPinError("This is not the PIN")


class LockService:
    """Watches over what is watched."""

    def __init__(self, lock: ChildLock, tv: Set) -> None:
        self._lock = lock
        self._tv = tv
        self._decided: str | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""
        lock = self._lock
        await lock.load()
        ready()
        counted_s, unwritten_s = time.monotonic(), 0.0
        day: date | None = None
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                passed_s, counted_s = time.monotonic() - counted_s, time.monotonic()
                if self._tv.state.picture is Picture.IDLE:
                    lock.close()  # whoever switches on next is somebody else
                elif self._tv.state.picture is Picture.PLAYING and lock.holds():
                    day = lock.count(passed_s)
                    unwritten_s += passed_s
                if day is not None and unwritten_s >= WRITE_EVERY_S:
                    await lock.write(day)
                    unwritten_s = 0.0
                await self._tell_if_different()
        finally:
            if day is not None and unwritten_s:
                await asyncio.shield(lock.write(day))

    async def _tell_if_different(self) -> None:
        state = self._tv.state
        decided = await self._lock.verdict(state.channel, state.position) if state.channel else None
        if decided != self._decided:
            self._decided = decided
            self._lock.changes.publish(None)
