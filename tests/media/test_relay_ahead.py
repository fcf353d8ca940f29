"""On a second visit the first segment is asked for together with the list that names it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.media import ts
from gateway.media.lineup import ChannelId
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig
from tests.conftest import Serve
from tests.media.head_end import Answer, HeadEnd, Regular, status
from tests.media.relay_fixtures import playlist, relaying

SHORT = RelayConfig(idle_s=0.2, retry_pause_s=0.05)
NEWS = ChannelId("news")
LIMIT_S = 20.0


class Origin:
    """One track of a head-end, that writes down in which order things are asked for and answered.

    Attributes:
        seen: Names asked for, and ``list!`` where a list was answered.
        list_waits: A list is not answered before this.
        change: What becomes of a list's text.
        does: What a segment's request meets, by its name; without, the head-end's own answer.
    """

    def __init__(self, head_end: HeadEnd, track: str) -> None:
        self.seen: list[str] = []
        self.list_waits = asyncio.Event()
        self.list_waits.set()
        self.segment_asked = asyncio.Event()
        self.list_answered = asyncio.Event()
        self.change: Callable[[str], str] = lambda text: text
        self.does: Callable[[str], Answer | None] = lambda _name: None
        head_end.offset = 104  # far from where the material begins again
        head_end.interfere(f"{track}/", self._answer)

    def forget(self) -> None:
        """Begin to write anew."""
        self.seen.clear()
        self.segment_asked.clear()
        self.list_answered.clear()

    @property
    def guessed(self) -> list[str]:
        """Segments asked for before the first list was answered."""
        until = self.seen.index("list!") if "list!" in self.seen else len(self.seen)
        return [name for name in self.seen[:until] if "-" in name and "init" not in name]

    async def _answer(self, request: web.Request, regular: Regular) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        self.seen.append(name)
        if name.endswith(".m3u8"):
            await self.list_waits.wait()
            response = await regular()
            assert isinstance(response, web.Response)
            assert response.text is not None
            response.text = self.change(response.text)
            self.seen.append("list!")
            self.list_answered.set()
            return response
        self.segment_asked.set()
        does = self.does(name)
        return await (does(request, regular) if does is not None else regular())


@asynccontextmanager
async def visited(serve: Serve, head_end: HeadEnd, track: str) -> AsyncIterator[tuple[Relay, Origin]]:
    """Yield a relay that knows the track from a visit, and is not pulling it any more."""
    origin = Origin(head_end, track)
    async with (
        relaying(serve, head_end, SHORT, news=f"{track}/index.m3u8") as relay,
        asyncio.timeout(LIMIT_S),
    ):
        await visit(relay)
        origin.forget()
        yield relay, origin


async def visit(relay: Relay) -> None:
    """See a channel and leave it."""
    await relay.open(NEWS)
    while relay.state:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("track", ["long", "sealed", "fmp4"])
async def test_a_right_guess_is_asked_for_before_the_list_is_there(
    serve: Serve, head_end: HeadEnd, track: str
) -> None:
    async with visited(serve, head_end, track) as (relay, origin):
        origin.list_waits = origin.segment_asked
        await relay.open(NEWS)
        first = (await playlist(relay, "news")).segments[0]
        body = (await relay.resource(NEWS, first.uri)).body

    [guess] = origin.guessed
    assert origin.seen.count(guess) == 1
    assert head_end.media(track if track != "sealed" else "long", _number(guess)).startswith(body)


@pytest.mark.parametrize("track", ["long", "fmp4"])
async def test_a_wrong_guess_is_refused_once_and_costs_nothing(
    serve: Serve, head_end: HeadEnd, track: str
) -> None:
    async with visited(serve, head_end, track) as (relay, origin):
        head_end.offset += 50  # it counts from elsewhere since
        newest = head_end.newest(track) - 6
        origin.does = lambda name: None if "init" in name or _number(name) > newest else status(404)
        origin.list_waits = origin.segment_asked
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            failed = asyncio.create_task(anext(facts))
            await asyncio.wait({failed}, timeout=0)
            assert not failed.done()
            failed.cancel()
        assert len(origin.guessed) == 1
        assert relay.state[NEWS].score == 1.0
        while relay.state:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.02)
        origin.forget()
        origin.list_waits.set()  # nothing more is guessed: it must not wait for that
        await visit(relay)

    assert origin.guessed == []


def _number(name: str) -> int:
    return int(name.partition("-")[2].partition(".")[0])


async def test_a_guess_that_is_wrong_and_hangs_is_left_alone(serve: Serve, head_end: HeadEnd) -> None:
    left = asyncio.Event()

    async def hangs(_request: web.Request, _regular: Regular) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise web.HTTPInternalServerError

    async with visited(serve, head_end, "long") as (relay, origin):
        head_end.offset += 50
        newest = head_end.newest("long") - 6
        origin.does = lambda name: None if _number(name) > newest else hangs
        origin.list_waits = origin.segment_asked
        await relay.open(NEWS)

    assert len(origin.guessed) == 1


async def test_a_right_guess_that_comes_late_is_waited_for(serve: Serve, head_end: HeadEnd) -> None:
    async def late(_request: web.Request, regular: Regular) -> web.StreamResponse:
        await origin.list_answered.wait()
        return await regular()

    async with visited(serve, head_end, "long") as (relay, origin):
        origin.list_waits = origin.segment_asked
        origin.does = lambda _name: late
        await relay.open(NEWS)

    [guess] = origin.guessed
    assert origin.seen.count(guess) == 1


async def test_a_right_guess_that_fails_is_asked_for_again(serve: Serve, head_end: HeadEnd) -> None:
    async with visited(serve, head_end, "long") as (relay, origin):
        origin.list_waits = origin.segment_asked
        origin.does = lambda _name: None if origin.list_answered.is_set() else status(404)
        await relay.open(NEWS)

    [guess] = origin.guessed
    assert origin.seen.count(guess) == 2


async def test_a_list_with_breaks_is_no_reason_against_it(serve: Serve, head_end: HeadEnd) -> None:
    def broken(text: str) -> str:
        return text.replace("#EXTINF", "#EXT-X-DISCONTINUITY\n#EXTINF")

    async with visited(serve, head_end, "long") as (relay, origin):
        origin.list_waits = origin.segment_asked
        origin.change = broken
        await relay.open(NEWS)
        first = (await playlist(relay, "news")).segments[0]
        body = (await relay.resource(NEWS, first.uri)).body

    [guess] = origin.guessed
    assert origin.seen.count(guess) == 1
    assert ts.key_frames(body)


@pytest.mark.parametrize(
    ("told", "means"),
    [
        ("#EXTINF", "#EXT-X-GAP\n#EXTINF"),
        (".ts", ".ts?token=2"),
    ],
)
async def test_what_the_list_does_not_name_so_is_not_used(
    serve: Serve, head_end: HeadEnd, told: str, means: str
) -> None:
    async with visited(serve, head_end, "long") as (relay, origin):
        origin.list_waits = origin.segment_asked
        origin.change = lambda text: (
            text.replace(told, means, 1) if "GAP" in means else text.replace(told, means)
        )
        await relay.open(NEWS)

    assert len(origin.guessed) == 1


async def test_what_is_only_kept_warm_is_not_guessed(serve: Serve, head_end: HeadEnd) -> None:
    async with visited(serve, head_end, "long") as (relay, origin):
        relay.warm([NEWS])
        await origin.segment_asked.wait()

    assert origin.guessed == []


async def test_a_guess_nobody_waits_for_any_more_ends(serve: Serve, head_end: HeadEnd) -> None:
    async with visited(serve, head_end, "long") as (relay, origin):
        origin.list_waits.clear()
        opened = asyncio.create_task(relay.open(NEWS))
        await origin.segment_asked.wait()
        opened.cancel()
        while relay.state:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.02)
        names = {task.get_name() for task in asyncio.all_tasks()}

    assert "guessed segment" not in names
