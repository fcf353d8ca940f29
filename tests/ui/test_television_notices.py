"""What the household is told of recordings, time-shift and the line-up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.media.lineup import ChannelId
from gateway.media.lineup_book import LineUpRecord
from gateway.media.recordings_facts import Recording, RecordingState
from gateway.media.timeshift_facts import ShiftDegraded, ShiftFact, ShiftRecovered
from gateway.pubsub import Publisher
from gateway.ui.error_words import ErrorWords
from gateway.ui.notices import NoticeBoard
from gateway.ui.television_notices import (
    RecordingNotices,
    TimeShiftNotices,
    missed_recordings,
    refused_line_up,
)

WORDS = ErrorWords(Path(__file__).parents[2] / "gateway/ui/web/strings")
NOW = datetime(2026, 1, 31, 20, tzinfo=UTC)
NEWS = Recording(
    id="r1",
    channel=ChannelId("cctv1"),
    channel_name="CCTV-1",
    title="新闻联播",
    start=NOW,
    stop=NOW + timedelta(minutes=30),
    asked_at=NOW,
)


@dataclass
class FakeRecorder:
    """Recordings as the test says."""

    all: Sequence[Recording] = (NEWS,)
    changes: Publisher[None] = field(default_factory=Publisher)

    def now(self, *recordings: Recording) -> None:
        self.all = recordings
        self.changes.publish(None)


@dataclass
class FakeLineUps:
    """A line-up as the test says."""

    record: LineUpRecord | None


@asynccontextmanager
async def running(service: RecordingNotices | TimeShiftNotices) -> AsyncIterator[None]:
    is_ready = asyncio.Event()
    task = asyncio.create_task(service.run(is_ready.set))
    try:
        async with asyncio.timeout(5):
            await is_ready.wait()
            yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_recording_that_fails_is_told_once_with_its_reason() -> None:
    other = replace(NEWS, id="r2", title="天气预报")
    board, recorder = NoticeBoard(), FakeRecorder((NEWS, other))
    failed = replace(NEWS, state=RecordingState.FAILED, code="TV-501")
    with board.changes.subscribe() as told:
        async with running(RecordingNotices(recorder, WORDS, board)):
            recorder.now(failed, other)
            first = await anext(told)
            recorder.now(failed, replace(other, state=RecordingState.CONFLICT))
            second = await anext(told)
    assert first.code == "TV-501"
    assert first.text["zh-CN"] == "《新闻联播》没有录成。" + WORDS.of("TV-501")["zh-CN"]
    assert second.text == {"zh-CN": "《天气预报》将无法录制。", "en": "“天气预报” will not be recorded."}


async def test_what_the_household_stopped_itself_is_not_told() -> None:
    other = replace(NEWS, id="r2")
    board, recorder = NoticeBoard(), FakeRecorder((NEWS, other))
    with board.changes.subscribe() as told:
        async with running(RecordingNotices(recorder, WORDS, board)):
            stopped = replace(NEWS, state=RecordingState.FAILED)
            recorder.now(stopped, replace(other, state=RecordingState.FAILED, code="TV-513"))
            assert (await anext(told)).code == "TV-513"


def test_what_was_missed_while_the_box_was_off_stands() -> None:
    started = NEWS.stop + timedelta(hours=3)
    missed = replace(NEWS, state=RecordingState.FAILED, code="TV-513")
    long_ago = replace(missed, id="r2", stop=started - timedelta(days=2))
    since = replace(missed, id="r3", stop=started + timedelta(hours=1))
    stopped = replace(missed, id="r4", code=None)
    recorder = FakeRecorder((since, missed, stopped, long_ago, NEWS))
    (notice,) = missed_recordings(recorder, WORDS, started)
    assert (notice.code, notice.at) == ("TV-513", NEWS.stop)
    assert notice.text["zh-CN"].startswith("《新闻联播》没有录成。")


async def test_only_a_disk_that_stops_time_shift_is_told() -> None:
    board = NoticeBoard()
    facts: Publisher[ShiftFact] = Publisher()
    with board.changes.subscribe() as told:
        async with running(TimeShiftNotices(facts, WORDS, board)):
            facts.publish(ShiftRecovered())
            facts.publish(ShiftDegraded("TV-501"))
            notice = await anext(told)
    assert notice.code == "TV-501"


def test_a_refused_line_up_stands_until_it_is_in_order() -> None:
    record = LineUpRecord(refused_code="TRUST-108", checked_at=NOW)
    (notice,) = refused_line_up(FakeLineUps(record), WORDS)
    assert (notice.code, notice.at) == ("TRUST-108", NOW)
    assert not [*refused_line_up(FakeLineUps(LineUpRecord()), WORDS)]
    assert not [*refused_line_up(FakeLineUps(None), WORDS)]


def test_a_box_with_channels_says_nothing_of_an_operator_who_does_not_answer() -> None:
    away = LineUpRecord(refused_code="TRUST-101", checked_at=NOW)
    (notice,) = refused_line_up(FakeLineUps(away), WORDS)
    assert notice.code == "TRUST-101"
    assert not [*refused_line_up(FakeLineUps(replace(away, installed="all/3")), WORDS)]
