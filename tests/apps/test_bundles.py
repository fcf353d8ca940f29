"""The four first-party apps, built, signed by nobody, opened in a real browser and driven by keys."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import ConsoleMessage, Page, async_playwright

from gateway.apps.bridge import Bridge, Capabilities, SensorReading
from gateway.apps.catalog import Catalog
from gateway.apps.host import AppHost, AppsConfig
from gateway.supervisor import Service
from gateway.trust.manifest import AppId
from headend import bundle

BUNDLES = Path(__file__).parents[2] / "bundles"
CHROMIUM = "/usr/bin/chromium"
NOW = datetime(2026, 11, 21, 11, 12, tzinfo=UTC)

PARENT = """\
<!doctype html><style>*{margin:0;border:0}iframe{width:1920px;height:1080px;display:block}</style>
<iframe sandbox="allow-scripts"></iframe>
<script>
const frame = document.querySelector("iframe"), { port1, port2 } = new MessageChannel(), waiting = new Map();
port1.onmessage = async ({ data: { id, method, params, result } }) => {
  if (!method) return waiting.get(id)(result.handled);
  try { port1.postMessage({ jsonrpc: "2.0", id, result: await relay(method, params) }); }
  catch (error) { port1.postMessage({ jsonrpc: "2.0", id, error: { message: String(error) } }); }
};
let asked = 0;
window.press = (key) => new Promise((yes) => {
  waiting.set(++asked, yes);
  port1.postMessage({ jsonrpc: "2.0", id: asked, method: "key", params: { key } });
});
const offer = { type: "gateway.port", version: 1, locale: "LOCALE" };
frame.onload = () => frame.contentWindow.postMessage(offer, "*", [port2]);
frame.src = "ENTRY";
</script>
"""

PAINTED = """\
() => new Promise((painted) => {
  let frames = 4;
  const next = () => (frames-- ? requestAnimationFrame(next) : setTimeout(painted, 150));
  next();
})
"""

Serve = Callable[[Service], AbstractAsyncContextManager[None]]


class Opened:
    """An app on the screen."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._folder = folder
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    async def press(self, *keys: str) -> bool:
        """Press keys one after the other; whether the app used the last one."""
        handled = False
        for key in keys:
            handled = await self.page.evaluate("(key) => press(key)", key)
        return handled

    async def text(self) -> str:
        return await self.page.frames[1].inner_text("body")

    async def wait_for(self, text: str) -> None:
        await self.page.frames[1].wait_for_function(
            "(text) => document.body.innerText.includes(text)", arg=text
        )

    async def focused(self) -> str:
        return await self.page.frames[1].inner_text(".gw-focus")

    async def picture(self, name: str) -> None:
        """Keep a screenshot beside the test's other files."""
        # The frame is a process of its own: a screenshot does not wait for what it has yet to paint.
        await self.page.frames[1].evaluate(PAINTED)
        await self.page.screenshot(path=self._folder / f"{name}.png", animations="disabled")


def meter() -> list[SensorReading]:
    return [
        SensorReading(
            entity=f"coap.bloodpressure.bp.{name}",
            name=title,
            device="血压计",
            device_class="",
            unit=unit,
            value=value,
            measured_at=NOW,
            available=True,
        )
        for name, title, unit, value in (
            ("systolic", "收缩压", "mmHg", 124),
            ("diastolic", "舒张压", "mmHg", 79),
            ("pulse", "脉搏", "bpm", 68),
        )
    ]


