"""Live television of all the demo's channels: in the page's own video element, and by libVLC on a screen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from headend.demo.channels import Extent
from tests.acceptance import started
from tests.acceptance.box import Box, Document, box_at
from tests.acceptance.conftest import Tell
from tests.acceptance.page import Screen, opened
from tests.acceptance.pictures import Album, Seen, shown
from tests.acceptance.started import Demo
from tests.media.player_fixtures import framebuffer

# The material is made within the first test's time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEVC = next(channel for channel in Extent.SMALL.channels if channel.hevc)
TWO_SOUNDS = next(channel for channel in Extent.SMALL.channels if channel.subtitles)
PICTURE_S = 60


@pytest.fixture(scope="module")
def album(small_material: Path) -> Album:
    """How the twelve channels look."""
    return Album(small_material, Extent.SMALL.channels)


@pytest.fixture(scope="module")
def whole_demo(tmp_path_factory: pytest.TempPathFactory, small_material: Path) -> Iterator[Demo]:
    """A running ``gateway demo --small`` without a screen."""
    with started.demo(tmp_path_factory.mktemp("whole"), small_material, Extent.SMALL) as running:
        yield running


@pytest.fixture
async def tv_box(whole_demo: Demo) -> AsyncIterator[Box]:
    """The box of a demo with all its channels."""
    async with box_at(whole_demo.port, whole_demo.token) as talking:
        await talking.well()
        yield talking


def is_playing(number: int) -> Callable[[Document], bool]:
    """Whether the television shows channel `number`."""
    return lambda tv: tv["number"] == number and tv["picture"] == "playing"


async def recognised(screen: Screen, album: Album, number: int) -> None:
    """Wait until the page's own pixels are those of channel `number`."""
    seen: Seen | None = None
    try:
        async with asyncio.timeout(PICTURE_S):
            while seen is None or seen.number != number or not seen.sure:
                seen = album.recognise((await screen.picture()).look)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"channel {number} is not on the page; it shows {seen}") from None


async def test_the_page_shows_live_video_that_moves(whole_demo: Demo, tv_box: Box, album: Album) -> None:
    await tv_box.tune(1)
    async with opened(whole_demo.page) as screen:
        await recognised(screen, album, 1)
        first = await screen.picture()
        async with asyncio.timeout(PICTURE_S):
            while (later := await screen.picture()).mark == first.mark or later.at_s <= first.at_s + 0.5:  # noqa: ASYNC110 - a video tells nobody
                await asyncio.sleep(0.1)
        await screen.keep("tv-moving")
        tv = await tv_box.tv(lambda tv: tv["picture"] == "playing")
    assert tv["first_frame_ms"] > 0
    assert tv["plane"] == "inpage"


async def test_ten_presses_of_channel_up_show_ten_channels(
    whole_demo: Demo, tv_box: Box, album: Album, tell: Tell
) -> None:
    await tv_box.tune(1)
    zaps: dict[int, int] = {}
    async with opened(whole_demo.page) as screen:
        await recognised(screen, album, 1)
        for number in range(2, 12):
            await screen.press("PageUp")
            await expect(screen.see(".banner .number")).to_have_text(str(number))
            tv = await tv_box.tv(is_playing(number), PICTURE_S)
            await recognised(screen, album, number)
            await screen.keep(f"tv-{number:02d}")
            zaps[number] = tv["first_frame_ms"]
    tell(f"zaps in the page, ms to the first frame: {zaps}")
    assert len(zaps) == 10


async def test_two_sounds_and_subtitles_can_be_chosen_on_the_page(
    whole_demo: Demo, tv_box: Box, album: Album
) -> None:
    await tv_box.tune(TWO_SOUNDS.number)
    async with opened(whole_demo.page) as screen:
        await recognised(screen, album, TWO_SOUNDS.number)
        tv = await tv_box.tv(lambda tv: len(tv["tracks"]) >= 4, PICTURE_S)
        languages = [(track["kind"], track["language"]) for track in tv["tracks"]]
        assert languages == [("audio", "zh"), ("audio", "en"), ("subtitle", "zh"), ("subtitle", "en")]
        await screen.press("Escape", "m")
        # The page is told by the box, a little later than this test.
        await expect(screen.see(".menu [role=menuitem]")).to_have_count(len(languages) + 1)
        await screen.press("ArrowDown", "Enter")
        await tv_box.tv(lambda tv: _selected(tv) == [("audio", "en")], PICTURE_S)
        await screen.press("ArrowDown", "ArrowDown", "Enter")
        await tv_box.tv(lambda tv: _selected(tv) == [("audio", "en"), ("subtitle", "en")], PICTURE_S)
        text = await screen.fact(
            "[...document.querySelector('#picture video').textTracks]"
            ".filter((t) => t.mode === 'showing').flatMap((t) => [...(t.activeCues ?? [])])[0]?.text"
        )
        await screen.keep("tv-subtitles")
        assert "It is now" in text


def _selected(tv: Document) -> list[tuple[str, str]]:
    return [(track["kind"], track["language"]) for track in tv["tracks"] if track["selected"]]


async def test_what_the_browser_cannot_decode_is_said_kindly_and_the_next_channel_plays(
    whole_demo: Demo, tv_box: Box, album: Album
) -> None:
    await tv_box.tune(HEVC.number - 1)
    async with opened(whole_demo.page) as screen:
        await recognised(screen, album, HEVC.number - 1)
        await screen.press("PageUp")
        tv = await tv_box.tv(lambda tv: tv["number"] == HEVC.number and tv["picture"] == "failed", PICTURE_S)
        assert tv["code"] == "TV-305"
        await expect(screen.see(".say")).to_contain_text("这个频道的画面格式，这台设备放不了。")
        await screen.keep("tv-hevc-in-page")
        await screen.press("PageUp")
        await recognised(screen, album, 1)


async def test_on_a_screen_libvlc_shows_the_right_channel_after_each_zap(
    tmp_path: Path, small_material: Path, album: Album, tell: Tell
) -> None:
    (tmp_path / "screen").mkdir()
    zaps: dict[int, int] = {}
    async with framebuffer(tmp_path / "screen") as screen:
        with started.demo(tmp_path / "state", small_material, Extent.SMALL, display=screen.display) as demo:
            async with box_at(demo.port, demo.token) as box:
                await shown(screen, album, 1, PICTURE_S)

                async def arrived(number: int) -> None:
                    await shown(screen, album, number, PICTURE_S)
                    tv = await box.tv(is_playing(number))
                    zaps[number] = tv["first_frame_ms"]

                for number in (3, 8, 7, 4):
                    await box.tune(number)
                    await arrived(number)
                await box.press("channel_up")
                await arrived(5)
                await box.press("channel_down")
                await arrived(4)
                await box.press("last")
                await arrived(5)
                await box.press("1")
                await box.press("1")
                await arrived(11)
                await box.press("channel_up")
                await arrived(HEVC.number)
    tell(f"zaps on a screen, ms to the first frame: {zaps}")
