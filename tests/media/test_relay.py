import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.media import hls, ts
from gateway.media.hls import MasterPlaylist
from gateway.media.lineup import ChannelId
from gateway.media.relay import Relay
from gateway.media.relay_facts import (
    Kind,
    NoSuchPieceError,
    PullEnded,
    RelayConfig,
    RelayDownError,
    UnknownChannelError,
)
from gateway.schema import FieldError
from tests.conftest import Serve
from tests.media.head_end import KEY, WINDOW, HeadEnd, Regular, status
from tests.media.relay_fixtures import BOX, QUICK, FixedBook, playlist, relaying, some_of, until_listed

NEWS = ChannelId("news")


async def test_television_and_two_phones_cost_one_upstream_pull(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        stream = relay.continuous(NEWS)
        async with aclosing(stream):
            await anext(stream)
            for phone in ("p1", "p2"):
                listed = await relay.resource(NEWS, "index.m3u8", reader=phone)
                first = hls.parse(listed.body.decode(), "")
                assert isinstance(first, hls.MediaPlaylist)
                await relay.resource(NEWS, first.segments[0].uri, reader=phone)
            await until_listed(relay, "news", 5)
            state = relay.state[NEWS]

    segments = {path: times for path, times in head_end.asked.items() if path.endswith(".ts")}
    assert state.readers == 3
    assert state.tracks == 1
    assert set(segments.values()) == {1}
    assert state.segments == len(segments)
    assert state.playlists <= 2 * (len(segments) + 2)


@pytest.mark.parametrize(("channel", "track"), [("plain", "plain"), ("aes", "aes")])
async def test_what_the_house_gets_is_what_the_operator_made(
    serve: Serve, head_end: HeadEnd, channel: str, track: str
) -> None:
    async with relaying(serve, head_end, news=f"{channel}/index.m3u8") as relay, asyncio.timeout(15):
        newest = head_end.newest()
        assert await relay.open(NEWS) == f"{BOX}/live/news.ts?ticket=t0"
        listed = await until_listed(relay, "news", 3)
        body = (await relay.resource(NEWS, listed.segments[0].uri)).body

    assert b"EXT-X-KEY" not in body
    made = {head_end.media(track, newest + step) for step in range(-WINDOW, 8)}
    assert body in made
    assert head_end.asked[f"{channel}/key"] == (1 if track == "aes" else 0)
    assert KEY not in body


async def test_a_fragmented_channel_is_one_stream_for_the_tv_and_a_playlist_for_phones(
    serve: Serve, head_end: HeadEnd
) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(15):
        before = relay.address(NEWS)
        address = await relay.open(NEWS)
        listed = await playlist(relay, "news")
        init = listed.segments[0].init
        assert init is not None
        start = await relay.resource(NEWS, init.uri)
        piece = await relay.resource(NEWS, listed.segments[0].uri)
        stream = await some_of(relay, "news", 1)
        state = relay.state[NEWS]

    assert address == before == f"{BOX}/live/news.ts?ticket=t0"
    assert ts.tables(stream) is not None
    assert (start.content_type, start.body[4:8]) == ("video/mp4", b"ftyp")
    assert piece.content_type == "video/mp4"
    assert state.kind is Kind.FMP4
    assert head_end.asked["fmp4/fmp4-init.mp4"] == 1


async def test_all_sound_and_subtitles_come_along(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="multi/index.m3u8") as relay, asyncio.timeout(15):
        address = await relay.open(NEWS)
        master = hls.parse((await relay.resource(NEWS, "index.m3u8", ticket="a b")).body.decode(), "")
        assert isinstance(master, MasterPlaylist)
        text = await until_listed(relay, "news", 1, "s2.m3u8")
        subtitle = await relay.resource(NEWS, text.segments[0].uri)
        sound = await until_listed(relay, "news", 1, "a1.m3u8")
        spoken = await relay.resource(NEWS, sound.segments[0].uri)
        tracks = relay.state[NEWS].tracks

    assert address.endswith("/live/news/index.m3u8?ticket=t0")
    assert [variant.uri for variant in master.variants] == ["v.m3u8?ticket=a%20b"]
    assert [(r.kind, r.language, r.uri, r.default) for r in master.renditions] == [
        ("AUDIO", "zh", "a0.m3u8?ticket=a%20b", True),
        ("AUDIO", "en", "a1.m3u8?ticket=a%20b", False),
        ("SUBTITLES", "zh", "s2.m3u8?ticket=a%20b", False),
    ]
    assert subtitle.content_type.startswith("text/vtt")
    assert b"X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000" in subtitle.body
    assert spoken.content_type == "video/mp2t"
    assert tracks == 4


async def test_missing_subtitles_do_not_cost_the_picture(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("multi/text", status(404))
    async with relaying(serve, head_end, news="multi/index.m3u8") as relay, asyncio.timeout(15):
        await relay.open(NEWS)
        listed = await until_listed(relay, "news", 6, "v.m3u8")

    assert not any(segment.discontinuity for segment in listed.segments)


async def test_the_tallest_picture_the_panel_shows_is_pulled(serve: Serve, head_end: HeadEnd) -> None:
    small = replace(QUICK, max_height=720)
    async with relaying(serve, head_end, small, news="abr/index.m3u8") as relay, asyncio.timeout(15):
        await relay.open(NEWS)

    assert head_end.asked["abr/low.m3u8"]
    assert not head_end.asked["abr/plain.m3u8"]


async def test_the_ticket_goes_along_with_every_address(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(15):
        body = (await relay.resource(NEWS, "index.m3u8", ticket="x/y")).body.decode()

    addresses = [line for line in body.splitlines() if not line.startswith("#")]
    assert addresses
    assert all(line.endswith(".m4s?ticket=x%2Fy") for line in addresses)
    assert 'mp4?ticket=x%2Fy"' in body


async def test_a_pull_ends_when_nobody_watches_any_more(serve: Serve, head_end: HeadEnd) -> None:
    brief = replace(QUICK, idle_s=0.3)
    async with relaying(serve, head_end, brief, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            stream = relay.continuous(NEWS)
            async with aclosing(stream):
                await anext(stream)
                held = relay.state[NEWS]
            assert await anext(facts) == PullEnded(NEWS)
        assert not relay.state
        asked = sum(head_end.asked.values())
        await head_end.broadcast(3)
        assert sum(head_end.asked.values()) == asked
        with pytest.raises(NoSuchPieceError):
            await relay.resource(NEWS, "v-0.ts")
        assert await some_of(relay, "news", 188)

    assert held.readers == 1


async def test_a_pull_ends_between_two_segments(serve: Serve, head_end: HeadEnd) -> None:
    """Broken off, it would cost its connection, and the next channel a round trip."""
    watched, begun, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def dawdle(_request: web.Request, regular: Regular) -> web.StreamResponse:
        if watched.is_set():
            begun.set()
            await go_on.wait()
        return await regular()

    brief = replace(QUICK, idle_s=1.0, min_segment_deadline_s=20.0)
    head_end.interfere("plain/index.m3u8", dawdle)
    async with (
        relaying(serve, head_end, replace(brief, playlist_timeout_s=20.0), news="plain/index.m3u8") as relay,
        asyncio.timeout(15),
    ):
        await relay.open(NEWS)
        watched.set()
        await begun.wait()
        await asyncio.sleep(1.5)
        still = set(relay.state)
        watched.clear()
        go_on.set()
        while relay.state:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)

    assert still == {NEWS}


@pytest.mark.slow
async def test_memory_is_bounded_by_count_and_by_size(serve: Serve, head_end: HeadEnd) -> None:
    config = replace(QUICK, start_segments=2, window_segments=2, keep_segments=3)
    async with relaying(serve, head_end, config, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        listed = await until_listed(relay, "news", 7)
        held = relay.state[NEWS].bytes_held
        with pytest.raises(NoSuchPieceError):
            await relay.resource(NEWS, "v-0.ts")

    assert len(listed.segments) == 2
    assert held < 3 * 120_000

    tight = replace(config, max_track_bytes=1)
    async with relaying(serve, head_end, tight, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        assert len((await until_listed(relay, "news", 4)).segments) == 1


async def test_more_channels_than_allowed_end_the_one_nobody_watches(serve: Serve, head_end: HeadEnd) -> None:
    two = replace(QUICK, max_channels=2)
    async with (
        relaying(
            serve, head_end, two, a="plain/index.m3u8", b="fmp4/index.m3u8", c="aes/index.m3u8"
        ) as relay,
        asyncio.timeout(15),
    ):
        stream = relay.continuous(ChannelId("a"))
        async with aclosing(stream):
            await anext(stream)
            await relay.open(ChannelId("b"))
            await relay.open(ChannelId("c"))
            assert set(relay.state) == {"a", "c"}


async def test_what_is_not_there_is_refused_with_its_code(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="plain/index.m3u8") as relay, asyncio.timeout(15):
        with pytest.raises(UnknownChannelError):
            await relay.open(ChannelId("nothing"))
        await relay.open(NEWS)
        for name in ("v-9999.ts", "v-0.m4s", "a0.m3u8", "v-init-1.mp4", "../x", "v-.ts", "v-٣.ts", ""):
            with pytest.raises(NoSuchPieceError):
                await relay.resource(NEWS, name)

    with pytest.raises(RelayDownError):
        await Relay(FixedBook(), QUICK, base_url=BOX).open(NEWS)


@pytest.mark.parametrize(
    ("field", "value"),
    [("idle_s", 0.0), ("max_channels", 0), ("keep_segments", 2), ("open_timeout_s", float("nan"))],
)
def test_senseless_settings_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(FieldError) as refused:
        RelayConfig(**{field: value})  # type: ignore[arg-type]
    assert refused.value.field == field
