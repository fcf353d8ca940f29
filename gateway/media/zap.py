"""Which channels are likely to be next, and which of them are worth their price.

One rule: pure, and a guess never costs more than the budget; whoever watches
must not pay for what might be watched.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.media.lineup import ChannelId, LineUp
from gateway.media.zap_habit import Habits

CANDIDATES = 16
REMEMBERED = 8

# What each sign is worth.  Only their order matters much: a hand on the guide or on the
# digits says more than a row of steps, that more than going back, that more than the hour.
_FOCUS = 4.0
_DIGITS = 2.5
_WHOLE_NUMBER = 0.3
_ON = (1.2, 0.9)
_TURN_BACK = 0.35
_UP, _DOWN = 0.45, 0.35
_AND_BACK = 1.4
_LAST = 0.6
_LAST_IN_PASSING = 0.3
_SEEN = 0.12
_HOUR = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the household's hand is doing.

    Attributes:
        digits: The number being typed.
        focus: Where the guide's or the list's focus rests.
    """

    digits: str = ""
    focus: ChannelId | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What keeping one channel ready takes."""

    bandwidth_bps: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be taken for guesses altogether."""

    bandwidth_bps: int
    memory_bytes: int
    channels: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to keep ready.

    Attributes:
        warm: Channels to pull, the likeliest first.
        prepare: The one to decode already: the likeliest of them.
    """

    warm: tuple[ChannelId, ...] = ()

    @property
    def prepare(self) -> ChannelId | None:
        return self.warm[0] if self.warm else None


class Predictor:
    """Ranks the likely next channels by where the household comes from and what it does."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._path: deque[ChannelId] = deque(maxlen=REMEMBERED)

    def moved(self, channel: ChannelId) -> None:
        """Take in that `channel` is shown now."""
        if not self._path or self._path[-1] != channel:
            self._path.append(channel)

    def ranking(self, line_up: LineUp, hints: Hints, at: datetime) -> tuple[ChannelId, ...]:
        """Return the likely next channels, the likeliest first; never the present one.

        Args:
            line_up: What there is; others are never named.
            hints: See `Hints`.
            at: The household's own time.
        """
        scores: defaultdict[ChannelId, float] = defaultdict(float)
        for channel, score in (
            *self._by_path(line_up),
            *((channel, share * _HOUR) for channel, share in self._habits.likely(at).items()),
            # Who types a number is not about to step.
            *(_by_digits(line_up, hints.digits) if hints.digits else self._by_steps(line_up)),
            *(((hints.focus, _FOCUS),) if hints.focus is not None else ()),
        ):
            scores[channel] += score
        here = self._path[-1] if self._path else None
        known = [
            (-score, one.number, channel)
            for channel, score in scores.items()
            if channel != here and (one := line_up.by_id(channel)) is not None
        ]
        return tuple(channel for _, _, channel in sorted(known)[:CANDIDATES])

    def _by_steps(self, line_up: LineUp) -> Iterator[tuple[ChannelId, float]]:
        """Yield the neighbours; who walks on in one direction will walk on."""
        if not self._path or line_up.by_id(self._path[-1]) is None:
            return
        streak = _streak(self._path, line_up)
        way = 1 if streak >= 0 else -1
        ahead = ((way, _ON[0]), (2 * way, _ON[1]), (-way, _TURN_BACK)) if streak else ((1, _UP), (-1, _DOWN))
        for step, score in ahead:
            found = line_up.neighbour(self._path[-1], step)
            if found is not None:
                yield found.id, score

    def _by_path(self, line_up: LineUp) -> Iterator[tuple[ChannelId, float]]:
        """Yield where the household was before."""
        path = tuple(self._path)
        if len(path) > 1:
            to_and_fro = len(path) > 2 and path[-1] == path[-3]  # noqa: PLR2004 - there, and there again
            walking = _streak(self._path, line_up) != 0
            yield path[-2], _AND_BACK if to_and_fro else _LAST_IN_PASSING if walking else _LAST
        for channel in path[:-1]:
            yield channel, _SEEN


def afford(ranking: Sequence[ChannelId], cost: Callable[[ChannelId], Cost], budget: Budget) -> Plan:
    """Return as many of `ranking` as `budget` allows, the likeliest first.

    One that is too dear is left out, and the next one is tried.
    """
    taken: list[ChannelId] = []
    bandwidth, memory = budget.bandwidth_bps, budget.memory_bytes
    for channel in ranking:
        if len(taken) >= budget.channels:
            break
        price = cost(channel)
        if price.bandwidth_bps <= bandwidth and price.memory_bytes <= memory:
            taken.append(channel)
            bandwidth -= price.bandwidth_bps
            memory -= price.memory_bytes
    return Plan(tuple(taken))


def _by_digits(line_up: LineUp, digits: str) -> Iterator[tuple[ChannelId, float]]:
    """Yield the channels whose number begins so; a whole number may be all there is to come."""
    begun = digits.lstrip("0")
    for channel in line_up.channels if begun else ():
        number = str(channel.number)
        if number.startswith(begun):
            yield channel.id, _DIGITS + (_WHOLE_NUMBER if number == begun else 0.0)


def _streak(path: Sequence[ChannelId], line_up: LineUp) -> int:
    """Return how many steps in one direction were the last ones; negative if downwards."""
    streak = 0
    for before, after in zip(reversed(tuple(path)[:-1]), reversed(path), strict=False):
        step = _step(before, after, line_up)
        if step == 0 or step * streak < 0:
            break
        streak += step
    return streak


def _step(before: ChannelId, after: ChannelId, line_up: LineUp) -> int:
    for step in (1, -1):
        neighbour = line_up.neighbour(before, step)
        if neighbour is not None and neighbour.id == after and before != after:
            return step
    return 0
