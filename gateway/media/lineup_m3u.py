"""M3U lists, in the many ways they are written.

One rule: a line that cannot be read costs that line only, and is counted with
its number and the reason; never silently.
"""

import re
from collections.abc import Iterable
from urllib.parse import urljoin

from gateway.media.lineup_entries import Entry, Gathering

MAX_LINE_CHARS = 8_192

_ATTRIBUTE = re.compile(r"""\s*([A-Za-z][\w-]*)=(?:"([^"]*)"|'([^']*)'|([^\s,"']*))""")
_DURATION = re.compile(r"\s*-?[\d.]*")
_VLC_HEADERS = {"http-user-agent": "User-Agent", "http-referrer": "Referer", "http-referer": "Referer"}


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
                self._option(rest)
            case _ if name.upper().startswith("#EXTM3U"):
                self._header(line)
            # Others (#PLAYLIST, #KODIPROP, #WEBPROP and comments) say nothing that is needed here.

    def _drop_pending(self) -> None:
        if self._pending is not None and not self._pending.sources:
            self._gathering.skip(self._pending.line, "channel without an address")
        self._pending = None

    def _header(self, line: str) -> None:
        attributes, _ = _attributes(line, len("#EXTM3U"))
        inherited = ("catchup", "tvg-shift")
        self._defaults.update((k, v) for k, v in attributes.items() if k.startswith(inherited))
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
            self._gathering.skip(number, "channel without a name")
            return
        group = attributes.get("group-title", "") or self._group
        self._pending = Entry(number, name, self._defaults | attributes, group)

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
