"""Light on the screen: the pixels of the X server, not what the player says."""

import asyncio
import time

import pytest

from gateway.media.player import FirstFrame
from gateway.media.vlc import VlcPlayer
from tests.conftest import Serve
from tests.media.player_fixtures import BLACK, COLOURS, Framebuffer, Origin, first_of

TOLERANCE_MS = 300
"""The stated moment is at most some 20 ms early; the rest is this test's own looking."""

pytestmark = pytest.mark.slow


async def test_each_zap_puts_the_right_channel_on_the_screen(
    origin: Origin, screen: Framebuffer, serve: Serve
) -> None:
    player = VlcPlayer(display=screen.display)
    async with serve(player):
        assert screen.shows(BLACK)
        for name in [*COLOURS, "red", "blue"]:
            with player.events.subscribe() as events:
                pressed_s = time.monotonic()
                await player.open(origin.url(name))
                lit_s = await screen.until(COLOURS[name], within_s=5)
                async with asyncio.timeout(2):
                    said = await first_of(FirstFrame, events)
            lit_ms = (lit_s - pressed_s) * 1000
            assert said.url == origin.url(name)
            assert said.after_ms == pytest.approx(lit_ms, abs=TOLERANCE_MS)
