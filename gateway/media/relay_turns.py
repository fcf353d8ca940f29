"""Who may fetch a segment now: whoever is waited for at once, guesses one after the other.

One rule: a guess begins nothing while a segment that somebody waits for is on its way.  All that
is on a line shares it, and what four guesses take is missing to the picture on the screen.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

LOOK_EVERY_S = 0.1
"""Whether a guess has become more than one meanwhile."""


class Turns:
    """The segments on their way to one house."""

    def __init__(self) -> None:
        """Begin with none."""
        self._awaited = 0
        self._guessed = 0
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def turn(self, is_guess: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait until a segment may be fetched; fetch it in the block."""
        while (guess := is_guess()) and (self._awaited or self._guessed):
            self._moved.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._moved.wait()
        self._guessed += guess
        self._awaited += not guess
        try:
            yield
        finally:
            self._guessed -= guess
            self._awaited -= not guess
            self._moved.set()
