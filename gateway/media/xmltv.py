"""XMLTV guides (plain, gz or xz) as a stream of programmes.

One rule: memory stays flat and nothing a file says can make it grow: sizes and
ratios are capped, and a document that declares entities is refused.
"""

import lzma
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple
from xml.parsers import expat

from gateway.errors import BadInputError
from gateway.media.guide_words import age_of

MAX_PACKED_BYTES = 256 * 1024 * 1024
MAX_GUIDE_BYTES = 2 * 1024 * 1024 * 1024
MAX_RATIO = 300
RATIO_COUNTS_FROM_BYTES = 16 * 1024 * 1024
MAX_XZ_MEMORY_BYTES = 128 * 1024 * 1024
MAX_TITLE_CHARS = 300
MAX_TEXT_CHARS = 4_000
MAX_NAMES = 16
MAX_ENTRY_BYTES = 1024 * 1024
MAX_XML_NAMES = 1_000
MAX_WAITING = 10_000
LAST_PROGRAMME_S = 3600
MAX_PROGRAMME_S = 24 * 3600
CHUNK_BYTES = 64 * 1024

_TIME_DIGITS = (14, 12, 10, 8)
_DAY_DIGITS = 8
_TEXTS = frozenset(("title", "desc", "category", "sub-title"))
_ENTRIES = frozenset(("programme", "channel"))
_REPEATED = frozenset(("display-name", "rating", "star-rating", "value"))


class GuideError(BadInputError):
    """The guide as a whole cannot be read."""

    code: ClassVar[str] = "TV-104"
    hint = "The last good guide stays; the operator must correct the file."


class GuideChannel(NamedTuple):
    """How the guide calls a channel."""

    id: str
    names: tuple[str, ...]


class GuideRow(NamedTuple):
    """One programme; times in seconds since 1970, UTC.

    Attributes:
        age: The youngest it is meant for; 0 for everybody.
        catchup_id: What the operator's archive calls it, if the guide says so.
    """

    channel: str
    start: int
    stop: int
    title: str
    subtitle: str = ""
    description: str = ""
    category: str = ""
    age: int = 0
    catchup_id: str = ""


_row = GuideRow._make


