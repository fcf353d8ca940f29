"""What real origins do wrong, and what the house sees of it.  One test per fault."""

import asyncio
import random
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from aiohttp import web

from gateway.errors import GatewayError
from gateway.media import ts
from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import RelayConfig
from tests.conftest import Serve
from tests.media.head_end import (
    SEGMENT_S,
    Answer,
    HeadEnd,
    Regular,
    Resumable,
    regular_body,
    retimed,
    rewritten,
    status,
    unannounced_gzip,
)
from tests.media.relay_fixtures import bodies_until, playlist, relaying, some_of

NEWS = ChannelId("news")
SMALL = 188 * 1000


def made_from(head_end: HeadEnd, first: int, count: int, track: str = "plain") -> list[bytes]:
    """Return `count` segments as they were made."""
    return [head_end.media(track, first + at) for at in range(count)]


def sequence_of(head_end: HeadEnd, body: bytes) -> int:
    """Return which segment `body` is, at or after the start of the broadcast less a window."""
    return next(at for at in range(90, 200) if head_end.media("plain", at) == body)


def clocks(data: bytes) -> list[int]:
    """Return all clock references."""
    return [ts.pcr(data, at) for at in ts.pcr_positions(data)]


def jumps(data: bytes) -> int:
    """Return how often a clock is said to jump."""
    return sum(bool(data[at + 5] & 0x80) for at in ts.pcr_positions(data))


def from_segment(first: int, change: Callable[[int, bytes], bytes]) -> Answer:
    """Change every segment from the number `first` on."""

    async def answer(request: web.Request, regular: Regular) -> web.StreamResponse:
        body = await regular_body(regular)
        number = int(re.findall(r"-(\d+)\.", request.path)[-1])
        return web.Response(body=change(number, body) if number >= first else body)

    return answer


