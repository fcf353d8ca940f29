"""Television, driven by keys only."""

import asyncio
import hashlib
import re
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.ui.web.conftest import Television, TurnOn
from tests.ui.web.fake_house import FakeHouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def until_playing(tv: Television) -> None:
    """Wait until the page itself has said that the first frame of this stream is on the screen."""
    async with asyncio.timeout(20):
        await tv.house.until(lambda: tv.house.tv.picture == "playing")


async def grab(tv: Television) -> str:
    """Return a fingerprint of the video's present frame."""
    pixels = await tv.evaluate(
        """() => { const v = document.querySelector("video"), c = document.createElement("canvas");
        c.width = 160; c.height = 90; const g = c.getContext("2d"); g.drawImage(v, 0, 0, 160, 90);
        return g.getImageData(0, 0, 160, 90).data.join(); }"""
    )
    return hashlib.sha256(pixels.encode()).hexdigest()


async def test_power_on_goes_to_moving_television(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    seen = {await grab(tv)}
    began = await tv.evaluate("document.querySelector('video').currentTime")
    async with asyncio.timeout(20):
        while len(seen) < 3:
            seen.add(await grab(tv))
    assert await tv.evaluate("document.querySelector('video').currentTime") > began
    first = tv.house.reports[0]
    assert (first.stream_id, first.picture) == ("s1", "first_frame")


async def test_ten_presses_of_channel_up_show_ten_channels(turn_on: TurnOn) -> None:
    tv = await turn_on()
    numbers = []
    for _ in range(10):
        before = tv.house.tv.stream_id
        await tv.press("PageUp")
        async with asyncio.timeout(10):
            await tv.house.until(lambda before=before: tv.house.tv.stream_id != before)  # type: ignore[misc]
        await expect(tv.see(".banner .number")).to_have_text(str(tv.house.tv.number))
        await until_playing(tv)
        numbers.append(tv.house.tv.number)
    assert len(set(numbers)) == 10
    shown = {report.stream_id for report in tv.house.reports if report.picture == "first_frame"}
    assert len(shown) >= 10


async def test_the_banner_says_what_is_on_and_goes_by_itself(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("ArrowUp")
    await expect(tv.see(".banner .number")).to_have_text("10")
    await expect(tv.see(".banner .on")).to_contain_text("科教")
    await expect(tv.see(".banner h1")).not_to_be_empty()
    await expect(tv.see(".banner")).to_have_count(0)


async def test_the_dock_of_the_banner_is_walked_with_left_and_right(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("Enter")
    await expect(tv.focused).to_contain_text("频道")
    await tv.press("ArrowRight", "ArrowRight")
    await expect(tv.focused).to_contain_text("村务公开")
    await tv.press("ArrowUp")
    await expect(tv.see(".banner .number")).to_have_text("10")
    await tv.press("Escape")
    await expect(tv.see(".banner")).to_have_count(0)


async def test_digits_show_their_channel_before_they_tune(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("1", "7")
    await expect(tv.see(".digits strong")).to_have_text("17")
    await expect(tv.see(".digits span")).to_have_text("农业农村")
    await expect(tv.see(".banner .number")).to_have_text("17")
    await expect(tv.see(".digits")).to_have_count(0)
    assert tv.house.keys == ["1", "7"]


async def test_a_key_of_the_remote_does_what_the_keyboard_does(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.press("home")
    await expect(tv.see(".home")).to_be_visible()
    await tv.house.press("down")
    await expect(tv.focused).to_contain_text("综合")
    await tv.house.press("back")
    await expect(tv.see(".home")).to_have_count(0)
    assert tv.house.keys == []


async def test_the_channel_list_of_a_thousand_is_a_handful_of_nodes(turn_on: TurnOn, material: Path) -> None:
    tv = await turn_on(FakeHouse(material, channels=1000))
    await tv.press("ArrowLeft")
    await expect(tv.see(".channels .row.f")).to_contain_text("农林卫视")
    page = await tv.see(".channels .row").count()
    assert page < 12
    number = str(tv.house.channels[6 + 12 * page].number)
    for _ in range(12):
        await tv.press("PageDown")
    await expect(tv.see(".channels .row.f .no")).to_have_text(number)
    assert await tv.see(".channels .row").count() == page
    await tv.press("Enter")
    await expect(tv.see(".banner .number")).to_have_text(number)


async def test_the_remotes_channel_keys_turn_the_pages_of_an_open_list(turn_on: TurnOn) -> None:
    tv = await turn_on()
    before = tv.house.tv.number
    async with tv.page.expect_response("**/keys/taken"):
        await tv.press("ArrowLeft")
    focused = await tv.see(".channels .row.f .no").inner_text()
    await tv.house.press("channel_down")
    await expect(tv.see(".channels .row.f .no")).not_to_have_text(focused)
    assert tv.house.tv.number == before
    async with tv.page.expect_response("**/keys/taken"):
        await tv.press("Escape")
    await tv.house.press("channel_up")
    await expect(tv.see(".banner .number")).not_to_have_text(str(before))


async def test_keys_wait_in_order_for_a_screen_that_is_being_fetched(turn_on: TurnOn) -> None:
    tv = await turn_on()
    before = tv.house.tv.number
    may_come, guide_may_come = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        await (guide_may_come if "guide" in route.request.url else may_come).wait()
        await route.continue_()

    await tv.page.route("**/js/screens/channels.js", hold)
    await tv.page.route("**/js/screens/guide.js", hold)
    await tv.press("ArrowLeft", "ArrowDown", "ArrowDown")
    may_come.set()
    await expect(tv.see(".channels .row.f .no")).to_have_text(str(tv.house.channels[8].number))
    assert (tv.house.tv.number, tv.house.keys) == (before, [])
    await tv.press("Escape", "g", "h")
    guide_may_come.set()
    await expect(tv.see(".home")).to_be_visible()


async def test_the_guide_tunes_to_what_is_focused(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("g")
    await expect(tv.see(".guide .cell.f")).to_be_visible()
    await expect(tv.see(".guide .head.on")).to_contain_text("农林卫视")
    before = await tv.see(".guide .about h1").inner_text()
    await tv.press("ArrowRight")
    await expect(tv.see(".guide .about h1")).not_to_have_text(before)
    await tv.press("F2", "ArrowDown", "ArrowDown")
    await expect(tv.see(".guide .head.on")).to_contain_text("戏曲")
    assert await tv.evaluate("document.querySelectorAll('.guide *').length") <= 350
    await tv.press("Enter")
    await expect(tv.see(".banner .number")).to_have_text("11")
    await expect(tv.see(".guide")).to_have_count(0)


async def test_channel_keys_of_a_keyboard_page_the_guide_and_zap_over_a_menu(turn_on: TurnOn) -> None:
    tv = await turn_on()
    before = tv.house.tv.number
    await tv.press("g")
    await expect(tv.see(".guide .cell.f")).to_be_visible()
    await tv.press("PageUp")
    await expect(tv.see(".guide .head.on")).to_contain_text(tv.house.channels[0].name)
    assert (tv.house.tv.number, tv.house.keys) == (before, [])
    await tv.press("g", "m", "PageUp")
    async with asyncio.timeout(10):
        await tv.house.until(lambda: tv.house.tv.number != before)
    assert tv.house.keys == ["channel_up"]


async def test_a_channel_without_a_picture_says_so_kindly(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.broken["c10"] = "TV-201"
    await tv.press("PageUp")
    await expect(tv.see(".say h1")).to_have_text("这个频道暂时连不上。")
    await expect(tv.see(".say small")).to_have_text("TV-201")


async def test_a_format_that_the_browser_lacks_is_reported_and_told(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    tv.house.odd.add("c10")
    await tv.press("PageUp")
    await expect(tv.see(".say small")).to_have_text("TV-305")
    assert [(r.picture, r.code) for r in tv.house.reports][-1] == ("failed", "TV-305")


async def test_without_channels_the_screen_says_what_is_missing(turn_on: TurnOn, material: Path) -> None:
    tv = await turn_on(FakeHouse(material, channels=0))
    await expect(tv.see(".say h1")).to_have_text("还没有频道")
    await tv.press("h")
    await expect(tv.see(".home .hero h1")).to_have_text("还没有频道")


async def test_a_lost_link_is_said_and_mended_while_the_picture_goes_on(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    began = await tv.evaluate("document.querySelector('video').currentTime")
    tv.house.is_shut = True
    await tv.house.hang_up()
    await expect(tv.see(".pill")).to_contain_text("正在重新连接")
    await tv.until(f"document.querySelector('video').currentTime > {began} + 0.5")
    tv.house.is_shut = False
    await expect(tv.see(".pill")).to_have_count(0)
    await tv.house.change_tv(volume_percent=35)
    await expect(tv.see(".loudness")).to_contain_text("35")


async def test_a_stranger_is_told_how_to_come_in(turn_on: TurnOn, material: Path) -> None:
    house = FakeHouse(material)
    tv = await turn_on(house)
    await tv.page.close()
    stranger = await turn_on(house, ready=".banner")
    await stranger.page.context.clear_cookies()
    await stranger.evaluate("sessionStorage.clear()")
    await stranger.page.goto(stranger.address.split("#")[0])
    await expect(stranger.see(".locked")).to_contain_text("gateway token")
    assert house.token not in stranger.page.url


async def test_the_token_leaves_the_address_at_once(turn_on: TurnOn) -> None:
    tv = await turn_on()
    assert "#" not in tv.page.url
    assert await tv.evaluate("document.cookie") == ""


async def test_home_gives_the_screen_back_after_twenty_seconds(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h")
    await expect(tv.see(".home")).to_be_visible()
    await expect(tv.see(".home")).to_have_count(0, timeout=25_000)


async def test_sound_and_subtitles_are_chosen_in_a_menu(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    tracks = [
        {"id": "audio-0", "kind": "audio", "language": "zh", "name": "普通话", "selected": True},
        {"id": "audio-1", "kind": "audio", "language": "yue", "name": "方言", "selected": False},
    ]
    await tv.house.change_tv(tracks=tv.house.tracks(tracks))
    await tv.press("i")
    await expect(tv.see(".banner .on")).to_contain_text("2 种声音")
    await tv.press("m", "ArrowDown", "Enter")
    await expect(tv.see(".choice", re.compile("方言.*✓"))).to_be_visible()
