"""The guide: what is on, was on and will be on, out of the operator's XMLTV.

One rule: loading never gets in the way of reading, nor of the picture.  A child
process at the lowest priority reads the operator's file (`gateway.media.guide_loader`);
the daemon only asks.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from gateway.errors import GatewayError
from gateway.media import guide_query as query
from gateway.media.guide_order import Report
from gateway.media.guide_query import Row, Shelved, Sought
from gateway.media.guide_renewal import GuideConfig, GuideRenewal, Loaded
from gateway.media.guide_shelf import GuideFileError, GuideShelf
from gateway.media.guide_words import folded, series_of
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.xmltv import GuideChannel
from gateway.pubsub import Publisher

T = TypeVar("T")

DEFAULT_LIMIT = 10_000
MAX_SEARCH_CHARS = 64
MAX_FOUND = 200
DAY_S = 86_400


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the guide; times are UTC.

    A struct, because a grid is made of thousands: a frozen dataclass takes ten times as long.

    Attributes:
        age: The youngest it is meant for; 0 for everybody, and when the guide does not say.
        catchup_id: What the operator's archive calls it; may be empty.
    """

    id: str
    channel: ChannelId
    start: datetime
    stop: datetime
    title: str
    subtitle: str = ""
    description: str = ""
    category: str = ""
    age: int = 0
    catchup_id: str = ""

    @property
    def series(self) -> str:
        """What every episode of the same series has, and no other programme."""
        return series_of(self.title)


