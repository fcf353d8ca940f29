"""MPEG transport stream packets: find what matters in them.

One rule: pure functions over whole packets.  Looking through a segment is done
by strided slices in C, never by a Python loop over all packets, so that
40 Mbit/s costs next to nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

PACKET = 188
SYNC = 0x47
CLOCK_HZ = 90_000
WRAP = 1 << 33
PAT_PID = 0
LEAD = CLOCK_HZ * 60 // 1000
"""How far the first picture stays ahead of the clock; less and players drop it, more and they wait."""

LATE_SOUND = CLOCK_HZ * 150 // 1000
"""How far sound may be behind the clock; players buffer half as much again at least."""

_PUSI = 0x40
_MAX_TABLE_PACKETS = 8
_PCR_BYTES = 7
_MIN_PES = 19
_FIRST_STREAM = 12
_STREAM_BYTES = 5
_CRC_BYTES = 4
# ISO 13818-1 table 2-22; private (AC-3 and others) is BD, extended FD.
_AUDIO = frozenset({*range(0xC0, 0xE0), 0xBD, 0xFD})
_VIDEO = frozenset(range(0xE0, 0xF0))


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A place where a decoder can begin.

    Attributes:
        offset: Byte offset of its first packet.
        pts: 90 kHz time, or None if the stream does not say.
    """

    offset: int
    pts: int | None


@dataclass(frozen=True, slots=True)
class Tables:
    """What a decoder must see before anything else: one PAT and one PMT, as whole packets.

    A table that is long takes several.
    """

    pat: bytes
    pmt: bytes
    pmt_pid: int


def is_ts(data: bytes) -> bool:
    """Tell whether `data` begins with transport stream packets."""
    probe = data[: 5 * PACKET : PACKET]
    return len(data) >= PACKET and probe == bytes([SYNC]) * len(probe)


def aligned(data: bytes) -> bytes:
    """Return `data` without a partial packet at its end."""
    return data if len(data) % PACKET == 0 else data[: len(data) - len(data) % PACKET]


def pid(data: bytes, at: int) -> int:
    """Return the packet identifier of the packet at `at`."""
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]


def packets_of(data: bytes, wanted: int) -> list[int]:
    """Return the offset of each packet with the identifier `wanted` that carries no clock."""
    lows, clocks = data[2::PACKET], set(pcr_positions(data))
    places, at = [], lows.find(wanted & 0xFF)
    while at >= 0:
        if pid(data, at * PACKET) == wanted and at * PACKET not in clocks:
            places.append(at * PACKET)
        at = lows.find(wanted & 0xFF, at + 1)
    return places


def tables(data: bytes) -> Tables | None:
    """Return the first PAT and the PMT it names, or None."""
    starts = unit_starts(data)
    begin = next((at for at in starts if pid(data, at) == PAT_PID), None)
    if begin is None or (pmt_pid := _pmt_pid(data[begin : begin + PACKET])) is None:
        return None
    pat = _table(data, begin)
    pmt = next((table for at in starts if pid(data, at) == pmt_pid and (table := _table(data, at))), None)
    return Tables(pat, pmt, pmt_pid) if pat and pmt else None


def streams(pmt: bytes) -> dict[int, int]:
    """Return the stream type (ISO 13818-1 table 2-34) by packet identifier of a PMT in `Tables.pmt`."""
    section_data = section_bytes(pmt)
    found: dict[int, int] = {}
    if len(section_data) < _FIRST_STREAM:
        return found
    at = _FIRST_STREAM + ((section_data[10] & 0x0F) << 8 | section_data[11])
    while at + _STREAM_BYTES <= len(section_data) - _CRC_BYTES:
        found[(section_data[at + 1] & 0x1F) << 8 | section_data[at + 2]] = section_data[at]
        at += _STREAM_BYTES + ((section_data[at + 3] & 0x0F) << 8 | section_data[at + 4])
    return found


def key_frames(data: bytes) -> list[KeyFrame]:
    """Return where video can be joined: packets with the random access indicator.

    Only packets that begin a PES packet count, and audio, where every frame is
    one, does not, unless there is nothing but audio.
    """
    flags = int.from_bytes(data[5::PACKET].translate(_HAS_RANDOM_ACCESS))
    found = _where(data, _adapted(data) & flags & _pusi(data))
    video = [at for at in found if _stream_id(data, at) in _VIDEO]
    return [KeyFrame(at, _pts_dts(data, at)[0]) for at in video or found]


