"""Observing a real peer: what is heeded where it arrives, and what waits for the reader."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiocoap
import pytest

from gateway.iot.coap_endpoint import HomeTuning
from gateway.iot.coap_observe import Interest, observe
from tests.iot.coap_peers import Value, peer

MAX_AGE_S, MARGIN_S = 1, 0.3


@pytest.fixture
async def context() -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    yield context
    await context.shutdown()


def interest(url: str) -> Interest:
    return Interest(url=f"{url}/value", accept=None, timeout_s=10, margin_s=MARGIN_S, tuning=HomeTuning())


async def test_what_is_heeded_is_not_yielded_and_counts_as_a_sign_of_life(context: aiocoap.Context) -> None:
    value, heeded = Value("20", max_age_s=MAX_AGE_S), asyncio.Queue[str]()
    told_s = 0.0

    def heed(answer: aiocoap.Message) -> bool:
        heeded.put_nowait(answer.payload.decode())
        return True

    async def speak() -> None:
        nonlocal told_s
        for text in ("21", "22", "23"):
            # Three in more than Max-Age: who counted from the one that was yielded would give up.
            await asyncio.sleep(0.6 * (MAX_AGE_S + MARGIN_S))
            told_s = time.monotonic()
            value.become(text)
            assert await heeded.get() == text

    async with peer({"/value": value}) as device:
        yielded = []
        async for answer in observe(context, interest(device.url), heed):
            yielded.append(answer.payload)
            speaking = asyncio.create_task(speak())
        quiet_s = time.monotonic() - told_s
        await speaking
    assert yielded == [b"20"]
    assert quiet_s >= MAX_AGE_S + MARGIN_S


async def test_who_promises_to_speak_sooner_is_missed_sooner(context: aiocoap.Context) -> None:
    value = Value("20", max_age_s=600)

    async with peer({"/value": value}) as device:
        answers = observe(context, interest(device.url), lambda _: True)
        assert (await anext(answers)).payload == b"20"
        value.max_age_s = MAX_AGE_S
        value.become("21")
        async with asyncio.timeout(20):
            assert [answer.payload async for answer in answers] == [b"21"]


async def test_what_is_left_waits_for_the_reader_in_its_order(context: aiocoap.Context) -> None:
    value, heeded = Value("0"), asyncio.Queue[bytes]()

    def heed(answer: aiocoap.Message) -> bool:
        if answer.payload == b"left":
            return False
        heeded.put_nowait(answer.payload)
        return True

    async with peer({"/value": value}) as device:
        answers = observe(context, interest(device.url), heed)
        assert (await anext(answers)).payload == b"0"
        # Nobody waits for the next one: it comes in its turn, whoever would heed it.
        value.become("1")
        await _all_has_come(device.url, context)
        assert (await anext(answers)).payload == b"1"
        for _ in range(2):
            following = asyncio.create_task(anext(answers))
            await asyncio.sleep(0)
            value.become("heeded")
            assert await asyncio.wait_for(heeded.get(), 10) == b"heeded"
            value.become("left")
            assert (await following).payload == b"left"
        assert heeded.empty()
        await answers.aclose()


async def _all_has_come(url: str, context: aiocoap.Context) -> None:
    """Return when what the peer said so far has come: it says one thing after the other."""
    await context.request(aiocoap.Message(code=aiocoap.GET, uri=f"{url}/value")).response
