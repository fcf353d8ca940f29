"""An endless transport stream, cut into pieces that each begin with a key frame.

One rule: pure.  Nothing is dropped or changed; each piece only gets the newest
tables in front, so that a player can begin with it.
"""

from dataclasses import dataclass

from gateway.media import ts

LEAST_S = 1.0
MOST_S = 6.0
EAGER = 2
"""The first pieces are short, wherever a picture begins: somebody is waiting for them."""

EAGER_S = 0.2
MAX_HELD = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cut:
    """One piece of the stream."""

    data: bytes
    duration_s: float


class Cutter:
    """Cuts one stream."""

    def __init__(self) -> None:
        self._held = b""
        self._rest = b""
        self._began_s: float | None = None
        self._first_pts: int | None = None
        self._tables: ts.Tables | None = None
        self._made = 0

    def feed(self, data: bytes, now_s: float) -> list[Cut]:
        """Take what arrived and return the pieces that are complete.

        Args:
            data: Any bytes of the stream, in order.
            now_s: Monotonic time of the arrival.
        """
        fresh = self._whole_packets(data)
        if not fresh:
            return []
        self._tables = ts.tables(fresh) or self._tables
        if self._began_s is None:
            self._begin_with(fresh, now_s)
            return []
        begin = len(self._held)
        self._held += fresh
        cuts: list[Cut] = []
        for offset, pts in self._joints(fresh):
            length_s = self._length_s(pts, now_s)
            if length_s >= self._least_s():
                at = begin + offset
                cuts.append(self._cut(at, length_s))
                begin -= at
                self._begin_piece(pts, now_s)
        if not cuts and (now_s - (self._began_s or now_s) >= MOST_S or len(self._held) > MAX_HELD):
            cuts.append(self._cut(len(self._held), now_s - (self._began_s or now_s)))
            self._begin_piece(None, now_s)
        return cuts

    def _begin_with(self, fresh: bytes, now_s: float) -> None:
        """Begin at the first key frame; what comes before it cannot be decoded."""
        frames = ts.key_frames(fresh)
        if self._tables is None:
            return
        if frames:
            self._held = fresh[frames[0].offset :]
            self._begin_piece(frames[0].pts, now_s)

    def _begin_piece(self, pts: int | None, now_s: float) -> None:
        self._first_pts, self._began_s = pts, now_s

    def _joints(self, fresh: bytes) -> list[tuple[int, int | None]]:
        joints = [(frame.offset, frame.pts) for frame in ts.key_frames(fresh)]
        if self._made >= EAGER:
            return joints
        return joints or [(offset, None) for offset in ts.unit_starts(fresh)[:1]]

    def _least_s(self) -> float:
        return LEAST_S if self._made >= EAGER else EAGER_S

    def _length_s(self, pts: int | None, now_s: float) -> float:
        arrived_s = now_s - (self._began_s or now_s)
        if pts is None or self._first_pts is None:
            return arrived_s
        seen_s = ts.difference(pts, self._first_pts) / ts.CLOCK_HZ
        return seen_s if 0 <= seen_s < 2 * MOST_S else arrived_s

    def _cut(self, at: int, length_s: float) -> Cut:
        data, self._held = self._held[:at], self._held[at:]
        if self._tables is not None and ts.tables(data[: 4 * ts.PACKET]) is None:
            data = self._tables.pat + self._tables.pmt + data
        self._made += 1
        return Cut(data, max(length_s, 0.04))

    def _whole_packets(self, data: bytes) -> bytes:
        """Return whole packets in step; a torn one is left out, not guessed at."""
        data = self._rest + data
        begin = 0
        while begin < len(data) and not _in_step(data, begin):
            begin = data.find(bytes([ts.SYNC]), begin + 1)
            if begin < 0:
                self._rest = b""
                return b""
        end = begin + (len(data) - begin) // ts.PACKET * ts.PACKET
        signs = data[begin : end : ts.PACKET]
        in_step = len(signs) - len(signs.lstrip(bytes([ts.SYNC])))
        end = begin + in_step * ts.PACKET
        self._rest = data[end:]
        return data[begin:end]


def _in_step(data: bytes, begin: int) -> bool:
    probe = data[begin : begin + 3 * ts.PACKET : ts.PACKET]
    return probe == bytes([ts.SYNC]) * len(probe)