class Television:
    """Opens one of the first-party apps."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self._serve = serve
        self._folder = folder

    @asynccontextmanager
    async def showing(self, name: str, locale: str = "zh-CN") -> AsyncIterator[Opened]:
        archive = self._folder / f"{name}.zip"
        manifest = bundle.build(BUNDLES / name, archive)
        catalog = Catalog(self._folder / "apps")

        async def close(_app: AppId) -> None: ...

        can = Capabilities(sensors=meter, notices=lambda _app, _text: None, close=close, now=lambda: NOW)
        async with self._serve(catalog):
            await catalog.install(archive, manifest.id, manifest.version)
            entry = ""

            async def parent(_request: web.Request) -> web.Response:
                text = PARENT.replace("ENTRY", entry).replace("LOCALE", locale)
                return web.Response(text=text, content_type="text/html")

            application = web.Application()

            async def no_icon(_request: web.Request) -> web.Response:
                return web.Response(status=204)

            application.router.add_get("/", parent)
            application.router.add_get("/favicon.ico", no_icon)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            host = AppHost(catalog, AppsConfig(port=0), pages=[origin])
            bridge = Bridge(catalog, lambda: host.opened, can)

            async def relay(method: str, params: object) -> object:
                return await bridge.call(manifest.id, method, params)

            try:
                async with self._serve(host), async_playwright() as playwright:
                    entry = await host.open(manifest.id)
                    browser = await playwright.chromium.launch(
                        executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                    )
                    try:
                        page = await browser.new_page(
                            viewport={"width": 1920, "height": 1080}, timezone_id="Asia/Shanghai"
                        )
                        await page.expose_function("relay", relay)
                        opened = Opened(page, self._folder)
                        await page.goto(origin)
                        async with asyncio.timeout(30):
                            await page.frames[1].wait_for_selector(".gw-focus")
                        yield opened
                    finally:
                        await browser.close()
            finally:
                await runner.cleanup()


@pytest.fixture
def television(serve: Serve, tmp_path: Path) -> Television:
    return Television(serve, tmp_path)


SECTIONS = {"village-affairs": 4, "party-building": 4, "telemedicine": 4, "tv-shopping": 3}


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@pytest.mark.parametrize("name", SECTIONS)
async def test_every_screen_is_reached_and_left_by_keys_alone(
    television: Television, name: str, locale: str
) -> None:
    async with television.showing(name, locale) as app:
        for section in range(SECTIONS[name]):
            await app.press("right")
            await app.picture(f"{name}-{locale}-{section}-in")
            await app.press("ok")
            await app.picture(f"{name}-{locale}-{section}-ok")
            while await app.page.frames[1].query_selector(".gw-over"):
                await app.press("back")
            await app.press("back", "down")
        assert not await app.press("back")
        assert app.complaints == []


@pytest.mark.slow
async def test_blood_pressure_is_hidden_until_a_key_is_pressed(television: Television) -> None:
    async with television.showing("telemedicine") as app:
        await app.wait_for("按 OK 显示")
        assert "124" not in await app.text()
        await app.press("right", "ok")
        await app.wait_for("124")
        await app.press("ok")
        await app.wait_for("按 OK 显示")
        assert "124" not in await app.text()
        await app.press("ok")
        await app.wait_for("124")
        await app.press("back", "down", "up")
        assert "124" not in await app.text()


@pytest.mark.slow
async def test_the_box_adds_up_the_villages_ledger(television: Television) -> None:
    async with television.showing("village-affairs") as app:
        shown = await app.text()
        assert "待监委会会签" in shown
        assert "差 100.00 元，对不上" in shown
        assert shown.count("账目相符") == 2
        # An unsigned month does not open; a signed one shows its lines.
        await app.press("right", "ok")
        assert "清理河道工资" not in await app.text()
        await app.press("down", "ok")
        await app.wait_for("清理河道工资")
        assert "分文不差" in await app.text()


@pytest.mark.slow
async def test_a_shopping_list_is_kept_and_never_cleared_by_one_key(television: Television) -> None:
    async with television.showing("tv-shopping") as app:
        await app.press("right", "right", "ok", "up", "up", "ok")
        await app.press("back", "down")
        await app.wait_for("\u00d7 3")
    async with television.showing("tv-shopping") as app:
        await app.press("down")
        await app.wait_for("高山绿茶")
        await app.press("right", "down", "ok")
        assert "高山绿茶" in await app.text()
        await app.press("up", "down", "ok")
        assert "高山绿茶" in await app.text()
        await app.press("ok")
        await app.wait_for("购物单是空的")


@pytest.mark.slow
async def test_a_lesson_goes_on_where_it_was_left(television: Television) -> None:
    async with television.showing("party-building") as app:
        await app.press("down", "right", "ok", "right", "right")
        await app.wait_for("第 3 页")
        await app.press("back")
        await app.wait_for("已学完")
    async with television.showing("party-building") as app:
        await app.press("down")
        await app.wait_for("已学完")
