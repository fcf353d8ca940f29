"""The home of the demo: a lamp, a thermometer, both worlds, a rule, and what the page says of them."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests.acceptance.box import LAMP, TEMPERATURE, Box
from tests.acceptance.page import Screen, opened
from tests.acceptance.started import Demo, started, udp_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TO_THINGS = ("h", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight", "Enter")
ANSWER_S = 20


async def coap(method: str, address: str, payload: str = "", *more: str) -> str:
    """Ask with libcoap's own client; return what it printed."""
    argv = ["coap-client-notls", "-B", "10", "-m", method, *more]
    argv += ["-t", "text/plain", "-e", payload] if payload else []
    client = await asyncio.create_subprocess_exec(*argv, address, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(ANSWER_S):
        said, _ = await client.communicate()
    return said.decode(errors="replace")


async def heat(demo: Demo, degrees: float) -> None:
    """Make the thermometer measure `degrees`."""
    port = udp_port(demo.children["thermometer"])
    said = await coap("put", f"coap://127.0.0.1:{port}/demo/temperature", str(degrees))
    assert "4." not in said, said


@asynccontextmanager
async def subscriber(demo: Demo, topic: str) -> AsyncIterator[asyncio.Queue[str]]:
    """Listen on the box's broker with mosquitto's own client."""
    secret = (demo.state / "broker/accounts/gateway").read_text().strip()
    port = demo.configuration["broker"]["port"]
    argv = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-u", "gateway", "-P", secret]
    client = await asyncio.create_subprocess_exec(*argv, "-v", "-t", topic, stdout=PIPE)
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def read() -> None:
        assert client.stdout
        async for line in client.stdout:
            heard.put_nowait(line.decode().strip())

    reading = asyncio.create_task(read(), name="mosquitto_sub")
    try:
        yield heard
    finally:
        client.terminate()
        await client.wait()
        await reading


async def switch(box: Box, value: bool) -> None:
    """Switch the lamp and wait for its word."""
    command = await box.end_of(await box.order(LAMP, value), ANSWER_S)
    assert command["state"] == "confirmed", command


async def my_home(screen: Screen) -> None:
    """Walk to the home's devices, and there to the lamp."""
    await screen.press(*TO_THINGS)
    await expect(screen.see(".thing", "客厅灯")).to_be_visible()
    await expect(screen.focused).to_have_class(re.compile("thing"))
    for _ in range(await screen.see(".thing").count()):
        here = await screen.focused.inner_text()
        if "客厅灯" in here:
            return
        await screen.press("ArrowRight")
        await expect(screen.focused).not_to_have_text(here, use_inner_text=True)
    raise AssertionError("the lamp cannot be reached")


async def test_the_lamps_own_report_confirms_the_command_and_the_page_shows_it(demo: Demo, box: Box) -> None:
    await box.entity(LAMP, lambda lamp: lamp["available"])
    await switch(box, False)
    async with opened(demo.page) as screen:
        await my_home(screen)
        await expect(screen.focused.locator(".value")).to_have_text("关")
        await screen.press("Enter")
        await expect(screen.focused.locator(".value")).to_have_text("开")
        await screen.keep("lamp-on")
    lamp = await box.entity(LAMP, lambda lamp: lamp["value"] is True)
    assert lamp["available"]


async def test_a_stopped_lamp_lets_the_command_expire_and_the_page_says_so(demo: Demo, box: Box) -> None:
    await switch(box, False)
    pid = demo.children["lamp"]
    os.kill(pid, signal.SIGSTOP)
    try:
        async with opened(demo.page) as screen:
            await my_home(screen)
            await screen.press("Enter")
            await expect(screen.focused.locator(".told")).to_have_text("发送中…")
            await expect(screen.focused.locator(".told")).to_have_text("未收到客厅灯的回应，按 OK 重试")
            await expect(screen.focused.locator(".value")).to_have_text("关")
            await screen.keep("lamp-silent")
            newest = (await box.get("commands"))[0]
            assert (newest["entity"], newest["state"], newest["code"]) == (LAMP, "expired", "IOT-207")
            # Before it wakes: it still finds the first order then, and OK on a lit lamp puts it out.
            await screen.press("Enter")
            await expect(screen.focused.locator(".told")).to_have_text("发送中…")
            os.kill(pid, signal.SIGCONT)
            await expect(screen.focused.locator(".value")).to_have_text("开")
    finally:
        os.kill(pid, signal.SIGCONT)
    await switch(box, False)


async def test_a_change_of_the_coap_thermometer_reaches_mqtt_and_the_page(demo: Demo, box: Box) -> None:
    await box.entity(TEMPERATURE, lambda one: one["available"])
    async with subscriber(demo, "gateway/demo/#") as heard, opened(demo.page) as screen:
        await my_home(screen)
        await heat(demo, 21.37)
        async with asyncio.timeout(ANSWER_S):
            while "21.37" not in (line := await heard.get()):
                pass
        assert "thermometer" in line
        await expect(screen.see(".thing", "客厅温度计")).to_contain_text("21.4")
        await screen.keep("thermometer")


async def test_over_the_threshold_the_rule_turns_the_lamp_on(demo: Demo, box: Box) -> None:
    await heat(demo, 21.0)
    await box.entity(TEMPERATURE, lambda one: one["value"] < 26)
    await switch(box, False)
    await heat(demo, 27.9)
    await box.entity(LAMP, lambda lamp: lamp["value"] is True)
    await heat(demo, 21.0)
    assert [rule["id"] for rule in await box.get("rules")] == ["hot"]


async def test_the_mqtt_lamp_is_switched_through_coap(demo: Demo, box: Box) -> None:
    await switch(box, False)
    port = demo.configuration["iot"]["coap"]["port"]
    lamp = f"coap://127.0.0.1:{port}/e/{LAMP}"
    assert f"/e/{LAMP}" in await coap("get", f"coap://127.0.0.1:{port}/.well-known/core", "", "-b", "64")
    said = await coap("put", lamp, "1")
    assert "4." not in said, said
    assert "5." not in said, said
    await box.entity(LAMP, lambda one: one["value"] is True)


async def test_a_lamp_that_went_away_is_said_to_be_away_until_it_is_back(demo: Demo, box: Box) -> None:
    """Killed, not stopped: the broker tells its last will."""
    await switch(box, False)
    async with opened(demo.page) as screen:
        await my_home(screen)
        os.kill(demo.children["lamp"], signal.SIGKILL)
        await box.entity(LAMP, lambda lamp: not lamp["available"])
        await expect(screen.see(".thing.gone", "客厅灯")).to_contain_text("没有联系上")
        # It moved behind the others, and OK must still mean the lamp.
        await expect(screen.focused).to_contain_text("客厅灯")
        await screen.keep("lamp-gone")
    assert (await box.end_of(await box.order(LAMP, True), ANSWER_S))["state"] in ("expired", "failed")
    lamp = [sys.executable, "-m", "headend.demo.devices", "lamp"]
    lamp += ["--port", str(demo.configuration["broker"]["port"])]
    lamp += ["--password-file", str(demo.state / "broker/accounts/lamp")]
    with started(lamp, demo.state / "demo/lamp.log"):
        await box.entity(LAMP, lambda lamp: lamp["available"])
        await switch(box, True)
