"""Keeps what the television shows, so that it can be paused and gone back in.

One rule: the picture never depends on it.  Whatever fails here is tried again,
and meanwhile the television simply cannot go back.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Weight
from gateway.media.relay_shelf import Piece
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.timeshift_store import ShiftStore
from gateway.media.tv_facts import Picture, TvState
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

ALREADY_HERE = timedelta(seconds=15)
"""Of a channel that was warm, this much of what was on before is kept, too."""


class Air(Protocol):
    """See `gateway.media.relay.Relay`."""

    def follow(
        self, channel: ChannelId, *, weight: Weight = ..., since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]: ...


class Set(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvState: ...
    @property
    def changes(self) -> Publisher[TvState]: ...


class TimeShift:
    """Follows the television from channel to channel; a service.

    The buffer of a channel that was left stays until its room is needed.
    """

    def __init__(self, store: ShiftStore, air: Air, tv: Set, config: TimeShiftConfig) -> None:
        """Describe it.

        Args:
            store: Where it is kept; loaded and closed here.
            air: Where it comes from.
            tv: What is shown.
            config: What goes to the disk, and how soon.
        """
        self._store = store
        self._air = air
        self._tv = tv
        self._config = config

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep what is shown until cancelled.

        Raises:
            ReelError: the folder cannot be used.
        """
        if self._config.keep == "off":
            ready()
            await asyncio.get_running_loop().create_future()
        await self._store.load()
        try:
            with self._tv.changes.subscribe(backlog=1) as changes:
                ready()
                while True:
                    channel = _channel(self._tv.state)
                    async with asyncio.TaskGroup() as group:
                        keeping = group.create_task(self._keep(channel), name="time-shift: keep")
                        while _channel(self._tv.state) == channel:
                            await self._spare(channel)
                            await anext(changes)
                        keeping.cancel()
                    if channel is not None:
                        await self._store.rest(channel)
        finally:
            await self._store.close()

    async def _spare(self, channel: ChannelId | None) -> None:
        """Write no more of `channel` to the disk than is wanted."""
        if channel is not None:
            everything = self._config.keep == "watched"
            await self._store.keep(channel, on_disk=everything or _is_behind(self._tv.state))

    async def _keep(self, channel: ChannelId | None) -> None:
        if channel is None:
            return
        since = datetime.now(UTC) - ALREADY_HERE
        # Whoever walks through the channels wants none of them kept.
        await asyncio.sleep(self._config.settle_s)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write(), name="time-shift: write")
            while True:
                try:
                    pieces = self._air.follow(channel, weight=Weight.SHIFT, since=since)
                    async with aclosing(pieces):
                        async for piece in pieces:
                            await self._store.add(channel, piece)
                            since = max(since, piece.at + timedelta(seconds=piece.duration_s))
                except GatewayError as error:
                    log.debug("time-shift waits: %s", error.code)
                await asyncio.sleep(self._config.retry_s)

    async def _write(self) -> None:
        """Let nothing wait in memory for too long."""
        while True:
            await asyncio.sleep(self._config.flush_s)
            with contextlib.suppress(GatewayError):  # tells of itself
                await self._store.flush()


def _channel(state: TvState) -> ChannelId | None:
    """Return which channel is being watched, live or a little later; the rest is kept elsewhere."""
    if state.channel is None or state.picture is Picture.IDLE or state.mode not in ("live", "timeshift"):
        return None
    return state.channel.id


def _is_behind(state: TvState) -> bool:
    """Tell whether what is kept now will be wanted later."""
    return state.paused or state.playhead is not None
