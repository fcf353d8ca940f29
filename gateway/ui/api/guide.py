"""What is on, was on, and will be on."""

import hashlib
from typing import Annotated, Any, cast

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.handlers.base import BaseRouteHandler
from litestar.params import QueryParameter

from gateway.media.epg import MAX_FOUND, MAX_SEARCH_CHARS, NowNext
from gateway.media.lineup import ChannelId
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.api.moment import TIME, moment
from gateway.ui.documents_watching import NowOn
from gateway.ui.house import House
from gateway.ui.problems import answers

MAX_PROGRAMMES = 10_000

Asked = Request[Any, Any, State]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/guide``."""

    @get("/api/v1/guide", responses=answers())
    async def list_programmes(
        request: Asked,
        since: Annotated[str, QueryParameter(name="from", schema_extra=TIME, max_length=40)],
        until: Annotated[str, QueryParameter(name="to", schema_extra=TIME, max_length=40)],
        channel: Annotated[str | None, QueryParameter(name="channel", max_length=256)] = None,
    ) -> Response[list[doc.Programme]]:
        """Programmes that overlap `from` ... `to`, by channel and time; the first 10,000 of them."""
        start, stop = moment("from", since), moment("to", until)
        tag = _tag(house.guide.version, since, until, channel or "")
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("If-None-Match", ""):
            unchanged = Response(None, status_code=304, headers=headers)
            return cast("Response[list[doc.Programme]]", unchanged)
        if start >= stop:
            return Response([], headers=headers)
        found = await house.guide.programmes(
            start, stop, ChannelId(channel) if channel else None, limit=MAX_PROGRAMMES
        )
        return Response([views.programme(one) for one in found], headers=headers)

    @get("/api/v1/guide/now", responses=answers())
    async def list_now() -> list[NowOn]:
        """What is on now and next on every channel of the line-up, in its order."""
        order = [each.id for each in house.line_up.state.channels]
        found = await house.guide.now(order)
        return [_now_on(each, found.get(each, NowNext(None, None))) for each in order]

    @get("/api/v1/guide/search", responses=answers())
    async def search(
        text: Annotated[str, QueryParameter(name="q", min_length=1, max_length=MAX_SEARCH_CHARS)],
        limit: Annotated[int, QueryParameter(name="limit", ge=1, le=MAX_FOUND)] = 50,
    ) -> list[doc.Programme]:
        """Programmes by title, pinyin or its initials: to come, soonest first; then past ones to watch."""
        return [views.programme(one) for one in await house.guide.search(text, limit)]

    return [list_programmes, list_now, search]


def _now_on(channel: ChannelId, facts: NowNext) -> NowOn:
    now, then = facts.now, facts.next
    return NowOn(
        channel=channel,
        now=views.programme(now) if now else None,
        next=views.programme(then) if then else None,
    )


def _tag(*parts: str) -> str:
    return f'"{hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]}"'
