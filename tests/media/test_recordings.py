import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.media.hls import MediaPlaylist, parse
from gateway.media.recordings_facts import Recording, RecordingState
from gateway.media.relay_facts import NoSuchPieceError
from gateway.media.tv_facts import NoRecordingsError
from tests.conftest import Serve
from tests.media.recorder_fixtures import Parts, Studio, broadcast
from tests.media.reel_fixtures import NEWS, STEP, piece, until

NOW = datetime.now(UTC)


async def one_of(studio: Studio, count: int, *, growing: bool = False) -> Recording:
    """Return a recording of so many pieces of two seconds."""
    known = studio.library
    one = await studio.recorder.record_time(NEWS, datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1))
    await until(lambda: bool(studio.air.following))
    start = datetime.now(UTC)
    await studio.air.broadcast(
        NEWS, *(piece(number, size=188, at=start + number * STEP) for number in range(count))
    )
    await until(lambda: known.recordings[one.id].duration_s == 2.0 * count)
    return known.recordings[one.id] if growing else await studio.recorder.stop(one.id)


def seen(chunks: list[bytes]) -> list[int]:
    """Return which pieces are in a stream."""
    data = b"".join(chunks)
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    return [int.from_bytes(packet[4:12]) for packet in packets if packet[1:3] == b"\x1f\xfe"]


async def test_a_recording_plays_from_any_second(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        one = await one_of(studio, 10)
        for from_s, first in (
            (0.0, 0),
            (-5.0, 0),
            (1.9, 0),
            (2.0, 1),
            (7.5, 3),
            (19.9, 9),
            (20.0, 10),
            (1e9, 10),
        ):
            chunks = [chunk async for chunk in studio.recordings.continuous(one.id, from_s)]
            assert seen(chunks) == list(range(first, 10))


async def test_what_is_being_recorded_is_followed_to_its_end(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        one = await one_of(studio, 3, growing=True)
        chunks: list[bytes] = []
        async with asyncio.timeout(20), aclosing(studio.recordings.continuous(one.id)) as stream:
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == 3:
                    await broadcast(studio.air, 10, 1)
                    await until(lambda: studio.library.recordings[one.id].duration_s == 8.0)
                if seen(chunks)[-1] == 10:
                    await studio.recorder.stop(one.id)
        assert list(dict.fromkeys(seen(chunks))) == [0, 1, 2, 10]


async def test_a_page_gets_a_playlist_of_pieces(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        one = await one_of(studio, 3, growing=True)
        growing = await studio.recordings.resource(one.id, "index.m3u8", from_s=4.5, ticket="a&b")
        assert growing.content_type == "application/vnd.apple.mpegurl"
        assert b"#EXT-X-START:TIME-OFFSET=4.500,PRECISE=YES" in growing.body
        assert b"#EXT-X-PLAYLIST-TYPE:EVENT" in growing.body
        await studio.recorder.stop(one.id)
        done = await studio.recordings.resource(one.id, "index.m3u8")
        playlist = parse(done.body.decode(), "http://box/recordings/x/index.m3u8")
        assert isinstance(playlist, MediaPlaylist)
        assert playlist.ended
        assert [(each.uri.rpartition("/")[2], each.duration_s) for each in playlist.segments] == [
            ("piece-0.ts", 2.0),
            ("piece-1.ts", 2.0),
            ("piece-2.ts", 2.0),
        ]
        assert b"piece-0.ts?ticket=a%26b\n" in growing.body
        found = await studio.recordings.resource(one.id, "piece-1.ts")
        assert (found.content_type, found.body) == ("video/mp2t", piece(1).data)
        for name in ("piece-3.ts", "piece-x.ts", "../box.db"):
            with pytest.raises(NoSuchPieceError):
                await studio.recordings.resource(one.id, name)


async def test_a_segment_that_came_in_parts_is_one_again(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        now = datetime.now(UTC)
        one = await studio.recorder.record_time(NEWS, now, now + timedelta(hours=1))
        await until(lambda: bool(studio.air.following))
        parts = [
            piece(number, at=now + number * STEP, continues=continues)
            for number, continues in enumerate([True, False, True, False])
        ]
        await studio.air.broadcast(NEWS, *parts)
        await until(lambda: studio.library.recordings[one.id].duration_s == 6.0)
        await studio.recorder.stop(one.id)
        # What begins inside a segment was of no use without its beginning.
        assert await studio.held(one.id) == [1, 2, 3]
        playlist = parse((await studio.recordings.resource(one.id, "index.m3u8")).body.decode(), "http://b/")
        assert isinstance(playlist, MediaPlaylist)
        assert [(each.sequence, each.duration_s) for each in playlist.segments] == [(0, 4.0), (1, 2.0)]
        found = await studio.recordings.resource(one.id, "piece-0.ts")
        assert found.body == parts[1].data + parts[2].data
        assert seen([chunk async for chunk in studio.recordings.continuous(one.id, 3.0)]) == [1, 2, 3]


async def test_it_is_remembered_where_somebody_stopped(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await one_of(studio, 10)
        found = await studio.recordings.recorded(one.id)
        assert found is not None
        assert found.start == one.begun_at
        assert found.stop - found.start == timedelta(seconds=20)
        await studio.recordings.left_at(one.id, 3.0)
        await studio.recordings.left_at(one.id, 7.0)
    async with parts.studio(serve) as studio:
        found = await studio.recordings.recorded(one.id)
        assert found is not None
        assert found.position_s == 7.0
        await studio.recordings.left_at(one.id, 99.0)
        seen_it = studio.library.recordings[one.id]
        assert (seen_it.position_s, seen_it.watched) == (20.0, True)
        found = await studio.recordings.recorded(one.id)
        assert found is not None
        assert found.position_s == 0.0  # who saw the end begins anew


async def test_what_does_not_play_is_refused(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        planned = await studio.recorder.record_time(NEWS, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
        for name in (planned.id, "none"):
            assert await studio.recordings.recorded(name) is None
            with pytest.raises(NoRecordingsError):
                await anext(studio.recordings.continuous(name))
            with pytest.raises(NoRecordingsError):
                await studio.recordings.resource(name, "index.m3u8")
        await studio.recordings.left_at("none", 3.0)


async def test_a_damaged_piece_is_jumped_over(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        one = await one_of(studio, 4)
        with (studio.folder / f"{one.id}.ts").open("r+b") as file:
            file.seek(188 + 50)
            file.write(b"rust")
        chunks = [chunk async for chunk in studio.recordings.continuous(one.id)]
        assert seen(chunks) == [0, 2, 3]


async def test_the_list_has_all_with_the_newest_first(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        one = await one_of(studio, 1)
        later = await studio.recorder.record_time(NEWS, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
        assert [each.id for each in studio.recorder.all] == [later.id, one.id]
        assert replace(one, state=RecordingState.DONE) == one
        assert studio.library.space.used_bytes == 188
        assert studio.library.space.free_bytes > 0
