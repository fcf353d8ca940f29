"""MPEG transport stream packets: find what matters, change as little as possible.

One rule: pure functions over whole packets.  Looking through a segment is done
by strided slices in C, never by a Python loop over all packets, so that
40 Mbit/s costs next to nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PACKET = 188
SYNC = 0x47
CLOCK_HZ = 90_000
WRAP = 1 << 33
LEAD = CLOCK_HZ * 60 // 1000
"""How far the first picture stays ahead of the clock; less and players drop it, more and they wait."""

_PAT_PID = 0
_PUSI = 0x40
_PCR_BYTES = 7
_MIN_PES = 19
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
    """What a decoder must see before anything else: one PAT and one PMT, as packets."""

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


def tables(data: bytes) -> Tables | None:
    """Return the first PAT and the PMT it names, each of one packet, or None."""
    pat = next((data[at : at + PACKET] for at in _starts(data) if pid(data, at) == _PAT_PID), None)
    if pat is None or (pmt_pid := _pmt_pid(pat)) is None:
        return None
    pmt = next((data[at : at + PACKET] for at in _starts(data) if pid(data, at) == pmt_pid), None)
    return Tables(pat, pmt, pmt_pid) if pmt is not None else None


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
    waits that long on a still.  The answer leaves `LEAD` for the tightest
    audio or video packet of `data`, and is never negative.
    """
    clocks = pcr_positions(data)
    if not clocks:
        return 0
    margins: list[int] = []
    following = iter(clocks[1:])
    clock, upcoming = pcr(data, clocks[0]), next(following, None)
    for at in _starts(data):
        while upcoming is not None and at >= upcoming:
            clock, upcoming = pcr(data, upcoming), next(following, None)
        if at >= clocks[0] and _is_av(_stream_id(data, at)):
            decode_at = _pts_dts(data, at)[1]
            if decode_at is not None:
                margins.append(difference(decode_at, clock))
    return max(0, min(margins) - LEAD) if margins else 0


def difference(later: int, earlier: int) -> int:
    """Return `later` minus `earlier` on the 33-bit clock, negative if it is before."""
    ticks = (later - earlier) % WRAP
    return ticks - WRAP if ticks >= WRAP // 2 else ticks


def shift_pcr(data: bytes, ticks: int, *, mark_discontinuity: bool = False) -> bytes:
    """Return `data` with every clock reference `ticks` later.

    Args:
        data: Whole packets.
        ticks: 90 kHz.
        mark_discontinuity: Say at the first clock reference that time jumps here.
    """
    places = pcr_positions(data)
    if not places or not (ticks or mark_discontinuity):
        return data
    changed = bytearray(data)
    for at in places:
        field = int.from_bytes(changed[at + 6 : at + 12])
        base = ((field >> 15) + ticks) % WRAP
        changed[at + 6 : at + 12] = (base << 15 | field & 0x7FFF).to_bytes(6)
    if mark_discontinuity:
        changed[places[0] + 5] |= 0x80
    return bytes(changed)


def version(table: bytes) -> int:
    """Return the version (0..31) of the section that begins in the packet `table`."""
    start = _section(table, 0)
    return table[start + 5] >> 1 & 0x1F if start is not None else 0


def with_version(data: bytes, pmt_pid: int, number: int) -> bytes:
    """Return `data` with version `number` (0..31) in every PAT and PMT section it begins."""
    changed: bytearray | None = None
    for at in _starts(data):
        if pid(data, at) not in (_PAT_PID, pmt_pid):
            continue
        start = _section(data, at)
        if start is None:
            continue
        length = (data[start + 1] & 0x0F) << 8 | data[start + 2]
        end = start + 3 + length
        if end > at + PACKET or length < 9:  # noqa: PLR2004 - a section of several packets keeps its version
            continue
        changed = bytearray(data) if changed is None else changed
        changed[start + 5] = changed[start + 5] & 0xC1 | number << 1
        changed[end - 4 : end] = _crc32(bytes(changed[start : end - 4])).to_bytes(4)
    return data if changed is None else bytes(changed)


def _bits(accept: Iterator[int]) -> bytes:
    wanted = set(accept)
    return bytes(value in wanted for value in range(256))


_HAS_PUSI = _bits(value for value in range(256) if value & _PUSI)
_HAS_ADAPTATION = _bits(value for value in range(256) if value & 0x20)
_HAS_RANDOM_ACCESS = _bits(value for value in range(256) if value & 0x40)
_HAS_PCR = _bits(value for value in range(256) if value & 0x10)
_ONE_OR_MORE = _bits(iter(range(1, 256)))
_SEVEN_OR_MORE = _bits(iter(range(_PCR_BYTES, 256)))


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


def _starts(data: bytes) -> list[int]:
    return _where(data, _pusi(data))


def _payload(data: bytes, at: int) -> int | None:
    """Return where the payload of the packet at `at` begins, or None if it has none."""
    control = data[at + 3] >> 4 & 3
    if not control & 1:
        return None
    start = at + 4 + (1 + data[at + 4] if control & 2 else 0)
    return start if start < at + PACKET else None


def _section(data: bytes, at: int) -> int | None:
    """Return where the section that begins in the packet at `at` starts."""
    start = _payload(data, at)
    if start is None:
        return None
    start += 1 + data[start]
    return start if start + 8 < at + PACKET else None


def _pmt_pid(pat: bytes) -> int | None:
    start = _section(pat, 0)
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
    pts = _timestamp(data, start + 9)
    return pts, _timestamp(data, start + 14) if data[start + 7] & 0x40 else pts


def _timestamp(data: bytes, at: int) -> int:
    high, middle, low = (
        data[at] >> 1 & 7,
        data[at + 1] << 7 | data[at + 2] >> 1,
        data[at + 3] << 7 | data[at + 4] >> 1,
    )
    return high << 30 | middle << 15 | low


def _crc32(section: bytes) -> int:
    """Return the CRC of ISO 13818-1 annex A, which is not the one of zlib."""
    crc = 0xFFFFFFFF
    for byte in section:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
