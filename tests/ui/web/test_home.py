"""Home screen, the home's devices and apps, driven by keys only."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from playwright.async_api import expect

from tests.ui.web.conftest import Television, TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TO_THINGS = ("h", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight", "Enter")


async def my_home(tv: Television) -> None:
    """Walk to the home's devices; the lamp has the focus."""
    await tv.press(*TO_THINGS)
    await expect(tv.focused).to_contain_text("客厅灯")


async def test_home_keeps_the_picture_and_is_walked_in_rows(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h")
    await expect(tv.focused).to_have_text("按 OK 全屏看")
    await tv.press("ArrowDown", "ArrowRight")
    await expect(tv.focused).to_contain_text("财经")
    await tv.press("ArrowDown")
    await expect(tv.focused).to_contain_text("党员之家")
    await tv.press("ArrowUp")
    await expect(tv.focused).to_contain_text("财经")
    box = await tv.see("#picture").bounding_box()
    assert box is not None
    assert box["width"] * box["height"] >= 0.4 * 1920 * 1080
    await tv.press("Enter")
    await expect(tv.see(".banner .number")).to_have_text("2")


async def test_what_has_the_focus_has_it_for_a_screen_reader_too(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h", "ArrowDown", "ArrowRight")
    await expect(tv.focused).to_be_focused()
    await expect(tv.focused).to_have_role("button")
    assert await tv.see(".home .f").count() == 1


async def test_the_lamp_shows_what_it_reported_and_the_order_beside_it(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await my_home(tv)
    await expect(tv.focused.locator(".value")).to_have_text("关")
    await tv.house.report("mqtt.lamp", quality="kept")
    await expect(tv.focused.locator(".told")).to_have_text("此前的状态，待设备确认")
    tv.house.hold()
    await tv.press("Enter")
    await expect(tv.focused.locator(".told")).to_have_text("发送中…")
    await expect(tv.focused.locator(".value")).to_have_text("关")
    await expect(tv.focused.locator(".switch")).to_have_attribute("aria-checked", "false")
    tv.house.go_on()
    await expect(tv.focused.locator(".told")).to_have_text("已确认")
    await expect(tv.focused.locator(".value")).to_have_text("开")
    await expect(tv.focused.locator(".switch")).to_have_attribute("aria-checked", "true")


async def test_a_lamp_that_is_silent_is_said_to_be_silent(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.lamp = "is silent"
    await my_home(tv)
    await tv.press("Enter")
    await expect(tv.focused.locator(".told")).to_have_text("未收到客厅灯的回应，按 OK 重试")
    await expect(tv.focused.locator(".value")).to_have_text("关")
    tv.house.lamp = "answers"
    await tv.press("Enter")
    await expect(tv.focused.locator(".value")).to_have_text("开")


async def test_a_thing_of_many_sides_shows_each_and_becomes_what_is_chosen(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await my_home(tv)
    await tv.press("ArrowRight")
    await expect(tv.focused).to_contain_text("客厅空调")
    await expect(tv.focused.locator(".value")).to_have_text("制冷")
    await expect(tv.focused.locator(".told")).to_have_text("设定温度 26°C · 室内温度 27.5°C")
    await expect(tv.focused.locator(".switch")).to_have_count(0)
    await tv.press("Enter", "ArrowDown")
    await expect(tv.focused).to_have_text("设定温度26 °C")
    await tv.press("Enter")
    # The list begins at what it is set to.
    await expect(tv.focused).to_have_text("26 °C✓")
    tv.house.hold()
    await tv.press("ArrowDown", "Enter")
    await expect(tv.see(".menu p")).to_have_text("发送中…")
    await expect(tv.focused).to_have_text("设定温度26 °C")
    tv.house.go_on()
    await expect(tv.focused).to_have_text("设定温度27 °C")
    await expect(tv.see(".menu p")).to_have_text("已确认")


async def test_a_lamp_that_refuses_says_why(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.lamp = "refuses"
    await my_home(tv)
    await tv.press("Enter")
    await expect(tv.focused.locator(".told")).to_contain_text("设备没有接受操作")
    await expect(tv.focused.locator(".value")).to_have_text("关")


async def test_a_thermometer_changes_on_the_screen_by_itself(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await my_home(tv)
    await tv.house.report("coap.ep1.3303.0.5700", value=26.5)
    await expect(tv.see(".thing", "卧室温度计")).to_contain_text("26.5")


async def test_blood_pressure_is_hidden_until_ok(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await my_home(tv)
    meter = tv.see(".thing", "血压计")
    await expect(meter).to_contain_text("已测量")
    await expect(meter).not_to_contain_text("128")
    await tv.press("ArrowDown", "ArrowRight")
    await expect(tv.focused).to_contain_text("血压计")
    await tv.press("Enter")
    await expect(meter).to_contain_text("128/82mmHg")
    await expect(meter).to_contain_text(re.compile(r"脉搏 71 · 今天 \d\d:\d\d 测量"))
    await tv.press("Enter")
    await expect(meter).not_to_contain_text("128")


async def test_what_can_be_true_of_nobody_is_shown_and_doubted(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await my_home(tv)
    await tv.press("ArrowDown", "ArrowRight", "Enter")
    await tv.house.report("mqtt.bp_sys", value=999, quality="implausible")
    meter = tv.see(".thing", "血压计")
    await expect(meter).to_contain_text("999/82mmHg")
    await expect(meter).to_contain_text("这个数值不可信，请再量一次")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await tv.house.report("mqtt.bp_sys", value=131, quality="undated", reported_at=yesterday)
    # The other value is of another measurement: they do not make one blood pressure.
    await expect(meter).to_contain_text("131mmHg")
    await expect(meter).to_contain_text("收到，测量时间不明")


async def test_ok_shows_what_a_camera_saw_last(turn_on: TurnOn) -> None:
    tv = await turn_on()
    seen = msgspec.structs.replace(
        tv.house.entities["mqtt.soil"], id="mqtt.door cam", name="门口", device="mqtt.cam", unit="",
        device_name="门口摄像头", capability="camera", device_class="", value=None, available=True,
    )  # fmt: skip
    tv.house.entities[seen.id] = seen
    await tv.house.report(seen.id, value="image/png")
    await my_home(tv)
    await expect(tv.see(".thing", "门口摄像头")).to_contain_text("有画面")
    await tv.press("ArrowDown")
    await expect(tv.focused).to_contain_text("门口摄像头")
    await tv.press("Enter")
    picture = tv.see(".camera img")
    await expect(picture).to_have_js_property("naturalWidth", 16)
    before = await picture.get_attribute("src")
    assert before is not None
    await tv.house.report(seen.id, value="image/png")
    await expect(picture).not_to_have_attribute("src", before)
    await tv.press("Enter")
    await expect(picture).to_have_count(0)


async def test_a_missing_service_is_named_on_home(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.set_services(apps="failed")
    await tv.press("h")
    await expect(tv.see(".status")).to_contain_text("应用暂时不可用")


async def test_an_app_opens_in_its_frame_and_gives_back_to_nobody_but_us(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h", "ArrowDown", "ArrowDown", "Enter")
    frame = tv.page.frame_locator(".frame iframe")
    await expect(frame.locator("#said")).to_have_text("hello")
    assert await tv.see(".frame iframe").get_attribute("sandbox") == "allow-scripts"
    await tv.press("ArrowLeft")
    await expect(frame.locator("#said")).to_have_text("left")
    await tv.press("Enter")
    await expect(frame.locator("#said")).to_contain_text("2026-11-21")
    assert tv.house.calls == [("cn.example.party", "clock.now", {})]
    await tv.press("Escape")
    await expect(frame.locator("#said")).to_be_visible()
    await tv.press("Escape")
    await expect(tv.see(".frame")).to_have_count(0)
    await expect(tv.focused).to_contain_text("党员之家")


async def test_home_always_leaves_an_app(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h", "ArrowDown", "ArrowDown", "Enter")
    await expect(tv.see(".frame iframe.ready")).to_be_visible()
    await tv.house.press("home")
    await expect(tv.see(".frame")).to_have_count(0)


async def test_an_app_is_removed_only_after_a_second_yes(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("h", "ArrowDown", "ArrowDown", "m", "ArrowDown", "Enter")
    await expect(tv.see(".menu h1", "卸载“党员之家”？")).to_be_visible()
    await tv.press("Enter")
    assert len(tv.house.apps) == 4
    await tv.press("ArrowDown", "Enter", "ArrowDown", "Enter")
    await expect(tv.see(".home .app", "党员之家")).to_have_count(0)
    assert len(tv.house.apps) == 3


async def test_language_size_and_contrast_stay_chosen(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press("m", "Enter", "ArrowDown", "Enter", "ArrowDown", "Enter")
    await expect(tv.see(".menu h1")).to_have_text("Settings")
    await tv.page.reload()
    await tv.page.wait_for_selector(".banner")
    await expect(tv.see("html")).to_have_class("elder contrast")
    await expect(tv.see(".banner .live")).to_have_text("LIVE")
