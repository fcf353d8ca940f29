"""Child processes that never outlive the demo.

One rule: every child is started through ``setpriv --pdeathsig KILL`` and in a
session of its own, so that a killed demo leaves nothing behind and a Ctrl-C
reaches the demo alone, which then stops its children in order.
"""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

STOP_S = 3.0


@asynccontextmanager
async def running(
    argv: Sequence[str | Path],
    *,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    stop_s: float = STOP_S,
) -> AsyncIterator[Process]:
    """Run `argv` for as long as the block lasts.

    On leaving, the child is asked to end and after `stop_s` seconds made to.
    """
    process = await asyncio.create_subprocess_exec(
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        *argv,
        stdin=DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=env,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await _end(process, stop_s)


async def _end(process: Process, stop_s: float) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(stop_s):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
