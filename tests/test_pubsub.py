import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pubsub import Publisher


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
