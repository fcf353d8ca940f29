import asyncio
import json
import logging
import os
import socket
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiocoap
import pytest

from gateway.child import running
from gateway.iot.coap_links import parse_links
from gateway.iot.entity import EntityId
from gateway.mqtt import Message
from tests.conftest import Serve
from tests.iot.coap_peers import Value, peer
from tests.iot.house import COAP_CLIENT, House, house, mosquitto, output_of

SWITCH = EntityId("mqtt.plug")
SENSOR = EntityId("mqtt.bench_temp")


@pytest.fixture
async def home(tmp_path: Path, serve: Serve) -> AsyncIterator[House]:
    async with mosquitto(tmp_path) as port, house(tmp_path, serve, port, deadline_s=1.0) as home:
        await home.retain(
            "homeassistant/switch/plug/config",
            {"unique_id": "plug", "name": "插座", "command_topic": "plug/set", "state_topic": "plug/state"},
        )
        await home.retain(
            "homeassistant/sensor/bench_temp/config",
            {
                "unique_id": "bench_temp",
                "name": "t",
                "state_topic": "bench/temp",
                "device_class": "temperature",
                "unit_of_measurement": "°C",
            },
        )
        await home.retain("plug/state", b"OFF")
        await home.retain("bench/temp", b"21.5")
        await home.state(SWITCH, value=False)
        await home.state(SENSOR, value=21.5)
        yield home


async def test_every_entity_is_listed(home: House) -> None:
    listed, _ = await output_of([COAP_CLIENT, "-m", "get", f"{home.coap}/.well-known/core"])
    sensors, _ = await output_of([COAP_CLIENT, "-m", "get", f"{home.coap}/.well-known/core?rt=oic.r.temp*"])

    links = {link.target: link for link in parse_links(listed.strip())}
    assert links.keys() == {"/rd", "/e/mqtt.plug", "/e/mqtt.bench_temp"}
    assert links["/e/mqtt.plug"].words("if") == ("core.a",)
    assert links["/e/mqtt.bench_temp"].has("obs")
    assert [link.target for link in parse_links(sensors.strip())] == ["/e/mqtt.bench_temp"]


async def test_a_sensor_reads_as_senml_and_as_text(home: House) -> None:
    senml, _ = await output_of([COAP_CLIENT, "-m", "get", f"{home.coap}/e/mqtt.bench_temp"])
    text, _ = await output_of([COAP_CLIENT, "-m", "get", "-A", "0", f"{home.coap}/e/mqtt.bench_temp"])

    (record,) = json.loads(senml)
    assert (record["n"], record["u"], record["v"]) == ("mqtt.bench_temp", "Cel", 21.5)
    assert text.strip() == "21.5"


async def test_an_observer_hears_the_change_of_an_mqtt_sensor(home: House) -> None:
    argv = [COAP_CLIENT, "-m", "get", "-s", "30", "-A", "0", "-w", f"{home.coap}/e/mqtt.bench_temp"]
    async with running(argv, stdout=PIPE) as client, asyncio.timeout(20):
        assert client.stdout is not None
        heard = [(await client.stdout.readline()).strip()]
        await home.retain("bench/temp", b"22.5")
        heard.append((await client.stdout.readline()).strip())
    assert heard == [b"21.5", b"22.5"]


async def test_an_mqtt_switch_is_switched_by_put_and_answers_when_it_says_so(home: House) -> None:
    with home.client.subscribe("plug/set") as orders:
        argv = [COAP_CLIENT, "-m", "put", "-e", "1", f"{home.coap}/e/mqtt.plug"]
        putting = asyncio.create_task(output_of(argv), name="put")
        async with asyncio.timeout(20):
            order = await anext(orders)
        assert order.payload == b"ON"
        await home.retain("plug/state", b"ON")
        assert await putting == ("", "")
    await home.state(SWITCH, value=True)


async def test_a_switch_that_does_not_answer_is_not_called_switched(home: House) -> None:
    async with peer() as client:
        answer = await client.ask(
            aiocoap.PUT, f"{home.coap}/e/mqtt.plug", b'[{"vb":true}]', content_format=110
        )
    assert (answer.code, answer.payload) == (aiocoap.GATEWAY_TIMEOUT, b"expired IOT-207")


async def test_a_lock_is_not_opened_by_who_proves_no_name(home: House) -> None:
    lock = {"unique_id": "door", "command_topic": "door/set", "state_topic": "door/state"}
    with home.client.subscribe("door/set") as orders:
        await home.retain("homeassistant/lock/door/config", lock)
        await home.retain("door/state", b"LOCKED")
        await home.state(EntityId("mqtt.door"), value="locked")
        async with peer() as client:
            answer = await client.ask(
                aiocoap.PUT, f"{home.coap}/e/mqtt.door", b'[{"vs":"unlocked"}]', content_format=110
            )
            read = await client.ask(aiocoap.GET, f"{home.coap}/e/mqtt.door")
        assert (answer.code, read.code) == (aiocoap.UNAUTHORIZED, aiocoap.CONTENT)
        await home.client.publish(Message("door/set", b"end"))
        async with asyncio.timeout(5):
            assert (await anext(orders)).payload == b"end"


