"""The CoAP side of a box for tests: socket, link, registry and store, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.iot import coap_directory
from gateway.iot.coap import CoapLink
from gateway.iot.coap_admission import Admission
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint
from gateway.iot.coap_keys import ON_RESTORE, CoapKeys
from gateway.iot.registry import Registry
from gateway.store import Store
from tests.conftest import Serve

MIGRATIONS = {"coap": coap_directory.MIGRATIONS}


@dataclass(frozen=True)
class Rig:
    """The box as a CoAP device sees it, and what the household sees of it."""

    endpoint: CoapEndpoint
    link: CoapLink
    registry: Registry
    store: Store

    @property
    def admission(self) -> Admission:
        return self.link.admission

    @property
    def keys(self) -> CoapKeys:
        return self.link.keys

    async def until_waiting(self, fact: Callable[[list[str]], bool]) -> None:
        """Wait until the endpoints that wait are as wished."""
        with self.admission.changes.subscribe(1000) as changes:
            async with asyncio.timeout(10):
                while not fact([one.endpoint for one in self.admission.waiting]):
                    await anext(changes)


def database(folder: Path, migrations: Mapping[str, Sequence[str]] = MIGRATIONS) -> Store:
    """Return the store of a box whose state is in `folder`."""
    return Store(folder / "gateway.db", migrations, on_restore=(ON_RESTORE,))


@asynccontextmanager
async def box(
    folder: Path,
    serve: Serve,
    config: CoapConfig | None = None,
    migrations: Mapping[str, Sequence[str]] = MIGRATIONS,
) -> AsyncIterator[Rig]:
    """Run it for the length of a block."""
    config = config or CoapConfig(port=0, longest_pause_s=1)
    store, endpoint = database(folder, migrations), CoapEndpoint(config)
    link = CoapLink(config, endpoint, store)
    registry = Registry([link])
    async with AsyncExitStack() as stack:
        for service in (store, endpoint, registry, link):
            await stack.enter_async_context(serve(service))
        yield Rig(endpoint, link, registry, store)
