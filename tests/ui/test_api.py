import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import pytest_asyncio

from gateway.focus import Priority
from gateway.iot.entity import EntityId, State
from gateway.ui import views
from gateway.ui.server import UiConfig
from tests.ui.conftest import Box, lived_in
from tests.ui.living import HELLO, LAMP, NEWS, TEMPERATURE
from tests.ui.test_events import heard

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULE = {
    "when": {"entity": TEMPERATURE.id, "above": 25},
    "if": [{"entity": LAMP.id, "equals": False}],
    "do": [{"command": {"entity": LAMP.id, "value": True}}],
}


@pytest_asyncio.fixture(name="box", scope="module", loop_scope="module")
async def one_box_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Box]:
    """Each of these tests brings the house into the state it needs."""
    async with lived_in(tmp_path_factory.mktemp("box"), UiConfig(port=0)) as box:
        yield box


async def ask(box: Box, method: str, call: str, body: object = None, *, status: int = 200) -> Any:  # noqa: ANN401 - any document of the API
    """Return the answer's document."""
    async with box.client.request(method, box.at(call), json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None) if await answer.read() else None


async def test_support_sees_what_devices_said_that_was_not_taken(box: Box) -> None:
    before = await ask(box, "GET", "support/home")
    box.living.pictures.take(LAMP.id, b"no picture", datetime.now(UTC), encoded=False)
    after = await ask(box, "GET", "support/home")
    assert after["pictures"] == before["pictures"] + 1
    assert (after["refused"], after["floods"]) == ([], [])


async def test_the_line_up_is_in_operator_order(box: Box) -> None:
    listed = await ask(box, "GET", "channels")
    assert [(one["number"], one["name"]) for one in listed] == [(1, "新闻"), (2, "体育"), (12, "戏曲")]


async def test_the_guide_tells_what_overlaps(box: Box) -> None:
    evening = "guide?from=2026-01-31T20:00:00Z&to=2026-01-31T22:00:00%2B00:00&channel=news"
    assert [one["title"] for one in await ask(box, "GET", evening)] == ["新闻 20", "新闻 21"]
    assert len(await ask(box, "GET", evening.removesuffix("&channel=news"))) == 6
    assert await ask(box, "GET", "guide?from=2026-01-31T20:00:00Z&to=2026-01-31T20:00:00Z") == []
    assert await ask(box, "GET", evening.replace("news", "nothing")) == []


async def test_a_cameras_picture_is_only_ever_a_picture(box: Box) -> None:
    assert (await ask(box, "GET", f"entities/{LAMP.id}/image", status=404))["code"] == "UI-104"
    picture = b"\x89PNG\r\n\x1a\n" + b"<script>alert(1)</script>"
    box.living.pictures.take(LAMP.id, picture, datetime.now(UTC), encoded=False)
    async with box.client.get(box.at(f"entities/{LAMP.id}/image?at=now")) as answer:
        assert (answer.status, await answer.read()) == (200, picture)
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(box.at(f"entities/{LAMP.id}/image")) as refused,
    ):
        assert refused.status == 401
    box.living.pictures.forget(LAMP.id)


@pytest.mark.parametrize("time", ["2026-01-31", "2026-01-31T20:00:00", "today", "2026-02-31T20:00:00Z", ""])
async def test_a_time_must_be_one(box: Box, time: str) -> None:
    problem = await ask(box, "GET", f"guide?from={time}&to=2026-01-31T22:00:00Z", status=400)
    assert problem["problems"][0].startswith("from: ")


@pytest.mark.parametrize(
    "time", ["0000-01-01T00:00:00Z", "9999-12-31T23:59:60-23:59", "0001-01-01t00:00:00.123456789z"]
)
async def test_the_ends_of_the_calendar_are_times_too(box: Box, time: str) -> None:
    await ask(box, "GET", f"guide?from={time}&to={time}")


