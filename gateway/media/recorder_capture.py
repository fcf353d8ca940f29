"""Makes one recording: from the air, and from what the box already holds of the past.

One rule: begun by the wall clock, ended by the monotonic one; setting the clock
neither cuts a recording short nor lets it run for ever.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError, ungrouped
from gateway.media.lineup import ChannelId
from gateway.media.recordings_facts import NoRoomError, RecorderConfig, Recording
from gateway.media.recordings_library import Library
from gateway.media.reel import Reel, ReelError
from gateway.media.reel_index import Entry
from gateway.media.relay_facts import Weight
from gateway.media.relay_shelf import Piece

log = logging.getLogger(__name__)


class Air(Protocol):
    """See `gateway.media.relay.Relay`."""

    def follow(
        self, channel: ChannelId, *, weight: Weight = ..., since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]: ...


class Shift(Protocol):
    """See `gateway.media.timeshift_store.ShiftStore`."""

    def window(self, channel: ChannelId, /) -> tuple[datetime, datetime] | None: ...

    def from_instant(self, channel: ChannelId, at: datetime, /) -> AsyncGenerator[Piece, None]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where recordings come from: the air, and what is held of the last hours."""

    air: Air
    shift: Shift | None = None


class Capture:
    """One recording being made.

    Attributes:
        ends_at: Until when, on the wall clock as it was when that was said.
        code: Why media is missing, as far as is known.
    """

    def __init__(
        self, recording: Recording, library: Library, sources: Sources, config: RecorderConfig
    ) -> None:
        self.recording = recording.id
        self.ends_at: datetime = recording.stop
        self.code: str | None = None
        self._channel = recording.channel
        self._library = library
        self._sources = sources
        self._config = config
        self._deadline: asyncio.Timeout | None = None
        self.stopped = False
        self._before: Piece | None = None

    def stop(self) -> None:
        """End now, with what there is."""
        self.stopped = True
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())

    def extend(self, ends_at: datetime) -> None:
        """End then instead, reckoned from what was said before."""
        if self._deadline is not None and not self.stopped and (when := self._deadline.when()) is not None:
            self._deadline.reschedule(when + (ends_at - self.ends_at).total_seconds())
        self.ends_at = ends_at

    async def run(self, since: datetime, now: datetime, ends_at: datetime) -> None:
        """Record until `ends_at`, and return when all of it is on the medium.

        Args:
            since: What was on from then on is wanted, as far as it is held.
            now: The wall time.
            ends_at: See `extend`.

        Raises:
            ReelError: the files cannot be used at all.
        """
        self.ends_at = ends_at
        reel = await self._library.reel(self.recording)
        if reel.entries:  # it was cut, by power or a restart
            since = max(since, reel.entries[-1].until)
        end_s = asyncio.get_running_loop().time() + (ends_at - now).total_seconds()
        end_s += self._config.late_s
        try:
            async with asyncio.timeout_at(end_s) as self._deadline:
                if self.stopped:
                    return
                await self._collect(reel, since, now)
        except TimeoutError:
            pass
        except NoRoomError as error:
            self.code = error.code
            log.warning("a recording ends early: %s", error.line())
        finally:
            self._deadline = None
            try:
                await self._library.do(reel.close)
            except ReelError as error:
                self.code = error.code
            self._library.grow(self.recording, reel)

    async def _collect(self, reel: Reel, since: datetime, now: datetime) -> None:
        with ungrouped():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._secure(reel), name="recorder: secure")
                since = await self._held(reel, since, now)
                while True:
                    since = await self._live(reel, since)
                    await asyncio.sleep(self._config.retry_s)

    async def _held(self, reel: Reel, since: datetime, now: datetime) -> datetime:
        """Take what the box still holds of `since` … now; return where that ends."""
        shift = self._sources.shift
        window = shift.window(self._channel) if shift is not None else None
        if shift is None or window is None or window[1] <= since or window[0] >= now:
            return since
        async with aclosing(shift.from_instant(self._channel, since)) as pieces:
            async for piece in pieces:
                since = await self._keep(reel, piece)
        return since

    async def _live(self, reel: Reel, since: datetime) -> datetime:
        """Record until the channel fails; return where that was."""
        try:
            pieces = self._sources.air.follow(self._channel, weight=Weight.RECORDING, since=since)
            async with aclosing(pieces):
                async for piece in pieces:
                    since = await self._keep(reel, piece)
                    self.code = None
        except GatewayError as error:
            self.code = error.code
        return since

    async def _keep(self, reel: Reel, piece: Piece) -> datetime:
        until = piece.at + timedelta(seconds=piece.duration_s)
        before: Piece | Entry | None = self._before or (reel.entries[-1] if reel.entries else None)
        if before is not None and before.pull == piece.pull and piece.number <= before.number:
            return until
        joins = before is None or (before.pull, before.number + 1) == (piece.pull, piece.number)
        if piece.continues and (before is None or not joins):
            return until  # nobody could begin to watch there
        kept = piece if joins else replace(piece, discontinuity=True)
        await self._library.do(lambda: reel.append(kept))
        self._before = piece
        self._library.grow(self.recording, reel)
        return until

    async def _secure(self, reel: Reel) -> None:
        """Put on the medium what came, every few seconds.

        Raises:
            NoRoomError: there is none for more.
        """
        while True:
            await asyncio.sleep(self._config.secure_every_s)
            try:
                await self._library.do(reel.secure)
                await self._library.make_room(self.recording)
            except NoRoomError:
                raise
            except GatewayError as error:  # the disk or the database; perhaps it works again in a moment
                self.code = error.code


def missing_s(entries: list[Entry], start: datetime, stop: datetime) -> float:
    """Return how much of `start` … `stop` there is nothing of."""
    missing, position = 0.0, start
    for entry in entries:
        if entry.until <= position or entry.at >= stop:
            continue
        missing += max(0.0, (entry.at - position).total_seconds())
        position = max(position, entry.until)
    return missing + max(0.0, (stop - position).total_seconds())
