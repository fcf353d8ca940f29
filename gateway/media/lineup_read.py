"""From an operator's list, in whatever dialect and encoding, to a line-up.

One rule: pure; a list that is none at all is refused as a whole, with the reason.
"""

from gateway.media.lineup import MAX_LINE_UP_BYTES, LineUp, LineUpError
from gateway.media.lineup_entries import Gathering, numbered, repeated_numbers
from gateway.media.lineup_m3u import M3uReader
from gateway.media.lineup_txt import GENRE, read_txt

MAX_LINES = 250_000

_LOOKED_AT_LINES = 200
_LOOKED_AT_CHARS = 4_096
_OF_STREAMS = ("#EXT-X-TARGETDURATION", "#EXT-X-STREAM-INF", "#EXT-X-MEDIA-SEQUENCE")
_MOSTLY_UTF_8 = 0.05
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def decoded(body: bytes) -> str:
    """Return the text of a list: UTF-8, UTF-16 with its mark, or else what Chinese editors write."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("utf-8", errors="replace")
    # One bad byte in a long list must not make another language of all the others.
    foreign = sum(not mark.isascii() for mark in text)
    if text.count("\ufffd") <= _MOSTLY_UTF_8 * foreign:
        return text
    return body.decode("gb18030", errors="replace")


def parse(text: str, *, base: str = "") -> LineUp:
    """Return the line-up in `text`, M3U or TXT.

    Args:
        text: The list; a byte order mark and any line ends are fine.
        base: http(s) address of the list, for relative addresses in it.

    Raises:
        LineUpError: too large, a web page, one channel's own playlist, or not one channel in it.
    """
    if len(text) > MAX_LINE_UP_BYTES:
        raise LineUpError(f"The line-up is larger than {MAX_LINE_UP_BYTES} bytes")
    if text.count("\n") + text.count("\r") - text.count("\r\n") > MAX_LINES:
        raise LineUpError(f"The line-up has more than {MAX_LINES} lines")
    if text.lstrip("\ufeff \t\r\n")[:1] == "<":
        raise LineUpError("The line-up's address answers with a web page")
    if any(f"\n{tag}" in text[:_LOOKED_AT_CHARS] for tag in _OF_STREAMS):
        raise LineUpError("The address is that of one channel, not of a line-up")
    gathering, guide_urls = _gathered(text, base)
    if not gathering.entries:
        raise LineUpError(f"The line-up has no readable channel ({len(gathering.skipped)} lines skipped)")
    return LineUp(numbered(gathering.entries), gathering.skipped, guide_urls)


def repeated(text: str) -> dict[int, list[str]]:
    """Return the numbers that several channels of the list want, and who; only the first gets it."""
    gathering, _ = _gathered(text, "")
    return repeated_numbers(gathering.entries)


def _gathered(text: str, base: str) -> tuple[Gathering, list[str]]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    gathering = Gathering(base)
    guide_urls: list[str] = []
    if _is_txt(lines):
        read_txt(lines, gathering)
    else:
        reader = M3uReader(gathering, base)
        reader.read(lines)
        guide_urls = reader.guide_urls
    return gathering, guide_urls


def _is_txt(lines: list[str]) -> bool:
    """Tell the dialect by its beginning: only M3U has directives, only TXT has genres."""
    for line in lines[:_LOOKED_AT_LINES]:
        if line.lstrip("\ufeff ").upper().startswith(("#EXTM3U", "#EXTINF")):
            return False
        if GENRE.search(line):
            return True
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    return "," in first and "://" in first.partition(",")[2] and "://" not in first.partition(",")[0]
