"""What the house asks on the screen, and the scenes of the home, driven by keys only."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import expect

from gateway.ui import documents as doc
from gateway.ui import documents_events as news
from gateway.ui import documents_rules as rules_doc
from tests.ui.web.conftest import Television, TurnOn
from tests.ui.web.fake_house import FakeHouse
from tests.ui.web.test_home import TO_THINGS
from tests.ui.web.test_screenshots import MODES, shoot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOOR = "mqtt.door cam"
SETTLED = "new Promise((done) => setTimeout(() => done(true), 1100))"
"""The page takes no answer in the first second of a question."""


def question(name: str, zh: str, en: str) -> doc.Question:
    return doc.Question(
        id=name, text={"zh": zh, "en": en}, expires_at=datetime.now(UTC) + timedelta(minutes=10)
    )


WELL = question("well", "您好，一切都好吗？", "Hello, is everything all right?")
TEA = question("tea", "要开水壶吗？", "Shall the kettle be switched on?")
LEAVE = rules_doc.Scene(
    id="leave",
    name={"zh": "离家", "en": "Leave"},
    do=[rules_doc.RuleCommand(entity="home.alarm_leaving", value=True)],
)
DISARM = rules_doc.Scene(
    id="disarm", name="撤防", do=[rules_doc.RuleCommand(entity="mqtt.lamp", value=False)]
)


async def settle(tv: Television) -> None:
    await expect(tv.see(".question")).to_be_visible()
    assert await tv.evaluate(SETTLED)


@pytest.mark.parametrize("mode", MODES)
async def test_a_question_is_large_and_whole(turn_on: TurnOn, mode: str) -> None:
    tv = await turn_on(**MODES[mode])
    await tv.house.ask(WELL)
    await expect(tv.see(".question .what")).to_be_visible()
    await shoot(tv, f"question-{mode}")


async def test_ok_is_yes_and_back_is_no(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.press(*TO_THINGS)
    await expect(tv.see(".things")).to_be_visible()
    await tv.house.ask(WELL, TEA)
    await expect(tv.see(".question .what")).to_have_text("您好，一切都好吗？")
    await settle(tv)
    await tv.press("Enter")
    await expect(tv.see(".question .what")).to_have_text("要开水壶吗？")
    await settle(tv)
    await tv.press("Escape")
    await expect(tv.see(".question")).to_have_count(0)
    await expect(tv.see(".things")).to_be_visible()
    assert tv.house.answers == [("well", True), ("tea", False)]


async def test_a_key_that_was_on_its_way_when_the_question_came_is_no_answer(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.ask(WELL)
    await expect(tv.see(".question")).to_be_visible()
    await tv.press("Enter")
    await expect(tv.see(".question")).to_be_visible()
    assert tv.house.answers == []


async def test_a_question_goes_when_its_time_is_over(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await tv.house.ask(WELL)
    await expect(tv.see(".question")).to_be_visible()
    await tv.house.ask()
    await expect(tv.see(".question")).to_have_count(0)
    assert tv.house.answers == []


async def test_a_page_that_comes_later_asks_too(turn_on: TurnOn, material: Path) -> None:
    house = FakeHouse(material)
    house.questions = {WELL.id: WELL}
    tv = await turn_on(house)
    await expect(tv.see(".question .what")).to_have_text("您好，一切都好吗？")


async def see_the_door(tv: Television) -> None:
    tv.house.entities[DOOR] = msgspec.structs.replace(
        tv.house.entities["mqtt.soil"], id=DOOR, name="门口", device="mqtt.cam", unit="",
        device_name="门口摄像头", capability="camera", device_class="", value=None, available=True,
    )  # fmt: skip
    await tv.house.report(DOOR, value="image/png")


def at_the_door(camera: str, *, urgent: bool = False) -> news.NoticeEvent:
    text = {"zh": "有人按门铃", "en": "Somebody is at the door"}
    return news.NoticeEvent(notice=doc.Notice(text=text, code=None, at=NOW, camera=camera, urgent=urgent))


def saying(words: str) -> news.NoticeEvent:
    return news.NoticeEvent(notice=doc.Notice(text={"zh": words, "en": words}, code=None, at=NOW))


@pytest.mark.parametrize("mode", MODES)
async def test_who_is_at_the_door_is_seen_beside_the_words(turn_on: TurnOn, mode: str) -> None:
    tv = await turn_on(**MODES[mode])
    await see_the_door(tv)
    await tv.house.tell(at_the_door(DOOR))
    await expect(tv.see(".pill")).to_be_visible()
    picture = tv.see(".seen img")
    await expect(picture).to_have_js_property("naturalWidth", 16)
    await shoot(tv, f"door-{mode}")
    before = await picture.get_attribute("src")
    assert before is not None
    await tv.house.report(DOOR, value="image/png")
    await expect(picture).not_to_have_attribute("src", before)
    await tv.house.report(DOOR, available=False, reported_at=NOW)
    await expect(tv.see(".seen")).to_contain_text("Cannot be reached" if mode == "english" else "没有联系上")
    asked = question("door", "有人在门口，要开门吗？", "Somebody is at the door. Open it?")
    await tv.house.ask(msgspec.structs.replace(asked, camera=DOOR))
    await expect(tv.see(".question .seen img")).to_have_js_property("naturalWidth", 16)
    await expect(tv.see(".hud .seen")).to_be_hidden()
    await shoot(tv, f"door-question-{mode}")
    for length in (60, 200):
        words = "有人在门口，要开门吗？" * 20, "Somebody is at the door. Open it? " * 8
        asked = question("door", *(each[:length] for each in words))
        await tv.house.ask(msgspec.structs.replace(asked, camera=DOOR))
        await shoot(tv, f"door-question-{length}-{mode}")
    await tv.house.ask(WELL)
    await expect(tv.see(".question .what")).to_contain_text("Hello" if mode == "english" else "您好")
    await expect(tv.see(".hud .seen")).to_be_visible()
    await shoot(tv, f"door-behind-question-{mode}")


async def test_who_rings_five_times_is_told_of_once(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await see_the_door(tv)
    for _ in range(5):
        await tv.house.tell(at_the_door(DOOR))
    await expect(tv.see(".seen")).to_be_visible()
    await tv.house.tell(saying("牛奶到了"))
    # Twenty seconds for all rings together.
    await expect(tv.see(".pill")).to_contain_text("牛奶到了", timeout=25_000)
    await expect(tv.see(".seen")).to_have_count(0)


async def test_a_ring_that_becomes_urgent_does_not_keep_its_place_behind_others(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await see_the_door(tv)
    await tv.house.tell(saying("牛奶到了"))
    await tv.house.tell(saying("报纸到了"))
    await tv.house.tell(at_the_door(DOOR))
    await expect(tv.see(".pill")).to_contain_text("牛奶到了")
    await tv.house.tell(at_the_door(DOOR, urgent=True))
    await expect(tv.see(".pill")).to_contain_text("有人按门铃", timeout=3_000)
    await expect(tv.see(".seen")).to_be_visible()


async def test_a_camera_that_showed_nothing_or_is_not_there_is_not_seen(turn_on: TurnOn) -> None:
    tv = await turn_on()
    await see_the_door(tv)
    await tv.house.report(DOOR, value=None)
    for camera in (DOOR, "mqtt.gone", "mqtt.lamp"):
        await tv.house.tell(at_the_door(camera))
        await expect(tv.see(".pill")).to_contain_text("有人按门铃")
        await expect(tv.see(".seen")).to_have_count(0)


@pytest.mark.parametrize("mode", MODES)
async def test_a_scene_is_sent_and_what_was_not_taken_is_said(
    turn_on: TurnOn, material: Path, mode: str
) -> None:
    house = FakeHouse(material)
    house.scenes = [LEAVE, DISARM]
    tv = await turn_on(house, **MODES[mode])
    await tv.press(*TO_THINGS)
    await expect(tv.see(".things")).to_be_visible()
    await shoot(tv, f"things-with-scenes-{mode}")
    await tv.press("m")
    await expect(tv.focused).to_contain_text("Leave" if mode == "english" else "离家")
    await shoot(tv, f"scenes-{mode}")
    await tv.press("Enter")
    await expect(tv.see(".pill")).to_contain_text("did not take it" if mode == "english" else "没有接受")
    assert house.activated == ["leave"]


async def test_an_urgent_notice_does_not_wait_behind_others(turn_on: TurnOn) -> None:
    tv = await turn_on()
    pill = tv.see(".pill")
    for n in range(6):
        failed = doc.Command(
            id=f"c{n}",
            entity="mqtt.lamp",
            value=True,
            state="failed",
            code="IOT-201",
            created_at=NOW,
            changed_at=NOW,
            expires_at=NOW,
        )
        await tv.house.tell(news.CommandEvent(command=failed))
    await expect(pill).to_contain_text("IOT-201")
    for text, urgent in (("门铃响了", False), ("门铃又响了", False), ("家里安防报警", True)):
        await tv.house.tell(
            news.NoticeEvent(
                notice=doc.Notice(text={"zh": text, "en": text}, code=None, at=NOW, urgent=urgent)
            )
        )
    await expect(pill).to_contain_text("家里安防报警", timeout=3000)
