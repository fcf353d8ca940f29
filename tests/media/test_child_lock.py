from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import pytest

from gateway.media import lock_memory
from gateway.media.child_lock import ChildLock, Clocks, NoPinError, PinWaitError, WrongPinError
from gateway.media.epg import NowNext, Programme
from gateway.media.household import HouseholdState, Member
from gateway.media.lineup import Channel, ChannelId, Source
from gateway.media.lock_memory import LockMemory
from gateway.media.lock_rules import (
    CHANNEL_LOCKED,
    ENOUGH_TODAY,
    NOT_NOW,
    TOO_OLD,
    Hours,
    LockSettings,
    Situation,
    day_to_charge,
    verdict,
)
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.ui.living import running

CHINA = timezone(timedelta(hours=8))
EVENING = datetime(2026, 3, 1, 19, 30, tzinfo=CHINA)
NEWS = Channel(id=ChannelId("news"), number=1, name="新闻", sources=(Source(url="http://127.0.0.1:1/"),))
CRIME = Channel(id=ChannelId("crime"), number=2, name="法治", sources=(Source(url="http://127.0.0.1:1/"),))
CHILD = Member(id="child", name="小明", child=True)
GRANDMA = Member(id="grandma", name="奶奶")


def situation(**change: object) -> Situation:
    given: dict[str, object] = {"channel": NEWS.id, "age": 0, "moment": EVENING, "watched_s": 0.0}
    return Situation(**(given | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        (LockSettings(), situation(age=18, watched_s=86_400), None),
        (LockSettings(channels=frozenset({NEWS.id})), situation(), CHANNEL_LOCKED),
        (LockSettings(channels=frozenset({CRIME.id})), situation(), None),
        (LockSettings(max_age=12), situation(age=12), None),
        (LockSettings(max_age=12), situation(age=13), TOO_OLD),
        (LockSettings(hours=Hours(time(17), time(20))), situation(), None),
        (LockSettings(hours=Hours(time(17), time(19, 30))), situation(), NOT_NOW),
        (LockSettings(hours=Hours(time(22), time(7))), situation(), NOT_NOW),
        (LockSettings(hours=Hours(time(19), time(7))), situation(), None),
        (LockSettings(minutes_a_day=30), situation(watched_s=1799), None),
        (LockSettings(minutes_a_day=30), situation(watched_s=1800), ENOUGH_TODAY),
        (LockSettings(minutes_a_day=0), situation(), ENOUGH_TODAY),
    ],
)
def test_what_the_settings_allow(settings: LockSettings, given: Situation, expected: str | None) -> None:
    assert verdict(settings, given) == expected


@pytest.mark.parametrize(
    ("days", "today", "expected"),
    [
        ({}, date(2026, 3, 1), date(2026, 3, 1)),
        ({date(2026, 3, 1): 9.0}, date(2026, 3, 2), date(2026, 3, 2)),
        ({date(2026, 3, 1): 9.0}, date(1970, 1, 1), date(2026, 3, 1)),
        ({}, date(1970, 1, 1), date(1970, 1, 1)),
        ({date(2099, 1, 1): 9.0, date(2026, 3, 1): 5.0}, date(2026, 3, 1), date(2026, 3, 1)),
    ],
)
def test_a_clock_that_is_not_set_makes_no_new_day(
    days: dict[date, float], today: date, expected: date
) -> None:
    assert day_to_charge(days, today) == expected


@dataclass
class Home:
    """Who is watching."""

    state: HouseholdState = field(
        default_factory=lambda: HouseholdState(members=(CHILD, GRANDMA), current="child")
    )
    changes: Publisher[HouseholdState] = field(default_factory=Publisher)

    def watches(self, member: str | None) -> None:
        self.state = HouseholdState(members=(CHILD, GRANDMA), current=member)


class Ratings:
    """A guide that knows one programme for adults."""

    async def now(
        self, channels: Iterable[ChannelId], at: datetime | None = None
    ) -> Mapping[ChannelId, NowNext]:
        assert at is not None
        start = EVENING.astimezone(UTC)
        stop = start + timedelta(hours=1)
        thriller = Programme(id="x", channel=CRIME.id, start=start, stop=stop, title="大案", age=18)
        return {CRIME.id: NowNext(thriller, None)} if CRIME.id in channels and start <= at < stop else {}


@dataclass
class Time:
    """What time it is, when told to."""

    local: datetime = EVENING
    passed_s: float = 1000.0


@dataclass
class Room:
    """A lock, who sits before it, and the time."""

    lock: ChildLock
    home: Home
    time: Time


@asynccontextmanager
async def locked_up(folder: Path) -> AsyncIterator[Room]:
    store = Store(folder / "gateway.db", {"lock": lock_memory.MIGRATIONS}, durable=False)
    home, now = Home(), Time()
    async with running(store.run):
        clocks = Clocks(lambda: now.local, lambda: now.passed_s)
        lock = ChildLock(LockMemory(store), home, Ratings(), clocks)
        await lock.load()
        yield Room(lock, home, now)


NO_NEWS = LockSettings(channels=frozenset({NEWS.id}))


