"""Whether a source that was left works again, found out without showing it.

One rule: shown good means fresh media twice, each in half the time it lasts.
"""

import asyncio

from gateway.media import hls, hls_choice, ts
from gateway.media.hls import MasterPlaylist, MediaPlaylist, PlaylistError
from gateway.media.lineup import Source
from gateway.media.relay_facts import RelayConfig, SourceError
from gateway.media.relay_fetch import Upstream

ROUNDS = 2
SHARE = 0.5
LONGEST_PAUSE_S = 10.0


async def is_good(source: Source, upstream: Upstream, config: RelayConfig) -> bool:
    """Tell whether `source` gives fresh media in time; takes some segments' durations."""
    try:
        url = source.url
        fetched = await upstream.playlist(url, source.headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if isinstance(playlist, MasterPlaylist):
            url = hls_choice.choose(playlist.variants, config.ability).uri
            playlist = await _media(upstream, source, url)
        newest = -1
        for _round in range(ROUNDS):
            if not playlist.segments or playlist.segments[-1].sequence <= newest:
                return False
            newest = playlist.segments[-1].sequence
            if not await _in_time(upstream, source, playlist):
                return False
            await asyncio.sleep(min(1.5 * playlist.target_s, LONGEST_PAUSE_S))
            playlist = await _media(upstream, source, url)
    except (SourceError, PlaylistError):
        return False
    return bool(playlist.segments) and playlist.segments[-1].sequence > newest


async def _media(upstream: Upstream, source: Source, url: str) -> MediaPlaylist:
    fetched = await upstream.playlist(url, source.headers)
    playlist = hls.parse(fetched.text, fetched.url)
    if not isinstance(playlist, MediaPlaylist):
        raise PlaylistError("A variant's playlist lists variants again")
    return playlist


async def _in_time(upstream: Upstream, source: Source, playlist: MediaPlaylist) -> bool:
    segment = playlist.segments[-1]
    deadline_s = max(SHARE * segment.duration_s, 0.1)
    data = await upstream.segment(segment.uri, source.headers, segment.byte_range, deadline_s=deadline_s)
    return segment.key is not None or segment.init is not None or len(data) > ts.PACKET
