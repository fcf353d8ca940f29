import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from gateway.errors import GatewayError
from gateway.media.hls import MediaPlaylist, PlaylistError, Segment
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.relay import Relay
from gateway.media.relay_cursor import Cursor
from gateway.media.relay_facts import (
    BadMediaError,
    ChannelFailed,
    Recovered,
    SourceError,
    SourceFailed,
    SourceMissingError,
    SourceRefusedError,
)
from tests.conftest import Serve
from tests.media.head_end import (
    Answer,
    HeadEnd,
    Regular,
    broken_off,
    never,
    status,
    unannounced_gzip,
    web_page,
)
from tests.media.relay_fixtures import BOX, QUICK, FixedBook, playlist, relaying, until_listed

NEWS = ChannelId("news")


async def test_a_source_that_stands_still_is_left_for_the_next(serve: Serve, head_end: HeadEnd) -> None:
    sources = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
    async with relaying(serve, head_end, news=sources) as relay, asyncio.timeout(20):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            head_end.freeze("one/")
            assert await anext(facts) == SourceFailed(NEWS, 0, "TV-205")
            assert await anext(facts) == Recovered(NEWS, 1)
        listed = await playlist(relay, "news")

    assert [segment.discontinuity for segment in listed.segments].count(True) == 1
    numbers = [segment.sequence for segment in listed.segments]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(404), "TV-203"),
        (status(403), "TV-202"),
        (status(503), "TV-201"),
        (web_page, "TV-204"),
        (never, "TV-201"),
        (broken_off, "TV-207"),
    ],
    ids=["404", "403", "503", "web page", "silence", "broken off"],
)
async def test_a_dead_source_costs_only_time(
    serve: Serve, head_end: HeadEnd, fault: Answer, code: str
) -> None:
    head_end.interfere("one/", fault)
    sources = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
    async with relaying(serve, head_end, news=sources) as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            assert await anext(facts) == SourceFailed(NEWS, 0, code)
            assert await anext(facts) == Recovered(NEWS, 1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(404), SourceMissingError),
        (status(401), SourceRefusedError),
        (status(500), SourceError),
        (web_page, PlaylistError),
    ],
    ids=["404", "401", "500", "web page"],
)
async def test_a_channel_with_no_working_source_says_why_and_comes_back_when_it_can(
    serve: Serve, head_end: HeadEnd, fault: Answer, error: type[GatewayError]
) -> None:
    head_end.interfere("plain/", fault)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            with pytest.raises(error) as failure:
                await relay.open(NEWS)
            assert [await anext(facts), await anext(facts)] == [
                SourceFailed(NEWS, 0, failure.value.code),
                ChannelFailed(NEWS, failure.value.code),
            ]
            assert relay.state[NEWS].code == failure.value.code
            head_end.interfere("plain/", _as_usual)
            await relay.open(NEWS)
            assert relay.state[NEWS].code is None


