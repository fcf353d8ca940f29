import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from gateway.media.player import FirstFrame, Restarted, Track
from gateway.media.player_process import PlayerLimits, PlayerMissingError, ProcessPlayer
from gateway.media.vlc import VLC
from gateway.media.vlc_tracks import numbered
from tests.conftest import Serve
from tests.media.player_fixtures import Framebuffer, Origin, first_of

pytestmark = pytest.mark.alone


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


async def test_a_player_is_kept_that_is_late_because_everything_is(
    screen: Framebuffer, origin: Origin, serve: Serve
) -> None:
    limits = PlayerLimits()
    player = ProcessPlayer(VLC, display=screen.display, limits=limits)
    async with serve(player):
        kept = player.pid
        assert kept is not None
        os.kill(kept, signal.SIGSTOP)
        time.sleep(2 * limits.beat_s)  # noqa: ASYNC251 - this process gets no time, either
        os.kill(kept, signal.SIGCONT)
        with player.events.subscribe() as events:
            await player.open(origin.url("red"))
            assert (await first_of(FirstFrame, events)).url == origin.url("red")
        assert player.pid == kept


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


def sound(number: int, language: str) -> Track:
    return Track(str(number), "audio", language, language)


OFF = (-1, b"Disable")


def test_a_track_that_has_gone_does_not_lend_its_language_to_another() -> None:
    found = [sound(1, "zh"), sound(2, "en"), sound(5, "en"), sound(7, "zh")]
    described = [OFF, (5, b"English"), (7, b"Chinese")]
    assert numbered("audio", found, described) == [sound(5, "en"), sound(7, "zh")]


def test_tracks_that_are_numbered_otherwise_are_known_by_their_place() -> None:
    described = [OFF, (257, b"Track 1"), (258, b"Track 2")]
    told = numbered("audio", [sound(1, "zh"), sound(2, "en")], described)
    assert [(track.id, track.language) for track in told] == [("257", "zh"), ("258", "en")]


def test_a_track_that_cannot_be_told_has_the_words_of_the_player_alone() -> None:
    described = [OFF, (1, b"Track 1"), (9, b"Track 9")]
    told = numbered("audio", [sound(1, "zh"), sound(2, "en")], described)
    assert told == [sound(1, "zh"), Track("9", "audio", "", "Track 9")]
    gone = numbered("subtitle", [], [OFF, (3, b"Track 3")])
    assert gone == [Track("3", "subtitle", "", "Track 3")]
