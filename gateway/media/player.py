"""The player port: who shows one stream at a time, and what it tells.

One rule: a player never answers whether a stream works; that comes as a fact,
because no decoder knows sooner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.pubsub import Publisher


class Plane(StrEnum):
    """Where the picture is, as seen from the page."""

    UNDER = "under"
    """In a window below a transparent page."""
    OSD = "osd"
    """On the display without a page above it."""
    INPAGE = "inpage"
    """In the page's own video element."""


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The picture is on the screen.

    Attributes:
        url: The stream it belongs to; a late frame of an older stream says so.
        after_ms: Time since `Player.open` was called.
    """

    url: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class Stalled:
    """The picture stands still because nothing more arrives."""

    url: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The picture moves again after `Stalled`."""

    url: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This stream will not be shown.

    Attributes:
        url: The stream.
        code: One of the ``TV-…`` codes of ``docs/errors.md``.
    """

    url: str
    code: str = "TV-301"


@dataclass(frozen=True, slots=True)
class Restarted:
    """The player's process died and a new one is ready; it shows nothing yet."""


@dataclass(frozen=True, slots=True)
class Track:
    """A sound or subtitle track of the stream that is playing.

    Attributes:
        id: The player's own name for it.
        kind: ``audio`` or ``subtitle``.
        language: BCP 47 tag, empty if the stream does not say.
        name: Label for the household.
    """

    id: str
    kind: str
    language: str
    name: str


@dataclass(frozen=True, slots=True)
class TracksFound:
    """What can be chosen in this stream.

    Attributes:
        url: The stream.
        tracks: Sound and subtitles; where there are subtitles, `SUBTITLES_OFF` is one of them.
        selected: Ids of what is heard and read now, at most one of each kind.
    """

    url: str
    tracks: tuple[Track, ...]
    selected: tuple[str, ...] = ()


SUBTITLES_OFF = Track(id="off", kind="subtitle", language="", name="")

PlayerEvent = FirstFrame | Stalled | Resumed | Failed | Restarted | TracksFound


class Player(Protocol):
    """Plays one stream at a time on the box's screen.

    A service: `run` keeps what it needs alive.  Every fact belongs to the newest
    `open`; what an older one still has to say is dropped by the player.

    Implementations: `gateway.media.vlc`, `gateway.media.mpv`, `gateway.media.inpage`,
    `gateway.media.simulated`.  All pass ``tests/media/test_player_contract.py``.
    """

    @property
    def plane(self) -> Plane: ...

    @property
    def events(self) -> Publisher[PlayerEvent]: ...

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""

    @property
    def prepared(self) -> str:
        """The address whose picture is decoded out of sight and ready; empty if none is."""

    async def attended(self) -> None:
        """Return when there is a screen to show something on: at once, but for pages."""

    async def open(self, url: str) -> None:
        """Begin to show `url` instead of what is playing; returns at once.

        Then comes `FirstFrame` or `Failed`, or neither while nothing arrives: how long to
        wait is the caller's decision.
        """

    async def prepare(self, url: str) -> None:
        """Decode `url` out of sight and unheard, so that `open` of it shows it at once.

        Returns at once; `prepared` says when it is so.  Replaces what was prepared before; the
        empty address lets go of it.  Where there is one decoder only, nothing happens.
        """

    async def close(self) -> None:
        """Show nothing; the screen is black."""

    async def set_paused(self, paused: bool) -> None:
        """Hold the picture where it is, or go on from exactly there; `open` ends a pause."""

    async def select(self, track: Track) -> None:
        """Sound or subtitle from now on; unknown tracks are ignored."""

    async def set_volume(self, level_percent: int) -> None:
        """Loudness 0..100; 0 is silent."""

    async def set_levelling(self, on: bool) -> None:
        """Make quiet programmes louder and loud ones quieter, or leave sound as it is sent."""
