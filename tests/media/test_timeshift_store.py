import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.media.reel import ReelError
from gateway.media.timeshift_facts import ShiftDegraded, ShiftRecovered, TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from tests.media.reel_fixtures import EVENING, NEWS, SPORT, STEP, numbers, piece

MIB = 1024 * 1024
SMALL = TimeShiftConfig(
    keep="watched",
    min_free_bytes=0,
    quota_bytes=10 * MIB,
    memory_bytes=MIB,
    file_bytes=MIB,
    write_bytes=65_536,
    retry_s=0.05,
)


@asynccontextmanager
async def store(folder: Path, config: TimeShiftConfig = SMALL) -> AsyncIterator[ShiftStore]:
    one = ShiftStore(folder, config)
    await one.load()
    try:
        yield one
    finally:
        await one.close()


async def since(one: ShiftStore, at: datetime) -> list[int]:
    return numbers([each async for each in one.from_instant(NEWS, at)])


async def test_what_was_on_can_be_read_from_any_instant_until_now(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(NEWS, on_disk=True)
        for number in range(10):
            await one.add(NEWS, piece(number, size=200_000))
        assert one.window(NEWS) == (EVENING, EVENING + 10 * STEP)
        assert await since(one, EVENING) == list(range(10))
        assert await since(one, EVENING + 4 * STEP) == [4, 5, 6, 7, 8, 9]
        assert await since(one, EVENING + 4 * STEP + timedelta(seconds=0.9)) == [4, 5, 6, 7, 8, 9]
        assert await since(one, EVENING + 4 * STEP + timedelta(seconds=1.1)) == [5, 6, 7, 8, 9]
        assert await since(one, EVENING + 10 * STEP) == []
        assert one.window(SPORT) is None


async def test_the_very_piece_that_left_memory_is_found(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(NEWS, on_disk=True)
        for number in range(10):
            await one.add(NEWS, piece(number, size=200_000))
        for number in range(10):
            found = await one.piece(NEWS, 7, number)
            assert found is not None
            assert found.data == piece(number, size=200_000).data
        assert await one.piece(NEWS, 8, 3) is None
        assert await one.piece(SPORT, 7, 3) is None


async def test_it_goes_on_after_a_restart_with_a_hole_that_is_marked(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(NEWS, on_disk=True)
        for number in range(4):
            await one.add(NEWS, piece(number))
    async with store(tmp_path) as one:
        assert await since(one, EVENING) == [0, 1, 2, 3]
        await one.keep(NEWS, on_disk=True)
        for number in range(100, 103):
            await one.add(NEWS, piece(number, pull=9))
        found = [each async for each in one.from_instant(NEWS, EVENING + 2 * STEP)]
        assert numbers(found) == [2, 3, 100, 101, 102]
        assert [each.discontinuity for each in found] == [False, False, True, False, False]


async def test_the_oldest_files_leave_when_the_quota_is_reached(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(SPORT, on_disk=True)
        for number in range(10):
            await one.add(SPORT, piece(number, size=500_000))
        await one.rest(SPORT)
        await one.keep(NEWS, on_disk=True)
        for number in range(10):
            await one.add(NEWS, piece(number, size=300_000))
        held = one.window(SPORT)
        assert held is not None
        assert held[0] == EVENING  # what was watched before stays while there is room
        for number in range(10, 60):
            await one.add(NEWS, piece(number, size=500_000))
            assert one.size_bytes <= SMALL.quota_bytes + 500_000
        assert one.window(SPORT) is None
        newest = await since(one, EVENING)
        assert newest == list(range(newest[0], 60))
        assert 15 <= len(newest) <= 22
        assert one.bytes_written <= 1.02 * 70 * 500_000
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.ts")) <= SMALL.quota_bytes


async def test_what_is_older_than_the_window_leaves(tmp_path: Path) -> None:
    config = TimeShiftConfig(
        keep="watched", window_s=60, min_free_bytes=0, file_bytes=65_536, write_bytes=4096
    )
    async with store(tmp_path, config) as one:
        await one.keep(NEWS, on_disk=True)
        for number in range(200):
            await one.add(NEWS, piece(number, size=20_000))
        held = one.window(NEWS)
        assert held is not None
        assert 60 <= (held[1] - held[0]).total_seconds() <= 80


async def test_memory_alone_holds_the_last_moments(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        for number in range(20):
            await one.add(NEWS, piece(number, size=100_000))
        assert await since(one, EVENING) == list(range(10, 20))
        assert not list(tmp_path.rglob("*.ts"))


async def test_a_pause_puts_on_disk_what_memory_holds_and_what_follows(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        for number in range(20):
            await one.add(NEWS, piece(number, size=100_000))
        await one.keep(NEWS, on_disk=True)
        for number in range(20, 60):
            await one.add(NEWS, piece(number, size=100_000))
        assert await since(one, EVENING) == list(range(10, 60))
        await one.keep(NEWS, on_disk=False)
        for number in range(60, 80):
            await one.add(NEWS, piece(number, size=100_000))
        assert await since(one, EVENING) == [*range(10, 60), *range(70, 80)]


async def test_nobody_is_sent_into_the_middle_of_a_segment(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(NEWS, on_disk=True)
        for number, continues in enumerate([True, False, True, True, False]):
            await one.add(NEWS, piece(number, continues=continues))
    async with store(tmp_path) as one:
        assert await since(one, EVENING - STEP) == [1, 2, 3, 4]
        assert await since(one, EVENING + 2.8 * STEP) == [1, 2, 3, 4]
        assert await since(one, EVENING + 3.8 * STEP) == [4]
        # Who has what was before goes on just there.
        assert await since(one, EVENING + 3 * STEP) == [3, 4]


async def test_the_same_piece_twice_is_one(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.add(NEWS, piece(1))
        await one.add(NEWS, piece(1))
        assert await since(one, EVENING) == [1]


async def test_without_room_on_the_disk_memory_goes_on(tmp_path: Path) -> None:
    config = TimeShiftConfig(
        keep="watched", min_free_bytes=2**60, memory_bytes=MIB, file_bytes=MIB, retry_s=0.05
    )
    async with store(tmp_path, config) as one:
        with one.facts.subscribe() as facts:
            await one.keep(NEWS, on_disk=True)
            for number in range(20):
                await one.add(NEWS, piece(number, size=100_000))
            async with asyncio.timeout(5):
                assert await anext(facts) == ShiftDegraded("TV-501")
        assert one.degraded == "TV-501"
        assert await since(one, EVENING) == list(range(10, 20))


async def test_a_disk_that_fails_in_the_middle_is_tried_again(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        with one.facts.subscribe() as facts:
            await one.keep(NEWS, on_disk=True)
            for number in range(4):
                await one.add(NEWS, piece(number, size=400_000))
            (folder,) = tmp_path.iterdir()
            # The next file cannot be made: something of that name leads to a disk that is always full.
            (folder / "000000000002.ts").symlink_to("/dev/full")
            for number in range(4, 8):
                await one.add(NEWS, piece(number, size=400_000))
            async with asyncio.timeout(5):
                assert await anext(facts) == ShiftDegraded("TV-501")
                number = 8
                while one.degraded:
                    await one.add(NEWS, piece(number, size=400_000))
                    number += 1
                    await asyncio.sleep(0.02)
                assert await anext(facts) == ShiftRecovered()
            found = await since(one, EVENING)
            assert found[0] == 0
            assert found[-1] == number - 1


async def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ReelError):
        await ShiftStore(tmp_path / "taken" / "shift", SMALL).load()


async def test_a_name_says_nothing_of_the_channel(tmp_path: Path) -> None:
    async with store(tmp_path) as one:
        await one.keep(NEWS, on_disk=True)
        await one.add(NEWS, piece(1))
        await one.flush()
    assert [file for file in tmp_path.rglob("*") if "news" in str(file.relative_to(tmp_path))] == []
