"""Serve the page on a small living house: ``python -m tests.ui [PORT]``.

For work on the page and for the fuzzer; the lamp obeys, the thermometer wanders.
"""

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.ui.auth import Access
from gateway.ui.keys import KeysConfig
from gateway.ui.server import UiConfig, UiServer
from tests.ui.living import LivingHouse, running

WEB = Path(__file__).parents[2] / "gateway" / "ui" / "web"


async def serve(port: int) -> None:
    """Serve until interrupted."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        living = LivingHouse(folder)
        await stack.enter_async_context(living.lived_in())
        access = Access(folder / "token")
        desk = living.desk(access, KeysConfig())
        server = UiServer(UiConfig(port=port), desk, WEB)
        for part in (desk.phones, desk.events, desk.keys, server):
            await stack.enter_async_context(running(part.run))
        sys.stdout.write(f"http://127.0.0.1:{server.port}/#t={access.token()}\n")
        sys.stdout.flush()
        await living.wander()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
