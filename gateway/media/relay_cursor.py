"""What is new in a media playlist.

One rule: pure, and each segment is taken once, however the origin counts.
"""

from collections import deque
from datetime import datetime, timedelta

from gateway.media.hls import MediaPlaylist, Segment

MAX_REMEMBERED = 64
MAX_LAG = 3
"""A variant's list may be so many segments behind another's."""

FAR_BEHIND = timedelta(minutes=5)


class Cursor:
    """Which segments of one playlist have been taken.  Pure.

    Outlives a re-resolved address, because the segments stay the same ones.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._date: datetime | None = None
        self._seen: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self._back_at: int | None = None
        self._duration_s = 0.0
        self._moved = self._by_number = False

    def elsewhere(self, *, by_number: bool) -> None:
        """Prepare for another list of the same programme.

        Args:
            by_number: It probably counts its segments alike, as the variants of one origin do.
        """
        self._moved, self._by_number = self._last is not None, by_number

    def after(self, date: datetime, duration_s: float) -> None:
        """Begin after a segment of that date and duration, if the list tells dates."""
        self._last, self._date, self._duration_s = 0, date, duration_s
        self.elsewhere(by_number=False)

    def fresh(self, playlist: MediaPlaylist, *, start: int, most: int) -> tuple[list[Segment], bool]:
        """Return what is new, oldest first, and whether there is a gap before it.

        Args:
            playlist: As it is now.
            start: How many of the newest to begin with.
            most: With more new ones than this, the oldest are not worth fetching any more.
        """
        segments = list(playlist.segments)
        if not segments:
            return [], False
        if self._moved:
            return self._joined(segments, start)
        newest = segments[-1].sequence
        if self._last is None:
            return segments[-start:], False
        if newest >= self._last:
            self._back_at = None
            new = [segment for segment in segments if segment.sequence > self._last]
            late = bool(new) and (new[0].sequence > self._last + 1 or len(new) > most)
            return (new if len(new) <= most else new[-start:]), late
        return self._after_going_back(segments, start)

    def took(self, segment: Segment) -> None:
        """Remember that `segment` needs no second look, fetched or skipped."""
        self._last = segment.sequence
        self._duration_s = segment.duration_s
        self._date = segment.program_date
        self._seen.append(_identity(segment))

    def _joined(self, segments: list[Segment], start: int) -> tuple[list[Segment], bool]:
        """Find the place in another list, by date or else by number; without either begin anew."""
        last, date = self._last or 0, self._date
        dated = [(s, s.program_date) for s in segments if s.program_date is not None]
        if date is not None and len(dated) == len(segments):
            half = timedelta(seconds=self._duration_s / 2)
            new = [segment for segment, at in dated if at > date + half]
            late = dated[0][1] > date + 3 * half
            if not new and dated[-1][1] < date - FAR_BEHIND:
                new, late = segments[-start:], True  # another clock altogether
        elif self._by_number and segments[0].sequence <= last + 1 and segments[-1].sequence >= last - MAX_LAG:
            new, late = [segment for segment in segments if segment.sequence > last], False
        else:
            new, late = segments[-start:], True
        if new:
            self._moved = False
            self._last = new[0].sequence - 1
            self._seen.clear()
        return new, late and bool(new)

    def _after_going_back(self, segments: list[Segment], start: int) -> tuple[list[Segment], bool]:
        newest = segments[-1]
        moving = self._back_at is not None and newest.sequence > self._back_at
        self._back_at = newest.sequence
        if _identity(newest) in self._seen and not moving:
            return [], False  # an old copy from some cache on the way: the next one will be newer
        known = [at for at, segment in enumerate(segments) if _identity(segment) in self._seen]
        if known and not moving:
            return segments[known[-1] + 1 :], False
        date = self._date
        later = [s for s in segments if date and s.program_date and s.program_date > date]
        return (later or segments)[-start:], True


def _identity(segment: Segment) -> str:
    # Without the query: a new token does not make it another segment.
    part = segment.byte_range
    return f"{segment.uri.partition('?')[0]}@{part.offset if part else 0}"
