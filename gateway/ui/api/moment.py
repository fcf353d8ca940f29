"""Times in addresses.

One rule: every RFC 3339 time is taken, and nothing that only looks like one.
"""

import re
from datetime import UTC, datetime

from gateway.schema import Problem as Fault
from gateway.ui.problems import MalformedError

TIME = {"format": "date-time"}
"""What the OpenAPI document says of such a parameter."""

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_RFC_3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<hour>\d\d:\d\d:)(?P<second>\d\d)(?P<part>\.\d+)?"
    r"(?P<zone>[Zz]|[+-]\d\d:\d\d)"
)


def moment(name: str, text: str) -> datetime:
    """Return the RFC 3339 time `text`; what lies outside of the calendar is its nearest end.

    Args:
        name: Of the parameter, for the refusal.
        text: A plus sign that came as a space, as unquoted addresses have it, is taken as one.

    Raises:
        MalformedError: `text` is not such a time.
    """
    parts = _RFC_3339.fullmatch(text.replace(" ", "+"))
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
