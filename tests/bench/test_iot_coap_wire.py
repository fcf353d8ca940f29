"""The bench's CoAP devices, asked by a client that is not ours."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiocoap
import pytest

from bench.iot_coap_wire import Resource, coap_wire
from bench.iot_machine import free
from gateway.iot.coap_endpoint import HomeTuning
from gateway.iot.coap_observe import Interest, observe


@pytest.fixture
async def client() -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    yield context
    await context.shutdown()


async def ask(client: aiocoap.Context, **request: object) -> aiocoap.Message:
    return await client.request(aiocoap.Message(**request)).response


async def test_every_value_is_heard_in_its_order(client: aiocoap.Context) -> None:
    port, sensor = free(socket.SOCK_DGRAM), Resource(b"20")
    interest = Interest(
        url=f"coap://127.0.0.1:{port}/3303/0/5700", accept=None, timeout_s=5, margin_s=5, tuning=HomeTuning()
    )
    async with coap_wire(port, {"3303/0/5700": sensor}):
        answers = observe(client, interest)
        heard = [(await anext(answers)).payload]
        values = [b"%d" % number for number in range(50)]
        saying = asyncio.create_task(sensor.become(*values))
        while len(heard) <= len(values):
            heard.append((await anext(answers)).payload)
        await saying
        await answers.aclose()
        # Nobody listens any more: the next value waits for somebody who does.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sensor.become(b"30"), 0.2)
    assert heard == [b"20", *values]


async def test_it_says_what_it_has_and_is_told_what_to_become(client: aiocoap.Context) -> None:
    port, told = free(socket.SOCK_DGRAM), []
    lamp = Resource(b"0", lambda value, at_s: told.append((value, at_s)))
    async with coap_wire(port, {"3311/0/5850": lamp}):
        here = f"coap://127.0.0.1:{port}"
        links = await ask(client, code=aiocoap.GET, uri=f"{here}/.well-known/core")
        changed = await ask(client, code=aiocoap.PUT, uri=f"{here}/3311/0/5850", payload=b"1")
        now = await ask(client, code=aiocoap.GET, uri=f"{here}/3311/0/5850")
        unknown = await ask(client, code=aiocoap.GET, uri=f"{here}/nothing")
    assert (links.payload, links.opt.content_format) == (b"</3311/0/5850>;obs", 40)
    assert (changed.code, now.payload, unknown.code) == (aiocoap.CHANGED, b"1", aiocoap.NOT_FOUND)
    assert [value for value, _ in told] == [b"1"]
