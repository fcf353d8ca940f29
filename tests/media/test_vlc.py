import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from gateway.media.player import FirstFrame, Restarted
from gateway.media.player_process import PlayerLimits, PlayerMissingError, ProcessPlayer
from gateway.media.vlc import VLC
from tests.conftest import Serve
from tests.media.player_fixtures import Framebuffer, Origin, first_of


async def test_a_display_that_is_not_there_is_a_clear_error() -> None:
    player = ProcessPlayer(VLC, display=":4711")
    async with asyncio.timeout(20):
        with pytest.raises(PlayerMissingError, match=":4711") as refused:
            await player.run(lambda: None)
    assert refused.value.code == "TV-302"
    assert "vlc-plugin-video-output" in refused.value.hint


async def test_an_option_that_libvlc_refuses_is_a_clear_error(screen: Framebuffer) -> None:
    player = ProcessPlayer(VLC, display=screen.display, options=("--no-such-option",))
    async with asyncio.timeout(20):
        with pytest.raises(PlayerMissingError, match="an option is wrong"):
            await player.run(lambda: None)


async def test_a_hanging_player_is_replaced_and_the_loop_goes_on(
    screen: Framebuffer, origin: Origin, serve: Serve
) -> None:
    player = ProcessPlayer(VLC, display=screen.display)
    async with serve(player):
        hanging = player.pid
        assert hanging is not None
        with player.events.subscribe() as events:
            os.kill(hanging, signal.SIGSTOP)
            asked_s = time.monotonic()
            await player.open(origin.url("red"))
            await player.close()
            assert time.monotonic() - asked_s < 0.1
            async with asyncio.timeout(10):
                await first_of(Restarted, events)
                assert player.pid not in {None, hanging}
                await player.open(origin.url("red"))
                assert (await first_of(FirstFrame, events)).url == origin.url("red")
    assert not Path(f"/proc/{hanging}").exists()


async def test_a_player_that_keeps_dying_is_started_more_seldom(screen: Framebuffer, serve: Serve) -> None:
    limits = PlayerLimits(free_restarts=1)
    player = ProcessPlayer(VLC, display=screen.display, limits=limits)
    began_s = time.monotonic()
    async with serve(player):
        with player.events.subscribe() as events:
            for _ in range(2):
                assert player.pid is not None
                os.kill(player.pid, signal.SIGKILL)
                async with asyncio.timeout(10):
                    await first_of(Restarted, events)
    assert time.monotonic() - began_s > limits.pause_s(2)


def test_the_pauses_between_starts_double_up_to_a_limit() -> None:
    limits = PlayerLimits(free_restarts=3, longest_pause_s=30)
    assert [limits.pause_s(crashes) for crashes in range(1, 11)] == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]
    assert limits.pause_s(10_000) == 30


async def test_nothing_is_left_when_the_player_ends(screen: Framebuffer, serve: Serve) -> None:
    player = ProcessPlayer(VLC, display=screen.display)
    async with serve(player):
        worker = player.pid
    assert worker is not None
    assert player.pid is None
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.slow
async def test_a_channel_without_pictures_is_heard_and_counts_as_shown(
    screen: Framebuffer, origin: Origin, serve: Serve
) -> None:
    player = ProcessPlayer(VLC, display=screen.display)
    async with serve(player):
        with player.events.subscribe() as events:
            await player.open(origin.url("radio"))
            async with asyncio.timeout(10):
                assert (await first_of(FirstFrame, events)).url == origin.url("radio")
