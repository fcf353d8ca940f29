"""M3U lists, in the many ways they are written.

One rule: a line that cannot be read costs that line only, and is counted with
its number and the reason; never silently.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urljoin

from gateway.media import lineup_headers
from gateway.media.lineup_entries import Entry, Gathering

MAX_LINE_CHARS = 8_192

# Attributes may stand apart by commas, if they are in quotes.  A quote that is never closed ends where
# the next attribute begins.
_ATTRIBUTE = re.compile(
    r"""\s*(?:,\s*(?=[A-Za-z][\w-]*="))?([A-Za-z][\w-]*)="""
    r"""(?:"((?:[^"\s]++|\s(?![A-Za-z][\w-]*="))*+)(?:"|(?=\s[A-Za-z][\w-]*="))"""
    r"""|'([^']*)'|([^\s,"']*))"""
)
_DURATION = re.compile(r"\s*-?[\d.]*")
_NUMBERS = ("tvg-chno", "ch-number", "channel-number")


class M3uReader:
    """Walks the lines once and remembers what the next address belongs to.

    Attributes:
        guide_urls: Where the list itself says its guide is.
    """

    def __init__(self, gathering: Gathering, base: str) -> None:
        self.guide_urls: list[str] = []
        self._gathering = gathering
        self._base = base
        self._defaults: dict[str, str] = {}
        self._group = ""
        self._pending: Entry | None = None

    def read(self, lines: Iterable[str]) -> None:
        """Take in a whole list."""
        for number, line in enumerate(lines, start=1):
            self._line(number, line.removeprefix("\ufeff").strip())
        self._drop_pending()

    def _line(self, number: int, line: str) -> None:
        if not line:
            return
        if len(line) > MAX_LINE_CHARS:
            self._gathering.skip(number, f"is longer than {MAX_LINE_CHARS} characters")
        elif not line.startswith("#"):
            self._address(number, line)
        else:
            self._directive(number, line)

    def _directive(self, number: int, line: str) -> None:
        name, _, rest = line.partition(":")
        match name.upper():
            case "#EXTINF":
                self._drop_pending()
                self._channel(number, line)
            case "#EXTGRP":
                self._extgrp(rest.strip())
            case "#EXTVLCOPT":
                self._headers(lineup_headers.of_option(*_pair(rest)))
            case "#KODIPROP":
                self._headers(lineup_headers.of_property(*_pair(rest)))
            case "#EXTHTTP":
                self._headers(lineup_headers.of_json(rest))
            case other if other.startswith("#EXTVLCOPT--"):
                self._headers(lineup_headers.of_option(*_pair(line.removeprefix(line[:10]))))
            case other if other.startswith("#EXTM3U"):
                self._header(line)
            # Others (#PLAYLIST, #WEBPROP and comments) say nothing that is needed here.

    def _drop_pending(self) -> None:
        if self._pending is not None and not self._pending.sources:
            self._gathering.skip(self._pending.line, "channel without an address")
        self._pending = None

    def _header(self, line: str) -> None:
        attributes, _ = _attributes(line, len("#EXTM3U"))
        inherited = ("catchup", "tvg-shift")
        self._defaults.update((k, v) for k, v in attributes.items() if k.startswith(inherited))
        told = attributes.get("url-tvg") or attributes.get("x-tvg-url") or ""
        self.guide_urls += [urljoin(self._base, url) for url in told.replace(",", " ").split()]

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
            self._gathering.skip(number, "channel without a name")
            return
        wanted = next((attributes[key] for key in _NUMBERS if attributes.get(key)), "")
        if attributes.get("group-title"):
            self._group = ""  # a group of its own ends the one that was announced for all that follow
        self._pending = Entry(
            number,
            name,
            {**self._defaults, **attributes, "tvg-chno": wanted},
            attributes.get("group-title") or self._group,
            lineup_headers.of_attributes(attributes),
        )

    def _extgrp(self, group: str) -> None:
        """Put the channel that has begun, and all that follow, into `group`; an empty one ends that."""
        self._group = group
        begun = self._pending if self._pending is not None and not self._pending.sources else None
        if begun is not None and not begun.attributes.get("group-title"):
            begun.group = group

    def _headers(self, headers: Mapping[str, str]) -> None:
        if self._pending is not None:
            self._pending.headers.update(headers)

    def _address(self, number: int, line: str) -> None:
        if self._pending is None:
            self._gathering.skip(number, "address without #EXTINF")
            return
        self._pending = self._gathering.add(self._pending, number, line)


def _attributes(line: str, at: int) -> tuple[dict[str, str], int]:
    found: dict[str, str] = {}
    while match := _ATTRIBUTE.match(line, at):
        name, *values = match.groups()
        found[name.lower()] = next((value for value in values if value is not None), "").strip()
        at = match.end()
    return found, at


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(), value.strip()
