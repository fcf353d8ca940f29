"""The product as a household has it: the real daemon, ordered over its API.

One rule: the three ways of a zap differ in configuration alone: nothing is
guessed (cold), media is kept ready (warm), a second player decodes (predicted).
"""

import asyncio
import json
import socket
import sys
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from bench.zap_players import environment
from bench.zap_site import Channel
from gateway import child
from gateway.ui.auth import Access

START_S = 60.0
LIMIT_S = 10.0
LOOK_EVERY_S = 0.05
SETTLE_S = 1.0
"""More than everybody's pause: so long a hand rests before the next guess is ready."""

IDLE_S = 1.0
BACKENDS = ("vlc", "mpv")
_WARMING: Mapping[str, Mapping[str, object]] = MappingProxyType({
    "cold": {"channels": 0, "prepare": False},
    "warm": {"prepare": False},
    "predicted": {},
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What the product says of its last zap.

    Attributes:
        how: ``predicted``, ``warm`` or ``cold``.
        player_ms: The player's own part of it, if it says so.
        order_ms: From the order to the first frame, as the set believes.
    """

    how: str | None
    player_ms: float | None
    order_ms: float | None


class Product:
    """A running box."""

    def __init__(self, session: aiohttp.ClientSession, ready: str, process: Process) -> None:
        """Describe it.

        Args:
            session: At its API.
            ready: What a zap should be.
            process: The daemon.
        """
        self.process = process
        self._session = session
        self._ready = ready

    async def settle(self) -> None:
        """Let it get ready for the next zap, as far as it is set to."""
        if self._ready != "cold":
            await asyncio.sleep(SETTLE_S)

    async def tune(self, channel: Channel) -> float:
        """Give the command; return the monotonic time of it."""
        pressed_s = time.monotonic()
        async with self._session.post("tv/tune", json={"channel": channel.id}) as answer:
            answer.raise_for_status()
        return pressed_s

    async def said(self) -> Said:
        """Return what it says of the last zap."""
        tv = await self._get("tv")
        told = await self._get("support/television")
        zaps = [zap for zap in told.get("zaps", ()) if zap["channel"] == tv.get("channel")]
        newest: dict[str, Any] = max(zaps, key=lambda zap: str(zap["at"]), default={})
        return Said(tv.get("zap"), newest.get("player_ms"), tv.get("first_frame_ms"))

    async def knows(self, channel: Channel) -> bool:
        """Whether the line-up has arrived."""
        async with self._session.get("channels") as answer:
            return channel.id in await answer.text()

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._session.get(path) as answer:
            return dict(await answer.json()) if answer.ok else {}


Opened = Callable[[str, Path, str], AbstractAsyncContextManager[Product]]


@asynccontextmanager
async def _product(
    backend: str, ready: str, display: str, folder: Path, origin: str
) -> AsyncIterator[Product]:
    page, apps, broker = (_free(socket.SOCK_STREAM) for _ in range(3))
    configuration = {
        "board": {"name": "simulated"},  # two decoders
        "media": {
            "line_up": f"{origin}/lineup.m3u",
            "player": backend,
            "warming": {**_WARMING[ready]},
            "relay": {"idle_s": IDLE_S} if ready == "cold" else {},
            "tv": {"boot": "none"},
        },
        "ui": {"port": page, "host": "127.0.0.1"},
        "apps": {"port": apps, "host": "127.0.0.1"},
        "broker": {"port": broker},
        "iot": {"coap": {"port": _free(socket.SOCK_DGRAM)}},
    }
    file, state = folder / "gateway.yaml", folder / "state"
    state.mkdir()
    file.write_text(json.dumps(configuration))  # YAML is a superset
    argv: list[str | Path] = [sys.executable, "-m", "gateway", "run", "--config", file, "--state", state]
    with (folder / "gateway.log").open("wb") as log:
        async with child.running(argv, env=environment(display), stdout=log, stderr=STDOUT) as process:
            headers = {"Authorization": f"Bearer {Access(state / 'token').token()}"}
            limit = aiohttp.ClientTimeout(total=LIMIT_S)
            base = f"http://127.0.0.1:{page}/api/v1/"
            async with aiohttp.ClientSession(base, headers=headers, timeout=limit) as session:
                yield Product(session, ready, process)


def _named(backend: str, ready: str) -> Opened:
    return partial(_product, backend, ready)


PRODUCTS: dict[str, Opened] = {
    f"product {backend} {ready}": _named(backend, ready) for backend in BACKENDS for ready in _WARMING
}


async def until_it_knows(product: Product, channel: Channel) -> None:
    """Wait until the box answers and its line-up has `channel`."""
    async with asyncio.timeout(START_S):
        while product.process.returncode is None:
            try:
                if await product.knows(channel):
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(LOOK_EVERY_S)
    raise RuntimeError("the box ended; see gateway.log")


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
