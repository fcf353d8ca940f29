"""What only mpv is like; what every player must do is in ``test_player_contract.py``."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiohttp import web

from gateway.media import mpv_line
from gateway.media.mpv import MPV
from gateway.media.player import FirstFrame
from gateway.media.player_process import PlayerMissingError, ProcessPlayer
from tests.conftest import Serve
from tests.media.player_fixtures import COLOURS, Framebuffer, first_of


async def test_an_option_that_mpv_refuses_is_a_clear_error(screen: Framebuffer) -> None:
    player = ProcessPlayer(MPV, display=screen.display, options=("--no-such-option",))
    async with asyncio.timeout(20):
        with pytest.raises(PlayerMissingError, match="an option is wrong") as refused:
            await player.run(lambda: None)
    assert refused.value.code == "TV-302"


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: /else.ts\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nServer: cut sho", False),
        (b"", None),
    ],
    ids=["redirect", "chunks", "half a head", "silence"],
)
async def test_what_does_not_answer_plainly_is_not_handed_over(answer: bytes, plain: bool | None) -> None:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    left = asyncio.Event()
    async with await asyncio.start_server(serve_one, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = await asyncio.to_thread(mpv_line.ask, f"http://127.0.0.1:{port}/live/news.ts")
        assert line is not None
        with line:
            assert await asyncio.to_thread(mpv_line.answer, line, within_s=0.2) is plain
        async with asyncio.timeout(5):
            await left.wait()


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/a.ts", "http://origin.example/a.ts", "http://127.0.0.1:1/a.ts", "rtp://239.1.1.1"],
)
def test_only_this_box_is_asked_directly(url: str) -> None:
    assert mpv_line.ask(url) is None


async def test_mpv_gets_the_body_and_nothing_else() -> None:
    async def send(request: web.Request) -> web.StreamResponse:
        assert request.query_string == "ticket=1"
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"G" * 188)
        return response

    app = web.Application()
    app.router.add_get("/live/news.ts", send)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/live/news.ts?ticket=1"
        line = await asyncio.to_thread(mpv_line.ask, url)
        assert line is not None
        assert await asyncio.to_thread(mpv_line.answer, line, within_s=5)
        reader, writer = await asyncio.open_connection(sock=line)
        assert await reader.read() == b"G" * 188
        writer.close()
        await writer.wait_closed()
    finally:
        await runner.cleanup()


@pytest.mark.slow
async def test_a_channel_that_takes_its_time_is_asked_for_once(
    material: Path, screen: Framebuffer, serve: Serve
) -> None:
    asked: list[str] = []

    async def send(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        await asyncio.sleep(0.5)
        return web.FileResponse(material / request.path.lstrip("/"))

    app = web.Application()
    app.router.add_get("/{name}", send)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        player = ProcessPlayer(MPV, display=screen.display)
        async with serve(player):
            with player.events.subscribe() as events:
                await player.open(f"{base}/red.ts")  # given up before it answers
                await asyncio.sleep(0.1)
                await player.open(f"{base}/blue.ts")
                await screen.until(COLOURS["blue"], within_s=10)
                async with asyncio.timeout(10):
                    assert (await first_of(FirstFrame, events)).url == f"{base}/blue.ts"
    finally:
        await runner.cleanup()
    assert asked == ["/red.ts", "/blue.ts"]
