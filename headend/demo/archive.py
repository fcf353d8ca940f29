"""The archive of the demo's channels: which past stretch an address asks for.

One rule: a stretch depends on the address, the time and the stock alone, and
every form that the demo's line-up writes is understood here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from headend.demo.channels import CatchUp, DemoChannel
from headend.demo.stock import Moment, Stock

DAYS = 7
KEPT_S = DAYS * 86_400.0
READING_S = 4 * 3600.0
"""What is being read may grow too old meanwhile, and is served all the same."""
LONGEST_S = 3 * 3600.0
_PLAYSEEK = "%Y%m%d%H%M%S"
_QUERIES = ("playseek", "utc", "lutc")


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when to when, in Unix time; `end` may lie in the future."""

    begin: float
    end: float


def asked(query: Mapping[str, str], now: float) -> Stretch | None:
    """Return the stretch a query asks for, or None if it asks for none.

    Raises:
        ValueError: it asks for one in words that mean nothing.
    """
    if "playseek" in query:
        begin, _, end = query["playseek"].partition("-")
        # Operators' archives speak the local time of the place, here the machine's.
        times = [datetime.strptime(one, _PLAYSEEK).astimezone().timestamp() for one in (begin, end)]
        return _sensible(times[0], times[1])
    if "utc" in query:
        begin_s = float(int(query["utc"]))
        return _sensible(begin_s, max(begin_s, float(int(query.get("lutc", str(int(now)))))))
    return None


def lasting(start: str, duration: str) -> Stretch:
    """Return the stretch of Flussonic's names, ``index-{start}-{duration}.m3u8``.

    Raises:
        ValueError: it lasts no time, or too long.
    """
    return _sensible(float(int(start)), float(int(start) + int(duration)))


def query(given: Mapping[str, str]) -> str:
    """Return what goes behind the addresses of further playlists, so that they speak of the same stretch."""
    parts = [f"{name}={given[name]}" for name in _QUERIES if name in given]
    return f"?{'&'.join(parts)}" if parts else ""


def moments(stock: Stock, stretch: Stretch, now: float) -> tuple[Moment, ...]:
    """Return the segments that hold `stretch` as far as it has been sent and is kept, oldest first."""
    if stretch.begin < now - KEPT_S:
        return ()
    first = stock.at(stretch.begin)
    # Listings round; what ends within a millisecond of an instant does not hold it.
    if stock.moment(first).end <= stretch.begin + 0.001:
        first += 1
    last = min(stock.at(stretch.end - 0.001), stock.newest(now))
    return tuple(stock.moment(number) for number in range(first, last + 1))


def is_kept(channel: DemoChannel, stock: Stock, number: int, now: float) -> bool:
    """Whether segment `number` can still be had although it left the live list."""
    if channel.catch_up is CatchUp.NONE or number > stock.newest(now):
        return False
    return stock.moment(number).start > now - KEPT_S - READING_S


def _sensible(begin: float, end: float) -> Stretch:
    if end < begin:
        raise ValueError("it ends before it begins")
    return Stretch(begin, min(end, begin + LONGEST_S))
