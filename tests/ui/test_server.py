import asyncio
import socket
import time
from contextlib import AsyncExitStack

import aiohttp
import pytest

from gateway.schema import FieldError
from gateway.ui.server import PortError, UiConfig, UiServer
from tests.ui.conftest import Box
from tests.ui.living import running


async def test_a_port_in_use_is_one_clear_line(box: Box) -> None:
    second = UiServer(UiConfig(port=box.server.port), box.desk, box.web)
    with pytest.raises(PortError, match=f"port {box.server.port} on 127.0.0.1 cannot be opened") as refused:
        await second.run(lambda: None)
    assert refused.value.line().startswith("UI-101: ")


async def test_an_address_that_is_not_ours_is_one_clear_line(box: Box) -> None:
    elsewhere = UiServer(UiConfig(port=0, host="no-such-host.invalid"), box.desk, box.web)
    with pytest.raises(PortError, match=r"no-such-host\.invalid"):
        await elsewhere.run(lambda: None)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("port", {"port": 65536}),
        ("host", {"host": ""}),
        ("names", {"names": ("http://box",)}),
        ("wrong_tokens_per_minute", {"wrong_tokens_per_minute": 0}),
    ],
)
def test_bad_settings_are_named(field: str, values: dict[str, object]) -> None:
    with pytest.raises(FieldError) as refused:
        UiConfig(**values)  # type: ignore[arg-type]
    assert refused.value.field == field


async def test_it_stops_within_two_seconds_with_everything_open(box: Box) -> None:
    server = UiServer(UiConfig(port=0), box.desk, box.web)
    async with AsyncExitStack() as stack:
        async with running(server.run):
            root = f"http://127.0.0.1:{server.port}"
            events = await stack.enter_async_context(box.client.ws_connect(f"{root}/api/v1/events"))
            await events.receive_str()
            watching = await stack.enter_async_context(box.client.get(f"{root}/live/news.ts"))
            await watching.content.readexactly(188)
            idle = await asyncio.open_connection("127.0.0.1", server.port)
            half = await asyncio.open_connection("127.0.0.1", server.port)
            half[1].write(b"POST /api/v1/keys HTTP/1.1\r\nHost: ")
            await half[1].drain()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        async with asyncio.timeout(2):
            assert (await events.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)
        for _, writer in (idle, half):
            writer.close()
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", int(root.rpartition(":")[2]))) != 0


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/js/..%2f..%2fsecret.txt",
        "/js",
        "/.git/config",
        "/node_modules/x.js",
        "/js/main.js%00",
        "/nothing.html",
        "//etc/passwd",
        "/" + "a" * 5000,
    ],
)
async def test_only_the_pages_own_files_are_sent(box: Box, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", box.server.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{box.server.port}\r\nConnection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b" 404 " in answer.partition(b"\r\n")[0]


async def test_the_page_is_told_to_run_nothing_else(box: Box) -> None:
    async with box.client.get(box.root) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        tag = answer.headers["ETag"]
    assert "电视" in page
    assert "default-src 'self'" in policy
    assert f"frame-src {' '.join(box.living.house.app_host.origins)};" in policy
    assert "frame-ancestors 'none'" in policy
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == (
        "nosniff",
        "no-cache",
    )
    async with box.client.get(box.root, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with box.client.get(f"{box.root}/js/main.js") as answer:
        assert answer.content_type == "text/javascript"
    async with box.client.head(box.root) as answer:
        assert answer.headers["ETag"] == tag
