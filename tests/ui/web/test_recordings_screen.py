"""What is kept and planned, driven by keys only."""

import pytest
from playwright.async_api import expect

from tests.ui.web.conftest import TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def test_each_recording_says_what_has_become_of_it_and_offers_what_can_be_done(turn_on: TurnOn) -> None:
    tv = await turn_on()
    kept = tv.house.watching.recordings
    await tv.press("h", "ArrowUp", *["ArrowRight"] * 4, "Enter")
    await expect(tv.see(".one-kept.f .name")).to_have_text(kept[0].title)
    states = [await each.inner_text() for each in await tv.see(".one-kept .state").all()]
    assert states == ["将录制", "正在录制", "已录好", "只录了一部分", "不会录制"]
    await tv.press("Enter")
    # The first focus is never on what takes something away.
    await expect(tv.see(".choice.f")).to_have_text("返回")
    await tv.press("ArrowDown")
    await expect(tv.see(".choice.f")).to_contain_text("取消录制")
    await tv.press("Enter")
    await expect(tv.see(".one-kept.f .name")).to_have_text(kept[1].title)
    assert [each.title for each in tv.house.watching.recordings] == [each.title for each in kept[1:]]


async def test_a_recording_goes_on_where_it_was_left(turn_on: TurnOn) -> None:
    tv = await turn_on()
    done = next(each for each in tv.house.watching.recordings if each.state == "done")
    await tv.press("h", "ArrowUp", *["ArrowRight"] * 4, "Enter")
    await expect(tv.see(".one-kept.f")).to_be_visible()
    await tv.press("ArrowDown", "ArrowDown", "Enter")
    await expect(tv.see(".choice.f")).to_contain_text("从第 25 分钟接着看")
    await tv.press("Enter")
    await expect(tv.see(".recordings")).to_have_count(0)
    await tv.until("document.querySelector('.banner .live.recording')")
    assert ("recording", {"recording": done.id, "from_start": False}) in tv.house.watching.asked


async def test_nothing_is_deleted_without_a_second_yes(turn_on: TurnOn) -> None:
    tv = await turn_on()
    before = len(tv.house.watching.recordings)
    await tv.press("h", "ArrowUp", *["ArrowRight"] * 4, "Enter")
    await expect(tv.see(".one-kept.f")).to_be_visible()
    await tv.press("ArrowDown", "ArrowDown", "Enter", "ArrowDown", "ArrowDown")
    await expect(tv.see(".choice.f.danger")).to_have_text("删除")
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .menu h1")).to_contain_text("删除“")
    await tv.press("Enter")
    assert len(tv.house.watching.recordings) == before
    await tv.press("Enter", "ArrowDown", "Enter")
    await expect(tv.see(".one-kept")).to_have_count(before - 1)
    assert len(tv.house.watching.recordings) == before - 1


async def test_a_list_that_cannot_be_read_is_not_called_empty(turn_on: TurnOn) -> None:
    tv = await turn_on()
    tv.house.watching.broken = True
    await tv.press("h", "ArrowUp", *["ArrowRight"] * 4, "Enter")
    await expect(tv.see(".recordings .none")).to_have_text(
        "盒子内部出错。重启盒子；如再出现，请把代码报给客服。"
    )
    tv.house.watching.broken = False
    await tv.press("Escape", "Enter")
    await expect(tv.see(".one-kept.f")).to_be_visible()


async def test_the_focus_stays_with_a_recording_when_another_goes(turn_on: TurnOn) -> None:
    tv = await turn_on()
    kept = tv.house.watching.recordings
    running = kept[1].title
    await tv.press("h", "ArrowUp", *["ArrowRight"] * 4, "Enter")
    await expect(tv.see(".one-kept.f")).to_be_visible()
    await tv.press("ArrowDown")
    await expect(tv.see(".one-kept.f .name")).to_have_text(running)
    tv.house.watching.recordings = kept[1:]
    await tv.press("Enter")
    await expect(tv.see(".layer:last-child .choice.f")).to_be_visible()
    offered = await tv.see(".layer:last-child .choice").all_inner_texts()
    await tv.press(*["ArrowDown"] * offered.index("停止录制"), "Enter")
    await expect(tv.see(".one-kept")).to_have_count(len(kept) - 1)
    await expect(tv.see(".one-kept.f .name")).to_have_text(running)
