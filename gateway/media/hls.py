"""HTTP Live Streaming playlists (RFC 8216): read what origins really send, choose, write.

One rule: pure, and tolerant where a viewer would not care; what cannot be
played is refused with a sentence that says why.
"""

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import urljoin

from gateway.errors import BadInputError
from gateway.media.hls_values import attributes, defined, moment, seconds, whole

MAX_PLAYLIST_BYTES = 8 * 1024 * 1024
MAX_SEGMENTS = 50_000
MAX_SEGMENT_S = 86_400.0
DEFAULT_TARGET_S = 6.0

_VIDEO_CODECS = ("avc", "hvc", "hev", "vp0", "av01", "dvh", "avs", "mp4v")


class PlaylistError(BadInputError):
    """An address answered, but not with a playlist that can be played."""

    code: ClassVar[str] = "TV-204"
    hint = "The operator must correct this channel's source."


class EncryptedError(PlaylistError):
    """The stream is protected in a manner the box has no key system for."""

    code: ClassVar[str] = "TV-206"
    hint = "The operator must offer this channel with AES-128 or in the clear."


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a resource."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Key:
    """AES-128 key of the segments that follow.

    Attributes:
        uri: Where the 16 bytes are.
        iv: 16 bytes, or None: then the media sequence number counts.
    """

    uri: str
    iv: bytes | None


