"""Players as others ship them, each on the origin's own address and with its fastest zap.

One rule: every one is resident before the key, and in its own defaults; but for
ffplay, which knows no zap: its start is part of it.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp import web

from gateway import child

START_S = 20.0
WIDTH, HEIGHT = 1920, 1080
ROOT = Path(__file__).parents[1]


class Peer(Protocol):
    """Somebody who changes channels."""

    async def zap(self, url: str) -> float:
        """Give the command; return the monotonic time of it."""


class Lines:
    """A resident process that takes an address per line."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def zap(self, url: str) -> float:
        """See `Peer`."""
        if self._process.stdin is None or self._process.returncode is not None:
            raise RuntimeError("the player ended")
        pressed_s = time.monotonic()
        self._process.stdin.write(f"{url}\n".encode())
        return pressed_s


class Mpv:
    """Mpv behind its own socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def zap(self, url: str) -> float:
        """See `Peer`."""
        order = json.dumps({"command": ["loadfile", url, "replace"]})
        pressed_s = time.monotonic()
        self._writer.write(f"{order}\n".encode())
        return pressed_s


class Ffplay:
    """A process per channel: the old one is killed as the new one starts."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: Process | None = None

    async def zap(self, url: str) -> float:
        """See `Peer`."""
        place = ["-left", "0", "-top", "0", "-x", str(WIDTH), "-y", str(HEIGHT), "-noborder"]
        argv = ["setpriv", "--pdeathsig", "KILL", "--", "ffplay", "-loglevel", "quiet", *place, url]
        pressed_s = time.monotonic()
        await self.end()
        self._process = await asyncio.create_subprocess_exec(
            *argv, env=self._environment, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        return pressed_s

    async def end(self) -> None:
        """Kill it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class Page:
    """hls.js in a page that stays open."""

    def __init__(self) -> None:
        self.socket: web.WebSocketResponse | None = None
        self.ready = asyncio.Event()

    async def zap(self, url: str) -> float:
        """See `Peer`."""
        if self.socket is None:
            raise RuntimeError("the page is gone")
        pressed_s = time.monotonic()
        await self.socket.send_str(url)
        return pressed_s

    async def connected(self, request: web.Request) -> web.WebSocketResponse:
        """Keep the page's socket."""
        self.socket = web.WebSocketResponse()
        await self.socket.prepare(request)
        self.ready.set()
        async for _ in self.socket:
            pass
        return self.socket


Opened = Callable[[str, Path], AbstractAsyncContextManager[Peer]]


@asynccontextmanager
async def libvlc(display: str, folder: Path) -> AsyncIterator[Peer]:
    """LibVLC 3, as `bench.zap_vlc`."""
    argv = [sys.executable, "-m", "bench.zap_vlc", str(WIDTH), str(HEIGHT)]
    async with _resident(argv, display, folder / "vlc.log") as process:
        yield Lines(process)


@asynccontextmanager
async def gstreamer(display: str, folder: Path) -> AsyncIterator[Peer]:
    """Playbin3, as `bench.zap_gst`."""
    argv = ["/usr/bin/python3", str(ROOT / "bench" / "zap_gst.py"), str(WIDTH), str(HEIGHT)]
    async with _resident(argv, display, folder / "gst.log") as process:
        yield Lines(process)


@asynccontextmanager
async def mpv(display: str, folder: Path) -> AsyncIterator[Peer]:
    """Mpv, resident and idle."""
    line = folder / "mpv"
    shape = [
        "--no-border",
        f"--geometry={WIDTH}x{HEIGHT}+0+0",
        "--force-window=yes",
        "--no-osc",
        "--osd-level=0",
    ]
    argv = ["mpv", "--no-config", "--idle=yes", f"--input-ipc-server={line}", "--vo=x11", "--ao=null", *shape]
    async with _resident(argv, display, folder / "mpv.log"):
        async with asyncio.timeout(START_S):
            while not line.exists():  # noqa: ASYNC110 - another process has no event for it
                await asyncio.sleep(0.05)
            reader, writer = await asyncio.open_unix_connection(str(line))
        drain = asyncio.create_task(_drained(reader), name="mpv's answers")
        try:
            yield Mpv(writer)
        finally:
            drain.cancel()
            writer.close()


@asynccontextmanager
async def ffplay(display: str, folder: Path) -> AsyncIterator[Peer]:
    """Ffplay, started anew for each channel."""
    del folder
    player = Ffplay(environment(display) | {"SDL_AUDIODRIVER": "dummy"})
    try:
        yield player
    finally:
        await player.end()


@asynccontextmanager
async def hls_js(display: str, folder: Path) -> AsyncIterator[Peer]:
    """hls.js in Chromium, which fills the screen."""
    page = Page()
    script = ROOT / "gateway/ui/web/node_modules/hls.js/dist/hls.min.js"
    app = web.Application()

    async def html(_request: web.Request) -> web.Response:
        return web.Response(text=_PAGE, content_type="text/html")

    async def library(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(script)

    app.router.add_get("/", html)
    app.router.add_get("/hls.js", library)
    app.router.add_get("/orders", page.connected)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        place = ["--kiosk", f"--window-size={WIDTH},{HEIGHT}", "--window-position=0,0", "--hide-scrollbars"]
        quiet = [
            "--no-first-run",
            "--disable-sync",
            "--disable-component-update",
            "--disable-background-networking",
        ]
        more = [
            "--no-sandbox",
            "--autoplay-policy=no-user-gesture-required",
            f"--user-data-dir={folder / 'chromium'}",
        ]
        argv = ["chromium", *place, *quiet, *more, address]
        async with _resident(argv, display, folder / "chromium.log"):
            async with asyncio.timeout(START_S):
                await page.ready.wait()
            yield page
    finally:
        await runner.cleanup()


PEERS: dict[str, Opened] = {
    "libvlc": libvlc,
    "mpv": mpv,
    "ffplay": ffplay,
    "gstreamer": gstreamer,
    "hls.js": hls_js,
}


@asynccontextmanager
async def _resident(argv: list[str], display: str, log: Path) -> AsyncIterator[Process]:
    with log.open("wb") as out:
        async with child.running(
            argv, env=environment(display), stdin=PIPE, stdout=out, stderr=out
        ) as process:
            yield process


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def environment(display: str) -> dict[str, str]:
    """Return what a program needs to draw on `display`."""
    return {**os.environ, "DISPLAY": display, "PYTHONPATH": str(ROOT)}


_PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>hls.js</title>
<style>html, body { margin: 0; background: #000; overflow: hidden }
video { position: fixed; inset: 0; width: 100vw; height: 100vh; object-fit: fill }</style>
<video id="video" autoplay playsinline></video>
<script src="/hls.js"></script>
<script>
  const video = document.getElementById("video");
  const hls = new Hls();
  hls.attachMedia(video);
  const orders = new WebSocket(`ws://${location.host}/orders`);
  orders.onmessage = (event) => { hls.loadSource(event.data); video.play().catch(() => {}) };
</script>
"""
