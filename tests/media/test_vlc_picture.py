"""Light on the screen: the pixels of the X server, not what the player says."""

import asyncio
import os
import signal
import time
from statistics import median
from typing import Literal

import pytest

from gateway.focus import Focus
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.player import FirstFrame
from gateway.media.player_process import ProcessPlayer
from gateway.media.streams import Door, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import TvConfig
from gateway.media.tv_memory import Kept
from gateway.media.vlc import VLC
from gateway.pubsub import Publisher
from tests.conftest import Serve
from tests.media.player_fixtures import BLACK, COLOURS, Framebuffer, Origin, first_of

RED, BLUE = (
    Channel(id=ChannelId(name), number=number, name=name, sources=(Source(url=f"http://origin/{name}"),))
    for number, name in enumerate(("red", "blue"), start=1)
)


class Colours:
    """Where the television finds its channels here."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    async def open(self, channel: ChannelId) -> str:
        return self.address(channel)

    def address(self, channel: ChannelId) -> str:
        return self._origin.url(channel)

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        del channel
        return "cold"


class Book:
    """A line-up that stays as it is."""

    def __init__(self, *channels: Channel) -> None:
        self.state = LineUp(channels)
        self.changes: Publisher[LineUp] = Publisher()


class Forgetful:
    """A memory without a disk."""

    async def load(self) -> Kept:
        return Kept()

    async def save(self, kept: Kept) -> None:
        """Let it go."""


EARLY_MS, LATE_MS, USUALLY_MS = 40, 400, 60
"""How far the stated moment may be from the light: by the looking itself, on a loaded machine, mostly."""

BACK_WITHIN_S = 2.0

pytestmark = [pytest.mark.slow, pytest.mark.alone]


async def test_each_zap_puts_the_right_channel_on_the_screen(
    origin: Origin, screen: Framebuffer, serve: Serve
) -> None:
    player = ProcessPlayer(VLC, display=screen.display)
    differences_ms: list[float] = []
    async with serve(player):
        assert screen.shows(BLACK)
        for name in [*COLOURS, "red", "blue"]:
            with player.events.subscribe() as events:
                pressed_s = time.monotonic()
                await player.open(origin.url(name))
                lit_s = await screen.until(COLOURS[name], within_s=5)
                async with asyncio.timeout(2):
                    said = await first_of(FirstFrame, events)
            assert said.url == origin.url(name)
            differences_ms.append((lit_s - pressed_s) * 1000 - said.after_ms)
    assert min(differences_ms) >= -EARLY_MS
    assert max(differences_ms) <= LATE_MS
    assert abs(median(differences_ms)) <= USUALLY_MS


async def test_a_killed_player_is_back_on_the_same_channel_in_two_seconds(
    origin: Origin, screen: Framebuffer, serve: Serve
) -> None:
    player = ProcessPlayer(VLC, display=screen.display)
    tv = Tv(
        TvConfig(),
        player=player,
        source=Streams(Colours(origin), Door(base_url="http://127.0.0.1:1")),
        line_up=Book(RED, BLUE),
        focus=Focus(),
        memory=Forgetful(),
    )
    async with serve(player), serve(tv):
        await tv.tune(BLUE.id)
        await screen.until(COLOURS["blue"], within_s=5)
        killed = player.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        killed_s = time.monotonic()
        await screen.until(BLACK, within_s=BACK_WITHIN_S)
        back_s = await screen.until(COLOURS["blue"], within_s=5)
        assert back_s - killed_s < BACK_WITHIN_S
        assert player.pid != killed
        assert tv.state.channel == BLUE
