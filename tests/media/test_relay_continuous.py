import asyncio
import json
import subprocess
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest

from gateway.media import ts, ts_edit
from gateway.media.lineup import ChannelId
from gateway.media.lineup_read import parse
from gateway.media.relay import Relay
from gateway.media.relay_continuous import Seam, Start, starting_point
from gateway.media.relay_facts import Kind
from gateway.media.relay_shelf import Piece
from tests.conftest import Serve
from tests.media.head_end import COUNT, HeadEnd, line_up_text, status
from tests.media.relay_fixtures import QUICK, FixedBook, relaying, some_of

NEWS = ChannelId("news")


class Packet(TypedDict):
    """What ffprobe says of a packet."""

    stream_index: int
    dts_time: str
    flags: str


def packets_of(data: bytes, file: Path) -> list[Packet]:
    """Return what ffprobe finds in `data`, in decoding order per stream."""
    file.write_bytes(data)
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-show_packets", "-of", "json", "-show_entries",
         "packet=stream_index,dts_time,flags", str(file)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    found: list[Packet] = json.loads(probe.stdout)["packets"]
    return found


@pytest.mark.parametrize("channel", ["plain", "aes"])
async def test_the_stream_plays_with_time_that_only_goes_forward(
    serve: Serve, head_end: HeadEnd, tmp_path: Path, channel: str
) -> None:
    async with relaying(serve, head_end, news=f"{channel}/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", 6 * len(head_end.media("plain", 1)))

    packets = packets_of(data, tmp_path / "seen.ts")
    for stream in (0, 1):
        times = [float(packet["dts_time"]) for packet in packets if packet["stream_index"] == stream]
        steps = [after - before for before, after in pairwise(times)]
        assert len(times) > 20
        assert all(0 < step < 0.2 for step in steps)
    first = next(packet for packet in packets if packet["stream_index"] == 0)
    assert "K" in first["flags"]


