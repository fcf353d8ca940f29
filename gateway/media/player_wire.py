"""What the daemon and the player's process say to each other.

One rule: one JSON object per line in each direction, and every word about a
stream carries the number of its `Open`, so that a late word about an older
stream is known for what it is.  Times are ``CLOCK_MONOTONIC`` seconds, which
all processes of a machine share.
"""

from collections.abc import Callable

import msgspec

from gateway.media.player import Track

LINE_LIMIT_BYTES = 64 * 1024


class Open(msgspec.Struct, frozen=True, tag="open", tag_field="do"):
    """Show this address; `hidden` decodes it unheard, behind whatever is in front."""

    number: int
    url: str
    hidden: bool = False


class Front(msgspec.Struct, frozen=True, tag="front", tag_field="do"):
    """Show and let hear what was opened hidden, under a new number, above the window `above` (0: any)."""

    number: int
    above: int


class Raise(msgspec.Struct, frozen=True, tag="raise", tag_field="do"):
    """Lie above the window `above`: a new process begins at the bottom."""

    above: int


class Pause(msgspec.Struct, frozen=True, tag="pause", tag_field="do"):
    """Hold the picture, or go on from there."""

    paused: bool


class Level(msgspec.Struct, frozen=True, tag="level", tag_field="do"):
    """Even out loudness, or leave it."""

    on: bool


class Close(msgspec.Struct, frozen=True, tag="close", tag_field="do"):
    """Show nothing."""


class Select(msgspec.Struct, frozen=True, tag="select", tag_field="do"):
    """Choose a track by the id that `Choices` gave."""

    kind: str
    id: str


class SetVolume(msgspec.Struct, frozen=True, tag="volume", tag_field="do"):
    """Loudness 0..100."""

    level_percent: int


class Up(msgspec.Struct, frozen=True, tag="up", tag_field="fact"):
    """The process is ready for orders; `window` is its X window, 0 for none."""

    version: str
    window: int


class Unusable(msgspec.Struct, frozen=True, tag="unusable", tag_field="fact"):
    """There is no player to work with; starting again will not help."""

    reason: str


class Beat(msgspec.Struct, frozen=True, tag="beat", tag_field="fact"):
    """The thread that calls the player is not stuck in it."""


class Shown(msgspec.Struct, frozen=True, tag="shown", tag_field="fact"):
    """The first picture, or the first sound of a stream without pictures, was out at `at_s`.

    Of a hidden stream: it is decoded and would be.
    """

    number: int
    at_s: float


class Motion(msgspec.Struct, frozen=True, tag="motion", tag_field="fact"):
    """The picture stopped, or moves again."""

    number: int
    moving: bool


class Broken(msgspec.Struct, frozen=True, tag="broken", tag_field="fact"):
    """The stream cannot be shown, or has ended."""

    number: int
    ended: bool


class Choices(msgspec.Struct, frozen=True, tag="choices", tag_field="fact"):
    """The tracks of the stream."""

    number: int
    tracks: tuple[Track, ...]
    selected: tuple[str, ...]


Order = Open | Front | Raise | Close | Pause | Level | Select | SetVolume
Report = Up | Unusable | Beat | Shown | Motion | Broken | Choices

encode: Callable[[Order | Report], bytes] = msgspec.json.Encoder().encode
decode_order: Callable[[bytes], Order] = msgspec.json.Decoder(Order).decode
decode_report: Callable[[bytes], Report] = msgspec.json.Decoder(Report).decode
