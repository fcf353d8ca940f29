"""Processes that live inside a block and never outlive the daemon.

One rule: a child is started through ``setpriv --pdeathsig KILL`` (util-linux,
essential on Debian), so that the kernel ends it even when the daemon is
killed; a broker or player left over would hold the ports of the next start.

A child must not change its user by itself: the kernel forgets the death
signal at a change of credentials (``prctl(2)``).  Pass `user` instead, which
lets ``setpriv`` change it first.
"""

import asyncio
import contextlib
import logging
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, ClassVar

from gateway.errors import GatewayError

log = logging.getLogger(__name__)

KILL_WAIT_S = 2.0

# A daemon killed before the child asked for its death signal is not noticed by the kernel;
# by its parent's number the child notices itself.
STILL_OURS = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'

Stream = int | IO[bytes] | None


class ChildError(GatewayError):
    """A program of the box could not be started."""

    code: ClassVar[str] = "SUP-201"
    hint = "Install the missing program; `gateway doctor` names the package."


@asynccontextmanager
async def running(  # noqa: PLR0913 - the streams of a process are its interface
    argv: Sequence[str | Path],
    *,
    stop_s: float = 3.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Stream = DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Collection[int] = (),
    user: str | None = None,
) -> AsyncIterator[Process]:
    """Run `argv` for as long as the block lasts.

    Args:
        argv: Program and arguments; never a shell.
        stop_s: Seconds between the polite signal at the end of the block and the kill.
        env: The whole environment; `None` inherits.
        cwd: Working folder.
        stdin: As in `asyncio.create_subprocess_exec`, likewise the other streams.
        stdout: See `stdin`.
        stderr: See `stdin`.
        pass_fds: File descriptors the child inherits under the same numbers.
        user: Run as this user; needs root.

    Raises:
        ChildError: ``setpriv`` is not there.  A missing `argv[0]` is seen as exit code 127.
    """
    as_user = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
    try:
        process = await asyncio.create_subprocess_exec(
            "setpriv",
            "--pdeathsig",
            "KILL",
            *as_user,
            "--",
            "sh",
            "-c",
            STILL_OURS,
            "sh",
            str(os.getpid()),
            *map(str, argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            # Ctrl-C in a terminal reaches the whole group: the daemon alone decides
            # in which order its children stop.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ChildError("setpriv is not installed", hint="Install the Debian package util-linux.") from error
    try:
        yield process
    finally:
        await _end(process, stop_s, str(argv[0]))


async def _end(process: Process, stop_s: float, name: str) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(stop_s):
            await process.wait()
    except TimeoutError:
        log.warning("%s did not stop within %.1f s and is killed", name, stop_s)
    finally:
        # Also on the way out of a cancellation in the middle of the wait.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KILL_WAIT_S):
                    await process.wait()
