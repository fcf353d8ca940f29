import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pubsub import Publisher, Subscription

T = TypeVar("T")


@given(st.lists(st.integers(), max_size=50), st.integers(1, 10))
async def test_a_slow_reader_has_the_newest_facts_and_knows_how_many_it_lost(
    facts: list[int], backlog: int
) -> None:
    publisher: Publisher[int] = Publisher()
    with publisher.subscribe(backlog) as slow:
        for fact in facts:
            publisher.publish(fact)
        kept = facts[-backlog:]
        assert [await anext(slow) for _ in kept] == kept
        assert slow.lost == len(facts) - len(kept)


async def test_every_reader_hears_every_fact() -> None:
    publisher: Publisher[str] = Publisher()
    with publisher.subscribe() as one, publisher.subscribe() as other:
        publisher.publish("lamp on")
        assert (await anext(one), await anext(other)) == ("lamp on", "lamp on")


async def test_who_has_left_hears_nothing() -> None:
    publisher: Publisher[str] = Publisher()
    with publisher.subscribe() as listening:
        pass
    publisher.publish("too late")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(listening)


@asynccontextmanager
async def heeding(facts: Subscription[T], heed: Callable[[T], object]) -> AsyncIterator[asyncio.Task[None]]:
    reader = asyncio.create_task(facts.heed_each(heed))
    await asyncio.sleep(0)
    try:
        yield reader
    finally:
        reader.cancel()
        await asyncio.wait({reader})


async def test_a_fact_that_finds_nobody_waiting_is_heeded_where_it_is_published() -> None:
    publisher: Publisher[int] = Publisher()
    heard: list[int] = []
    with publisher.subscribe() as facts:
        async with heeding(facts, heard.append):
            publisher.publish(1)
            assert heard == [1]
            publisher.publish(2)
            assert heard == [1], "one in each turn of the loop"
            await asyncio.sleep(0.01)
            assert heard == [1, 2]
        publisher.publish(3)
        assert heard == [1, 2], "who was ended heeds nothing"


async def test_who_only_takes_note_has_each_at_once_and_behind_who_heeds() -> None:
    publisher: Publisher[int] = Publisher()
    order: list[str] = []
    with publisher.subscribe() as notes, publisher.subscribe() as facts:
        noting = asyncio.create_task(notes.note_each(lambda fact: order.append(f"noted {fact}")))
        async with heeding(facts, lambda fact: order.append(f"heeded {fact}")):
            publisher.publish(1)
            assert order == ["heeded 1", "noted 1"]
            publisher.publish(2)
            publisher.publish(3)
            assert order[2:] == ["noted 2", "noted 3"], "who heeds has one in each turn"
        noting.cancel()
        await asyncio.wait({noting})


async def test_who_cannot_take_note_ends_by_himself() -> None:
    publisher: Publisher[int] = Publisher()

    def fail(fact: int) -> None:
        raise LookupError(fact)

    with publisher.subscribe() as notes:
        noting = asyncio.create_task(notes.note_each(fail))
        await asyncio.sleep(0)
        publisher.publish(1)
        publisher.publish(2)
        with pytest.raises(LookupError, match="1"):
            await noting


async def test_who_heeds_at_once_comes_before_who_is_woken() -> None:
    publisher: Publisher[int] = Publisher()
    order: list[str] = []

    async def read(facts: Subscription[int]) -> None:
        await anext(facts)
        order.append("woken")

    def heed(_: int) -> None:
        order.append("heeded")
        begun.append(asyncio.create_task(follow()))

    async def follow() -> None:
        order.append("what follows from it")

    begun: list[asyncio.Task[None]] = []
    with publisher.subscribe() as first, publisher.subscribe() as second:
        reading = asyncio.create_task(read(first))
        async with heeding(second, heed):
            publisher.publish(1)
            await asyncio.gather(reading, *begun)
    assert order == ["heeded", "what follows from it", "woken"]


async def test_what_a_reader_publishes_in_its_own_turn_waits_until_it_is_through() -> None:
    publisher: Publisher[int] = Publisher()
    heard: list[str] = []

    def answer(fact: int) -> None:
        heard.append(f"begin {fact}")
        if fact == 2:
            publisher.publish(3)
        heard.append(f"end {fact}")

    with publisher.subscribe() as facts:
        async with heeding(facts, answer):
            publisher.publish(1)
            publisher.publish(2)
            await asyncio.sleep(0.01)
    assert heard == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


@given(st.lists(st.integers(0, 3), max_size=60))
async def test_facts_are_heeded_in_their_order_whenever_they_come(pauses: list[int]) -> None:
    publisher: Publisher[int] = Publisher()
    heard: list[int] = []
    with publisher.subscribe() as facts:
        async with heeding(facts, heard.append):
            for fact, turns in enumerate(pauses):
                publisher.publish(fact)
                for _ in range(turns):
                    await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
    assert heard == list(range(len(pauses)))


async def test_what_a_reader_publishes_while_it_heeds_comes_after_for_everybody() -> None:
    publisher: Publisher[int] = Publisher()
    one: list[int] = []

    def answer(fact: int) -> None:
        one.append(fact)
        if fact < 3:
            publisher.publish(fact + 1)

    with publisher.subscribe() as first, publisher.subscribe() as second:
        async with heeding(first, answer):
            publisher.publish(1)
            assert [await anext(second) for _ in range(3)] == [1, 2, 3]
            await asyncio.sleep(0.01)
    assert one == [1, 2, 3]


async def test_who_needs_a_turn_in_between_has_it() -> None:
    publisher: Publisher[str] = Publisher()
    done: list[str] = []

    def begin(fact: str) -> bool:
        asyncio.get_running_loop().call_soon(done.append, f"work of {fact}")
        done.append(fact)
        return True

    with publisher.subscribe() as facts:
        async with heeding(facts, begin):
            for fact in "abc":
                publisher.publish(fact)
            await asyncio.sleep(0.01)
    assert done == ["a", "work of a", "b", "work of b", "c", "work of c"]


async def test_a_reader_that_fails_ends_itself_and_nobody_else() -> None:
    publisher: Publisher[int] = Publisher()
    heard: list[int] = []

    def stumble(_: int) -> None:
        raise ValueError("stumbled")

    with publisher.subscribe() as first, publisher.subscribe() as second:
        async with heeding(first, stumble) as reader, heeding(second, heard.append):
            publisher.publish(1)
            assert heard == [1]
            with pytest.raises(ValueError, match="stumbled"):
                await reader
            await asyncio.sleep(0)
            publisher.publish(2)
            assert heard == [1, 2]
