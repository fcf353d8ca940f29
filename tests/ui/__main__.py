"""Serve the page on a small living house: ``python -m tests.ui [PORT]``.

For work on the page and for the fuzzer; the lamp obeys, the thermometer wanders.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.ui.auth import Access
from gateway.ui.events import Events
from gateway.ui.keys import Keys, KeysConfig
from gateway.ui.server import Desk, UiConfig, UiServer
from tests.ui.living import LivingHouse, running

WEB = Path(__file__).parents[2] / "gateway" / "ui" / "web"


async def serve(port: int) -> None:
    """Serve until interrupted."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        living = LivingHouse(folder)
        await stack.enter_async_context(living.lived_in())
        access = Access(folder / "token")
        events = Events(living.house)
        keys = Keys(KeysConfig(), living.house, events)
        desk = Desk(house=living.house, access=access, events=events, keys=keys)
        server = UiServer(UiConfig(port=port), desk, WEB)
        for part in (events, keys, server):
            await stack.enter_async_context(running(part.run))
        sys.stdout.write(f"http://127.0.0.1:{server.port}/#t={access.token()}\n")
        sys.stdout.flush()
        await living.wander()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
