"""Going back in time: pause, seek, programmes that are over, recordings.

One rule: the past is shown where it is kept, and the nearest moment that is
kept stands in for one that is not.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.past import Window
from gateway.media.player import Player
from gateway.media.streams import Recorded, Wanted
from gateway.media.tv_facts import (
    Mode,
    NoSuchProgrammeError,
    NothingKeptError,
    NothingShownError,
    NotYetShownError,
    PauseOutlivedError,
    Picture,
    Surroundings,
)
from gateway.media.tv_stage import BEHIND, Stage

END = timedelta(seconds=2)
"""Who goes to the end of a recording wants to see it end."""


class Kept(Protocol):
    """What is kept of the past; see `gateway.media.streams.Streams`."""

    @property
    def keeps_past(self) -> bool: ...

    def window(self, channel: ChannelId) -> Window | None: ...

    async def recorded(self, recording: str) -> Recorded: ...


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class TimeTravel:
    """What `gateway.media.tv.Tv` does beside showing the present."""

    def __init__(
        self, stage: Stage, player: Player, kept: Kept, line_up: LineUpOwner, around: Surroundings
    ) -> None:
        self._stage = stage
        self._player = player
        self._kept = kept
        self._line_up = line_up
        self._around = around

    @property
    def window(self) -> Window | None:
        """From when to when one can seek now, or None."""
        wanted = self._stage.wanted
        if wanted is None:
            return None
        if wanted.recorded is not None:
            return Window(wanted.recorded.start, wanted.recorded.stop)
        return self._kept.window(wanted.channel.id) if wanted.channel else None

    async def pause(self) -> None:
        """Hold the picture.

        Raises:
            NothingShownError: there is none.
            NothingKeptError: the box could not go on from here later.
        """
        wanted = self._stage.wanted
        if wanted is None or self._stage.state.picture is Picture.FAILED:
            raise NothingShownError("There is no picture to pause")
        if wanted.recorded is None and not self._kept.keeps_past:
            raise NothingKeptError("This box keeps nothing but the present")
        if self._stage.state.paused:
            return
        self._stage.paused(True)
        # A player that is held before its first picture would never show it; it is held with that.
        if self._stage.state.picture is not Picture.TUNING:
            await self._player.set_paused(True)

    async def resume(self) -> None:
        """Let the picture go on, as near to where it was as is kept; nothing happens if it runs.

        Raises:
            NothingShownError: there is none.
        """
        wanted = self._stage.wanted
        if wanted is None:
            raise NothingShownError("There is no picture to go on with")
        if not self._stage.state.paused:
            return
        window = self.window
        if window is None:
            await self.live()
        elif wanted.channel is not None and self._stage.position < window.start:
            self._around.tell(PauseOutlivedError("The pause was longer than what the box keeps"))
            self.go_back(wanted.channel, window.start, wanted.mode)
        else:
            self._stage.paused(False)
            await self._player.set_paused(False)

    async def seek(self, *, position: datetime | None = None, step_s: float = 0.0) -> None:
        """Go to `position`, or `step_s` seconds on from here; beyond the ends is at the ends.

        Raises:
            NothingShownError: there is no picture.
            NothingKeptError: nothing but the present is kept.
        """
        wanted = self._stage.wanted
        if wanted is None:
            raise NothingShownError("There is no picture to go back in")
        there = _moved(self._stage.position, step_s) if position is None else position
        if wanted.recorded is not None:
            self._play(wanted.recorded, there)
        elif there >= datetime.now(UTC) - BEHIND:
            await self.live()
        elif wanted.channel is not None:
            self.go_back(wanted.channel, there, "catchup" if wanted.mode == "catchup" else "timeshift")

    async def live(self) -> None:
        """Show the present.

        Raises:
            NothingShownError: no channel is on.
        """
        if not self._stage.state.is_on:
            raise NothingShownError("No channel is on")
        channel = self._stage.state.channel
        found = self._line_up.state.by_id(channel.id) if channel else None
        found = found or self._line_up.state.neighbour(self._stage.home, 0)
        if found is not None:
            self._stage.show(found)

    async def watch_programme(self, programme: str) -> None:
        """Show a programme that has begun, from its beginning, and what follows it.

        Raises:
            NoSuchProgrammeError: the guide has none with that id.
            NotYetShownError: it has not begun.
            NothingKeptError: it is not kept.
        """
        found = await self._around.guide.programme(programme) if self._around.guide else None
        channel = self._line_up.state.by_id(found.channel) if found else None
        if found is None or channel is None:
            raise NoSuchProgrammeError("The guide has no such programme")
        if found.start > datetime.now(UTC):
            raise NotYetShownError("The programme has not begun")
        self.go_back(channel, found.start, "catchup", before=found.stop)

    async def watch_recording(self, recording: str, *, from_start: bool = False) -> None:
        """Show a recording, from where it was left or from its start.

        Raises:
            NoRecordingsError: there is none with that id.
        """
        recorded = await self._kept.recorded(recording)
        self._play(recorded, _moved(recorded.start, 0.0 if from_start else recorded.position_s))

    def go_back(self, channel: Channel, at: datetime, mode: Mode, *, before: datetime | None = None) -> None:
        """Show `channel` from `at` on, or from the earliest instant kept if that is before `before`.

        Raises:
            NothingKeptError: nothing is kept.
        """
        window = self._kept.window(channel.id)
        if window is None or (before is not None and before <= window.start):
            raise NothingKeptError("Nothing but the present is kept of this channel, or not so far back")
        self._stage.order(Wanted(channel=channel, mode=mode, at=max(at, window.start)))

    def _play(self, recorded: Recorded, at: datetime) -> None:
        channel = self._line_up.state.by_id(recorded.channel)
        within = max(recorded.start, min(at, recorded.stop - END))
        self._stage.order(Wanted(channel=channel, mode="recording", at=within, recorded=recorded))


def _moved(at: datetime, step_s: float) -> datetime:
    """Return `at`, `step_s` seconds later; within the calendar."""
    try:
        return at + timedelta(seconds=step_s)
    except OverflowError:
        if step_s > 0:
            return datetime.max.replace(tzinfo=UTC)
        return datetime.min.replace(tzinfo=UTC)