async def test_an_observer_of_what_has_gone_is_told(home: House) -> None:
    async with peer() as client:
        request = aiocoap.Message(code=aiocoap.GET, uri=f"{home.coap}/e/mqtt.bench_temp", observe=0)
        asked = client.request(request)
        first = await asked.response
        await home.retain("homeassistant/sensor/bench_temp/config", b"")
        async with asyncio.timeout(20):
            last = await anext(aiter(asked.observation))
        gone = await client.ask(aiocoap.GET, f"{home.coap}/e/mqtt.bench_temp")
    assert [first.code, last.code, gone.code] == [aiocoap.CONTENT, aiocoap.NOT_FOUND, aiocoap.NOT_FOUND]


@pytest.mark.parametrize(
    ("code", "path", "payload", "options", "answer"),
    [
        (aiocoap.GET, "e/mqtt.nobody", b"", {}, aiocoap.NOT_FOUND),
        (aiocoap.GET, "e", b"", {}, aiocoap.NOT_FOUND),
        (aiocoap.GET, "e/mqtt.plug", b"", {"accept": 60}, aiocoap.NOT_ACCEPTABLE),
        (aiocoap.PUT, "e/mqtt.bench_temp", b"1", {}, aiocoap.METHOD_NOT_ALLOWED),
        (aiocoap.POST, "e/mqtt.plug", b"1", {}, aiocoap.METHOD_NOT_ALLOWED),
        (aiocoap.DELETE, "e/mqtt.plug", b"", {}, aiocoap.METHOD_NOT_ALLOWED),
        (aiocoap.PUT, "e/mqtt.plug", b"", {}, aiocoap.BAD_REQUEST),
        (aiocoap.PUT, "e/mqtt.plug", b"perhaps", {}, aiocoap.BAD_REQUEST),
        (aiocoap.PUT, "e/mqtt.plug", b"\xff\xfe", {}, aiocoap.BAD_REQUEST),
        (aiocoap.PUT, "e/mqtt.plug", b"{}", {"content_format": 110}, aiocoap.BAD_REQUEST),
        (aiocoap.PUT, "e/mqtt.plug", b"1", {"content_format": 60}, aiocoap.UNSUPPORTED_CONTENT_FORMAT),
        (aiocoap.PUT, "e/mqtt.plug", b"x" * 5000, {}, aiocoap.REQUEST_ENTITY_TOO_LARGE),
        (aiocoap.GET, ".well-known/core", b"", {"accept": 50}, aiocoap.NOT_ACCEPTABLE),
        (aiocoap.PUT, ".well-known/core", b"", {}, aiocoap.METHOD_NOT_ALLOWED),
    ],
)
async def test_what_cannot_be_done_is_answered_so(
    home: House, code: aiocoap.Code, path: str, payload: bytes, options: dict[str, int], answer: aiocoap.Code
) -> None:
    async with peer() as client:
        said = await client.ask(code, f"{home.coap}/{path}", payload, **options)
    assert said.code == answer


async def test_garbage_on_the_port_changes_nothing_and_fills_no_log(
    home: House, caplog: pytest.LogCaptureFixture
) -> None:
    rubbish = [os.urandom(size) for size in range(1, 200)]
    rubbish += [
        b"\x40\x01\x00\x01\xb2\xff\xfe",  # a path that is not UTF-8
        b"\x48\x01\x00\x02" + b"t" * 8 + b"\xbd\xff" + b"x" * 40,
        b"\x40\x01\x00\x03\xff",
        b"\x44\x01\x84\x9e\x51\x55\x77\xe8\xb2\x48\x69\x04\x54\x65\x73\x74\x43\x61\x3d\x31" + b"\xff" * 9,
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for each in rubbish:
            stranger.sendto(each, ("127.0.0.1", home.endpoint.port))
    text, _ = await output_of([COAP_CLIENT, "-m", "get", "-A", "0", f"{home.coap}/e/mqtt.bench_temp"])
    assert text.strip() == "21.5"
    # A slow machine makes asyncio's debug mode warn of itself.
    assert not [
        r for r in caplog.records if r.levelno >= (logging.ERROR if r.name == "asyncio" else logging.WARNING)
    ]


async def test_a_flood_of_requests_costs_little_and_passes(home: House) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for number in range(5000):
            stranger.sendto(b"\x50\x01" + number.to_bytes(2) + b"\xb1e", ("127.0.0.1", home.endpoint.port))
            if number % 200 == 0:
                await asyncio.sleep(0)
    async with peer() as client:
        async with asyncio.timeout(10):
            answer = await client.ask(aiocoap.GET, f"{home.coap}/e/mqtt.bench_temp", accept=0)
    assert answer.payload == b"21.5"


async def test_a_coap_device_is_listed_among_the_others(home: House) -> None:
    async with peer({"/3303/0/5700": Value("19")}) as device:
        await device.register(home.endpoint.port, "</3303/0/5700>")
        await home.state(EntityId("coap.ep1.3303.0.5700"), value=19)
        answer = await device.ask(aiocoap.GET, f"{home.coap}/e/coap.ep1.3303.0.5700", accept=0)
    assert answer.payload == b"19"