async def test_old_pictures_of_a_dead_channel_are_not_shown_as_live(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            head_end.interfere("plain/", status(404))
            assert await anext(facts) == SourceFailed(NEWS, 0, "TV-203")
            with pytest.raises(SourceMissingError):
                await relay.open(NEWS)
            with pytest.raises(SourceMissingError):
                await playlist(relay, "news")


async def test_an_address_where_nobody_listens_is_a_dead_source(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        head_end.interfere("", _hang_up)
        with pytest.raises(SourceError):
            await relay.open(NEWS)


async def test_a_segment_that_is_gone_is_asked_for_twice_and_skipped(serve: Serve, head_end: HeadEnd) -> None:
    gone = head_end.newest() + 2
    head_end.interfere(f"plain/plain-{gone}.", status(404))
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        listed = await until_listed(relay, "news", 5)
        bodies = [(await relay.resource(NEWS, segment.uri)).body for segment in listed.segments]

    assert head_end.asked[f"plain/plain-{gone}.ts"] == 2
    after = bodies.index(head_end.media("plain", gone + 1))
    assert [segment.discontinuity for segment in listed.segments].count(True) == 1
    assert listed.segments[after].discontinuity
    assert bodies[after - 1] == head_end.media("plain", gone - 1)


async def test_a_body_that_breaks_off_is_fetched_again(serve: Serve, head_end: HeadEnd) -> None:
    once = head_end.newest() + 2
    faults = iter([broken_off])

    async def only_once(request: web.Request, regular: Regular) -> web.StreamResponse:
        fault = next(faults, None)
        return await (fault(request, regular) if fault else regular())

    head_end.interfere(f"plain/plain-{once}.", only_once)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        listed = await until_listed(relay, "news", 5)

    assert head_end.asked[f"plain/plain-{once}.ts"] == 2
    assert not any(segment.discontinuity for segment in listed.segments)


async def test_a_token_that_runs_out_is_renewed_at_the_original_address(
    serve: Serve, head_end: HeadEnd
) -> None:
    valid = "t1"

    async def guarded(request: web.Request, regular: Regular) -> web.StreamResponse:
        if request.query.get("token") == valid:
            return await regular()
        if request.path.endswith("index.m3u8") and "token" not in request.query:
            raise web.HTTPFound(f"{request.path}?token={valid}")
        if request.path.endswith(".ts"):
            return await regular()
        return web.Response(status=403)

    head_end.interfere("plain/", guarded)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            await until_listed(relay, "news", 3)
            valid = "t2"
            listed = await until_listed(relay, "news", 7)
            watching = asyncio.create_task(anext(facts))
            await asyncio.wait({watching}, timeout=0)
            assert not watching.done()
            watching.cancel()

    assert not any(segment.discontinuity for segment in listed.segments)


async def test_gzip_nobody_announced_is_no_obstacle(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("plain/index", unannounced_gzip)
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        assert len((await until_listed(relay, "news", 2)).segments) >= 3


async def test_segments_that_trickle_are_given_up_in_time(serve: Serve, head_end: HeadEnd) -> None:
    sources = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
    head_end.interfere("one/plain/plain-", never)
    async with relaying(serve, head_end, news=sources) as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            assert await anext(facts) == SourceFailed(NEWS, 0, BadMediaError.code)


async def test_an_origin_that_starts_counting_anew_is_followed(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        before = (await until_listed(relay, "news", 3)).segments[-1].sequence
        head_end.offset = 5
        listed = await until_listed(relay, "news", before + 4)

    assert [segment.discontinuity for segment in listed.segments].count(True) == 1


async def test_a_defect_met_on_one_channel_leaves_the_others_alone(serve: Serve, head_end: HeadEnd) -> None:
    odd = Source(url=head_end.url("plain/index.m3u8"), headers={"User-Agent": None})  # type: ignore[dict-item]
    good = Source(url=head_end.url("plain/index.m3u8"))
    channels = [
        Channel(id=ChannelId(name), number=number, name=name, sources=(source,))
        for number, (name, source) in enumerate({"odd": odd, "good": good}.items(), start=1)
    ]
    relay = Relay(FixedBook(LineUp(channels)), QUICK, base_url=BOX)
    async with serve(relay), asyncio.timeout(15):
        await relay.open(ChannelId("good"))
        with pytest.raises(SourceError):
            await relay.open(ChannelId("odd"))
        await until_listed(relay, "good", 3)


async def _as_usual(_request: web.Request, regular: Regular) -> web.StreamResponse:
    return await regular()


async def _hang_up(request: web.Request, regular: Regular) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return await regular()


def window(first: int, names: str, *, dates: bool = False) -> MediaPlaylist:
    """Return a playlist with one segment per letter of `names`."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    segments = tuple(
        Segment(
            uri=f"http://h/{name}.ts?token={first}",
            sequence=first + at,
            duration_s=2.0,
            program_date=noon + timedelta(seconds=2 * (ord(name) - ord("a"))) if dates else None,
        )
        for at, name in enumerate(names)
    )
    return MediaPlaylist(target_s=2.0, sequence=first, segments=segments)


@pytest.mark.parametrize(
    ("lists", "taken", "gaps"),
    [
        ([window(1, "abcde")], ["cde"], [False]),
        ([window(1, "abcde"), window(1, "abcde"), window(2, "bcdef")], ["cde", "", "f"], [False] * 3),
        ([window(1, "abc"), window(9, "ijk")], ["abc", "ijk"], [False, True]),
        ([window(3, "cdef"), window(2, "bcde"), window(4, "defg")], ["def", "", "g"], [False] * 3),
        ([window(9, "abc"), window(0, "bcd")], ["abc", "d"], [False, False]),
        ([window(9, "abc"), window(0, "xyz")], ["abc", "xyz"], [False, True]),
        ([window(9, "abc"), window(0, "ab"), window(0, "abc")], ["abc", "", "abc"], [False, False, True]),
        ([window(9, "abc"), window(0, "pq"), window(0, "pqr")], ["abc", "pq", "r"], [False, True, False]),
        ([window(9, "abc", dates=True), window(0, "Abcde", dates=True)], ["abc", "de"], [False, False]),
        ([window(1, "abc"), window(1, "abcdefghijklmnop")], ["abc", "nop"], [False, True]),
        ([window(1, "")], [""], [False]),
    ],
    ids=[
        "start", "moves on", "fell behind", "old copy", "counts anew, same pieces", "counts anew, new pieces",
        "counts anew, names again", "counts anew and moves on", "counts anew, dated", "far too many", "empty",
    ],
)  # fmt: skip
def test_what_is_new_is_taken_once(lists: list[MediaPlaylist], taken: list[str], gaps: list[bool]) -> None:
    cursor = Cursor()
    seen, jumps = [], []
    for each in lists:
        new, gap = cursor.fresh(each, start=3, most=8)
        for segment in new:
            cursor.took(segment)
        seen.append("".join(segment.uri[9] for segment in new))
        jumps.append(gap)

    assert (seen, jumps) == (taken, gaps)
