import asyncio
import socket
import time
from contextlib import AsyncExitStack

import aiohttp
import pytest

from gateway.schema import FieldError
from gateway.ui.patience import HEAD_S
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
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - as on a real box
        ("::", "http://127.0.0.1:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("2001:db8::7", "http://[2001:db8::7]:8080"),
    ],
)
def test_the_boxs_own_player_knows_where_the_server_listens(host: str, url: str) -> None:
    assert UiConfig(host=host).local_url == url


@pytest.mark.slow
async def test_who_does_not_finish_asking_is_sent_away_and_nobody_else(box: Box) -> None:
    """A few hundred such callers would take every place there is."""
    port = box.server.port
    greeting = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
    silent = await asyncio.open_connection("127.0.0.1", port)
    half = await asyncio.open_connection("127.0.0.1", port)
    half[1].write(greeting)
    again = await asyncio.open_connection("127.0.0.1", port)
    again[1].write(greeting + b"\r\n")
    await again[0].readuntil(b"}}")
    again[1].write(greeting)
    async with box.client.ws_connect(box.at("events")) as events:
        await events.receive_str()

        async with asyncio.timeout(HEAD_S + 5):
            for reader, writer in (silent, half, again):
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()

        await events.ping()
        assert not events.closed
    async with box.client.get(box.at("tv")) as answer:
        assert answer.status == 200
