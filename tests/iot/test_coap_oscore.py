"""Secured CoAP: the box and a device that is not ours, which lose what they know in turn."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from gateway.child import running
from gateway.iot import coap_directory
from gateway.iot.coap import CoapLink
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint
from gateway.iot.coap_keys import ON_RESTORE, CoapKeys, Credentials
from gateway.iot.entity import EntityId
from gateway.iot.registry import Registry
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.conftest import until, value
from tests.iot.oscore_device import LINKS

ROOT = Path(__file__).parents[2]
TEMPERATURE, FAN = "coap.ep1.3303.0.5700", EntityId("coap.ep1.3306.0.5850")
REGISTER = ("ask", "POST", "rd?ep=ep1&lt=60", LINKS.decode(), 40)


@dataclass(frozen=True)
class Rig:
    """The box as a CoAP device sees it, and what the household sees of it."""

    endpoint: CoapEndpoint
    link: CoapLink
    registry: Registry
    store: Store

    @property
    def keys(self) -> CoapKeys:
        return self.link.keys


@asynccontextmanager
async def box(folder: Path, serve: Serve, config: CoapConfig | None = None) -> AsyncIterator[Rig]:
    config = config or CoapConfig(port=0, longest_pause_s=1)
    store = Store(folder / "gateway.db", {"coap": coap_directory.MIGRATIONS}, on_restore=(ON_RESTORE,))
    endpoint = CoapEndpoint(config)
    link = CoapLink(config, endpoint, store)
    registry = Registry([link])
    async with AsyncExitStack() as stack:
        for service in (store, endpoint, registry, link):
            await stack.enter_async_context(serve(service))
        yield Rig(endpoint, link, registry, store)


class Device:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, *request: object) -> object:
        """Return what it answers to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(30):
            line = await self._process.stdout.readline()
        assert line, "the device died"
        return json.loads(line)

    async def ask(self, *request: object) -> tuple[str, str]:
        """Return code and payload of the box's answer."""
        answer = await self.tell(*request)
        assert isinstance(answer, list)
        return answer[0], answer[1]

    async def register(self) -> None:
        code, payload = await self.ask(*REGISTER)
        assert code.startswith("2.01"), (code, payload)


def install(folder: Path, given: Credentials) -> None:
    """Write credentials as the device keeps them."""
    folder.mkdir(exist_ok=True)
    settings = {
        "secret_hex": given.master_secret.hex(),
        "salt_hex": given.master_salt.hex(),
        "sender-id_hex": given.sender_id.hex(),
        "recipient-id_hex": given.recipient_id.hex(),
    }
    (folder / "settings.json").write_text(json.dumps(settings))


@asynccontextmanager
async def device(folder: Path, rig: Rig) -> AsyncIterator[Device]:
    """A device with the credentials in `folder`, if there are some; it ends without saying so."""
    folder.mkdir(exist_ok=True)
    argv: Sequence[str | Path] = (
        sys.executable,
        "-m",
        "tests.iot.oscore_device",
        folder,
        str(rig.endpoint.port),
    )
    async with running(argv, cwd=ROOT, stdin=PIPE, stdout=PIPE) as process:
        yield Device(process)


async def test_a_device_registers_is_watched_and_commanded_sealed(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "Cellar")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig) as ep1:
            await ep1.register()
            # Nobody was asked: who made the credentials has answered already.
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            await ep1.tell("become", "temperature", "21.5")
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 21.5)
            assert await rig.link.command(FAN, value=True)
            await until(rig.registry, lambda: value(rig.registry, FAN) is True)
            assert await ep1.tell("value", "fan") == "1"
            assert await ep1.tell("unsealed") == 0
        assert not rig.keys.refused
