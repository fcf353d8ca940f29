"""Who is at a pull, how strongly, and whose pull ends when there are too many.

One rule: a stronger claim pushes out the weakest weaker one; an equal or a
stronger one is never pushed out.  There is one television, so that the channel
it comes from counts for little once it goes to another.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gateway.media.relay_facts import Weight

NOBODY = 0
FORMER_TV = Weight.WARM + 1
"""Where the television comes from is worth more than a guess where it may go."""

GRACE_S = 5.0
"""Between the request for a channel and the player's connection."""

PHONE_PAUSE_S = 20.0
"""A phone says nothing between two playlists."""

K = TypeVar("K")


class Claims:
    """Everybody who reads from one pull.

    Attributes:
        warm: Kept going though nobody reads.
        on_screen: Whether the television shows this channel; what its player reads of another
            one is only prepared, a guess.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Describe a pull nobody reads yet; `clock` is monotonic."""
        self.warm = False
        self.on_screen = True
        self._players = 0
        self._clock = clock
        self._streams: Counter[Weight] = Counter()
        self._asked: dict[Weight, float] = {}
        self._used_at = -1e9
        self._readers: dict[str, float] = {}

    @contextmanager
    def reading(self, weight: Weight) -> Iterator[None]:
        """Count a reader that stays, for as long as the block lasts."""
        self._streams[weight] += 1
        try:
            yield
        finally:
            self._streams[weight] -= 1
            self._used_at = self._clock()

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Count the box's own player, for as long as the block lasts."""
        self._players += 1
        try:
            yield
        finally:
            self._players -= 1
            self._used_at = self._clock()

    def used_by(self, reader: str, weight: Weight) -> None:
        """Count a single request; `reader` is any stable string, or empty."""
        self._used_at = self._asked[weight] = self._clock()
        if reader:
            self._readers[reader] = self._used_at

    def reader_count(self, idle_s: float) -> int:
        """Return how many read now or asked within `idle_s`."""
        now = self._clock()
        self._readers = {who: at for who, at in self._readers.items() if now - at < idle_s}
        return self._open + len(self._readers)

    def strength(self, newcomer: Weight, idle_s: float) -> int:
        """Return what a claim of the weight `newcomer` must exceed to take this place."""
        now = self._clock()
        held = {weight for weight, count in self._streams.items() if count}
        for weight, at in self._asked.items():
            # A phone says nothing between two playlists; the others connect and stay.
            if now - at < (idle_s if weight is Weight.PHONE else GRACE_S):
                held.add(weight)
        if self.warm:
            held.add(Weight.WARM)
        if self._players:
            held.add(Weight.TV if self.on_screen else Weight.WARM)
        if newcomer is Weight.TV and Weight.TV in held:
            held.remove(Weight.TV)
            return max([*held, FORMER_TV])
        return max(held, default=NOBODY)

    def left_s(self, idle_s: float) -> float:
        """Return how long the pull may go on without another request."""
        if self.warm or self._open:
            return idle_s
        return self._used_at + idle_s - self._clock()

    @property
    def is_awaited(self) -> bool:
        """Whether somebody wants to see it now: not a guess, not time-shift, not a recording."""
        phone_at = self._asked.get(Weight.PHONE, -1e9)
        return (
            self._streams[Weight.TV] > 0
            or self._streams[Weight.PHONE] > 0
            or (self._players > 0 and self.on_screen)
            or self._clock() - phone_at < GRACE_S
        )

    @property
    def is_guess(self) -> bool:
        """Whether nobody reads it nor is about to: a prepared player must not run dry either."""
        now = self._clock()
        held = {weight for weight, count in self._streams.items() if count}
        for weight, at in self._asked.items():
            if now - at < (PHONE_PAUSE_S if weight is Weight.PHONE else GRACE_S):
                held.add(weight)
        return held <= {Weight.WARM} and not self._players

    @property
    def age_key(self) -> tuple[bool, float]:
        """Orders equal claims: what is read from comes last, then what was used last."""
        return (self._open > 0, self._used_at)

    @property
    def _open(self) -> int:
        """How many readers stay."""
        return self._streams.total() + self._players


def weakest(claims: Iterable[tuple[K, Claims]], newcomer: Weight, idle_s: float) -> K | None:
    """Return whose place `newcomer` may take, or None."""
    ranked = [(each.strength(newcomer, idle_s), each.age_key, key) for key, each in claims]
    if not ranked:
        return None
    strength, _, key = min(ranked, key=lambda entry: entry[:2])
    return key if strength < newcomer else None
