import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.media.epg import Programme
from gateway.media.guide_renewal import Loaded
from gateway.media.lineup import ChannelId
from gateway.media.reminders import (
    MAX_REMINDERS,
    MIGRATIONS,
    CannotRemindError,
    NoSuchReminderError,
    ReminderDue,
    Reminders,
    RemindersConfig,
    TooManyRemindersError,
)
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve

SEVEN = datetime(2026, 5, 1, 19, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CONFIG = RemindersConfig(lead_s=60, look_every_s=0.02)


def shown(title: str, start: datetime = SEVEN, length: timedelta = HOUR) -> Programme:
    return Programme(
        id=f"news.{int(start.timestamp())}",
        channel=ChannelId("news"),
        start=start,
        stop=start + length,
        title=title,
    )


NEWS = shown("新闻联播")


@dataclass
class Paper:
    """A guide that a test writes by hand."""

    listed: list[Programme] = field(default_factory=lambda: [NEWS])
    changes: Publisher[Loaded] = field(default_factory=Publisher)

    async def programme(self, programme: str) -> Programme | None:
        return next((each for each in self.listed if each.id == programme), None)

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = 1000
    ) -> Sequence[Programme]:
        found = [each for each in self.listed if each.start < stop and each.stop > start]
        return [each for each in found if channel in (None, each.channel)][:limit]

    def become(self, *listed: Programme) -> None:
        self.listed = list(listed)
        self.changes.publish(Loaded(len(listed), 0))


@dataclass
class Clock:
    """The wall clock, set by hand."""

    now: datetime = SEVEN - HOUR

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Evening:
    """What a box finds when it starts."""

    paper: Paper = field(default_factory=Paper)
    clock: Clock = field(default_factory=Clock)


@asynccontextmanager
async def reminding(serve: Serve, folder: Path, evening: Evening) -> AsyncIterator[Reminders]:
    store = Store(folder / "gateway.db", {"reminders": MIGRATIONS})
    reminders = Reminders(store, evening.paper, CONFIG, evening.clock)
    async with serve(store), serve(reminders), asyncio.timeout(10):
        yield reminders


async def test_a_programme_is_told_once_a_minute_before_it_begins(serve: Serve, tmp_path: Path) -> None:
    evening = Evening()
    async with reminding(serve, tmp_path, evening) as reminders:
        reminder = await reminders.add(NEWS.id)
        assert await reminders.add(NEWS.id) == reminder
        with reminders.due.subscribe() as due:
            evening.clock.now = SEVEN - MINUTE
            assert await anext(due) == ReminderDue(reminder)
        assert reminders.reminders == ()
    async with reminding(serve, tmp_path, evening) as reminders:
        assert reminders.reminders == ()


@pytest.mark.parametrize(
    ("back_on", "told"), [(SEVEN + HOUR / 2, True), (SEVEN + 2 * HOUR, False)], ids=["still on", "over"]
)
async def test_what_was_missed_while_off_is_told_if_it_is_still_on(
    serve: Serve, tmp_path: Path, back_on: datetime, told: bool
) -> None:
    evening = Evening()
    async with reminding(serve, tmp_path, evening) as reminders:
        reminder = await reminders.add(NEWS.id)
    evening.clock.now = back_on
    store = Store(tmp_path / "gateway.db", {"reminders": MIGRATIONS})
    reminders = Reminders(store, evening.paper, CONFIG, evening.clock)
    later = shown("later", back_on + MINUTE / 2)
    evening.paper.listed.append(later)
    with reminders.due.subscribe() as due:
        async with serve(store), serve(reminders), asyncio.timeout(10):
            marker = await reminders.add(later.id)
            heard = [await anext(due)]
            if heard[0].reminder != marker:
                heard.append(await anext(due))

    assert heard == [*([ReminderDue(reminder)] if told else []), ReminderDue(marker)]


async def test_a_reminder_follows_a_programme_that_the_guide_has_moved(serve: Serve, tmp_path: Path) -> None:
    evening = Evening(Paper([shown("甄嬛传 第12集"), shown("天气预报", SEVEN + HOUR)]))
    moved = shown("甄嬛传 第12集", SEVEN + HOUR)
    async with reminding(serve, tmp_path, evening) as reminders:
        await reminders.add(evening.paper.listed[0].id)
        with reminders.changes.subscribe() as changes:
            evening.paper.become(shown("甄嬛传 第11集"), moved)
            assert [each.programme for each in await anext(changes)] == [moved]
    async with reminding(serve, tmp_path, evening) as reminders:
        assert [each.programme for each in reminders.reminders] == [moved]


async def test_a_programme_that_left_the_guide_is_told_at_its_old_time(serve: Serve, tmp_path: Path) -> None:
    evening = Evening()
    async with reminding(serve, tmp_path, evening) as reminders:
        reminder = await reminders.add(NEWS.id)
        evening.paper.become(shown("别的节目"), shown("新闻联播", SEVEN + 5 * HOUR))
        with reminders.due.subscribe() as due:
            evening.clock.now = SEVEN
            assert await anext(due) == ReminderDue(reminder)


async def test_a_clock_that_is_wrong_for_a_while_costs_no_reminder(serve: Serve, tmp_path: Path) -> None:
    evening = Evening()
    async with reminding(serve, tmp_path, evening) as reminders:
        reminder = await reminders.add(NEWS.id)
    evening.clock.now = datetime(2033, 1, 1, tzinfo=UTC)
    async with reminding(serve, tmp_path, evening) as reminders:
        with reminders.due.subscribe() as due:
            evening.clock.now = SEVEN - MINUTE / 2
            assert await anext(due) == ReminderDue(reminder)


async def test_what_cannot_be_reminded_of_is_refused(serve: Serve, tmp_path: Path) -> None:
    evening = Evening()
    many = [shown(str(at), SEVEN + at * HOUR) for at in range(MAX_REMINDERS + 1)]
    evening.paper.listed = [shown("old", SEVEN - 3 * HOUR), *many]
    async with reminding(serve, tmp_path, evening) as reminders:
        for wrong in ("nothing", evening.paper.listed[0].id):
            with pytest.raises(CannotRemindError):
                await reminders.add(wrong)
        with pytest.raises(NoSuchReminderError):
            await reminders.delete("7")
        added = [await reminders.add(each.id) for each in many[:MAX_REMINDERS]]
        with pytest.raises(TooManyRemindersError):
            await reminders.add(many[-1].id)
        await reminders.delete(added[0].id)
        assert reminders.reminders == tuple(added[1:])
