"""The past, driven by keys only: pause, back, on, and the way to live again."""

import asyncio
import re

import msgspec
import pytest
from playwright.async_api import expect

from tests.ui.web.conftest import Television, TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def until_playing(tv: Television) -> None:
    async with asyncio.timeout(20):
        await tv.house.until(lambda: tv.house.tv.picture == "playing")


async def test_pause_holds_the_picture_and_ok_lets_it_go_on(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    await tv.press("Space")
    await expect(tv.see(".banner .live")).to_have_text("时移")
    await expect(tv.see(".shift .at .icon")).to_be_visible()
    await tv.until("document.querySelector('video').paused")
    await tv.press("Enter")
    await tv.until("!document.querySelector('video').paused")
    assert ("resume", None) in tv.house.watching.asked
    assert "stalled" not in [report.picture for report in tv.house.reports]


async def test_left_and_right_walk_in_time_and_back_is_live(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    await tv.press("[")
    await expect(tv.see(".banner .shift")).to_be_visible()
    await tv.press("ArrowLeft", "ArrowLeft", "ArrowRight")
    async with asyncio.timeout(10):
        await tv.house.until(lambda: len(tv.house.watching.asked) >= 3)
    assert [body["step_s"] for _, body in tv.house.watching.asked] == [-30, -30, 30]
    # Each answer brings the banner up again, so Back would hide that one: let it go by itself.
    await expect(tv.see(".banner")).to_have_count(0)
    await tv.press("Escape")
    await expect(tv.see(".banner .live")).to_have_text("直播")


async def test_a_held_picture_says_so_after_the_banner_is_gone(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    await tv.press("Space")
    await expect(tv.see(".banner .shift")).to_be_visible()
    await expect(tv.see(".banner")).to_have_count(0)
    await expect(tv.see(".held", re.compile("已暂停"))).to_be_visible()


async def test_what_is_still_to_come_can_be_recorded_from_the_guide(turn_on: TurnOn) -> None:
    tv = await turn_on()
    before = len(tv.house.watching.recordings)
    await tv.press("g")
    await expect(tv.see(".guide .cell.f")).to_be_visible()
    await tv.press("ArrowRight", "Enter")
    await expect(tv.see(".choice.f", "提醒我")).to_be_visible()
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".guide .cell", "● ").first).to_be_visible()
    assert len(tv.house.watching.recordings) == before + 1


@pytest.mark.parametrize("state", ["conflict", "failed"])
async def test_the_guide_promises_no_recording_that_will_not_be_there(turn_on: TurnOn, state: str) -> None:
    tv = await turn_on()
    channel = tv.house.tv.channel
    async with tv.page.expect_response("**/api/v1/recordings"):
        await tv.press("g")
    await expect(tv.see(".guide .cell.f")).to_be_visible()
    await tv.press("ArrowRight", "Enter")
    await expect(tv.see(".choice.f", "提醒我")).to_be_visible()
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".guide .cell", "● ").first).to_be_visible()
    kept = tv.house.watching.recordings
    kept[:] = [
        msgspec.structs.replace(one, state=state)
        if one.state == "planned" and one.channel == channel
        else one
        for one in kept
    ]
    async with tv.page.expect_response("**/api/v1/recordings"):
        await tv.press("g", "g")
    await expect(tv.see(".guide .cell.f")).to_be_visible()
    await expect(tv.see(".guide .cell", "● ")).to_have_count(0)


async def test_the_lock_opens_with_the_pin_and_says_when_it_is_wrong(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.broken["c10"] = "TV-602"
    await tv.press("PageUp")
    await expect(tv.see(".lock .pin")).to_be_visible()
    await tv.press("1", "1", "1", "1", "Enter")
    await expect(tv.see(".lock", "密码错误")).to_be_visible()
    await tv.press("2", "5", "8", "0", "Enter")
    await expect(tv.see(".lock")).to_have_count(0)
