"""What the home reported can be looked up later, and costs little flash."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.config import GatewayConfig
from gateway.iot import history, history_table
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, Value
from gateway.iot.history import Historian
from gateway.iot.history_table import MOST_POINTS, Point
from gateway.iot.history_tidy import HistoryConfig
from gateway.iot.link import Found, LinkEvent
from gateway.iot.registry import Registry
from gateway.pubsub import Publisher
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve

BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
DAYS = (BEGIN - A_DAY, A_DAY * 3)
WEEKS = (BEGIN - A_DAY * 20, A_DAY * 23)
"""So long that the answer comes in steps of five minutes, and of an hour."""
QUICK = HistoryConfig(write_every_s=0.02)
GIGABYTE = 1_000_000_000


class Clock:
    """Says what the test wants."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def steady(self) -> float:
        return self.now.timestamp()


class Saying:
    """See `gateway.iot.link.Link`; tells what the test says."""

    def __init__(self, name: str = "said") -> None:
        self.name = name
        self.events: Publisher[LinkEvent] = Publisher()

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: Value) -> bool:
        raise NotImplementedError


@dataclass
class House:
    """A home that remembers."""

    link: Saying
    historian: Historian
    store: Store
    clock: Clock
    known: set[EntityId] = field(default_factory=set)

    def say(self, name: str, value: Value, after_s: float = 0, *, live: bool = True) -> None:
        """Let the entity of that name report, so long after the beginning."""
        entity = EntityId(f"{self.link.name}.{name}")
        if entity not in self.known:
            self.known.add(entity)
            device = Device(id=DeviceId(entity), name=name, link=self.link.name)
            self.link.events.publish(
                Found(Entity(id=entity, device=device, name=name, capability=Capability.SENSOR))
            )
        at = BEGIN + timedelta(seconds=after_s)
        self.clock.now = max(self.clock.now, at)
        self.link.events.publish(Reading(entity, value, at, live=live))

    async def points(
        self, name: str, since: datetime = BEGIN, span: timedelta = timedelta(hours=5)
    ) -> tuple[int, tuple[Point, ...]]:
        found = await self.historian.of(EntityId(f"{self.link.name}.{name}"), since, since + span)
        return found.step_s, found.points

    async def tidied(self) -> None:
        """Wait until everything said is written and summed up."""
        async with asyncio.timeout(20):
            while True:
                done_s = await self.store.read(
                    lambda db: db.execute(
                        "SELECT max(until_s) FROM history_rolled WHERE step_s = 300"
                    ).fetchone()[0]
                )
                if done_s == int(self.clock.now.timestamp()) // 300 * 300:
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def remembering(
    serve: Serve, folder: Path, config: HistoryConfig = QUICK, link: str = "said"
) -> AsyncIterator[House]:
    clock, said = Clock(), Saying(link)
    registry = Registry([said], clock=clock)
    store = Store(folder / "history.db", {"history": history.MIGRATIONS}, durable=False)
    historian = Historian(store, registry, config, clock=clock, steady=clock.steady)
    async with serve(store), serve(registry), serve(historian):
        yield House(said, historian, store, clock)


