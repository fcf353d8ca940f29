"""Typed facts from the one object that owns them to whoever listens.

One rule: a publisher never waits.  A reader that falls behind loses the
oldest facts and can see how many, because a fact about the present replaces
the past and television must not wait for a slow page.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
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
        self._heed: Callable[[T], object] | None = None
        self._failed: Exception | None = None
        self._has_heeded = False
        self._only_notes = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._facts:
            self._arrived.clear()
            await self._arrived.wait()
        return self._take()

    async def heed_each(self, heed: Callable[[T], object]) -> None:
        """Call `heed` with each fact in its order, until cancelled or it raises.

        A fact that finds none waiting is heeded where it is published, without a turn of the loop in
        between: most of the time between a report and what follows from it is such turns.  Once in
        each turn, or a burst would leave nobody else one.

        Args:
            heed: Returns whether everybody else is to have a turn before the next fact.
        """
        try:
            while True:
                began = time.monotonic()
                while self._facts:
                    if heed(self._take()) or time.monotonic() - began > SLICE_S:
                        await asyncio.sleep(0)
                        began = time.monotonic()
                self._heed = heed
                self._arrived.clear()
                await self._arrived.wait()
                self._heed = None
                if self._failed is not None:
                    raise self._failed
        finally:
            self._heed = None

    async def note_each(self, note: Callable[[T], object]) -> None:
        """Like `heed_each`, for who only takes note, which takes no time to speak of.

        Each fact is noted where it is published, however many there are, and behind all who heed it.
        """
        self._only_notes = True
        await self.heed_each(note)

    def _put(self, fact: T) -> None:
        if self._is_heeded(fact):
            return
        if len(self._facts) == self._facts.maxlen:
            self.lost += 1
        self._facts.append(fact)
        self._arrived.set()

    def _take(self) -> T:
        return self._facts.popleft()

    def _is_heeded(self, fact: T) -> bool:
        """Have `fact` heeded now, if it may be; return whether it was."""
        heed = self._heed
        if heed is None or self._has_heeded or self._facts:
            return False
        if not self._only_notes:
            self._has_heeded = True
            asyncio.get_running_loop().call_soon(self._begin_turn)
        try:
            heed(fact)
        except Exception as failed:  # noqa: BLE001 - the reader's, and not the publisher's
            self._heed, self._failed = None, failed
            self._arrived.set()
        return True

    def _begin_turn(self) -> None:
        self._has_heeded = False


class Publisher(Generic[T]):
    """Hands each fact to every present subscription, in order."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[T]] = []
        self._publishing = False
        self._following: deque[T] = deque()

    def publish(self, fact: T) -> None:
        """Give `fact` to every reader; returns at once.

        What a reader publishes while it heeds `fact` is given to all when they all have that.
        """
        if self._publishing:
            self._following.append(fact)
            return
        self._publishing = True
        try:
            self._give(fact)
            while self._following:
                self._give(self._following.popleft())
        finally:
            self._publishing = False

    def _give(self, fact: T) -> None:
        patient = []
        for subscription in tuple(self._subscriptions):
            if subscription._heed is None or subscription._only_notes:  # noqa: SLF001 - the two classes are one mechanism
                patient.append(subscription)
            else:
                subscription._put(fact)  # noqa: SLF001
        # Behind: what a reader sets off is not to wait for those that only take note.
        for subscription in patient:
            subscription._put(fact)  # noqa: SLF001

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
