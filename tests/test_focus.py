from contextlib import AsyncExitStack

from hypothesis import given
from hypothesis import strategies as st

from gateway.focus import Focus, Holder, Priority


async def test_an_alert_takes_the_screen_and_gives_it_back() -> None:
    focus = Focus()
    with focus.changes.subscribe() as changes:
        async with focus.claim("tv", Priority.TV), focus.claim("village", Priority.APP):
            async with focus.claim("flood", Priority.ALERT):
                assert focus.holder == Holder("flood", Priority.ALERT)
            assert focus.holder == Holder("village", Priority.APP)
        assert focus.holder is None
        names = [getattr(await anext(changes), "name", None) for _ in range(6)]
    assert names == ["tv", "village", "flood", "village", "tv", None]


async def test_a_lower_claim_waits_its_turn() -> None:
    focus = Focus()
    async with AsyncExitStack() as alert:
        await alert.enter_async_context(focus.claim("flood", Priority.ALERT))
        async with focus.claim("doorbell", Priority.DOORBELL):
            assert focus.holder == Holder("flood", Priority.ALERT)
            await alert.aclose()
            assert focus.holder == Holder("doorbell", Priority.DOORBELL)


@given(st.lists(st.tuples(st.sampled_from(list(Priority)), st.integers(0, 5)), max_size=20))
async def test_the_holder_is_always_the_newest_of_the_highest(steps: list[tuple[Priority, int]]) -> None:
    """Claims come and go in any order; each step opens one and may end an older one."""
    focus = Focus()
    opened: list[tuple[Holder, AsyncExitStack]] = []
    for number, (priority, ends) in enumerate(steps):
        stack = AsyncExitStack()
        await stack.enter_async_context(focus.claim(str(number), priority))
        opened.append((Holder(str(number), priority), stack))
        if ends < len(opened):
            await opened.pop(ends)[1].aclose()
        highest = max((holder.priority for holder, _ in opened), default=None)
        newest = next((holder for holder, _ in reversed(opened) if holder.priority == highest), None)
        assert focus.holder == newest
