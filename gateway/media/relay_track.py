"""Following one media playlist: what is new in it, fetched, opened, put on the shelf.

One rule: one bad segment costs that segment; a source is given up only when it
has stopped being one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.media import hls, ts
from gateway.media.hls import InitSection, MediaPlaylist, PlaylistError, Segment
from gateway.media.relay_facts import (
    BadMediaError,
    Kind,
    RelayConfig,
    SlowSourceError,
    SourceError,
    SourceRefusedError,
    StaleSourceError,
)
from gateway.media.relay_fetch import Upstream
from gateway.media.relay_shelf import Arrival, Media, Shelf

STALE_TARGETS = 3
MAX_SKIPS = 3
SLOW_COUNTS = 2
"""A segment that came too late has cost its own duration already; two of them and the source is bad."""

MAX_KEYS = 16
MAX_REMEMBERED = 64
LONG_SEGMENT_S = 5.0
OFF_LOOP_BYTES = 256 * 1024
_BOXES = frozenset({b"ftyp", b"styp", b"moof", b"sidx", b"emsg", b"prft", b"moov"})

Trouble = SourceError | PlaylistError


class Cursor:
    """Which segments of one playlist have been taken.  Pure.

    Outlives a re-resolved address, because the segments stay the same ones.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._date: datetime | None = None
        self._seen: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self._back_at: int | None = None

    def fresh(self, playlist: MediaPlaylist, *, start: int, most: int) -> tuple[list[Segment], bool]:
        """Return what is new, oldest first, and whether there is a gap before it.

        Args:
            playlist: As it is now.
            start: How many of the newest to begin with.
            most: With more new ones than this, the oldest are not worth fetching any more.
        """
        segments = list(playlist.segments)
        if not segments:
            return [], False
        newest = segments[-1].sequence
        if self._last is None:
            return segments[-start:], False
        if newest >= self._last:
            self._back_at = None
            new = [segment for segment in segments if segment.sequence > self._last]
            late = bool(new) and (new[0].sequence > self._last + 1 or len(new) > most)
            return (new if len(new) <= most else new[-start:]), late
        return self._after_going_back(segments, start)

    def took(self, segment: Segment) -> None:
        """Remember that `segment` needs no second look, fetched or skipped."""
        self._last = segment.sequence
        self._date = segment.program_date
        self._seen.append(_identity(segment))

    def _after_going_back(self, segments: list[Segment], start: int) -> tuple[list[Segment], bool]:
        newest = segments[-1]
        moving = self._back_at is not None and newest.sequence > self._back_at
        self._back_at = newest.sequence
        if _identity(newest) in self._seen and not moving:
            return [], False  # an old copy from some cache on the way: the next one will be newer
        known = [at for at, segment in enumerate(segments) if _identity(segment) in self._seen]
        if known and not moving:
            return segments[known[-1] + 1 :], False
        date = self._date
        later = [s for s in segments if date and s.program_date and s.program_date > date]
        return (later or segments)[-start:], True


class KeyRing:
    """Keys of one pull, each fetched once."""

    def __init__(self, upstream: Upstream, headers: Mapping[str, str], worker: Executor) -> None:
        self._upstream = upstream
        self._headers = headers
        self._worker = worker
        self._keys: dict[str, bytes] = {}

    async def opened(self, data: bytes, key: hls.Key, sequence: int) -> bytes:
        """Return `data` in the clear (AES-128-CBC, PKCS #7; RFC 8216 section 4.3.2.4)."""
        secret = self._keys.get(key.uri)
        if secret is None:
            secret = await self._upstream.key(key.uri, self._headers)
            if len(secret) != 16:  # noqa: PLR2004 - AES-128
                raise BadMediaError(f"The channel's key has {len(secret)} bytes instead of 16")
            if len(self._keys) >= MAX_KEYS:
                del self._keys[next(iter(self._keys))]
            self._keys[key.uri] = secret
        iv = key.iv if key.iv is not None else sequence.to_bytes(16)
        if len(data) < OFF_LOOP_BYTES:
            return _decrypted(data, secret, iv)
        return await asyncio.get_running_loop().run_in_executor(self._worker, _decrypted, data, secret, iv)


