"""Two players of which one is seen: what is on the screen, by its pixels."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from statistics import median
from typing import Literal

import pytest

from gateway.media.player import FirstFrame, PlayerEvent, Restarted
from gateway.media.player_process import ProcessPlayer
from gateway.media.prepared import PreparedPlayer
from gateway.media.tv_player import choose_player
from gateway.media.vlc import VLC
from tests.conftest import Serve
from tests.media.late_vlc import UP_AFTER, WINDOW_AFTER
from tests.media.player_fixtures import BLACK, COLOURS, Framebuffer, Origin, first_of

AT_ONCE_S = 0.04
BACK_WITHIN_S = 2.0

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(name="pair", params=["vlc", "mpv"])
async def one_pair(
    request: pytest.FixtureRequest, screen: Framebuffer, serve: Serve
) -> AsyncIterator[PreparedPlayer]:
    kind: Literal["vlc", "mpv"] = request.param
    player = choose_player(kind, display=screen.display, second_decoder=True)
    assert isinstance(player, PreparedPlayer)
    async with serve(player):
        yield player


async def until_prepared(player: PreparedPlayer, url: str) -> None:
    async with asyncio.timeout(15):
        while player.prepared != url:  # noqa: ASYNC110 - read often, published to nobody
            await asyncio.sleep(0.01)


async def shown(player: PreparedPlayer, screen: Framebuffer, origin: Origin, name: str) -> float:
    """Open a colour; return after how many seconds it was light."""
    asked_s = time.monotonic()
    await player.open(origin.url(name))
    return await screen.until(COLOURS[name], within_s=15) - asked_s


async def test_what_is_prepared_is_seen_sooner_than_what_is_not(
    pair: PreparedPlayer, screen: Framebuffer, origin: Origin
) -> None:
    await shown(pair, screen, origin, "red")
    prepared_s, cold_s = [], []
    for ready, cold in (("blue", "green"), ("yellow", "cyan"), ("magenta", "white")):
        await pair.prepare(origin.url(ready))
        await until_prepared(pair, origin.url(ready))
        prepared_s.append(await shown(pair, screen, origin, ready))
        cold_s.append(await shown(pair, screen, origin, cold))
    assert median(prepared_s) < median(cold_s) / 1.5


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_of_two_that_came_back_the_seen_one_lies_above(
    screen: Framebuffer, serve: Serve, origin: Origin
) -> None:
    """The hidden one's window is there first, and is told of last."""
    seen, hidden = (
        ProcessPlayer(
            replace(VLC, module="tests.media.late_vlc", options=(late, *VLC.options)), display=screen.display
        )
        for late in (f"{WINDOW_AFTER}1.0", f"{UP_AFTER}2.5")
    )
    pair = PreparedPlayer(seen, hidden)
    async with serve(pair), asyncio.timeout(60):
        while pair.hidden_pid is None:  # noqa: ASYNC110 - published to nobody
            await asyncio.sleep(0.01)
        await shown(pair, screen, origin, "red")
        await pair.prepare(origin.url("blue"))
        await until_prepared(pair, origin.url("blue"))
        with pair.events.subscribe() as events:
            kill(pair.hidden_pid)
            while pair.hidden_pid is not None:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
            # Now the one that is seen has nobody to take its place.
            kill(killed := pair.pid)
            await screen.until(BLACK, within_s=5)
            while pair.pid in (None, killed):
                await first_of(Restarted, events)
        await shown(pair, screen, origin, "red")
        await pair.prepare(origin.url("blue"))
        await until_prepared(pair, origin.url("blue"))
        await asyncio.sleep(0.3)
        assert screen.shows(COLOURS["red"])


