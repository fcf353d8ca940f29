"""Two hosts on one cable: network name spaces of the kernel, with a veth pair between them.

Nothing of it reaches the network of the machine that runs the tests.  Each
host runs programs of its own, which are told what to do, and tell what they
see, a JSON object a line.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 20.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Host:
    """One end of the cable.

    Attributes:
        name: Of its interface, too.
        within: What runs a program there, before its arguments.
    """

    name: str
    within: tuple[str, ...]

    def ip(self, arguments: str) -> None:
        """Configure its network as the command of that name does."""
        subprocess.run([*self.within, "ip", *arguments.split()], check=True, capture_output=True)

    def output(self, command: str) -> str:
        """Run a command there and return what it prints."""
        done = subprocess.run([*self.within, *command.split()], check=True, capture_output=True, text=True)
        return done.stdout

    @asynccontextmanager
    async def running(self, program: str, *arguments: str) -> AsyncIterator["Program"]:
        """Run a Python file of this folder there."""
        process = await asyncio.create_subprocess_exec(
            *self.within,
            sys.executable,
            str(Path(__file__).with_name(program)),
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            limit=1 << 24,
        )
        try:
            yield Program(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()

    @asynccontextmanager
    async def gateway(self, *arguments: str) -> AsyncIterator[None]:
        """Run the daemon itself there."""
        process = await asyncio.create_subprocess_exec(
            *self.within,
            sys.executable,
            "-m",
            "gateway",
            *arguments,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/bin"},
        )
        try:
            yield
        finally:
            process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()


class Program:
    """What runs on a host; it ends when it is told nothing more."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.heard: list[dict[str, Any]] = []

    def tell(self, **order: object) -> None:
        """Send an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def says(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the next thing it says that is `wanted`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._process.stdout.readline():
                said = json.loads(line)
                self.heard.append(said)
                if wanted(said):
                    return dict(said)
        raise AssertionError(f"it ended; before that it said {self.heard}")

    async def answer(self, **order: object) -> dict[str, Any]:
        """Send an order and return what it says to it."""
        self.tell(**order)
        return await self.says(lambda said: said.get("to") == order["do"])


@asynccontextmanager
async def patience() -> AsyncIterator[None]:
    """Fail when what is within takes too long."""
    async with asyncio.timeout(PATIENCE_S):
        yield


async def moment() -> None:
    """Let another process go on before it is asked again."""
    await asyncio.sleep(0.05)


@contextmanager
def laid() -> Iterator[tuple[Host, Host]]:
    """Lay a cable between two new hosts; both ends are down and have no address.

    The test is skipped where the kernel allows nobody to make name spaces.
    """
    try:
        with _name_space(["unshare", "--map-root-user", "--net"]) as first:
            inside = ["nsenter", f"--target={first}", "--user", "--preserve-credentials"]
            with _name_space([*inside, "unshare", "--net"]) as second:
                box = Host("box0", (*inside, f"--net=/proc/{first}/ns/net"))
                peer = Host("peer0", (*inside, f"--net=/proc/{second}/ns/net"))
                box.ip(f"link add box0 type veth peer name peer0 netns {second}")
                # The kernel looks for duplicates of a new IPv6 address for seconds: nobody waits for it here.
                for host in (box, peer):
                    off = f"echo 0 > /proc/sys/net/ipv6/conf/{host.name}/accept_dad"
                    subprocess.run([*host.within, "sh", "-c", off], check=False, capture_output=True)
                yield box, peer
    except _ForbiddenError as error:
        pytest.skip(f"the kernel gives no network name space: {error}")


class _ForbiddenError(Exception):
    pass


@contextmanager
def _name_space(maker: list[str]) -> Iterator[int]:
    argv = [*maker, "sh", "-c", "ip link set lo up && echo $$ && exec cat"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        line = holder.stdout.readline()
        if not line:
            raise _ForbiddenError(" ".join(maker))
        yield int(line)