@dataclass(frozen=True, slots=True)
class NowNext:
    """What is on a channel, and what follows; None where the guide has nothing."""

    now: Programme | None
    next: Programme | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a channel of the line-up is found in the guide.

    Attributes:
        number: Of the guide's channel; none of its programmes is longer than `longest_s`.
        shift_s: Added to the guide's times (the line-up's ``tvg-shift``).
    """

    channel: ChannelId
    number: int
    longest_s: int
    shift_s: int


class LineUpOwner(Protocol):
    """Who knows the channels; `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class Guide:
    """See the module."""

    def __init__(  # noqa: PLR0913, PLR0917 - where from, where to, for whom
        self, path: Path, book: LineUpOwner, address: str, folder: Path, config: GuideConfig, box: str = ""
    ) -> None:
        """Describe the guide.

        Args:
            path: The guide's file; this object's alone.
            book: Whose channels the programmes belong to.
            address: File or http(s) address; empty for the one the line-up itself names.
            folder: Where a download is put.
            config: Times and bounds.
            box: The box's id, which decides when in the hour it asks.
        """
        self._shelf = GuideShelf(path)
        self._book = book
        self._renewal = GuideRenewal(
            self._shelf,
            lambda: address or next(iter(book.state.guide_urls), ""),
            folder / "guide.new",
            config,
            box,
        )
        self._version = ""
        self._versioned: tuple[LineUp, int] | None = None
        self._mapped_for: tuple[LineUp, int] | None = None
        self._places: dict[ChannelId, Place] = {}

    @property
    def changes(self) -> Publisher[Loaded]:
        """Every completed load."""
        return self._renewal.changes

    @property
    def problem(self) -> GatewayError | None:
        """Why the newest attempt failed, or None."""
        return self._renewal.problem

    @property
    def problems(self) -> Publisher[GatewayError]:
        """Every attempt that failed."""
        return self._renewal.problems

    @property
    def report(self) -> Report | None:
        """What the newest load of this run did."""
        return self._renewal.report

    @property
    def version(self) -> str:
        """Another one whenever `programmes` may answer something else."""
        line_up, load = self._book.state, self._shelf.meta.load
        if self._versioned is None or self._versioned[0] is not line_up or self._versioned[1] != load:
            self._versioned = line_up, load
            self._version = f"{time.time_ns():x}"
        return self._version

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        await self._shelf.open()
        try:
            ready()
            await self._renewal.run()
        finally:
            self._shelf.close()

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = DEFAULT_LIMIT
    ) -> list[Programme]:
        """Return what overlaps `start` … `stop`, by channel in line-up order, then by time."""
        places = await self._mapping()
        wanted = [channel] if channel is not None else [each.id for each in self._book.state.channels]
        here = [places[each] for each in wanted if each in places]
        first, last = int(start.timestamp()), int(stop.timestamp())

        def ask(db: sqlite3.Connection) -> list[Programme]:
            return [_programme(here[row[0]], row) for row in query.overlapping(db, here, first, last, limit)]

        return await self._read(ask, [])

    async def now(
        self, channels: Iterable[ChannelId], at: datetime | None = None
    ) -> dict[ChannelId, NowNext]:
        """Return now and next of each of `channels`, at the moment or at `at`."""
        places = await self._mapping()
        here = [places[each] for each in channels if each in places]
        moment = int(at.timestamp() if at else time.time())

        def ask(db: sqlite3.Connection) -> dict[ChannelId, NowNext]:
            found = {}
            for place in here:
                now, then = query.now_next(db, place, moment)
                found[place.channel] = NowNext(
                    _programme(place, now) if now else None, _programme(place, then) if then else None
                )
            return found

        return await self._read(ask, {})

    async def programme(self, programme: str) -> Programme | None:
        """Return the programme with that id, or None if the guide has it no more."""
        channel, _, digits = programme.rpartition(".")
        place = (await self._mapping()).get(ChannelId(channel))
        if place is None or not (digits.isascii() and digits.isdigit() and len(digits) <= 12):  # noqa: PLR2004 - enough for any year
            return None
        start = int(digits) - place.shift_s

        def ask(db: sqlite3.Connection) -> Programme | None:
            row = query.beginning(db, place.number, start)
            return _programme(place, row) if row else None

        return await self._read(ask, None)

    async def search(self, text: str, limit: int = 50) -> list[Programme]:
        """Return programmes whose title has `text` in it, or sounds like it (``xwlb``, ``xinwen``).

        What is on and to come, soonest first; then the past that can be watched, newest first.
        """
        wanted = folded(text[:MAX_SEARCH_CHARS])
        if not wanted:
            return []
        return await self._showing(lambda db: query.series_like(db, wanted), None, min(limit, MAX_FOUND))

    async def upcoming(
        self, series: str, channel: ChannelId | None = None, limit: int = MAX_FOUND
    ) -> list[Programme]:
        """Return what is on and to come of a `Programme.series`, soonest first; on one channel or any."""
        found = await self._showing(lambda db: query.series_named(db, series), channel, limit)
        now = datetime.now(UTC)
        return [each for each in found if each.stop > now]

    async def _showing(
        self, chosen: Callable[[sqlite3.Connection], list[int]], channel: ChannelId | None, limit: int
    ) -> list[Programme]:
        places = await self._mapping()
        moment = int(time.time())
        of: dict[int, list[Place]] = {}
        sought: dict[int, Sought] = {}
        for each in self._book.state.channels:
            place = places.get(each.id)
            if place is not None and channel in (None, each.id):
                since = moment - each.catchup.days * DAY_S if each.catchup else moment
                of.setdefault(place.number, []).append(place)
                since = min(since, sought[place.number].since) if place.number in sought else since
                sought[place.number] = Sought(place.number, since)

        def ask(db: sqlite3.Connection) -> list[Programme]:
            rows = query.showing(db, chosen(db), sought.values(), moment, limit)
            return [_programme(place, row) for row in rows for place in of[row[0]]][:limit]

        return await self._read(ask, [])

    async def _read(self, ask: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        if not self._shelf.meta.load:
            return nothing
        try:
            return await self._shelf.read(ask)
        except GuideFileError as error:
            if not self._shelf.damaged.is_set():
                raise
            # It is being made afresh; until then the household has no guide, and television goes on.
            self._renewal.fail(error)
            return nothing

    async def _mapping(self) -> Mapping[ChannelId, Place]:
        """Return where each channel is found that the guide knows."""
        line_up, load = self._book.state, self._shelf.meta.load
        if self._mapped_for is None or self._mapped_for[0] is not line_up or self._mapped_for[1] != load:
            nothing: list[Shelved] = []
            known = await self._read(query.channels, nothing)
            by_name = {each.channel.id: each for each in known}
            names = mapped(line_up.channels, [each.channel for each in known])
            self._places = {
                each.id: Place(each.id, found.number, found.longest_s, each.guide_shift_s)
                for each in line_up.channels
                if (found := by_name.get(names.get(each.id, ""))) is not None
            }
            self._mapped_for = (line_up, load)
        return self._places


def mapped(channels: Sequence[Channel], guide: Sequence[GuideChannel]) -> dict[ChannelId, str]:
    """Return which guide channel belongs to which of the line-up: by id, then by name."""
    ids = {each.id.casefold(): each.id for each in reversed(guide)}
    names = {name.casefold(): each.id for each in reversed(guide) for name in each.names}
    found: dict[ChannelId, str] = {}
    for channel in channels:
        for key, where in (
            (channel.tvg_id, ids),
            (channel.tvg_name, ids),
            (channel.tvg_name, names),
            (channel.name, names),
            (channel.name, ids),
        ):
            if key and key.casefold() in where:
                found[channel.id] = where[key.casefold()]
                break
    return found


@lru_cache(maxsize=4096)
def _instant(seconds: int) -> datetime:
    """Return the time; most channels begin at the same ones."""
    return datetime.fromtimestamp(seconds, UTC)


def _programme(place: Place, row: Row) -> Programme:
    _, start, stop, title, subtitle, description, category, age, catchup_id = row
    start += place.shift_s
    return Programme(
        id=f"{place.channel}.{start}",
        channel=place.channel,
        start=_instant(start),
        stop=_instant(stop + place.shift_s),
        title=title,
        subtitle=subtitle,
        description=description,
        category=category,
        age=age,
        catchup_id=catchup_id,
    )
