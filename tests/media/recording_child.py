"""Records at full speed until it is killed, and says what it has promised.

Run as ``python -m tests.media.recording_child (recording|timeshift) FOLDER [TS FILE …]``.  Each
line it prints names how many pieces survive a kill, and how many a power cut.
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Weight
from gateway.media.relay_shelf import Piece
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from tests.media.recorder_fixtures import Parts
from tests.media.reel_fixtures import NEWS, PIECE_S, piece
from tests.ui.living import running

SIZE = 150_000
SHIFT = TimeShiftConfig(
    keep="watched",
    min_free_bytes=0,
    quota_bytes=40 * 1024 * 1024,
    file_bytes=4 * 1024 * 1024,
    write_bytes=256 * 1024,
)


def pieces_of(files: list[str], start: datetime) -> "AsyncGenerator[Piece, None]":
    """Yield pieces for ever: real segments if there are any, made ones otherwise."""

    async def pieces() -> AsyncGenerator[Piece, None]:
        segments = [Path(file).read_bytes() for file in files]
        number = 0
        while True:
            at = start + timedelta(seconds=number * PIECE_S)
            made = piece(number, size=SIZE, at=at)
            yield replace(made, data=segments[number % len(segments)]) if segments else made
            number += 1
            await asyncio.sleep(0.001)

    return pieces()


class Tape:
    """A relay that never waits."""

    def __init__(self, files: list[str]) -> None:
        self._files = files

    async def follow(
        self, channel: ChannelId, *, weight: Weight = Weight.RECORDING, since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]:
        """See `gateway.media.relay.Relay`."""
        del channel, weight
        pull = secrets.randbits(40)
        async for each in pieces_of(self._files, since or datetime.now(UTC)):
            yield replace(each, pull=pull)


async def record(folder: Path, files: list[str]) -> None:
    """Record by the real recorder, or go on recording."""
    parts = Parts(folder=folder, tape=Tape(files))
    async with parts.studio(lambda service: running(service.run), secure_every_s=0.02) as studio:
        known = studio.library
        if not known.recordings:
            now = datetime.now(UTC)
            await studio.recorder.record_time(NEWS, now, now + timedelta(hours=11))
        (name,) = known.recordings
        reel = await known.reel(name)
        with known.progress.subscribe(backlog=1) as news:
            async for _ in news:
                sys.stdout.write(f"{name} {reel.written} {reel.secured}\n")
                sys.stdout.flush()


async def shift(folder: Path, files: list[str]) -> None:
    """Keep a channel by the real time-shift, or go on keeping it."""
    store = ShiftStore(folder, SHIFT)
    await store.load()
    await store.keep(NEWS, on_disk=True)
    pull = int(datetime.now(UTC).timestamp() * 1000)
    async for each in pieces_of(files, datetime.now(UTC)):
        await store.add(NEWS, replace(each, pull=pull))
        if each.number % 7 == 0:
            await store.flush()
            sys.stdout.write(f"{pull} {each.number + 1} 0\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run({"recording": record, "timeshift": shift}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:]))
