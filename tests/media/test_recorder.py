import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from gateway.media.recordings_facts import (
    CONFLICT,
    MISSED,
    NoRoomError,
    NotRecordingError,
    RecordingState,
    RecordingTimeError,
    UnknownSeriesError,
)
from gateway.media.relay_facts import SourceError, UnknownChannelError
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from gateway.media.tv_facts import NoRecordingsError, NoSuchProgrammeError
from tests.conftest import Serve
from tests.media.recorder_fixtures import Parts, broadcast, programme
from tests.media.reel_fixtures import NEWS, SPORT, STEP, piece, until

RECORDING, DONE, PARTIAL = RecordingState.RECORDING, RecordingState.DONE, RecordingState.PARTIAL
PLANNED, FAILED = RecordingState.PLANNED, RecordingState.FAILED


def ahead(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_programme_is_recorded_from_its_beginning_to_its_end(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    news = programme("新闻", 1.5, 2.4)
    parts.guide.become(news)
    async with parts.studio(serve) as studio:
        planned = await studio.recorder.record_programme(news.id)
        assert (planned.state, planned.title, planned.channel_name) == (PLANNED, "新闻", "新闻")
        assert await studio.recorder.record_programme(news.id) == planned
        await parts.air.broadcast(NEWS, piece(1, at=ahead(-10)))
        await studio.state_becomes(planned.id, RECORDING)
        await broadcast(parts.air, 2, 3)
        await studio.state_becomes(planned.id, DONE)
        done = studio.library.recordings[planned.id]
        assert await studio.held(planned.id) == [2, 3, 4]
        assert (done.size_bytes, done.duration_s, done.code) == (3 * 106 * 188, 6.0, None)
        assert parts.air.following == []
        assert {file.name for file in studio.folder.iterdir()} == {f"{done.id}.ts", f"{done.id}.idx"}


async def test_what_runs_already_is_recorded_from_its_beginning_if_it_is_held(
    tmp_path: Path, serve: Serve
) -> None:
    held = ShiftStore(tmp_path / "shift", TimeShiftConfig(min_free_bytes=0))
    await held.load()
    film = programme("电影", -20, 21)
    for number in range(10):
        await held.add(NEWS, piece(number, at=film.start + number * STEP))
    parts = Parts(folder=tmp_path, shift=held)
    parts.guide.become(film)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_programme(film.id)
        await until(lambda: bool(parts.air.following))
        # The air still has the end of what the disk had.
        await parts.air.broadcast(
            NEWS, *(piece(number, at=film.start + number * STEP) for number in range(9, 12))
        )
        await studio.state_becomes(one.id, DONE)
        assert await studio.held(one.id) == list(range(12))
        assert not any(entry.discontinuity for entry in (await studio.reel(one.id)).entries)
    await held.close()


async def test_it_goes_on_after_a_power_cut_and_says_that_something_is_missing(
    tmp_path: Path, serve: Serve
) -> None:
    parts = Parts(folder=tmp_path)
    film = programme("电影", 0, 4)
    parts.guide.become(film)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_programme(film.id)
        await studio.state_becomes(one.id, RECORDING)
        await parts.air.broadcast(NEWS, replace(piece(1, at=film.start), duration_s=1.0))
        await until(lambda: studio.library.recordings[one.id].size_bytes > 0)
    async with parts.studio(serve) as studio:
        assert studio.library.recordings[one.id].state is RECORDING
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 50, 1, pull=8)
        await studio.state_becomes(one.id, PARTIAL, DONE)
        assert await studio.held(one.id) == [1, 50]
        assert [entry.discontinuity for entry in (await studio.reel(one.id)).entries] == [False, True]


async def test_what_was_cut_and_is_over_plays_as_far_as_it_goes(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(3600))
        await studio.state_becomes(one.id, RECORDING)
        await broadcast(parts.air, 1, 4)
        await until(lambda: studio.library.recordings[one.id].duration_s == 8.0)
    parts.clock.wrong_by = timedelta(hours=2)
    async with parts.studio(serve) as studio:
        cut = studio.library.recordings[one.id]
        assert (cut.state, cut.code, cut.duration_s) == (PARTIAL, MISSED, 8.0)
        chunks = [chunk async for chunk in studio.recordings.continuous(one.id)]
        assert sum(map(len, chunks)) >= 4 * 106 * 188


async def test_a_box_that_was_off_says_so(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(600), ahead(1200), "体育")
        assert one.state is PLANNED
    parts.clock.wrong_by = timedelta(hours=2)
    async with parts.studio(serve) as studio:
        assert studio.library.recordings[one.id].state is FAILED
        assert studio.library.recordings[one.id].code == MISSED


async def test_a_programme_that_moves_is_followed(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    news, later = programme("新闻", 600, 600), programme("新闻", 1800, 900)
    parts.guide.become(news)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_programme(news.id)
        parts.guide.become(later)
        await until(lambda: studio.library.recordings[one.id].start == later.start)
        moved = studio.library.recordings[one.id]
        assert (moved.stop, moved.programme, moved.state) == (later.stop, later.id, PLANNED)
        parts.guide.become()  # a guide without it is no reason to forget it
        await studio.recorder.add_series("别的", None, 0)
        assert studio.library.recordings[one.id] == moved


async def test_a_programme_that_takes_longer_is_recorded_longer(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    match = programme("球赛", 0, 1.0)
    parts.guide.become(match)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_programme(match.id)
        await studio.state_becomes(one.id, RECORDING)
        parts.guide.become(structs.replace(match, stop=match.stop + timedelta(seconds=1.5)))
        await until(lambda: studio.library.recordings[one.id].stop > match.stop)
        await until(lambda: datetime.now(UTC) > match.stop + timedelta(seconds=0.5))
        assert studio.library.recordings[one.id].state is RECORDING
        await broadcast(parts.air, 1, 1)
        await studio.state_becomes(one.id, DONE, PARTIAL)
        assert await studio.held(one.id) == [1]


async def test_setting_the_clock_does_not_cut_a_recording(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(1.5))
        await studio.state_becomes(one.id, RECORDING)
        parts.clock.wrong_by = timedelta(days=300)
        parts.guide.become()  # have it look again
        await broadcast(parts.air, 1, 1)
        await until(lambda: studio.library.recordings[one.id].duration_s == 2.0)
        assert studio.library.recordings[one.id].state is RECORDING
        await studio.state_becomes(one.id, DONE)


async def test_more_at_once_than_the_box_can_is_a_conflict(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve, max_at_once=1) as studio:
        first = await studio.recorder.record_time(NEWS, ahead(600), ahead(1200))
        second = await studio.recorder.record_time(SPORT, ahead(900), ahead(1800))
        assert (second.state, second.code) == (RecordingState.CONFLICT, CONFLICT)
        await studio.recorder.delete(first.id)
        assert studio.library.recordings[second.id].state is PLANNED


async def test_a_series_is_recorded_once_per_episode_and_a_repeat_stands_in(
    tmp_path: Path, serve: Serve
) -> None:
    parts = Parts(folder=tmp_path)
    first, second = programme("甄嬛传(1)", 600, 600), programme("甄嬛传(2)", 1200, 600)
    repeat = programme("甄嬛传(1)", 7200, 600, SPORT)
    parts.guide.become(first, second, repeat, programme("新闻", 600, 600))
    async with parts.studio(serve, max_at_once=1) as studio:
        rule = await studio.recorder.add_series("甄嬛传", None, 0)
        planned = [(one.title, one.start, one.state) for one in studio.recorder.all]
        assert planned == [
            ("甄嬛传(2)", second.start, PLANNED),
            ("甄嬛传(1)", first.start, PLANNED),
        ]
        await studio.recorder.record_time(NEWS, first.start, first.stop, "别的")
        assert {(one.title, one.start) for one in studio.recorder.all if one.series == rule.id} == {
            ("甄嬛传(1)", repeat.start),
            ("甄嬛传(2)", second.start),
        }
        unwanted = next(one for one in studio.recorder.all if one.title == "甄嬛传(2)")
        await studio.recorder.delete(unwanted.id)
        assert [one.title for one in studio.recorder.all if one.series] == ["甄嬛传(1)"]
        await studio.recorder.remove_series(rule.id)
        assert [one.title for one in studio.recorder.all] == ["别的"]
        with pytest.raises(UnknownSeriesError):
            await studio.recorder.remove_series(rule.id)


async def test_a_line_up_that_comes_late_is_heard(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        await studio.recorder.add_series("甄嬛传", None, 0)
        assert studio.recorder.all == []
        # As the guide does while it knows no channel: nothing is published of it.
        parts.guide.programmes = [programme("甄嬛传(1)", 600, 600)]
        parts.book.changes.publish(parts.book.state)
        await until(lambda: [one.title for one in studio.recorder.all] == ["甄嬛传(1)"])


async def test_what_was_stopped_before_it_began_was_not_missed(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        await until(lambda: bool(parts.air.following))
        await studio.recorder.stop(one.id)
        await studio.state_becomes(one.id, FAILED)
        assert studio.library.recordings[one.id].code is None


async def test_for_whom_a_programme_is_is_kept_with_it(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    thriller = structs.replace(programme("大案", 600, 600), age=18)
    parts.guide.become(thriller)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_programme(thriller.id)
    async with parts.studio(serve) as studio:
        assert studio.library.recordings[one.id].age == 18


async def test_an_episode_that_was_recorded_is_not_recorded_again(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    now, repeat = programme("甄嬛传(1)", -1, 33), programme("甄嬛传(1)", 7200, 600)
    parts.guide.become(now, repeat)
    async with parts.studio(serve) as studio:
        rule = await studio.recorder.add_series("甄嬛传", None, 2)
        await until(lambda: bool(parts.air.following))
        (running,) = studio.recorder.all
        await broadcast(parts.air, 1, 2)
        await until(lambda: studio.library.recordings[running.id].duration_s == 4.0)
        done = await studio.recorder.stop(running.id)
        assert (done.state, done.series) == (DONE, rule.id)
        assert [one.id for one in studio.recorder.all] == [running.id]
        await studio.recorder.delete(running.id)
        assert studio.recorder.all == []
        assert list(studio.folder.iterdir()) == []


async def test_only_the_newest_episodes_stay(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        rule = await studio.recorder.add_series("新闻", None, 1)
        for number in (1, 2):
            parts.guide.become(programme(f"新闻({number})", 0, 60))
            await until(lambda: bool(parts.air.following))
            (running,) = [one for one in studio.recorder.all if one.state is RECORDING]
            await broadcast(parts.air, number, 1)
            await studio.plays(running.id)
            parts.guide.become()
            await studio.recorder.stop(running.id)
        await until(lambda: len(studio.library.recordings) == 1)
        (left,) = studio.library.recordings.values()
        assert (left.title, left.series) == ("新闻(2)", rule.id)


async def test_a_channel_that_fails_is_tried_until_the_end(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    parts.air.failure = SourceError("gone")
    async with parts.studio(serve) as studio:
        dead = await studio.recorder.record_time(SPORT, ahead(0), ahead(0.3))
        await studio.state_becomes(dead.id, FAILED)
        assert studio.library.recordings[dead.id].code == "TV-201"
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(30))
        await asyncio.sleep(0.05)
        parts.air.failure = None
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 1, 1)
        await until(lambda: studio.library.recordings[one.id].duration_s == 2.0)
        await parts.air.interrupt()
        await until(lambda: bool(parts.air.following))
        await parts.air.broadcast(NEWS, piece(2, at=ahead(2)))
        await until(lambda: studio.library.recordings[one.id].duration_s == 4.0)
        assert (await studio.recorder.stop(one.id)).code is None
        with pytest.raises(NotRecordingError):
            await studio.recorder.stop(one.id)


async def test_what_was_watched_makes_room_and_nothing_else_does(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 1, 4)
        await until(lambda: studio.library.recordings[one.id].duration_s == 8.0)
        await studio.recorder.stop(one.id)
    async with parts.studio(serve, quota_bytes=1000) as studio:
        with pytest.raises(NoRoomError):
            await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        await studio.recordings.left_at(one.id, 7.9)
    async with parts.studio(serve, quota_bytes=1000, auto_delete=False) as studio:
        with pytest.raises(NoRoomError):
            await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
    async with parts.studio(serve, quota_bytes=1000) as studio:
        assert studio.library.recordings[one.id].watched
        new = await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        assert list(studio.library.recordings) == [new.id]
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 11, 4)
        await studio.state_becomes(new.id, PARTIAL)  # it has used up the room itself
        assert studio.library.recordings[new.id].code == "TV-511"


async def test_what_cannot_be_recorded_is_refused(tmp_path: Path, serve: Serve) -> None:
    async with Parts(folder=tmp_path).studio(serve) as studio:
        with pytest.raises(NoSuchProgrammeError):
            await studio.recorder.record_programme("news.1")
        with pytest.raises(UnknownChannelError):
            await studio.recorder.record_time(type(NEWS)("none"), ahead(0), ahead(9))
        for start, stop in [(-20, -10), (20, 10), (0, 13 * 3600)]:
            with pytest.raises(RecordingTimeError):
                await studio.recorder.record_time(NEWS, ahead(start), ahead(stop))
        with pytest.raises(NoRecordingsError):
            await studio.recorder.delete("none")


async def test_files_outlive_a_lost_database(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 1, 4)
        await until(lambda: studio.library.recordings[one.id].duration_s == 8.0)
        await studio.recorder.stop(one.id)
    for file in tmp_path.glob("box.db*"):
        file.unlink()
    async with parts.studio(serve) as studio:
        found = studio.library.recordings[one.id]
        assert (found.state, found.duration_s) == (PARTIAL, 8.0)
        assert await studio.held(one.id) == [1, 2, 3, 4]


async def test_a_recording_whose_files_are_gone_is_gone(tmp_path: Path, serve: Serve) -> None:
    parts = Parts(folder=tmp_path)
    async with parts.studio(serve) as studio:
        one = await studio.recorder.record_time(NEWS, ahead(0), ahead(60))
        await until(lambda: bool(parts.air.following))
        await broadcast(parts.air, 1, 1)
        await until(lambda: studio.library.recordings[one.id].duration_s > 0)
        await studio.recorder.stop(one.id)
    (tmp_path / "recordings" / f"{one.id}.ts").unlink()
    async with parts.studio(serve) as studio:
        assert studio.recorder.all == []
