"""Following one media playlist: what is new in it, fetched, opened, put on the shelf.

One rule: one bad segment costs that segment; a source is given up only when it
has stopped being one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.errors import ungrouped
from gateway.media import hls, relay_joins
from gateway.media.hls import MediaPlaylist, PlaylistError, Segment
from gateway.media.relay_ahead import Aheads
from gateway.media.relay_cursor import Cursor
from gateway.media.relay_early import SHORTEST_S, EarlyParts, Part
from gateway.media.relay_facts import (
    ForeignHostError,
    Kind,
    RelayConfig,
    SlowSourceError,
    SourceError,
    SourceRefusedError,
    StaleSourceError,
)
from gateway.media.relay_fetch import Upstream
from gateway.media.relay_http import NOBODY, Listener
from gateway.media.relay_keys import KeyRing
from gateway.media.relay_offer import PICTURE
from gateway.media.relay_quality import Report
from gateway.media.relay_segment import LONGEST_S, Got, SegmentFetch
from gateway.media.relay_shelf import Arrival, Media, Shelf

STALE_TARGETS = 3
MAX_SKIPS = 3
SLOW_COUNTS = 2
"""A segment that came too late has cost its own duration already; two of them and the source is bad."""

AHEAD_AFTER_S = 0.3
"""A far origin is asked for the next segment when this one keeps us waiting for its first byte."""

Trouble = SourceError | PlaylistError
Watch = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Supply:
    """Where a track's media comes from, and who is told of it.

    Attributes:
        news: Called when a piece is on the shelf.
        watch: Hears of every segment; what it raises ends the track.
        awaited: Whether somebody wants to see it now.
        aheads: What is asked for on a guess.
        exactly: Tracks of the source must begin together.
    """

    upstream: Upstream
    keys: KeyRing
    headers: Mapping[str, str]
    news: Callable[[], None]
    watch: Watch
    awaited: Callable[[], bool]
    aheads: Aheads
    exactly: bool = False


class TrackPull:
    """Fills one shelf from one playlist, for as long as the source is good."""

    def __init__(self, supply: Supply, shelf: Shelf, config: RelayConfig) -> None:
        self._supply = supply
        self._shelf = shelf
        self._config = config
        self._segments = SegmentFetch(
            supply.upstream, supply.keys, supply.headers, shelf, config, aheads=supply.aheads
        )
        self._broken = True
        self._skips = 0
        self._front: relay_joins.Front | None = None

    async def run(
        self, url: str, cursor: Cursor, first: MediaPlaylist | None = None, *, resumed: bool = False
    ) -> None:
        """Follow the playlist at `url`; ends only by an error.

        Args:
            url: Of the media playlist.
            cursor: What has been taken from it already.
            first: The playlist, if it has just been loaded.
            resumed: The pieces join on to those on the shelf.

        Raises:
            SourceRefusedError: at once, because a fresh address may help.
            ForeignHostError: at once, because nothing of it may be shown.
            SourceError: stale, dead, or bad media again and again.
            PlaylistError: not a playlist any more.
        """
        clock = asyncio.get_running_loop().time
        self._broken = not resumed
        alive_at = began = clock()
        if first is None:
            self._supply.aheads.follows(self._shelf.name, url)
            if not self._shelf.pieces and self._supply.awaited():
                abreast = self._shelf.name == PICTURE
                self._supply.aheads.begin(self._shelf.name, abreast=abreast, exactly=self._supply.exactly)
        playlist = first or await self._load(url)
        trouble: Trouble | None = None
        while True:
            target_s = min(playlist.target_s, LONGEST_S)
            self._shelf.target_s = max(self._shelf.target_s, target_s)
            start = self._supply.aheads.start(self._shelf.name, playlist)
            new, gap = cursor.fresh(hls.dated(playlist), start=start, most=self._config.keep_segments)
            self._broken = self._broken or gap
            await self._take(new, cursor)
            if new:
                alive_at, trouble = clock(), None
            elif clock() - alive_at > STALE_TARGETS * target_s:
                raise trouble or StaleSourceError("The playlist does not change any more")
            # RFC 8216 section 6.3.4: after a change the target duration, otherwise half of it.
            await asyncio.sleep(max(0.0, began + (target_s if new else target_s / 2) - clock()))
            began = clock()
            try:
                playlist = await self._load(url)
            except (SourceRefusedError, ForeignHostError):
                raise
            except (SourceError, PlaylistError) as error:
                trouble = error
                playlist = MediaPlaylist(target_s=target_s)

    async def _load(self, url: str) -> MediaPlaylist:
        asked_s = asyncio.get_running_loop().time()
        fetched = await self._supply.upstream.playlist(url, self._supply.headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if not isinstance(playlist, MediaPlaylist):
            raise PlaylistError("A variant's playlist lists variants again")
        self._supply.aheads.heard(self._shelf.name, playlist, asked_s)
        return playlist

    async def _take(self, new: Sequence[Segment], cursor: Cursor) -> None:
        """Fetch `new` and put it on the shelf in order."""
        with ungrouped():
            async with asyncio.TaskGroup() as group:
                await self._take_each(new, cursor, group)

    async def _take_each(self, new: Sequence[Segment], cursor: Cursor, group: asyncio.TaskGroup) -> None:
        newer_s = sum(segment.duration_s for segment in new)
        ahead: asyncio.Task[Got] | None = None
        for at, segment in enumerate(new):
            newer_s = max(newer_s - segment.duration_s, 0.0)
            began = asyncio.Event()
            early = self._early(segment, newer_s)
            arriving = early.arriving if early is not None else None
            waits = self._is_first(segment) and self._shelf.name == PICTURE and self._supply.awaited()
            listener = Listener(began.set, arriving, waits=waits)
            fetch = ahead or group.create_task(self._segments.get(segment, listener), name="segment")
            ahead = None
            if at + 1 < len(new) and not await _begun(fetch, began):
                following = self._segments.get(new[at + 1], NOBODY)
                ahead = group.create_task(following, name="segment ahead")
            got = await fetch
            if got.media is None:
                self._skip(segment, got, cursor, begun=early is not None and early.given > 0)
            else:
                self._put(segment, got.media, early, newer_s)
                cursor.took(segment)
                self._skips = 0
                self._supply.watch(Report(segment.duration_s, got.took_s, len(got.media.data)))

    def _early(self, segment: Segment, newer_s: float) -> EarlyParts | None:
        """Return what hands on `segment` while it arrives, if somebody waits for it and it can be."""
        if not self._is_first(segment) or segment.init is not None:
            return None
        return EarlyParts(lambda part: self._put_part(segment, part, newer_s))

    def _is_first(self, segment: Segment) -> bool:
        return not self._shelf.pieces and segment.byte_range is None and segment.duration_s >= SHORTEST_S

    def _skip(self, segment: Segment, got: Got, cursor: Cursor, *, begun: bool) -> None:
        """Go on without `segment`; `begun` if a part of it has been shown."""
        if isinstance(got.error, SourceRefusedError | ForeignHostError):
            raise got.error
        if begun:
            cursor.took(segment)
        if not segment.gap:
            self._supply.watch(Report(segment.duration_s, got.took_s, 0, failed=True))
        cursor.took(segment)
        self._broken = True
        self._skips += SLOW_COUNTS if isinstance(got.error, SlowSourceError) else 1
        if self._skips >= MAX_SKIPS and got.error is not None:
            raise got.error

    def _put(self, segment: Segment, media: Media, early: EarlyParts | None, newer_s: float) -> None:
        """Put `segment`, or what is left of it, on the shelf."""
        if early is not None and early.given:
            rest = early.rest(media.data, segment.duration_s)
            if rest is not None:
                self._put_part(segment, rest, newer_s)
                return
            self._broken = True
        self._look_at_join(media, segment.duration_s)
        self._add(segment, media, newer_s)

    def _put_part(self, segment: Segment, part: Part, newer_s: float) -> None:
        """Put a part of `segment` on the shelf."""
        media = Media(Kind.TS, part.data, continues=part.before_s > 0)
        if not media.continues:
            self._look_at_join(media, segment.duration_s)
        date = segment.program_date
        described = replace(
            segment,
            duration_s=part.duration_s,
            program_date=date + timedelta(seconds=part.before_s) if date else None,
            discontinuity=segment.discontinuity and not media.continues,
        )
        after_s = max(segment.duration_s - part.before_s - part.duration_s, 0.0)
        self._add(described, media, newer_s + after_s)

    def _add(self, segment: Segment, media: Media, newer_s: float) -> None:
        arrival = Arrival(asyncio.get_running_loop().time(), datetime.now(UTC), newer_s)
        broken = segment.discontinuity or self._broken
        self._shelf.add(segment, media, discontinuity=broken, arrival=arrival)
        self._broken = False
        self._supply.news()

    def _look_at_join(self, media: Media, duration_s: float) -> None:
        if media.kind is not Kind.TS:
            return
        before, self._front = self._front, relay_joins.front(media.data, duration_s)
        if before is not None and not relay_joins.joins(before, self._front):
            self._broken = True


async def _begun(fetch: asyncio.Task[Got], began: asyncio.Event) -> bool:
    """Wait a little for the first byte of `fetch` and tell whether it came."""
    fetch.add_done_callback(lambda _: began.set())
    with suppress(TimeoutError):
        async with asyncio.timeout(AHEAD_AFTER_S):
            await began.wait()
    return began.is_set()
