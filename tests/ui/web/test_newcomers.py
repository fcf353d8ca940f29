"""Devices that ask to join the home, answered with the remote."""

import pytest
from playwright.async_api import expect

from gateway.ui import documents_events as news
from gateway.ui import documents_pairing as pairing
from tests.ui.web.conftest import Television, TurnOn
from tests.ui.web.fake_pairing import SECRET, WHEN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

QUESTION = ".layer:last-child .menu h1"


async def armed(tv: Television) -> None:
    """Wait until the question takes keys."""
    await tv.until("performance.now() > (window.askedAt ??= performance.now()) + 1600")
    await tv.evaluate("delete window.askedAt")


async def test_ok_allows_a_new_device_and_the_television_goes_on(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.joining.knock("ep1", "卧室温度计")
    await expect(tv.see(QUESTION)).to_have_text("新设备：卧室温度计，允许吗？")
    await expect(tv.see(".layer:last-child .menu p")).to_have_text("T1 · ep1 · 192.0.2.7")
    await expect(tv.focused).to_contain_text("允许")
    await armed(tv)
    await tv.press("Enter")
    await expect(tv.see(".menu")).to_have_count(0)
    assert tv.house.joining.decided == ["admit ep1"]


async def test_back_refuses_it(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.joining.knock("ep1", "")
    await expect(tv.see(QUESTION)).to_have_text("新设备：ep1，允许吗？")
    await armed(tv)
    await tv.press("Escape")
    await expect(tv.see(".menu")).to_have_count(0)
    assert tv.house.joining.decided == ["refuse ep1"]


async def test_a_key_meant_for_something_else_lets_nothing_in(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.joining.knock("ep1", "温度计")
    await expect(tv.see(QUESTION)).to_be_visible()
    await tv.press("Enter", "Enter", "Escape")
    await expect(tv.see(QUESTION)).to_be_visible()
    assert tv.house.joining.decided == []


async def test_one_question_at_a_time_and_later_is_an_answer(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.joining.knock("ep1", "温度计")
    await tv.house.joining.knock("ep2", "门磁")
    await expect(tv.see(QUESTION)).to_have_text("新设备：温度计，允许吗？")
    await expect(tv.see(".menu")).to_have_count(1)
    await armed(tv)
    await tv.press("ArrowDown", "ArrowDown", "Enter")
    await expect(tv.see(QUESTION)).to_have_text("新设备：门磁，允许吗？")
    await armed(tv)
    await tv.press("Enter")
    await expect(tv.see(".menu")).to_have_count(0)
    assert tv.house.joining.decided == ["admit ep2"]


async def test_the_question_goes_when_a_phone_has_answered_it(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.joining.knock("ep1", "温度计")
    await expect(tv.see(QUESTION)).to_be_visible()
    await tv.house.joining.leave("ep1")
    await expect(tv.see(".menu")).to_have_count(0)


async def test_it_waits_until_an_app_has_left_the_screen(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.tell(news.ScreenEvent(screen="alert"))
    await tv.house.joining.knock("ep1", "温度计")
    await tv.house.tell(news.NumberEvent(digits="7", channel=None))
    await expect(tv.see(".digits")).to_be_visible()
    await expect(tv.see(".menu")).to_have_count(0)
    await tv.house.tell(news.ScreenEvent(screen="tv"))
    await expect(tv.see(QUESTION)).to_be_visible()


async def test_who_was_let_in_is_listed_and_sent_away(turn_on: TurnOn) -> None:
    tv = await turn_on()
    house = tv.house.joining
    house.devices = [
        pairing.JudgedDevice(endpoint="ep1", name="温度计", model="T1", verdict="admitted", at=WHEN)
    ]
    house.accounts = [pairing.DeviceAccount(name="lamp", label="客厅灯", made_at=WHEN)]
    house.keys = [pairing.CoapKey(endpoint="ep2", label="地窖", made_at=WHEN)]
    await tv.press("Escape", "m", "ArrowUp", *["ArrowDown"] * 9)
    await expect(tv.focused).to_contain_text("设备配对")
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .choice")).to_have_count(4)
    await expect(tv.focused).to_contain_text("温度计")
    await tv.press("Enter")
    await expect(tv.focused).to_contain_text("取消")
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice", "已拒绝")).to_be_visible()
    await tv.press("ArrowDown")
    await expect(tv.focused).to_contain_text("客厅灯")
    await tv.press("Enter", "ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice")).to_have_count(3)
    await expect(tv.focused).to_contain_text("地窖")
    await tv.press("Enter", "ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .choice")).to_have_count(2)
    assert house.decided == ["refuse ep1", "remove lamp", "remove ep2"]


async def test_an_account_for_an_mqtt_device_is_made_with_the_remote_and_its_secret_shown_once(
    turn_on: TurnOn,
) -> None:
    tv = await turn_on()
    house = tv.house.joining
    house.accounts = [pairing.DeviceAccount(name="device-1", label="", made_at=WHEN)]
    await tv.press("Escape", "m", *["ArrowDown"] * 9, "Enter")
    await expect(tv.see(".layer:last-child .choice", "添加 MQTT 设备")).to_be_visible()
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_have_text("请填入设备")
    rows = await tv.see(".layer:last-child .choice > span:first-child").all_inner_texts()
    assert rows == ["已填好", "device-2", SECRET[:16], SECRET[16:], "192.0.2.1:8883"]
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_have_text("设备配对")
    await expect(tv.see(".layer:last-child .choice", "device-2")).to_be_visible()
    assert SECRET[:16] not in await tv.page.content()
