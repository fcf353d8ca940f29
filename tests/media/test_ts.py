import subprocess
from pathlib import Path

import pytest

from gateway.media import ts


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


def test_every_clock_is_advanced_by_the_same(segment: bytes) -> None:
    places = ts.pcr_positions(segment)
    moved = ts.shift_pcr(segment, 9_000)

    assert len(places) > 3
    assert {ts.difference(ts.pcr(moved, at), ts.pcr(segment, at)) for at in places} == {9_000}
    assert len(moved) == len(segment)
    untouched = [at for at in range(0, len(segment), ts.PACKET) if at not in places]
    assert all(moved[at : at + ts.PACKET] == segment[at : at + ts.PACKET] for at in untouched)


def test_an_advanced_clock_goes_round_at_33_bits(segment: bytes) -> None:
    at = ts.pcr_positions(segment)[0]
    near_the_end = ts.shift_pcr(segment, ts.WRAP - 1 - ts.pcr(segment, at))
    over = ts.shift_pcr(near_the_end, 10)

    assert (ts.pcr(near_the_end, at), ts.pcr(over, at)) == (ts.WRAP - 1, 9)
    assert ts.difference(9, ts.WRAP - 1) == 10


def test_after_the_advance_the_tightest_picture_is_60_ms_ahead(segment: bytes) -> None:
    needed = ts.advance_needed(segment)
    again = ts.advance_needed(ts.shift_pcr(segment, needed))

    assert 0.3 < needed / ts.CLOCK_HZ < 1.5  # what the muxer put between clock and pictures
    assert again == 0
    assert ts.advance_needed(ts.shift_pcr(segment, needed - 900)) == 900


def test_a_new_version_leaves_a_stream_that_decoders_accept(segment: bytes, tmp_path: Path) -> None:
    found = ts.tables(segment)
    assert found is not None
    changed = ts.with_version(segment, found.pmt_pid, 7)
    newer = ts.tables(changed)
    assert newer is not None
    assert (ts.version(newer.pat), ts.version(newer.pmt)) == (7, 7)

    file = tmp_path / "changed.ts"
    file.write_bytes(changed)
    seen = subprocess.run(
        ["ffprobe", "-v", "warning", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert set(seen.stdout.split()) == {"h264", "aac"}
    assert "crc" not in seen.stderr.lower()
    assert ts.with_version(segment, found.pmt_pid, ts.version(found.pmt)) == segment


def test_an_incomplete_packet_at_the_end_is_left_out(segment: bytes) -> None:
    assert ts.aligned(segment + b"G" * 100) == segment


@pytest.mark.parametrize("data", [b"", b"G" * 188, bytes(188 * 5), bytes(range(188)) * 3])
def test_nonsense_has_no_tables_no_clock_and_no_key_frame(data: bytes) -> None:
    assert ts.tables(data) is None
    assert ts.advance_needed(data) == 0
    assert ts.shift_pcr(data, 0) == data
    assert all(0 <= frame.offset < len(data) for frame in ts.key_frames(data))
