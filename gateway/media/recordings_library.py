"""What has been recorded: the list, the files, and the room they take.

One rule: a recording is its row and its file.  A row without a file is dropped; a file
without a row is taken in again, because it may be all that is left.
"""

import asyncio
import logging
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gateway.media.lineup import ChannelId
from gateway.media.recordings_facts import (
    PLAYABLE,
    TO_COME,
    WATCHED_SHARE,
    NoRoomError,
    RecorderConfig,
    Recording,
    RecordingState,
    SeriesRule,
    Space,
)
from gateway.media.recordings_table import RecordingTable
from gateway.media.reel import MEDIA, Reel, ReelError
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_OPEN = 8
IN_USE_S = 600.0
WRITE_POSITION_S = 30.0


class Library:
    """See the module.

    Attributes:
        changes: The list, or something in it, is different now.
        progress: The id of a recording that has grown, or ended.
        recordings: All there are, by id; not what is only planned by a rule.
        series: The rules, by id.
        had: Which episodes of which rule need not be recorded any more.
    """

    def __init__(self, table: RecordingTable, folder: Path, config: RecorderConfig) -> None:
        """Describe it; `load` reads what there is.

        Args:
            table: The rows.
            folder: For the files alone.
            config: How much there may be.
        """
        self.changes: Publisher[None] = Publisher()
        self.progress: Publisher[str] = Publisher()
        self.recordings: Mapping[str, Recording] = {}
        self.series: Mapping[str, SeriesRule] = {}
        self.had: frozenset[tuple[str, str]] = frozenset()
        self._table = table
        self._folder = folder
        self._config = config
        self._free_bytes = 0
        self._reels: OrderedDict[str, Reel] = OrderedDict()
        self._used_at_s: dict[str, float] = {}
        self._unwritten: dict[str, float] = {}
        self._thread: ThreadPoolExecutor | None = None

    @property
    def space(self) -> Space:
        """What the files take; as of the last look at the disk."""
        used = sum(one.size_bytes for one in self.recordings.values())
        return Space(used, self._config.quota_bytes, self._free_bytes)

    async def load(self) -> None:
        """Know what there is.

        Raises:
            StoreError, ReelError: rows or files cannot be read.
        """
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="recordings")
        self.recordings = {one.id: one for one in await self._table.recordings()}
        self.series = {one.id: one for one in await self._table.series()}
        self.had = await self._table.had()
        there = await self.do(self._files)
        for one in [one for one in self.recordings.values() if one.id not in there and one.size_bytes]:
            if one.state not in TO_COME and not self.is_growing(one.id):
                await self.delete(one.id)
        for name in there - self.recordings.keys():
            await self._adopt(name)
        for one in [one for one in self.recordings.values() if self.is_growing(one.id)]:
            self.grow(one.id, await self.reel(one.id))
        await self.look_at_disk()
        self.changes.publish(None)

    async def close(self) -> None:
        """Let go of the files."""
        for recording in list(self._unwritten):
            await self._write_position(recording)
        for reel in self._reels.values():
            await self.do(reel.abandon)
        self._reels.clear()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        self._thread = None

    async def put(self, recording: Recording) -> None:
        """Add or replace a recording.

        Raises:
            StoreError: it could not be kept.
        """
        if self.recordings.get(recording.id) == recording:
            return
        await self._table.put(recording)
        self.recordings = {**self.recordings, recording.id: recording}
        self.changes.publish(None)

    def grow(self, recording: str, reel: Reel) -> None:
        """Tell that a recording has grown; the row follows when it ends."""
        one = self.recordings.get(recording)
        if one is not None:
            grown = replace(
                one,
                size_bytes=reel.size_bytes,
                duration_s=reel.duration_s,
                begun_at=reel.entries[0].at if reel.entries else None,
            )
            self.recordings = {**self.recordings, recording: grown}
            self.progress.publish(recording)

    async def delete(self, recording: str) -> None:
        """Remove a recording with its files; nothing happens if there is none.

        Raises:
            StoreError: it could not be removed.
        """
        # The files first: a row without them is dropped at the next start, a file without row comes back.
        reel = self._reels.pop(recording, None) or Reel(self._path(recording))
        await self.do(reel.delete)
        await self._table.delete(recording)
        self.recordings = {key: one for key, one in self.recordings.items() if key != recording}
        self._used_at_s.pop(recording, None)
        self._unwritten.pop(recording, None)
        self.progress.publish(recording)
        self.changes.publish(None)

    async def put_series(self, rule: SeriesRule) -> None:
        """Add a rule.

        Raises:
            StoreError: it could not be kept.
        """
        await self._table.put_series(rule)
        self.series = {**self.series, rule.id: rule}
        self.changes.publish(None)

    async def delete_series(self, rule: str) -> None:
        """Remove a rule; what it recorded stays.

        Raises:
            StoreError: it could not be removed.
        """
        await self._table.delete_series(rule)
        self.series = {key: one for key, one in self.series.items() if key != rule}
        self.recordings = {
            key: replace(one, series=None) if one.series == rule else one
            for key, one in self.recordings.items()
        }
        self.changes.publish(None)

    async def note_had(self, series: str, episode: str) -> None:
        """Remember that an episode need not be recorded (again).

        Raises:
            StoreError: it could not be kept.
        """
        await self._table.note_had(series, episode)
        self.had |= {(series, episode)}

    async def reel(self, recording: str) -> Reel:
        """Return the files of a recording, opened.

        Raises:
            ReelError: they cannot be read.
        """
        self._used_at_s[recording] = time.monotonic()
        reel = self._reels.get(recording)
        if reel is None:
            reel = Reel(self._path(recording))
            await self.do(reel.open)
            reel = self._reels.setdefault(recording, reel)
            closed = [key for key in self._reels if not self.is_growing(key) and key != recording]
            for key in closed[: len(self._reels) - MAX_OPEN]:
                del self._reels[key]
        self._reels.move_to_end(recording)
        return reel

    def is_growing(self, recording: str) -> bool:
        """Tell whether more of it may come."""
        one = self.recordings.get(recording)
        return one is not None and one.state is RecordingState.RECORDING

    async def left_at(self, recording: str, position_s: float) -> None:
        """Remember where somebody is; it reaches the disk now and then."""
        one = self.recordings.get(recording)
        if one is None:
            return
        position_s = max(0.0, min(position_s, one.duration_s))
        over = position_s >= WATCHED_SHARE * one.duration_s > 0
        watched = one.watched or (over and one.state is not RecordingState.RECORDING)
        self.recordings = {
            **self.recordings,
            recording: replace(one, position_s=position_s, watched=watched),
        }
        self.changes.publish(None)
        if recording not in self._unwritten:
            # The first at once; those that follow within half a minute are one write.
            self._unwritten[recording] = time.monotonic()
            await self._table.put(self.recordings[recording])

    async def write_positions(self) -> None:
        """Put on the disk where people are, if that was half a minute ago; call now and then."""
        for recording, since_s in list(self._unwritten.items()):
            if time.monotonic() - since_s >= WRITE_POSITION_S:
                await self._write_position(recording)

    async def look_at_disk(self) -> None:
        """Know how much is free."""
        self._free_bytes = await self.do(lambda: shutil.disk_usage(self._folder).free)

    async def make_room(self, spare: str = "") -> None:
        """Let what was watched go, the oldest first, until there is room.

        Args:
            spare: The id of a recording that is not touched.

        Raises:
            NoRoomError: there is none, and nothing may go.
        """
        await self.look_at_disk()
        while not self._has_room:
            old = min(
                (one for one in self.recordings.values() if one.id != spare and self._may_go(one)),
                key=lambda one: one.start,
                default=None,
            )
            if old is None or not self._config.auto_delete:
                raise NoRoomError("There is no room for recordings")
            log.info("a recording that was watched makes room")
            await self.delete(old.id)
            await self.look_at_disk()

    async def do(self, act: Callable[[], T]) -> T:
        """Do what blocks in the library's one thread.

        Raises:
            ReelError: the library is closed, or the disk fails.
        """
        if self._thread is None:
            raise ReelError("Recordings are not at hand now")
        try:
            return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, act))
        except OSError as error:
            raise ReelError(f"The disk fails: {error.strerror}") from error

    @property
    def _has_room(self) -> bool:
        space = self.space
        return space.used_bytes < space.quota_bytes and space.free_bytes > self._config.min_free_bytes

    def _may_go(self, one: Recording) -> bool:
        used_s = time.monotonic() - self._used_at_s.get(one.id, -IN_USE_S)
        return one.watched and one.state in PLAYABLE and not self.is_growing(one.id) and used_s >= IN_USE_S

    async def _write_position(self, recording: str) -> None:
        del self._unwritten[recording]
        if (one := self.recordings.get(recording)) is not None:
            await self._table.put(one)

    def _path(self, recording: str) -> Path:
        return self._folder / f"{recording}{MEDIA}"

    def _files(self) -> set[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        return {file.stem for file in self._folder.glob(f"*{MEDIA}")}

    async def _adopt(self, name: str) -> None:
        """Take in a file without a row: the database was put back to an older copy."""
        reel = await self.reel(name)
        if not reel.entries:
            await self.do(reel.delete)
            return
        begun, until = reel.entries[0].at, reel.entries[-1].until
        await self.put(
            Recording(
                id=name,
                channel=ChannelId(""),
                channel_name="",
                title=f"{begun.astimezone():%Y-%m-%d %H:%M}",
                start=begun,
                stop=max(begun, until),
                asked_at=begun,
                state=RecordingState.PARTIAL,
                begun_at=begun,
                size_bytes=reel.size_bytes,
                duration_s=reel.duration_s,
            )
        )
