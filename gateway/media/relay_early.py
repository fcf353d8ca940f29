"""The first segment of a cold channel, handed on while it is still arriving.

One rule: only whole pictures of what is certain to be needed: an early part is
a beginning of the segment, never changed afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.media import ts

FIRST_S = 0.16
GROWTH = 2.0
"""Each part is longer than the one before: the player has something to play by then."""

LEAST_BYTES = 16 * 1024
LOOKED_SHARE = 32
"""It is looked at again when it has grown by this part of itself."""

SHORTEST_S = 1.0
"""Segments under this come soon enough."""


@dataclass(frozen=True, slots=True)
class Part:
    """A beginning of a segment, or what follows it.

    Attributes:
        duration_s: As its clocks say.
        before_s: How much of the segment went before.
    """

    data: bytes
    duration_s: float
    before_s: float = 0.0


class EarlyParts:
    """Cuts one segment while it arrives.

    Attributes:
        given: Bytes handed on.
        given_s: Media handed on.
    """

    def __init__(self, give: Callable[[Part], None]) -> None:
        """Describe a cutter; `give` takes each part."""
        self.given = 0
        self.given_s = 0.0
        self._give = give
        self._seen = b""
        self._next_s = FIRST_S
        self._looked = 0

    def arriving(self, body: bytes | bytearray) -> None:
        """Look at the `body` so far; a shorter one than before has begun anew."""
        if len(body) < self._looked + max(LEAST_BYTES, self._looked // LOOKED_SHARE):
            return
        self._looked = len(body)
        if body[: self.given] != self._seen:
            return
        rest = ts.aligned(bytes(body[self.given :]))
        if not self.given and not (ts.is_ts(rest) and ts.tables(rest) and ts.key_frames(rest)):
            return
        cut = _last_unit(rest)
        length_s = _span_s(rest[:cut])
        if cut and length_s >= self._next_s:
            part = Part(rest[:cut], length_s, self.given_s)
            self._seen += part.data
            self.given += cut
            self.given_s += length_s
            self._next_s *= GROWTH
            self._give(part)

    def rest(self, body: bytes, duration_s: float) -> Part | None:
        """Return what is left of the whole segment, or None if it does not go on with what was given."""
        if body[: self.given] != self._seen:
            return None
        return Part(body[self.given :], max(duration_s - self.given_s, 0.04), self.given_s)


def _last_unit(data: bytes) -> int:
    """Return where the last picture or sound of `data` begins, which is not complete yet."""
    starts = ts.unit_starts(data)
    return starts[-1] if starts else 0


def _span_s(data: bytes) -> float:
    clocks = ts.pcr_positions(data)
    if len(clocks) < 2:  # noqa: PLR2004 - a span has two ends
        return 0.0
    return ts.difference(ts.pcr(data, clocks[-1]), ts.pcr(data, clocks[0])) / ts.CLOCK_HZ