async def test_a_stale_playlist_is_asked_for_twice_as_often(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        await relay.open(NEWS)
        head_end.freeze("plain/")
        with relay.facts.subscribe() as facts:
            before = head_end.asked["plain/index.m3u8"]
            assert getattr(await anext(facts), "code", "") == "TV-205"
            # Three target durations, asked at every half, and the first ones of the next try.
            assert 5 <= head_end.asked["plain/index.m3u8"] - before <= 9


@pytest.mark.parametrize("code", [404, 410])
async def test_a_segment_that_is_gone_costs_only_itself(serve: Serve, head_end: HeadEnd, code: int) -> None:
    gone = head_end.newest() + 2
    head_end.interfere(f"plain/plain-{gone}.", status(code))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        bodies, breaks = await bodies_until(relay, "news", 6)

    seen = [sequence_of(head_end, body) for body in bodies]
    assert gone not in seen
    assert sorted({*seen, gone}) == list(range(seen[0], seen[-1] + 1))
    assert [number for number, jump in zip(seen, breaks, strict=True) if jump] == [gone + 1]


async def test_counting_anew_loses_and_doubles_nothing_when_names_tell(
    serve: Serve, head_end: HeadEnd
) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        await relay.open(NEWS)
        head_end.renumbered["plain"] = -90
        bodies, breaks = await bodies_until(relay, "news", 7)

    first = sequence_of(head_end, bodies[0])
    assert bodies == made_from(head_end, first, len(bodies))
    assert not any(breaks)


async def test_another_codec_without_a_word_is_marked_for_the_players(
    serve: Serve, head_end: HeadEnd
) -> None:
    changes = head_end.newest() + 2
    head_end.interfere(
        "plain/plain-", from_segment(changes, lambda number, _: head_end.media("video", number))
    )
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        before = await some_of(relay, "news", 20 * SMALL)
        after = await some_of(relay, "news", SMALL)
        listed = await playlist(relay, "news")

    # A decoder is set up anew with a stream of its own, which the player opens by itself.
    assert programme(before) == programme(head_end.media("plain", changes))
    assert programme(after) == programme(head_end.media("video", changes))
    assert [segment.discontinuity for segment in listed.segments].count(True) <= 1


def programme(data: bytes) -> bytes:
    """Return what streams the programme map of `data` names."""
    found = ts.tables(data)
    assert found is not None
    return ts.section_bytes(found.pmt)[6:-4]


async def test_a_jump_of_time_is_marked_and_delays_nothing(serve: Serve, head_end: HeadEnd) -> None:
    changes = head_end.newest() + 3
    hours = 3 * 3600 * ts.CLOCK_HZ
    head_end.interfere("plain/plain-", from_segment(changes, lambda _, body: retimed(body, hours)))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        clock = asyncio.get_running_loop().time
        began_s = clock()
        data = await some_of(relay, "news", 7 * len(head_end.media("plain", 1)))
        took_s = clock() - began_s

        listed = await playlist(relay, "news")

    steps = [ts.difference(after, before) / ts.CLOCK_HZ for before, after in pairwise(clocks(data))]
    assert sum(not 0 < step < 1 for step in steps) == jumps(data)
    assert [segment.discontinuity for segment in listed.segments].count(True) == 1
    assert took_s < 10 * SEGMENT_S


async def test_the_clock_may_wrap_at_33_bits(serve: Serve, head_end: HeadEnd) -> None:
    wraps = head_end.newest() + 3
    times = clocks(head_end.media("plain", wraps))
    ticks = ts.WRAP - times[len(times) // 2]
    head_end.interfere("plain/plain-", from_segment(0, lambda _, body: retimed(body, ticks)))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", 7 * len(head_end.media("plain", 1)))

    seen = clocks(data)
    assert max(seen) - min(seen) > ts.WRAP // 2
    assert all(0 < ts.difference(after, before) < ts.CLOCK_HZ for before, after in pairwise(seen))
    assert jumps(data) == 0


async def test_a_trickle_is_left_before_its_deadline_when_it_is_hopeless(
    serve: Serve, head_end: HeadEnd
) -> None:
    async def trickle(request: web.Request, regular: Regular) -> web.StreamResponse:
        body = await regular_body(regular)
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        for at in range(0, len(body), 188):
            await response.write(body[at : at + 188])
            await asyncio.sleep(0.02)
        return response

    head_end.interfere("one/plain/plain-", trickle)
    sources = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
    async with relaying(serve, head_end, news=sources) as relay, asyncio.timeout(15):
        clock = asyncio.get_running_loop().time
        with relay.facts.subscribe() as facts:
            began_s = clock()
            await relay.open(NEWS)
            assert getattr(await anext(facts), "code", "") == "TV-207"
            assert clock() - began_s < 2 * 1.5 * SEGMENT_S
        assert relay.state[NEWS].source == 1


async def test_a_session_that_ends_is_begun_anew_where_it_began(serve: Serve, head_end: HeadEnd) -> None:
    session = 1

    async def guarded(request: web.Request, regular: Regular) -> web.StreamResponse:
        if request.path == "/plain/index.m3u8":
            raise web.HTTPFound(f"/s{session}/plain/list.m3u8")
        return await regular()

    async def inside(request: web.Request, _regular: Regular) -> web.StreamResponse:
        if not request.path.startswith(f"/s{session}/"):
            return web.Response(status=401)
        if request.path.endswith(".m3u8"):
            listed = head_end.playlist("plain/index.m3u8", "plain")
            return web.Response(text=listed)
        return web.Response(body=head_end.media("plain", int(re.findall(r"-(\d+)\.", request.path)[0])))

    head_end.interfere("plain/", guarded)
    head_end.interfere("s", inside)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        await relay.open(NEWS)
        session = 2
        bodies, breaks = await bodies_until(relay, "news", 7)

    first = sequence_of(head_end, bodies[0])
    assert bodies == made_from(head_end, first, len(bodies))
    assert not any(breaks)
    assert head_end.asked["plain/index.m3u8"] == 2


@pytest.mark.parametrize(
    "oddity",
    [
        unannounced_gzip,
        rewritten(lambda body: b"\xef\xbb\xbf" + body),
        rewritten(lambda body: body.replace(b"\n", b"\r\n")),
        rewritten(lambda body: re.sub(rb"(#EXTINF:[\d.]+),", rb"\1", body)),
        rewritten(lambda body: body.replace(b"#EXTM3U\n", b"")),
        rewritten(lambda body: body.replace(b"#EXTINF", b"\n\n  #EXTINF")),
    ],
    ids=["gzip unannounced", "byte order mark", "CRLF", "no comma", "no head", "blanks"],
)
async def test_an_odd_playlist_plays(serve: Serve, head_end: HeadEnd, oddity: Answer) -> None:
    head_end.interfere("plain/index", oddity)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        bodies, _ = await bodies_until(relay, "news", 4)

    first = sequence_of(head_end, bodies[0])
    assert bodies == made_from(head_end, first, len(bodies))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "TV-204"),
        (b"<!DOCTYPE html><html>Login</html>", "TV-204"),
        (b'{"error": 5}', "TV-204"),
        (b"\x1f\x8b\x08\x00broken", "TV-204"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n", "TV-205"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n#EXTINF:1,\na.ts\n', "TV-206"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="k"\n#EXTINF:1,\na.ts\n', "TV-206"),
        (b'#EXTM3U\n#EXT-X-KEY:METHOD=NEW-2030,URI="k"\n#EXTINF:1,\na.ts\n', "TV-206"),
    ],
    ids=["nothing", "web page", "JSON", "damaged gzip", "empty list", "SAMPLE-AES", "SAMPLE-AES-CTR", "new"],
)
async def test_what_is_no_playlist_of_ours_is_refused_with_its_code(
    serve: Serve, head_end: HeadEnd, body: bytes, code: str
) -> None:
    head_end.interfere("plain/", rewritten(lambda _: body))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with pytest.raises(GatewayError) as refused:
            await relay.open(NEWS)
    assert refused.value.code == code