def pcr_positions(data: bytes) -> list[int]:
    """Return the offset of each packet that carries a program clock reference."""
    flags = int.from_bytes(data[5::PACKET].translate(_HAS_PCR))
    long_enough = int.from_bytes(data[4::PACKET].translate(_SEVEN_OR_MORE))
    return _where(data, _adapted(data) & flags & long_enough)


def pcr(data: bytes, at: int) -> int:
    """Return the 33-bit base of the clock reference of the packet at `at`."""
    return int.from_bytes(data[at + 6 : at + 11]) >> 7


def advance_needed(data: bytes) -> int:
    """Return by how many 90 kHz ticks the clock may run ahead so that pictures show at once.

    Common muxers send pictures 0.7 s before their time; a player that joins
    waits that long on a still.  They send the sound of the same time up to
    0.3 s later than the pictures, so not both can be near the clock: the answer
    leaves `LEAD` for the tightest picture, and lets sound come `LATE_SOUND`
    after its time, which the buffer of a player takes up.  Never negative.
    """
    clocks = pcr_positions(data)
    if not clocks:
        return 0
    pictures: list[int] = []
    sounds: list[int] = []
    following = iter(clocks[1:])
    clock, upcoming = pcr(data, clocks[0]), next(following, None)
    for at in unit_starts(data):
        while upcoming is not None and at >= upcoming:
            clock, upcoming = pcr(data, upcoming), next(following, None)
        kind = _stream_id(data, at)
        if at >= clocks[0] and _is_av(kind):
            decode_at = _pts_dts(data, at)[1]
            if decode_at is not None:
                (pictures if kind in _VIDEO else sounds).append(difference(decode_at, clock))
    if not pictures:
        return max(0, min(sounds) - LEAD) if sounds else 0
    room = min(pictures) - LEAD
    return max(0, min(room, min(sounds) + LATE_SOUND) if sounds else room)


