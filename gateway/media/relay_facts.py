"""What the relay tells, what it refuses, and how it is set.

One rule: a source that fails is a fact with a code before it is anything else,
so that the screen, the log and the operator hear the same.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.media.hls_choice import Ability, Decoder
from gateway.media.lineup import ChannelId
from gateway.schema import FieldError

MIB = 1024 * 1024
LONG_SEGMENT_S = 5.0


class SourceError(GatewayError):
    """A channel's source cannot be reached."""

    code: ClassVar[str] = "TV-201"
    hint = "Check the network; other sources of the channel are tried by themselves."


class SourceRefusedError(SourceError):
    """The origin says no: 401 or 403."""

    code: ClassVar[str] = "TV-202"
    hint = "Ask the operator whether the subscription is valid."


class SourceMissingError(SourceError):
    """The origin does not have it."""

    code: ClassVar[str] = "TV-203"
    hint = "The operator must correct this channel's source."


class StaleSourceError(SourceError):
    """The playlist has not changed for three target durations."""

    code: ClassVar[str] = "TV-205"
    hint = "Wait or choose another channel; the box keeps trying."


class BadMediaError(SourceError):
    """Media came too late, too large, too short, or is none."""

    code: ClassVar[str] = "TV-207"
    hint = "Check the line; the box tries the next source."


class SlowSourceError(BadMediaError):
    """A segment took longer than 1.5 times its duration."""


class LowQualityError(SourceError):
    """A source works, but so badly that the next one is worth a try."""

    code: ClassVar[str] = "TV-215"
    hint = "Check the line; the box has changed to another source by itself."


class UnsupportedSourceError(SourceError):
    """The address is of a kind the relay does not speak."""

    code: ClassVar[str] = "TV-213"
    hint = "The operator must offer this channel by http, udp or rtp."


class ForeignHostError(SourceError):
    """A channel leads to a host that the line-up does not list.

    Attributes:
        host: Where it leads.
    """

    code: ClassVar[str] = "TV-705"
    hint = "The operator must list the host, or find out who inserted it."

    def __init__(self, message: str, *, host: str = "") -> None:
        super().__init__(message)
        self.host = host


class UnknownChannelError(BadInputError):
    """The line-up has no such channel."""

    code: ClassVar[str] = "TV-208"
    hint = "Choose a channel of the list."


class NoSuchPieceError(BadInputError):
    """The relay does not hold what was asked for, or not any more."""

    code: ClassVar[str] = "TV-209"
    hint = "Load the channel's playlist again."


class NotContinuousError(BadInputError):
    """The channel is not made of transport stream segments with all its sound inside."""

    code: ClassVar[str] = "TV-210"
    hint = "Open its index.m3u8 instead."


class RelayDownError(GatewayError):
    """The relay is not running, or all it may pull at once is wanted more than this."""

    code: ClassVar[str] = "TV-211"
    hint = "Wait a moment and try again."


class Weight(IntEnum):
    """What a reader's claim on a pull is worth when `RelayConfig.max_channels` is reached."""

    WARM = 10
    SHIFT = 30
    PHONE = 50
    RECORDING = 70
    TV = 100


class Kind(StrEnum):
    """How a track's media is packed; the value is the ending of its names."""

    TS = "ts"
    FMP4 = "m4s"
    VTT = "vtt"
    AAC = "aac"


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """A source of a channel is given up; the next one is tried.

    Attributes:
        source: Its place in the channel's list, from 0.
        code: Why, one of the ``TV-…`` codes.
    """

    channel: ChannelId
    source: int
    code: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """Media flows again after `SourceFailed`."""

    channel: ChannelId
    source: int


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """The house sees another source than before.

    Attributes:
        before: Place of the former source in the channel's list, from 0.
        now: Place of the present one.
        code: Why the former was left; None when a better source is good again.
        score: What the former was worth at last, 0 to 1.
    """

    channel: ChannelId
    before: int
    now: int
    code: str | None
    score: float


@dataclass(frozen=True, slots=True)
class HostRefused:
    """A source leads to a host that the line-up does not list: perhaps an illegal insertion."""

    channel: ChannelId
    source: int
    host: str


@dataclass(frozen=True, slots=True)
class ChannelFailed:
    """All sources were tried and none works; the relay goes on trying while somebody watches."""

    channel: ChannelId
    code: str


