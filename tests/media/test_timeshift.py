import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.media.lineup import Channel, ChannelId
from gateway.media.relay_facts import SourceError, Weight
from gateway.media.timeshift import TimeShift
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from gateway.media.tv_facts import Picture, Playhead, TvState
from gateway.pubsub import Publisher
from tests.conftest import Serve
from tests.media.reel_fixtures import NEWS, SPORT, STEP, Air, piece, until

QUICK = TimeShiftConfig(settle_s=0.01, retry_s=0.01, flush_s=0.05, min_free_bytes=0)


@pytest.fixture
def now() -> datetime:
    """Return the beginning of the test, not of the suite: older pieces are of before the tune."""
    return datetime.now(UTC)


def on(channel: ChannelId) -> TvState:
    return TvState(channel=Channel(id=channel, number=1, name="台", sources=()), picture=Picture.PLAYING)


@dataclass
class Set:
    """A television that is told what it shows."""

    state: TvState = field(default_factory=TvState)
    changes: Publisher[TvState] = field(default_factory=Publisher)

    def become(self, state: TvState) -> None:
        self.state = state
        self.changes.publish(state)


async def until_held(store: ShiftStore, channel: ChannelId, number: int) -> None:
    async def is_held() -> bool:
        return await store.piece(channel, 7, number) is not None

    await until(is_held)


async def until_followed(air: Air, *channels: ChannelId) -> None:
    await until(lambda: air.following == [(channel, Weight.SHIFT) for channel in channels])


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.ts"))


async def test_what_is_watched_is_kept_from_the_tune_on(tmp_path: Path, serve: Serve, now: datetime) -> None:
    config = replace(QUICK, keep="watched")
    air, tv, store = Air(), Set(on(NEWS)), ShiftStore(tmp_path, config)
    await air.broadcast(NEWS, piece(1, at=now - 100 * STEP), piece(2, at=now), piece(3, at=now + STEP))
    async with serve(TimeShift(store, air, tv, config)):
        await until_held(store, NEWS, 3)
        assert store.window(NEWS) == (now, now + 2 * STEP)
        await until(lambda: bool(files(tmp_path)))


async def test_nothing_is_written_until_somebody_pauses(tmp_path: Path, serve: Serve, now: datetime) -> None:
    air, tv, store = Air(), Set(on(NEWS)), ShiftStore(tmp_path, QUICK)
    async with serve(TimeShift(store, air, tv, QUICK)):
        await until_followed(air, NEWS)
        await air.broadcast(NEWS, piece(1, at=now), piece(2, at=now + STEP))
        await until_held(store, NEWS, 2)
        await store.flush()
        assert files(tmp_path) == []
        tv.become(replace(tv.state, paused=True))
        await until(lambda: bool(files(tmp_path)))
        # Behind the present it is still wanted, though the picture moves again.
        tv.become(replace(tv.state, paused=False, mode="timeshift", playhead=Playhead(now, 0.0)))
        before = store.bytes_written
        await air.broadcast(NEWS, piece(3, size=100_000, at=now + 2 * STEP))
        await until(lambda: store.bytes_written >= before + 99_000)
        tv.become(on(NEWS))
        await air.broadcast(NEWS, piece(4, at=now + 3 * STEP))
        await until_held(store, NEWS, 4)
        assert store.window(NEWS) == (now, now + 4 * STEP)


async def test_it_follows_the_television_and_keeps_the_former_channel(
    tmp_path: Path, serve: Serve, now: datetime
) -> None:
    config = replace(QUICK, keep="watched")
    air, tv, store = Air(), Set(on(NEWS)), ShiftStore(tmp_path, config)
    await air.broadcast(NEWS, piece(1, at=now))
    await air.broadcast(SPORT, piece(5, at=now))
    async with serve(TimeShift(store, air, tv, config)):
        await until_held(store, NEWS, 1)
        tv.become(on(SPORT))
        await until_held(store, SPORT, 5)
        await until_followed(air, SPORT)
        assert await store.piece(NEWS, 7, 1) is not None


async def test_nothing_is_pulled_in_standby_nor_for_recordings(tmp_path: Path, serve: Serve) -> None:
    air, tv, store = Air(), Set(on(NEWS)), ShiftStore(tmp_path, QUICK)
    async with serve(TimeShift(store, air, tv, QUICK)):
        await until_followed(air, NEWS)
        tv.become(TvState())
        await until_followed(air)
        tv.become(on(NEWS))
        await until_followed(air, NEWS)
        tv.become(replace(on(NEWS), mode="recording", recording="r1"))
        await until_followed(air)


async def test_a_channel_that_fails_is_tried_again(tmp_path: Path, serve: Serve, now: datetime) -> None:
    air, tv, store = Air(failure=SourceError("no")), Set(on(NEWS)), ShiftStore(tmp_path, QUICK)
    async with serve(TimeShift(store, air, tv, QUICK)):
        await asyncio.sleep(0.05)
        air.failure = None
        await until_followed(air, NEWS)
        await air.broadcast(NEWS, piece(1, at=now))
        await until_held(store, NEWS, 1)
        await air.interrupt()
        await until_followed(air, NEWS)
        await air.broadcast(NEWS, piece(2, at=now + STEP))
        await until_held(store, NEWS, 2)
        assert [each.discontinuity async for each in store.from_instant(NEWS, now)] == [False, False]


async def test_off_is_off(tmp_path: Path, serve: Serve) -> None:
    config = replace(QUICK, keep="off")
    air, tv, store = Air(), Set(on(NEWS)), ShiftStore(tmp_path / "none", config)
    async with serve(TimeShift(store, air, tv, config)):
        tv.become(on(SPORT))
        await asyncio.sleep(0.05)
        assert air.following == []
        assert store.window(NEWS) is None
    assert not (tmp_path / "none").exists()
