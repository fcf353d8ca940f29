"""What the child lock allows.

One rule: pure; nothing here knows the time or the screen but by what it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from gateway.media.lineup import ChannelId

CHANNEL_LOCKED = "TV-601"
TOO_OLD = "TV-602"
NOT_NOW = "TV-603"
ENOUGH_TODAY = "TV-604"
LOCK_CODES = frozenset({CHANNEL_LOCKED, TOO_OLD, NOT_NOW, ENOUGH_TODAY})

CLOCK_WORKS_FROM = date(2025, 1, 1)
"""A box without a clock of its own believes in an earlier year until the network tells it better."""


@dataclass(frozen=True, slots=True)
class Hours:
    """From when to when children may watch, local time; `stop` before `start` runs over midnight."""

    start: time
    stop: time

    def holds(self, moment: time) -> bool:
        """Tell whether `moment` lies within."""
        if self.start <= self.stop:
            return self.start <= moment < self.stop
        return moment >= self.start or moment < self.stop


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSettings:
    """What children may watch.

    Attributes:
        max_age: Programmes for older people are locked; None locks none.
        channels: Locked altogether.
        hours: None is always.
        minutes_a_day: None is as long as they like.
    """

    max_age: int | None = None
    channels: frozenset[ChannelId] = frozenset()
    hours: Hours | None = None
    minutes_a_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is so when somebody wants to watch.

    Attributes:
        age: Of the programme that is on, in years; 0 if nobody says.
        moment: Local wall time.
        watched_s: Today.
    """

    channel: ChannelId
    age: int
    moment: datetime
    watched_s: float


def verdict(settings: LockSettings, situation: Situation) -> str | None:
    """Return the code of the reason why this is locked, or None."""
    if situation.channel in settings.channels:
        return CHANNEL_LOCKED
    if not situation.channel and (settings.channels or settings.max_age is not None):
        return CHANNEL_LOCKED  # a recording of which nobody knows what it is
    if settings.hours is not None and not settings.hours.holds(situation.moment.time()):
        return NOT_NOW
    if settings.minutes_a_day is not None and situation.watched_s >= settings.minutes_a_day * 60:
        return ENOUGH_TODAY
    if settings.max_age is not None and situation.age > settings.max_age:
        return TOO_OLD
    return None


def day_to_charge(days: Mapping[date, float], today: date) -> date:
    """Return which day's account a minute belongs to.

    While the clock is not set yet, it is the newest day there is: pulling the plug must not
    make a new day.
    """
    if today >= CLOCK_WORKS_FROM or not days:
        return today
    return max(days)
