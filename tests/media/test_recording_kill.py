"""What was promised survives the end of the process at any instant, and the loss of power."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.media.reel import INDEX, MEDIA, Reel
from gateway.media.timeshift_store import ShiftStore
from tests.media.head_end import make_material
from tests.media.recording_child import SHIFT, SIZE
from tests.media.reel_fixtures import EVENING, NEWS, media, numbers

KILLS = int(os.environ.get("GATEWAY_KILLS", "15"))
DICE = random.Random(20260301)  # noqa: S311 - a test that can be repeated
pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 + 10 * KILLS)]


async def killed(kind: str, folder: Path, after_s: float, files: Sequence[Path] = ()) -> list[list[str]]:
    """Run the child for `after_s` from its first promise on, kill it, and return what it promised."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.media.recording_child", kind, str(folder), *map(str, files)),
        stdout=subprocess.PIPE,
        limit=2**26,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            first = await child.stdout.readline()
        await asyncio.sleep(after_s)
    finally:
        child.kill()
    rest = await child.stdout.read()
    await child.wait()
    # The last line may be torn.
    return [line.split() for line in (first + rest).decode().split("\n")[:-1]]


def opened(folder: Path, name: str) -> Reel:
    reel = Reel(folder / "recordings" / f"{name}{MEDIA}")
    reel.open()
    return reel


def read(reel: Reel) -> list[bytes]:
    found = [reel.read(entry) for entry in reel.entries]
    assert None not in found
    return [each.data for each in found if each]


async def test_a_recording_survives_kills_and_goes_on_each_time(tmp_path: Path) -> None:
    promised = confirmed = 0
    for _ in range(KILLS):
        said = await killed("recording", tmp_path, DICE.uniform(0, 0.4))
        name, written = said[-1][0], max(int(line[1]) for line in said)
        assert written >= promised
        reel = opened(tmp_path, name)
        assert len(reel.entries) >= written
        confirmed += len(reel.entries) - promised
        promised = len(reel.entries)
        # Each run counts anew, and nothing is missing, torn or out of order within it.
        runs = [int.from_bytes(data[4:12]) for data in read(reel)]
        assert all(after in (before + 1, 0) for before, after in pairwise(runs))
        assert reel.path.stat().st_size == reel.size_bytes
        if reel.size_bytes > 300_000_000:
            reel.delete()
            for file in tmp_path.glob("box.db*"):
                file.unlink()
            promised = 0
    assert confirmed


async def test_time_shift_survives_kills_and_goes_on_each_time(tmp_path: Path) -> None:
    for _ in range(KILLS):
        said = await killed("timeshift", tmp_path, DICE.uniform(0, 0.4))
        pull, promised = int(said[-1][0]), int(said[-1][1])
        store = ShiftStore(tmp_path, SHIFT)
        await store.load()
        assert await store.piece(NEWS, pull, promised - 1) is not None
        found = [each async for each in store.from_instant(NEWS, EVENING)]
        of_it = numbers([each for each in found if each.pull == pull])
        assert of_it == list(range(of_it[0], of_it[-1] + 1))
        assert of_it[-1] >= promised - 1
        assert all(each.data == media(each.number, SIZE) for each in found)
        assert sum(len(each.data) for each in found) <= SHIFT.quota_bytes + SIZE
        await store.close()


async def test_what_was_not_secured_may_be_torn_at_any_byte(tmp_path: Path) -> None:
    for _ in range(max(3, KILLS // 10)):
        said = await killed("recording", tmp_path, DICE.uniform(0.1, 0.5))
        name, secured = said[-1][0], max(int(line[2]) for line in said)
        path = tmp_path / "recordings" / f"{name}{MEDIA}"
        reel = opened(tmp_path, name)
        assert reel.secured >= secured
        secured = reel.secured
        safe = reel.entries[secured - 1].end if secured else 0
        held = read(reel)
        whole, index = path.read_bytes(), path.with_suffix(INDEX).read_bytes()
        for _ in range(5):
            cut = DICE.randrange(safe, len(whole) + 1)
            path.write_bytes(whole[:cut])
            path.with_suffix(INDEX).write_bytes(index)
            if cut > safe + 1000:  # the length was noted, the content was not
                with path.open("r+b") as file:
                    file.seek(DICE.randrange(safe, cut - 500))
                    file.write(bytes(500))
            again = opened(tmp_path, name)
            assert len(again.entries) >= secured
            assert read(again) == held[: len(again.entries)]
        path.write_bytes(whole)
        path.with_suffix(INDEX).write_bytes(index)


async def test_a_recording_cut_by_power_plays_up_to_the_cut(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    material = make_material(tmp_path_factory.mktemp("live"))
    files = [material / f"plain-{number}.ts" for number in range(8)]
    said = await killed("recording", tmp_path, 0.3, files)
    reel = opened(tmp_path, said[-1][0])
    seen = tmp_path / "seen.ts"
    # The file as it lies there: a transport stream of whole pieces.
    seen.write_bytes(reel.path.read_bytes()[: reel.entries[min(len(files), len(reel.entries)) - 1].end])
    probed = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_type,nb_read_packets"),
        *("-of", "csv=p=0", seen),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await probed.communicate()
    assert probed.returncode == 0
    assert b"video" in out
    assert b"corrupt" not in err
