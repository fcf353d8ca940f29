"""How good a source has been lately, as one number.

One rule: measured, not guessed.  A source nobody has fetched from yet is good,
and what it did before it was left does not count when it is tried again.
"""

from collections import deque
from dataclasses import dataclass

KEPT = 12
MIN_JUDGED = 5
"""Fewer segments than this prove nothing."""

ENOUGH = 1.25
"""Throughput over bit rate from which a line has room to catch up."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one segment.

    Attributes:
        duration_s: Of its media.
        took_s: From the request to the last byte.
        size_bytes: What came.
        failed: It did not come at all.
    """

    duration_s: float
    took_s: float
    size_bytes: int
    failed: bool = False

    @property
    def late(self) -> bool:
        """Whether it took longer to come than to watch."""
        return self.failed or self.took_s > self.duration_s

    @property
    def slow(self) -> bool:
        """Whether time was what it lacked."""
        return self.took_s > self.duration_s

    @property
    def load(self) -> float:
        """Return the share of the media's time that fetching it took."""
        return self.took_s / max(self.duration_s, 0.001)


class Quality:
    """The last `KEPT` segments of one source."""

    def __init__(self) -> None:
        self._reports: deque[Report] = deque(maxlen=KEPT)

    def add(self, report: Report) -> None:
        """Take one more segment into account."""
        self._reports.append(report)

    @property
    def proven(self) -> bool:
        """Whether the score rests on enough segments."""
        return len(self._reports) >= MIN_JUDGED

    @property
    def score(self) -> float:
        """Return 0 (useless) to 1 (nothing to complain about).

        The share of segments in time, times the share that came at all, times
        how much of the needed throughput there is.
        """
        count = len(self._reports)
        if not count:
            return 1.0
        in_time = sum(not report.late for report in self._reports) / count
        came = [report for report in self._reports if not report.failed]
        if not came:
            return 0.0
        media_s = sum(report.duration_s for report in came)
        fetching_s = sum(report.took_s for report in came)
        room = min(1.0, media_s / max(fetching_s, 0.001) / ENOUGH)
        return in_time * (len(came) / count) * room
