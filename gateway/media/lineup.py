"""The line-up: the operator's channels, in order, as values.

One rule: nothing here reads a list; `gateway.media.lineup_read` does.
"""

import bisect
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NewType

from gateway.errors import BadInputError

ChannelId = NewType("ChannelId", str)

MAX_LINE_UP_BYTES = 16 * 1024 * 1024
MAX_CHANNELS = 5_000

_LINES = re.compile(r"(?<!\d)(\d{3,4})(?:[pi](?![a-z])|\s*\Z)", re.IGNORECASE | re.ASCII)
_MARKETED = {"8K": 4320, "4K": 2160, "UHD": 2160, "FHD": 1080, "HD": 720, "SD": 576}


class LineUpError(BadInputError):
    """The line-up as a whole cannot be used."""

    code: ClassVar[str] = "TV-102"
    hint = "Check that the address names an M3U or TXT list with at least one channel."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place a channel can be pulled from.

    Attributes:
        url: Absolute ``http(s)://`` address, or ``udp://``, ``rtp://`` for datagrams.
        headers: HTTP headers the origin wants, by their usual names.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catchup:
    """How past programmes of a channel are asked for.

    Attributes:
        kind: ``default``, ``append``, ``shift``, ``flussonic``, ``flussonic-ts``, ``xc`` or ``vod``.
        source: Address template; empty when the kind builds its own.
        days: How far back.
        correction_s: Added to the times that are asked for.
    """

    kind: str
    source: str = ""
    days: int = 0
    correction_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One entry of the line-up.

    Attributes:
        id: Stable over reloads, unique, usable in an address.
        number: What the household types on the remote.
        sources: At least one, best first.
        groups: All that it is in; `group` is the first.
        resolution: As the operator says, or as the name gives away: ``2160p``, ``1920x1080``.
        tvg_id: The guide's name for it; may be empty, as may `tvg_name`.
        guide_shift_s: How much later than the guide says its programmes are.
    """

    id: ChannelId
    number: int
    name: str
    group: str = ""
    groups: tuple[str, ...] = ()
    logo: str = ""
    radio: bool = False
    resolution: str | None = None
    tvg_id: str = ""
    tvg_name: str = ""
    guide_shift_s: int = 0
    sources: tuple[Source, ...]
    catchup: Catchup | None = None

    @property
    def height(self) -> int:
        """How many lines its picture has according to `resolution`; 0 if nobody says."""
        said = _LINES.search(self.resolution or "")
        return int(said[1]) if said else _MARKETED.get((self.resolution or "").upper(), 0)


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that was left out; `line` counts from 1."""

    line: int
    reason: str


class LineUp:
    """All channels by number; a value that never changes.

    Attributes:
        channels: In the operator's order, ascending `Channel.number`.
        skipped: What could not be read.
        guide_urls: Where the list itself says its guide is.
        hosts: The only ones its streams may come from; None for any.
        signed: Whether the operator's signature was found good.
    """

    def __init__(
        self,
        channels: Iterable[Channel] = (),
        skipped: Iterable[SkippedLine] = (),
        guide_urls: Iterable[str] = (),
        hosts: Iterable[str] | None = None,
        *,
        signed: bool = False,
    ) -> None:
        self.channels = tuple(sorted(channels, key=lambda channel: channel.number))
        self.skipped = tuple(skipped)
        self.guide_urls = tuple(guide_urls)
        self.hosts = frozenset(map(plain_host, hosts)) if hosts is not None else None
        self.signed = signed
        self._by_id = {channel.id: channel for channel in self.channels}
        self._numbers = [channel.number for channel in self.channels]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LineUp) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(tuple(self._by_id))

    def _value(self) -> tuple[object, ...]:
        return self.channels, self.skipped, self.guide_urls, self.hosts, self.signed

    def allows(self, host: str) -> bool:
        """Tell whether a stream may come from `host`; ``*.`` before a listed name stands for any under it."""
        if self.hosts is None or (plain := plain_host(host)) in self.hosts:
            return True
        parents = plain.split(".")
        return any(f"*.{'.'.join(parents[at:])}" in self.hosts for at in range(1, len(parents)))

    def by_id(self, channel: ChannelId) -> Channel | None:
        """Return the channel, or None if the line-up has no such id."""
        return self._by_id.get(channel)

    def by_number(self, number: int) -> Channel | None:
        """Return the channel, or None if no channel has that number."""
        at = bisect.bisect_left(self._numbers, number)
        found = at < len(self._numbers) and self._numbers[at] == number
        return self.channels[at] if found else None

    def neighbour(self, channel: ChannelId | None, step: int) -> Channel | None:
        """Return the channel `step` places after `channel`, round the ends.

        None if the line-up is empty; the first one if `channel` is not in it.
        """
        if not self.channels:
            return None
        here = self._by_id.get(channel) if channel is not None else None
        if here is None:
            return self.channels[0]
        at = bisect.bisect_left(self._numbers, here.number)
        return self.channels[(at + step) % len(self.channels)]


def plain_host(host: str) -> str:
    """Return `host` in the one way of writing that hosts are compared in, whoever wrote it."""
    plain = host.lower().strip("[]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(plain.partition("%")[0]))
    except ValueError:
        pass
    try:
        return plain if plain.isascii() else plain.encode("idna").decode()
    except UnicodeError:
        return plain
