"""Where the picture that is wanted can be opened.

One rule: the television says what it wants to see, and never how an address is
made; the air, the past and the recordings are asked here and nowhere else.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import quote

from gateway.media.lineup import Channel, ChannelId
from gateway.media.past import Window
from gateway.media.tv_facts import Mode, NoRecordingsError, NothingKeptError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recording, as far as the television must know it.

    Attributes:
        channel: What was recorded.
        start: The instant of its first picture.
        stop: The instant up to which it goes by now.
        position_s: Where it was left.
        age: For whom it is fit, in years.
    """

    id: str
    channel: ChannelId
    start: datetime
    stop: datetime
    position_s: float = 0.0
    age: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall be on the screen.

    Attributes:
        channel: None only for a recording of a channel that is no more.
        at: The instant to begin with; None for the present.
        recorded: Set in mode ``recording``.
    """

    channel: Channel | None
    mode: Mode = "live"
    at: datetime | None = None
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """What the player opens.

    Attributes:
        how: Whether media of it was in the house already; None where that says nothing.
    """

    url: str
    how: Literal["warm", "cold"] | None = None


class Relay(Protocol):
    """See `gateway.media.relay.Relay`."""

    async def open(self, channel: ChannelId) -> str: ...

    def address(self, channel: ChannelId) -> str: ...

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]: ...


class Past(Protocol):
    """See `gateway.media.past.Past`."""

    def window(self, channel: ChannelId) -> Window | None: ...


class Recordings(Protocol):
    """Who keeps recordings."""

    async def recorded(self, recording: str) -> Recorded | None:
        """Return what it is, or None if there is none of that id that can be played."""

    async def left_at(self, recording: str, position_s: float) -> None:
        """Remember where somebody stopped watching."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the player comes to the box's own streams.

    Attributes:
        base_url: Where the box itself reaches ``/live/`` and ``/recordings/``.
        ticket: What lets the local player in.
        in_page: Whether a page plays: then every address is a playlist, without host and ticket.
        is_open: Set while the box serves its streams; None where it always does.
    """

    base_url: str
    ticket: str = ""
    in_page: bool = False
    is_open: asyncio.Event | None = None


class Streams:
    """Finds streams in the relay, the past and the recordings."""

    def __init__(
        self, relay: Relay, door: Door, *, past: Past | None = None, recordings: Recordings | None = None
    ) -> None:
        """Describe them.

        Args:
            relay: The present.
            door: How addresses are made.
            past: What was; None on a box that keeps nothing.
            recordings: None on a box that does not record.
        """
        self._relay = relay
        self._door = door
        self._past = past
        self._recordings = recordings

    @property
    def keeps_past(self) -> bool:
        """Whether there is anything but the present."""
        return self._past is not None

    async def open(self, wanted: Wanted) -> Stream:
        """Return where `wanted` is, as soon as it can be opened there.

        Raises:
            GatewayError: there is none; its code is shown.
        """
        if self._door.is_open is not None:
            # The television starts before the page does, and must not begin by failing.
            await self._door.is_open.wait()
        if wanted.recorded is not None:
            from_s = (wanted.at - wanted.recorded.start).total_seconds() if wanted.at else 0.0
            return Stream(self._address("recordings", wanted.recorded.id, f"from_s={max(0.0, from_s):.3f}"))
        if wanted.channel is None:
            raise NoRecordingsError("There is nothing to open")
        channel = wanted.channel.id
        if wanted.at is not None:
            if self._past is None:
                raise NothingKeptError("This box keeps nothing but the present")
            at = wanted.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return Stream(self._address("live", channel, f"at={quote(at)}"))
        how = self._relay.temperature(channel)
        url = await self._relay.open(channel)
        return Stream(self.expected(channel) if self._door.in_page else url, how)

    def expected(self, channel: ChannelId) -> str:
        """Return where `channel` will be opened live, as far as is known now."""
        return f"/live/{channel}/index.m3u8" if self._door.in_page else self._relay.address(channel)

    def window(self, channel: ChannelId) -> Window | None:
        """Return from when to when one can seek in `channel`, or None."""
        return self._past.window(channel) if self._past is not None else None

    async def recorded(self, recording: str) -> Recorded:
        """Return what a recording is.

        Raises:
            NoRecordingsError: there is none of that id.
        """
        found = await self._recordings.recorded(recording) if self._recordings is not None else None
        if found is None:
            raise NoRecordingsError("There is no such recording")
        return found

    async def left_at(self, recorded: Recorded, position: datetime) -> None:
        """Remember where somebody stopped watching."""
        if self._recordings is not None:
            position_s = (position - recorded.start) / timedelta(seconds=1)
            await self._recordings.left_at(recorded.id, max(0.0, position_s))

    def _address(self, kind: str, name: str, query: str) -> str:
        door = self._door
        if door.in_page:
            return f"/{kind}/{name}/index.m3u8?{query}"
        let_in = f"&ticket={quote(door.ticket, safe='')}" if door.ticket else ""
        return f"{door.base_url.rstrip('/')}/{kind}/{name}.ts?{query}{let_in}"
