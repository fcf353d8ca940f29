"""The daemon's life: one per state folder, told by signals when to end.

One rule: whatever hangs, the daemon is gone within `LEAVE_WITHIN_S` of being
told, and the kernel takes its children along.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.supervisor import Supervisor
from gateway.systemd import Notifier

LEAVE_WITHIN_S = 4.5


class StateTakenError(GatewayError):
    """Another daemon works in the same state folder."""

    code: ClassVar[str] = "SUP-103"
    hint = "Stop the other one, or choose another folder with --state."


class StateFolderError(BadInputError):
    """The state folder cannot be used."""

    code: ClassVar[str] = "SUP-104"
    hint = "Choose a folder that can be written with --state."


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the state folder for as long as the block lasts; it is made if need be.

    Raises:
        StateTakenError: another daemon holds it.
        StateFolderError: it cannot be written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (state / "lock").open("w")
    except OSError as error:
        raise StateFolderError(f"{state}: {error.strerror}") from error
    with lock:
        try:
            # The kernel lets go of it however we end.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateTakenError(f"another gateway runs in {state}") from error
        yield


async def live(supervisor: Supervisor, environment: Mapping[str, str]) -> None:
    """Run `supervisor` until SIGTERM or SIGINT.

    Raises:
        GatewayError: it could not start, or an essential service was given up.
    """
    notifier = Notifier(environment)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)

    def ready() -> None:
        notifier.ready()
        # What is here now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.enable()

    running = asyncio.create_task(supervisor.run(ready), name="supervisor")
    beating = asyncio.create_task(_beat(supervisor, notifier), name="watchdog")
    ending = asyncio.create_task(told.wait(), name="wait for the end")
    await asyncio.wait((running, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    beating.cancel()
    notifier.stopping()
    loop.call_later(LEAVE_WITHIN_S, os._exit, 1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def _beat(supervisor: Supervisor, notifier: Notifier) -> None:
    """Tell systemd that we live, for as long as every essential service does."""
    while notifier.watchdog_s is not None:
        if supervisor.well:
            notifier.beat()
        await asyncio.sleep(notifier.watchdog_s)
