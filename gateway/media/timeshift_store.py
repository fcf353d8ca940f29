"""What was on, kept on the disk or in memory: pieces of channels, by time.

One rule: kind to flash.  Media is written once, in large parts, one after the
other; it leaves as whole files, the oldest first, and nothing is ever moved.
"""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from gateway.media.lineup import ChannelId
from gateway.media.reel import INDEX, MEDIA, Reel, ReelError
from gateway.media.relay_shelf import Piece
from gateway.media.timeshift_facts import ShiftDegraded, ShiftFact, ShiftRecovered, TimeShiftConfig
from gateway.media.timeshift_film import Film, Frame
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_NAME_DIGITS = 12


class ShiftStore:
    """Keeps channels; see the module.

    Attributes:
        facts: The disk failing, and working again.
        degraded: The code of the reason why nothing goes to the disk, or None.
    """

    def __init__(self, folder: Path, config: TimeShiftConfig) -> None:
        """Describe a store; `load` reads what an earlier run left.

        Args:
            folder: For its files alone.
            config: Limits.
        """
        self.facts: Publisher[ShiftFact] = Publisher()
        self.degraded: str | None = None
        self._folder = folder
        self._config = config
        self._films: dict[str, Film] = {}
        self._open: dict[str, Reel] = {}
        self._reels: dict[Reel, str] = {}
        self._on_disk: set[str] = set()
        self._written_before = 0
        self._next = 0
        self._retry_at_s = 0.0
        self._thread: ThreadPoolExecutor | None = None
        self._changing = asyncio.Lock()

    @property
    def size_bytes(self) -> int:
        """Media on the disk."""
        return sum(reel.size_bytes for reel in self._reels)

    @property
    def bytes_written(self) -> int:
        """What was handed to the disk since the start, indexes and all."""
        return self._written_before + sum(reel.bytes_written for reel in self._reels)

    async def load(self) -> None:
        """Know what an earlier run left; what is not whole is cut off.

        Raises:
            ReelError: the folder cannot be used.
        """
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="timeshift")
        for name, reel in await self._do(self._found):
            self._films.setdefault(name, Film()).extend(
                Frame(reel=reel, entry=entry) for entry in reel.entries
            )
            self._reels[reel] = name
            self._next = max(self._next, int(reel.path.stem) + 1)

    async def close(self) -> None:
        """Write what is in memory and should be on the disk, and let go of everything."""
        async with self._changing:
            for name in list(self._open):
                await self._end_reel(name)
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        self._thread = None
        self._films.clear()
        self._written_before = self.bytes_written
        self._reels.clear()

    async def keep(self, channel: ChannelId, *, on_disk: bool) -> None:
        """Say whether `channel` goes to the disk from now on, with what memory holds of it."""
        name = _folder_name(channel)
        async with self._changing:
            if on_disk:
                self._on_disk.add(name)
                await self._spill(name)
            elif name in self._on_disk:
                self._on_disk.discard(name)
                await self._end_reel(name)

    async def add(self, channel: ChannelId, piece: Piece) -> None:
        """Keep the next piece of `channel`; it can be read at once.

        A disk that fails is no reason to raise: see `degraded`.
        """
        name = _folder_name(channel)
        async with self._changing:
            film = self._films.setdefault(name, Film())
            if film.by_number(piece.pull, piece.number) is not None:
                return
            film.extend([Frame(piece=piece)])
            if name in self._on_disk:
                await self._spill(name)
            film.trim_memory(self._config.memory_bytes)

    async def flush(self) -> None:
        """Hand what waits in memory to the system; to be called now and then."""
        async with self._changing:
            for name, reel in list(self._open.items()):
                try:
                    await self._do(reel.flush)
                except ReelError as error:
                    await self._fail(name, error)

    async def rest(self, channel: ChannelId) -> None:
        """Nothing more comes of `channel` for now: memory is let go of, the disk keeps what it has."""
        name = _folder_name(channel)
        async with self._changing:
            if name in self._on_disk:
                await self._spill(name)
            self._on_disk.discard(name)
            await self._end_reel(name)
            if (film := self._films.get(name)) is not None:
                film.trim_memory(0)
                self._forget_if_empty(name)

    def window(self, channel: ChannelId) -> tuple[datetime, datetime] | None:
        """Return from when to when something is kept, or None; there may be holes."""
        film = self._films.get(_folder_name(channel))
        return film.window if film is not None else None

    async def piece(self, channel: ChannelId, pull: int, number: int) -> Piece | None:
        """Return the very piece, or None if it is not kept (any more)."""
        film = self._films.get(_folder_name(channel))
        frame = film.by_number(pull, number) if film is not None else None
        return await _read(frame) if frame is not None else None

    async def from_instant(self, channel: ChannelId, at: datetime) -> AsyncGenerator[Piece, None]:
        """Yield what was on from `at` on, until the newest piece.

        Begins with the first piece of which the greater part is after `at`.  A piece that does not
        join on to the one before it has `Piece.discontinuity`.
        """
        film = self._films.get(_folder_name(channel))
        serial = film.since(at) if film is not None else None
        before: Piece | None = None
        while film is not None and serial is not None and (frame := film.following(serial)) is not None:
            piece = await _read(frame)
            serial = frame.serial + 1
            if piece is None:
                continue
            joins = before is None or (piece.pull, piece.number) == (before.pull, before.number + 1)
            yield piece if joins else replace(piece, discontinuity=True)
            before = piece

    async def _spill(self, name: str) -> None:
        """Put on the disk what memory holds of a channel, unless the disk failed a moment ago."""
        now_s = asyncio.get_running_loop().time()
        if self.degraded and now_s < self._retry_at_s:
            return
        film = self._films.get(name)
        try:
            for frame in film.in_memory() if film is not None else ():
                if (held := frame.piece) is None:
                    continue
                reel = await self._reel(name)
                # In the thread, so that it is done and known to be, or neither, if we are cancelled.
                await self._do(_put, frame, held, reel)
        except ReelError as error:
            await self._fail(name, error)
            return
        if self.degraded:
            self.degraded = None
            self.facts.publish(ShiftRecovered())

    async def _fail(self, name: str, error: ReelError) -> None:
        """Go on in memory alone for a while."""
        self._retry_at_s = asyncio.get_running_loop().time() + self._config.retry_s
        reel = self._open.pop(name, None)
        if reel is not None:
            await self._do(reel.abandon)
            lost = reel.entries[reel.written :]
            film = self._films[name]
            film.forget(lambda frame: frame.reel is reel and frame.entry in lost)
            if not reel.written:
                await self._delete(reel)
        if self.degraded is None:
            self.degraded = error.code
            log.warning("time-shift goes on in memory: %s", error.line())
            self.facts.publish(ShiftDegraded(error.code))

    async def _reel(self, name: str) -> Reel:
        """Return the file a channel is being written to; a full one is followed by the next."""
        reel = self._open.get(name)
        if reel is not None and reel.size_bytes >= self._config.file_bytes:
            await self._end_reel(name)
            reel = None
        if reel is None:
            await self._make_room(name)
            path = self._folder / name / f"{self._next:0{_NAME_DIGITS}}{MEDIA}"
            self._next += 1
            await self._do(_make_folder, path.parent)
            reel = self._open[name] = Reel(path, write_bytes=self._config.write_bytes)
            self._reels[reel] = name
        return reel

    async def _end_reel(self, name: str) -> None:
        reel = self._open.get(name)
        if reel is None:
            return
        try:
            await self._do(reel.close)
        except ReelError as error:
            await self._fail(name, error)
        self._open.pop(name, None)

    async def _make_room(self, name: str) -> None:
        """Let the oldest files go until one more fits.

        Raises:
            ReelError: there is no room for it.
        """
        config = self._config
        film = self._films[name]
        for reel in [each for each, owner in self._reels.items() if owner == name]:
            # By the length of what follows, since clocks may be set.
            if film.length_after_s(reel) >= config.window_s:
                await self._delete(reel)
        while True:
            free = await self._do(_free_bytes, self._folder)
            over_quota = self.size_bytes + config.file_bytes > config.quota_bytes
            if not over_quota and free - config.file_bytes >= config.min_free_bytes:
                return
            old = min(
                (reel for reel in self._reels if reel not in self._open.values()),
                key=lambda reel: reel.path.stem,
                default=None,
            )
            if old is None:
                raise ReelError("There is no room for time-shift")
            await self._delete(old)

    async def _delete(self, reel: Reel) -> None:
        name = self._reels.pop(reel)
        self._written_before += reel.bytes_written
        self._films[name].forget(lambda frame: frame.reel is reel)
        self._forget_if_empty(name)
        await self._do(reel.delete)

    def _forget_if_empty(self, name: str) -> None:
        if name not in self._on_disk and self._films[name].window is None:
            del self._films[name]

    def _found(self) -> list[tuple[str, Reel]]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(
                self._folder.glob(f"*/{'[0-9]' * _NAME_DIGITS}{MEDIA}"), key=lambda path: path.stem
            )
            found = list(_opened(paths, self._config.write_bytes))
            for index in self._folder.glob(f"*/*{INDEX}"):
                if not index.with_suffix(MEDIA).exists():
                    index.unlink(missing_ok=True)
        except OSError as error:
            raise ReelError(f"The time-shift folder cannot be used: {error.strerror}") from error
        return found

    async def _do(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what blocks in the store's one thread.

        Raises:
            ReelError: the store is closed, or the disk fails.
        """
        if self._thread is None:
            raise ReelError("Time-shift is not running")
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(self._thread, lambda: act(*args, **kwargs)))
        except OSError as error:
            raise ReelError(f"The disk fails: {error.strerror}") from error


def _folder_name(channel: ChannelId) -> str:
    """Return how a channel's folder is called: its id may be anything, and is nobody's business."""
    return hashlib.sha256(channel.encode()).hexdigest()[:24]


async def _read(frame: Frame) -> Piece | None:
    held = frame.piece
    if held is not None:
        return held
    reel, entry = frame.reel, frame.entry
    return await asyncio.to_thread(reel.read, entry) if reel is not None and entry is not None else None


def _put(frame: Frame, piece: Piece, reel: Reel) -> None:
    frame.lies(reel, reel.append(piece))


def _opened(paths: list[Path], write_bytes: int) -> Iterator[tuple[str, Reel]]:
    for path in paths:
        reel = Reel(path, write_bytes=write_bytes)
        reel.open()
        if reel.entries:
            yield path.parent.name, reel
        else:
            reel.delete()


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _free_bytes(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free
