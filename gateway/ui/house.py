"""Everything the API and the events may touch, as narrow ports.

One rule: this package decides nothing about television, home or apps; it asks
whoever is behind these ports.  `gateway.daemon` fills them with the real ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.focus import Holder
from gateway.iot.entity import EntityId, State, StateChanged
from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.player import Plane, Track
from gateway.pubsub import Publisher


class LineUps(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...
    @property
    def changes(self) -> Publisher[LineUp]: ...


class ProgrammeFacts(Protocol):
    """See `gateway.media.epg.Programme`."""

    @property
    def id(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def start(self) -> datetime: ...
    @property
    def stop(self) -> datetime: ...
    @property
    def title(self) -> str: ...


class Guide(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = ...
    ) -> Sequence[ProgrammeFacts]: ...


class TvFacts(Protocol):
    """See `gateway.media.tv.TvState`."""

    @property
    def channel(self) -> Channel | None: ...
    @property
    def picture(self) -> str: ...
    @property
    def first_frame_ms(self) -> int | None: ...
    @property
    def tracks(self) -> Sequence[Track]: ...
    @property
    def selected(self) -> Sequence[str]: ...
    @property
    def volume_percent(self) -> int: ...
    @property
    def muted(self) -> bool: ...
    @property
    def code(self) -> str | None: ...


class Tv(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvFacts: ...
    @property
    def changes(self) -> Publisher[TvFacts]: ...
    async def tune(self, channel: ChannelId) -> None: ...
    async def zap(self, step: int) -> None: ...
    async def last(self) -> None: ...
    async def stop(self) -> None: ...
    async def select(self, track: str) -> None: ...
    async def set_volume(self, level_percent: int) -> None: ...
    async def set_muted(self, muted: bool) -> None: ...


class Screen(Protocol):
    """See `gateway.media.player.Player`: where the picture is."""

    @property
    def plane(self) -> Plane: ...


class Focus(Protocol):
    """See `gateway.focus.Focus`."""

    @property
    def holder(self) -> Holder | None: ...
    @property
    def changes(self) -> Publisher[Holder | None]: ...


class Services(Protocol):
    """See `gateway.supervisor.Supervisor`."""

    @property
    def states(self) -> Mapping[str, str]: ...
    @property
    def changes(self) -> Publisher[Mapping[str, str]]: ...


class Registry(Protocol):
    """See `gateway.iot.registry.Registry`."""

    @property
    def states(self) -> Mapping[EntityId, State]: ...
    @property
    def changes(self) -> Publisher[StateChanged]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What `gateway.ui` was given.

    Attributes:
        box: The box's own id.
        live_ticket: Opens ``/live`` for the local player; the relay's addresses carry it.
        apps_origin: Origin of the app frames, empty when there is none.
        inpage: Set when the page itself shows the picture.
    """

    box: str
    live_ticket: str
    apps_origin: str
    line_up: LineUps
    guide: Guide
    tv: Tv
    screen: Screen
    inpage: InPagePlayer | None
    focus: Focus
    registry: Registry
    services: Callable[[], Services]