async def test_each_report_is_kept_as_it_was(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        values: tuple[Value, ...] = (21, 21.5, True, False, "绿", "")
        for at, value in enumerate(values):
            house.say("a", value, 2 * at)
        await asyncio.sleep(0.2)
        step_s, points = await house.points("a")

    assert step_s == 0
    assert [point.value for point in points] == [21, 21.5, True, False, "绿", ""]
    assert [type(point.value) for point in points] == [int, float, bool, bool, str, str]
    assert points[1].at == BEGIN + timedelta(seconds=2)


async def test_what_was_just_said_is_there_before_it_is_written(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path, HistoryConfig(write_every_s=300)) as house:
        house.say("a", 1)
        await asyncio.sleep(0.05)
        (_, points) = await house.points("a")

    assert [point.value for point in points] == [1]
    async with remembering(serve, tmp_path) as house:
        assert (await house.points("a"))[1] == points


async def test_what_does_not_change_is_kept_now_and_then(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        for after_s in range(0, 1210, 10):
            house.say("a", 20.0, after_s)
        await asyncio.sleep(0.2)
        (_, points) = await house.points("a")

    assert [(point.at - BEGIN).total_seconds() for point in points] == [0, 300, 600, 900, 1200]


async def test_what_was_watched_and_what_is_old_news_is_not_kept(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path, link="tv") as house:
        house.say("channel", 8)
        await asyncio.sleep(0.1)
        assert (await house.points("channel"))[1] == ()
    async with remembering(serve, tmp_path) as house:
        house.say("a", 1, live=False)
        await asyncio.sleep(0.1)
        assert (await house.points("a"))[1] == ()


async def test_a_flood_costs_the_others_nothing(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        for at in range(20_000):
            house.say("flood", at, at / 10_000)
            if at % 10_000 == 0:
                house.say("calm", at, at / 10_000)
            if at % 5_000 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while 19_999 not in [point.value for point in (await house.points("flood"))[1]]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        flood = [point.value for point in (await house.points("flood"))[1]]
        calm = [point.value for point in (await house.points("calm"))[1]]
        dropped = house.historian.dropped

    assert flood[-1] == 19_999
    assert len(flood) < 100
    # A second apart, so that neither takes the place of the other, whenever the disk has its turn.
    assert calm == [0, 10_000]
    assert dropped == 0


async def test_a_longer_time_comes_in_sums(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        for at, value in enumerate((10.0, 30.0, 20.0)):
            house.say("a", value, 60 * at)
        house.say("door", True, 130)
        house.say("door", False, 140)
        house.say("a", 50.0, 3600)
        await asyncio.sleep(0.2)
        unfinished = await house.points("a", *DAYS), await house.points("a", *WEEKS)
        house.clock.now = BEGIN + timedelta(hours=2)
        await house.tidied()
        minutes = await house.points("a", *DAYS)
        hours = await house.points("a", *WEEKS)
        doors = await house.points("door", *DAYS)

    assert unfinished == (minutes, hours)
    assert minutes == (
        300,
        (
            Point(at=BEGIN, value=20.0, count=3, least=10.0, most=30.0, mean=20.0),
            Point(at=BEGIN + timedelta(hours=1), value=50.0, least=50.0, most=50.0, mean=50.0),
        ),
    )
    assert hours == (3600, minutes[1])
    assert doors == (300, (Point(at=BEGIN, value=False, count=2),))


async def test_a_measurement_that_comes_late_is_in_the_sums_of_its_own_time(
    serve: Serve, tmp_path: Path
) -> None:
    """A glucose meter says in the evening what it measured in the morning."""
    async with remembering(serve, tmp_path) as house:
        house.say("meter", 5.0, 10)
        house.say("other", 1, 3 * 3600)
        house.clock.now = BEGIN + timedelta(hours=4)
        await house.tidied()
        late = Store(tmp_path / "history.db", {"history": history.MIGRATIONS}, durable=False)
        async with serve(late):
            sample = (int((BEGIN.timestamp() + 20) * 1000), EntityId("said.meter"), 9.0)
            await late.write(lambda db: history_table.add(db, [sample]))
        minutes = await house.points("meter", *DAYS)
        hours = await house.points("meter", *WEEKS)

    expected = Point(at=BEGIN, value=5.0, count=2, least=5.0, most=9.0, mean=7.0)
    assert minutes == (300, (expected,))
    assert hours == (3600, (expected,))


async def test_the_old_goes_and_the_disk_stays_bounded(serve: Serve, tmp_path: Path) -> None:
    config = HistoryConfig(write_every_s=0.02, samples_days=1, minutes_days=2, max_mb=1)
    async with remembering(serve, tmp_path, config) as house:
        house.say("a", 1.0)
        house.clock.now = BEGIN + timedelta(hours=1)
        await house.tidied()
        house.clock.now = BEGIN + timedelta(days=1, hours=2)
        await house.tidied()
        assert (await house.points("a", BEGIN, timedelta(hours=1)))[0] == 300
        house.clock.now = BEGIN + timedelta(days=3)
        await house.tidied()
        assert await house.points("a", BEGIN, timedelta(hours=1)) == (
            3600,
            (Point(at=BEGIN, value=1.0, least=1.0, most=1.0, mean=1.0),),
        )
        many = [
            (int(house.clock.now.timestamp() * 1000) - at, EntityId(f"said.{at % 50}"), "x" * 200)
            for at in range(9_000)
        ]
        await house.store.write(lambda db: history_table.add(db, many))
        for _ in range(40):
            house.clock.now += timedelta(minutes=5)
            await house.tidied()
        used = await house.store.read(history_table.bytes_used)

    assert used < 1 << 20


def test_a_clock_that_was_ahead_for_a_while_does_no_harm() -> None:
    begin_s = int(BEGIN.timestamp())
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(history.MIGRATIONS[0])
        history_table.add(db, [((begin_s + 10**8) * 1000, EntityId("a"), 1)])
        history_table.roll_up(db, begin_s + 10**8 + 7200)
        history_table.roll_up(db, begin_s + 300)
        history_table.add(
            db, [((begin_s + 310) * 1000, EntityId("a"), 2), ((begin_s + 320) * 1000, EntityId("a"), 4)]
        )
        history_table.roll_up(db, begin_s + 7200)
        for step_s in history_table.STEPS_S:
            _, points = history_table.points(db, EntityId("a"), BEGIN, BEGIN + A_DAY, finest_s=step_s)
            assert [(point.count, point.mean) for point in points] == [(2, 3.0)]


async def test_a_clock_that_jumps_deletes_nothing(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        house.say("a", 1.0)
        house.clock.now = BEGIN + timedelta(hours=2)
        await house.tidied()
        steady = house.clock.now.timestamp()
        house.clock.steady = lambda: steady  # type: ignore[method-assign]
        house.historian._tidying._steady = lambda: steady
        house.clock.now = BEGIN + timedelta(days=1000)
        await house.tidied()
        house.clock.now = BEGIN + timedelta(hours=3)
        _, points = await house.points("a")

    assert [point.value for point in points] == [1.0]


async def test_what_is_asked_about_the_past_is_answered_about_the_past(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        house.say("a", 1.0)
        house.say("a", 2.0, 40 * 86_400)
        house.clock.now = BEGIN + timedelta(days=40, minutes=20)
        await house.tidied()
        _, past = await house.points("a", BEGIN - A_DAY, A_DAY * 20)
        _, ahead = await house.points("a", BEGIN + A_DAY * 39, A_DAY * 400)

    assert [point.value for point in past] == [1.0]
    assert [point.value for point in ahead] == [2.0]


async def test_nobody_asks_for_less_than_nothing(serve: Serve, tmp_path: Path) -> None:
    async with remembering(serve, tmp_path) as house:
        house.say("a", 1)
        await asyncio.sleep(0.1)
        assert await house.points("a", BEGIN, timedelta(0)) == (0, ())
        assert await house.points("a", BEGIN, -A_DAY) == (0, ())


async def test_so_many_reports_that_no_page_could_show_them_come_in_sums(
    serve: Serve, tmp_path: Path
) -> None:
    async with remembering(serve, tmp_path) as house:
        begin_ms = int(BEGIN.timestamp() * 1000)
        samples = [(begin_ms + 2000 * at, EntityId("said.a"), at) for at in range(MOST_POINTS + 1)]
        await house.store.write(lambda db: history_table.add(db, samples))
        house.clock.now = BEGIN + timedelta(hours=3)
        await house.tidied()
        step_s, points = await house.points("a")

    assert step_s == 300
    assert sum(point.count for point in points) == MOST_POINTS + 1


@given(
    st.lists(st.tuples(st.integers(0, 50_000), st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=60)
)
@example([(300, 7.0, False), (0, 7.0, True), (1, 7.0, True)])
def test_sums_are_those_of_what_was_said_in_whatever_order_it_came(
    reports: list[tuple[int, float, bool]],
) -> None:
    begin_s = int(BEGIN.timestamp())
    said = {at_s: value for at_s, value, _ in reports}
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(history.MIGRATIONS[0])
        for at_s, late in {at_s: late for at_s, _, late in reports}.items():
            if not late:
                history_table.add(db, [((begin_s + at_s) * 1000, EntityId("a"), said[at_s])])
        history_table.roll_up(db, begin_s + 60_000)
        for at_s, late in {at_s: late for at_s, _, late in reports}.items():
            if late:
                history_table.add(db, [((begin_s + at_s) * 1000, EntityId("a"), said[at_s])])
        history_table.roll_up(db, begin_s + 60_000)
        for step_s in history_table.STEPS_S:
            _, points = history_table.points(db, EntityId("a"), BEGIN, BEGIN + A_DAY, finest_s=step_s)
            steps: dict[int, list[float]] = {}
            for at_s, value in said.items():
                steps.setdefault(at_s // step_s * step_s, []).append(value)
            assert {point.at: point.count for point in points} == {
                BEGIN + timedelta(seconds=at_s): len(values) for at_s, values in steps.items()
            }
            for point in points:
                values = steps[int((point.at - BEGIN).total_seconds())]
                assert (point.least, point.most) == (min(values), max(values))
                assert point.mean == pytest.approx(sum(values) / len(values), abs=1e-3)


@pytest.mark.parametrize("name", ["write_every_s", "samples_days", "minutes_days", "hours_days", "max_mb"])
def test_what_cannot_be_is_refused_by_its_path(name: str) -> None:
    with pytest.raises(SchemaError) as refused:
        decode({"iot": {"history": {name: 0}}}, GatewayConfig)
    assert f"iot.history.{name}" in str(refused.value)


HOUSE_OF_100 = """
import sqlite3, sys
from contextlib import closing
from gateway.iot import history, history_table
from gateway.iot.entity import EntityId
def written():
    with open("/proc/self/io") as io:
        return next(int(line.split()[1]) for line in io if line.startswith("wchar"))
with closing(sqlite3.connect(sys.argv[1], isolation_level=None)) as db:
    db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=NORMAL")
    db.executescript(history.MIGRATIONS[0])
    before = written()
    for at_s in range(0, 7200, 5):
        devices = range(0, 100) if at_s % 10 == 0 else ()
        db.execute("BEGIN")
        history_table.add(
            db, [((at_s + n % 10) * 1000, EntityId(f"mqtt.device{n}"), 20 + n + at_s / 1000) for n in devices]
        )
        if at_s % 300 == 0:
            history_table.roll_up(db, at_s)
        db.execute("COMMIT")
    print(written() - before)
"""


def test_a_hundred_devices_write_less_than_a_gigabyte_a_day(tmp_path: Path) -> None:
    """Every byte handed to the kernel counts, as if each reached the flash."""
    done = subprocess.run(
        [sys.executable, "-c", HOUSE_OF_100, str(tmp_path / "history.db")],
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )

    assert int(done.stdout) * 12 < GIGABYTE