@dataclass(frozen=True, slots=True)
class InitSection:
    """What a decoder needs before the fragments that follow (``EXT-X-MAP``)."""

    uri: str
    byte_range: ByteRange | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One piece of media; `sequence` is its media sequence number."""

    uri: str
    sequence: int
    duration_s: float
    discontinuity: bool = False
    gap: bool = False
    byte_range: ByteRange | None = None
    key: Key | None = None
    init: InitSection | None = None
    program_date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """The window of one track."""

    target_s: float
    sequence: int = 0
    discontinuity_sequence: int = 0
    segments: tuple[Segment, ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One quality of the programme; groups are empty when sound or text is inside."""

    uri: str
    bandwidth_bps: int = 0
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    codecs: tuple[str, ...] = ()
    audio: str = ""
    subtitles: str = ""

    @property
    def has_video(self) -> bool:
        """Whether there is a picture, as far as the list says."""
        return bool(self.height) or not self.codecs or any(c.startswith(_VIDEO_CODECS) for c in self.codecs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A sound or subtitle track beside the picture; no `uri` when it is inside the variant."""

    kind: str
    group: str
    name: str
    language: str = ""
    uri: str | None = None
    default: bool = False
    autoselect: bool = False
    forced: bool = False
    channels: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPlaylist:
    """What can be chosen."""

    variants: tuple[Variant, ...]
    renditions: tuple[Rendition, ...] = ()


def decode(body: bytes) -> str:
    """Return the text of a playlist's `body`, unpacked if it is gzip without saying so.

    Raises:
        PlaylistError: empty, damaged, or unpacks to more than `MAX_PLAYLIST_BYTES`.
    """
    if body[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            body = unpacker.decompress(body, MAX_PLAYLIST_BYTES)
        except zlib.error as error:
            raise PlaylistError("The playlist is damaged gzip") from error
        if unpacker.unconsumed_tail:
            raise PlaylistError(f"The playlist unpacks to more than {MAX_PLAYLIST_BYTES} bytes")
    return body.decode("utf-8-sig", errors="replace")


def parse(text: str, url: str) -> MasterPlaylist | MediaPlaylist:
    """Return the playlist in `text`, its addresses made absolute by `url`.

    Raises:
        EncryptedError: protected by anything but AES-128.
        PlaylistError: not a playlist.
    """
    # Some origins forget the end of a line after an attribute.
    lines = [line.strip() for line in text.removeprefix("\ufeff").replace('"#EXT', '"\n#EXT').splitlines()]
    lines = defined([line for line in lines if line], url)
    if not lines:
        raise PlaylistError("The playlist is empty")
    if lines[0].startswith("<"):
        raise PlaylistError("The address answers with a web page, not a playlist")
    tags = {line.split(":", 1)[0] for line in lines if line.startswith("#EXT")}
    if not tags - {"#EXTM3U"}:
        raise PlaylistError("The address does not answer with a playlist")
    return _parse_master(lines, url) if "#EXT-X-STREAM-INF" in tags else _parse_media(lines, url)


def dated(playlist: MediaPlaylist) -> MediaPlaylist:
    """Return `playlist` with the date of every segment, if it tells at least one."""
    segments = list(playlist.segments)
    known = next((at for at, segment in enumerate(segments) if segment.program_date is not None), None)
    if known is None:
        return playlist
    for at in range(known + 1, len(segments)):
        before, here = segments[at - 1], segments[at]
        if here.program_date is None and before.program_date is not None:
            begins = before.program_date + timedelta(seconds=before.duration_s)
            segments[at] = replace(here, program_date=begins)
    for at in range(known - 1, -1, -1):
        after, here = segments[at + 1], segments[at]
        if after.program_date is not None:
            segments[at] = replace(here, program_date=after.program_date - timedelta(seconds=here.duration_s))
    return replace(playlist, segments=tuple(segments))


def _parse_master(lines: list[str], url: str) -> MasterPlaylist:
    variants: list[Variant] = []
    renditions: list[Rendition] = []
    pending: dict[str, str] | None = None
    for line in lines:
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-STREAM-INF":
            pending = attributes(value)
        elif tag == "#EXT-X-MEDIA":
            renditions.append(_rendition(attributes(value), url))
        elif not line.startswith("#") and pending is not None:
            variants.append(_variant(pending, urljoin(url, line)))
            pending = None
    if not variants:
        raise PlaylistError("The playlist offers no variant")
    return MasterPlaylist(variants=tuple(variants), renditions=tuple(renditions))


def _variant(said: dict[str, str], uri: str) -> Variant:
    width, _, height = said.get("RESOLUTION", "").lower().partition("x")
    return Variant(
        uri=uri,
        bandwidth_bps=whole(said.get("BANDWIDTH", "")),
        width=whole(width),
        height=whole(height),
        frame_rate=seconds(said.get("FRAME-RATE", ""), limit=1000.0) or 0.0,
        codecs=tuple(codec.strip() for codec in said.get("CODECS", "").split(",") if codec.strip()),
        audio=said.get("AUDIO", ""),
        subtitles=said.get("SUBTITLES", ""),
    )


def _rendition(said: dict[str, str], url: str) -> Rendition:
    return Rendition(
        kind=said.get("TYPE", ""),
        group=said.get("GROUP-ID", ""),
        name=said.get("NAME", "") or said.get("LANGUAGE", ""),
        language=said.get("LANGUAGE", ""),
        uri=urljoin(url, said["URI"]) if said.get("URI") else None,
        default=said.get("DEFAULT") == "YES",
        autoselect=said.get("AUTOSELECT") == "YES",
        forced=said.get("FORCED") == "YES",
        channels=said.get("CHANNELS", ""),
    )


class _MediaReader:
    """Carries what the tags say from line to line."""

    def __init__(self, url: str) -> None:
        self.segments: list[Segment] = []
        self.target_s: float | None = None
        self.sequence = 0
        self.discontinuity_sequence = 0
        self.ended = False
        self._url = url
        self._key: Key | None = None
        self._init: InitSection | None = None
        self._range_ends = 0
        self._clear()

    def _clear(self) -> None:
        self._duration_s: float | None = None
        self._announced = False
        self._discontinuity = self._gap = False
        self._range: ByteRange | None = None
        self._program_date: datetime | None = None

    def of_list(self, tag: str, value: str) -> None:
        match tag:
            case "#EXT-X-TARGETDURATION":
                self.target_s = seconds(value, limit=MAX_SEGMENT_S)
            case "#EXT-X-MEDIA-SEQUENCE":
                self.sequence = -whole(value.strip()[1:]) if value.strip()[:1] == "-" else whole(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                self.discontinuity_sequence = whole(value)
            case "#EXT-X-ENDLIST":
                self.ended = True

    def of_segment(self, tag: str, value: str) -> None:
        match tag:
            case "#EXTINF":
                self._announced = True
                self._duration_s = seconds(value, limit=MAX_SEGMENT_S)
            case "#EXT-X-DISCONTINUITY":
                self._discontinuity = True
            case "#EXT-X-GAP":
                self._gap = True
            case "#EXT-X-BYTERANGE":
                self._range = _byte_range(value, self._range_ends)
            case "#EXT-X-PROGRAM-DATE-TIME":
                self._program_date = moment(value)
            case "#EXT-X-KEY":
                self._key = _key(attributes(value), self._url)
            case "#EXT-X-MAP":
                self._map(attributes(value))

    def _map(self, said: dict[str, str]) -> None:
        if said.get("URI"):
            part = _byte_range(said["BYTERANGE"], 0) if said.get("BYTERANGE") else None
            self._init = InitSection(urljoin(self._url, said["URI"]), part, self._key)

    def address(self, line: str, *, strict: bool) -> None:
        """Take a line without a tag; if `strict`, one that no ``EXTINF`` announces is rubbish."""
        if strict and not self._announced:
            return
        if len(self.segments) >= MAX_SEGMENTS:
            raise PlaylistError(f"The playlist has more than {MAX_SEGMENTS} segments")
        self._range_ends = self._range.offset + self._range.length if self._range else 0
        self.segments.append(
            Segment(
                uri=urljoin(self._url, line),
                sequence=len(self.segments),
                duration_s=self._duration_s or self.target_s or DEFAULT_TARGET_S,
                discontinuity=self._discontinuity,
                gap=self._gap,
                byte_range=self._range,
                key=self._key,
                init=self._init,
                program_date=self._program_date,
            )
        )
        self._clear()


def _parse_media(lines: list[str], url: str) -> MediaPlaylist:
    reader = _MediaReader(url)
    announced = any(line.startswith("#EXTINF") for line in lines)
    for line in lines:
        if line.startswith("#"):
            tag, _, value = line.partition(":")
            reader.of_list(tag, value)
            reader.of_segment(tag, value)
        else:
            reader.address(line, strict=announced)
    # EXT-X-MEDIA-SEQUENCE counts for the whole list wherever it stands in it.
    first = reader.sequence
    return MediaPlaylist(
        target_s=reader.target_s or max((s.duration_s for s in reader.segments), default=DEFAULT_TARGET_S),
        sequence=first,
        discontinuity_sequence=reader.discontinuity_sequence,
        segments=tuple(replace(segment, sequence=first + segment.sequence) for segment in reader.segments),
        ended=reader.ended,
    )


def _key(said: dict[str, str], url: str) -> Key | None:
    method = said.get("METHOD", "NONE")
    if method == "NONE":
        return None
    if method != "AES-128" or said.get("KEYFORMAT", "identity") != "identity":
        raise EncryptedError(f"The channel is protected with {method[:24]}, which this box cannot open")
    if not said.get("URI"):
        raise EncryptedError("The channel is encrypted and does not say where its key is")
    return Key(urljoin(url, said["URI"]), _iv(said.get("IV", "")))


def _iv(text: str) -> bytes | None:
    digits = text[2:] if text[:2].lower() == "0x" else ""
    try:
        vector = bytes.fromhex(digits.rjust(32, "0"))[-16:]
    except ValueError:
        return None
    # Blanks between digits are no error to `fromhex`.
    return vector if digits and len(vector) == 16 else None  # noqa: PLR2004 - a block of AES


def _byte_range(text: str, follows: int) -> ByteRange | None:
    length, _, offset = text.partition("@")
    return ByteRange(whole(offset) if offset.strip() else follows, whole(length)) if whole(length) else None
