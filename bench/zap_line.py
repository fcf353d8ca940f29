"""The line between origin and home, in numbers: round trips, slow start, a rate shared by all.

One rule: time is computed, never slept; whoever sends asks when each byte comes
out at the far end, so that the same bytes take the same time on any machine.

The model of TCP is the lossless one: a connection costs a round trip to open,
a request another; at most a window is under way, which begins at ten segments,
grows by what is acknowledged, and begins anew after a pause.
"""

from collections import deque
from dataclasses import dataclass

SEGMENT_BYTES = 1460
INITIAL_BYTES = 10 * SEGMENT_BYTES
MAX_WINDOW_BYTES = 4 * 1024 * 1024
QUANTUM_BYTES = 11 * SEGMENT_BYTES
"""Turns on the shared line: about 2.6 ms of 50 Mbit/s."""

MIN_TIMEOUT_S = 0.2
"""Linux's smallest retransmission time-out; after so long a pause a window begins anew (RFC 5681, 4.1)."""


@dataclass(frozen=True, slots=True)
class LineSpeed:
    """What the line is like."""

    rtt_s: float = 0.03
    rate_bps: float = 50e6


class Line:
    """The shared part: one bit after the other, in the order of asking."""

    def __init__(self, speed: LineSpeed) -> None:
        self.speed = speed
        self._free_at_s = 0.0

    def pass_through(self, size: int, ready_s: float) -> float:
        """Return when the last of `size` bytes, sent at `ready_s` in the far end's time, is out."""
        self._free_at_s = max(self._free_at_s, ready_s) + size * 8 / self.speed.rate_bps
        return self._free_at_s


class Connection:
    """One TCP connection; all times are those at the home's end."""

    def __init__(self, line: Line, connected_s: float) -> None:
        """Describe a connection whose first packet was sent at `connected_s`."""
        self._line = line
        self._open_s = connected_s + line.speed.rtt_s
        self._window = INITIAL_BYTES
        self._under_way: deque[tuple[float, int]] = deque()
        self._last_s = 0.0

    def asked(self, at_s: float) -> float:
        """Return when the first byte of the answer to a request of `at_s` can come."""
        first_s = max(at_s, self._open_s) + self._line.speed.rtt_s
        if first_s - self._last_s > MIN_TIMEOUT_S + self._line.speed.rtt_s:
            self._window = INITIAL_BYTES
            self._under_way.clear()
        return first_s

    def send(self, wanted: int, at_s: float) -> tuple[int, float]:
        """Send up to `wanted` bytes, not before `at_s`; return how many, and when they have come."""
        while True:
            while self._under_way and self._under_way[0][0] <= at_s:
                self._window = min(self._window + self._under_way.popleft()[1], MAX_WINDOW_BYTES)
            room = self._window - sum(size for _, size in self._under_way)
            if room > 0:
                break
            at_s = self._under_way[0][0]
        size = min(wanted, room, QUANTUM_BYTES)
        came_s = self._line.pass_through(size, at_s)
        # What answers the acknowledgement of these bytes comes a round trip after them.
        self._under_way.append((came_s + self._line.speed.rtt_s, size))
        self._last_s = came_s
        return size, came_s


def transfer_s(size: int, speed: LineSpeed, *, connected: bool = False) -> float:
    """Return how long `size` bytes take on a line of one's own, from the request to the last byte."""
    connection = Connection(Line(speed), -speed.rtt_s if connected else 0.0)
    at_s = came_s = connection.asked(0.0)
    while size > 0:
        sent, came_s = connection.send(size, at_s)
        size -= sent
    return came_s
