"""XMLTV guides (plain, gz or xz) as a stream of programmes.

One rule: memory stays flat and nothing a file says can make it grow: sizes and
ratios are capped, and a document that declares entities is refused.
"""

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
from xml.parsers import expat

from gateway.errors import BadInputError

MAX_PACKED_BYTES = 256 * 1024 * 1024
MAX_GUIDE_BYTES = 2 * 1024 * 1024 * 1024
MAX_RATIO = 300
RATIO_COUNTS_FROM_BYTES = 16 * 1024 * 1024
MAX_XZ_MEMORY_BYTES = 128 * 1024 * 1024
MAX_TITLE_CHARS = 300
MAX_TEXT_CHARS = 4_000
MAX_NAMES = 16
LAST_PROGRAMME_S = 3600
MAX_PROGRAMME_S = 24 * 3600
CHUNK_BYTES = 64 * 1024

_TIME_DIGITS = (14, 12, 10, 8)
_DAY_DIGITS = 8
_TEXTS = {"title": "title", "sub-title": "subtitle", "desc": "description", "category": "category"}


class GuideError(BadInputError):
    """The guide as a whole cannot be read."""

    code: ClassVar[str] = "TV-104"
    hint = "The last good guide stays; the operator must correct the file."


@dataclass(frozen=True, slots=True)
class GuideChannel:
    """How the guide calls a channel."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuideRow:
    """One programme; times in seconds since 1970, UTC."""

    channel: str
    start: int
    stop: int
    title: str
    subtitle: str
    description: str
    category: str


class XmltvReader:
    """Turns bytes of XML, given piece by piece, into rows.

    Attributes:
        skipped: Programmes left out, because they cannot be placed or have no title.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._rows: list[GuideRow | GuideChannel] = []
        self._open: dict[str, GuideRow] = {}
        self._element: dict[str, str] | None = None
        self._names: list[str] = []
        self._texts: dict[str, str] = {}
        self._text: list[str] | None = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = _refuse_entity

    def feed(self, data: bytes, *, last: bool = False) -> list[GuideRow | GuideChannel]:
        """Return what `data` completes.

        Raises:
            GuideError: not XML, or it declares entities.
        """
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise GuideError(f"The guide is not readable XML: {error}") from error
        rows, self._rows = self._rows, []
        if last:
            rows += [_until(row, row.start + LAST_PROGRAMME_S) for row in self._open.values()]
            self._open = {}
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("programme", "channel"):
            self._element, self._texts, self._names = attributes, {}, []
        elif self._element is not None and (name in _TEXTS or name == "display-name"):
            self._text = []

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text[:MAX_TEXT_CHARS])

    def _end(self, name: str) -> None:
        if self._text is not None and (name in _TEXTS or name == "display-name"):
            text = " ".join("".join(self._text).split())
            self._text = None
            if name == "display-name":
                self._names += [text[:MAX_TITLE_CHARS]] if text and len(self._names) < MAX_NAMES else []
            else:  # of several languages the first one is the operator's own
                self._texts.setdefault(_TEXTS[name], text)
        elif name == "channel" and self._element is not None:
            if self._element.get("id"):
                self._rows.append(GuideChannel(self._element["id"], tuple(self._names)))
            self._element = None
        elif name == "programme" and self._element is not None:
            self._programme(self._element)
            self._element = None

    def _programme(self, said: dict[str, str]) -> None:
        channel, start = said.get("channel", ""), moment(said.get("start", ""))
        title = self._texts.get("title", "")[:MAX_TITLE_CHARS]
        stop = moment(said["stop"]) if said.get("stop") else None
        if not channel or start is None or not title or (said.get("stop") and stop is None):
            self.skipped += 1
            return
        if stop is not None and not start < stop <= start + MAX_PROGRAMME_S:
            self.skipped += 1
            return
        waiting = self._open.pop(channel, None)
        if waiting is not None:
            self._rows.append(_until(waiting, start))
        row = GuideRow(
            channel=channel,
            start=start,
            stop=stop or start,
            title=title,
            subtitle=self._texts.get("subtitle", "")[:MAX_TITLE_CHARS],
            description=self._texts.get("description", "")[:MAX_TEXT_CHARS],
            category=self._texts.get("category", "")[:MAX_TITLE_CHARS],
        )
        if stop is None:
            self._open[channel] = row
        else:
            self._rows.append(row)


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


def _until(row: GuideRow, stop: int) -> GuideRow:
    end = stop if row.start < stop <= row.start + MAX_PROGRAMME_S else row.start + LAST_PROGRAMME_S
    return GuideRow(row.channel, row.start, end, row.title, row.subtitle, row.description, row.category)


def _refuse_entity(*_declaration: object) -> None:
    raise GuideError("The guide declares XML entities, which no guide needs")
