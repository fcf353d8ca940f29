"""Serve the page on a small living house: ``python -m tests.ui [PORT]``.

For work on the page and for the fuzzer; the lamp obeys, the thermometer wanders.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from gateway.ui.auth import Access
from gateway.ui.events import Events
from gateway.ui.keys import Keys, KeysConfig
from gateway.ui.server import Desk, UiConfig, UiServer
from tests.ui.living import LivingHouse

WEB = Path(__file__).parents[2] / "gateway" / "ui" / "web"


async def serve(port: int) -> None:
    """Serve until interrupted."""
    living = LivingHouse()
    with tempfile.TemporaryDirectory() as state:
        access = Access(Path(state) / "token")
        events = Events(living.house)
        keys = Keys(KeysConfig(), living.house, events)
        server = UiServer(
            UiConfig(port=port), Desk(house=living.house, access=access, events=events, keys=keys), WEB
        )

        def ready() -> None:
            sys.stdout.write(f"http://127.0.0.1:{server.port}/#t={access.token()}\n")
            sys.stdout.flush()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(events.run(lambda: None))
            tasks.create_task(keys.run(lambda: None))
            tasks.create_task(server.run(ready))
            tasks.create_task(living.live())


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
