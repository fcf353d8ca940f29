"""A house with its server running, and a client that may use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.ui.auth import Access
from gateway.ui.keys import KeysConfig
from gateway.ui.server import Desk, UiConfig, UiServer
from tests.ui.living import LivingHouse, running


@dataclass(frozen=True, kw_only=True)
class Box:
    """A running box.

    Attributes:
        client: Has the token already.
    """

    living: LivingHouse
    server: UiServer
    desk: Desk
    web: Path
    client: aiohttp.ClientSession

    @property
    def access(self) -> Access:
        return self.desk.access

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def at(self, call: str) -> str:
        return f"{self.root}/api/v1/{call}"


@asynccontextmanager
async def lived_in(folder: Path, ui: UiConfig) -> AsyncIterator[Box]:
    """A house with its server, for as long as the block lasts."""
    web = folder / "web"
    (web / "js").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>电视</title>")
    (web / "js" / "main.js").write_text("export {};")
    (folder / "secret.txt").write_text("not for browsers")
    living = LivingHouse(folder)
    access = Access(folder / "state" / "token")
    desk = living.desk(access, KeysConfig(digits_pause_s=0.3))
    server = UiServer(ui, desk, web)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(living.lived_in())
        for part in (desk.phones, desk.events, desk.keys, server):
            await stack.enter_async_context(running(part.run))
        headers = {"Authorization": f"Bearer {access.token()}"}
        client = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        yield Box(living=living, server=server, desk=desk, web=web, client=client)


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    """A box for one test."""
    async with lived_in(tmp_path, UiConfig(port=0)) as box:
        yield box
