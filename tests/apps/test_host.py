import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web as aioweb
from playwright.async_api import async_playwright

from gateway.apps.bridge import Bridge, Capabilities
from gateway.apps.catalog import Catalog
from gateway.apps.errors import HostError, UnknownAppError
from gateway.apps.host import AppHost, AppsConfig
from gateway.supervisor import Service
from gateway.trust.manifest import AppId

HELLO = AppId("com.example.hello")
HOSTILE = Path(__file__).parent / "hostile" / "app.js"
CHROMIUM = "/usr/bin/chromium"

PARENT = """\
<!doctype html><title>the box's page</title><iframe sandbox="allow-scripts"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = async ({ data: { id, method, params } }) => {
    if (!method) { window.answered = true; return; }
    const answer = { jsonrpc: "2.0", id };
    try { answer.result = await relay(method, params); }
    catch (error) { answer.error = { code: -32000, message: String(error) }; }
    port1.postMessage(answer);
  };
  window.port = port1;
  frame.contentWindow.postMessage({ type: "gateway.port", version: 1, locale: "en" }, "*", [port2]);
};
frame.src = ENTRY;
</script>
"""

Serve = Callable[[Service], AbstractAsyncContextManager[None]]
Put = Callable[..., Awaitable[None]]


@pytest.fixture
def host(catalog: Catalog) -> AppHost:
    return AppHost(catalog, AppsConfig(port=0), pages=["http://127.0.0.1:1"])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Page:
    """The box's page and API, as far as an app could misuse them: it writes down who comes.

    Attributes:
        visits: Path of every request.
        entry: Address of the app's page, set before the page is opened.
    """

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.entry = ""
        self.origin = ""
        self.policy = ""

    async def run(self, ready: Callable[[], None]) -> None:
        application = aioweb.Application()
        application.router.add_route("*", "/{tail:.*}", self._answer)
        runner = aioweb.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await aioweb.TCPSite(runner, "127.0.0.1", 0).start()
            self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _answer(self, request: aioweb.Request) -> aioweb.Response:
        if request.path == "/":
            text = PARENT.replace("ENTRY", f'"{self.entry}"')
            headers = {"Content-Security-Policy": self.policy}
            return aioweb.Response(text=text, content_type="text/html", headers=headers)
        self.visits.append(request.path)
        # As careless as can be: if a request arrives at all, the app may read the answer.
        return aioweb.Response(text="{}", headers={"Access-Control-Allow-Origin": "*"})


def harmless() -> Capabilities:
    async def close(_app: AppId) -> None: ...

    return Capabilities(sensors=list, notices=lambda _app, _text: None, close=close)


async def test_an_open_app_is_served_with_a_policy_that_lets_it_speak_to_nobody(
    serve: Serve,
    put: Put,
    catalog: Catalog,
    host: AppHost,
    session: aiohttp.ClientSession,
) -> None:
    async with serve(catalog), serve(host):
        await put("1.0.0")
        address = await host.open(HELLO)
        assert host.opened == {HELLO}
        async with session.get(address) as answer:
            assert answer.status == 200
            policy = answer.headers["Content-Security-Policy"]
            assert "sandbox allow-scripts;" in policy
            assert "connect-src 'none'" in policy
            assert "frame-ancestors http://127.0.0.1:1" in policy
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert "Set-Cookie" not in answer.headers
        base = address.removesuffix("index.html")
        async with session.get(base + "gateway-sdk.js") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/javascript"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "{base}index.html", 405),
        ("PUT", "{base}index.html", 405),
        ("HEAD", "{base}index.html", 200),
        ("GET", "{base}manifest.yaml", 404),
        ("GET", "{base}../current.json", 404),
        ("GET", "{base}..%2fcurrent.json", 404),
        ("GET", "{base}", 404),
        ("GET", "/", 404),
        ("GET", "/guess/index.html", 404),
        ("GET", "/com.example.hello/index.html", 404),
    ],
)
async def test_only_the_files_of_an_opening_can_be_read(
    serve: Serve,
    put: Put,
    catalog: Catalog,
    host: AppHost,
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    status: int,
) -> None:
    async with serve(catalog), serve(host):
        await put("1.0.0")
        base = (await host.open(HELLO)).removesuffix("index.html").removeprefix(host.origin)
        async with session.request(method, host.origin + path.format(base=base)) as answer:
            assert answer.status == status