class XmltvReader:
    """Turns bytes of XML, given piece by piece, into rows.

    Attributes:
        skipped: Programmes left out, because they cannot be placed or have no title.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._rows: list[GuideRow | GuideChannel] = []
        self._open: dict[str, GuideRow] = {}
        self._entry = ""
        self._said: dict[str, str] = {}
        self._told: dict[str, list[str]] = {}
        self._more: list[tuple[str, list[str]]] = []
        self._entry_at = 0
        self._fed = 0
        self._known_names: dict[str, str] = {}
        self._parser = expat.ParserCreate(intern=self._known_names)
        self._parser.buffer_text = True
        # No handler for ends: a text lasts until the next element begins, and what stands
        # between elements is white space.  That is half the calls of a million programmes.
        self._parser.StartElementHandler = self._start
        self._parser.EntityDeclHandler = _refuse_entity

    def feed(self, data: bytes, *, last: bool = False) -> list[GuideRow | GuideChannel]:
        """Return what `data` completes.

        Raises:
            GuideError: not XML, it declares entities, or is made to fill the memory.
        """
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise GuideError(f"The guide is not readable XML: {error}") from error
        self._fed += len(data)
        # The parser keeps an unfinished tag, the names of all open ones, and every name it has met.
        if self._fed - self._entry_at > MAX_ENTRY_BYTES:
            raise GuideError("The guide has an entry that is larger than any guide's")
        if len(self._known_names) > MAX_XML_NAMES:
            raise GuideError("The guide has more kinds of elements than any guide")
        if last:
            self._complete()
        rows, self._rows = self._rows, []
        if last:
            rows += [_until(row, row.start + LAST_PROGRAMME_S) for row in self._open.values()]
            self._open = {}
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in _TEXTS:
            # Of several languages the first one is the operator's own.
            if name in self._told:
                self._parser.CharacterDataHandler = None
            else:
                pieces = self._told[name] = []
                self._parser.CharacterDataHandler = pieces.append
        elif name in _ENTRIES:
            if self._entry:
                self._complete()
            self._entry, self._said, self._told = name, attributes, {}
            self._entry_at = self._fed
            self._parser.CharacterDataHandler = None
        elif name in _REPEATED and len(self._more) < MAX_NAMES:
            more: list[str] = []
            self._more.append((name, more))
            self._parser.CharacterDataHandler = more.append
        else:
            self._parser.CharacterDataHandler = None

    def _complete(self) -> None:
        if self._entry == "programme":
            self._programme(self._said, self._told)
        elif self._entry == "channel" and self._said.get("id"):
            names = [_line(text)[:MAX_TITLE_CHARS] for kind, text in self._more if kind == "display-name"]
            self._rows.append(GuideChannel(self._said["id"][:MAX_TITLE_CHARS], tuple(filter(None, names))))
        self._entry = ""
        if self._more:
            self._more = []

    def _programme(self, said: dict[str, str], told: dict[str, list[str]]) -> None:
        channel, start, ends = said.get("channel", ""), moment(said.get("start", "")), said.get("stop")
        title = _line(told["title"])[:MAX_TITLE_CHARS] if "title" in told else ""
        stop = moment(ends) if ends else None
        if (
            not channel
            or start is None
            or not title
            or (ends and stop is None)
            or len(channel) > MAX_TITLE_CHARS
        ):
            self.skipped += 1
            return
        if stop is not None and not start < stop <= start + MAX_PROGRAMME_S:
            self.skipped += 1
            return
        if self._open and (waiting := self._open.pop(channel, None)) is not None:
            self._rows.append(_until(waiting, start))
        row = _row(
            (
                channel,
                start,
                stop or start,
                title,
                _line(told["sub-title"])[:MAX_TITLE_CHARS] if "sub-title" in told else "",
                _line(told["desc"])[:MAX_TEXT_CHARS] if "desc" in told else "",
                _line(told["category"])[:MAX_TITLE_CHARS] if "category" in told else "",
                self._age() if self._more else 0,
                said["catchup-id"][:MAX_TITLE_CHARS] if "catchup-id" in said else "",
            )
        )
        if stop is not None:
            self._rows.append(row)
        elif len(self._open) < MAX_WAITING:
            self._open[channel] = row
        else:
            self.skipped += 1

    def _age(self) -> int:
        """Return the highest of the ages; a value belongs to the rating in front of it."""
        ages, inside = [0], ""
        for kind, text in self._more:
            if kind == "value":
                ages.append(age_of(_line(text)) if inside == "rating" else 0)
            else:
                inside = kind
        return max(ages)


@lru_cache(maxsize=16_384)
def moment(text: str) -> int | None:
    """Return an XMLTV time such as ``20260131200000 +0800`` in seconds since 1970, or None.

    Without a zone it is UTC, as the format says.
    """
    digits, _, zone = text.strip().partition(" ")
    if len(digits) > max(_TIME_DIGITS) and digits[14:15] in ("+", "-"):
        digits, zone = digits[:14], digits[14:]
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in _TIME_DIGITS:
        return None
    hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (8, 10, 12))
    if hours > 23 or minutes > 59 or seconds > 60:  # noqa: PLR2004 - a clock's
        return None
    try:
        return (
            _midnight(digits[:_DAY_DIGITS]) + hours * 3600 + minutes * 60 + seconds - _offset_s(zone.strip())
        )
    except ValueError:
        return None


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield the document in `path` in the clear, whatever it is packed with.

    Raises:
        GuideError: damaged, or far larger than any guide.
    """
    try:
        with path.open("rb") as file:
            total = 0
            packed_bytes = max(path.stat().st_size, 1)
            packed = iter(lambda: file.read(CHUNK_BYTES), b"")
            for chunk in _clear(packed):
                total += len(chunk)
                if total > MAX_GUIDE_BYTES or (
                    total > RATIO_COUNTS_FROM_BYTES and total > MAX_RATIO * packed_bytes
                ):
                    raise GuideError("The guide unpacks to far more than any guide")
                yield chunk
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise GuideError(f"The guide's file is damaged: {error}") from error


def _clear(packed: Iterator[bytes]) -> Iterator[bytes]:
    first = next(packed, b"")
    if first[:2] == b"\x1f\x8b":
        yield from _gunzipped(first, packed)
    elif first[:6] == b"\xfd7zXZ\0":
        yield from _unxzed(first, packed)
    else:
        yield first
        yield from packed


def _gunzipped(first: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    waiting = first
    while waiting:
        yield unpacker.decompress(waiting, CHUNK_BYTES)
        waiting = unpacker.unconsumed_tail
        if unpacker.eof:  # another member may follow
            waiting = unpacker.unused_data.lstrip(b"\0")
            unpacker = zlib.decompressobj(wbits=31)
        waiting = waiting or next(packed, b"")
        if not waiting and not unpacker.eof:
            yield unpacker.flush()


def _unxzed(first: bytes, packed: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY_BYTES)
    waiting = first
    while not unpacker.eof:
        yield unpacker.decompress(waiting, CHUNK_BYTES)
        waiting = next(packed, b"") if unpacker.needs_input and not unpacker.eof else b""
        if unpacker.needs_input and not waiting and not unpacker.eof:
            raise EOFError("it ends in the middle")


def _midnight(day: str) -> int:
    return int(datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp())


def _offset_s(zone: str) -> int:
    if not zone or zone.upper() in ("UTC", "GMT", "Z"):
        return 0
    sign, digits = zone[0], zone[1:].replace(":", "")
    if sign not in "+-" or not (digits.isascii() and digits.isdigit()) or len(digits) != len("0800"):
        raise ValueError(zone)
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (1 if sign == "+" else -1)


def _line(pieces: list[str]) -> str:
    return " ".join((pieces[0] if len(pieces) == 1 else "".join(pieces)).split())


def _until(row: GuideRow, stop: int) -> GuideRow:
    end = stop if row.start < stop <= row.start + MAX_PROGRAMME_S else row.start + LAST_PROGRAMME_S
    return row._replace(stop=end)


def _refuse_entity(*_declaration: object) -> None:
    raise GuideError("The guide declares XML entities, which no guide needs")
