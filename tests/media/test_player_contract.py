"""What every player must do, held against libVLC and mpv, alone and in pairs, the page, and the fake."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.media.inpage import InPagePlayer
from gateway.media.player import Failed, FirstFrame, Player, Resumed, Stalled, Track, TracksFound
from gateway.media.simulated import SimulatedPlayer
from gateway.media.tv_player import AnyPlayer, choose_player
from tests.conftest import Serve
from tests.media.player_fixtures import HonestPage, Origin, first_of, framebuffer

DEAD = "http://127.0.0.1:1/dead.ts"


@dataclass
class Stage:
    """A player at work, and what makes its streams stand still or flow again."""

    player: Player
    halt: Callable[[], None]
    flow: Callable[[], None]


REAL = [
    pytest.param(
        (kind, two), marks=[pytest.mark.slow, pytest.mark.alone], id=f"{kind}{'-pair' if two else ''}"
    )
    for kind in ("vlc", "mpv")
    for two in (False, True)
]


@pytest.fixture(params=["simulated", "inpage", *REAL])
async def stage(
    request: pytest.FixtureRequest, origin: Origin, serve: Serve, tmp_path: Path
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        if request.param == "simulated":
            two = (Track("1", "audio", "zh", ""), Track("2", "audio", "en", ""))
            fake = SimulatedPlayer(dead=[DEAD], silent=[origin.url("silent")], tracks=two)
            await stack.enter_async_context(serve(fake))
            yield Stage(fake, fake.stall, fake.resume)
            return
        player: AnyPlayer
        if request.param == "inpage":
            player = InPagePlayer()
            await stack.enter_async_context(serve(player))
            await stack.enter_async_context(serve(HonestPage(player)))
        else:
            shown = await stack.enter_async_context(framebuffer(tmp_path))
            kind, two = request.param
            player = choose_player(kind, display=shown.display, second_decoder=two)
            await stack.enter_async_context(serve(player))
        yield Stage(player, origin.flowing.clear, origin.flowing.set)
        origin.flowing.set()


async def test_a_good_stream_shows_a_first_frame(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.open(origin.url("red"))
        async with asyncio.timeout(10):
            said = await first_of(FirstFrame, events)
    assert said.url == origin.url("red")
    assert 0 <= said.after_ms < 10_000


async def test_a_dead_address_is_a_fact_not_an_exception(stage: Stage) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.open(DEAD)
        async with asyncio.timeout(10):
            assert await anext(events) == Failed(DEAD, "TV-301")


async def test_after_a_dead_address_the_next_one_works(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.open(DEAD)
        async with asyncio.timeout(10):
            await first_of(Failed, events)
            await stage.player.open(origin.url("blue"))
            assert (await first_of(FirstFrame, events)).url == origin.url("blue")


async def test_only_the_newest_stream_speaks(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.open(origin.url("red"))
        await stage.player.open(DEAD)
        await stage.player.open(origin.url("green"))
        async with asyncio.timeout(10):
            said = await anext(events)
    assert isinstance(said, FirstFrame)
    assert said.url == origin.url("green")


async def test_the_same_address_opened_again_is_a_new_first_frame(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        for _ in range(2):
            await stage.player.open(origin.url("cyan"))
            async with asyncio.timeout(10):
                assert (await first_of(FirstFrame, events)).url == origin.url("cyan")


async def test_a_closed_player_can_be_opened_again(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.open(origin.url("red"))
        async with asyncio.timeout(10):
            await first_of(FirstFrame, events)
            await stage.player.close()
            await stage.player.close()
            await stage.player.open(origin.url("white"))
            assert (await first_of(FirstFrame, events)).url == origin.url("white")


async def test_a_stream_that_stands_still_stalls_and_resumes(stage: Stage, origin: Origin) -> None:
    url = origin.url("yellow")
    with stage.player.events.subscribe() as events:
        await stage.player.open(url)
        async with asyncio.timeout(20):
            await first_of(FirstFrame, events)
            stage.halt()
            assert await first_of(Stalled, events) == Stalled(url)
            stage.flow()
            assert await first_of(Resumed, events) == Resumed(url)


async def test_languages_are_listed_and_chosen(stage: Stage, origin: Origin) -> None:
    url = origin.url("two")
    with stage.player.events.subscribe() as events:
        await stage.player.open(url)
        async with asyncio.timeout(10):
            found = await first_of(TracksFound, events)
            while [track.language for track in found.tracks] != ["zh", "en"] or not found.selected:
                found = await first_of(TracksFound, events)
            other = next(track for track in found.tracks if track.id not in found.selected)
            await stage.player.select(other)
            while other.id not in found.selected:
                found = await first_of(TracksFound, events)
    assert found.url == url


async def test_what_the_stream_does_not_have_cannot_be_chosen(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.select(Track("999", "audio", "", ""))
        await stage.player.open(origin.url("red"))
        async with asyncio.timeout(10):
            await first_of(FirstFrame, events)
            await stage.player.select(Track("998", "audio", "", ""))
            await stage.player.open(origin.url("blue"))
            assert (await first_of(FirstFrame, events)).url == origin.url("blue")


async def test_loudness_may_be_set_at_any_time(stage: Stage, origin: Origin) -> None:
    with stage.player.events.subscribe() as events:
        await stage.player.set_volume(0)
        await stage.player.open(origin.url("red"))
        async with asyncio.timeout(10):
            await first_of(FirstFrame, events)
        await stage.player.set_volume(100)
        await stage.player.close()
        await stage.player.set_volume(50)