async def test_another_host_name_is_misdirected(
    serve: Serve, catalog: Catalog, host: AppHost, session: aiohttp.ClientSession
) -> None:
    async with (
        serve(catalog),
        serve(host),
        session.get(host.origin, headers={"Host": "evil.example"}) as answer,
    ):
        assert answer.status == 421


async def test_a_closed_or_removed_app_is_gone_from_the_web(
    serve: Serve,
    put: Put,
    catalog: Catalog,
    host: AppHost,
    session: aiohttp.ClientSession,
) -> None:
    async with serve(catalog), serve(host):
        await put("1.0.0")
        first = await host.open(HELLO)
        second = await host.open(HELLO)
        assert first != second
        async with session.get(first) as answer:
            assert answer.status == 404
        with host.changes.subscribe() as changes:
            await catalog.remove(HELLO)
            async with asyncio.timeout(5):
                assert await anext(changes) == frozenset()
        async with session.get(second) as answer:
            assert answer.status == 404
        with pytest.raises(UnknownAppError):
            await host.open(HELLO)


async def test_a_port_in_use_is_one_clear_line(serve: Serve, catalog: Catalog, host: AppHost) -> None:
    async with serve(catalog), serve(host):
        port = int(host.origin.rsplit(":", 1)[1])
        second = AppHost(catalog, AppsConfig(port=port), pages=[])
        with pytest.raises(HostError, match=r"cannot be listened on.*in use"):
            async with serve(second):
                pass


@pytest.mark.slow
async def test_a_hostile_page_reaches_nobody(serve: Serve, put: Put, catalog: Catalog) -> None:
    page = Page()
    async with serve(catalog), serve(page):
        host = AppHost(catalog, AppsConfig(port=0), pages=[page.origin])
        bridge = Bridge(catalog, lambda: host.opened, harmless())
        async with serve(host):
            await put("1.0.0", files={"app.js": HOSTILE.read_text()})
            page.entry = await host.open(HELLO)
            page.policy = f"frame-src {host.origin}"
            await bridge.call(HELLO, "storage.set", {"key": "target", "value": page.origin})
            reported = asyncio.Event()

            async def relay(method: str, params: object) -> object:
                result = await bridge.call(HELLO, method, params)
                if method == "storage.set":
                    reported.set()
                return result

            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                try:
                    tab = await browser.new_page()
                    await tab.expose_function("relay", relay)
                    await tab.goto(page.origin)
                    async with asyncio.timeout(60):
                        await reported.wait()
                    # A beacon would have been sent before the report; one more round trip lets it arrive.
                    await tab.reload()
                    assert tab.url.rstrip("/") == page.origin
                finally:
                    await browser.close()
            report: Any = await bridge.call(HELLO, "storage.get", {"key": "report"})
    assert report["value"]["worked"] == []
    assert report["value"]["tried"] > 25
    assert [visit for visit in page.visits if visit != "/favicon.ico"] == []


@pytest.mark.slow
async def test_an_app_hears_keys_and_speaks_through_its_port(
    serve: Serve, put: Put, catalog: Catalog
) -> None:
    script = """\
import { i18n, keys, storage } from "./gateway-sdk.js";
keys.listen((key) => { if (key === "ok") { storage.set("pressed", key); return true; } });
await storage.set("started", await i18n.locale());
"""
    page = Page()
    async with serve(catalog), serve(page):
        host = AppHost(catalog, AppsConfig(port=0), pages=[page.origin])
        bridge = Bridge(catalog, lambda: host.opened, harmless())
        async with serve(host):
            await put("1.0.0", files={"app.js": script})
            page.entry = await host.open(HELLO)
            said: asyncio.Queue[object] = asyncio.Queue()

            async def relay(method: str, params: object) -> object:
                await said.put(params)
                return await bridge.call(HELLO, method, params)

            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
                )
                try:
                    tab = await browser.new_page()
                    await tab.expose_function("relay", relay)
                    await tab.goto(page.origin)
                    async with asyncio.timeout(30):
                        assert await said.get() == {"key": "started", "value": "en"}
                        await tab.evaluate(
                            "port.postMessage({jsonrpc:'2.0', id: 1, method: 'key', params: {key: 'ok'}})"
                        )
                        assert await said.get() == {"key": "pressed", "value": "ok"}
                        await tab.wait_for_function("window.answered === true")
                finally:
                    await browser.close()
