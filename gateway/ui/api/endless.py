"""Answers without an end.

One rule: whoever listens never holds up the end of the daemon.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing


async def after(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yield `first`, and then the `rest`."""
    async with aclosing(rest):
        yield first
        async for chunk in rest:
            yield chunk


async def until(closing: asyncio.Event, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield `chunks` until they or `closing` end."""
    ending = asyncio.create_task(closing.wait(), name="hear the end")
    step: asyncio.Task[bytes] | None = None
    try:
        while not closing.is_set():
            step = asyncio.create_task(_next(chunks), name="next piece of a stream")
            await asyncio.wait({step, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done() or not (chunk := step.result()):
                return
            yield chunk
    finally:
        ending.cancel()
        if step is not None and not step.done():
            step.cancel()
            await asyncio.wait({step})
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    """Return the next piece, empty at the end."""
    return await anext(chunks, b"")
