"""The television set: tune, zap, and get the picture back when it is lost.

One rule: watching a channel is one coroutine, from the order until another
order cancels it; so the newest order wins, and nothing of an older one can
still change the state.

A channel that fails is tried again for as long as nobody zaps away, at growing
pauses; the household sees the reason meanwhile.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Protocol

from gateway.errors import GatewayError
from gateway.focus import Focus, Priority
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.player import (
    Failed,
    FirstFrame,
    Player,
    PlayerEvent,
    Restarted,
    Resumed,
    Stalled,
    TracksFound,
)
from gateway.media.relay_facts import UnknownChannelError
from gateway.media.tv_facts import (
    NoChannelsError,
    NoPictureError,
    Picture,
    StreamFailedError,
    TvConfig,
    TvState,
    UnknownTrackError,
)
from gateway.media.tv_memory import Kept
from gateway.pubsub import Publisher
from gateway.store import StoreError

log = logging.getLogger(__name__)

LAST_WRITE_S = 2.0


class StreamSource(Protocol):
    """Where the picture of a channel comes from; `gateway.media.relay.Relay` in a box."""

    async def open(self, channel: ChannelId) -> str:
        """Return the address that the player opens.

        Raises:
            GatewayError: there is none; its code is shown.
        """


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...

    @property
    def changes(self) -> Publisher[LineUp]: ...


class Memory(Protocol):
    """See `gateway.media.tv_memory.TvMemory`."""

    async def load(self) -> Kept: ...

    async def save(self, kept: Kept) -> None: ...


class Tv:
    """The television: a service, and the owner of `TvState`.

    Attributes:
        state: The television now.
        changes: Every next `state`.
    """

    def __init__(  # noqa: PLR0913 - a television is where these meet
        self,
        config: TvConfig,
        *,
        player: Player,
        source: StreamSource,
        line_up: LineUpOwner,
        focus: Focus,
        memory: Memory,
    ) -> None:
        self.state = TvState()
        self.changes: Publisher[TvState] = Publisher()
        self._config = config
        self._player = player
        self._source = source
        self._line_up = line_up
        self._focus = focus
        self._memory = memory
        self._kept = Kept()
        self._before: ChannelId | None = None
        self._boot_due = True
        self._ordered_at_s = 0.0
        self._ordered = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Be a television until cancelled; begins with the channel that was on last."""
        self._kept = await self._memory.load()
        self._become(volume_percent=self._kept.volume_percent, muted=self._kept.muted)
        await self._apply_volume()
        with self._line_up.changes.subscribe() as line_ups:
            self._boot()
            async with self._focus.claim("tv", Priority.TV), asyncio.TaskGroup() as group:
                group.create_task(self._obey(), name="tv: watch")
                group.create_task(self._follow(line_ups), name="tv: line-up")
                group.create_task(self._remember(), name="tv: remember")
                ready()

    async def tune(self, channel: ChannelId) -> None:
        """Show `channel`; returns at once, the outcome is in `state`.

        Raises:
            UnknownChannelError: it is not in the line-up.
        """
        found = self._line_up.state.by_id(channel)
        if found is None:
            raise UnknownChannelError("There is no such channel in the line-up")
        self._tune(found)

    async def tune_number(self, number: int) -> None:
        """Show the channel with this number; see `tune`."""
        found = self._line_up.state.by_number(number)
        if found is None:
            raise UnknownChannelError(f"There is no channel {number} in the line-up")
        self._tune(found)

    async def zap(self, step: int) -> None:
        """Go `step` channels up, or down if negative, round the ends.

        Raises:
            NoChannelsError: the line-up is empty.
        """
        here = self.state.channel.id if self.state.channel else self._kept.channel
        there = self._line_up.state.neighbour(here, step)
        if there is None:
            raise NoChannelsError("The line-up has no channels")
        self._tune(there)

    async def last(self) -> None:
        """Go back to the channel before this one; nothing happens if there is none."""
        found = self._line_up.state.by_id(self._before) if self._before else None
        if found is not None:
            self._tune(found)

    async def stop(self) -> None:
        """Show nothing."""
        self._boot_due = False
        if self.state.channel is not None:
            self._before = self.state.channel.id
        self._order(None)

    async def select(self, track: str) -> None:
        """Hear or read another track; `state` says when it is so.

        Raises:
            UnknownTrackError: it is not among `TvState.tracks`.
        """
        found = next((known for known in self.state.tracks if known.id == track), None)
        if found is None:
            raise UnknownTrackError("The stream has no such track")
        await self._player.select(found)

    async def set_volume(self, level_percent: int) -> None:
        """Set the loudness, which also ends muting; values beyond 0..100 are cut."""
        self._become(volume_percent=max(0, min(100, level_percent)), muted=False)
        await self._apply_volume()

    async def set_muted(self, muted: bool) -> None:
        """Silence it, or let it be heard as before."""
        self._become(muted=muted)
        await self._apply_volume()

    def _boot(self) -> None:
        if self.state.channel is not None:  # this service was restarted in the middle of a film
            self._order(self.state.channel)
            return
        line_up = self._line_up.state
        if self._config.boot == "none" or not line_up.channels or not self._boot_due:
            return
        kept = self._kept.channel if self._config.boot == "last" else None
        self._tune((line_up.by_id(kept) if kept else None) or line_up.channels[0])

    def _tune(self, channel: Channel) -> None:
        self._boot_due = False
        now = self.state
        if now.channel is not None and now.channel.id != channel.id:
            self._before = now.channel.id
        elif now.channel == channel and now.picture in {Picture.TUNING, Picture.PLAYING}:
            return
        self._order(channel)

    def _order(self, channel: Channel | None) -> None:
        self._ordered_at_s = time.monotonic()
        picture = Picture.TUNING if channel else Picture.IDLE
        self._become(channel=channel, picture=picture, first_frame_ms=None, tracks=(), selected=(), code=None)
        self._ordered.set()

    async def _obey(self) -> None:
        while True:
            self._ordered.clear()
            channel = self.state.channel
            async with asyncio.TaskGroup() as group:
                doing = self._watch(channel.id) if channel else self._player.close()
                task = group.create_task(doing, name="tv: channel")
                await self._ordered.wait()
                task.cancel()

    async def _watch(self, channel: ChannelId) -> None:
        """Keep `channel` on the screen until cancelled."""
        failures = 0
        while True:
            # Listening begins anew each time: what came during the pause is about the last attempt.
            with self._player.events.subscribe() as events:
                try:
                    await self._await_screen()
                    url = await self._begin(channel, events)
                    failures = 0
                    await self._go_on(url, events)
                    pause_s = 0.0
                except GatewayError as error:
                    failures += 1
                    code = error.said if isinstance(error, StreamFailedError) else error.code
                    # Neither the older channel's picture nor a late one belongs beside this code.
                    await self._player.close()
                    self._become(picture=Picture.FAILED, code=code, first_frame_ms=None)
                    log.warning("no picture: %s", code)
                    pause_s = min(self._config.retry_max_s, self._config.retry_s * 2 ** min(failures - 1, 16))
            await asyncio.sleep(pause_s)
            self._ordered_at_s = time.monotonic()

    async def _await_screen(self) -> None:
        """Wait until somebody could see the picture; time in an empty room is nobody's zap."""
        before_s = time.monotonic()
        await self._player.attended()
        self._ordered_at_s += time.monotonic() - before_s

    async def _begin(self, channel: ChannelId, events: AsyncIterator[PlayerEvent]) -> str:
        """Open `channel` and return its address when the picture is there."""
        try:
            async with asyncio.timeout(self._config.zap_timeout_s):
                url = await self._source.open(channel)
                asked_ms = (time.monotonic() - self._ordered_at_s) * 1000
                await self._player.open(url)
                async for event in events:
                    match event:
                        case FirstFrame(of, after_ms) if of == url:
                            self._become(
                                picture=Picture.PLAYING, first_frame_ms=round(asked_ms) + after_ms, code=None
                            )
                            log.info("picture after %d ms", self.state.first_frame_ms)
                            return url
                        case Failed(of, code) if of == url:
                            raise StreamFailedError(code)
                        case TracksFound(of, tracks, selected) if of == url:
                            self._become(tracks=tracks, selected=selected)
                        case Restarted():
                            await self._player.open(url)
        except TimeoutError as error:
            raise NoPictureError(f"No picture within {self._config.zap_timeout_s:g} s") from error
        raise StreamFailedError(StreamFailedError.code)

    async def _go_on(self, url: str, events: AsyncIterator[PlayerEvent]) -> None:
        """Watch over the picture; returns when the channel should be opened anew at once."""
        while True:
            stalled = self.state.picture is Picture.STALLED
            try:
                async with asyncio.timeout(self._config.stall_timeout_s if stalled else None):
                    event = await anext(events)
            except TimeoutError:
                log.warning("the picture stood still for %g s, opening anew", self._config.stall_timeout_s)
                return
            match event:
                case Stalled(of) if of == url and not stalled:
                    self._become(picture=Picture.STALLED)
                case Resumed(of) if of == url:
                    self._become(picture=Picture.PLAYING)
                case TracksFound(of, tracks, selected) if of == url:
                    self._become(tracks=tracks, selected=selected)
                case Failed(of, code) if of == url:
                    raise StreamFailedError(code)
                case Restarted():
                    self._become(picture=Picture.TUNING, first_frame_ms=None, tracks=(), selected=())
                    return

    async def _follow(self, line_ups: AsyncIterator[LineUp]) -> None:
        """Stay on the channel through a new line-up, or leave it when it is gone."""
        async for line_up in line_ups:
            here = self.state.channel
            if here is None:
                self._boot()
                continue
            there = line_up.by_id(here.id)
            if there is not None:
                if there != here:
                    self._become(channel=there)
            elif line_up.channels:
                self._tune(line_up.channels[0])
            else:
                await self.stop()

    async def _remember(self) -> None:
        with self.changes.subscribe(backlog=1) as changes:
            try:
                async for _ in changes:
                    await asyncio.sleep(self._config.remember_after_s)
                    await self._save()
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WRITE_S):
                        await self._save()

    async def _save(self) -> None:
        state = self.state
        channel = state.channel.id if state.channel else self._kept.channel
        kept = Kept(channel=channel, volume_percent=state.volume_percent, muted=state.muted)
        if kept == self._kept:
            return
        try:
            await self._memory.save(kept)
        except StoreError as error:
            # A full disk is no reason to take the picture away.
            log.warning("the channel will not be remembered: %s", error)
        self._kept = kept

    async def _apply_volume(self) -> None:
        await self._player.set_volume(0 if self.state.muted else self.state.volume_percent)

    def _become(self, **change: object) -> None:
        state = replace(self.state, **change)  # type: ignore[arg-type]
        if state != self.state:
            self.state = state
            self.changes.publish(state)
