"""Bodies that come and go in blocks (RFC 7959), within the memory of a small box.

One rule: whoever begins and does not end, or asks for what is large under many
names, costs a bounded piece of memory, for whoever sends datagrams may write any
address on them.  aiocoap keeps all of it for minutes, however much it is.
"""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import aiocoap
from aiocoap import error
from aiocoap.blockwise import ContinueException, IncompleteException
from aiocoap.numbers.optionnumbers import OptionNumber

from gateway.iot.coap_seal import caller

log = logging.getLogger(__name__)

MAX_BODIES = 256
"""Bodies of one resource that are on their way at once."""
MAX_BODIES_OF_ONE = 4
"""Of them, from one host, or from one device that proved its name."""
PATIENCE_S = 60.0
"""A body is given up when its next block is not here by then: the last repetition of one comes after 45 s."""
MAX_ANSWERS_OF_ONE = 4
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Of all answers that are being fetched block by block from one resource; one that is larger is alone."""
_SAY_EVERY_S = 60.0
_OF_BLOCKS: Final = (OptionNumber.BLOCK1, OptionNumber.BLOCK2, OptionNumber.OBSERVE)

Key = tuple[object, ...]


class Bodies:
    """What comes in blocks, put together; takes the place of aiocoap's `Block1Spool`.

    Attributes:
        refused: Bodies refused for being too many, by the reason.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` has monotonic seconds."""
        self.refused: Counter[str] = Counter()
        self._clock = clock
        self._open: OrderedDict[Key, tuple[aiocoap.Message, str, float]] = OrderedDict()
        self._by_caller: Counter[str] = Counter()
        self._said_s = -_SAY_EVERY_S

    def __len__(self) -> int:
        return len(self._open)

    def feed_and_take(self, request: aiocoap.Message) -> aiocoap.Message:
        """Return `request` with its whole body.

        Raises:
            RenderableError: 2.31 while more is to come, 4.08 if the beginning is missing, 5.03 if
                there are too many.
        """
        block = request.opt.block1
        if block is None:
            return request
        key, now_s = _key(request), self._clock()
        self._give_up(now_s)
        if block.block_number == 0:
            body = request
            self._forget(key)
            if block.more:
                self._check_room(caller(request))
        else:
            body, *_ = self._open.get(key, (None,))
            if body is None:
                raise IncompleteException
            try:
                body._append_request_block(request)  # noqa: SLF001 - what aiocoap's own spool calls
            except ValueError as gap:
                raise IncompleteException from gap
            self._forget(key)
        if block.more:
            self._open[key] = (body, caller(request), now_s)
            self._by_caller[caller(request)] += 1
            raise ContinueException(block)
        return body

    def _check_room(self, who: str) -> None:
        if self._by_caller[who] >= MAX_BODIES_OF_ONE:
            self._refuse("one host begins too many bodies", who)
        if len(self._open) >= MAX_BODIES:
            self._refuse("too many bodies are begun", who)

    def _refuse(self, why: str, who: str) -> None:
        self.refused[why] += 1
        now_s = self._clock()
        if now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            log.warning("CoAP: %s, last from %s; %d so far", why, who, self.refused[why])
        raise error.ServiceUnavailable("too many bodies are begun")

    def _give_up(self, now_s: float) -> None:
        while self._open:
            key, (_, _, touched_s) = next(iter(self._open.items()))
            if now_s - touched_s < PATIENCE_S:
                return
            self._forget(key)

    def _forget(self, key: Key) -> None:
        gone = self._open.pop(key, None)
        if gone is not None:
            self._by_caller[gone[1]] -= 1
            if not self._by_caller[gone[1]]:
                del self._by_caller[gone[1]]


class Answers:
    """What goes out in blocks, kept until it is fetched; takes the place of aiocoap's `Block2Cache`."""

    def __init__(self) -> None:
        self.size = 0
        self._kept: OrderedDict[Key, tuple[aiocoap.Message, str]] = OrderedDict()

    async def extract_or_insert(
        self, request: aiocoap.Message, build: Callable[[], Awaitable[aiocoap.Message]]
    ) -> aiocoap.Message:
        """Return what `build` makes, or the block of it that `request` wants.

        Raises:
            RenderableError: 4.08 if it wants a block of what is not kept any more.
        """
        wanted, key = request.opt.block2, _key(request)
        if wanted is None or wanted.block_number == 0:
            answer = await build()
        elif key in self._kept:
            answer, _ = self._kept[key]
        else:
            raise IncompleteException
        most = request.remote.maximum_payload_size
        number, exponent, size = 0, request.remote.maximum_block_size_exp, most
        if wanted is not None:
            number, exponent, size = wanted.block_number, wanted.size_exponent, min(most, wanted.size)
        if len(answer.payload) <= size:
            return answer
        self._keep(key, answer, caller(request))
        return answer._extract_block(number, exponent, most)  # noqa: SLF001 - what aiocoap's own cache calls

    def _keep(self, key: Key, answer: aiocoap.Message, who: str) -> None:
        self._forget(key)
        self._kept[key] = (answer, who)
        self.size += len(answer.payload)
        own = [each for each, (_, whose) in self._kept.items() if whose == who]
        for old in own[:-MAX_ANSWERS_OF_ONE]:
            self._forget(old)
        while self.size > MAX_ANSWER_BYTES and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self.size -= len(gone[0].payload)


def _key(request: aiocoap.Message) -> Key:
    """Return what is the same in all blocks of one body (RFC 7959, section 2.4)."""
    return (request.remote.blockwise_key, request.code, request.get_cache_key(_OF_BLOCKS))
