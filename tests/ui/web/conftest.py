"""A browser on a fake house, signed in, with every complaint of the page kept."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.ui.web import fake_material
from tests.ui.web.fake_house import FakeHouse

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
QUIET = re.compile(r"Failed to load resource|WebSocket connection")
PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Television:
    """The page on a screen of 1920 x 1080, and the house behind it."""

    house: FakeHouse
    page: Page
    address: str
    complaints: list[str]

    async def press(self, *keys: str) -> None:
        """Press keys of the laptop's keyboard, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)

    def see(self, selector: str, text: str | re.Pattern[str] | None = None) -> Locator:
        """Return what is at `selector`, of those the one with `text`."""
        return self.page.locator(selector, has_text=text) if text else self.page.locator(selector)

    @property
    def focused(self) -> Locator:
        """What has the focus: on the screen and for a screen reader."""
        return self.page.locator(".layer:last-child .f").last

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any value of JavaScript
        """Return the value of JavaScript in the page."""
        return await self.page.evaluate(expression)

    async def until(self, fact: str) -> None:
        """Wait until JavaScript says so; looked at in every frame, which the page's policy allows."""
        look = f"const look = () => ({fact}) ? done() : requestAnimationFrame(look); look();"
        async with asyncio.timeout(PATIENCE_MS / 1000):
            await self.page.evaluate(f"new Promise((done) => {{ {look} }})")


TurnOn = Callable[..., Awaitable[Television]]


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments of four moving pictures."""
    folder = tmp_path_factory.mktemp("material")
    fake_material.make(folder)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests with a browser share one, and so a loop: starting Chromium costs more than most."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a window; each page has storage of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def turn_on(browser: Browser, material: Path) -> AsyncIterator[TurnOn]:
    """Open the page on a house; at the end the page must not have complained."""
    shown: list[Television] = []
    async with AsyncExitStack() as stack:

        async def turn_on(
            house: FakeHouse | None = None, *, ready: str = ".banner", **wishes: object
        ) -> Television:
            house = house or FakeHouse(material)
            address = await stack.enter_async_context(house.open())
            page = await browser.new_page(
                viewport={"width": 1920, "height": 1080}, timezone_id="Asia/Shanghai", locale="zh-CN"
            )
            page.set_default_timeout(PATIENCE_MS)
            television = Television(house, page, address, [])
            shown.append(television)
            page.on("pageerror", lambda error: television.complaints.append(str(error)))
            page.on("console", lambda said: _keep(television, said.type, said.text))
            if wishes:
                wishes = {"language": "zh", "elder": False, "contrast": False, **wishes}
                kept = json.dumps(json.dumps(wishes))
                keep = f"localStorage.setItem('gateway.preferences', {kept})"
                # A sandboxed frame has no origin and no storage.
                await page.add_init_script(f"if (origin !== 'null') {keep}")
            await page.goto(address)
            await page.wait_for_selector(ready)
            return television

        yield turn_on
        for television in shown:
            await television.page.close()
    assert [complaint for television in shown for complaint in television.complaints] == []


def _keep(television: Television, kind: str, text: str) -> None:
    if kind == "error" and not QUIET.search(text):
        television.complaints.append(text)
