"""Moves a segment in time: MPEG-TS and fragmented MP4, without touching what is coded.

One rule: only clocks and counters change (PTS, DTS, PCR, continuity counter;
tfdt, sidx, mfhd), so a loop can follow itself for ever and a player sees one
endless stream.  Pure functions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

PACKET_BYTES = 188
CLOCK_HZ = 90_000
WRAP = 1 << 33

_SYNC = 0x47
_PES_PREFIX = b"\x00\x00\x01"
_WITHOUT_HEADER = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})
_VIDEO_IDS = range(0xE0, 0xF0)
_AUDIO_IDS = range(0xC0, 0xE0)
_CONTAINERS = frozenset({b"moof", b"traf", b"moov", b"trak", b"mdia"})
_BOX_BYTES = 8


class DamagedSegmentError(ValueError):
    """The bytes are not what they should be."""


@dataclass(frozen=True, slots=True)
class TsFacts:
    """What has to be known of a TS segment to move it.

    Attributes:
        first_pts: Earliest presentation time of its pictures, or of its sound if it has none.
        packets: Packets with payload, per PID.
    """

    first_pts: int
    packets: Mapping[int, int]


def ts_facts(data: bytes) -> TsFacts:
    """Read `data`, whole packets of MPEG-TS.

    Raises:
        DamagedSegmentError: not MPEG-TS, or without any time.
    """
    packets: Counter[int] = Counter()
    video: list[int] = []
    audio: list[int] = []
    for at in _packets(data):
        if data[at + 3] & 0x10:
            packets[(data[at + 1] & 0x1F) << 8 | data[at + 2]] += 1
        pes = _pes_with_time(data, at)
        if pes is None:
            continue
        if data[pes + 3] in _VIDEO_IDS:
            video.append(_read_time(data, pes + 9))
        elif data[pes + 3] in _AUDIO_IDS:
            audio.append(_read_time(data, pes + 9))
    if not video and not audio:
        raise DamagedSegmentError("no presentation time in the segment")
    return TsFacts(min(video or audio), dict(packets))


def retime_ts(data: bytes, shift: int, counters: Mapping[int, int]) -> bytes:
    """Return `data` moved by `shift` ticks of 1/90000 s.

    Args:
        data: Whole packets of MPEG-TS.
        shift: Added to every PTS, DTS and PCR, modulo 2^33.
        counters: Added to the continuity counter, per PID.

    Raises:
        DamagedSegmentError: not MPEG-TS.
    """
    out = bytearray(data)
    steps = {pid: step & 0x0F for pid, step in counters.items() if step & 0x0F}
    for at in _packets(data):
        step = steps.get((data[at + 1] & 0x1F) << 8 | data[at + 2])
        if step:
            flags = data[at + 3]
            out[at + 3] = flags & 0xF0 | (flags + step) & 0x0F
        if data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x10:
            _move_pcr(out, at + 6, shift)
        pes = _pes_with_time(data, at)
        if pes is not None:
            _move_time(out, pes + 9, shift)
            if data[pes + 7] & 0x40:
                _move_time(out, pes + 14, shift)
    return bytes(out)


def timescales(init: bytes) -> dict[int, int]:
    """Return ticks per second of each track of an MP4 initialisation segment."""
    found: dict[int, int] = {}
    track = 0
    for kind, start, _ in _boxes(init, 0, len(init)):
        if kind == b"tkhd":
            track = int.from_bytes(init[start + (20 if init[start] else 12) :][:4])
        elif kind == b"mdhd":
            found[track] = int.from_bytes(init[start + (20 if init[start] else 12) :][:4])
    return found


def retime_mp4(data: bytes, shift_s: int, scales: Mapping[int, int], sequence: int) -> bytes:
    """Return the media segment `data` moved by `shift_s` seconds.

    Args:
        data: One or more ``moof`` + ``mdat``, perhaps with ``styp`` and ``sidx``.
        shift_s: Added to every decode time.
        scales: Ticks per second, per track.
        sequence: Put into ``mfhd``; grows from segment to segment.

    Raises:
        DamagedSegmentError: a box is larger than its surroundings, or of an unknown track.
    """
    out = bytearray(data)
    track = 0
    for kind, start, _ in _boxes(data, 0, len(data)):
        if kind == b"mfhd":
            out[start + 4 : start + 8] = (sequence & 0xFFFFFFFF).to_bytes(4)
        elif kind == b"tfhd":
            track = int.from_bytes(data[start + 4 : start + 8])
        elif kind == b"tfdt":
            if track not in scales or data[start] != 1:
                raise DamagedSegmentError(f"track {track} has no 64-bit decode time")
            _add(out, start + 4, 8, shift_s * scales[track])
        elif kind == b"sidx":
            scale = int.from_bytes(data[start + 8 : start + 12])
            _add(out, start + 12, 8 if data[start] else 4, shift_s * scale)
    return bytes(out)


def _packets(data: bytes) -> range:
    if not data or len(data) % PACKET_BYTES:
        raise DamagedSegmentError(f"{len(data)} bytes are not whole packets")
    if data[::PACKET_BYTES].count(_SYNC) != len(data) // PACKET_BYTES:
        raise DamagedSegmentError("a packet does not begin with the sync byte")
    return range(0, len(data), PACKET_BYTES)


def _pes_with_time(data: bytes, at: int) -> int | None:
    """Return where a PES header with a PTS begins in the packet at `at`."""
    flags = data[at + 3]
    if not (data[at + 1] & 0x40 and flags & 0x10):
        return None
    start = at + 4 + (data[at + 4] + 1 if flags & 0x20 else 0)
    if data[start : start + 3] != _PES_PREFIX or data[start + 3] in _WITHOUT_HEADER:
        return None
    return start if data[start + 7] & 0x80 else None


def _read_time(data: bytes | bytearray, at: int) -> int:
    return (
        (data[at] >> 1 & 0x07) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def _move_time(out: bytearray, at: int, shift: int) -> None:
    time = (_read_time(out, at) + shift) % WRAP
    out[at] = out[at] & 0xF1 | (time >> 29) & 0x0E
    out[at + 1] = (time >> 22) & 0xFF
    out[at + 2] = (time >> 14) & 0xFE | 1
    out[at + 3] = (time >> 7) & 0xFF
    out[at + 4] = (time << 1) & 0xFE | 1


def _move_pcr(out: bytearray, at: int, shift: int) -> None:
    base = (int.from_bytes(out[at : at + 4]) << 1 | out[at + 4] >> 7) + shift
    base %= WRAP
    out[at : at + 4] = (base >> 1).to_bytes(4)
    out[at + 4] = (base & 1) << 7 | out[at + 4] & 0x7F


def _add(out: bytearray, at: int, size: int, amount: int) -> None:
    value = int.from_bytes(out[at : at + size]) + amount
    out[at : at + size] = (value % (1 << 8 * size)).to_bytes(size)


def _boxes(data: bytes, at: int, end: int) -> list[tuple[bytes, int, int]]:
    """Return kind, start of content and end of every box, containers opened, in file order."""
    found: list[tuple[bytes, int, int]] = []
    while at + _BOX_BYTES <= end:
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size < _BOX_BYTES or at + size > end:
            raise DamagedSegmentError(f"box {kind!r} of {size} bytes does not fit")
        if kind in _CONTAINERS:
            found += _boxes(data, at + _BOX_BYTES, at + size)
        else:
            found.append((kind, at + _BOX_BYTES, at + size))
        at += size
    return found
