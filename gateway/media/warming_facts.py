"""What guessing may take, what it has cost, and whom it needs for it.

One rule: the line belongs to whoever watches; a guess has a budget.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.media.lineup import ChannelId, LineUp
from gateway.media.relay_facts import MIB, PullState
from gateway.media.tv_facts import Gate, Hint, TvState
from gateway.media.zap_habit import HabitRow
from gateway.pubsub import Publisher
from gateway.schema import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmingConfig:
    """The ``media.warming`` section.

    Attributes:
        bandwidth_bps: Of the line, for all guesses together; 0 for none at all.
        memory_bytes: For the media of all guesses together.
        channels: Kept ready at most.
        prepare: Whether the likeliest is decoded already where the board has a second decoder.
        settle_s: Nothing is begun sooner than this after the last key.
        relief_s: Nothing is begun sooner than this after the picture suffered.
    """

    bandwidth_bps: int = 40_000_000
    memory_bytes: int = 256 * MIB
    channels: int = 3
    prepare: bool = True
    settle_s: float = 0.3
    relief_s: float = 15.0

    def __post_init__(self) -> None:
        for name in ("bandwidth_bps", "memory_bytes"):
            if getattr(self, name) < 0:
                raise FieldError(name, "must be 0 or more")
        if not 0 <= self.channels <= 16:  # noqa: PLR2004 - said in the message
            raise FieldError("channels", f"{self.channels} is outside 0..16")
        for name in ("settle_s", "relief_s"):
            if not 0 <= getattr(self, name) <= 600:  # noqa: PLR2004 - said in the message
                raise FieldError(name, "must be from 0 to 600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What guessing has cost and brought since the start.

    Attributes:
        bytes_pulled: For channels nobody was watching.
        predicted: Zaps to a channel that was decoded already.
        warm: Zaps to a channel whose media was here.
        cold: Zaps to another.
    """

    bytes_pulled: int = 0
    predicted: int = 0
    warm: int = 0
    cold: int = 0


class Set(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvState: ...
    @property
    def changes(self) -> Publisher[TvState]: ...
    @property
    def hints(self) -> Publisher[Hint]: ...


class Relay(Protocol):
    """See `gateway.media.relay.Relay`."""

    @property
    def state(self) -> Mapping[ChannelId, PullState]: ...
    def warm(self, channels: Sequence[ChannelId]) -> None: ...
    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]: ...


class Addresses(Protocol):
    """See `gateway.media.streams.Streams`."""

    def expected(self, channel: ChannelId) -> str: ...


class Preparing(Protocol):
    """See `gateway.media.player.Player`."""

    @property
    def prepared(self) -> str: ...
    async def prepare(self, url: str) -> None: ...


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...
    @property
    def changes(self) -> Publisher[LineUp]: ...


class Memory(Protocol):
    """See `gateway.media.zap_memory.HabitMemory`."""

    async def load(self) -> tuple[HabitRow, ...]: ...
    async def save(self, rows: Iterable[HabitRow]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What warming acts with.

    Attributes:
        tv: Whose next channel is guessed.
        relay: Pulls it.
        streams: Knows the address under which it will be opened.
        player: Decodes it.
        line_up: Says what there is.
        gate: Of what is locked nothing is fetched.
    """

    tv: Set
    relay: Relay
    streams: Addresses
    player: Preparing
    line_up: LineUpOwner
    gate: Gate | None = None
