"""Asking CoAP devices: one answer, or all that follow (observe, RFC 7641).

One rule: what a caller sees is in order.  aiocoap matches tokens and
retransmits; freshness, order and active cancellation are kept here.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import aiocoap
from aiocoap import error
from aiocoap.numbers.constants import TransportTuning
from aiocoap.pipe import Pipe

from gateway.errors import GatewayError
from gateway.iot.coap_sealing import Sealing
from gateway.iot.link import LinkDownError

DEFAULT_MAX_AGE_S: Final = 60
MAX_ANSWER_BYTES: Final = 64 * 1024
"""A list of some thousand resources; whoever says more says it without an end."""
_LONGEST_AGE_S: Final = 2**32 - 1
_WRAP = 2**23
_STALE_ORDER_S = 128
_BACKLOG = 64
_FAREWELL_S = 1.0

Answer: TypeAlias = aiocoap.Message
Heed: TypeAlias = Callable[[Answer], bool]
"""Takes a notification where it arrives, or leaves it: then it waits for the reader.  Raises nothing."""


def is_newer(before: int, before_s: float, after: int, after_s: float) -> bool:
    """Whether notification `after` is newer than `before` (RFC 7641, section 3.4).

    Args:
        before: Observe number of the newest one so far, 24 bits.
        before_s: When that one came, seconds of a monotonic clock.
        after: Observe number of the one in question.
        after_s: When it came.
    """
    return (
        (before < after and after - before < _WRAP)
        or (before > after and before - after > _WRAP)
        or after_s > before_s + _STALE_ORDER_S
    )


async def ask(
    context: aiocoap.Context, request: aiocoap.Message, timeout_s: float, *, whole: bool = True
) -> Answer:
    """Return the answer to `request`, put together from its blocks if `whole`, else as it comes.

    Raises:
        LinkDownError: no answer within `timeout_s`, one without an end, or the network says no.
    """
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _answer(context, request)
            while whole and answer.opt.block2 is not None and answer.opt.block2.more:
                answer = await _longer(context, request, answer)
            return answer
    except TimeoutError as late:
        raise LinkDownError(f"no answer within {timeout_s:g} s") from late
    except (error.Error, OSError, ValueError) as failed:
        raise LinkDownError(f"no answer: {failed or type(failed).__name__}") from failed


async def _answer(context: aiocoap.Context, request: aiocoap.Message) -> Answer:
    """Send `request` now; aiocoap would have a task do that, a turn of the loop later.

    Its `Request` does not bear an answer that comes in the turn in which nobody wants it any more.
    """
    pipe = Pipe(request, context.log)
    answered: asyncio.Future[Answer] = context.loop.create_future()

    def take(event: Pipe.Event) -> bool:
        if answered.done():
            pass
        elif event.message is None:
            answered.set_exception(event.exception)
        else:
            event.message.request = request
            answered.set_result(event.message)
        return False

    forget = pipe.on_event(take)
    try:
        interface = await context.find_remote_and_interface(request)
        interface.request(pipe)
        return await answered
    finally:
        forget()


async def _longer(context: aiocoap.Context, request: aiocoap.Message, answer: Answer) -> Answer:
    """Return `answer` and its next block: aiocoap does this too, for as long as a device goes on."""
    if len(answer.payload) >= MAX_ANSWER_BYTES:
        raise LinkDownError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
    held = answer.opt.block2
    if held.start + held.size != len(answer.payload):
        raise LinkDownError("its answer does not begin at the beginning")
    following = request._generate_next_block2_request(answer).copy(remote=answer.remote)  # noqa: SLF001 - see above
    block = await _answer(context, following)
    if block.opt.block2 is None:
        return block
    answer._append_response_block(block)  # noqa: SLF001 - see above
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What is observed, and with how much patience.

    Attributes:
        url: The resource.
        accept: The content format wanted; `None` leaves it to the device.
        timeout_s: Give up on the first answer after this long.
        margin_s: How long after its Max-Age a value may be renewed.
        tuning: The transport's.
        checks: After silence, ask for the value before registering anew: LwM2M devices are quiet for
            days, and not all of them survive that their observers come and go.
    """

    url: str
    accept: int | None
    timeout_s: float
    margin_s: float
    tuning: TransportTuning
    checks: bool = False


async def observe(
    context: aiocoap.Context, interest: Interest, heed: Heed = lambda _: False
) -> AsyncGenerator[Answer, None]:
    """Yield a resource now and after each change, in order, but for what `heed` took already.

    Ends when the device has said nothing for Max-Age and a margin, or ended it by itself: the
    caller then begins anew.  A resource that cannot be observed is yielded once.

    Raises:
        LinkDownError: no first answer in time, or the network says no.
    """
    observation = _Observation(context, interest, heed)
    try:
        answer: Answer | None = await observation.first(interest.timeout_s)
        while answer is not None:
            yield answer
            if answer.opt.observe is None:
                return
            answer = await observation.following(answer)
    finally:
        await observation.close()


