"""A past stretch of a channel out of the operator's archive, piece by piece.

One rule: the reader sets the pace.  Only the next segment is fetched ahead of
what is read, so that nobody pays for what nobody watches.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from gateway.media import hls, ts
from gateway.media.catchup import NoCatchupError
from gateway.media.hls import MediaPlaylist, PlaylistError, Segment
from gateway.media.hls_choice import Ability, choose
from gateway.media.lineup import Source
from gateway.media.relay_facts import (
    BadMediaError,
    Kind,
    NotContinuousError,
    RelayConfig,
    SourceError,
    SourceMissingError,
)
from gateway.media.relay_fetch import Meter, Upstream, client_session
from gateway.media.relay_hosts import Allowed, anywhere
from gateway.media.relay_keys import KeyRing
from gateway.media.relay_shelf import Piece

MAX_STANDSTILL_TARGETS = 3
MAX_SKIPS = 3
AT_ONCE = 2
CREDIBLE = timedelta(minutes=10)


class Archive:
    """Reads archives."""

    def __init__(self, config: RelayConfig, allowed: Allowed = anywhere) -> None:
        """Describe a reader that asks the hosts that are `allowed`, and no others."""
        self._config = config
        self._allowed = allowed

    async def stretch(self, address: str, source: Source, begins_at: datetime) -> AsyncGenerator[Piece, None]:
        """Yield what `address` holds, until its end; close it when done.

        Args:
            address: Of a playlist; from `gateway.media.catchup.address`.
            source: Whose headers go with each request.
            begins_at: Wall time of the first picture.

        Raises:
            NoCatchupError: the archive does not have it.
            NotContinuousError: its media is not of the kind that can be joined with the channel's.
            SourceError, PlaylistError: it cannot be read (any more).
        """
        with ThreadPoolExecutor(1, thread_name_prefix="archive") as worker:
            async with client_session(self._config) as session:
                upstream = Upstream(session, self._config, Meter(), self._allowed)
                reading = _Reading(upstream, source, self._config, worker, begins_at)
                async with aclosing(reading.pieces(address)) as pieces:
                    async for piece in pieces:
                        yield piece


class _Reading:
    """One stretch being read."""

    def __init__(
        self, upstream: Upstream, source: Source, config: RelayConfig, worker: Executor, at: datetime
    ) -> None:
        self._upstream = upstream
        self._headers = source.headers
        self._config = config
        self._keys = KeyRing(upstream, source.headers, worker)
        self._pull = secrets.randbits(31)
        self._number = 0
        self._at = at
        self._broken = True
        self._skips = 0

    async def pieces(self, address: str) -> AsyncGenerator[Piece, None]:
        url, playlist = await self._open(address)
        taken = -1
        clock = asyncio.get_running_loop().time
        moved_s = clock()
        while True:
            new = [segment for segment in playlist.segments if segment.sequence > taken]
            async with aclosing(self._in_order(new)) as arriving:
                async for segment, body in arriving:
                    piece = self._piece(segment, body)
                    taken = segment.sequence
                    if piece is not None:
                        yield piece
            if playlist.ended:
                return
            if new:
                moved_s = clock()
            elif clock() - moved_s > MAX_STANDSTILL_TARGETS * playlist.target_s:
                return  # the archive goes no further for now
            await asyncio.sleep(playlist.target_s if new else playlist.target_s / 2)
            playlist = await self._media(url)

    async def _open(self, address: str) -> tuple[str, MediaPlaylist]:
        try:
            fetched = await self._upstream.playlist(address, self._headers)
        except SourceMissingError as error:
            raise NoCatchupError("The operator's archive does not have this") from error
        playlist = hls.parse(fetched.text, fetched.url)
        if isinstance(playlist, MediaPlaylist):
            return fetched.url, _of_transport_stream(playlist)
        variant = choose(
            playlist.variants, Ability(max_height=self._config.max_height, codecs=self._config.codecs)
        )
        beside = {each.group for each in playlist.renditions if each.kind == "AUDIO" and each.uri}
        if variant.audio in beside:
            raise NotContinuousError("The archive keeps this channel's sound apart from its picture")
        return variant.uri, _of_transport_stream(await self._media(variant.uri))

    async def _media(self, url: str) -> MediaPlaylist:
        fetched = await self._upstream.playlist(url, self._headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if not isinstance(playlist, MediaPlaylist):
            raise PlaylistError("A variant's playlist lists variants again")
        return playlist

    async def _in_order(
        self, segments: Sequence[Segment]
    ) -> AsyncGenerator[tuple[Segment, bytes | None], None]:
        """Yield each segment with its media; the one after it is fetched meanwhile."""
        fetching: deque[asyncio.Task[bytes | None]] = deque()
        rest = iter(segments)
        try:
            for segment in segments:
                while len(fetching) < AT_ONCE and (following := next(rest, None)) is not None:
                    fetching.append(asyncio.create_task(self._body(following), name="archive segment"))
                yield segment, await fetching.popleft()
        finally:
            for task in fetching:
                task.cancel()
            if fetching:
                await asyncio.wait(fetching)

    async def _body(self, segment: Segment) -> bytes | None:
        """Return the segment in the clear, or None if it cannot be had."""
        deadline_s = max(self._config.min_segment_deadline_s, 1.5 * segment.duration_s)
        for attempt in (1, 2):
            try:
                if segment.gap or segment.init is not None:
                    return None
                body = await self._upstream.segment(
                    segment.uri, self._headers, segment.byte_range, deadline_s=deadline_s
                )
                if segment.key is not None:
                    body = await self._keys.opened(body, segment.key, segment.sequence)
                if not ts.is_ts(body):
                    raise BadMediaError("The archive's media is no transport stream")
            except SourceError:
                if attempt == 2:  # noqa: PLR2004 - the second of two
                    return None
                await asyncio.sleep(self._config.retry_pause_s)
            else:
                return body
        return None

    def _piece(self, segment: Segment, body: bytes | None) -> Piece | None:
        at = self._at
        if segment.program_date and abs(segment.program_date - at) < CREDIBLE:
            at = segment.program_date.astimezone(UTC)
        self._at = at + timedelta(seconds=segment.duration_s)
        if body is None:
            self._broken = True
            self._skips += 1
            if self._skips >= MAX_SKIPS:
                raise SourceError("The operator's archive does not deliver")
            return None
        piece = Piece(
            pull=self._pull,
            number=self._number,
            kind=Kind.TS,
            data=body,
            duration_s=segment.duration_s,
            discontinuity=segment.discontinuity or self._broken,
            init=None,
            program_date=segment.program_date,
            at=at,
            arrived_s=asyncio.get_running_loop().time(),
        )
        self._number += 1
        self._broken, self._skips = False, 0
        return piece


def _of_transport_stream(playlist: MediaPlaylist) -> MediaPlaylist:
    """Return `playlist` unless its media cannot be joined with the channel's.

    Raises:
        NotContinuousError: it is fragmented MP4.
    """
    if any(segment.init is not None for segment in playlist.segments):
        raise NotContinuousError("The archive keeps this channel as fragmented MP4")
    return playlist
