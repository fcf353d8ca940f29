"""Typed facts from the one object that owns them to whoever listens.

One rule: a publisher never waits.  A reader that falls behind loses the
oldest facts and can see how many, because a fact about the present replaces
the past and television must not wait for a slow page.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

DEFAULT_BACKLOG = 256
SLICE_S = 0.005
"""After this long with facts at hand, everybody else gets a turn."""


class Waiting(Protocol[T]):
    """Where a reader's facts wait; a deque is one."""

    @property
    def maxlen(self) -> int | None: ...

    def append(self, fact: T, /) -> None: ...

    def popleft(self) -> T: ...

    def __len__(self) -> int: ...


class Subscription(Generic[T]):
    """One reader's place in the stream of facts; an async iterator.

    Attributes:
        lost: Facts dropped because this reader was too slow.
    """

    def __init__(self, backlog: int, waiting: Waiting[T] | None = None) -> None:
        self.lost = 0
        self._facts: Waiting[T] = deque(maxlen=backlog) if waiting is None else waiting
        self._arrived = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._facts:
            self._arrived.clear()
            await self._arrived.wait()
        return self._facts.popleft()

    def _put(self, fact: T) -> None:
        if len(self._facts) == self._facts.maxlen:
            self.lost += 1
        self._facts.append(fact)
        self._arrived.set()


class Publisher(Generic[T]):
    """Hands each fact to every present subscription, in order."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[T]] = []

    def publish(self, fact: T) -> None:
        """Give `fact` to every reader; returns at once."""
        for subscription in tuple(self._subscriptions):
            subscription._put(fact)  # noqa: SLF001 - the two classes are one mechanism

    @contextmanager
    def subscribe(self, backlog: int = DEFAULT_BACKLOG) -> Iterator[Subscription[T]]:
        """Listen from now on, until the block is left.

        Args:
            backlog: Facts kept for a slow reader; beyond it the oldest go.
        """
        subscription: Subscription[T] = Subscription(backlog)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)


async def in_turns(facts: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield `facts`, letting everybody else have a turn now and then."""
    began = time.monotonic()
    async for fact in facts:
        yield fact
        if time.monotonic() - began > SLICE_S:
            await asyncio.sleep(0)
            began = time.monotonic()