async def test_preparing_does_not_touch_the_picture(
    pair: PreparedPlayer, screen: Framebuffer, origin: Origin
) -> None:
    with pair.events.subscribe() as events:
        await shown(pair, screen, origin, "red")
        async with asyncio.timeout(10):
            await first_of(FirstFrame, events)
        await pair.prepare(origin.url("blue"))
        await until_prepared(pair, origin.url("blue"))
        assert screen.shows(COLOURS["red"])
        await pair.open(origin.url("blue"))
        async with asyncio.timeout(10):
            said = await first_of(FirstFrame, events)
        assert said.url == origin.url("blue")
        assert pair.prepared == ""


async def test_the_hidden_players_death_is_not_seen_and_it_prepares_again(
    pair: PreparedPlayer, screen: Framebuffer, origin: Origin
) -> None:
    await shown(pair, screen, origin, "red")
    await pair.prepare(origin.url("blue"))
    await until_prepared(pair, origin.url("blue"))
    heard: list[PlayerEvent] = []
    with pair.events.subscribe() as events:
        hidden = pair.hidden_pid
        assert hidden is not None
        os.kill(hidden, signal.SIGKILL)
        async with asyncio.timeout(10):
            while pair.prepared:
                assert screen.shows(COLOURS["red"])
                await asyncio.sleep(0.01)
        await until_prepared(pair, origin.url("blue"))
        assert screen.shows(COLOURS["red"])
        await pair.open(origin.url("blue"))
        async with asyncio.timeout(10):
            async for event in events:
                heard.append(event)
                if isinstance(event, FirstFrame):
                    break
    assert not any(isinstance(event, Restarted) for event in heard)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
async def test_when_the_seen_player_is_lost_the_other_goes_on(
    pair: PreparedPlayer, screen: Framebuffer, origin: Origin, blow: signal.Signals
) -> None:
    await shown(pair, screen, origin, "red")
    await pair.prepare(origin.url("blue"))
    await until_prepared(pair, origin.url("blue"))
    spare, seen = pair.hidden_pid, pair.pid
    assert seen is not None
    with pair.events.subscribe() as events:
        os.kill(seen, blow)
        lost_s = time.monotonic()
        async with asyncio.timeout(10):
            await first_of(Restarted, events)
        assert pair.pid == spare
        await shown(pair, screen, origin, "red")
        assert time.monotonic() - lost_s < BACK_WITHIN_S
    await pair.prepare(origin.url("green"))
    await until_prepared(pair, origin.url("green"))
    assert screen.shows(COLOURS["red"])


async def test_a_prepared_stream_that_stood_still_is_ready_again_when_it_flows(
    pair: PreparedPlayer, origin: Origin
) -> None:
    await pair.prepare(origin.url("blue"))
    await until_prepared(pair, origin.url("blue"))
    origin.flowing.clear()
    await until_prepared(pair, "")
    origin.flowing.set()
    await until_prepared(pair, origin.url("blue"))


async def test_what_is_prepared_replaces_the_picture_at_once_and_never_by_black(
    pair: PreparedPlayer, screen: Framebuffer, origin: Origin
) -> None:
    await shown(pair, screen, origin, "white")
    took_s = []
    for name in ("red", "blue", "green", "magenta", "red", "blue", "green"):
        await pair.prepare(origin.url(name))
        await until_prepared(pair, origin.url(name))
        took_s.append(await shown(pair, screen, origin, name))
        until_s = time.monotonic() + 0.3
        while time.monotonic() < until_s:
            assert screen.shows(COLOURS[name])
            await asyncio.sleep(0.002)
    assert median(took_s) < AT_ONCE_S


async def test_a_closed_pair_is_black(pair: PreparedPlayer, screen: Framebuffer, origin: Origin) -> None:
    await shown(pair, screen, origin, "red")
    await pair.prepare(origin.url("blue"))
    await until_prepared(pair, origin.url("blue"))
    await shown(pair, screen, origin, "blue")
    await pair.close()
    await screen.until(BLACK, within_s=5)


async def test_what_was_prepared_can_be_let_go_of(pair: PreparedPlayer, origin: Origin) -> None:
    await pair.prepare(origin.url("blue"))
    await until_prepared(pair, origin.url("blue"))
    await pair.prepare("")
    assert pair.prepared == ""
