"""When the sun rises and sets where the box stands.

The only module that imports astral, and only when a rule asks.  One rule: a sun that does not rise
or set on a day, beyond the polar circles, gives no time, and is no error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache


class SunEvent(StrEnum):
    """What the sun does once a day; dawn and dusk are the civil ones, 6° below the horizon."""

    DAWN = "dawn"
    SUNRISE = "sunrise"
    SUNSET = "sunset"
    DUSK = "dusk"


@dataclass(frozen=True, slots=True)
class Place:
    """A place on earth, in degrees north and east."""

    latitude: float
    longitude: float

    def __call__(self, event: SunEvent, day: date, zone: tzinfo) -> datetime | None:
        """Return when `event` is on the `day` of `zone`, in that zone; `None` if it is not."""
        at = _at(self, event, day, zone)
        return None if at is None else at.astimezone(zone)


@lru_cache(maxsize=64)
def _at(place: Place, event: SunEvent, day: date, zone: tzinfo) -> datetime | None:
    # Loaded where it is needed: most boxes have no such rule.
    from astral import Observer, sun  # noqa: PLC0415

    calculate: dict[SunEvent, Callable[..., datetime]] = {
        SunEvent.DAWN: sun.dawn,
        SunEvent.SUNRISE: sun.sunrise,
        SunEvent.SUNSET: sun.sunset,
        SunEvent.DUSK: sun.dusk,
    }
    try:
        at = calculate[event](Observer(place.latitude, place.longitude), date=day, tzinfo=zone)
    except ValueError:
        # How astral says that the sun stays above or below.
        return None
    return at.astimezone(UTC)
