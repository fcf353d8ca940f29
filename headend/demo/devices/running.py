"""The life of a device's process: it tries for ever, and goes at once when told.

One rule: a device never gives up on its broker or its box, because both are
restarted in the middle of everything.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine

RETRY_S = 1.0
_FAREWELL_S = 1.0


def run_until_told(life: Coroutine[None, None, None]) -> int:
    """Run `life` until SIGTERM or SIGINT; returns the exit status if it ends by itself."""
    return asyncio.run(_run(life))


async def _run(life: Coroutine[None, None, None]) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with asyncio.TaskGroup() as tasks:
        living = tasks.create_task(life, name="device")
        waiting = tasks.create_task(told.wait(), name="told to go")
        await asyncio.wait({living, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if told.is_set():
            living.cancel()
            await asyncio.wait({living}, timeout=_FAREWELL_S)
            # A device that is switched off does not tidy up; a half-made connection would take seconds.
            os._exit(0)
    return 0
