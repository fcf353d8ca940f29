"""TXT lists as they go round in China: ``group,#genre#``, then ``name,address`` lines.

One rule: the same as for M3U: a bad line costs itself, and is counted.
"""

import re
from collections.abc import Iterable

from gateway.media.lineup_entries import Entry, Gathering
from gateway.media.lineup_m3u import MAX_LINE_CHARS

GENRE = re.compile(r"[,\uff0c]\s*#genre#[\s,\uff0c]*\Z", re.IGNORECASE)
_ENTRY = re.compile(r"(?P<name>[^,\uff0c]+)[,\uff0c]\s*(?P<address>\S.*)")


def read_txt(lines: Iterable[str], gathering: Gathering) -> None:
    """Take in a whole list."""
    group = ""
    for number, raw in enumerate(lines, start=1):
        line = raw.removeprefix("\ufeff").strip()
        if not line or line.startswith(("#", "//")):
            continue
        if len(line) > MAX_LINE_CHARS:
            gathering.skip(number, f"is longer than {MAX_LINE_CHARS} characters")
        elif GENRE.search(line):
            group = GENRE.sub("", line).strip()
        elif entry := _ENTRY.fullmatch(line):
            gathering.add(Entry(number, entry["name"].strip(), {}, group), number, entry["address"])
        else:
            gathering.skip(number, "is neither a group nor a channel")
