"""What the television shows and what it was told to show.

One rule: state changes here and nowhere else, always as a whole, and is told
at once; the playhead of what is shown moves and halts with the picture.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.media.lineup import Channel, ChannelId
from gateway.media.streams import Recorded, Wanted
from gateway.media.tv_facts import Picture, Playhead, TvState
from gateway.pubsub import Publisher

BEHIND = timedelta(seconds=4)
"""How long after it was sent a live picture is seen, about: media comes in pieces."""


class Stage:
    """The state of one television.

    Attributes:
        state: The television now.
        changes: Every next `state`.
        leaving: The recordings that are left, and where.
        wanted: What shall be shown; None for nothing.
        ordered: Set with every new order.
        ordered_at_s: When it came, on the monotonic clock.
        untouched: Whether nothing was ordered yet.
        before: The channel before the present one.
        home: The channel that is shown, or was when the screen went dark.
    """

    def __init__(self) -> None:
        self.state = TvState()
        self.changes: Publisher[TvState] = Publisher()
        self.leaving: Publisher[tuple[Recorded, datetime]] = Publisher()
        self.wanted: Wanted | None = None
        self.ordered = asyncio.Event()
        self.ordered_at_s = 0.0
        self.untouched = True
        self.before: ChannelId | None = None
        self.home: ChannelId | None = None
        self._live: Playhead | None = None

    @property
    def position(self) -> datetime:
        """The instant that is shown, of a live picture as well."""
        playhead = self.state.playhead or self._live
        return playhead.position if playhead else datetime.now(UTC) - BEHIND

    @property
    def place(self) -> tuple[Recorded, datetime] | None:
        """The recording that is shown and the instant it has reached, or None."""
        recorded = self.wanted.recorded if self.wanted else None
        return (recorded, self.position) if recorded else None

    def order(self, wanted: Wanted | None) -> None:
        """Let `wanted` be shown from now on."""
        place = self.place
        if place is not None and (wanted is None or wanted.recorded != place[0]):
            self.leaving.publish(place)
        self.ordered_at_s = time.monotonic()
        self.wanted = wanted
        self.untouched = False
        self._live = None
        channel = wanted.channel.id if wanted and wanted.channel else None
        if self.state.channel is not None and wanted is not None and channel != self.state.channel.id:
            self.before = self.state.channel.id
        self.home = channel or self.home
        at = wanted.at if wanted else None
        self.become(
            channel=wanted.channel if wanted else None,
            picture=Picture.TUNING if wanted else Picture.IDLE,
            first_frame_ms=None,
            player_ms=None,
            mode=wanted.mode if wanted else "live",
            playhead=Playhead(at, self.ordered_at_s, moves=False) if at else None,
            paused=False,
            recording=wanted.recorded.id if wanted and wanted.recorded else None,
            zap=None,
            tracks=(),
            selected=(),
            code=None,
        )
        self.ordered.set()

    def show(self, channel: Channel) -> None:
        """Let the present of `channel` be shown, unless it is already."""
        now = self.state
        as_it_is = now.channel == channel and now.mode == "live" and not now.paused
        if not (as_it_is and now.picture in {Picture.TUNING, Picture.PLAYING}):
            self.order(Wanted(channel=channel))

    def renamed(self, channel: Channel) -> None:
        """Another line-up says something else about the channel that is shown."""
        if self.wanted is not None:
            self.wanted = replace(self.wanted, channel=channel)
        self.become(channel=channel)

    def resume_order(self) -> None:
        """Let what is wanted be opened anew, from where it is."""
        wanted = self.wanted
        if wanted is not None:
            self.order(replace(wanted, at=self.position) if wanted.at else wanted)

    def opened(self, first_frame_ms: int, player_ms: int) -> None:
        """The picture is there."""
        self._move(moves=not self.state.paused)
        self.become(picture=Picture.PLAYING, first_frame_ms=first_frame_ms, player_ms=player_ms, code=None)

    def stalled(self) -> None:
        """The picture stands still."""
        self._move(moves=False)
        self.become(picture=Picture.STALLED)

    def resumed(self) -> None:
        """It moves again."""
        self._move(moves=not self.state.paused)
        self.become(picture=Picture.PLAYING)

    def lost(self) -> None:
        """It is gone, and will be opened anew."""
        self._move(moves=False)
        self.become(picture=Picture.TUNING, first_frame_ms=None, player_ms=None, tracks=(), selected=())

    def failed(self, code: str) -> None:
        """It is gone, because of `code`."""
        self._move(moves=False)
        self.become(picture=Picture.FAILED, code=code, first_frame_ms=None, player_ms=None)

    def paused(self, paused: bool) -> None:
        """The household holds the picture, or lets it go on; live becomes the past by that."""
        wanted = self.wanted
        if wanted is None:
            return
        position = self.position
        if wanted.at is None:
            self.wanted = wanted = replace(wanted, mode="timeshift", at=position)
        playing = self.state.picture is Picture.PLAYING
        self._live = None
        self.become(
            paused=paused,
            mode=wanted.mode,
            playhead=Playhead(position, time.monotonic(), moves=playing and not paused),
        )

    def become(self, **change: object) -> None:
        """Change the state and tell it."""
        state = replace(self.state, **change)  # type: ignore[arg-type]
        if state != self.state:
            self.state = state
            self.changes.publish(state)

    def where_left(self) -> Wanted | None:
        """Return what is wanted, from where it is now."""
        wanted = self.wanted
        return replace(wanted, at=self.position) if wanted and wanted.at else wanted

    def _move(self, *, moves: bool) -> None:
        playhead = self.state.playhead
        if playhead is not None and playhead.moves != moves:
            self.become(playhead=playhead.moving(moves))
        elif playhead is None:
            live = self._live or Playhead(datetime.now(UTC) - BEHIND, time.monotonic(), moves=moves)
            self._live = live.moving(moves)
