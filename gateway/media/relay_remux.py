"""One process that repacks segments as transport stream, for all channels together.

One rule: it may die.  It starts when it is first needed and ends when it is
idle; an answer that does not come in time, or a crash, costs the segment that
was asked about, and what it knew of the channels.
"""

import asyncio
import contextlib
import logging
import socket
import sys
from asyncio import Future, Queue, StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from gateway import child
from gateway.errors import GatewayError
from gateway.media.relay_remux_wire import (
    ANSWER_LIMIT,
    SIZES,
    Answer,
    Forget,
    Order,
    WireError,
    decode_answer,
    header,
    sizes,
)

log = logging.getLogger(__name__)

MOST_WAITING = 64
MAX_PAUSE_S = 5.0
DYING_S = 0.3
NO_CHANNEL = -1
WORKER = "gateway.media.relay_remux_worker"


class RemuxError(GatewayError):
    """The process that repacks media gave no answer."""

    code: ClassVar[str] = "TV-219"
    hint = "Nothing needs doing; it is started again by itself."


@dataclass(frozen=True, slots=True)
class Made:
    """What the process made of an order.

    Attributes:
        life: Which process it was; one that is new knows nothing of the channels.
        pieces: The number of the picture segment, and its transport stream.
        refused: Why the segment is of no use, or nothing.
    """

    life: int
    pieces: tuple[tuple[int, bytes], ...]
    refused: str


@dataclass(frozen=True, slots=True)
class _Job:
    order: Order
    data: bytes
    answer: Future[Made]


class Remuxer:
    """Owns the process."""

    def __init__(self, *, idle_s: float = 30.0, deadline_s: float = 5.0, start_s: float = 10.0) -> None:
        """Describe it; nothing starts.

        Args:
            idle_s: The process ends this long after the last order.
            deadline_s: For one answer.
            start_s: More for the first answer of a process.
        """
        self._idle_s = idle_s
        self._deadline_s = deadline_s
        self._start_s = start_s
        self._jobs: Queue[_Job] = Queue(MOST_WAITING)
        self._life = 0
        self._answers = 0
        self._pid: int | None = None

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._pid

    async def run(self) -> None:
        """Serve `ask` until cancelled."""
        while True:
            job = await self._jobs.get()
            try:
                async with self._process() as line:
                    await self._serve(line, job)
            except (
                OSError,
                EOFError,
                TimeoutError,
                WireError,
                msgspec.MsgspecError,
                child.ChildError,
            ) as error:
                log.warning("the process that repacks channels gave no answer (%s)", type(error).__name__)

    async def ask(self, order: Order, data: bytes = b"") -> Made:
        """Return what the process makes of `order`.

        Raises:
            RemuxError: no answer came.
        """
        answer: Future[Made] = asyncio.get_running_loop().create_future()
        await self._jobs.put(_Job(order, data, answer))
        return await answer

    def tell(self, order: Order) -> None:
        """Pass on `order` when it is convenient, if there is a process at all."""
        if self._pid is not None:
            self._put(order)

    def wake(self) -> None:
        """Start the process if there is none: it takes as long as the segment it will be asked about."""
        if self._pid is None and self._jobs.empty():
            self._put(Forget(NO_CHANNEL))

    def _put(self, order: Order) -> None:
        if not self._jobs.full():
            answer: Future[Made] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._jobs.put_nowait(_Job(order, b"", answer))

    async def _serve(self, line: tuple[StreamReader, StreamWriter], job: _Job) -> None:
        within_s = self._start_s + self._deadline_s
        while True:
            try:
                if not job.answer.cancelled():
                    async with asyncio.timeout(within_s):
                        made = await self._answer(line, job)
                    if not job.answer.done():
                        job.answer.set_result(made)
            except BaseException:
                if not job.answer.done():
                    job.answer.set_exception(RemuxError("A segment could not be repacked in time"))
                raise
            within_s = self._deadline_s
            try:
                async with asyncio.timeout(self._idle_s):
                    job = await self._jobs.get()
            except TimeoutError:
                return

    async def _answer(self, line: tuple[StreamReader, StreamWriter], job: _Job) -> Made:
        reader, writer = line
        writer.write(header(job.order, len(job.data)))
        if job.data:
            writer.write(job.data)
        await writer.drain()
        head_size, data_size = sizes(await reader.readexactly(SIZES.size), ANSWER_LIMIT)
        answer: Answer = decode_answer(await reader.readexactly(head_size))
        if sum(cut.size for cut in answer.cuts) != data_size or any(cut.size < 0 for cut in answer.cuts):
            raise WireError("the pieces are not as long as the whole")
        pieces = [(cut.number, await reader.readexactly(cut.size)) for cut in answer.cuts]
        self._answers += 1
        return Made(self._life, tuple(pieces), answer.refused)

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        ours, theirs = socket.socketpair()
        self._life += 1
        with ours, theirs:
            argv = [sys.executable, "-m", WORKER, str(theirs.fileno())]
            async with child.running(argv, stop_s=0.2, pass_fds=[theirs.fileno()]) as process:
                theirs.close()
                ours.setblocking(False)
                reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
                self._pid = process.pid
                try:
                    yield reader, writer
                except (OSError, EOFError):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(DYING_S):
                            await process.wait()
                    raise
                finally:
                    self._pid = None
                    writer.transport.abort()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
