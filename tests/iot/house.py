"""A whole house for tests: real broker, both links, and everything between them, as on a box."""

import asyncio
import json
import socket
from asyncio.subprocess import DEVNULL, PIPE
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.child import running
from gateway.iot import coap_directory, commands_table, household_link, rules
from gateway.iot.bridge import BridgeConfig, BridgeOut
from gateway.iot.bridge_topics import Topics
from gateway.iot.coap import CoapLink
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint
from gateway.iot.coap_server import CoapServer
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.entity import EntityId, State, Value
from gateway.iot.household_link import HouseholdLink
from gateway.iot.mqtt import MqttLink
from gateway.iot.registry import Registry
from gateway.iot.rules_runs import Action
from gateway.mqtt import BrokerAddress, Message
from gateway.mqtt_client import MqttClient, MqttLimits
from gateway.store import Store
from gateway.supervisor import Service
from tests.conftest import Serve

BOX = "box-1"
COAP_CLIENT = "coap-client-notls"


@dataclass(kw_only=True)
class House:
    """What a test can reach of it."""

    folder: Path
    broker_port: int
    store: Store
    client: MqttClient
    mqtt: MqttLink
    endpoint: CoapEndpoint
    link: CoapLink
    registry: Registry
    commands: Commands

    @property
    def coap(self) -> str:
        """Address of the box's CoAP endpoint."""
        return f"coap://127.0.0.1:{self.endpoint.port}"

    async def state(self, entity: EntityId, **wanted: object) -> State:
        """Return the state of `entity` once it is known and as `wanted`."""

        def fits() -> State | None:
            state = self.registry.states.get(entity)
            return state if state and all(getattr(state, key) == to for key, to in wanted.items()) else None

        with self.registry.changes.subscribe() as changes:
            async with asyncio.timeout(20):
                while (state := fits()) is None:
                    await anext(changes)
        return state

    async def retain(self, topic: str, payload: object) -> None:
        """Publish as a device would, retained; documents as JSON."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.client.publish(Message(topic, data, retain=True))

    @asynccontextmanager
    async def listening(self, pattern: str) -> AsyncIterator["Listener"]:
        """A mosquitto_sub on `pattern`."""
        broker = ["-h", "127.0.0.1", "-p", str(self.broker_port)]
        argv = ["mosquitto_sub", *broker, "-t", pattern, "-F", "%t %p", "-q", "1"]
        async with running(argv, stdout=PIPE) as process:
            assert process.stdout is not None
            yield Listener(process.stdout)


@dataclass
class Listener:
    """What a real subscriber hears; what is passed over is kept for who asks for its topic later.

    A broker promises an order within a topic only: kept messages of two topics come as it likes.
    """

    output: asyncio.StreamReader
    passed: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))

    async def next(self, topic: str) -> str:
        """Return the next payload on `topic`."""
        if passed := self.passed[topic]:
            return passed.popleft()
        async with asyncio.timeout(20):
            while line := (await self.output.readline()).decode().rstrip("\n"):
                heard, _, payload = line.partition(" ")
                if heard == topic:
                    return payload
                self.passed[heard].append(payload)
        raise AssertionError

    async def until(self, topic: str, payload: str) -> None:
        """Wait until `payload` is heard on `topic`."""
        while await self.next(topic) != payload:
            pass


@asynccontextmanager
async def mosquitto(folder: Path, port: int = 0) -> AsyncIterator[int]:
    """A real broker that lets everybody in; its port."""
    with socket.create_server(("127.0.0.1", port)) as probe:
        port = probe.getsockname()[1]
    configuration = folder / "mosquitto.conf"
    # What waits for a slow reader is bounded as in the box's own broker.
    limits = "max_inflight_messages 100\nmax_queued_messages 100000\nmax_queued_bytes 67108864\n"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n{limits}")
    async with running(["/usr/sbin/mosquitto", "-c", configuration], stdout=DEVNULL, stderr=DEVNULL):
        await _answers(port)
        yield port


async def _answers(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@asynccontextmanager
async def house(
    folder: Path,
    serve: Serve,
    broker_port: int,
    *,
    rules_text: bytes = b"",
    bridge: BridgeConfig | None = None,
    deadline_s: float = 5.0,
    coap_port: int = 0,
    limits: MqttLimits | None = None,
) -> AsyncIterator[House]:
    """The house for the length of a block."""
    migrations = {
        "coap": coap_directory.MIGRATIONS,
        "rules": rules.MIGRATIONS,
        "commands": commands_table.MIGRATIONS,
        "home": household_link.MIGRATIONS,
    }
    store = Store(folder / "gateway.db", migrations)
    will = Message(f"gateway/{BOX}/status", b"offline", retain=True)
    birth = Message(f"gateway/{BOX}/status", b"online", retain=True)
    client = MqttClient(
        BrokerAddress("127.0.0.1", broker_port),
        "gateway-test",
        will=will,
        birth=birth,
        limits=limits,
    )
    config = CoapConfig(port=coap_port, admission="open", longest_pause_s=1, margin_s=0.5)
    endpoint = CoapEndpoint(config)
    link = CoapLink(config, endpoint, store)
    file = folder / "rules.yaml"
    file.write_bytes(rules_text)
    mqtt = MqttLink(client)
    links = (mqtt, link, HouseholdLink(file, store))
    registry = Registry(links)
    orders = Commands(store, registry, links, CommandsConfig(deadline_s=deadline_s))
    services: list[Service] = [
        store,
        client,
        endpoint,
        registry,
        orders,
        rules.Rules(file, registry, store, {"command": _telling(orders)}),
        CoapServer(endpoint, registry, orders, link.knows, body=bridge is not None and bridge.body),
        BridgeOut(Topics(BOX), client, registry, orders, bridge),
        *links,
    ]
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(serve(service))
            if service is client:
                await _connected(client)
        yield House(
            folder=folder,
            broker_port=broker_port,
            store=store,
            client=client,
            mqtt=mqtt,
            endpoint=endpoint,
            link=link,
            registry=registry,
            commands=orders,
        )


def _telling(orders: Commands) -> Action:
    def tell(*, entity: EntityId, value: Value) -> None:
        orders.tell(entity, value)

    return tell


async def _connected(client: MqttClient) -> None:
    with client.changes.subscribe() as changes:
        async with asyncio.timeout(20):
            while not client.connected:
                await anext(changes)


async def output_of(argv: Sequence[str]) -> tuple[str, str]:
    """Return what a program writes to its two outputs; bytes that are not UTF-8 replaced."""
    async with asyncio.timeout(30), running(argv, stdout=PIPE, stderr=PIPE) as process:
        out, err = await process.communicate()
    return out.decode(errors="replace"), err.decode(errors="replace")
