"""What every test may use."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from hypothesis import settings

from gateway.supervisor import Service

# A busy machine is not a defect: examples are counted, never timed.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

Serve = Callable[[Service], AbstractAsyncContextManager[None]]


@pytest.fixture
def serve() -> Serve:
    """Run a service for the length of a block, ready at its beginning."""

    @asynccontextmanager
    async def serving(service: Service) -> AsyncIterator[None]:
        ready = asyncio.Event()
        task = asyncio.create_task(service.run(ready.set), name=f"serve {type(service).__name__}")
        waiting = asyncio.create_task(ready.wait(), name="wait for ready")
        try:
            async with asyncio.timeout(30):
                await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield
        finally:
            waiting.cancel()
            task.cancel()
            await asyncio.wait({task, waiting})
            if not task.cancelled() and (error := task.exception()):
                raise error

    return serving
