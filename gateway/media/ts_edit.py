"""Small changes to transport stream packets: clocks, times, versions, counters.

One rule: a change never moves a byte.  It is a list of places and what to put
there, so that a segment of 10 MB is copied once, in chunks, as it is sent.
"""

from collections.abc import Iterable, Iterator

from gateway.media import ts
from gateway.media.ts import PACKET, WRAP

Edits = list[tuple[int, bytes]]
"""Byte offset and what stands there instead."""

_NULL_PID = 0x1FFF
_NULL_HEADER = bytes((_NULL_PID >> 8, _NULL_PID & 0xFF, 0x10))
_FEWEST_SECTION_BYTES = 9
_INDICATES_DISCONTINUITY = 0x80
_OTHER = [bytes(0xFF * (value & 0x1F == high) for value in range(256)) for high in range(32)]
_COUNTED = [bytes(value & 0xF0 | (value + by) % 16 for value in range(256)) for by in range(16)]


def clock_edits(data: bytes, ticks: int, *, mark_discontinuity: bool = False) -> Edits:
    """Return what makes every clock reference of `data` `ticks` (90 kHz) later.

    Args:
        data: Whole packets.
        ticks: 90 kHz; may be negative.
        mark_discontinuity: Say at the first clock reference that time jumps here.
    """
    if not (ticks or mark_discontinuity):
        return []
    edits: Edits = []
    for at in ts.pcr_positions(data):
        field = int.from_bytes(data[at + 6 : at + 12])
        base = ((field >> 15) + ticks) % WRAP
        flags = data[at + 5] | (_INDICATES_DISCONTINUITY if mark_discontinuity and not edits else 0)
        edits.append((at + 5, bytes([flags]) + (base << 15 | field & 0x7FFF).to_bytes(6)))
    return edits


def media_edits(data: bytes, ticks: int) -> Edits:
    """Return what makes every PTS and DTS of `data` `ticks` (90 kHz) later."""
    if not ticks:
        return []
    edits: Edits = []
    for place in ts.timestamp_positions(data):
        before = ts.timestamp(data, place)
        edits.append((place, _timestamp(data[place], (before + ticks) % WRAP)))
    return edits


def early_sound_edits(data: bytes) -> Edits:
    """Return what takes away the sound that is due before the first picture is decoded.

    Common muxers send it behind the picture.  Whoever joins there would get it too late, and a player
    waits with its second picture until sound and pictures fit.
    """
    starts = ts.unit_starts(data)
    picture = next((time for at in starts if (time := ts.picture_time(data, at)) is not None), None)
    if picture is None:
        return []
    edits: Edits = []
    heard: set[int] = set()
    for at in starts:
        due, pid = ts.sound_time(data, at), ts.pid(data, at)
        if due is not None and pid not in heard and ts.difference(due, picture) >= 0:
            heard.add(pid)
            edits += [(early + 1, _NULL_HEADER) for early in ts.packets_of(data[:at], pid)]
    return edits


def version_edits(data: bytes, pmt_pid: int, number: int) -> Edits:
    """Return what puts version `number` (0..31) into every PAT and PMT section of one packet."""
    edits: Edits = []
    for at in ts.unit_starts(data):
        if ts.pid(data, at) not in (ts.PAT_PID, pmt_pid):
            continue
        start = ts.section(data, at)
        if start is None:
            continue
        length = (data[start + 1] & 0x0F) << 8 | data[start + 2]
        end = start + 3 + length
        if end > at + PACKET or length < _FEWEST_SECTION_BYTES:
            continue  # a section of several packets keeps its version
        section = bytearray(data[start : end - 4])
        section[5] = section[5] & 0xC1 | number << 1
        edits.append((start + 5, bytes(section[5:6])))
        edits.append((end - 4, crc32(bytes(section)).to_bytes(4)))
    return edits


def edited(data: bytes, edits: Iterable[tuple[int, bytes]], chunk: int) -> Iterator[bytes]:
    """Yield `data` in pieces of `chunk` bytes (whole packets) with `edits` made.

    Args:
        data: Whole packets.
        edits: In any order; none crosses the border of a packet.
        chunk: A multiple of `PACKET`.
    """
    waiting = iter(sorted(edits))
    following = next(waiting, None)
    for begin in range(0, len(data), chunk):
        part = data[begin : begin + chunk]
        if following is None or following[0] >= begin + len(part):
            yield part
            continue
        changed = bytearray(part)
        while following is not None and following[0] < begin + len(part):
            at, new = following[0] - begin, following[1]
            changed[at : at + len(new)] = new
            following = next(waiting, None)
        yield bytes(changed)


def applied(data: bytes, edits: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the whole of `data` with `edits` made."""
    return b"".join(edited(data, edits, len(data))) if data else b""


def counted(data: bytes, counters: dict[int, int]) -> bytes:
    """Return `data` with continuity counters that go on from `counters`, and bring those up to date.

    Args:
        data: Whole packets, their counters right among themselves.
        counters: Last counter by packet identifier; one that is not in it begins as it is.
    """
    if not data:
        return data
    highs, lows, controls = data[1::PACKET], data[2::PACKET], data[3::PACKET]
    result = whole = int.from_bytes(controls)
    for pid in _pids(highs, lows):
        if pid == _NULL_PID:
            continue
        mine = _mask(highs, lows, pid)
        first = mine.find(0xFF)
        says, carries = controls[first] & 0x0F, controls[first] >> 4 & 1
        by = (counters.get(pid, says - carries) + carries - says) % 16
        if by:
            places = int.from_bytes(mine)
            moved = int.from_bytes(controls.translate(_COUNTED[by]))
            result = result & ~places | moved & places
        counters[pid] = (controls[mine.rfind(0xFF)] + by) % 16
    if result == whole:
        return data
    changed = bytearray(data)
    changed[3::PACKET] = result.to_bytes(len(controls))
    return bytes(changed)


def crc32(section: bytes) -> int:
    """Return the CRC of ISO 13818-1 annex A, which is not the one of zlib."""
    crc = 0xFFFFFFFF
    for byte in section:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def _pids(highs: bytes, lows: bytes) -> set[int]:
    """Return every packet identifier there is."""
    found: set[int] = set()
    for low in set(lows):
        mine = int.from_bytes(lows.translate(_equal(low)))
        both = int.from_bytes(highs) & mine
        # A packet that is not of this low byte adds a zero, which must not be taken for PID 0x00xx.
        absent = len(lows) - lows.count(low)
        values = both.to_bytes(len(highs))
        found |= {(value & 0x1F) << 8 | low for value in set(values) if value or values.count(0) > absent}
    return found


def _mask(highs: bytes, lows: bytes, pid: int) -> bytes:
    """Return 0xFF for each packet of `pid`, 0 for the others."""
    both = int.from_bytes(highs.translate(_OTHER[pid >> 8])) & int.from_bytes(
        lows.translate(_equal(pid & 0xFF))
    )
    return both.to_bytes(len(highs))


def _equal(low: int) -> bytes:
    return bytes(low) + b"\xff" + bytes(255 - low)


def _timestamp(like: int, value: int) -> bytes:
    """Return the five bytes of a PTS or DTS with the prefix of the byte `like`."""
    return bytes(
        [
            like & 0xF0 | (value >> 30 & 7) << 1 | 1,
            value >> 22 & 0xFF,
            (value >> 15 & 0x7F) << 1 | 1,
            value >> 7 & 0xFF,
            (value & 0x7F) << 1 | 1,
        ]
    )
