import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gateway.child import running

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
"""


async def gone(pid: int) -> None:
    """Wait until the process is no longer there, or is only waiting to be reaped."""
    async with asyncio.timeout(5):
        while True:
            try:
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    return
            except OSError:
                return
            await asyncio.sleep(0.01)


async def test_a_child_ends_with_its_block() -> None:
    async with running(["sleep", "600"]) as process:
        os.kill(process.pid, 0)
    assert process.returncode == -signal.SIGTERM


async def test_a_child_that_ignores_the_polite_signal_is_killed() -> None:
    async with running([sys.executable, "-c", DEAF], stop_s=0.1, stdout=PIPE) as process:
        assert process.stdout
        assert await process.stdout.readline() == b"up\n"
    assert process.returncode == -signal.SIGKILL


async def test_a_missing_program_is_seen_as_an_exit_code() -> None:
    async with running(["no-such-program"], stderr=asyncio.subprocess.DEVNULL) as process:
        assert await process.wait() == 127


PARENT = """
import asyncio
from gateway.child import running

async def main():
    async with running(["sleep", "600"]) as process:
        print(process.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
async def test_a_child_never_outlives_the_daemon(how: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=PIPE, stderr=PIPE)
    assert parent.stdout
    child_pid = int(await parent.stdout.readline())
    parent.send_signal(how)
    await parent.communicate()
    await gone(child_pid)
