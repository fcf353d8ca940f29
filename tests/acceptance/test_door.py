"""Somebody rings: the picture goes on, and beside the words is what the camera at the door sees."""

import asyncio
import json
from asyncio.subprocess import PIPE
from typing import Any

import pytest
from playwright.async_api import expect

from tests.acceptance.box import LAMP, Box
from tests.acceptance.page import Screen, opened
from tests.acceptance.started import Demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CAMERA, BELL = "mqtt.door_camera", "mqtt.door_bell"
DEVICE = {"identifiers": ["door"], "name": "门口"}
RINGS = {"entity": BELL, "equals": True}
ANSWER_S = 20
SETTLED = "new Promise((done) => setTimeout(() => done(true), 1100))"
"""The page takes no answer in the first second of a question."""
STILL = """Promise.all(document.getAnimations()
  .filter((each) => each.effect.getTiming().iterations === 1).map((each) => each.finished))"""


async def publish(demo: Demo, topic: str, payload: bytes, *more: str) -> None:
    """Say something at the box's broker with mosquitto's own client."""
    secret = (demo.state / "broker/accounts/gateway").read_text().strip()
    port = str(demo.configuration["broker"]["port"])
    argv = ["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-u", "gateway", "-P", secret, "-q", "1", *more]
    client = await asyncio.create_subprocess_exec(*argv, "-t", topic, "-s", stdin=PIPE)
    async with asyncio.timeout(ANSWER_S):
        await client.communicate(payload)
    assert client.returncode == 0


async def announce(demo: Demo, component: str, name: str, document: dict[str, Any]) -> None:
    said = {"unique_id": name, "object_id": name, "device": DEVICE, **document}
    await publish(demo, f"homeassistant/{component}/{name}/config", json.dumps(said).encode(), "-r")


async def ring(demo: Demo, screen: Screen) -> None:
    """The camera sees something, and somebody rings."""
    await screen.picture()
    seen = await screen.page.screenshot(type="jpeg", clip={"x": 640, "y": 100, "width": 640, "height": 360})
    await publish(demo, "door/camera", seen)
    await publish(demo, "door/bell", b"OFF")
    await publish(demo, "door/bell", b"ON")


async def rule(box: Box, name: str, step: dict[str, Any]) -> None:
    answer = await box.call("PUT", f"rules/{name}", {"when": RINGS, "do": [step]})
    assert answer.status == 200, answer


@pytest.fixture
async def door(demo: Demo, box: Box) -> Demo:
    await announce(demo, "camera", "door_camera", {"name": "摄像头", "topic": "door/camera"})
    await announce(demo, "binary_sensor", "door_bell", {"name": "门铃", "state_topic": "door/bell"})
    await box.entity(CAMERA, lambda one: one["capability"] == "camera")
    await box.entity(BELL, lambda one: one["capability"] == "binary_sensor")
    return demo


async def test_who_rings_is_seen_beside_the_picture_that_goes_on(door: Demo, box: Box) -> None:
    await rule(
        box, "bell", {"notice": {"text": {"zh": "有人按门铃", "en": "The doorbell"}, "camera": CAMERA}}
    )
    try:
        async with opened(door.page) as screen:
            await ring(door, screen)
            await expect(screen.see(".pill")).to_contain_text("有人按门铃")
            await expect(screen.see(".seen img")).to_have_js_property("naturalWidth", 640)
            await expect(screen.see(".seen")).to_contain_text("刚刚")
            await screen.page.evaluate(STILL)
            await screen.keep("door-notice")
            await expect(screen.see(".seen")).to_have_count(0, timeout=30_000)
        tv = await box.get("tv")
        assert (tv["picture"], tv["paused"]) == ("playing", False)
    finally:
        await box.call("DELETE", "rules/bell")


async def test_the_door_is_opened_by_an_answer_to_what_is_seen(door: Demo, box: Box) -> None:
    opens = {"command": {"entity": LAMP, "value": True}}
    text = {"zh": "有人在门口，要开灯吗？", "en": "Somebody is at the door. Switch the light on?"}
    await rule(box, "door", {"ask": {"text": text, "camera": CAMERA, "after_s": 60, "yes": [opens]}})
    assert (await box.end_of(await box.order(LAMP, False), ANSWER_S))["state"] == "confirmed"
    try:
        async with opened(door.page) as screen:
            await ring(door, screen)
            await expect(screen.see(".question .seen img")).to_have_js_property("naturalWidth", 640)
            await screen.page.evaluate(STILL)
            await screen.keep("door-question")
            assert await screen.page.evaluate(SETTLED)
            await screen.press("Enter")
            await box.entity(LAMP, lambda lamp: lamp["value"] is True)
            await expect(screen.see(".question")).to_have_count(0)
    finally:
        await box.call("DELETE", "rules/door")