class TrackPull:
    """Fills one shelf from one playlist, for as long as the source is good."""

    def __init__(
        self, upstream: Upstream, keys: KeyRing, shelf: Shelf, config: RelayConfig, news: Callable[[], None]
    ) -> None:
        self._upstream = upstream
        self._keys = keys
        self._shelf = shelf
        self._config = config
        self._news = news
        self._inits: dict[InitSection, int] = {}
        self._broken = True
        self._skips = 0

    async def run(
        self,
        url: str,
        headers: Mapping[str, str],
        cursor: Cursor,
        first: MediaPlaylist | None,
        *,
        resumed: bool,
    ) -> None:
        """Follow the playlist at `url`; ends only by an error.

        Args:
            url: Of the media playlist.
            headers: For every request.
            cursor: What has been taken from it already.
            first: The playlist, if it has just been loaded.
            resumed: The pieces join on to those on the shelf.

        Raises:
            SourceRefusedError: at once, because a fresh address may help.
            SourceError: stale, dead, or bad media again and again.
            PlaylistError: not a playlist any more.
        """
        clock = asyncio.get_running_loop().time
        self._broken = not resumed
        alive_at = clock()
        playlist = first or await self._load(url, headers)
        began = alive_at
        trouble: Trouble | None = None
        while True:
            target_s = playlist.target_s
            self._shelf.target_s = max(self._shelf.target_s, target_s)
            start = (
                self._config.start_segments
                if target_s < LONG_SEGMENT_S
                else min(2, self._config.start_segments)
            )
            new, gap = cursor.fresh(playlist, start=start, most=self._config.keep_segments)
            self._broken = self._broken or gap
            newer_s = sum(segment.duration_s for segment in new)
            for segment in new:
                newer_s -= segment.duration_s
                await self._take(segment, headers, newer_s)
                cursor.took(segment)
            if new:
                alive_at, trouble = clock(), None
            elif clock() - alive_at > STALE_TARGETS * target_s:
                raise trouble or StaleSourceError("The playlist does not change any more")
            # RFC 8216 section 6.3.4: after a change the target duration, otherwise half of it.
            await asyncio.sleep(max(0.0, began + (target_s if new else target_s / 2) - clock()))
            began = clock()
            try:
                playlist = await self._load(url, headers)
            except SourceRefusedError:
                raise
            except (SourceError, PlaylistError) as error:
                trouble = error
                playlist = MediaPlaylist(target_s=target_s)

    async def _load(self, url: str, headers: Mapping[str, str]) -> MediaPlaylist:
        fetched = await self._upstream.playlist(url, headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if not isinstance(playlist, MediaPlaylist):
            raise PlaylistError("A variant's playlist lists variants again")
        return playlist

    async def _take(self, segment: Segment, headers: Mapping[str, str], newer_s: float) -> None:
        try:
            if segment.gap:
                raise BadMediaError("The origin has a gap here")
            init = await self._init(segment.init, headers)
            data = await self._fetch(segment, headers)
            media = Media(_kind(data, has_init=init is not None), data, init)
        except SourceRefusedError:
            raise
        except SourceError as error:
            self._broken = True
            self._skips += SLOW_COUNTS if isinstance(error, SlowSourceError) else 1
            if self._skips >= MAX_SKIPS:
                raise
            return
        self._shelf.add(
            segment,
            media,
            discontinuity=segment.discontinuity or self._broken,
            arrival=Arrival(asyncio.get_running_loop().time(), datetime.now(UTC), newer_s),
        )
        self._broken, self._skips = False, 0
        self._news()

    async def _fetch(self, segment: Segment, headers: Mapping[str, str]) -> bytes:
        deadline_s = max(self._config.min_segment_deadline_s, 1.5 * segment.duration_s)
        try:
            data = await self._upstream.segment(
                segment.uri, headers, segment.byte_range, deadline_s=deadline_s
            )
        except (SlowSourceError, SourceRefusedError):
            raise
        except SourceError:
            await asyncio.sleep(self._config.retry_pause_s)
            data = await self._upstream.segment(
                segment.uri, headers, segment.byte_range, deadline_s=deadline_s
            )
        return await self._keys.opened(data, segment.key, segment.sequence) if segment.key else data

    async def _init(self, init: InitSection | None, headers: Mapping[str, str]) -> int | None:
        if init is None:
            return None
        number = self._inits.get(init)
        if number is None:
            deadline_s = self._config.min_segment_deadline_s
            data = await self._upstream.segment(init.uri, headers, init.byte_range, deadline_s=deadline_s)
            if init.key is not None:
                data = await self._keys.opened(data, init.key, 0)
            number = self._shelf.add_init(data)
            self._inits = {init: number}
        return number


def _identity(segment: Segment) -> str:
    # Without the query: a new token does not make it another segment.
    part = segment.byte_range
    return f"{segment.uri.partition('?')[0]}@{part.offset if part else 0}"


def _kind(data: bytes, *, has_init: bool) -> Kind:
    if has_init or data[4:8] in _BOXES:
        return Kind.FMP4
    if ts.is_ts(data):
        return Kind.TS
    if data.removeprefix(b"\xef\xbb\xbf")[:6] == b"WEBVTT":
        return Kind.VTT
    if data[:3] == b"ID3" or (data[:1] == b"\xff" and data[1:2] >= b"\xe0"):
        return Kind.AAC
    raise BadMediaError("A segment is not media")


def _decrypted(data: bytes, secret: bytes, iv: bytes) -> bytes:
    try:
        opener = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
        padded = opener.update(data) + opener.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise BadMediaError("A segment does not open with its key") from error