def span(data: bytes) -> tuple[int, int] | None:
    """Return the first decoding time of `data` and the one that would follow its last, or None.

    The pictures count; the sound does where there are none.
    """
    starts = unit_starts(data)
    ids = {at: _stream_id(data, at) for at in starts}
    wanted = _VIDEO if any(each in _VIDEO for each in ids.values()) else _AUDIO
    pids = [pid(data, at) for at in starts if ids[at] in wanted]
    times = [
        time
        for at in starts
        if ids[at] in wanted and pid(data, at) == pids[0] and (time := _pts_dts(data, at)[1]) is not None
    ]
    if not times:
        return None
    lasts = difference(times[-1], times[0])
    return times[0], (times[-1] + (lasts // (len(times) - 1) if len(times) > 1 else 0)) % WRAP


def picture_time(data: bytes, at: int) -> int | None:
    """Return the decoding time of the picture that begins in the packet at `at`, None if none does."""
    return _pts_dts(data, at)[1] if _stream_id(data, at) in _VIDEO else None


def sound_time(data: bytes, at: int) -> int | None:
    """Return when the sound is due that begins in the packet at `at`, None if none does."""
    return _pts_dts(data, at)[0] if _stream_id(data, at) in _AUDIO else None


def timestamp_positions(data: bytes) -> list[int]:
    """Return the offset of each five-byte PTS and DTS of sound, pictures and subtitles."""
    places: list[int] = []
    for at in unit_starts(data):
        start = _payload(data, at)
        if start is None or not _is_av(_stream_id(data, at)) or not data[start + 7] & 0x80:
            continue
        places.append(start + 9)
        if data[start + 7] & 0x40:
            places.append(start + 14)
    return places


def timestamp(data: bytes, at: int) -> int:
    """Return the 33-bit PTS or DTS whose five bytes begin at `at`."""
    high, middle, low = (
        data[at] >> 1 & 7,
        data[at + 1] << 7 | data[at + 2] >> 1,
        data[at + 3] << 7 | data[at + 4] >> 1,
    )
    return high << 30 | middle << 15 | low


def difference(later: int, earlier: int) -> int:
    """Return `later` minus `earlier` on the 33-bit clock, negative if it is before."""
    ticks = (later - earlier) % WRAP
    return ticks - WRAP if ticks >= WRAP // 2 else ticks


def unit_starts(data: bytes) -> list[int]:
    """Return the offset of each packet in which a section or a PES packet begins."""
    return _where(data, _pusi(data))


def version(table: bytes) -> int:
    """Return the version (0..31) of the section that begins in the packet `table`."""
    start = section(table, 0)
    return table[start + 5] >> 1 & 0x1F if start is not None else 0


def section(data: bytes, at: int) -> int | None:
    """Return where the section that begins in the packet at `at` starts."""
    start = _payload(data, at)
    if start is None:
        return None
    start += 1 + data[start]
    return start if start + 8 < at + PACKET else None


def section_bytes(table: bytes) -> bytes:
    """Return the section that the packets `table` (see `Tables`) carry, nothing if it is not whole."""
    start = section(table, 0)
    if start is None:
        return b""
    size = 3 + ((table[start + 1] & 0x0F) << 8 | table[start + 2])
    parts = [table[start:PACKET]]
    for at in range(PACKET, len(table), PACKET):
        begin = _payload(table, at)
        parts.append(table[begin : at + PACKET] if begin is not None else b"")
    whole = b"".join(parts)
    return whole[:size] if len(whole) >= size else b""


def _bits(accept: Iterable[int]) -> bytes:
    wanted = set(accept)
    return bytes(value in wanted for value in range(256))


_HAS_PUSI = _bits(value for value in range(256) if value & _PUSI)
_HAS_ADAPTATION = _bits(value for value in range(256) if value & 0x20)
_HAS_RANDOM_ACCESS = _bits(value for value in range(256) if value & 0x40)
_HAS_PCR = _bits(value for value in range(256) if value & 0x10)
_ONE_OR_MORE = _bits(range(1, 256))
_SEVEN_OR_MORE = _bits(range(_PCR_BYTES, 256))


def _pusi(data: bytes) -> int:
    return int.from_bytes(data[1::PACKET].translate(_HAS_PUSI))


def _adapted(data: bytes) -> int:
    with_field = int.from_bytes(data[3::PACKET].translate(_HAS_ADAPTATION))
    return with_field & int.from_bytes(data[4::PACKET].translate(_ONE_OR_MORE))


def _where(data: bytes, packets: int) -> list[int]:
    """Return the byte offsets of the packets whose byte is 1 in the number `packets`."""
    marks = packets.to_bytes(len(data) // PACKET)
    places, at = [], marks.find(1)
    while at >= 0:
        places.append(at * PACKET)
        at = marks.find(1, at + 1)
    return places


def _payload(data: bytes, at: int) -> int | None:
    """Return where the payload of the packet at `at` begins, or None if it has none."""
    control = data[at + 3] >> 4 & 3
    if not control & 1:
        return None
    start = at + 4 + (1 + data[at + 4] if control & 2 else 0)
    return start if start < at + PACKET else None


def _table(data: bytes, at: int) -> bytes:
    """Return the packets of the section that begins in the packet at `at`, nothing if some are missing."""
    start = section(data, at)
    if start is None:
        return b""
    missing = 3 + ((data[start + 1] & 0x0F) << 8 | data[start + 2]) - (at + PACKET - start)
    packets, wanted = [data[at : at + PACKET]], pid(data, at)
    while missing > 0 and len(packets) < _MAX_TABLE_PACKETS:
        at = _next_of(data, at + PACKET, wanted)
        if at < 0 or (begin := _payload(data, at)) is None or data[at + 1] & _PUSI:
            return b""
        packets.append(data[at : at + PACKET])
        missing -= at + PACKET - begin
    return b"".join(packets) if missing <= 0 else b""


def _next_of(data: bytes, begin: int, wanted: int) -> int:
    """Return the offset of the next packet with that identifier and a payload, or -1."""
    lows, wanted_low = data[begin + 2 :: PACKET], wanted & 0xFF
    at = lows.find(wanted_low)
    while at >= 0:
        place = begin + at * PACKET
        if pid(data, place) == wanted and data[place + 3] & 0x10:
            return place
        at = lows.find(wanted_low, at + 1)
    return -1


def _pmt_pid(pat: bytes) -> int | None:
    start = section(pat, 0)
    if start is None:
        return None
    end = min(start + 3 + ((pat[start + 1] & 0x0F) << 8 | pat[start + 2]) - 4, PACKET - 3)
    for at in range(start + 8, end, 4):
        if pat[at] << 8 | pat[at + 1]:
            return (pat[at + 2] & 0x1F) << 8 | pat[at + 3]
    return None


def _stream_id(data: bytes, at: int) -> int:
    start = _payload(data, at)
    if start is None or start + _MIN_PES > at + PACKET or data[start : start + 3] != b"\0\0\1":
        return 0
    return data[start + 3]


def _is_av(stream_id: int) -> bool:
    return stream_id in _AUDIO or stream_id in _VIDEO


def _pts_dts(data: bytes, at: int) -> tuple[int | None, int | None]:
    start = _payload(data, at)
    if start is None or not _stream_id(data, at) or not data[start + 7] & 0x80:
        return None, None
    pts = timestamp(data, start + 9)
    return pts, timestamp(data, start + 14) if data[start + 7] & 0x40 else pts
