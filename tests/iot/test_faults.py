"""What goes wrong in a home, one test for each fault, by what a device, a subscriber or a caller sees."""

import asyncio
import math
import random
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self, cast

import aiocoap
import aiomqtt
import pytest

from gateway.iot import commands, commands_model, commands_running, mqtt, registry
from gateway.iot.bridge import BridgeConfig
from gateway.iot.commands_model import Command, CommandState
from gateway.iot.entity import EntityId, Value
from gateway.iot.rules_loops import LONGEST_CHAIN
from gateway.mqtt import Message
from gateway.mqtt_client import MqttLimits
from gateway.store import StoreError
from tests.conftest import Serve
from tests.iot.coap_peers import Value as Resource
from tests.iot.coap_peers import peer
from tests.iot.house import BOX, House, house, mosquitto
from tests.iot.mqtt_raw import raw_device, switch
from tests.iot.wire import Wire

PLUG, SIREN, ROOM = EntityId("mqtt.plug"), EntityId("mqtt.siren"), EntityId("mqtt.room")
ROOM_CONFIG = {"unique_id": "room", "state_topic": "room/state"}
FLAPPING = {
    "unique_id": "plug",
    "state_topic": "plug/state",
    "command_topic": "plug/set",
    "availability_topic": "plug/available",
}
HOT = b"""
rules:
  - id: hot
    when: {entity: mqtt.room, above: 25}
    do: [{command: {entity: mqtt.siren, value: true}}]
    mode: queued
"""
PLUG_ON = HOT.replace(b"entity: mqtt.room, above: 25", b"entity: mqtt.plug, equals: true")
CIRCLE = b"""
rules:
  - {id: up, when: {entity: mqtt.plug, equals: false}, mode: queued,
     do: [{command: {entity: mqtt.plug, value: true}}]}
  - {id: down, when: {entity: mqtt.plug, equals: true}, mode: queued,
     do: [{command: {entity: mqtt.plug, value: false}}]}
  - {id: hot, when: {entity: mqtt.room, above: 25},
     do: [{command: {entity: mqtt.siren, value: true}}]}
"""


class Plug:
    """A switch of its own at the broker, that does as it is told.  A service.

    Attributes:
        orders: All it was told.
    """

    def __init__(self, port: int, name: str = "plug") -> None:
        self.orders: list[bytes] = []
        self._port = port
        self._name = name

    async def run(self, ready: Callable[[], None]) -> None:
        name = self._name
        async with aiomqtt.Client("127.0.0.1", self._port) as client:
            await client.subscribe(f"{name}/set", 1)
            await client.publish(f"{name}/state", b"OFF", 1, retain=True)
            await client.publish(f"homeassistant/switch/{name}/config", switch(name), 1, retain=True)
            ready()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                self.orders.append(message.payload)
                # The library's own time limit may swallow a cancellation on Python 3.11.
                await client.publish(f"{name}/state", message.payload, 1, retain=True, timeout=math.inf)


async def end_of(home: House, entity: EntityId, value: Value) -> Command:
    """Order, and return the command as it ended."""
    with home.commands.changes.subscribe() as changes:
        command = await home.commands.order(entity, value)
        async with asyncio.timeout(30):
            while command.id != (step := await anext(changes)).id or not step.state.over:
                pass
    return step


@pytest.fixture
async def broker_port(tmp_path: Path) -> AsyncIterator[int]:
    async with mosquitto(tmp_path) as port:
        yield port