async def test_without_a_pin_everything_may_be_watched(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        assert await room.lock.verdict(NEWS) is None
        with pytest.raises(NoPinError):
            await room.lock.open("1234")


async def test_it_applies_to_children_and_to_everybody_while_nobody_is_chosen(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(NO_NEWS, pin="1234")
        assert await room.lock.verdict(NEWS) == CHANNEL_LOCKED
        assert await room.lock.verdict(CRIME) is None
        room.home.watches("grandma")
        assert await room.lock.verdict(NEWS) is None
        room.home.watches(None)
        assert await room.lock.verdict(NEWS) == CHANNEL_LOCKED


async def test_it_holds_after_a_restart_and_the_pin_is_nowhere(tmp_path: Path) -> None:
    settings = LockSettings(
        channels=frozenset({NEWS.id}), max_age=12, hours=Hours(time(17), time(20)), minutes_a_day=60
    )
    async with locked_up(tmp_path) as room:
        await room.lock.put(settings, pin="824613")
    assert all(b"824613" not in file.read_bytes() for file in tmp_path.iterdir())
    async with locked_up(tmp_path) as room:
        assert room.lock.settings == settings
        assert await room.lock.verdict(NEWS) == CHANNEL_LOCKED


async def test_the_pin_opens_it_for_two_hours(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(NO_NEWS, pin="1234")
        await room.lock.open("1234")
        assert await room.lock.verdict(NEWS) is None
        room.time.passed_s += 2 * 3600
        assert await room.lock.verdict(NEWS) == CHANNEL_LOCKED


async def test_only_the_pin_changes_the_lock_or_the_pin(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(NO_NEWS, pin="1234")
        with pytest.raises(WrongPinError):
            await room.lock.put(LockSettings(), pin="4321")
        assert room.lock.settings == NO_NEWS
        await room.lock.put(NO_NEWS, pin="1234", new_pin="5678")
        with pytest.raises(WrongPinError):
            await room.lock.open("1234")
        await room.lock.open("5678")


async def test_guessing_means_waiting_and_pulling_the_plug_does_not_help(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(NO_NEWS, pin="1234")
        for _ in range(5):
            with pytest.raises(WrongPinError):
                await room.lock.open("0000")
        with pytest.raises(PinWaitError):
            await room.lock.open("1234")
    async with locked_up(tmp_path) as room:
        with pytest.raises(PinWaitError):
            await room.lock.open("1234")
        room.time.passed_s += 300
        await room.lock.open("1234")


async def test_a_programme_for_older_people_is_locked_while_it_is_on(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(LockSettings(max_age=12), pin="1234")
        assert await room.lock.verdict(CRIME) == TOO_OLD
        assert await room.lock.verdict(NEWS) is None
        room.time.local += timedelta(hours=1)
        assert await room.lock.verdict(CRIME) is None
        assert await room.lock.verdict(CRIME, EVENING + timedelta(minutes=5)) == TOO_OLD


async def test_minutes_are_of_the_day_and_survive_the_plug_and_the_clock(tmp_path: Path) -> None:
    async with locked_up(tmp_path) as room:
        await room.lock.put(LockSettings(minutes_a_day=30), pin="1234")
        day = room.lock.count(1800)
        await room.lock.write(day)
        assert await room.lock.verdict(NEWS) == ENOUGH_TODAY
        assert room.lock.minutes_left == 0
    async with locked_up(tmp_path) as room:
        room.time.local = datetime(1970, 1, 1, 8, 0, tzinfo=CHINA)  # no network yet, no clock
        assert await room.lock.verdict(NEWS) == ENOUGH_TODAY
        room.time.local = EVENING - timedelta(days=1)
        room.time.local = EVENING
        assert await room.lock.verdict(NEWS) == ENOUGH_TODAY
        room.time.local = EVENING + timedelta(days=1)
        assert await room.lock.verdict(NEWS) is None
        assert room.lock.minutes_left == 30


async def test_a_recording_is_as_old_as_it_was_when_it_was_made(tmp_path: Path) -> None:
    long_ago = EVENING - timedelta(days=30)
    async with locked_up(tmp_path) as room:
        await room.lock.put(LockSettings(max_age=12), pin="1234")
        assert await room.lock.verdict_recorded(CRIME.id, long_ago, 18) == TOO_OLD
        assert await room.lock.verdict_recorded(CRIME.id, long_ago, 6) is None
        assert await room.lock.verdict_elsewhere(CRIME.id, long_ago, age=18) == TOO_OLD
        room.home.watches("grandma")
        assert await room.lock.verdict_recorded(CRIME.id, long_ago, 18) is None


async def test_a_recording_of_which_nothing_is_known_is_not_for_children(tmp_path: Path) -> None:
    nowhere = ChannelId("")
    async with locked_up(tmp_path) as room:
        await room.lock.put(LockSettings(minutes_a_day=60), pin="1234")
        assert await room.lock.verdict_recorded(nowhere, EVENING, 0) is None
        for settings in (LockSettings(max_age=12), NO_NEWS):
            await room.lock.put(settings, pin="1234")
            assert await room.lock.verdict_recorded(nowhere, EVENING, 0) == CHANNEL_LOCKED
