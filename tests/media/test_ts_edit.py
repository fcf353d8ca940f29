import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import ts, ts_edit
from tests.media.test_ts import moved_clock


@pytest.fixture(scope="session")
def segment(live_material: Path) -> bytes:
    """Half a second of television."""
    return (live_material / "plain-3.ts").read_bytes()


def test_every_clock_is_advanced_by_the_same(segment: bytes) -> None:
    places = ts.pcr_positions(segment)
    moved = moved_clock(segment, 9_000)

    assert len(places) > 3
    assert {ts.difference(ts.pcr(moved, at), ts.pcr(segment, at)) for at in places} == {9_000}
    assert len(moved) == len(segment)
    untouched = [at for at in range(0, len(segment), ts.PACKET) if at not in places]
    assert all(moved[at : at + ts.PACKET] == segment[at : at + ts.PACKET] for at in untouched)


def test_an_advanced_clock_goes_round_at_33_bits(segment: bytes) -> None:
    at = ts.pcr_positions(segment)[0]
    near_the_end = moved_clock(segment, ts.WRAP - 1 - ts.pcr(segment, at))
    over = moved_clock(near_the_end, 10)

    assert (ts.pcr(near_the_end, at), ts.pcr(over, at)) == (ts.WRAP - 1, 9)
    assert ts.difference(9, ts.WRAP - 1) == 10


def test_every_time_is_moved_by_the_same_and_goes_round_at_33_bits(segment: bytes) -> None:
    ticks = ts.WRAP - 100_000
    moved = ts_edit.applied(segment, ts_edit.media_edits(segment, ticks))
    places = ts.timestamp_positions(segment)

    assert len(places) > 20
    assert ts.timestamp_positions(moved) == places
    assert {(ts.timestamp(moved, at) - ts.timestamp(segment, at)) % ts.WRAP for at in places} == {ticks}
    back = ts_edit.applied(moved, ts_edit.media_edits(moved, -ticks))
    assert back == segment


def test_a_changed_segment_comes_in_chunks_of_whole_packets(segment: bytes) -> None:
    edits = ts_edit.media_edits(segment, 900) + ts_edit.clock_edits(segment, 900)
    chunks = list(ts_edit.edited(segment, edits, 7 * ts.PACKET))

    assert b"".join(chunks) == ts_edit.applied(segment, edits)
    assert all(len(chunk) % ts.PACKET == 0 for chunk in chunks)


def test_a_new_version_leaves_a_stream_that_decoders_accept(segment: bytes, tmp_path: Path) -> None:
    found = ts.tables(segment)
    assert found is not None
    changed = ts_edit.applied(segment, ts_edit.version_edits(segment, found.pmt_pid, 7))
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
    same = ts_edit.version_edits(segment, found.pmt_pid, ts.version(found.pmt))
    assert ts_edit.applied(segment, same) == segment


def last_counters(data: bytes) -> dict[int, int]:
    """Return the last counter of each packet identifier."""
    return {ts.pid(data, at): data[at + 3] & 15 for at in range(0, len(data), ts.PACKET)}


def test_counters_go_on_where_the_segment_before_ended(segment: bytes) -> None:
    counters = last_counters(segment)
    again = ts_edit.counted(segment, counters)
    expected = last_counters(segment)
    for at in range(0, len(again), ts.PACKET):
        pid = ts.pid(again, at)
        expected[pid] = (expected[pid] + (again[at + 3] >> 4 & 1)) % 16
        assert again[at + 3] & 15 == expected[pid]

    assert counters == expected
    assert again[:3] == segment[:3]


@given(
    st.lists(st.tuples(st.sampled_from([0, 0x11, 0x100, 0x101, 0x1000, 0x1FFF]), st.booleans()), min_size=1)
)
def test_whatever_the_packets_the_counters_never_jump(kinds: list[tuple[int, bool]]) -> None:
    counters: dict[int, int] = {}
    own = dict.fromkeys((0, 0x11, 0x100, 0x101, 0x1000, 0x1FFF), 3)
    packets = bytearray()
    for pid, carries in kinds:
        own[pid] = (own[pid] + carries) % 16
        control = 0x10 if carries else 0x20
        packets += bytes([ts.SYNC, pid >> 8, pid & 0xFF, control | own[pid]]) + bytes(184)
    twice = ts_edit.counted(bytes(packets), counters) + ts_edit.counted(bytes(packets), counters)
    seen: dict[int, int] = {}
    for at in range(0, len(twice), ts.PACKET):
        pid, control = ts.pid(twice, at), twice[at + 3]
        if pid in seen and pid != 0x1FFF:
            assert control & 15 == (seen[pid] + (control >> 4 & 1)) % 16
        seen[pid] = control & 15
