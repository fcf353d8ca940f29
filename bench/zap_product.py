"""The product as a household has it: the real daemon, ordered over its API or by its remote control.

One rule: the three ways of a zap differ in configuration alone: nothing is
guessed (cold), media is kept ready (warm), a second player decodes (predicted).

By the remote control ("remote" instead of "product") the same daemon reads keys
from an input device as the kernel has it, which is a pipe here (`bench.zap_box`).
"""

import asyncio
import json
import socket
import sys
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp

from bench.zap_players import environment
from bench.zap_site import CHANNELS, Channel
from gateway import child
from gateway.ui.auth import Access
from hw.simulated import SimulatedBoard, SimulatedRemote

START_S = 60.0
LIMIT_S = 10.0
LOOK_EVERY_S = 0.05
SETTLE_S = 1.0
"""More than everybody's pause: so long a hand rests before the next guess is ready."""

IDLE_S = 1.0
BACKENDS = ("vlc", "mpv")
BY_API, BY_REMOTE = "product", "remote"
"""How the names begin."""
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

    def __init__(
        self,
        session: aiohttp.ClientSession,
        ready: str,
        process: Process,
        remote: SimulatedRemote | None = None,
    ) -> None:
        """Describe it.

        Args:
            session: At its API.
            ready: What a zap should be.
            process: The daemon.
            remote: Zaps to the neighbouring channels are keys on it, if there is one.
        """
        self.process = process
        self._session = session
        self._ready = ready
        self._remote = remote
        self._at: Channel | None = None

    async def settle(self) -> None:
        """Let it get ready for the next zap, as far as it is set to."""
        if self._ready != "cold":
            await asyncio.sleep(SETTLE_S)

    async def tune(self, channel: Channel) -> float:
        """Give the command; return the monotonic time of it."""
        key = self._key_to(channel)
        self._at = channel
        pressed_s = time.monotonic()
        if self._remote is not None and key:
            self._remote.press(key)
            return pressed_s
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

    def _key_to(self, channel: Channel) -> str:
        """Return the key that leads from the present channel to `channel`; empty if there is none."""
        if self._at is None:
            return ""
        way = CHANNELS.index(channel) - CHANNELS.index(self._at)
        return {1: "channel_up", -1: "channel_down"}.get(way, "")

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._session.get(path) as answer:
            return dict(await answer.json()) if answer.ok else {}


Opened = Callable[[str, Path, str], AbstractAsyncContextManager[Product]]


@asynccontextmanager
async def _product(name: str, display: str, folder: Path, origin: str) -> AsyncIterator[Product]:
    way, backend, ready = name.split()
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
        "broker": {"port": broker, "tls": False},
        "iot": {"coap": {"port": _free(socket.SOCK_DGRAM)}},
    }
    file, state = folder / "gateway.yaml", folder / "state"
    state.mkdir()
    file.write_text(json.dumps(configuration))  # YAML is a superset
    argv: list[str | Path] = [sys.executable, "-m", "gateway", "run", "--config", file, "--state", state]
    hand = None
    if way == BY_REMOTE:
        hand = SimulatedBoard(folder / "hardware").plug_remote()
        argv = [sys.executable, "-m", "bench.zap_box", file, state, folder / "hardware"]
    with (folder / "gateway.log").open("wb") as log, closing(hand) if hand else nullcontext():
        async with child.running(argv, env=environment(display), stdout=log, stderr=STDOUT) as process:
            headers = {"Authorization": f"Bearer {Access(state / 'token').token()}"}
            limit = aiohttp.ClientTimeout(total=LIMIT_S)
            base = f"http://127.0.0.1:{page}/api/v1/"
            async with aiohttp.ClientSession(base, headers=headers, timeout=limit) as session:
                yield Product(session, ready, process, hand)


PRODUCTS: dict[str, Opened] = {
    name: partial(_product, name)
    for name in (
        f"{way} {backend} {ready}"
        for way in (BY_API, BY_REMOTE)
        for backend in BACKENDS
        for ready in _WARMING
    )
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
