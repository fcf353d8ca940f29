"""What a household usually watches at this hour.

One rule: a few decaying counts, never a history; what was watched on which day
cannot be read back from them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.media.lineup import ChannelId

HALF_LIFE_DAYS = 14
MAX_PER_HOUR = 8
SOON = timedelta(minutes=10)
"""Who turns to the news at seven does so a little before seven."""
UNSURE = 1.0
"""What one evening alone is not yet: a habit."""

_HOURS = 24
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class HabitRow:
    """One count, as it is kept.

    Attributes:
        hour: 0 to 23 of working days, 24 to 47 of weekends.
        channel: What was watched.
        weight: How often, older times counting less.
        day: The day (`datetime.date.toordinal`) on which it had that weight.
    """

    hour: int
    channel: ChannelId
    weight: float
    day: int


class Habits:
    """Counts by hour, on working days and at weekends apart; times are the household's own."""

    def __init__(self, rows: Iterable[HabitRow] = ()) -> None:
        self._rows: dict[int, dict[ChannelId, HabitRow]] = {}
        for row in rows:
            self._rows.setdefault(row.hour, {})[row.channel] = row

    @property
    def rows(self) -> tuple[HabitRow, ...]:
        """All counts, to be kept."""
        return tuple(row for hour in sorted(self._rows) for row in self._rows[hour].values())

    def watched(self, channel: ChannelId, at: datetime) -> None:
        """Count `channel` once for the hour of `at`."""
        hour, day = hour_of(at), at.toordinal()
        known = self._rows.setdefault(hour, {})
        before = known.get(channel)
        weight = 1.0 + (_weight(before, day) if before else 0.0)
        known[channel] = HabitRow(hour, channel, weight, day)
        if len(known) > MAX_PER_HOUR:
            del known[
                min((each for each in known if each != channel), key=lambda one: _rank(known[one], day))
            ]

    def likely(self, at: datetime) -> Mapping[ChannelId, float]:
        """Return how likely each channel is at that hour or the one about to begin, from 0 to 1."""
        shares: dict[ChannelId, float] = {}
        for moment in (at, at + SOON):
            day = moment.toordinal()
            known = self._rows.get(hour_of(moment), {})
            total = UNSURE + sum(_weight(row, day) for row in known.values())
            for channel, row in known.items():
                shares[channel] = max(shares.get(channel, 0.0), _weight(row, day) / total)
        return shares


def hour_of(at: datetime) -> int:
    """Return which count `at` belongs to."""
    return at.hour + (_HOURS if at.weekday() >= _SATURDAY else 0)


def _weight(row: HabitRow, day: int) -> float:
    return float(row.weight * 0.5 ** (max(0, day - row.day) / HALF_LIFE_DAYS))


def _rank(row: HabitRow, day: int) -> tuple[float, ChannelId]:
    return _weight(row, day), row.channel
