"""What devices must not send, and that the others notice nothing: a lamp is obeyed meanwhile."""

import asyncio
import json
import logging
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiocoap
import aiomqtt
import pytest

from gateway.child import running
from gateway.iot.commands_model import CommandState
from gateway.iot.entity import EntityId
from gateway.mqtt import Message
from gateway.mqtt_client import MqttLimits
from gateway.mqtt_floods import FloodLimits
from tests.conftest import Serve
from tests.iot.coap_peers import Value as Resource
from tests.iot.coap_peers import peer
from tests.iot.house import COAP_CLIENT, House, house, mosquitto, output_of
from tests.iot.test_faults import PLUG, ROOM, ROOM_CONFIG, Plug, end_of

DEEP = b"[" * 100_000
HUGE = b'{"state_topic": "x/state", "name": "' + b"x" * 100_000 + b'"}'


@pytest.fixture
async def broker_port(tmp_path: Path) -> AsyncIterator[int]:
    async with mosquitto(tmp_path) as port:
        yield port


@pytest.fixture
def flood() -> FloodLimits:
    """What is a flood; a test that makes one sets its own."""
    return FloodLimits()


@pytest.fixture
async def home(tmp_path: Path, serve: Serve, broker_port: int, flood: FloodLimits) -> AsyncIterator[House]:
    """A house with a lamp that works and a thermometer."""
    async with (
        house(tmp_path, serve, broker_port, deadline_s=15, limits=MqttLimits(flood=flood)) as home,
        serve(Plug(broker_port)),
    ):
        await home.retain("homeassistant/sensor/room/config", {**ROOM_CONFIG, "unit_of_meas": "°C"})
        await home.retain("room/state", b"20")
        await home.state(PLUG, value=False)
        await home.state(ROOM, value=20)
        yield home


async def obeys(home: House) -> None:
    """The lamp does as it is told, and says so."""
    for value in (True, False):
        assert (await end_of(home, PLUG, value)).state is CommandState.CONFIRMED


@pytest.mark.parametrize("qos", ["0", "1"])
@pytest.mark.parametrize("flood", [FloodLimits(most_at_once=500, calm=100, window_s=1)])
async def test_a_device_that_floods_is_named_and_the_others_are_obeyed(
    home: House, caplog: pytest.LogCaptureFixture, qos: str
) -> None:
    asyncio.get_running_loop().set_debug(False)
    caplog.set_level(logging.INFO, "gateway.mqtt_floods")
    argv = [
        "mosquitto_pub",
        "-h",
        "127.0.0.1",
        "-p",
        str(home.broker_port),
        "-q",
        qos,
        "-t",
        "room/state",
        "-l",
    ]
    async with running(argv, stdin=PIPE, stdout=DEVNULL) as flooding:
        assert flooding.stdin is not None
        for _ in range(4):
            flooding.stdin.write(b"".join(b"%d\n" % (n % 40) for n in range(5_000)))
            await obeys(home)
        flooding.stdin.close()
        await flooding.wait()
    assert home.client.floods.passed_over["room/state"] > 0
    assert caplog.text.count("A flood on 'room/state'") == 1
    # When it is over, it is heard like anybody else.
    async with asyncio.timeout(20):
        while "is over" not in caplog.text:  # noqa: ASYNC110 - a log has no events
            await asyncio.sleep(0.02)
    await home.client.publish(Message("room/state", b"77"))
    await home.state(ROOM, value=77)


@pytest.mark.parametrize("flood", [FloodLimits(most_at_once=300, calm=100)])
async def test_a_flood_of_announcements_leaves_the_newest(home: House) -> None:
    """A filter that covers everybody's announcements cannot be given up for one of them."""
    asyncio.get_running_loop().set_debug(False)
    argv = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(home.broker_port), "-q", "1", "-l"]
    argv += ["-t", "homeassistant/sensor/loud/config"]
    async with running(argv, stdin=PIPE, stdout=DEVNULL) as flooding:
        assert flooding.stdin is not None
        for number in range(1, 3_001):
            word = {"unique_id": f"loud_{number}", "state_topic": "loud/state"}
            flooding.stdin.write(json.dumps(word).encode() + b"\n")
        flooding.stdin.close()
        await obeys(home)
        await flooding.wait()
    await home.state(EntityId("mqtt.loud_3000"))
    assert set(home.registry.states) == {PLUG, ROOM, "mqtt.loud_3000"}


@pytest.mark.alone
async def test_ten_thousand_kept_announcements_hold_up_nobody(
    tmp_path: Path, serve: Serve, broker_port: int
) -> None:
    asyncio.get_running_loop().set_debug(False)
    async with aiomqtt.Client("127.0.0.1", broker_port) as tool:
        for number in range(10_000):
            word = b'{"unique_id":"s%d","state_topic":"s/%d"}' % (number, number) if number % 100 else b"{"
            await tool.publish(f"homeassistant/sensor/s{number}/config", word, 0, retain=True)
    async with serve(Plug(broker_port)), house(tmp_path, serve, broker_port, deadline_s=15) as home:
        await home.state(PLUG, value=False)
        await obeys(home)
        with home.registry.changes.subscribe(50_000) as changes:
            async with asyncio.timeout(60):
                while len(home.registry.states) < 9_901:
                    await anext(changes)
        await home.client.publish(Message("s/9001", b"7"))
        await home.state(EntityId("mqtt.s9001"), value=7)
    assert home.mqtt.refused.keys() == {f"homeassistant/sensor/s{n}/config" for n in range(0, 10_000, 100)}


