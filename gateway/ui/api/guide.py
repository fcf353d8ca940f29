"""What is on, was on, and will be on."""

import re
from datetime import UTC, datetime
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

MAX_PROGRAMMES = 10_000

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_TIME = {"format": "date-time"}
_RFC_3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<hour>\d\d:\d\d:)(?P<second>\d\d)(?P<part>\.\d+)?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)"
)


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/guide``."""

    @get("/api/v1/guide", responses=answers())
    async def list_programmes(
        since: Annotated[str, QueryParameter(name="from", schema_extra=_TIME, max_length=40)],
        until: Annotated[str, QueryParameter(name="to", schema_extra=_TIME, max_length=40)],
        channel: Annotated[str | None, QueryParameter(name="channel", max_length=256)] = None,
    ) -> list[doc.Programme]:
        """Programmes that overlap `from` ... `to`, by channel and time; the first 10,000 of them."""
        start, stop = _time("from", since), _time("to", until)
        if start >= stop:
            return []
        found = await house.guide.programmes(
            start, stop, ChannelId(channel) if channel else None, limit=MAX_PROGRAMMES
        )
        return [views.programme(one) for one in found]

    return [list_programmes]


def _time(name: str, text: str) -> datetime:
    """Return the RFC 3339 time `text`; what lies outside of the calendar is its nearest end.

    Raises:
        MalformedError: `text` is not such a time.
    """
    parts = _RFC_3339.fullmatch(text)
    if parts is None:
        raise MalformedError([Fault(name, "expected a time such as 2026-01-31T20:00:00Z")])
    # A leap second is said as :60, which Python does not know.
    second = min(parts["second"], "59")
    try:
        plain = f"{parts['date']}T{parts['hour']}{second}{(parts['part'] or '')[:7]}{parts['zone'].upper()}"
        return datetime.fromisoformat(plain).astimezone(UTC)
    except OverflowError:
        return _FIRST if parts["date"] < "5000" else _LAST
    except ValueError:
        if parts["date"].startswith("0000"):
            return _FIRST
        raise MalformedError([Fault(name, "is not in the calendar")]) from None
