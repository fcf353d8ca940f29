"""What a process and its children cost, and the broker and ports that all players share.

One rule: memory is the proportional share (PSS) of the whole tree, so that
neither shared libraries nor helper processes are a way to look small.
"""

import asyncio
import os
import shutil
import socket
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.child import running

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_S = 10.0

# Nothing is written to a disk, nothing is refused, nothing waits for company (RFC 896).
_BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
user {user}
persistence false
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 100000
log_type none
"""


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[int]:
    """Run mosquitto for the length of a block; its port."""
    port = free(socket.SOCK_STREAM)
    configuration = folder / "mosquitto.conf"
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "mosquitto")
    configuration.write_text(_BROKER.format(port=port, user=user))
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
    async with running([program, "-c", configuration], stdout=DEVNULL, stderr=DEVNULL):
        async with asyncio.timeout(START_S):
            while not _answers(port):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.02)
        yield port


def free(kind: socket.SocketKind) -> int:
    """Return a port that was free just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[int]:
    """Return `pid` and everything below it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(above, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def pss_mb(pid: int) -> float:
    """Return what `pid` and its children hold."""
    kilobytes = 0
    for each in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e6


def processor_s(pid: int) -> float:
    """Return the processor time that `pid` and its children have used."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False
