"""What a channel offers is known from the last visit, for a while."""

import asyncio

from aiohttp import web

from gateway.media.hls import MasterPlaylist, Variant
from gateway.media.lineup import Source
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig
from gateway.media.relay_masters import KEPT_S, MOST, MOST_ENTRIES, Masters
from tests.conftest import Serve
from tests.media.head_end import HeadEnd, Regular, regular_body
from tests.media.relay_fixtures import relaying, until_listed

SHORT = RelayConfig(idle_s=0.2, retry_pause_s=0.05)
MASTER = MasterPlaylist(variants=(Variant(uri="http://h/1.m3u8"),))


async def until_let_go(relay: Relay) -> None:
    """Return when nothing is pulled any more."""
    while relay.state:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.05)


def source(at: int, **headers: str) -> Source:
    return Source(url=f"http://h/{at}", headers=headers)


def test_what_was_seen_is_recalled_for_ten_minutes_and_only_so_much_of_it() -> None:
    masters = Masters()
    masters.keep(source(0), MASTER, 100.0)

    assert masters.recall(source(0), 100.0 + KEPT_S - 1) is MASTER
    assert masters.recall(source(0, token="x"), 101.0) is None
    assert masters.recall(source(0), 100.0 + KEPT_S) is None
    masters.keep(source(0), MASTER, 100.0)
    masters.forget(source(0))
    assert masters.recall(source(0), 101.0) is None
    for at in range(MOST + 1):
        masters.keep(source(at), MASTER, 100.0)
    assert masters.recall(source(0), 101.0) is None
    assert masters.recall(source(1), 101.0) is MASTER
    masters.keep(source(1), MasterPlaylist(variants=MASTER.variants * (MOST_ENTRIES + 1)), 100.0)
    assert masters.recall(source(1), 101.0) is None


async def test_a_second_visit_does_not_ask_what_is_on_offer(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, SHORT, news="multi/index.m3u8") as relay, asyncio.timeout(20):
        await until_listed(relay, "news", 1, "v.m3u8")
        await until_let_go(relay)
        await until_listed(relay, "news", 1, "v.m3u8")

    assert head_end.asked["multi/index.m3u8"] == 1


async def test_an_offer_that_has_changed_since_is_asked_for_again(serve: Serve, head_end: HeadEnd) -> None:
    valid = "t1"

    async def guarded(request: web.Request, regular: Regular) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "abr/index.m3u8":
            master = await regular_body(regular)
            return web.Response(text=master.decode().replace(".m3u8", f".m3u8?token={valid}"))
        if name.endswith(".m3u8") and request.query.get("token") != valid:
            return web.Response(status=403)
        return await regular()

    head_end.interfere("abr/", guarded)
    async with relaying(serve, head_end, SHORT, news="abr/index.m3u8") as relay, asyncio.timeout(20):
        await until_listed(relay, "news", 1)
        await until_let_go(relay)
        valid = "t2"
        with relay.facts.subscribe() as facts:
            await until_listed(relay, "news", 1)
            failed = asyncio.create_task(anext(facts))
            await asyncio.wait({failed}, timeout=0)
            assert not failed.done()
            failed.cancel()

    assert head_end.asked["abr/index.m3u8"] == 2
