"""The child lock's settings, driven by keys only."""

import msgspec
import pytest
from playwright.async_api import expect

from gateway.ui import documents_watching as watching
from tests.ui.web.conftest import Television, TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def to_settings(tv: Television) -> None:
    await tv.press("Escape", "m", *["ArrowDown"] * 6)
    await expect(tv.see(".choice.f")).to_contain_text("童锁")
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .pin")).to_be_visible()


async def test_the_pin_is_asked_before_anything_can_be_changed(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await to_settings(tv)
    await tv.press("1", "1", "1", "1", "Enter")
    await expect(tv.see(".layer:last-child .menu p")).to_have_text("密码错误。请重试。")
    await tv.press("2", "5", "8", "0", "Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_have_text("童锁")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_have_text("12 岁以下可看")
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_have_text("16 岁以下可看")
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_contain_text("06:00")
    await tv.press("ArrowDown", "ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice.f .set")).to_have_text("已锁")
    lock = tv.house.watching.lock
    assert (lock.max_age, lock.channels) == (16, [tv.house.tv.channel])
    assert lock.hours == watching.Hours(start="06:00", stop="20:00")


async def test_a_first_pin_is_typed_twice(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.watching.lock = msgspec.structs.replace(tv.house.watching.lock, has_pin=False)
    await to_settings(tv)
    await tv.press("2", "5", "8", "0", "Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_have_text("再输入一次")
    await tv.press("2", "5", "8", "1", "Enter")
    await expect(tv.see(".layer:last-child .menu p")).to_contain_text("不一样")
    await tv.press("2", "5", "8", "0", "Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_have_text("童锁")
    assert tv.house.watching.pin == "2580"
    await tv.press(*["ArrowDown"] * 4, "Enter", "1", "3", "5", "7", "Enter", "1", "3", "5", "7", "Enter")
    await expect(tv.see(".pill", "密码已更换")).to_be_visible()
    assert tv.house.watching.pin == "1357"
