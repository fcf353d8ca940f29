"""What the television is like, what it refuses, and how it is set.

One rule: `TvState` is all that a page needs to draw the television, and never
changes in place.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal, Protocol

from gateway.errors import BadInputError, GatewayError
from gateway.media.epg import Programme
from gateway.media.lineup import Channel, ChannelId
from gateway.media.player import Track
from gateway.pubsub import Publisher
from gateway.schema import FieldError

Mode = Literal["live", "timeshift", "catchup", "recording"]
Zap = Literal["predicted", "warm", "cold"]


class Picture(StrEnum):
    """How it looks."""

    IDLE = "idle"
    TUNING = "tuning"
    PLAYING = "playing"
    STALLED = "stalled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Playhead:
    """Which instant is shown.

    Attributes:
        at: What was shown at `noted_s`.
        noted_s: When that was noted, on the monotonic clock.
        moves: Whether the picture runs on since then.
    """

    at: datetime
    noted_s: float
    moves: bool = True

    @property
    def position(self) -> datetime:
        """The instant that is shown now."""
        return self.at + timedelta(seconds=time.monotonic() - self.noted_s) if self.moves else self.at

    def moving(self, moves: bool) -> "Playhead":
        """Return it as it goes on from here."""
        return Playhead(self.position, time.monotonic(), moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class TvState:
    """The television now.

    Attributes:
        channel: What is shown or about to be; `None` when nothing is.
        picture: How it looks.
        first_frame_ms: From the order to the light; `None` until there is a picture.
        player_ms: The player's own part of it.
        mode: Where the picture comes from: the air, the box's own disk, the operator's archive, or
            a recording.
        playhead: Which instant is shown; None while that is the present.
        paused: Whether the picture is held.
        recording: Id of the recording that is shown.
        zap: What the order met: a picture that was decoded already, media that was here already,
            or neither.
        tracks: What can be chosen.
        selected: Ids of what is heard and read.
        volume_percent: Loudness 0..100, also while muted.
        muted: Whether there is no sound.
        code: Why the picture failed.
    """

    channel: Channel | None = None
    picture: Picture = Picture.IDLE
    first_frame_ms: int | None = None
    player_ms: int | None = None
    mode: Mode = "live"
    playhead: Playhead | None = None
    paused: bool = False
    recording: str | None = None
    zap: Zap | None = None
    tracks: tuple[Track, ...] = ()
    selected: tuple[str, ...] = ()
    volume_percent: int = 50
    muted: bool = False
    code: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is shown or about to be."""
        return self.channel is not None or self.recording is not None

    @property
    def position(self) -> datetime | None:
        """The instant that is shown; None while that is the present."""
        return self.playhead.position if self.playhead else None


@dataclass(frozen=True, slots=True)
class Typed:
    """A channel number is being typed; empty when it is done or given up."""

    digits: str


@dataclass(frozen=True, slots=True)
class Focused:
    """The focus of a guide or a list rests on a channel, or on none any more."""

    channel: ChannelId | None


Hint = Typed | Focused


class Gate(Protocol):
    """Who says what may be watched; `gateway.media.child_lock.ChildLock` in a box."""

    @property
    def changes(self) -> Publisher[None]: ...

    async def verdict(self, channel: Channel, at: datetime | None = None) -> str | None:
        """Return the code of the reason why `channel` may not be watched, or None.

        Args:
            channel: Of the line-up.
            at: The instant of it that is wanted; None for the present.
        """

    async def verdict_recorded(self, channel: ChannelId, at: datetime, age: int) -> str | None:
        """Return the same of a recording, fit for `age`; it may be of a channel that is no more."""


class Programmes(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def programme(self, programme: str, /) -> Programme | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a television may know of the house around it; each is optional.

    Attributes:
        guide: Knows programmes by their ids.
        gate: Says what may be watched.
        tell: Is told what the household should hear though nothing failed.
    """

    guide: Programmes | None = None
    gate: Gate | None = None
    tell: Callable[[GatewayError], None] = lambda _: None


NOTHING_AROUND = Surroundings()


@dataclass(frozen=True, kw_only=True, slots=True)
class TvConfig:
    """The ``media.tv`` section.

    Attributes:
        boot: What is shown at start: the last channel, the first of the line-up, or none.
        zap_timeout_s: A channel with no picture after this long has failed; it is tried again.
        stall_timeout_s: A picture that stands still so long is opened anew.
        retry_s: Pause before a failed channel is tried again; doubles with each failure in a row.
        retry_max_s: The pause grows no longer than this.
        remember_after_s: Channel and volume reach the disk so long after a change, so that a walk
            through the channels is one write and not fifty: flash wears out by writing.
        buffer_ms: Network cache of the player; more is smoother, less zaps faster.
    """

    boot: Literal["last", "first", "none"] = "last"
    zap_timeout_s: float = 8.0
    stall_timeout_s: float = 10.0
    retry_s: float = 1.0
    retry_max_s: float = 30.0
    remember_after_s: float = 5.0
    buffer_ms: int = 230

    def __post_init__(self) -> None:
        for name in ("zap_timeout_s", "stall_timeout_s", "retry_s", "retry_max_s", "remember_after_s"):
            value = getattr(self, name)
            if not 0 < value <= 3600:  # noqa: PLR2004 - an hour
                raise FieldError(name, f"{value} is outside 0..3600 seconds")
        if not 0 <= self.buffer_ms <= 10_000:  # noqa: PLR2004 - ten seconds
            raise FieldError("buffer_ms", f"{self.buffer_ms} is outside 0..10000")


class StreamFailedError(GatewayError):
    """The player gave this stream up.

    Attributes:
        said: The player's own code.
    """

    code: ClassVar[str] = "TV-301"
    hint = "The box keeps trying; choose another channel meanwhile."

    def __init__(self, said: str) -> None:
        super().__init__("The stream cannot be played")
        self.said = said


class NoPictureError(GatewayError):
    """Nothing came in time."""

    code: ClassVar[str] = "TV-401"
    hint = "The box keeps trying; check the network cable if other channels fail too."


class UnknownTrackError(BadInputError):
    """The stream has no such track."""

    code: ClassVar[str] = "TV-402"
    hint = "Choose one of the tracks that are listed."


class NoChannelsError(BadInputError):
    """There is nothing to tune to."""

    code: ClassVar[str] = "TV-403"
    hint = "Wait for the line-up, or set media.line_up."


class NothingShownError(BadInputError):
    """There is no picture to pause, or to go back in."""

    code: ClassVar[str] = "TV-404"
    hint = "Choose a channel first."


class NothingKeptError(BadInputError):
    """Of this channel nothing but the present is kept, or not that far back."""

    code: ClassVar[str] = "TV-541"
    hint = "Watch it live; the operator offers no catch-up for it."


class NoSuchProgrammeError(BadInputError):
    """The guide has no such programme, or not any more."""

    code: ClassVar[str] = "TV-542"
    hint = "Look at the guide again; it may have been renewed."


class NotYetShownError(BadInputError):
    """The programme has not begun."""

    code: ClassVar[str] = "TV-543"
    hint = "Set a reminder or a recording instead."


class NoRecordingsError(BadInputError):
    """This box does not record, or has no such recording."""

    code: ClassVar[str] = "TV-544"
    hint = "Look at the list of recordings again."


class PauseOutlivedError(GatewayError):
    """A pause was longer than what the box keeps."""

    code: ClassVar[str] = "TV-545"
    hint = "Nothing; it goes on from the earliest moment that is kept."
