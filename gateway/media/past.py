"""A channel from any instant on: out of the disk, the operator's archive, or the air.

One rule: whoever watches never sees where it comes from.  What follows is found
by the instant at which the last piece ended, programme after programme, until live.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media import catchup
from gateway.media.archive import Archive
from gateway.media.catchup import NoCatchupError, Stretch
from gateway.media.epg import Programme
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.relay_continuous import Seam
from gateway.media.relay_facts import UnknownChannelError, Weight
from gateway.media.relay_shelf import Piece

log = logging.getLogger(__name__)

WITHOUT_GUIDE = timedelta(hours=1)
"""How much is asked for at once where the guide does not know a programme's end."""
NEAR_LIVE = timedelta(seconds=20)
SLACK = timedelta(seconds=2)
MAX_FRUITLESS = 3
PAUSE_S = 1.0


class Live(Protocol):
    """See `gateway.media.relay.Relay`."""

    def follow(
        self, channel: ChannelId, *, weight: Weight = ..., since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]: ...


class Shift(Protocol):
    """See `gateway.media.timeshift_store.ShiftStore`."""

    def window(self, channel: ChannelId, /) -> tuple[datetime, datetime] | None: ...

    def from_instant(self, channel: ChannelId, at: datetime, /) -> AsyncGenerator[Piece, None]: ...


class NothingKept:
    """The disk of a box without time-shift; see `Shift`."""

    def window(self, _channel: ChannelId) -> tuple[datetime, datetime] | None:
        """Return nothing."""
        return None

    async def from_instant(self, _channel: ChannelId, _at: datetime) -> AsyncGenerator[Piece, None]:
        """Yield nothing."""
        nothing: tuple[Piece, ...] = ()
        for piece in nothing:
            yield piece


class Programmes(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = ...
    ) -> Sequence[Programme]: ...


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


Allowed = Callable[[datetime], Awaitable[bool]]
"""Whether the instant of a channel may be watched by who asks."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when a channel can be watched; `end` is now."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """Where the past of a channel may lie, nearest first."""

    shift: Shift
    archive: Archive
    live: Live


class Past:
    """Plays channels from an instant on."""

    def __init__(
        self,
        shelves: Shelves,
        line_up: LineUpOwner,
        guide: Programmes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Describe it.

        Args:
            shelves: Disk, archive, air.
            line_up: Says which channels have an archive, and where.
            guide: Says where programmes end, since archives keep programmes.
            clock: Wall time.
        """
        self._shelves = shelves
        self._line_up = line_up
        self._guide = guide
        self._clock = clock

    def window(self, channel: ChannelId) -> Window | None:
        """Return what can be watched of `channel` beside the present, or None."""
        known = self._line_up.state.by_id(channel)
        now = self._clock()
        starts = []
        if held := self._shelves.shift.window(channel):
            starts.append(held[0])
        if known is not None and known.catchup is not None:
            starts.append(now - timedelta(days=max(1, known.catchup.days)))
        return Window(min(starts), now) if starts else None

    async def pieces(self, channel: ChannelId, at: datetime) -> AsyncGenerator[Piece, None]:
        """Yield `channel` from `at` on, for ever; close it when done.

        The first piece, and each that does not join on to the one before, is marked.

        Raises:
            UnknownChannelError: not in the line-up.
            NoCatchupError: nothing of that instant is kept anywhere.
            SourceError, PlaylistError: it is, but cannot be had.
        """
        known = self._line_up.state.by_id(channel)
        if known is None:
            raise UnknownChannelError("There is no such channel")
        position, fruitless, begun = at, 0, False
        before: Piece | None = None
        while True:
            reached = position
            try:
                async with aclosing(self._stretch(known, position)) as stretch:
                    async for piece in stretch:
                        joined = before is not None and _joins(before, piece)
                        yield piece if joined else replace(piece, discontinuity=True)
                        before, begun = piece, True
                        reached = piece.at + timedelta(seconds=piece.duration_s)
            except GatewayError as error:
                if not begun:
                    raise
                log.info("the past breaks off: %s", error.code)
            fruitless = 0 if reached > position else fruitless + 1
            position = reached
            if fruitless >= MAX_FRUITLESS:
                position = self._clock()  # live is better than a still picture
            if fruitless:
                await asyncio.sleep(PAUSE_S)

    async def continuous(
        self, channel: ChannelId, at: datetime, *, allowed: Allowed | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield `channel` from `at` on as one transport stream; raises like `pieces`.

        Ends where another codec begins: players stand still in the middle of a stream there, and go
        on when they open it anew.  Ends, too, at the first instant that is not `allowed`.
        """
        seam = Seam()
        # The first piece may begin a little before: what is watched of it is later.
        wanted = min(at, self._clock())
        async with aclosing(self.pieces(channel, at)) as pieces:
            async for piece in pieces:
                if allowed is not None and not await allowed(max(wanted, piece.at)):
                    return
                if not seam.goes_on(piece):
                    return
                for chunk in seam.sewn(piece):
                    yield chunk

    async def _stretch(self, channel: Channel, at: datetime) -> AsyncGenerator[Piece, None]:
        """Yield what the nearest shelf has from `at` on; it may end at any piece."""
        held = self._shelves.shift.window(channel.id)
        if held is not None and held[0] - SLACK <= at < held[1] - SLACK:
            source = self._shelves.shift.from_instant(channel.id, at)
        elif self._clock() - at < NEAR_LIVE or channel.catchup is None:
            if self._clock() - at >= NEAR_LIVE and held is None:
                raise NoCatchupError("Nothing of that time is kept")
            source = self._shelves.live.follow(channel.id, weight=Weight.TV, since=at)
        else:
            source = self._archived(channel, at)
        async with aclosing(source) as pieces:
            async for piece in pieces:
                yield piece

    async def _archived(self, channel: Channel, at: datetime) -> AsyncGenerator[Piece, None]:
        if channel.catchup is None:
            return
        programme = await self._programme(channel.id, at)
        stop = programme.stop if programme else at + WITHOUT_GUIDE
        begins = at
        named = programme.catchup_id if programme else ""
        if programme is not None and channel.catchup.kind == "vod":
            begins = programme.start  # an archive of programmes knows nothing of what is in the middle
        wanted = Stretch(start=begins, stop=stop, now=self._clock(), programme=named)
        failure: GatewayError = NoCatchupError("The channel has no address")
        begun = False
        for source in channel.sources:
            try:
                address = catchup.address(source.url, channel.catchup, wanted)
                async with aclosing(self._shelves.archive.stretch(address, source, begins)) as pieces:
                    async for piece in pieces:
                        if piece.at >= stop:
                            return
                        if piece.at + timedelta(seconds=piece.duration_s) <= at:
                            continue
                        begun = True
                        yield piece
            except GatewayError as error:
                if begun:  # another source would begin anew
                    raise
                failure = error
            else:
                return
        raise failure

    async def _programme(self, channel: ChannelId, at: datetime) -> Programme | None:
        """Return what is on at `at`; of two programmes that touch there, the later one."""
        moment = at + SLACK
        found = await self._guide.programmes(moment, moment + timedelta(seconds=1), channel, limit=1)
        return found[0] if found else None


def _joins(before: Piece, after: Piece) -> bool:
    """Tell whether `after` follows `before` in the same recording of the channel."""
    return before.pull == after.pull and after.number == before.number + 1
