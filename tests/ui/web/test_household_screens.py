"""Phones, sound, sharing and favourites on the television, driven by keys only."""

from datetime import UTC, datetime

import msgspec
import pytest
from playwright.async_api import expect

from gateway.ui import documents_watching as watching
from tests.ui.web.conftest import Television, TurnOn
from tests.ui.web.fake_watching import CODE, PIN
from tests.ui.web.test_past import until_playing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_a_phone_joins_by_what_is_on_the_screen_and_can_be_sent_away(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("Escape", "m", *["ArrowDown"] * 3, "Enter")
    await expect(tv.see(".phones .qr")).to_be_visible()
    await expect(tv.see(".phones .code")).to_have_text(f"{CODE[:3]} {CODE[3:]}")
    await expect(tv.see(".phones", "还没有手机连接")).to_be_visible()
    tv.house.watching.phones.append(
        watching.Phone(id="p1", name="妈妈的手机", role="member", paired_at=datetime.now(UTC), seen_at=None)
    )
    await expect(tv.see(".phone.f .name")).to_have_text("妈妈的手机")
    await tv.press("Enter")
    await expect(tv.see(".menu h1")).to_have_text("妈妈的手机")
    await expect(tv.see(".choice.f .set")).to_have_text("✓")
    await tv.press("ArrowUp", "Enter")
    await expect(tv.see(".phone.f .role")).to_have_text("访客")
    await tv.press("Enter", "ArrowDown", "ArrowDown", "ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_contain_text("要移除")
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".phones", "还没有手机连接")).to_be_visible()
    assert tv.house.watching.offered
    async with tv.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await tv.press("Escape")
    assert not tv.house.watching.offered


async def test_a_child_is_added_without_typing_and_chosen_as_who_watches(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("Escape", "m", *["ArrowDown"] * 7, "Enter")
    await expect(tv.see(".layer:last-child .choice.f")).to_contain_text("大家一起看")
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice.f")).to_contain_text("爷爷")
    await tv.press(*["ArrowDown"] * 4, "Enter")
    # The lock holds while nobody is chosen: who lives here is not for a child to say.
    await type_pin(tv)
    await expect(tv.see(".layer:last-child .choice", "儿子 · 儿童")).to_be_visible()
    await tv.press("ArrowUp")
    await expect(tv.see(".layer:last-child .choice.f")).to_contain_text("儿子 · 儿童")
    await tv.press("Enter", "Enter")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_have_text("✓")
    assert tv.house.watching.household.current == "son"
    await tv.press("Enter", "ArrowDown", "ArrowDown", "ArrowDown", "Enter", "ArrowDown", "Enter")
    await type_pin(tv)
    await expect(tv.see(".layer:last-child .choice", "儿子")).to_have_count(0)
    assert tv.house.watching.lock.open_until is None
    assert tv.house.watching.household.members == []


async def type_pin(tv: Television) -> None:
    await expect(tv.see(".layer:last-child .pin")).to_be_visible()
    await tv.press(*PIN, "Enter")
    await expect(tv.see(".pin")).to_have_count(0)


async def test_viewing_is_shared_only_after_it_was_explained(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("Escape", "m", *["ArrowDown"] * 5)
    await expect(tv.see(".choice.f", "把观看情况告诉运营商")).to_contain_text("关")
    await tv.press("Enter")
    await expect(tv.see(".menu", "会发给运营商")).to_be_visible()
    await tv.press("Enter")
    assert not tv.house.watching.household.share_viewing
    await tv.press("Enter", "ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_have_text("开")
    assert tv.house.watching.household.share_viewing
    await tv.press("ArrowUp", "Enter")
    await expect(tv.see(".choice.f", "音量均衡")).to_contain_text("开")
    assert tv.house.watching.household.levelling


async def test_two_channels_that_are_liked_at_once_are_both_kept(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    tv.house.watching.lock = msgspec.structs.replace(tv.house.watching.lock, has_pin=False)
    await tv.press("Escape", "ArrowLeft")
    await expect(tv.see(".channels .row.f")).to_be_visible()
    await tv.press("m", "ArrowDown", "m")
    await expect(tv.see(".channels .row .liked", "♥")).to_have_count(2)
    assert len(tv.house.watching.household.members[0].favourites) == 2


async def test_a_channel_that_is_liked_is_in_a_list_of_its_own(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await until_playing(tv)
    await tv.press("Escape", "ArrowLeft", "ArrowRight")
    await expect(tv.see(".channels h1")).to_contain_text("收藏")
    await expect(tv.see(".channels .empty")).to_be_visible()
    await tv.press("ArrowLeft", "ArrowDown", "m")
    await type_pin(tv)
    await expect(tv.see(".channels .row.f .liked")).to_have_text("♥")
    liked = await tv.see(".channels .row.f .name").inner_text()
    await tv.press("ArrowRight")
    await expect(tv.see(".channels .row:visible .name")).to_have_count(1)
    await expect(tv.see(".channels .row:visible .name")).to_have_text(liked)
    await tv.press("Enter")
    await expect(tv.see(".banner .number")).to_be_visible()
    assert liked.startswith(tv.house.tv.name or "?")