@pytest.mark.parametrize(
    "announcement",
    [
        DEEP,
        HUGE,
        b"\xff\xfe\x00",
        b'{"a":' * 60_000,
        b"[]",
        b"null",
        b"1e400",
        b'{"state_topic": 1e400}',
        b'{"state_topic": "x/+"}',
        b'{"state_topic": "x/#"}',
        b'{"state_topic": "x\\u0000y"}',
        b'{"state_topic": "\\ud800"}',
        b'{"state_topic": ""}',
        b'{"state_topic": "x", "name": {"a": []}}',
        b'{"state_topic": "x", "unique_id": ["a"]}',
        b'{"state_topic": "x", "expire_after": 1e400}',
        b'{"state_topic": "x", "expire_after": 100000000000000000000000000}',
        b'{"state_topic": "x", "expire_after": NaN}',
        b'{"state_topic": "x", "device": "me"}',
    ],
    ids=lambda word: word[:30].decode(errors="replace"),
)
async def test_a_hostile_announcement_is_refused_by_name(home: House, announcement: bytes) -> None:
    topic = "homeassistant/sensor/bad/config"
    await home.retain(topic, announcement)
    await obeys(home)
    assert set(home.registry.states) == {PLUG, ROOM}
    assert home.mqtt.refused.keys() == {topic}


@pytest.mark.parametrize(
    "name", ["+", "#", "a/b", "\u202egnp.exe", "🔥" * 50, "a\nb", "\x1b[2J", "x" * 5_000, "\x7f", ""]
)
async def test_a_strange_name_stays_a_name(home: House, name: str) -> None:
    """It is shown without what would change the line around it, and never becomes a part of a topic."""
    topics = {"state_topic": "odd/state", "command_topic": "odd/set", "dev": {"ids": name, "name": name}}
    await home.retain("homeassistant/switch/odd/config", {"unique_id": f"odd{name}", "name": name, **topics})
    await home.retain("odd/state", b"ON")
    await obeys(home)
    odd = [state for state in home.registry.states.values() if state.entity.id not in (PLUG, ROOM)]
    for state in odd:
        entity = state.entity
        assert set(entity.id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        for shown in (entity.name, entity.device.name):
            assert len(shown) <= 255
            assert shown.isprintable()
    listed, _ = await output_of([COAP_CLIENT, "-m", "get", f"{home.coap}/.well-known/core"])
    assert "</e/mqtt.plug>" in listed
    assert odd or home.mqtt.refused


@pytest.mark.parametrize(
    "word",
    [
        b"1e400",
        b"-1e400",
        b"NaN",
        b"nan",
        b"Infinity",
        b"9" * 5_000,
        b"\xff",
        b"x" * 100_000,
        DEEP,
        b"1" + b"\x00",
    ],
    ids=lambda word: repr(word[:12]),
)
async def test_a_hostile_report_changes_nothing(home: House, word: bytes) -> None:
    await home.client.publish(Message("room/state", word))
    await home.client.publish(Message("room/state", b"21"))
    with home.registry.changes.subscribe() as changes:
        seen = [home.registry.states[ROOM].value]
        async with asyncio.timeout(20):
            while seen[-1] != 21:
                await anext(changes)
                seen.append(home.registry.states[ROOM].value)
    assert set(seen) <= {20, 21}
    await obeys(home)
    assert home.mqtt.unreadable == 1


async def test_a_report_that_is_too_long_is_not_read_however_good_it_is(home: House) -> None:
    words = {"unique_id": "meter", "state_topic": "meter/state", "unit_of_meas": "W"}
    await home.retain("homeassistant/sensor/meter/config", {**words, "value_template": "{{ value_json.w }}"})
    await home.retain("meter/state", b'{"w": 20}')
    await home.state(EntityId("mqtt.meter"), value=20)
    await home.client.publish(Message("meter/state", json.dumps({"w": 21, "more": "x" * 65_536}).encode()))
    await home.client.publish(Message("room/state", b"21"))
    await home.state(ROOM, value=21)
    assert home.registry.states[EntityId("mqtt.meter")].value == 20
    assert home.mqtt.unreadable == 1


async def test_a_coap_device_that_floods_is_heard_and_the_others_are_obeyed(home: House) -> None:
    asyncio.get_running_loop().set_debug(False)
    loud, calm = Resource("0"), Resource("5")
    async with peer({"/3303/0/5700": loud}) as first, peer({"/3303/0/5700": calm}) as second:
        await first.register(home.endpoint.port, "</3303/0/5700>;obs", name="loud")
        await second.register(home.endpoint.port, "</3303/0/5700>;obs", name="calm")
        await home.state(EntityId("coap.loud.3303.0.5700"), value=0)
        await home.state(EntityId("coap.calm.3303.0.5700"), value=5)

        async def flood() -> None:
            for number in range(3_000):
                loud.become(str(number % 50))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            loud.become("99")

        flooding = asyncio.create_task(flood())
        await obeys(home)
        calm.become("6")
        await home.state(EntityId("coap.calm.3303.0.5700"), value=6)
        await flooding
        await home.state(EntityId("coap.loud.3303.0.5700"), value=99)
        answer = await second.ask(aiocoap.GET, f"{home.coap}/e/mqtt.plug", accept=0)
        assert answer.payload == b"0"
