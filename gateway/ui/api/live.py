"""Live media for everything in the house, from the relay's one pull per channel.

One rule: whoever watches never holds up the end of the daemon.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from gateway.media.lineup import ChannelId
from gateway.media.relay import INDEX
from gateway.media.relay_facts import Weight
from gateway.ui.api.endless import after, until
from gateway.ui.api.locked import Lock, PhoneLock
from gateway.ui.api.moment import moment
from gateway.ui.auth import Access
from gateway.ui.house import House
from gateway.ui.problems import UnknownError

_TS = "video/mp2t"
Ticket = Annotated[str, QueryParameter(name="ticket", max_length=200)]
At = Annotated[str, QueryParameter(name="at", max_length=40)]
_PAST = "past-"
"""How the names begin that `gateway.media.past_pages` gives."""


def handlers(house: House, lock: Lock, closing: asyncio.Event) -> list[BaseRouteHandler]:
    """Return the handlers of ``/live``; streams end when `closing` is set."""

    @get("/live/{file:str}", include_in_schema=False)
    async def continuous(
        request: Request[Any, Any, Any], file: FromPath[str], ticket: Ticket = "", at: At = ""
    ) -> Stream:
        if not file.endswith(".ts"):
            raise UnknownError("There is no such stream; try .ts or /index.m3u8")
        channel = ChannelId(file.removesuffix(".ts"))
        phone = PhoneLock(lock, request.scope, channel)
        stream: AsyncIterator[bytes]
        if at:
            await phone.check(moment("at", at))
            stream = house.past.continuous(channel, moment("at", at), allowed=phone.allowed())
        else:
            await phone.check()
            # Only the box's own player knows the ticket.
            own = Access.same(ticket, house.live_ticket)
            stream = house.relay.continuous(channel, weight=Weight.TV if own else Weight.PHONE)
            stream = phone.while_open(stream)
        chunks = until(closing, stream)
        # The first piece is waited for, so that a refusal is an answer and not a torn stream.
        first = await anext(chunks, b"")
        return Stream(after(first, chunks), media_type=_TS)

    @get("/live/{channel:str}/{name:str}", include_in_schema=False)
    async def piece(
        request: Request[Any, Any, Any],
        channel: FromPath[str],
        name: FromPath[str],
        ticket: Ticket = "",
        at: At = "",
    ) -> Response[bytes]:
        phone = PhoneLock(lock, request.scope, channel)
        if at and name == INDEX:
            await phone.check(moment("at", at))
            found = await house.past_pages.begin(
                ChannelId(channel), moment("at", at), ticket=ticket, allowed=phone.allowed()
            )
            return Response(found.body, media_type=found.content_type)
        if name.startswith(_PAST):
            found = await house.past_pages.resource(name, ticket=ticket)
            return Response(found.body, media_type=found.content_type)
        await phone.check()
        reader = (
            f"{request.client.host if request.client else ''} {request.headers.get('user-agent', '')[:80]}"
        )
        found = await house.relay.resource(ChannelId(channel), name, ticket=ticket, reader=reader)
        return Response(found.body, media_type=found.content_type)

    return [continuous, piece]
