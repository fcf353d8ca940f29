import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.demo.retime import WRAP, DamagedSegmentError, retime_mp4, retime_ts, timescales, ts_facts

PID = 0x100
times = st.integers(0, WRAP - 1)
shifts = st.integers(-(WRAP**2), WRAP**2)


def stamp(prefix: int, time: int) -> bytes:
    """Return a PTS or DTS field (ISO 13818-1, 2.4.3.6)."""
    return bytes(
        [
            prefix << 4 | (time >> 30 & 7) << 1 | 1,
            time >> 22 & 0xFF,
            (time >> 15 & 0x7F) << 1 | 1,
            time >> 7 & 0xFF,
            (time & 0x7F) << 1 | 1,
        ]
    )


def packet(pts: int, dts: int, pcr: int, counter: int = 0) -> bytes:
    """Return a TS packet that begins a PES packet of pictures and carries a PCR."""
    clock = (pcr << 15 | 0x7E00 | 123).to_bytes(6)
    adaptation = bytes([7, 0x10]) + clock
    pes = b"\x00\x00\x01\xe0\x00\x00\x80\xc0\x0a" + stamp(3, pts) + stamp(1, dts)
    header = bytes([0x47, 0x40 | PID >> 8, PID & 0xFF, 0x30 | counter])
    return (header + adaptation + pes).ljust(188, b"\xff")


@given(times, times, times, shifts)
def test_every_clock_moves_by_the_same_and_wraps_where_the_field_ends(
    pts: int, dts: int, pcr: int, shift: int
) -> None:
    moved = retime_ts(packet(pts, dts, pcr), shift, {})

    assert moved == packet((pts + shift) % WRAP, (dts + shift) % WRAP, (pcr + shift) % WRAP)


@given(st.integers(0, 15), st.integers(0, 10_000))
def test_the_continuity_counter_goes_on_through_the_loop(counter: int, step: int) -> None:
    assert retime_ts(packet(1, 1, 1, counter), 0, {PID: step}) == packet(1, 1, 1, (counter + step) % 16)


def test_other_packets_keep_their_counter() -> None:
    assert retime_ts(packet(1, 1, 1, 3), 0, {PID + 1: 5}) == packet(1, 1, 1, 3)


def test_the_first_picture_is_the_earliest_not_the_first_sent() -> None:
    facts = ts_facts(packet(9000, 3000, 0) + packet(6000, 6000, 0, 1))

    assert (facts.first_pts, facts.packets) == (6000, {PID: 2})


@pytest.mark.parametrize(
    "data",
    [b"", b"\x47" * 187, b"\x00" * 188, packet(1, 1, 1) + b"x" * 188],
    ids=["none", "cut", "zero", "torn"],
)
def test_what_is_not_a_transport_stream_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedSegmentError):
        retime_ts(data, 1, {})


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4) + kind + content


def fragment(sequence: int, time: int) -> bytes:
    """Return a fragment of track 1 whose decode time is `time`."""
    header = box(b"mfhd", bytes(4) + sequence.to_bytes(4))
    track = box(b"tfhd", bytes(4) + (1).to_bytes(4)) + box(b"tfdt", b"\x01\x00\x00\x00" + time.to_bytes(8))
    return box(b"moof", header + box(b"traf", track)) + box(b"mdat", b"picture")


@given(st.integers(0, 2**40), st.integers(0, 2**32))
def test_a_fragment_moves_in_its_own_tracks_ticks(time: int, loops: int) -> None:
    moved = retime_mp4(fragment(1, time), 60 * loops, {1: 12_800}, 7)

    assert moved == fragment(7, (time + 60 * loops * 12_800) % 2**64)


def test_a_fragment_of_an_unknown_track_is_refused() -> None:
    with pytest.raises(DamagedSegmentError, match="track 1"):
        retime_mp4(fragment(1, 0), 60, {2: 12_800}, 1)


def test_the_ticks_are_read_from_the_initialisation_segment() -> None:
    track = box(b"tkhd", bytes(12) + (1).to_bytes(4)) + box(
        b"mdia", box(b"mdhd", bytes(12) + (12_800).to_bytes(4) + bytes(4))
    )

    assert timescales(box(b"moov", box(b"trak", track))) == {1: 12_800}


def test_a_box_larger_than_the_file_is_refused() -> None:
    with pytest.raises(DamagedSegmentError, match="does not fit"):
        retime_mp4(b"\x00\x00\xff\xffmoof", 0, {}, 0)
