"""The television set: tune, zap, go back in time, and obey whoever has the remote.

One rule: an order is taken at once and never waits for a picture, a disk or the
line; what came of it is in `Tv.state`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol

from gateway.focus import Focus, Priority
from gateway.media.lineup import ChannelId, LineUp
from gateway.media.past import Window
from gateway.media.player import Player
from gateway.media.relay_facts import UnknownChannelError
from gateway.media.tv_facts import (
    NOTHING_AROUND,
    Gate,
    Hint,
    NoChannelsError,
    Surroundings,
    TvConfig,
    TvState,
    UnknownTrackError,
)
from gateway.media.tv_recall import Memory, Recall
from gateway.media.tv_stage import BEHIND, Stage
from gateway.media.tv_time import TimeTravel
from gateway.media.tv_tracks import Languages
from gateway.media.tv_watch import StreamSource, Watch, locked
from gateway.pubsub import Publisher


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...

    @property
    def changes(self) -> Publisher[LineUp]: ...


class Tv:
    """The television: a service, and the owner of `TvState`.

    Attributes:
        hints: What the household's hand is doing, for whoever guesses what comes next.
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
        around: Surroundings = NOTHING_AROUND,
    ) -> None:
        self.hints: Publisher[Hint] = Publisher()
        self._config = config
        self._player = player
        self._line_up = line_up
        self._focus = focus
        self._around = around
        self._stage = Stage()
        self._languages = Languages()
        self._watch = Watch(config, self._stage, player, source, self._languages)
        self._time = TimeTravel(self._stage, player, source, line_up, around)
        self._recall = Recall(config, self._stage, self._languages, memory, source)

    @property
    def state(self) -> TvState:
        """The television now."""
        return self._stage.state

    @property
    def changes(self) -> Publisher[TvState]:
        """Every next `state`."""
        return self._stage.changes

    @property
    def window(self) -> Window | None:
        """From when to when one can seek now, or None."""
        return self._time.window

    async def run(self, ready: Callable[[], None]) -> None:
        """Be a television until cancelled; begins with the channel that was on last."""
        await self._recall.restore()
        await self._apply_volume()
        with self._line_up.changes.subscribe() as line_ups:
            self._boot()
            async with self._focus.claim("tv", Priority.TV), asyncio.TaskGroup() as group:
                group.create_task(self._watch.obey(self._around.gate, self._after_recording), name="tv: obey")
                group.create_task(self._follow(line_ups), name="tv: line-up")
                group.create_task(self._recall.keep(), name="tv: remember")
                if self._around.gate is not None:
                    group.create_task(self._heed(self._around.gate), name="tv: lock")
                ready()

    def hint(self, hint: Hint) -> None:
        """Take in what the household's hand is doing; returns at once."""
        self.hints.publish(hint)

    async def tune(self, channel: ChannelId, at: datetime | None = None) -> None:
        """Show `channel`, from the instant `at` on if given; returns at once, the outcome is in `state`.

        Raises:
            UnknownChannelError: it is not in the line-up.
            NothingKeptError: nothing of that instant is kept.
        """
        found = self._line_up.state.by_id(channel)
        if found is None:
            raise UnknownChannelError("There is no such channel in the line-up")
        if at is None or at >= datetime.now(UTC) - BEHIND:
            self._stage.show(found)
        else:
            self._time.go_back(found, at, "timeshift")

    async def tune_number(self, number: int) -> None:
        """Show the channel with this number; see `tune`."""
        found = self._line_up.state.by_number(number)
        if found is None:
            raise UnknownChannelError(f"There is no channel {number} in the line-up")
        self._stage.show(found)

    async def zap(self, step: int) -> None:
        """Go `step` channels up, or down if negative, round the ends.

        Raises:
            NoChannelsError: the line-up is empty.
        """
        there = self._line_up.state.neighbour(self._stage.home, step)
        if there is None:
            raise NoChannelsError("The line-up has no channels")
        self._stage.show(there)

    async def last(self) -> None:
        """Go back to the channel before this one; nothing happens if there is none."""
        before = self._stage.before
        found = self._line_up.state.by_id(before) if before else None
        if found is not None:
            self._stage.show(found)

    async def stop(self) -> None:
        """Show nothing; `last` goes back to what was shown."""
        if self.state.channel is not None:
            self._stage.before = self.state.channel.id
        await self.standby()

    async def standby(self) -> None:
        """Rest: no picture, and nothing pulled for one; `wake` ends it."""
        self._stage.order(None)

    async def wake(self) -> None:
        """Show the channel that was on before; nothing happens if something is on.

        Raises:
            NoChannelsError: the line-up is empty.
        """
        if not self.state.is_on:
            await self.zap(0)

    async def pause(self) -> None:
        """Hold the picture; live becomes the past by that; see `TimeTravel`."""
        await self._time.pause()

    async def resume(self) -> None:
        """Let the picture go on, as near to where it was as is kept; see `TimeTravel`."""
        await self._time.resume()

    async def seek(self, *, position: datetime | None = None, step_s: float = 0.0) -> None:
        """Go to `position`, or `step_s` seconds on from here; see `TimeTravel`."""
        await self._time.seek(position=position, step_s=step_s)

    async def live(self) -> None:
        """Show the present of what is on; see `TimeTravel`."""
        await self._time.live()

    async def watch_programme(self, programme: str) -> None:
        """Show a programme of the guide from its beginning, and what follows it; see `TimeTravel`."""
        await self._time.watch_programme(programme)

    async def watch_recording(self, recording: str, *, from_start: bool = False) -> None:
        """Show a recording from where it was left, or from its start; see `TimeTravel`."""
        await self._time.watch_recording(recording, from_start=from_start)

    async def select(self, track: str) -> None:
        """Hear or read another track, here and wherever there is such a one; `state` says when it is so.

        Raises:
            UnknownTrackError: it is not among `TvState.tracks`.
        """
        found = next((known for known in self.state.tracks if known.id == track), None)
        if found is None:
            raise UnknownTrackError("The stream has no such track")
        self._languages.chosen(self.state.channel.id if self.state.channel else None, found)
        await self._player.select(found)

    async def set_volume(self, level_percent: int) -> None:
        """Set the loudness, which also ends muting; values beyond 0..100 are cut."""
        self._stage.become(volume_percent=max(0, min(100, level_percent)), muted=False)
        await self._apply_volume()

    async def set_muted(self, muted: bool) -> None:
        """Silence it, or let it be heard as before."""
        self._stage.become(muted=muted)
        await self._apply_volume()

    async def set_levelling(self, on: bool) -> None:
        """Make quiet programmes louder and loud ones quieter, or leave sound as it is sent."""
        await self._player.set_levelling(on)

    def _boot(self) -> None:
        if self._stage.wanted is not None:  # this service was restarted in the middle of a film
            self._stage.resume_order()
            return
        line_up = self._line_up.state
        if self._config.boot == "none" or not line_up.channels or not self._stage.untouched:
            return
        home = self._stage.home if self._config.boot == "last" else None
        self._stage.show((line_up.by_id(home) if home else None) or line_up.channels[0])

    def _after_recording(self) -> None:
        """Show something: a television that has nothing more to show looks broken."""
        line_up = self._line_up.state
        found = line_up.by_id(self._stage.home) if self._stage.home else None
        if found is None:
            self._stage.order(None)
        else:
            self._stage.show(found)

    async def _heed(self, gate: Gate) -> None:
        """Take the picture away when the lock closes, and bring it back when it opens."""
        with gate.changes.subscribe(backlog=1) as changes:
            async for _ in changes:
                if await locked(gate, self._stage.wanted) != self._watch.shut:
                    self._stage.resume_order()

    async def _follow(self, line_ups: AsyncIterator[LineUp]) -> None:
        """Stay on the channel through a new line-up, or leave it when it is gone."""
        async for line_up in line_ups:
            here = self.state.channel
            if here is None:
                if not self.state.is_on:
                    self._boot()
                continue
            there = line_up.by_id(here.id)
            if there is not None:
                self._stage.renamed(there)
            elif self.state.mode == "recording":
                continue
            elif line_up.channels:
                self._stage.show(line_up.channels[0])
            else:
                await self.stop()

    async def _apply_volume(self) -> None:
        await self._player.set_volume(0 if self.state.muted else self.state.volume_percent)
