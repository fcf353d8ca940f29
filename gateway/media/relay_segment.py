"""Fetching one segment with all it needs: init section, key, another try.

One rule: what is needed is asked for at the same time, never one after the
other: each round trip is seen by whoever waits for the picture.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.errors import ungrouped
from gateway.media import ts
from gateway.media.hls import InitSection, Segment
from gateway.media.relay_ahead import Aheads
from gateway.media.relay_facts import (
    BadMediaError,
    ForeignHostError,
    Kind,
    RelayConfig,
    SlowSourceError,
    SourceError,
    SourceRefusedError,
)
from gateway.media.relay_fetch import Upstream
from gateway.media.relay_http import Listener
from gateway.media.relay_keys import KeyRing, Opening
from gateway.media.relay_shelf import Media, Shelf

LONGEST_S = 120.0
"""No live segment takes longer, whatever its playlist says."""

KEPT_INITS = 3
_BOXES = frozenset({b"ftyp", b"styp", b"moof", b"sidx", b"emsg", b"prft", b"moov"})


@dataclass(frozen=True, slots=True)
class Got:
    """What became of one segment."""

    media: Media | None
    error: SourceError | None
    took_s: float


class SegmentFetch:
    """Fetches the segments of one track."""

    def __init__(  # noqa: PLR0913 - where it comes from, how, and where it goes
        self,
        upstream: Upstream,
        keys: KeyRing,
        headers: Mapping[str, str],
        shelf: Shelf,
        config: RelayConfig,
        *,
        aheads: Aheads,
    ) -> None:
        """Describe it; init sections are put on `shelf`, and `aheads` may have what is wanted."""
        self._upstream = upstream
        self._keys = keys
        self._headers = headers
        self._shelf = shelf
        self._config = config
        self._aheads = aheads
        self._inits: dict[InitSection, int] = {}
        self._init_lock = asyncio.Lock()

    async def get(self, segment: Segment, listener: Listener) -> Got:
        """Fetch `segment`; `listener` is told of it in the clear."""
        async with self._upstream.turn():
            return await self._get(segment, listener)

    async def _get(self, segment: Segment, listener: Listener) -> Got:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            if segment.gap:
                raise BadMediaError("The origin has a gap here")
            with ungrouped():
                async with asyncio.TaskGroup() as group:
                    init = group.create_task(self._init(segment.init), name="init section")
                    data = group.create_task(self._opened(segment, listener), name="media")
            number, body = init.result(), data.result()
            media = Media(_kind(body, has_init=number is not None), body, number)
        except SourceError as error:
            return Got(None, error, clock() - began_s)
        return Got(media, None, clock() - began_s)

    async def _opened(self, segment: Segment, listener: Listener) -> bytes:
        if segment.key is None:
            return await self._insist(segment, listener)
        hears = listener.arriving
        seen = Opening(segment.key, segment.sequence, hears) if hears is not None else None
        async with asyncio.TaskGroup() as group:
            fetching = group.create_task(self._keys.secret(segment.key), name="key")
            if seen is not None:
                fetching.add_done_callback(seen.unlocked)
            opens = replace(listener, arriving=seen.arriving if seen is not None else None)
            sealed = group.create_task(self._insist(segment, opens), name="sealed media")
        return await self._keys.opened(sealed.result(), segment.key, segment.sequence)

    async def _insist(self, segment: Segment, listener: Listener) -> bytes:
        try:
            return await self._once(segment, listener)
        except (SlowSourceError, SourceRefusedError, ForeignHostError):
            raise
        except SourceError:
            await asyncio.sleep(self._config.retry_pause_s)
            return await self._once(segment, listener)

    async def _once(self, segment: Segment, listener: Listener) -> bytes:
        return await self._upstream.segment(
            segment.uri,
            self._headers,
            segment.byte_range,
            deadline_s=max(self._config.min_segment_deadline_s, 1.5 * min(segment.duration_s, LONGEST_S)),
            listener=listener,
            ahead=self._aheads.taken(segment.uri),
        )

    async def _init(self, init: InitSection | None) -> int | None:
        if init is None:
            return None
        async with self._init_lock:
            number = self._inits.get(init)
            if number is None:
                data = await self._upstream.segment(
                    init.uri,
                    self._headers,
                    init.byte_range,
                    deadline_s=self._config.min_segment_deadline_s,
                )
                if init.key is not None:
                    data = await self._keys.opened(data, init.key, 0)
                number = self._inits[init] = self._shelf.add_init(data)
                if len(self._inits) > KEPT_INITS:
                    del self._inits[next(iter(self._inits))]
            return number


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
