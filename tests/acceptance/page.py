"""The page in Debian's Chromium, as a household meets it.

One rule: it is driven by keys only.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Frame, Locator, Page, async_playwright, expect

from tests.acceptance.pictures import COLUMNS, ROWS, Look

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--mute-audio",
]
PATIENCE_MS = 30_000
SHOTS = Path(__file__).parents[2] / "build" / "acceptance"

expect.set_options(timeout=PATIENCE_MS)

_LOOK = f"""() => {{
  const video = document.querySelector("#picture video");
  if (!video || video.readyState < 2 || !video.videoWidth) return null;
  const columns = {COLUMNS}, rows = {ROWS}, part = 10;
  const canvas = new OffscreenCanvas(columns * part, rows * part);
  const context = canvas.getContext("2d", {{ willReadFrequently: true }});
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const sums = new Array(columns * rows * 3).fill(0);
  for (let y = 0; y < canvas.height; y++) for (let x = 0; x < canvas.width; x++) {{
    const cell = (Math.floor(y / part) * columns + Math.floor(x / part)) * 3;
    for (let c = 0; c < 3; c++) sums[cell + c] += pixels[(y * canvas.width + x) * 4 + c];
  }}
  let mark = 0;
  for (const one of pixels) mark = (mark * 31 + one) % 2147483647;
  return {{ at_s: video.currentTime, mark, cells: sums.map((sum) => Math.round(sum / part / part)) }};
}}"""


@dataclass(frozen=True, slots=True)
class Moving:
    """A frame of the page's video element.

    Attributes:
        at_s: Position of the video.
        mark: Another one for other pixels.
        look: See `Look`.
    """

    at_s: float
    mark: int
    look: Look


@dataclass
class Screen:
    """The open page."""

    page: Page

    async def press(self, *keys: str) -> None:
        """Press keys of the laptop's keyboard, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)

    def see(self, selector: str, text: str | None = None) -> Locator:
        """Return what is at `selector`, of those the one with `text`."""
        return self.page.locator(selector, has_text=text) if text else self.page.locator(selector)

    @property
    def focused(self) -> Locator:
        """What has the focus."""
        return self.page.locator(".layer:last-child .f").last

    @property
    def app(self) -> Frame | None:
        """The app's own frame."""
        return next((frame for frame in self.page.frames if frame is not self.page.main_frame), None)

    async def fact(self, expression: str, within_s: float = PATIENCE_MS / 1000) -> Any:  # noqa: ANN401 - of JavaScript
        """Return the first true value of `expression`, looked at in every frame."""
        again = "found ? done(found) : requestAnimationFrame(look)"
        look = f"const look = () => {{ const found = {expression}; {again}; }};"
        async with asyncio.timeout(within_s):
            return await self.page.evaluate(f"new Promise((done) => {{ {look} look(); }})")

    async def picture(self, within_s: float = 60) -> Moving:
        """Return the moving picture when there is one."""
        found = await self.fact(f"({_LOOK})()", within_s)
        return Moving(found["at_s"], found["mark"], bytes(found["cells"]))

    async def keep(self, name: str) -> None:
        """Leave a picture of the page for whoever looks at failures."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"{name}.png")


@asynccontextmanager
async def opened(address: str, *, ready: str = ".layers") -> AsyncIterator[Screen]:
    """Open the page at `address` on a screen of 1280 by 720."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = await browser.new_page(
                viewport={"width": 1280, "height": 720}, locale="zh-CN", timezone_id="Asia/Shanghai"
            )
            page.set_default_timeout(PATIENCE_MS)
            await page.goto(address)
            await page.wait_for_selector(ready, state="attached")
            yield Screen(page)
        finally:
            await browser.close()
