"""What is kept of one channel, in the order it was on.

One rule: the order counts, never the clock, which may be set while a channel is on.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from gateway.media.reel import Reel
from gateway.media.reel_index import Entry
from gateway.media.relay_shelf import Piece

EXACTLY = timedelta(milliseconds=50)


class Frame:
    """One piece: in memory, or on a reel.

    Attributes:
        serial: Its place in the film.
        piece: Set while it is in memory.
        reel: Set when it lies there, at `entry`.
    """

    __slots__ = ("at", "continues", "duration_s", "entry", "number", "piece", "pull", "reel", "serial")

    def __init__(
        self, *, piece: Piece | None = None, reel: Reel | None = None, entry: Entry | None = None
    ) -> None:
        """Describe it; either `piece`, or `reel` and `entry`."""
        known = piece or entry
        if known is None:
            raise ValueError("a frame is somewhere")
        self.serial = 0
        self.piece, self.reel, self.entry = piece, reel, entry
        self.pull, self.number, self.continues = known.pull, known.number, known.continues
        self.at, self.duration_s = known.at, known.duration_s

    def lies(self, reel: Reel, entry: Entry) -> None:
        """It is on a reel now, and in memory no more."""
        self.reel, self.entry, self.piece = reel, entry, None


class Film:
    """See the module."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._by_number: dict[tuple[int, int], Frame] = {}
        self._next = 0

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """From when to when there is something, or None."""
        if not self._frames:
            return None
        last = self._frames[-1]
        return self._frames[0].at, last.at + timedelta(seconds=last.duration_s)

    def extend(self, frames: Iterable[Frame]) -> None:
        """Add what came next."""
        for frame in frames:
            frame.serial = self._next
            self._next += 1
            self._frames.append(frame)
            self._by_number[frame.pull, frame.number] = frame

    def by_number(self, pull: int, number: int) -> Frame | None:
        """Return that very piece, or None."""
        return self._by_number.get((pull, number))

    def since(self, at: datetime) -> int | None:
        """Return the serial of the first piece of which the greater part is after `at`, or None.

        Where a player can join: of a segment that is in parts, its beginning, unless `at` is just
        where a part begins, since that is what somebody asks for who has what was before.
        """
        for place, frame in enumerate(self._frames):
            if frame.at + timedelta(seconds=frame.duration_s / 2) >= at:
                exact = abs(frame.at - at) <= EXACTLY
                return frame.serial if exact else self._joinable(place)
        return None

    def _joinable(self, place: int) -> int | None:
        before = place
        while before > 0 and self._frames[before].continues:
            before -= 1
        if not self._frames[before].continues:
            return self._frames[before].serial
        later = (frame.serial for frame in self._frames[place:] if not frame.continues)
        return next(later, None)

    def following(self, serial: int) -> Frame | None:
        """Return the piece of that serial or, if it is gone, the next that is there."""
        place = bisect_left(self._frames, serial, key=lambda frame: frame.serial)
        return self._frames[place] if place < len(self._frames) else None

    def in_memory(self) -> Sequence[Frame]:
        """Return what is in no reel, oldest first."""
        return [frame for frame in self._frames if frame.piece is not None]

    def length_after_s(self, reel: Reel) -> float:
        """Return how much there is behind the last piece of `reel`."""
        total_s = 0.0
        for frame in reversed(self._frames):
            if frame.reel is reel:
                break
            total_s += frame.duration_s
        return total_s

    def trim_memory(self, most_bytes: int) -> None:
        """Drop the oldest in memory beyond `most_bytes`."""
        held = 0
        dropped: set[int] = set()
        for frame in reversed(self._frames):
            if frame.piece is None:
                continue
            held += len(frame.piece.data)
            if held > most_bytes:
                dropped.add(frame.serial)
        if dropped:
            self.forget(lambda frame: frame.serial in dropped)

    def forget(self, which: Callable[[Frame], bool]) -> None:
        """Drop pieces."""
        for frame in [frame for frame in self._frames if which(frame)]:
            self._by_number.pop((frame.pull, frame.number), None)
        self._frames = [frame for frame in self._frames if not which(frame)]