async def test_a_short_body_is_continued_by_range(serve: Serve, head_end: HeadEnd) -> None:
    once = head_end.newest() + 2
    origin = Resumable()
    head_end.interfere(f"plain/plain-{once}.", origin.answer)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        bodies, breaks = await bodies_until(relay, "news", 5)

    assert head_end.media("plain", once) in bodies
    assert origin.asked == ["", f"bytes={len(head_end.media('plain', once)) // 2}-"]
    assert not any(breaks)


@pytest.mark.parametrize(
    "origin",
    [Resumable(('"one"', '"two"')), Resumable(lies=True)],
    ids=["changed meanwhile", "goes on elsewhere"],
)
async def test_a_short_body_is_never_mended_with_something_else(
    serve: Serve, head_end: HeadEnd, origin: Resumable
) -> None:
    once = head_end.newest() + 2
    head_end.interfere(f"plain/plain-{once}.", origin.answer)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        bodies, _ = await bodies_until(relay, "news", 5)

    assert head_end.media("plain", once) in bodies
    assert all(body in made_from(head_end, 90, 60) for body in bodies)


def packet(pid: int, payload: bytes) -> bytes:
    """Return a packet that begins a section of a stream no player knows."""
    return bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10]) + payload.ljust(184, b"\xff")


SCTE_35 = packet(0x1F5, b"\x00\xfc\x30\x11\x00")
PRIVATE = packet(0x1F6, b"\x00\x00\x01\xbd\x00\x00")


def tables_late(data: bytes) -> bytes:
    """Return `data` with its first tables a little later."""
    begin = [data[at : at + ts.PACKET] for at in range(0, 60 * ts.PACKET, ts.PACKET)]
    early = [each for each in begin if ts.pid(each, 0) in (0, 0x11, 0x1000)]
    media = [each for each in begin if each not in early]
    return b"".join([*media, *early]) + data[60 * ts.PACKET :]


@pytest.mark.parametrize(
    ("channel", "change", "kept"),
    [
        ("plain", lambda _, body: body[:376] + SCTE_35 + PRIVATE + body[376:], [SCTE_35, PRIVATE]),
        ("zh", lambda _, body: body, []),
        ("plain", lambda _, body: tables_late(body), []),
    ],
    ids=["SCTE-35 and private", "sound only", "late tables"],
)
async def test_what_a_player_may_not_know_passes_through_at_once(
    serve: Serve, head_end: HeadEnd, channel: str, change: Callable[[int, bytes], bytes], kept: list[bytes]
) -> None:
    head_end.interfere(f"{channel}/{channel}-", from_segment(0, change))
    async with relaying(serve, head_end, news=f"{channel}/index.m3u8") as relay, asyncio.timeout(15):
        clock = asyncio.get_running_loop().time
        began_s = clock()
        data = await some_of(relay, "news", len(head_end.media(channel, 1)))
        assert clock() - began_s < 3.0

    assert ts.is_ts(data)
    assert ts.tables(data) is not None
    assert all(each in data for each in kept)


@pytest.mark.slow
async def test_a_line_as_bad_as_the_standard_allows_does_no_damage(serve: Serve, head_end: HeadEnd) -> None:
    """GY/T 399: a second of delay, 50 ms of jitter, one packet in a thousand lost and sent again."""
    chance = random.Random(399)  # noqa: S311 - weather, not secrets

    async def far(request: web.Request, regular: Regular) -> web.StreamResponse:
        body = await regular_body(regular)
        await asyncio.sleep(1.0 + chance.uniform(-0.05, 0.05))
        response = web.StreamResponse()
        response.content_length = len(body)
        await response.prepare(request)
        for at in range(0, len(body), 14_600):
            lost = chance.random() < 0.01  # ten packets
            await asyncio.sleep((0.3 if lost else 0.0) + chance.uniform(0, 0.01))
            await response.write(body[at : at + 14_600])
        return response

    head_end.interfere("long/", far)
    async with relaying(serve, head_end, RelayConfig(), news="long/index.m3u8") as relay:
        async with asyncio.timeout(40):
            with relay.facts.subscribe() as facts:
                bodies, breaks = await bodies_until(relay, "news", 8)
                score = relay.state[NEWS].score
                hearing = asyncio.ensure_future(anext(facts))
                await asyncio.wait({hearing}, timeout=0)
                assert not hearing.done()
                hearing.cancel()

    seen = b"".join(bodies)
    made = [b"".join(made_from(head_end, first, 12, "long")) for first in range(90, 120)]
    assert any(each.startswith(seen) for each in made)
    assert breaks.count(True) <= 1  # where the material begins again
    assert score > 0.6