async def test_tuning_answers_at_once_and_the_state_follows(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        tuning = await ask(box, "POST", "tv/tune", {"number": 1}, status=202)
        assert (tuning["channel"], tuning["picture"]) == (NEWS.id, "tuning")
        while (told := (await heard(socket, "tv"))["tv"])["picture"] != "playing":
            pass
    tv = await ask(box, "GET", "tv")
    assert {**tv, "window": None} == {**told, "window": None}
    assert tv["number"] == 1
    assert tv["first_frame_ms"] is not None
    # Neither host nor ticket: the page may be open under any of the box's names.
    assert tv["stream"] == "/live/news/index.m3u8"
    await ask(box, "POST", "tv/stop", status=202)
    assert (await ask(box, "GET", "tv"))["channel"] is None


async def test_the_page_reports_its_picture(box: Box) -> None:
    tracks = [
        {"id": "a1", "kind": "audio", "language": "zh", "name": "普通话", "selected": True},
        {"id": "a2", "kind": "audio", "language": "en", "name": "English", "selected": False},
    ]
    async with box.client.ws_connect(box.at("events")) as socket:
        await ask(box, "POST", "tv/tune", {"channel": NEWS.id}, status=202)
        while (tv := (await heard(socket, "tv"))["tv"])["picture"] != "playing":
            pass
        report = {"stream_id": tv["stream_id"], "picture": "stalled", "tracks": tracks}
        await ask(box, "POST", "tv/picture", report, status=204)
        while (tv := (await heard(socket, "tv"))["tv"])["picture"] != "stalled":
            pass
        assert tv["tracks"] == tracks
        await ask(box, "POST", "tv/tracks", {"id": "a2"}, status=202)
        while [one["selected"] for one in (await heard(socket, "tv"))["tv"]["tracks"]] != [False, True]:
            pass
    stale = await ask(box, "POST", "tv/picture", {"stream_id": "old", "picture": "stalled"}, status=409)
    assert stale["code"] == "UI-112"
    assert (await ask(box, "POST", "tv/tracks", {"id": "none"}, status=404))["code"] == "TV-402"


async def test_health_needs_no_token(box: Box) -> None:
    async with aiohttp.ClientSession() as anyone, anyone.get(f"{box.root}/healthz") as answer:
        assert await answer.json() == {"status": "ok", "services": {"tv": "running", "ui": "running"}}
    box.living.keeper.become(tv="failed")
    async with box.client.get(f"{box.root}/healthz") as answer:
        assert (await answer.json())["status"] == "degraded"
    box.living.keeper.become(tv="running")


@pytest.mark.parametrize(
    ("value", "sure", "quality"),
    [(True, True, "good"), (True, False, "kept"), (None, True, "unknown"), (None, False, "unknown")],
)
async def test_what_was_only_kept_for_us_is_not_told_as_said(
    value: bool | None, sure: bool, quality: str
) -> None:
    state = State(LAMP, value, datetime.now(UTC), sure=sure)
    assert views.entity(state).quality == quality


async def test_the_home_is_devices_with_entities(box: Box) -> None:
    devices = await ask(box, "GET", "devices")
    assert [(one["name"], one["entities"]) for one in devices] == [
        ("客厅灯", [LAMP.id]),
        ("温度计", [TEMPERATURE.id]),
    ]
    entity = await ask(box, "GET", f"entities/{TEMPERATURE.id}")
    assert (entity["capability"], entity["unit"], entity["value"], entity["source"]) == (
        "sensor",
        "°C",
        21.5,
        "mqtt",
    )
    assert entity["quality"] == "good"
    assert len(await ask(box, "GET", "entities")) == 2
    assert (await ask(box, "GET", "entities/mqtt.nothing", status=404))["code"] == "UI-104"


async def test_what_was_reported_can_be_looked_up(box: Box) -> None:
    box.living.things.report(TEMPERATURE.id, 22.5)
    while (await ask(box, "GET", f"entities/{TEMPERATURE.id}"))["value"] != 22.5:
        pass
    now = datetime.now(UTC)
    span = urlencode(
        {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    )
    history = await ask(box, "GET", f"entities/{TEMPERATURE.id}/history?{span}")

    assert (history["id"], history["unit"], history["step_s"]) == (TEMPERATURE.id, "°C", 0)
    assert history["points"][-1]["value"] == 22.5
    assert "mean" not in history["points"][-1]
    nothing = await ask(box, "GET", f"entities/mqtt.nothing/history?{span}", status=404)
    assert nothing["code"] == "UI-104"
    wrong = {
        "": "UI-102",
        "?from=2026-01-01T00:00:00Z": "UI-102",
        "?from=x&to=2026-01-01T00:00:00Z": "UI-103",
    }
    for query, code in wrong.items():
        problem = await ask(box, "GET", f"entities/{TEMPERATURE.id}/history{query}", status=400)
        assert problem["code"] == code


async def test_a_command_is_confirmed_by_the_lamp_itself(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        sent = await ask(box, "POST", f"entities/{LAMP.id}/commands", {"value": True}, status=202)
        assert sent["state"] == "sent"
        while (await heard(socket, "command"))["command"]["state"] != "confirmed":
            pass
    assert (await ask(box, "GET", f"commands/{sent['id']}"))["state"] == "confirmed"
    assert (await ask(box, "GET", "commands"))[0]["id"] == sent["id"]
    assert (await ask(box, "GET", "commands/nothing", status=404))["code"] == "UI-104"


async def test_a_silent_lamp_never_counts_as_lit(box: Box) -> None:
    box.living.things.broken = True
    async with box.client.ws_connect(box.at("events")) as socket:
        await ask(box, "POST", f"entities/{LAMP.id}/commands", {"value": False}, status=202)
        while (told := (await heard(socket, "command"))["command"])["state"] == "sent":
            pass
    box.living.things.broken = False
    assert (told["state"], told["code"]) == ("expired", "IOT-207")


@pytest.mark.parametrize(
    ("entity", "value", "status", "code"),
    [
        ("mqtt.nothing", True, 404, "IOT-203"),
        (TEMPERATURE.id, 3, 409, "IOT-204"),
        (LAMP.id, "bright", 400, "IOT-205"),
        (LAMP.id, None, 400, "UI-103"),
        (LAMP.id, 2**60, 400, "UI-103"),
        (LAMP.id, "x" * 2000, 400, "UI-103"),
    ],
)
async def test_an_impossible_order_is_refused(
    box: Box, entity: str, value: object, status: int, code: str
) -> None:
    problem = await ask(box, "POST", f"entities/{entity}/commands", {"value": value}, status=status)
    assert problem["code"] == code


async def test_a_rule_is_kept_and_given_back_in_its_own_words(box: Box) -> None:
    kept = {"id": "hot", **RULE, "mode": "single"}
    assert await ask(box, "PUT", "rules/hot", RULE) == kept
    assert await ask(box, "GET", "rules") == [kept]
    await ask(box, "PUT", "rules/hot", {**RULE, "id": "hot", "mode": "queued"})
    assert (await ask(box, "GET", "rules"))[0]["mode"] == "queued"
    await ask(box, "DELETE", "rules/hot", status=204)
    assert await ask(box, "GET", "rules") == []
    assert (await ask(box, "DELETE", "rules/hot", status=404))["code"] == "IOT-402"


@pytest.mark.parametrize(
    ("rule", "status", "problem"),
    [
        ({**RULE, "when": {"entity": "x", "abve": 1}}, 400, "when.abve: is not a known key"),
        ({**RULE, "when": {"entity": "x"}}, 400, "when: exactly one of above, below, equals, changes"),
        ({**RULE, "do": []}, 400, "do: expected array of length >= 1"),
        ({**RULE, "do": [{}]}, 400, "do[0]: exactly one of command, notice, notify"),
        ({**RULE, "do": [{"scene": ""}]}, 400, "do[0].scene: expected str of length >= 1"),
        ({**RULE, "when": {"at": "25:00"}}, 400, "when.at: expected str matching"),
        ({**RULE, "when": {"at": "21:00", "key": "red"}}, 400, "when: exactly one of entity, at, sun, key"),
        ({**RULE, "do": [{"tune": {}}]}, 400, "do[0].tune: exactly one of number, channel"),
        ({**RULE, "if": [{"entity": "x", "changes": True}]}, 400, "if[0].changes: is not a known key"),
        ({**RULE, "id": "cold"}, 409, ""),
    ],
)
async def test_a_wrong_rule_is_named_to_the_place(box: Box, rule: object, status: int, problem: str) -> None:
    told = await ask(box, "PUT", "rules/hot", rule, status=status)
    assert "".join(told["problems"]).startswith(problem)
    assert await ask(box, "GET", "rules") == []


async def test_a_rule_may_ask_and_go_on_by_the_answer(box: Box) -> None:
    say = {"notify": {"text": {"zh": "好", "en": "good"}}}
    ask_twice = {"text": "hm?", "after_s": 5.0, "no": [say]}
    asking = {"text": "well?", "after_s": 60.0, "yes": [say], "otherwise": [{"ask": ask_twice}]}
    kept = {
        "when": {
            "quiet": ["tv.keys", "mqtt.door"],
            "for_s": 14_400.0,
            "between": {"from": "07:00", "to": "22:00"},
        },
        "if": [{"between": {"from": "07:00", "to": "22:00"}}],
        "do": [{"ask": asking}],
        "mode": "single",
    }
    assert await ask(box, "PUT", "rules/care", kept) == {"id": "care", **kept}


async def test_a_question_too_deep_is_refused_and_hurts_nobody(box: Box) -> None:
    ask_deeply: dict[str, Any] = {"scene": "end"}
    for _ in range(200):
        ask_deeply = {"ask": {"text": "hm?", "after_s": 5, "yes": [ask_deeply]}}
    told = await ask(box, "PUT", "rules/deep", {**RULE, "do": [ask_deeply]}, status=400)
    assert told["problems"] == ["do: is nested too deeply"]


async def test_a_scene_is_kept_activated_and_forgotten(box: Box) -> None:
    scene = {
        "name": {"zh": "晚上", "en": "Evening"},
        "do": [{"entity": LAMP.id, "value": True}, {"entity": "mqtt.gone", "value": 1}],
    }
    async with box.client.ws_connect(box.at("events")) as socket:
        assert (await heard(socket, "snapshot"))["scenes"] == []
        assert await ask(box, "PUT", "scenes/evening", scene) == {"id": "evening", **scene}
        assert (await heard(socket, "scenes"))["scenes"] == [{"id": "evening", **scene}]
        lamp, gone = await ask(box, "POST", "scenes/evening/activate")
        assert lamp["command"]["entity"] == LAMP.id
        assert (gone["command"], gone["code"]) == (None, "IOT-203")
    assert (await ask(box, "GET", "scenes/evening"))["id"] == "evening"
    await ask(box, "DELETE", "scenes/evening", status=204)
    assert (await ask(box, "POST", "scenes/evening/activate", status=404))["code"] == "IOT-404"


async def test_a_helper_becomes_a_part_of_the_home(box: Box) -> None:
    alarm = {"kind": "alarm", "name": "家里安防"}
    assert await ask(box, "PUT", "helpers/alarm", alarm) == {"id": "alarm", **alarm}
    assert await ask(box, "GET", "helpers") == [{"id": "alarm", **alarm}]
    known = {one["id"]: one for one in await ask(box, "GET", "entities")}
    assert known["home.alarm"]["choices"] == ["disarmed", "armed_home", "armed_away"]
    told = await ask(box, "POST", "entities/home.alarm/commands", {"value": "triggered"}, status=400)
    assert told["code"] == "IOT-205"
    await ask(box, "DELETE", "helpers/alarm", status=204)
    assert (await ask(box, "DELETE", "helpers/alarm", status=404))["code"] == "IOT-403"


async def test_a_question_is_asked_on_every_page_and_the_first_answer_counts(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        assert (await heard(socket, "snapshot"))["questions"] == []
        asking = asyncio.create_task(box.living.questions.ask({"en": "well?"}, 60), name="ask")
        (question,) = (await heard(socket, "questions"))["questions"]
        assert await ask(box, "GET", "questions") == [question]
        await ask(box, "POST", f"questions/{question['id']}/answer", {"yes": False}, status=204)
        assert (await heard(socket, "questions"))["questions"] == []
    assert await asking is False
    late = await ask(box, "POST", f"questions/{question['id']}/answer", {"yes": True}, status=404)
    assert late["code"] == "UI-301"
    assert await box.living.questions.ask({"en": "nobody?"}, 0.01) is None


async def test_a_message_is_there_for_a_phone_that_looks_later(box: Box) -> None:
    await box.living.messages.notify({"zh": "报警", "en": "alarm"})
    (message,) = await ask(box, "GET", "messages")
    assert message["text"] == {"zh": "报警", "en": "alarm"}


async def test_what_a_camera_sees_stands_beside_notices_messages_and_questions(box: Box) -> None:
    camera, told = EntityId("mqtt.door_cam"), {"en": "at the door"}
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        box.living.house.notices.put(told, camera=camera)
        assert (await heard(socket, "notice"))["notice"]["camera"] == camera
        await box.living.messages.notify(told, camera=camera)
        assert (await heard(socket, "notice"))["notice"]["camera"] == camera
        asking = asyncio.create_task(box.living.questions.ask(told, 60, camera=camera), name="ask")
        (question,) = (await heard(socket, "questions"))["questions"]
        assert question["camera"] == camera
        await ask(box, "POST", f"questions/{question['id']}/answer", {"yes": True}, status=204)
    assert await asking is True
    step = {"notice": {"text": "x", "camera": camera}}
    rule = {"when": {"key": "red"}, "do": [step, {"ask": {**step["notice"], "after_s": 5, "no": [step]}}]}
    kept = await ask(box, "PUT", "rules/door", rule)
    assert kept["do"] == rule["do"]
    refused = await ask(
        box, "PUT", "rules/door", rule | {"do": [{"notice": {"text": "x", "camera": ""}}]}, status=400
    )
    assert "camera" in json.dumps(refused)
    await ask(box, "DELETE", "rules/door", status=204)


async def test_an_app_is_opened_on_its_own_origin_and_has_the_screen(box: Box) -> None:
    (app,) = await ask(box, "GET", "apps")
    assert (app["id"], app["state"], app["name"]["zh-CN"]) == (HELLO, "installed", "你好")
    async with box.client.get(f"{box.root}{app['icon']}") as icon:
        assert icon.content_type == "image/svg+xml"
        assert "sandbox" in icon.headers["Content-Security-Policy"]
    (permission,) = await ask(box, "GET", f"apps/{HELLO}/permissions")
    assert (permission["name"], permission["sensitivity"]) == ("sensors", "sensitive")
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        entry = (await ask(box, "POST", f"apps/{HELLO}/open"))["entry"]
        assert (await heard(socket, "screen"))["screen"] == "app"
        assert entry.startswith(box.living.house.app_host.origins[0])
        assert (await ask(box, "GET", "apps"))[0]["state"] == "open"
        now = await ask(box, "POST", f"apps/{HELLO}/rpc", {"method": "clock.now"})
        assert "now" in now
        denied = await ask(box, "POST", f"apps/{HELLO}/rpc", {"method": "storage.keys"}, status=403)
        assert denied["code"] == "APP-301"
        async with box.living.focus.claim("alert", Priority.ALERT):
            assert (await heard(socket, "screen"))["screen"] == "alert"
        assert (await heard(socket, "screen"))["screen"] == "app"
        await ask(box, "POST", f"apps/{HELLO}/close", status=204)
        assert (await heard(socket, "screen"))["screen"] == "tv"
    closed = await ask(box, "POST", f"apps/{HELLO}/rpc", {"method": "clock.now"}, status=409)
    assert closed["code"] == "APP-202"
    for call in ("open", "close", "uninstall"):
        assert (await ask(box, "POST", f"apps/com.example.none/{call}", status=404))["code"] == "APP-201"


async def test_uninstalling_is_told_to_every_page(tmp_path: Path) -> None:
    async with lived_in(tmp_path, UiConfig(port=0)) as box, box.client.ws_connect(box.at("events")) as socket:
        assert [app["id"] for app in (await heard(socket, "snapshot"))["apps"]] == [HELLO]
        await ask(box, "POST", f"apps/{HELLO}/uninstall", status=204)
        assert (await heard(socket, "apps"))["apps"] == []


async def test_updates_are_looked_for_on_request(box: Box) -> None:
    await ask(box, "POST", "updates/check", status=202)
    (update,) = await ask(box, "GET", "updates")
    assert (update["kind"], update["id"], update["installed"]) == ("app", HELLO, "1.0.0")


async def test_live_media_come_with_the_ticket_or_the_token(box: Box) -> None:
    async with aiohttp.ClientSession() as player:
        async with player.get(f"{box.root}/live/news/index.m3u8?ticket=secret") as answer:
            assert answer.content_type == "application/vnd.apple.mpegurl"
            assert "1.ts?ticket=secret" in await answer.text()
        async with player.get(f"{box.root}/live/news.ts?ticket=secret") as answer:
            assert answer.content_type == "video/mp2t"
            assert (await answer.content.readexactly(188))[0] == 0x47
        async with player.get(f"{box.root}/live/news/index.m3u8") as answer:
            assert answer.status == 401
    for path, code in (("none.ts", "TV-208"), ("news/none.ts", "TV-209"), ("news", "UI-104")):
        async with box.client.get(f"{box.root}/live/{path}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, code)


async def test_the_past_is_asked_for_by_its_instant(box: Box) -> None:
    at = {"at": "2026-03-01T19:30:00+08:00"}
    async with box.client.get(f"{box.root}/live/news.ts", params=at) as answer:
        assert (await answer.content.readexactly(188))[1:].rstrip() == b"2026-03-01T11:30:00+00:00"
    async with box.client.get(f"{box.root}/live/news/index.m3u8", params=at | {"ticket": "t"}) as answer:
        assert await answer.text() == "#EXTM3U\npast-11.m3u8?ticket=t\n"
    async with box.client.get(f"{box.root}/live/news/past-11.m3u8") as answer:
        assert await answer.text() == "#EXTM3U\npast-11.m3u8?\n"
    async with box.client.get(f"{box.root}/live/news.ts", params={"at": "yesterday"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "UI-103")
