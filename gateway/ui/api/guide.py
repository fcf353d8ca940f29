"""What is on, was on, and will be on."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from litestar import get
from litestar.handlers.base import BaseRouteHandler
from litestar.params import QueryParameter

from gateway.media.lineup import ChannelId
from gateway.schema import Problem as Fault
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.house import House
from gateway.ui.problems import MalformedError, answers

MAX_SPAN = timedelta(days=15)
MAX_PROGRAMMES = 10_000

_TIME = {"format": "date-time"}


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/guide``."""

    @get("/api/v1/guide", responses=answers())
    async def list_programmes(
        since: Annotated[str, QueryParameter(name="from", schema_extra=_TIME, max_length=40)],
        until: Annotated[str, QueryParameter(name="to", schema_extra=_TIME, max_length=40)],
        channel: Annotated[str | None, QueryParameter(name="channel", max_length=256)] = None,
    ) -> list[doc.Programme]:
        """Programmes that overlap `from` ... `to`, by channel and time; at most 15 days at once."""
        start, stop = _time("from", since), _time("to", until)
        if not start < stop <= start + MAX_SPAN:
            raise MalformedError([Fault("to", "must be after from, and at most 15 days after it")])
        found = await house.guide.programmes(
            start, stop, ChannelId(channel) if channel else None, limit=MAX_PROGRAMMES
        )
        return [views.programme(one) for one in found]

    return [list_programmes]


def _time(name: str, text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedError([Fault(name, "expected a time such as 2026-01-31T20:00:00Z")])
