"""What a broker was given and has not acknowledged yet, and who waits to give it more.

One rule: what is given keeps its order; whoever has the turn stays first until
it has given, so that nobody overtakes.
"""

import asyncio
import time
from asyncio import Future
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

MOST_UNDER_WAY = 1_000
MOST_BYTES_UNDER_WAY = 4 * 1024 * 1024
ACKNOWLEDGE_TIMEOUT_S = 5.0
"""A broker that has not taken a message by then never will."""


@dataclass(frozen=True, slots=True)
class _UnderWay:
    done: Future[None]
    until_s: float
    size: int


class Window:
    """The messages of one connection, by packet number."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._under_way: dict[int, _UnderWay] = {}
        self._bytes = 0
        self._turns: deque[Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def has_room(self) -> bool:
        """Whether more may be given now: little is under way, and nobody waits for a turn."""
        return not self._turns and self._takes_more()

    @property
    def is_late(self) -> bool:
        """Whether the oldest should have been acknowledged by now."""
        oldest = next(iter(self._under_way.values()), None)
        return oldest is not None and time.monotonic() > oldest.until_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until there is room; in the block, give.

        Raises:
            Exception: what `waiting` was ended by.
        """
        turn: Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            self._call_next()
            await turn
            yield
        finally:
            self._turns.remove(turn)
            self._call_next()

    def add(self, number: int, size: int) -> Future[None]:
        """Note that `size` bytes are under way; what comes back is done when they are acknowledged."""
        done: Future[None] = asyncio.get_running_loop().create_future()
        self._under_way[number] = _UnderWay(done, time.monotonic() + ACKNOWLEDGE_TIMEOUT_S, size)
        self._bytes += size
        return done

    def acknowledge(self, number: int) -> None:
        """The broker has it."""
        taken = self._under_way.pop(number, None)
        if taken is None:
            return
        self._bytes -= taken.size
        if not taken.done.done():
            taken.done.set_result(None)
        self._call_next()

    def waiting(self) -> Iterator[Future[None]]:
        """Everybody who waits, to be told of the connection's end."""
        yield from (each.done for each in tuple(self._under_way.values()))
        yield from tuple(self._turns)

    def _takes_more(self) -> bool:
        return len(self._under_way) < MOST_UNDER_WAY and self._bytes < MOST_BYTES_UNDER_WAY

    def _call_next(self) -> None:
        if self._turns and self._takes_more() and not self._turns[0].done():
            self._turns[0].set_result(None)
