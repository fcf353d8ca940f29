"""A cold channel starts before its first segment has come whole."""

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest
from aiohttp import web

from gateway.media import ts
from gateway.media.lineup import ChannelId
from gateway.media.relay_early import EarlyParts, Part
from gateway.media.relay_facts import RelayConfig
from tests.conftest import Serve
from tests.media.head_end import HeadEnd, Regular, Resumable, regular_body
from tests.media.relay_fixtures import bodies_until, relaying

NEWS = ChannelId("news")


def slow(head_end: HeadEnd, track: str) -> None:
    """Let segments of `track` need a second to come."""

    async def slowly(request: web.Request, regular: Regular) -> web.StreamResponse:
        body = await regular_body(regular)
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        step = len(body) // 20 + 1
        for at in range(0, len(body), step):
            await response.write(body[at : at + step])
            await asyncio.sleep(0.05)
        return response

    head_end.interfere(f"{track}/{track}-", slowly)


@pytest.fixture
def thin(head_end: HeadEnd) -> HeadEnd:
    """A head-end whose segments of two seconds need one to come."""
    head_end.offset = 104  # far from where the material begins again
    slow(head_end, "long")
    return head_end


async def test_the_first_picture_does_not_wait_for_the_whole_segment(serve: Serve, thin: HeadEnd) -> None:
    async with relaying(serve, thin, RelayConfig(), news="long/index.m3u8") as relay, asyncio.timeout(20):
        clock = asyncio.get_running_loop().time
        began_s = clock()
        received = bytearray()
        async with aclosing(relay.continuous(NEWS)) as stream:
            received += await anext(stream)
            first_s = clock() - began_s
            async for chunk in stream:
                received += chunk
                if len(received) > len(thin.media("long", 1)):
                    break

    data = bytes(received)
    times = [ts.pcr(data, at) for at in ts.pcr_positions(data)]
    assert first_s < 0.8
    assert ts.tables(data[: 4 * ts.PACKET]) is not None
    assert ts.key_frames(data[: 8 * ts.PACKET])
    assert all(0 < ts.difference(after, before) < ts.CLOCK_HZ // 2 for before, after in pairwise(times))


async def test_the_parts_are_the_segment(serve: Serve, thin: HeadEnd) -> None:
    async with relaying(serve, thin, RelayConfig(), news="long/index.m3u8") as relay, asyncio.timeout(20):
        bodies, breaks = await bodies_until(relay, "news", 4)

    whole = b"".join(bodies)
    assert not any(breaks)
    assert any(whole.startswith(thin.media("long", at)) for at in range(90, 130))
    assert len(bodies[0]) < len(thin.media("long", 100)) / 2


async def test_a_first_segment_that_breaks_off_is_still_whole(serve: Serve, head_end: HeadEnd) -> None:
    origin = Resumable()
    head_end.offset = 104
    head_end.interfere(f"long/long-{head_end.newest('long') - 2}.", origin.answer)
    async with relaying(serve, head_end, RelayConfig(), news="long/index.m3u8") as relay, asyncio.timeout(20):
        bodies, breaks = await bodies_until(relay, "news", 3)

    whole = b"".join(bodies)
    assert len(origin.asked) == 2
    assert not any(breaks)
    assert any(whole.startswith(head_end.media("long", at)) for at in range(90, 130))


def test_what_is_not_the_same_segment_is_not_joined_on(head_end: HeadEnd) -> None:
    given: list[Part] = []
    early = EarlyParts(given.append)
    body = head_end.media("long", 3)
    for end in range(0, len(body), 4000):
        early.arriving(body[:end])
    rest = early.rest(body, 2.0)

    assert given
    assert rest is not None
    assert b"".join(part.data for part in [*given, rest]) == body
    assert sum(part.duration_s for part in [*given, rest]) == pytest.approx(2.0)
    assert early.rest(head_end.media("long", 4), 2.0) is None


def test_what_no_player_can_begin_with_waits_until_it_is_whole() -> None:
    given: list[Part] = []
    early = EarlyParts(given.append)
    early.arriving(b"\x00" * 300_000)
    early.arriving(b"\x47".ljust(ts.PACKET, b"\x1f") * 4000)

    assert not given


async def test_an_encrypted_channel_starts_early_too(serve: Serve, head_end: HeadEnd) -> None:
    slow(head_end, "sealed")
    head_end.offset = 104
    began = asyncio.get_running_loop().time()
    async with (
        relaying(serve, head_end, RelayConfig(), news="sealed/index.m3u8") as relay,
        asyncio.timeout(20),
        aclosing(relay.continuous(NEWS)) as stream,
    ):
        data = await anext(stream)
        first = asyncio.get_running_loop().time() - began
        async for chunk in stream:
            data += chunk
            if len(data) > 2 * len(head_end.media("sealed", 1)):
                break

    assert first < 0.8
    assert ts.tables(data[: 4 * ts.PACKET]) is not None
    assert ts.key_frames(data[: 8 * ts.PACKET])
    assert counters_go_on(data[: len(head_end.media("sealed", 1)) // 2])


def counters_go_on(data: bytes) -> bool:
    """Tell whether no packet of a programme is missing or doubled (ISO 13818-1 section 2.4.3.3)."""
    last: dict[int, int] = {}
    for at in range(0, len(data) - ts.PACKET + 1, ts.PACKET):
        pid, carries = ts.pid(data, at), bool(data[at + 3] & 0x10)
        if pid in (ts.PAT_PID, 0x1FFF) or not carries:
            continue
        count = data[at + 3] & 0x0F
        if pid in last and count != (last[pid] + 1) % 16:
            return False
        last[pid] = count
    return True
