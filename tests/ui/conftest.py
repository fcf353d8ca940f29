"""A house with its server running, and a client that may use it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.ui.auth import Access
from gateway.ui.events import Events
from gateway.ui.keys import Keys, KeysConfig
from gateway.ui.server import Desk, UiConfig, UiServer
from tests.ui.living import LivingHouse

START_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Box:
    """A running box.

    Attributes:
        client: Has the token already.
    """

    living: LivingHouse
    server: UiServer
    events: Events
    access: Access
    desk: Desk
    client: aiohttp.ClientSession

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def at(self, call: str) -> str:
        return f"{self.root}/api/v1/{call}"


@asynccontextmanager
async def running(run: Callable[[Callable[[], None]], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep a service alive for the length of the block."""
    ready = asyncio.Event()

    async def live() -> None:
        await run(ready.set)

    task = asyncio.create_task(live(), name="service under test")
    waiting = asyncio.create_task(ready.wait(), name="readiness")
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>电视</title>")
    (folder / "js").mkdir()
    (folder / "js" / "main.js").write_text("export {};")
    (tmp_path / "secret.txt").write_text("not for browsers")
    return folder


@pytest.fixture
async def box(tmp_path: Path, web: Path) -> AsyncIterator[Box]:
    living = LivingHouse()
    access = Access(tmp_path / "state" / "token")
    events = Events(living.house)
    keys = Keys(KeysConfig(digits_pause_s=0.3), living.house, events)
    desk = Desk(house=living.house, access=access, events=events, keys=keys)
    server = UiServer(UiConfig(port=0), desk, web)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(events.run))
        await stack.enter_async_context(running(keys.run))
        await stack.enter_async_context(running(server.run))
        headers = {"Authorization": f"Bearer {access.token()}"}
        client = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        yield Box(living=living, server=server, events=events, access=access, desk=desk, client=client)