async def _check(context: aiocoap.Context, interest: Interest, last: Answer) -> Answer | None:
    request = aiocoap.Message(
        code=aiocoap.GET, uri=interest.url, accept=interest.accept, transport_tuning=interest.tuning
    )
    answer = await ask(context, request, interest.timeout_s)
    if answer.payload != last.payload:
        return None  # it changed and did not say so: it no longer knows that we listen
    answer.opt.observe = last.opt.observe
    return answer


def _max_age_s(answer: Answer) -> int:
    # The option holds four bytes (RFC 7252, section 5.10.5), but whoever sends it may write more.
    return DEFAULT_MAX_AGE_S if answer.opt.max_age is None else min(int(answer.opt.max_age), _LONGEST_AGE_S)


class _Observation:
    """One token's stream of answers."""

    def __init__(self, context: aiocoap.Context, interest: Interest, heed: Heed) -> None:
        self._context = context
        self._interest = interest
        self._heed = heed
        try:
            self._request = aiocoap.Message(
                code=aiocoap.GET,
                uri=interest.url,
                observe=0,
                accept=interest.accept,
                transport_tuning=interest.tuning,
            )
        except (error.Error, ValueError) as bad:
            raise LinkDownError(f"{interest.url} cannot be asked: {bad}") from bad
        self._pipe = Pipe(self._request, context.log)
        self._events: deque[Pipe.Event] = deque(maxlen=_BACKLOG)
        self._arrived = asyncio.Event()
        self._forget = self._pipe.on_event(self._on_event)
        self._newest: tuple[int, float] | None = None
        self._heeded: Answer | None = None
        self._listens = False
        self._over = False

    async def first(self, timeout_s: float) -> Answer:
        try:
            async with asyncio.timeout(timeout_s):
                interface = await self._context.find_remote_and_interface(self._request)
                interface.request(self._pipe)
                answer = await self._next()
        except TimeoutError as late:
            raise LinkDownError(f"no answer within {timeout_s:g} s") from late
        except (error.Error, OSError, ValueError) as failed:
            raise LinkDownError(f"no answer: {failed or type(failed).__name__}") from failed
        if answer is None:
            raise LinkDownError("no answer")
        return answer

    async def following(self, last: Answer) -> Answer | None:
        """Return what comes after `last` and is not heeded where it arrives, or None if nothing is."""
        self._heeded, heard_s = last, time.monotonic()
        while True:
            quiet_s = _max_age_s(self._heeded) + self._interest.margin_s
            try:
                async with asyncio.timeout(heard_s + quiet_s - time.monotonic()):
                    return await self._next()
            except TimeoutError:
                pass
            except (error.Error, OSError) as failed:
                raise LinkDownError(f"lost: {failed or type(failed).__name__}") from failed
            if self._newest is not None and self._newest[1] > heard_s:
                heard_s = self._newest[1]  # what was heeded meanwhile
            elif self._interest.checks and not self._over:
                return await _check(self._context, self._interest, self._heeded)
            else:
                return None

    async def close(self) -> None:
        """Tell the device that we no longer listen (RFC 7641, section 3.6), if it can be told."""
        self._heeded = None  # what comes now is for nobody
        if not self._over and self._newest is not None:
            with contextlib.suppress(error.Error, GatewayError, OSError, TimeoutError):
                await self._say_farewell()
        self._forget()

    async def _say_farewell(self) -> None:
        farewell = self._request.copy(observe=1, token=self._request.token)
        interface = await self._context.find_remote_and_interface(farewell)
        if isinstance(interface, Sealing):
            await interface.leave(self._pipe)
        elif interface.outgoing_requests is None:
            return  # the socket is closing; the device learns it from the unreachable port
        else:
            # The device ends the observation that has this very token; aiocoap would choose a new one.
            interface.token_interface.send_message(farewell, lambda: None)
        async with asyncio.timeout(_FAREWELL_S):
            while await self._next() is not None:
                pass

    async def _next(self) -> Answer | None:
        while True:
            while not self._events:
                if self._over:
                    return None
                self._arrived.clear()
                self._listens = True
                try:
                    await self._arrived.wait()
                finally:
                    self._listens = False
            event = self._events.popleft()
            if event.exception is not None:
                raise event.exception
            if event.message is not None:
                return event.message

    def _is_in_order(self, answer: Answer) -> bool:
        number, now = answer.opt.observe, time.monotonic()
        if number is None:
            return True  # the terminal answer is always the last
        if self._newest is not None and not is_newer(*self._newest, number, now):
            return False
        self._newest = (number, now)
        return True

    def _on_event(self, event: Pipe.Event) -> bool:
        self._over = self._over or event.is_last
        if event.message is None or self._is_in_order(event.message):
            if self._is_heeded(event):
                self._heeded = event.message
            else:
                self._events.append(event)
                self._arrived.set()
        return not event.is_last

    def _is_heeded(self, event: Pipe.Event) -> bool:
        """Have what `event` says heeded now, if it may be; return whether it was."""
        answer, last = event.message, self._heeded
        if answer is None or last is None or event.is_last or self._events or not self._listens:
            return False
        # Another patience is for the reader, who measures it.
        return _max_age_s(answer) == _max_age_s(last) and self._heed(answer)
