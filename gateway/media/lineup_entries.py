"""Entries of a line-up as they are gathered, and what becomes of them.

One rule: the same entry gets the same number and id from every copy of the
list, whatever its place in it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.media.lineup import (
    MAX_CHANNELS,
    Catchup,
    Channel,
    ChannelId,
    SkippedLine,
    Source,
)
from gateway.media.lineup_address import AddressError, sources
from gateway.media.lineup_past import past_of

MAX_SOURCES = 16
MAX_SKIPPED = 1_000
MAX_NUMBER = 99_999
MAX_GUIDE_SHIFT_S = 26 * 3600

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LINES = re.compile(
    r"(?<![0-9A-Za-z])(8K|4K|UHD|(?:4320|2160|1080|720|576|480)[pi])(?![0-9A-Za-z])", re.IGNORECASE
)
_SOLD_AS = {"8k": "4320p", "4k": "2160p", "uhd": "2160p"}
_RADIO = re.compile(r"(?<![A-Za-z])radio(?![A-Za-z])|广播|电台", re.IGNORECASE)
_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no")


@dataclass(slots=True)
class Entry:
    """What has been gathered about a channel so far.

    Attributes:
        attributes: What its line said, names in lower case.
        headers: What the origin wants.
    """

    line: int
    name: str
    attributes: Mapping[str, str]
    group: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)

    def wanted_number(self) -> int | None:
        """Return the number the operator wants it to have."""
        return whole(self.attributes.get("tvg-chno", ""), MAX_NUMBER) or None

    def names(self) -> list[tuple[str, str]]:
        """Return what makes another entry the same channel, strongest first."""
        chno = str(self.wanted_number() or "")
        tvg_id = self.attributes.get("tvg-id", "")
        names = [("name", f"{' '.join(self.name.casefold().split())}\n{tvg_id}\n{chno}")]
        if tvg_id and chno:
            names.append(("id", f"{tvg_id}\n{chno}"))
        return names


class Gathering:
    """The entries so far, and what was left out.

    Attributes:
        entries: In the order of the list.
    """

    def __init__(self, base: str) -> None:
        self.entries: list[Entry] = []
        self._skipped: list[SkippedLine] = []
        self._more = 0
        self._base = base
        self._known: dict[tuple[str, str], Entry] = {}

    @property
    def skipped(self) -> list[SkippedLine]:
        """Lines that could not be read; of very many the last one says how many more."""
        if not self._more:
            return self._skipped
        last = self._skipped[-1]
        return [*self._skipped[:-1], SkippedLine(last.line, f"{last.reason}; and {self._more} more faults")]

    def skip(self, line: int, reason: str) -> None:
        """Leave `line` out, and say why."""
        if len(self._skipped) < MAX_SKIPPED:
            self._skipped.append(SkippedLine(line, reason))
        else:
            self._more += 1

    def add(self, entry: Entry, line: int, text: str) -> Entry | None:
        """Give `entry` the addresses in `text`.

        Returns:
            The entry they belong to, an earlier one if it is the same channel; None if it has none.
        """
        for found in sources(text, self._base, entry.headers):
            if isinstance(found, AddressError):
                self.skip(line, str(found))
                continue
            if not entry.sources:
                admitted = self._admit(entry)
                if admitted is None:
                    self.skip(line, f"more than {MAX_CHANNELS} channels")
                    return None
                entry = admitted
            if len(entry.sources) >= MAX_SOURCES:
                self.skip(line, f"more than {MAX_SOURCES} addresses for one channel")
            elif found not in entry.sources:
                entry.sources.append(found)
        return entry

    def _admit(self, entry: Entry) -> Entry | None:
        """Return the entry this one repeats, or the entry itself as a new channel."""
        same = next((self._known[key] for key in entry.names() if key in self._known), None)
        if same is not None:
            return same
        if len(self.entries) >= MAX_CHANNELS:
            return None
        self.entries.append(entry)
        self._known.update((key, entry) for key in entry.names())
        return entry


def numbered(entries: Sequence[Entry]) -> list[Channel]:
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


def repeated_numbers(entries: Sequence[Entry]) -> dict[int, list[str]]:
    """Return the numbers that more than one channel wants, and the names of those."""
    wanting: dict[int, list[str]] = {}
    for entry in entries:
        number = entry.wanted_number()
        if number is not None:
            wanting.setdefault(number, []).append(entry.name)
    return {number: names for number, names in wanting.items() if len(names) > 1}


def whole(text: str, most: int) -> int:
    """Return the number `text` says, 0 if it is none or over `most`."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    return int(text) if digits and int(text) <= most else 0


def _build(entry: Entry, number: int, channel_id: ChannelId) -> Channel:
    said = entry.attributes
    hint = _LINES.search(entry.name)
    seen = hint[1].lower() if hint else None
    groups = tuple(dict.fromkeys(filter(None, (each.strip() for each in entry.group.split(";")))))
    channel = Channel(
        id=channel_id,
        number=number,
        name=entry.name,
        group=groups[0] if groups else "",
        groups=groups,
        logo=said.get("tvg-logo", ""),
        radio=_is_radio(entry),
        resolution=said.get("resolution") or said.get("tvg-resolution") or _SOLD_AS.get(seen or "", seen),
        tvg_id=said.get("tvg-id", ""),
        tvg_name=said.get("tvg-name", ""),
        guide_shift_s=_hours_as_s(said.get("tvg-shift", "")),
        sources=tuple(entry.sources),
    )
    past: Catchup | None = past_of(said)
    return replace(channel, catchup=past)


def _is_radio(entry: Entry) -> bool:
    said = entry.attributes.get("radio", "").lower()
    kind = entry.attributes.get("tvg-type", "").lower()
    hinted = kind in ("radio", "audio") or bool(_RADIO.search(entry.group))
    return said in _TRUE or (said not in _FALSE and hinted)


def _hours_as_s(text: str) -> int:
    try:
        shift_s = float(text) * 3600
    except ValueError:
        return 0
    return int(shift_s) if abs(shift_s) <= MAX_GUIDE_SHIFT_S else 0


def _identify(entry: Entry, taken: set[str]) -> ChannelId:
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