async def test_what_is_delivered_twice_is_done_once(tmp_path: Path, serve: Serve, broker_port: int) -> None:
    """A device whose acknowledgements were lost says all of it again, in its order, behind newer words."""
    siren = Plug(broker_port, "siren")
    async with house(tmp_path, serve, broker_port, rules_text=HOT) as home, serve(siren):
        await home.retain("homeassistant/sensor/room/config", ROOM_CONFIG)
        await home.retain("room/state", b"20")
        await home.state(ROOM, value=20)
        await home.state(SIREN, value=False)
        async with home.listening("siren/set") as heard, raw_device(broker_port, "room") as device:
            await device.publish("room/state", b"26", 1)
            for _ in range(5):
                await device.publish("room/state", b"26", 1, duplicate=True)
            await home.state(SIREN, value=True)
            await device.publish("room/state", b"21", 2)
            await home.state(ROOM, value=21)
            # The end is what the device said last, whatever it repeated before.
            for number, word in ((1, b"26"), (2, b"21")):
                await device.publish("room/state", word, number, duplicate=True)
            await device.publish("room/state", b"19", 3)
            await home.state(ROOM, value=19)
            await home.client.publish(Message("siren/set", b"end"))
            words = [await heard.next("siren/set")]
            while words[-1] != "end":
                words.append(await heard.next("siren/set"))
    # Once for the crossing with its five copies, once for the repeated crossing behind it: edges, not copies.
    assert words == ["ON", "ON", "end"]


