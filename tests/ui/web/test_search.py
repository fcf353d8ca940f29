"""The search with its keyboard, driven by keys only."""

import pytest
from playwright.async_api import expect

from tests.ui.web.conftest import TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
TO_SEARCH = ("h", "ArrowUp", *["ArrowRight"] * 5, "Enter")
TO_M = ("ArrowDown", "ArrowDown")
AT_ONCE_MS = 3_000  # sooner than a request without an answer is given up


async def test_letters_find_programmes_and_ok_offers_what_can_be_done(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press(*TO_SEARCH)
    await expect(tv.see(".letter-key.f")).to_have_text("A")
    await tv.press(*TO_M, "Enter")
    await expect(tv.see(".typed")).to_have_text("M")
    await expect(tv.see(".one-found .name").first).to_contain_text("名医")
    await tv.press(*["ArrowRight"] * 6)
    await expect(tv.see(".one-found.f .name")).to_contain_text("名医")
    await tv.press("ArrowLeft")
    await expect(tv.see(".letter-key.f")).to_have_text("R")


async def test_digits_of_the_remote_find_a_channel_by_its_number(turn_on: TurnOn) -> None:
    tv = await turn_on()
    wanted = tv.house.channels[0]
    async with tv.page.expect_response("**/keys/taken"):
        await tv.press(*TO_SEARCH)
    await tv.house.press("1")
    await expect(tv.see(".typed")).to_have_text("1")
    await expect(tv.see(".one-found .name").first).to_have_text(wanted.name)
    await tv.press(*["ArrowRight"] * 6, "Enter")
    await expect(tv.see(".banner .number")).to_have_text(str(wanted.number))


async def test_what_finds_nothing_says_so_and_can_be_cleared(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press(*TO_SEARCH, "Enter")
    await expect(tv.see(".found .none")).to_have_text("没有找到。")
    await tv.press(*["ArrowDown"] * 6, "Enter")
    await expect(tv.see(".typed")).to_have_text("")
    await expect(tv.see(".found .none")).to_contain_text("选字母")


async def test_a_digit_typed_among_the_results_never_leaves_the_focus_nowhere(turn_on: TurnOn) -> None:
    tv = await turn_on()
    async with tv.page.expect_response("**/keys/taken"):
        await tv.press(*TO_SEARCH)
    await tv.press(*TO_M, "Enter")
    await expect(tv.see(".one-found").first).to_be_visible()
    await tv.press(*["ArrowRight"] * 6)
    await expect(tv.see(".one-found.f")).to_be_visible()
    await tv.page.route("**/guide/search*", lambda _route: None)
    await tv.house.press("7")
    await expect(tv.see(".found .none")).to_have_text("正在找…")
    await expect(tv.see(".letter-key.f")).to_have_text("R", timeout=AT_ONCE_MS)
