"""The line-up: the operator's channels, in order, from an M3U list.

One rule: a line that cannot be read costs that line only, and is counted with
its number and the reason; never silently.
"""

import bisect
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NewType
from urllib.parse import parse_qsl, urljoin, urlsplit

from gateway.errors import BadInputError

ChannelId = NewType("ChannelId", str)

MAX_LINE_UP_BYTES = 16 * 1024 * 1024
MAX_CHANNELS = 5_000
MAX_LINE_CHARS = 8_192
MAX_SOURCES = 16
MAX_NUMBER = 99_999
MAX_CATCHUP_DAYS = 366

_ATTRIBUTE = re.compile(r"""\s*([A-Za-z][\w-]*)=(?:"([^"]*)"|'([^']*)'|([^\s,"']*))""")
_DURATION = re.compile(r"\s*-?[\d.]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_ULTRA_HD = re.compile(r"(?<![0-9A-Za-z])(?:4K|2160p)(?![0-9A-Za-z])", re.IGNORECASE)
_VLC_HEADERS = {"http-user-agent": "User-Agent", "http-referrer": "Referer", "http-referer": "Referer"}
_HEADERS = {"user-agent": "User-Agent", "referer": "Referer", "referrer": "Referer"}


class LineUpError(BadInputError):
    """The line-up as a whole cannot be used."""

    code: ClassVar[str] = "TV-102"
    hint = "Check that the address names an M3U list with at least one channel."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place a channel can be pulled from.

    Attributes:
        url: Absolute http(s) address.
        headers: HTTP headers the origin wants, by their usual names.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catchup:
    """How past programmes of a channel are asked for.

    Attributes:
        kind: ``default``, ``append``, ``shift``, ``flussonic``, ``xc``, ``vod`` …, lower case.
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
        tvg_id: The guide's name for it; may be empty, as may `tvg_name`.
    """

    id: ChannelId
    number: int
    name: str
    group: str = ""
    logo: str = ""
    radio: bool = False
    resolution: str | None = None
    tvg_id: str = ""
    tvg_name: str = ""
    sources: tuple[Source, ...]
    catchup: Catchup | None = None


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
    """

    def __init__(
        self,
        channels: Iterable[Channel] = (),
        skipped: Iterable[SkippedLine] = (),
        guide_urls: Iterable[str] = (),
    ) -> None:
        self.channels = tuple(sorted(channels, key=lambda channel: channel.number))
        self.skipped = tuple(skipped)
        self.guide_urls = tuple(guide_urls)
        self._by_id = {channel.id: channel for channel in self.channels}
        self._numbers = [channel.number for channel in self.channels]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LineUp) and self._value() == other._value()

    def __hash__(self) -> int:
        return hash(tuple(self._by_id))

    def _value(self) -> tuple[object, ...]:
        return self.channels, self.skipped, self.guide_urls

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


def parse_m3u(text: str, *, base: str = "") -> LineUp:
    """Return the line-up in `text`.

    Args:
        text: The list; a byte order mark and any line ends are fine.
        base: http(s) address of the list, for relative addresses in it.

    Raises:
        LineUpError: too large, a web page, or not one channel in it.
    """
    if len(text) > MAX_LINE_UP_BYTES:
        raise LineUpError(f"The line-up is larger than {MAX_LINE_UP_BYTES} bytes")
    if text.lstrip("\ufeff \t\r\n")[:1] == "<":
        raise LineUpError("The line-up's address answers with a web page")
    reader = _Reader(base)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        reader.read(number, line.removeprefix("\ufeff").strip())
    reader.end()
    if not reader.entries:
        raise LineUpError(f"The line-up has no readable channel ({len(reader.skipped)} lines skipped)")
    return LineUp(_number(reader.entries), reader.skipped, reader.guide_urls)


@dataclass(slots=True)
class _Entry:
    """What has been gathered about a channel so far."""

    line: int
    name: str
    attributes: dict[str, str]
    group: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    def wanted_number(self) -> int | None:
        return _whole(self.attributes.get("tvg-chno", ""), MAX_NUMBER) or None

    def names(self) -> list[tuple[str, str]]:
        """Return what makes another entry the same channel, strongest first."""
        chno = str(self.wanted_number() or "")
        tvg_id = self.attributes.get("tvg-id", "")
        names = [("name", f"{' '.join(self.name.casefold().split())}\n{tvg_id}\n{chno}")]
        if tvg_id and chno:
            names.append(("id", f"{tvg_id}\n{chno}"))
        return names


class _Reader:
    """Walks the lines once and remembers what the next address belongs to."""

    def __init__(self, base: str) -> None:
        self.entries: list[_Entry] = []
        self.skipped: list[SkippedLine] = []
        self.guide_urls: list[str] = []
        self._base = base
        self._defaults: dict[str, str] = {}
        self._group = ""
        self._pending: _Entry | None = None
        self._known: dict[tuple[str, str], _Entry] = {}

    def read(self, number: int, line: str) -> None:
        if not line:
            return
        if len(line) > MAX_LINE_CHARS:
            self._skip(number, f"is longer than {MAX_LINE_CHARS} characters")
        elif not line.startswith("#"):
            self._address(number, line)
        elif line.upper().startswith("#EXTINF:"):
            self._drop_pending()
            self._channel(number, line)
        elif line.upper().startswith("#EXTM3U"):
            self._header(line)
        elif line.upper().startswith("#EXTGRP:"):
            self._extgrp(line[len("#EXTGRP:") :].strip())
        elif line.upper().startswith("#EXTVLCOPT:"):
            self._option(line[len("#EXTVLCOPT:") :])

    def end(self) -> None:
        self._drop_pending()

    def _skip(self, line: int, reason: str) -> None:
        self.skipped.append(SkippedLine(line, reason))

    def _drop_pending(self) -> None:
        if self._pending is not None and not self._pending.sources:
            self._skip(self._pending.line, "channel without an address")
        self._pending = None

    def _header(self, line: str) -> None:
        attributes, _ = _attributes(line, len("#EXTM3U"))
        self._defaults.update((k, v) for k, v in attributes.items() if k.startswith("catchup"))
        told = attributes.get("url-tvg") or attributes.get("x-tvg-url") or ""
        self.guide_urls += [urljoin(self._base, url.strip()) for url in told.split(",") if url.strip()]

    def _channel(self, number: int, line: str) -> None:
        start = len("#EXTINF:")
        duration = _DURATION.match(line, start)
        attributes, end = _attributes(line, duration.end() if duration else start)
        rest = line[end:]
        name = (rest.partition(",")[2] if "," in rest else "").strip()
        if '"' in rest.partition(",")[0]:  # an unclosed quote swallowed the rest: the name is what comes last
            name = rest.rpartition(",")[2].strip()
        name = name or attributes.get("tvg-name", "") or attributes.get("tvg-id", "")
        if not name:
            self._skip(number, "channel without a name")
            return
        group = attributes.get("group-title", "") or self._group
        self._pending = _Entry(number, name, self._defaults | attributes, group)

    def _extgrp(self, group: str) -> None:
        if self._pending is None:
            self._group = group
        elif not self._pending.attributes.get("group-title"):
            self._pending.group = group

    def _option(self, option: str) -> None:
        name, _, value = option.partition("=")
        header = _VLC_HEADERS.get(name.strip().lower())
        if header and value.strip() and self._pending is not None:
            self._pending.headers[header] = value.strip().strip('"')

    def _address(self, number: int, line: str) -> None:
        entry = self._pending
        if entry is None:
            self._skip(number, "address without #EXTINF")
            return
        try:
            source = _source(line, self._base, entry.headers)
        except ValueError as error:
            self._skip(number, str(error))
            return
        if not entry.sources:
            entry = self._admit(entry)
            if entry is None:
                self._skip(number, f"more than {MAX_CHANNELS} channels")
                self._pending = None
                return
        if len(entry.sources) >= MAX_SOURCES:
            self._skip(number, f"more than {MAX_SOURCES} addresses for one channel")
        elif source not in entry.sources:
            entry.sources.append(source)

    def _admit(self, entry: _Entry) -> _Entry | None:
        """Return the entry this one repeats, or the entry itself as a new channel."""
        same = next((self._known[key] for key in entry.names() if key in self._known), None)
        if same is not None:
            self._pending = same
            return same
        if len(self.entries) >= MAX_CHANNELS:
            return None
        self.entries.append(entry)
        self._known.update((key, entry) for key in entry.names())
        return entry


def _attributes(line: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while match := _ATTRIBUTE.match(line, at):
        name, *values = match.groups()
        found[name.lower()] = next((value for value in values if value is not None), "").strip()
        at = match.end()
    return found, at


def _source(line: str, base: str, headers: Mapping[str, str]) -> Source:
    address, _, options = line.partition("|")
    url = urljoin(base, address.strip()) if base else address.strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        scheme = parts.scheme[:16]
        raise ValueError(f"address scheme '{scheme}' is not supported" if scheme else "relative address")
    if not parts.hostname or (parts.port is not None and not parts.port):
        raise ValueError("address without a host")
    extra = {
        _HEADERS.get(name.lower(), name): value
        for name, value in parse_qsl(options, max_num_fields=8)
        if _TOKEN.match(name) and value.isprintable()
    }
    return Source(url=url, headers={**headers, **extra})


def _number(entries: list[_Entry]) -> list[Channel]:
    """Give every entry its number and id, the operator's own wishes first."""
    wanted = {entry.wanted_number(): entry for entry in reversed(entries)}
    taken = {number for number in wanted if number is not None}
    channels: list[Channel] = []
    ids: set[str] = set()
    previous = 0
    for entry in entries:
        number = entry.wanted_number()
        if number is None or wanted[number] is not entry:
            number = previous + 1
            while number in taken:
                number += 1
            taken.add(number)
        previous = number
        channel = _build(entry, number, _identify(entry, ids))
        ids.add(channel.id)
        channels.append(channel)
    return channels


def _build(entry: _Entry, number: int, channel_id: ChannelId) -> Channel:
    said = entry.attributes
    ultra_hd = "2160p" if _ULTRA_HD.search(entry.name) else None
    channel = Channel(
        id=channel_id,
        number=number,
        name=entry.name,
        group=entry.group,
        logo=said.get("tvg-logo", ""),
        radio=said.get("radio", "").lower() in ("true", "1", "yes"),
        resolution=said.get("resolution") or said.get("tvg-resolution") or ultra_hd,
        tvg_id=said.get("tvg-id", ""),
        tvg_name=said.get("tvg-name", ""),
        sources=tuple(entry.sources),
    )
    kind = (said.get("catchup") or said.get("catchup-type") or "").lower()
    days = said.get("catchup-days") or said.get("timeshift") or said.get("tvg-rec") or ""
    if not kind or kind in ("none", "disabled"):
        return channel
    past = Catchup(kind=kind, source=said.get("catchup-source", ""), days=_whole(days, MAX_CATCHUP_DAYS))
    return replace(channel, catchup=past)


def _identify(entry: _Entry, taken: set[str]) -> ChannelId:
    """Return an id that the same entry gets again in the next list, whatever its place."""
    mark = hashlib.sha256(f"{entry.name}\n{entry.group}".encode()).hexdigest()[:8]
    slug = _slug(entry.attributes.get("tvg-id", "")) or _slug(entry.name).lower()
    candidates = [slug, f"{slug}-{mark}"] if slug else [f"c-{mark}"]
    stem = candidates[-1]
    candidates += [f"{stem}-{count}" for count in range(2, len(taken) + 3)] if candidates[-1] in taken else []
    return ChannelId(next(candidate for candidate in candidates if candidate not in taken))


def _slug(text: str) -> str:
    # Of a Chinese name a slug would keep nothing that says which channel it is.
    return _UNSAFE.sub("-", text).strip("-.")[:64] if text.isascii() else ""


def _whole(text: str, most: int) -> int:
    """Return the number `text` says, 0 if it is none or over `most`."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if digits and int(text) <= most else 0