async def test_the_clock_leads_no_more_than_a_player_needs(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", len(head_end.media("plain", 1)))

    assert ts.tables(data[: 2 * ts.PACKET * 2]) is not None
    assert ts.advance_needed(data) < ts.CLOCK_HZ // 100


@pytest.mark.slow
async def test_a_reader_that_does_not_read_is_dropped_and_holds_no_memory(
    serve: Serve, head_end: HeadEnd
) -> None:
    few = replace(QUICK, start_segments=2, window_segments=2, keep_segments=3)
    async with relaying(serve, head_end, few, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        stream = relay.continuous(NEWS)
        async with aclosing(stream):
            await anext(stream)
            await head_end.broadcast(8)
            rest = [len(chunk) async for chunk in stream]
        state = relay.state[NEWS]

    assert sum(rest) < 2 * max(len(head_end.media("plain", at)) for at in range(COUNT))
    assert state.readers == 0


@pytest.mark.slow
async def test_a_paused_viewer_goes_on_from_the_disk_without_a_hole(
    serve: Serve, head_end: HeadEnd, tmp_path: Path
) -> None:
    stored: dict[tuple[ChannelId, int, int], Piece] = {}

    async def deep(channel: ChannelId, pull: int, number: int) -> Piece | None:
        return stored.get((channel, pull, number))

    few = replace(QUICK, start_segments=2, window_segments=2, keep_segments=3)
    book = FixedBook(parse(line_up_text(head_end, news="plain/index.m3u8")))
    relay = Relay(book, few, base_url="http://127.0.0.1", deep=deep)
    async with serve(relay), asyncio.timeout(30), asyncio.TaskGroup() as group:

        async def store() -> None:
            async for each in relay.follow(NEWS):
                stored[NEWS, each.pull, each.number] = each

        storing = group.create_task(store(), name="time-shift")
        while len(stored) < 2:
            await head_end.broadcast(1)
        received = bytearray()
        stream = relay.continuous(NEWS)
        async with aclosing(stream):
            received += await anext(stream)
            await head_end.broadcast(8)
            async for chunk in stream:
                received += chunk
                if len(received) > 7 * len(head_end.media("plain", 1)):
                    break
        storing.cancel()

    packets = packets_of(bytes(received), tmp_path / "seen.ts")
    times = [float(packet["dts_time"]) for packet in packets if packet["stream_index"] == 0]
    assert times[-1] - times[0] > 3
    assert all(0 < after - before < 0.2 for before, after in pairwise(times))


async def test_who_has_seen_more_than_the_air_has_brought_sees_nothing_twice(
    serve: Serve, head_end: HeadEnd
) -> None:
    """An archive may be a segment ahead of the relay; what comes then has been seen."""
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        async with aclosing(relay.follow(NEWS)) as newest:
            await head_end.broadcast(1)
            piece = await anext(newest)
        seen_until = piece.at + 2.75 * timedelta(seconds=piece.duration_s)

        async with aclosing(relay.follow(NEWS, since=seen_until)) as pieces, asyncio.TaskGroup() as group:
            group.create_task(head_end.broadcast(6), name="broadcast")
            first = await anext(pieces)

    assert first.at + timedelta(seconds=first.duration_s / 2) >= seen_until


async def test_a_skipped_segment_is_marked_where_the_clock_jumps(serve: Serve, head_end: HeadEnd) -> None:
    gone = head_end.newest() + 2
    head_end.interfere(f"plain/plain-{gone}.", status(404))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", 7 * len(head_end.media("plain", 1)))

    jumps = [at for at in ts.pcr_positions(data) if data[at + 5] & 0x80]
    assert len(jumps) == 1
    assert data[jumps[0] : jumps[0] + ts.PACKET] not in head_end.media("plain", gone + 1)


def piece(number: int, data: bytes = b"", *, arrived_s: float = 0.0, discontinuity: bool = False) -> Piece:
    """Return a piece of two seconds."""
    return Piece(
        pull=1,
        number=number,
        kind=Kind.TS,
        data=data,
        duration_s=2.0,
        discontinuity=discontinuity,
        init=None,
        program_date=None,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        arrived_s=arrived_s,
    )


@pytest.mark.parametrize(
    ("now_s", "start"),
    [(10.0, Start(3, 0)), (10.1, Start(3, 0)), (10.3, Start(4, 0)), (12.2, Start(4, 0)), (19.0, Start(3, 0))],
    ids=["just arrived", "a little later", "the next is near", "the next is due", "the next is very late"],
)
def test_a_viewer_joins_as_late_as_the_next_segment_allows(now_s: float, start: Start) -> None:
    pieces = [piece(number, arrived_s=2.0 * number + 2) for number in range(5)]

    assert starting_point(pieces, now_s, 2.0) == start


@pytest.mark.parametrize(
    ("now_s", "start"), [(10.0, Start(3, 0)), (10.9, Start(3, 0)), (11.1, Start(4, 0))], ids=str
)
def test_the_target_duration_counts_while_only_the_first_burst_is_there(now_s: float, start: Start) -> None:
    pieces = [piece(number, arrived_s=10.0) for number in range(5)]

    assert starting_point(pieces, now_s, 2.0) == start


def test_a_viewer_keeps_more_in_hand_where_segments_come_unevenly() -> None:
    pieces = [piece(number, arrived_s=at) for number, at in enumerate((2.0, 4.7, 6.0, 8.7, 10.0))]

    assert starting_point(pieces, 10.6, 2.0) == Start(3, 0)
    assert starting_point(pieces, 11.3, 2.0) == Start(4, 0)


def test_a_viewer_joins_after_a_break_not_across_it() -> None:
    pieces = [piece(0), piece(1), piece(2, arrived_s=6.0, discontinuity=True)]

    assert starting_point(pieces, 6.0, 2.0) == Start(2, 0)


def test_a_viewer_joins_inside_a_long_segment_with_the_tables_in_front(live_material: Path) -> None:
    data = b"".join((live_material / f"plain-{at}.ts").read_bytes() for at in range(1, 9))
    long = replace(piece(0, data, arrived_s=100.0), duration_s=4.0)
    start = starting_point([long], 103.5, 1.0)
    joined = b"".join(Seam().sewn(long, start.offset))

    assert 0 < start.offset < len(data)
    assert ts.key_frames(data[start.offset :])[0].offset == 0
    assert len(joined) == len(data) - start.offset + 2 * ts.PACKET
    assert ts.tables(joined[: 2 * ts.PACKET]) == ts.tables(data)


def test_who_joins_hears_nothing_that_is_over_when_the_picture_comes(live_material: Path) -> None:
    """A player holds the picture still until the sound behind it is where it should be."""
    data = b"".join((live_material / f"plain-{at}.ts").read_bytes() for at in range(1, 9))
    frame = ts.key_frames(data)[3].offset
    before, raw = data[:frame], data[frame:]
    # As muxers do that send long units of sound: the one before the picture comes behind it.
    begins = [at for at in ts.unit_starts(before) if ts.sound_time(before, at) is not None][-1]
    early = [begins + at for at in ts.packets_of(before[begins:], ts.pid(before, begins))]
    behind = ts.unit_starts(raw)[1]
    late = b"".join(before[at : at + ts.PACKET] for at in early)
    long = replace(piece(0, before + raw[:behind] + late + raw[behind:], arrived_s=100.0), duration_s=4.0)

    decoded, heard = ts.picture_time(raw, 0), sounds(long.data[frame:])
    assert decoded is not None
    assert ts.difference(heard[0], decoded) < 0
    assert sounds(b"".join(Seam().sewn(long, frame))) == [
        due for due in heard if ts.difference(due, decoded) >= 0
    ]


def sounds(data: bytes) -> list[int]:
    """Return when each unit of sound is due."""
    return [due for at in ts.unit_starts(data) if (due := ts.sound_time(data, at)) is not None]


def test_other_tables_after_a_break_get_a_version_of_their_own(live_material: Path) -> None:
    seam = Seam()
    first = b"".join(seam.sewn(piece(0, (live_material / "plain-1.ts").read_bytes())))
    other = (live_material / "video-1.ts").read_bytes()
    second = b"".join(seam.sewn(piece(1, other, discontinuity=True)))
    third = b"".join(seam.sewn(piece(2, (live_material / "video-2.ts").read_bytes())))

    before, after, later = ts.tables(first), ts.tables(second), ts.tables(third)
    assert before is not None
    assert after is not None
    assert later is not None
    assert ts.version(after.pmt) == ts.version(later.pmt) == ts.version(before.pmt) + 1


def test_a_source_with_another_clock_goes_on_in_the_same_time(live_material: Path, tmp_path: Path) -> None:
    first = (live_material / "plain-1.ts").read_bytes()
    other = (live_material / "plain-2.ts").read_bytes()
    hours = ts.CLOCK_HZ * 3600 * 5
    other = ts_edit.applied(other, ts_edit.media_edits(other, hours) + ts_edit.clock_edits(other, hours))
    seam = Seam()
    out = b"".join(seam.sewn(piece(0, first)))
    out += b"".join(seam.sewn(piece(1, other, discontinuity=True)))

    packets = packets_of(out, tmp_path / "joined.ts")
    for stream in (0, 1):
        times = [float(packet["dts_time"]) for packet in packets if packet["stream_index"] == stream]
        assert all(0 < after - before < 0.1 for before, after in pairwise(times))
    assert not [at for at in ts.pcr_positions(out) if out[at + 5] & 0x80]
    complaints = subprocess.run(
        ["ffprobe", "-v", "warning", str(tmp_path / "joined.ts")], capture_output=True, text=True, check=True
    ).stderr
    assert "Continuity" not in complaints


def test_a_hole_that_was_lost_upstream_stays_and_is_marked(live_material: Path) -> None:
    seam = Seam()
    out = b"".join(seam.sewn(piece(0, (live_material / "plain-1.ts").read_bytes())))
    after = b"".join(seam.sewn(piece(1, (live_material / "plain-4.ts").read_bytes(), discontinuity=True)))
    before_ends, after_begins = ts.span(out), ts.span(after)

    assert before_ends is not None
    assert after_begins is not None
    assert ts.difference(after_begins[0], before_ends[1]) == ts.CLOCK_HZ
    assert len([at for at in ts.pcr_positions(after) if after[at + 5] & 0x80]) == 1


def test_a_clock_that_goes_round_is_no_break(live_material: Path) -> None:
    seam = Seam()
    pieces = []
    for number in range(1, 6):
        data = (live_material / f"plain-{number}.ts").read_bytes()
        span = ts.span((live_material / "plain-4.ts").read_bytes())
        assert span is not None
        ticks = ts.WRAP - span[0] - ts.CLOCK_HZ // 4
        moved = ts_edit.applied(data, ts_edit.media_edits(data, ticks) + ts_edit.clock_edits(data, ticks))
        pieces.append(b"".join(seam.sewn(piece(number, moved))))
    spans = [span for data in pieces if (span := ts.span(data))]

    assert [ts.difference(after[0], before[1]) for before, after in pairwise(spans)] == [0] * 4
    assert spans[4][0] < spans[0][0]


def test_a_stream_ends_where_another_codec_begins_so_that_players_begin_anew(
    live_material: Path, tmp_path: Path
) -> None:
    other = tmp_path / "hevc.ts"
    coded = ["-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "aac", str(other)]
    made = ["-f", "lavfi", "-i", "testsrc2=s=160x90:d=1", "-f", "lavfi", "-i", "sine=440:d=1"]
    subprocess.run(["ffmpeg", "-v", "error", *made, *coded], check=True, timeout=60)
    seam = Seam()
    list(seam.sewn(piece(0, (live_material / "plain-1.ts").read_bytes())))

    assert seam.goes_on(piece(1, (live_material / "plain-2.ts").read_bytes(), discontinuity=True))
    assert not seam.goes_on(piece(1, other.read_bytes(), discontinuity=True))
    assert not seam.goes_on(piece(1, (live_material / "video-2.ts").read_bytes(), discontinuity=True))
