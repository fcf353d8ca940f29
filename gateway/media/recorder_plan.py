"""Who records when.

One rule: pure; the same wishes give the same plan, and what is said first about
a wish holds: one programme before a series, what runs before both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from gateway.media.lineup import ChannelId


class Rank(IntEnum):
    """Who comes first when not all fit."""

    RUNNING = 0
    SINGLE = 1
    SERIES = 2


@dataclass(frozen=True, slots=True)
class Showing:
    """One time at which something is on; `programme` is its id in the guide, if it has one."""

    channel: ChannelId
    start: datetime
    stop: datetime
    programme: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to be recorded once, at the first of its showings that fits."""

    id: str
    rank: Rank
    showings: Sequence[Showing]


@dataclass(frozen=True, slots=True)
class Slot:
    """A showing that is recorded, from `begin` to `end`; what lies around the programme is padding."""

    showing: Showing
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how much around each programme if there is place."""

    at_once: int
    before: timedelta
    after: timedelta


def plan(wishes: Iterable[Wish], limits: Limits) -> Mapping[str, Slot | None]:
    """Return by the wish's id when it is recorded; None for a conflict.

    Padding never pushes anybody out: it is what is left over.
    """
    granted: dict[str, Showing] = {}
    refused: list[str] = []
    for wish in sorted(wishes, key=lambda wish: (wish.rank, wish.showings[0].start, wish.id)):
        taken = [(showing.start, showing.stop) for showing in granted.values()]
        fits = (each for each in wish.showings if _busiest(taken, each.start, each.stop) < limits.at_once)
        # What runs already has its place: nothing that comes later may end it.
        chosen = wish.showings[0] if wish.rank is Rank.RUNNING else next(fits, None)
        if chosen is None:
            refused.append(wish.id)
        else:
            granted[wish.id] = chosen
    slots: dict[str, Slot | None] = {
        name: Slot(showing, showing.start, showing.stop) for name, showing in granted.items()
    }
    for name, showing in granted.items():
        slots[name] = _padded(name, showing, slots, limits)
    return slots | dict.fromkeys(refused)


def _padded(wish: str, showing: Showing, slots: Mapping[str, Slot | None], limits: Limits) -> Slot:
    others = [(slot.begin, slot.end) for other, slot in slots.items() if other != wish and slot is not None]
    begin, end = showing.start - limits.before, showing.stop + limits.after
    if _busiest(others, begin, showing.start) >= limits.at_once:
        begin = max((stop for _, stop in others if begin < stop <= showing.start), default=showing.start)
        if _busiest(others, begin, showing.start) >= limits.at_once:
            begin = showing.start
    if _busiest(others, showing.stop, end) >= limits.at_once:
        end = min((start for start, _ in others if showing.stop <= start < end), default=showing.stop)
        if _busiest(others, showing.stop, end) >= limits.at_once:
            end = showing.stop
    return Slot(showing, begin, end)


def _busiest(taken: Sequence[tuple[datetime, datetime]], start: datetime, stop: datetime) -> int:
    """Return how many of `taken` go on at once at the busiest moment between `start` and `stop`."""
    here = [(first, last) for first, last in taken if first < stop and last > start]
    moments = [start, *(first for first, _ in here if first > start)]
    return max((sum(first <= moment < last for first, last in here) for moment in moments), default=0)