async def test_a_device_that_comes_and_goes_sets_nothing_off_and_hurts_nobody(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    siren = Plug(broker_port, "siren")
    will = ("plug/available", "offline")
    async with house(tmp_path, serve, broker_port, rules_text=PLUG_ON) as home, serve(siren):
        await home.retain("plug/state", b"ON")
        await home.retain("homeassistant/switch/plug/config", FLAPPING)
        await home.state(SIREN, value=False)
        async with home.listening("siren/set") as heard:
            for turn in range(25):
                async with raw_device(broker_port, "plug", will) as device:
                    await device.publish("plug/available", b"online", 1, retain=True)
                    if not turn:
                        await device.publish("plug/state", b"ON", 2, retain=True)
                        await home.state(PLUG, value=True, available=True)
                        await heard.next("siren/set")
                    device.cut()
                if turn % 8 == 0:
                    assert (await end_of(home, SIREN, turn % 16 == 0)).state is CommandState.CONFIRMED
                    await heard.next("siren/set")
            await home.state(PLUG, available=False)
            async with raw_device(broker_port, "plug", will) as device:
                await device.publish("plug/available", b"online", 1, retain=True)
                assert (await home.state(PLUG, available=True)).value is True
            await home.client.publish(Message("siren/set", b"end"))
            assert await heard.next("siren/set") == "end"


async def test_a_connection_that_carries_nothing_is_left_and_the_order_is_done(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    wire, plug = Wire(broker_port), Plug(broker_port)
    async with serve(wire), house(tmp_path, serve, wire.port, deadline_s=20) as home, serve(plug):
        await home.state(PLUG, value=False)
        wire.fall_silent()
        assert (await end_of(home, PLUG, True)).state is CommandState.CONFIRMED
    assert plug.orders == [b"ON"]


async def test_a_bell_whose_acknowledgement_is_lost_is_not_rung_again(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    wire = Wire(broker_port)
    async with serve(wire), house(tmp_path, serve, wire.port, deadline_s=20) as home:
        bell = {"unique_id": "bell", "command_topic": "bell/ring"}
        await home.retain("homeassistant/button/bell/config", bell)
        await home.state(EntityId("mqtt.bell"))
        async with aiomqtt.Client("127.0.0.1", broker_port) as device:
            await device.subscribe("bell/ring", 1)
            wire.fall_silent(broker_hears=True)
            ended = await end_of(home, EntityId("mqtt.bell"), True)
            await device.publish("bell/ring", b"end", 1)
            rung = []
            async with asyncio.timeout(20):
                async for message in device.messages:
                    if message.payload == b"end":
                        break
                    rung.append(message.payload)
    assert (ended.state, ended.code, len(rung)) == (CommandState.EXPIRED, "IOT-202", 1)


async def test_a_silent_connection_is_noticed_though_nobody_orders_anything(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    wire, plug = Wire(broker_port), Plug(broker_port)
    async with (
        serve(wire),
        house(tmp_path, serve, wire.port, limits=MqttLimits(keepalive_s=1)) as home,
        serve(plug),
    ):
        await home.state(PLUG, value=False, available=True)
        with home.registry.changes.subscribe() as changes:
            wire.fall_silent()
            async with aiomqtt.Client("127.0.0.1", broker_port) as device:
                await device.publish("plug/state", b"ON", 1, retain=True)
            seen: list[tuple[bool, Value | None]] = []
            async with asyncio.timeout(20):
                while not seen or seen[-1] != (True, True):
                    change = await anext(changes)
                    if change.after is not None and change.after.entity.id == PLUG:
                        seen.append((change.after.available, change.after.value))
    # Nothing was known of it for a while, and that was said.
    assert (False, False) in seen


@pytest.mark.parametrize("jump", [timedelta(days=3650), timedelta(days=-3650)], ids=["ahead", "back"])
async def test_a_clock_that_jumps_ends_no_order_and_silences_no_device(
    tmp_path: Path, serve: Serve, broker_port: int, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    shift = [timedelta(0)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp((datetime.now(tz) + shift[0]).timestamp(), tz)

    for module in (mqtt, registry, commands, commands_model, commands_running):
        monkeypatch.setattr(module, "datetime", Clock)
    async with (
        house(tmp_path, serve, broker_port, deadline_s=20) as home,
        aiomqtt.Client("127.0.0.1", broker_port) as device,
    ):
        await device.subscribe("plug/set", 1)
        await device.publish("homeassistant/switch/plug/config", switch("plug"), 1, retain=True)
        await device.publish("plug/state", b"OFF", 1, retain=True)
        await home.state(PLUG, value=False)
        for value, word in ((True, b"ON"), (False, b"OFF")):
            ordering = asyncio.create_task(end_of(home, PLUG, value))
            async with asyncio.timeout(20):
                assert (await anext(device.messages)).payload == word
            # There, and with the next order back again: a report from the future is no reason to be deaf.
            shift[0] = jump if value else timedelta(0)
            await device.publish("plug/state", word, 1, retain=True)
            assert (await ordering).state is CommandState.CONFIRMED
            await home.state(PLUG, value=value)


async def test_a_full_disk_refuses_what_it_cannot_promise_and_the_home_goes_on(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    plug, siren = Plug(broker_port), Plug(broker_port, "siren")

    async with (
        house(tmp_path, serve, broker_port, rules_text=HOT) as home,
        serve(plug),
        serve(siren),
    ):
        await home.retain("homeassistant/sensor/room/config", ROOM_CONFIG)
        await home.retain("room/state", b"20")
        for entity in (PLUG, SIREN):
            await home.state(entity, value=False)
        await home.state(ROOM, value=20)
        await home.store.write(_limit)
        with pytest.raises(StoreError, match="full"):  # noqa: PT012 - it takes some orders to fill it
            async with asyncio.timeout(60):
                while True:
                    assert (await end_of(home, PLUG, value=True)).state is CommandState.CONFIRMED
        told = len(plug.orders)
        # Alarms need no disk.
        await home.retain("room/state", b"26")
        await home.state(SIREN, value=True)
        assert len(plug.orders) == told
        await home.store.write(_make_room)
        assert (await end_of(home, PLUG, False)).state is CommandState.CONFIRMED
    assert siren.orders == [b"ON"]


def _limit(db: sqlite3.Connection) -> None:
    # SQLite then says itself that there is no room, as on a full disk.
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count = {pages}")


def _make_room(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count = 1000000")


async def test_a_circle_of_rules_ends_and_the_other_rules_go_on(
    tmp_path: Path, serve: Serve, broker_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    plug, siren = Plug(broker_port), Plug(broker_port, "siren")
    async with house(tmp_path, serve, broker_port, rules_text=CIRCLE) as home, serve(plug), serve(siren):
        await home.retain("homeassistant/sensor/room/config", ROOM_CONFIG)
        await home.retain("room/state", b"20")
        await home.state(ROOM, value=20)
        await home.state(SIREN, value=False)
        await home.state(PLUG, value=False)
        await home.retain("plug/state", b"ON")
        async with asyncio.timeout(20):
            while "part of a circle" not in caplog.text:  # noqa: ASYNC110 - a log has no events
                await asyncio.sleep(0.01)
        await home.retain("room/state", b"26")
        await home.state(SIREN, value=True)
    assert siren.orders == [b"ON"]
    assert LONGEST_CHAIN - 1 <= len(plug.orders) <= LONGEST_CHAIN


async def test_a_thousand_announcements_of_an_earlier_life_are_taken_back(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    # Debug mode would be most of the work.
    asyncio.get_running_loop().set_debug(False)
    async with aiomqtt.Client("127.0.0.1", broker_port) as tool:
        for number in range(1000):
            topic = f"homeassistant/switch/gateway_{BOX}/ghost_{number}/config"
            await tool.publish(topic, switch(f"gateway/{BOX}/ghost_{number}"), 0, retain=True)
        await tool.publish("homeassistant/switch/plug/config", switch("plug"), 1, retain=True)
        await tool.publish("plug/state", b"ON", 1, retain=True)
    gone: set[str] = set()
    async with aiomqtt.Client("127.0.0.1", broker_port) as watcher:
        await watcher.subscribe(f"homeassistant/switch/gateway_{BOX}/#", 1)
        async with house(tmp_path, serve, broker_port, bridge=BridgeConfig(sweep_after_s=1)) as home:
            async with asyncio.timeout(60):
                while len(gone) < 1000:
                    message = await anext(watcher.messages)
                    if not message.payload:
                        gone.add(str(message.topic))
            await home.state(PLUG, value=True)
            assert set(home.registry.states) == {PLUG}
    async with aiomqtt.Client("127.0.0.1", broker_port) as later:
        await later.subscribe("homeassistant/switch/#", 1)
        await later.publish("homeassistant/switch/end", b"end", 1)
        async with asyncio.timeout(20):
            kept = [str((await anext(later.messages)).topic) for _ in range(2)]
    assert kept == ["homeassistant/switch/plug/config", "homeassistant/switch/end"]


class LossyWire(asyncio.DatagramProtocol):
    """Between a device and the box: some datagrams are lost, some come twice, some overtake others."""

    def __init__(self, box_port: int, luck: int) -> None:
        self._box = ("127.0.0.1", box_port)
        self._device: tuple[str, int] | None = None
        self._luck = random.Random(luck)  # noqa: S311 - no secret
        self._transport: asyncio.DatagramTransport | None = None
        self.lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        if addr != self._box:
            self._device = addr
        to = self._box if addr != self._box else self._device
        luck = self._luck.random()
        if luck < 0.07:
            self.lost += 1
            return
        loop = asyncio.get_running_loop()
        for late_s in (0.0, 0.05) if luck < 0.3 else (0.08,) if luck < 0.5 else (0.0,):
            loop.call_later(late_s, self._pass, data, to)

    def _pass(self, data: bytes, to: tuple[str, int] | None) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)


@asynccontextmanager
async def lossy(box_port: int, luck: int) -> AsyncIterator[tuple[LossyWire, int]]:
    """Such a wire, and its port, for the length of a block."""
    loop = asyncio.get_running_loop()
    transport, wire = await loop.create_datagram_endpoint(
        lambda: LossyWire(box_port, luck), local_addr=("127.0.0.1", 0)
    )
    try:
        sock: socket.socket = transport.get_extra_info("socket")
        yield wire, sock.getsockname()[1]
    finally:
        transport.close()


# With the first the box's answer to a block is lost, and the block comes again.
@pytest.mark.parametrize("luck", [1, 9])
async def test_blocks_that_are_lost_doubled_and_out_of_order_arrive_whole(
    tmp_path: Path, serve: Serve, broker_port: int, luck: int
) -> None:
    paths = [f"/3303/{number}/5700" for number in range(60)]
    links = ",".join(f'<{path}>;title="{"x" * 50}"' for path in paths)
    async with (
        house(tmp_path, serve, broker_port) as home,
        lossy(home.endpoint.port, luck) as (wire, port),
        peer({path: Resource("20") for path in paths[:3]}) as device,
        asyncio.timeout(60),
    ):
        # Both ways in blocks: the registration to the box, and the list of the home to the device.
        await device.register(port, links)
        for number in (0, 30, 59):
            await home.state(EntityId(f"coap.ep1.3303.{number}.5700"))
        listed = await device.ask(aiocoap.GET, f"coap://127.0.0.1:{port}/.well-known/core")
        assert len(home.registry.states) == 60
        assert listed.payload.count(b"</e/coap.ep1.3303.") == 60
        assert wire.lost
