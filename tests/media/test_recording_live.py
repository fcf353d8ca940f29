"""Recorder and time-shift at the real relay, in front of a live origin."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.media.lineup import Channel, ChannelId
from gateway.media.recordings_facts import RecordingState
from gateway.media.timeshift import TimeShift
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from gateway.media.tv_facts import Picture, TvState
from tests.conftest import Serve
from tests.media.head_end import HeadEnd
from tests.media.recorder_fixtures import Parts
from tests.media.reel_fixtures import NEWS, until
from tests.media.relay_fixtures import relaying
from tests.media.test_timeshift import Set

pytestmark = pytest.mark.slow


async def probed(media: AsyncIterator[bytes], folder: Path) -> dict[str, float]:
    """Return what a demuxer finds in a stream: how long its tracks are, by their kind."""
    file = folder / "seen.ts"
    with file.open("wb") as seen:
        async for chunk in media:
            seen.write(chunk)
    child = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-show_entries", "stream=codec_type,duration", "-of", "json", str(file)),
        stdout=subprocess.PIPE,
    )
    out, _ = await child.communicate()
    return {each["codec_type"]: float(each["duration"]) for each in json.loads(out)["streams"]}


@pytest.mark.parametrize("kind", ["plain", "fmp4", "multi"])
async def test_every_kind_of_channel_is_recorded_and_plays(
    tmp_path: Path, serve: Serve, head_end: HeadEnd, kind: str
) -> None:
    async with relaying(serve, head_end, news=f"{kind}/index.m3u8") as relay:
        parts = Parts(folder=tmp_path, tape=relay)
        async with parts.studio(serve) as studio:
            now = datetime.now(UTC)
            one = await studio.recorder.record_time(NEWS, now, now + timedelta(seconds=60))
            await until(lambda: studio.library.recordings[one.id].duration_s >= 4, within_s=30)
            done = await studio.recorder.stop(one.id)
            assert done.state is RecordingState.DONE
            found = await probed(studio.recordings.continuous(one.id), tmp_path)
            assert found["video"] == pytest.approx(done.duration_s, abs=1.0)
            assert found["audio"] == pytest.approx(done.duration_s, abs=1.0)
            half = await probed(studio.recordings.continuous(one.id, done.duration_s / 2), tmp_path)
            assert half["video"] == pytest.approx(done.duration_s / 2, abs=1.0)


async def test_a_pause_and_a_recording_of_what_was_on_before(
    tmp_path: Path, serve: Serve, head_end: HeadEnd
) -> None:
    config = TimeShiftConfig(settle_s=0.1, min_free_bytes=0)
    shift = ShiftStore(tmp_path / "shift", config)
    tv = Set(TvState(channel=Channel(id=NEWS, number=1, name="台", sources=()), picture=Picture.PLAYING))
    async with (
        relaying(serve, head_end, news="plain/index.m3u8") as relay,
        serve(TimeShift(shift, relay, tv, config)),
    ):
        await until(lambda: bool((held := shift.window(NEWS)) and held[1] - held[0] > timedelta(seconds=4)))
        assert len(relay.state) == 1
        held = shift.window(NEWS)
        assert held is not None
        parts = Parts(folder=tmp_path, tape=relay, shift=shift)
        async with parts.studio(serve) as studio:
            one = await studio.recorder.record_time(NEWS, held[0], datetime.now(UTC) + timedelta(seconds=60))
            await until(lambda: studio.library.recordings[one.id].duration_s >= 6, within_s=30)
            assert len(relay.state) == 1  # one pull for everybody
            done = await studio.recorder.stop(one.id)
            entries = (await studio.reel(one.id)).entries
            assert entries[0].at == held[0]
            assert [entry.number for entry in entries] == list(
                range(entries[0].number, entries[0].number + len(entries))
            )
            assert not any(entry.discontinuity for entry in entries)
            found = await probed(studio.recordings.continuous(one.id), tmp_path)
            assert found["video"] == pytest.approx(done.duration_s, abs=1.0)
        async with aclosing(shift.from_instant(ChannelId("news"), held[0])) as pieces:
            first = await anext(pieces)
        assert first.at == held[0]
