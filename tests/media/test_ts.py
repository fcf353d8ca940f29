from pathlib import Path

import pytest

from gateway.media import ts, ts_edit


def moved_clock(data: bytes, ticks: int) -> bytes:
    """Return `data` with every clock reference `ticks` later."""
    return ts_edit.applied(data, ts_edit.clock_edits(data, ticks))


@pytest.fixture(scope="session")
def segment(live_material: Path) -> bytes:
    """Half a second of television."""
    return (live_material / "plain-3.ts").read_bytes()


def test_a_segment_is_known_from_a_web_page(segment: bytes) -> None:
    assert ts.is_ts(segment)
    assert not ts.is_ts(b"G" + bytes(1000))
    assert not ts.is_ts(b"<html>")
    assert not ts.is_ts(b"")


def test_pictures_are_joined_at_a_key_frame_of_the_video_not_of_the_sound(segment: bytes) -> None:
    frames = ts.key_frames(segment)

    assert len(frames) == 1
    assert segment[frames[0].offset] == ts.SYNC
    assert frames[0].pts is not None


def test_after_the_advance_the_tightest_picture_is_60_ms_ahead(segment: bytes) -> None:
    needed = ts.advance_needed(segment)
    again = ts.advance_needed(moved_clock(segment, needed))

    assert 0.3 < needed / ts.CLOCK_HZ < 1.5  # what the muxer put between clock and pictures
    assert again == 0
    assert ts.advance_needed(moved_clock(segment, needed - 900)) == 900


def test_an_incomplete_packet_at_the_end_is_left_out(segment: bytes) -> None:
    assert ts.aligned(segment + b"G" * 100) == segment


@pytest.mark.parametrize("data", [b"", b"G" * 188, bytes(188 * 5), bytes(range(188)) * 3])
def test_nonsense_has_no_tables_no_clock_and_no_key_frame(data: bytes) -> None:
    assert ts.tables(data) is None
    assert ts.advance_needed(data) == 0
    assert moved_clock(data, 0) == data
    assert all(0 <= frame.offset < len(data) for frame in ts.key_frames(data))


def test_the_span_of_a_segment_is_from_its_first_picture_to_the_one_after_its_last(segment: bytes) -> None:
    span = ts.span(segment)

    assert span is not None
    assert ts.difference(span[1], span[0]) == ts.CLOCK_HZ // 2


def test_a_table_of_several_packets_is_found_whole(segment: bytes) -> None:
    long, pmt_pid = with_long_pmt(segment)
    found = ts.tables(long)

    assert found is not None
    assert found.pmt_pid == pmt_pid
    assert len(found.pmt) == 2 * ts.PACKET
    assert found.pmt[ts.PACKET + 1] & 0x40 == 0
    whole = ts.section_bytes(found.pmt)
    assert ts_edit.crc32(whole[:-4]) == int.from_bytes(whole[-4:])


def test_a_table_that_is_cut_off_is_none(segment: bytes) -> None:
    long, _ = with_long_pmt(segment)

    assert ts.tables(long[: 2 * ts.PACKET]) is None


def with_long_pmt(segment: bytes) -> tuple[bytes, int]:
    """Return a PAT and a PMT with 300 bytes of private descriptors, which take two packets."""
    found = ts.tables(segment)
    assert found is not None
    start = 5
    length = (found.pmt[start + 1] & 0x0F) << 8 | found.pmt[start + 2]
    body = found.pmt[start + 3 : start + 3 + length - 4]
    private = (b"\xc1\x94" + bytes(148)) * 2
    section = body[:7] + (0xF000 | len(private)).to_bytes(2) + private + body[9:]
    header = bytes([2]) + (0xB000 | len(section) + 4).to_bytes(2)
    section = header + section + ts_edit.crc32(header + section).to_bytes(4)
    high, low = 0x40 | found.pmt_pid >> 8, found.pmt_pid & 0xFF
    first = bytes([ts.SYNC, high, low, 0x10, 0]) + section[:183]
    second = bytes([ts.SYNC, high & 0x1F, low, 0x11]) + section[183:].ljust(184, b"\xff")
    other = next(
        segment[at : at + ts.PACKET]
        for at in range(0, len(segment), ts.PACKET)
        if ts.pid(segment, at) not in (ts.PAT_PID, found.pmt_pid)
    )
    return found.pat + first + other + second, found.pmt_pid


def test_the_streams_of_a_programme_are_told_by_their_types(segment: bytes) -> None:
    found = ts.tables(segment)

    assert found is not None
    assert ts.streams(found.pmt) == {0x100: 0x1B, 0x101: 0x0F}
    long = ts.tables(with_long_pmt(segment)[0])
    assert long is not None
    assert ts.streams(long.pmt) == ts.streams(found.pmt)
    assert ts.streams(bytes(ts.PACKET)) == {}
