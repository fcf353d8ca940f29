"""When something was measured, by the word of the device that measured it.

One rule: pure.  A time that cannot be is no time: then only the arrival is known, and that is said.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

AHEAD = timedelta(minutes=2)
"""A meter's clock may be that much ahead of ours."""

OLDEST = timedelta(days=400)
"""What is older was stamped by a clock that begins in 1970, 2000 or at its factory."""

NAMES = (
    "measured_at", "measurement_time", "measurement_timestamp", "timestamp", "datetime", "date_time", "time",
    "Time", "ts", "unixtime", "UTCtime",
)  # fmt: skip
"""Where devices write it: OpenMQTTGateway the last two, Tasmota ``Time``; others as they like."""

_MILLISECONDS_FROM = 1e11
_MAX_CHARS = 40


def is_sound(at: datetime, now: datetime) -> bool:
    """Return whether something can have been measured at `at`, if it is `now`."""
    return now - OLDEST <= at <= now + AHEAD


def stamp_in(document: object, path: Sequence[str | int], zone: tzinfo | None) -> datetime | None:
    """Return when the value at `path` of the JSON `document` was measured; `None` if it does not say.

    The nearest object around the value that has one of `NAMES` tells.

    Args:
        document: Plain objects.
        path: Names and positions from the outside in.
        zone: What a time without one is meant in; `None` for the box's own.
    """
    around: list[Mapping[str, object]] = []
    for step in (*path, ""):
        if isinstance(document, Mapping):
            around.append(document)
            document = document.get(str(step))
        elif isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            break
    for each in reversed(around):
        for name in NAMES:
            if name in each and (at := read_stamp(each[name], zone)) is not None:
                return at
    return None


def read_stamp(said: object, zone: tzinfo | None) -> datetime | None:
    """Return the time that `said` is: ISO 8601, seconds or milliseconds since 1970; `None` if it is none."""
    if isinstance(said, str):
        text = said.strip()
        if len(text) > _MAX_CHARS:
            return None
        if not text.isdecimal():
            try:
                at = datetime.fromisoformat(text)
                return (at if at.tzinfo else _meant_in(at, zone)).astimezone(UTC)
            except (ValueError, OverflowError, OSError):
                return None
        said = int(text)
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        return None
    try:
        return datetime.fromtimestamp(said / 1000 if said >= _MILLISECONDS_FROM else said, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _meant_in(at: datetime, zone: tzinfo | None) -> datetime:
    # A meter shows, and tells, what the clock on the wall does.
    return at.replace(tzinfo=zone) if zone else at.astimezone()
