"""The life of a device's process: it tries for ever, and goes at once when told.

One rule: a device never gives up on its broker or its box, because both are
restarted in the middle of everything.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine

log = logging.getLogger(__name__)

RETRY_S = 1.0


def run_until_told(life: Coroutine[None, None, None]) -> int:
    """Run `life` until SIGTERM or SIGINT; returns the exit status."""
    return asyncio.run(_run(life))


async def _run(life: Coroutine[None, None, None]) -> int:
    task = asyncio.ensure_future(life)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    if task.cancelled():
        return 0
    task.result()
    return 0