@dataclass(frozen=True, slots=True)
class PullEnded:
    """Nobody watches the channel any more; nothing is asked of its origin."""

    channel: ChannelId


RelayFact = SourceFailed | Recovered | SourceChanged | HostRefused | ChannelFailed | PullEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class PullState:
    """One channel being pulled, in numbers.

    Attributes:
        kind: How its pictures are packed; None until the first segment.
        source: Place of the present source in the channel's list.
        tracks: Playlists followed upstream: one per picture, sound and subtitle track.
        readers: Who is fed from this one pull.
        playlists: Playlists fetched.
        segments: Segments fetched.
        bytes_received: All that came from the origin.
        bytes_held: Media kept in memory.
        bitrate_bps: Of the media held.
        score: How good the present source has been lately, 0 to 1.
        height: Lines of the picture being pulled, 0 if the origin does not say.
        code: Why nothing comes, or None.
    """

    kind: Kind | None
    source: int
    tracks: int
    readers: int
    playlists: int
    segments: int
    bytes_received: int
    bytes_held: int
    bitrate_bps: int
    score: float
    height: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Resource:
    """What is served under ``/live/{channel}/{name}``."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """The ``media.relay`` section.

    Attributes:
        idle_s: A pull ends this long after its last reader.
        open_timeout_s: Give up on a channel with no media after this long.
        connect_timeout_s: For the connection to an origin.
        playlist_timeout_s: For a whole playlist.
        min_segment_deadline_s: A segment gets 1.5 times its duration, but never less than this.
        retry_pause_s: Before a segment is asked for the second and last time.
        start_segments: How many of the newest segments a fresh pull begins with.
        window_segments: Listed for the players in the house.
        keep_segments: Held per track; a continuous reader further behind is dropped.
        max_segment_bytes: A larger one is refused.
        max_track_bytes: Most memory for one track.
        max_channels: Pulled at once.
        max_height: Tallest picture the panel shows.
        codecs: Codec families the box decodes, such as ``avc1``; empty for any.
        decoders: The board's; empty for any.
        step_up_after_s: A better picture is not tried sooner than this after a change.
        min_score: A source worth less is left if there is another.
        multicast_interface: Network interface that carries multicast television; empty for the
            one of the default route.
        probe_after_s: A better source that was left is looked at again after this long.
    """

    idle_s: float = 20.0
    open_timeout_s: float = 8.0
    connect_timeout_s: float = 3.0
    playlist_timeout_s: float = 5.0
    min_segment_deadline_s: float = 3.0
    retry_pause_s: float = 0.3
    start_segments: int = 3
    window_segments: int = 6
    keep_segments: int = 8
    max_segment_bytes: int = 64 * MIB
    max_track_bytes: int = 192 * MIB
    max_channels: int = 8
    max_height: int = 2160
    codecs: tuple[str, ...] = ()
    decoders: tuple[Decoder, ...] = ()
    step_up_after_s: float = 10.0
    min_score: float = 0.5
    probe_after_s: float = 60.0
    multicast_interface: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise FieldError("min_score", "must be from 0 to 1")
        for name in (
            "idle_s",
            "open_timeout_s",
            "connect_timeout_s",
            "playlist_timeout_s",
            "step_up_after_s",
            "probe_after_s",
        ):
            if not 0 < getattr(self, name) <= 3600:  # noqa: PLR2004 - an hour is beyond any sense
                raise FieldError(name, "must be over 0 and at most 3600")
        for name in ("start_segments", "max_channels", "max_segment_bytes", "max_track_bytes", "max_height"):
            if getattr(self, name) < 1:
                raise FieldError(name, "must be at least 1")
        if not self.start_segments <= self.window_segments <= self.keep_segments:
            raise FieldError(
                "keep_segments", "must not be under window_segments, nor that under start_segments"
            )

    def begins_with(self, target_s: float) -> int:
        """Return with how many of the newest segments a pull begins that last up to `target_s`."""
        return self.start_segments if target_s < LONG_SEGMENT_S else min(2, self.start_segments)

    @property
    def ability(self) -> Ability:
        """What the box can show."""
        return Ability(max_height=self.max_height, decoders=self.decoders, codecs=self.codecs)
