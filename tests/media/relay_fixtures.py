"""A relay in front of the small live origin, set so that a test takes seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from gateway.media import hls
from gateway.media.hls import MediaPlaylist
from gateway.media.lineup import ChannelId, LineUp
from gateway.media.lineup_read import parse
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig
from gateway.media.relay_hosts import Allowed, anywhere
from tests.conftest import Serve
from tests.media.head_end import HeadEnd, line_up_text

QUICK = RelayConfig(
    idle_s=5.0, min_segment_deadline_s=0.5, retry_pause_s=0.05, open_timeout_s=6.0, playlist_timeout_s=1.0
)
BOX = "http://127.0.0.1:8080"


@dataclass
class FixedBook:
    """A line-up that changes only by the test's hand."""

    state: LineUp = field(default_factory=LineUp)


@asynccontextmanager
async def relaying(
    serve: Serve,
    head_end: HeadEnd,
    config: RelayConfig = QUICK,
    allowed: Allowed = anywhere,
    /,
    **channels: str | list[str],
) -> AsyncIterator[Relay]:
    """Serve a relay for the length of the block."""
    book = FixedBook(parse(line_up_text(head_end, **channels)))
    relay = Relay(book, config, base_url=BOX, ticket="t0", allowed=allowed)
    async with serve(relay):
        yield relay


async def playlist(relay: Relay, channel: str, name: str = "index.m3u8") -> MediaPlaylist:
    """Return a media playlist of the relay, read back."""
    resource = await relay.resource(ChannelId(channel), name)
    parsed = hls.parse(resource.body.decode(), "")
    assert isinstance(parsed, MediaPlaylist)
    return parsed


async def until_listed(relay: Relay, channel: str, count: int, name: str = "index.m3u8") -> MediaPlaylist:
    """Return the first playlist whose newest segment has the number `count` or more."""
    while True:
        seen = await playlist(relay, channel, name)
        if seen.segments and seen.segments[-1].sequence >= count:
            return seen
        await asyncio.sleep(0.05)  # as a player does: a playlist is asked for, it does not call


async def bodies_until(relay: Relay, channel: str, count: int) -> tuple[list[bytes], list[bool]]:
    """Return every segment from the first to the number `count`, and whether time jumps before it."""
    bodies: list[bytes] = []
    jumps: list[bool] = []
    while len(bodies) <= count:
        for segment in (await playlist(relay, channel)).segments:
            if segment.sequence == len(bodies):
                bodies.append((await relay.resource(ChannelId(channel), segment.uri)).body)
                jumps.append(segment.discontinuity)
        await asyncio.sleep(0.05)  # as a player does: a playlist is asked for, it does not call
    return bodies, jumps


async def some_of(relay: Relay, channel: str, size: int) -> bytes:
    """Return the first `size` bytes or more of the continuous stream."""
    received = bytearray()
    stream = relay.continuous(ChannelId(channel))
    async with aclosing(stream):
        async for chunk in stream:
            received += chunk
            if len(received) >= size:
                break
    return bytes(received)
