"""Whether a transport stream segment joins on to the one before it, whatever its playlist says.

One rule: pure, and only the front of a segment is looked at.  Origins change
codec, resolution or clock without a word; players need the word.
"""

from dataclasses import dataclass

from gateway.media import ts

FRONT = 400 * ts.PACKET
MAX_JUMP_S = 3.0
SECTION_HEAD = 6
"""Of a programme map, up to and with its version (ISO 13818-1 section 2.4.4.8)."""

CRC = 4


@dataclass(frozen=True, slots=True)
class Front:
    """What the beginning of a segment says.

    Attributes:
        programme: Body of its PMT, without the version; empty if it is not there (yet).
        clock: First clock reference, 90 kHz, or None.
        duration_s: Of the segment.
    """

    programme: bytes
    clock: int | None
    duration_s: float


def front(data: bytes, duration_s: float) -> Front:
    """Return what the beginning of the segment `data` says."""
    begin = ts.aligned(data[:FRONT])
    found = ts.tables(begin)
    clocks = ts.pcr_positions(begin)
    programme = ts.section_bytes(found.pmt)[SECTION_HEAD:-CRC] if found else b""
    return Front(programme, ts.pcr(begin, clocks[0]) if clocks else None, duration_s)


def joins(before: Front, after: Front) -> bool:
    """Tell whether `after` goes on where `before` ends: same programme, and a clock that just ran on.

    A clock that wraps at 33 bits has run on.
    """
    if before.programme and after.programme and before.programme != after.programme:
        return False
    if before.clock is None or after.clock is None:
        return True
    step_s = ts.difference(after.clock, before.clock) / ts.CLOCK_HZ
    return abs(step_s - before.duration_s) < MAX_JUMP_S + before.duration_s / 2
