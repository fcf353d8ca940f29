"""What support may see of zaps, and that it stays in the house."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import PullState, RelayFact, SourceChanged
from gateway.media.tv_facts import Picture, TvState
from gateway.media.viewing_log import MAX_ROWS, MIGRATIONS, ViewingLog, ZapRecord
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve
from tests.media.test_warming import NO_PULL, Hand, known


class Sources:
    """A relay, as far as the log looks at it."""

    def __init__(self) -> None:
        self.facts: Publisher[RelayFact] = Publisher()
        self.state: dict[ChannelId, PullState] = {}


@dataclass
class Desk:
    """The log and what it watches."""

    log: ViewingLog
    tv: Hand
    relay: Sources

    async def zaps(self, count: int) -> tuple[ZapRecord, ...]:
        """Wait until so many zaps are known, and return them, the newest first."""
        async with asyncio.timeout(5):
            while len(zaps := (await self.log.summary()).zaps) < count:
                pass
        return zaps


Open = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
async def store(tmp_path: Path, serve: Serve) -> AsyncIterator[Store]:
    store = Store(tmp_path / "gateway.db", {"viewing": MIGRATIONS}, durable=False)
    async with serve(store):
        yield store


@pytest.fixture
def open_log(store: Store, serve: Serve) -> Open:
    @asynccontextmanager
    async def opening(*, shared: bool = False, write_every_s: float = 60.0) -> AsyncIterator[Desk]:
        tv, relay = Hand(), Sources()
        log = ViewingLog(store, tv, relay, shared=lambda: shared, write_every_s=write_every_s)
        async with serve(log):
            yield Desk(log, tv, relay)

    return opening


def shown(number: int, **change: object) -> TvState:
    state = TvState(
        channel=known(number), picture=Picture.PLAYING, zap="warm", first_frame_ms=90, player_ms=60
    )
    return replace(state, **change)  # type: ignore[arg-type]  # any field


async def rows(store: Store) -> int:
    return await store.read(lambda db: int(db.execute("SELECT count(*) FROM tv_zap").fetchone()[0]))


async def test_a_zap_is_known_by_its_time_and_its_reasons(open_log: Open) -> None:
    async with open_log() as desk:
        desk.relay.state[known(8).id] = replace(NO_PULL, source=1)
        tuning = shown(8, picture=Picture.TUNING, zap=None, first_frame_ms=None, player_ms=None)
        for state in (tuning, shown(8), shown(8, picture=Picture.STALLED), shown(8), shown(9)):
            desk.tv.become(state)
        zaps = await desk.zaps(2)
        assert zaps[1] == ZapRecord(
            at=zaps[1].at,
            channel=known(8).id,
            first_frame_ms=90,
            how="warm",
            player_ms=60,
            source=1,
            stalls=1,
            stalled_ms=0,
            source_changes=0,
            watched_s=0,
            code=None,
        )
        assert datetime.now(UTC) - zaps[1].at < timedelta(seconds=10)


async def test_a_channel_that_never_came_has_its_code(open_log: Open) -> None:
    async with open_log() as desk:
        failed = shown(8, picture=Picture.FAILED, code="TV-203", first_frame_ms=None, zap=None)
        for state in (failed, TvState()):
            desk.tv.become(state)
        (zap,) = await desk.zaps(1)
        assert (zap.first_frame_ms, zap.how, zap.code) == (None, "cold", "TV-203")
        assert (await desk.log.summary()).median_first_frame_ms is None


async def test_a_change_of_source_is_counted_where_it_happened(open_log: Open) -> None:
    async with open_log() as desk:
        desk.tv.become(shown(8))
        await desk.zaps(1)
        for channel in (known(8).id, known(9).id):
            desk.relay.facts.publish(SourceChanged(channel, 0, 1, "TV-205", 0.2))
        desk.tv.become(shown(9))
        zaps = await desk.zaps(2)
        assert [(zap.source, zap.source_changes) for zap in zaps] == [(0, 0), (1, 1)]


async def test_it_is_written_seldom_and_at_the_end(open_log: Open, store: Store) -> None:
    async with open_log() as desk:
        for number in range(1, 6):
            desk.tv.become(shown(number))
        await desk.zaps(5)
        assert await rows(store) == 0
    assert await rows(store) == 5
    async with open_log() as desk:
        assert [zap.channel for zap in await desk.zaps(5)] == ["c5", "c4", "c3", "c2", "c1"]


async def test_it_is_written_once_in_a_while(open_log: Open, store: Store) -> None:
    async with open_log(write_every_s=0.01) as desk:
        desk.tv.become(shown(1))
        desk.tv.become(shown(2))
        async with asyncio.timeout(5):
            while await rows(store) < 1:
                pass


async def test_old_rows_leave(open_log: Open, store: Store) -> None:
    long_ago = round((datetime.now(UTC) - timedelta(days=91)).timestamp() * 1000)
    lately = round(datetime.now(UTC).timestamp() * 1000)
    every = [(at, "c1", 50, "cold", 40, 0, 0, 0, 0, 1, None) for at in [long_ago] * 10 + [lately] * MAX_ROWS]
    await store.write(
        lambda db: db.executemany("INSERT INTO tv_zap VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", every)
    )
    async with open_log() as desk:
        for number in (1, 2, 3):
            desk.tv.become(shown(number))
        await desk.zaps(3)
    assert await rows(store) == MAX_ROWS
    assert await store.read(lambda db: db.execute("SELECT min(at) FROM tv_zap").fetchone()[0]) == lately


async def test_it_leaves_the_house_only_by_the_household_s_leave(
    open_log: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_log() as desk:
        desk.tv.become(shown(8))
        await desk.zaps(1)
        assert (await desk.log.summary()).shared is False
        assert await desk.log.exportable() == ()
    async with open_log(shared=True) as desk:
        assert len(await desk.log.exportable()) == 1
    assert "c8" not in caplog.text


async def test_support_sees_the_median_and_how_often_the_guess_was_right(open_log: Open) -> None:
    async with open_log() as desk:
        for number, ms, how in (
            (1, 40, "predicted"),
            (2, 90, "warm"),
            (3, 400, "cold"),
            (4, 30, "predicted"),
        ):
            desk.tv.become(shown(number, first_frame_ms=ms, zap=how))
        await desk.zaps(4)
        summary = await desk.log.summary()
        assert (summary.median_first_frame_ms, summary.predicted_share) == (65, 0.5)


async def test_the_past_is_no_zap(open_log: Open) -> None:
    async with open_log() as desk:
        desk.tv.become(shown(8, mode="catchup", zap=None))
        desk.tv.become(shown(9))
        assert [zap.channel for zap in await desk.zaps(1)] == ["c9"]
