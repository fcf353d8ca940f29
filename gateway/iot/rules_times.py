"""The time of day in rules: when one has come, and what lies between two.  Pure; the caller has the clocks.

One rule: what counts is the household's own clock, and each time comes once a
day: also on the days when clocks change, and when somebody sets the clock.  A
time that passed while nobody looked is not made up.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo

from gateway.iot.sun import SunEvent

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SUN_WORDS = frozenset(event.value for event in SunEvent)
SET_S = 90.0
"""By more than this a clock does not err: somebody set it, and nothing between then and now has passed."""

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def minutes_of(text: str) -> int:
    """Return the minutes since midnight of ``22:30``.

    Raises:
        ValueError: it is no time of day.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError('must be a time of day in quotes, as "22:30"')
    return int(found[1]) * 60 + int(found[2])


Sky = Callable[[SunEvent, date, tzinfo], datetime | None]
"""When the sun does something on a day of a zone; `None` on a day when it does not."""


def is_between(hours: Mapping[str, str], local: datetime, sky: Sky | None = None) -> bool:
    """Return whether `local` is from ``hours["from"]`` to before ``hours["to"]``, maybe over midnight.

    Either may be what the sun does that day by `sky`; where or when it does not do that, nothing is between.
    """
    begin, end = (_minutes_on(local, hours[name], sky) for name in ("from", "to"))
    if begin is None or end is None:
        return False
    now = local.hour * 60 + local.minute
    return begin <= now < end if begin <= end else now >= begin or now < end


def _minutes_on(local: datetime, text: str, sky: Sky | None) -> int | None:
    if text not in SUN_WORDS:
        return minutes_of(text)
    if sky is None or local.tzinfo is None:
        return None
    at = sky(SunEvent(text), local.date(), local.tzinfo)
    return None if at is None else at.hour * 60 + at.minute


class Watch:
    """Looks at the clock again and again, and tells what has passed since."""

    def __init__(self) -> None:
        self._looked: tuple[float, datetime] | None = None

    def passed(self, now_s: float, local: datetime) -> tuple[datetime, datetime] | None:
        """Return from after when to when the time went since the last look, as a clock on the wall shows it.

        Args:
            now_s: Of a monotonic clock.
            local: The same instant by the household's clock, timezone-aware.

        Returns:
            `None` at the first look, and when the clock was set or has gone back.
        """
        before, self._looked = self._looked, (now_s, local)
        if before is None:
            return None
        went_s = (local.astimezone(UTC) - before[1].astimezone(UTC)).total_seconds()
        if abs(went_s - (now_s - before[0])) > SET_S:
            return None
        begin, end = before[1].replace(tzinfo=None), local.replace(tzinfo=None)
        return (begin, end) if begin < end else None


class Solar:
    """One thing that the sun does, and how long before or after, on some days of the week."""

    def __init__(self, event: SunEvent, offset_s: float, days: tuple[str, ...], sky: Sky) -> None:
        self._event = event
        self._offset = timedelta(seconds=offset_s)
        self._days = days or DAYS
        self._sky = sky
        self._last: date | None = None

    def has_come(self, passed: tuple[datetime, datetime], zone: tzinfo) -> bool:
        """Return whether it came within `passed`, on the clocks of `zone`, for the first time that day."""
        # What is hours before or after may be on another day than the sun's.
        around = (passed[1].date() + timedelta(days=days) for days in (-1, 0, 1))
        for day in around:
            at = self._sky(self._event, day, zone)
            if at is None or day == self._last or DAYS[day.weekday()] not in self._days:
                continue
            if passed[0] < at.replace(tzinfo=None) + self._offset <= passed[1]:
                self._last = day
                return True
        return False


class Daily:
    """One time of day, on some days of the week."""

    def __init__(self, at: str, days: tuple[str, ...]) -> None:
        self._at = timedelta(minutes=minutes_of(at))
        self._days = days or DAYS
        self._last: date | None = None

    def has_come(self, passed: tuple[datetime, datetime]) -> bool:
        """Return whether it came within `passed`, for the first time that day."""
        for day in {passed[0].date(), passed[1].date()}:
            at = datetime.combine(day, datetime.min.time()) + self._at
            if passed[0] < at <= passed[1] and DAYS[day.weekday()] in self._days and day != self._last:
                self._last = day
                return True
        return False
