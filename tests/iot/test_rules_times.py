from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as changed

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, State, StateChanged, Value
from gateway.iot.rules_engine import Engine, Fire
from gateway.iot.rules_model import REMOTE, Rule, RuleId, Test
from gateway.iot.rules_quiet import is_life
from gateway.iot.rules_steps import NoticeStep, Step
from gateway.iot.rules_times import is_between

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
SAY = (Step(notice=NoticeStep(text="now")),)
DOOR = EntityId("mqtt.door")
HOUR_S = 3600.0


def rule(when: Test, *conditions: Test) -> Rule:
    return Rule(id=RuleId("r"), when=when, conditions=conditions, do=SAY)


class Clocks:
    """The household's clock and a monotonic one, and an engine that looks at both each half minute."""

    def __init__(self, began: datetime, *rules: Rule) -> None:
        self.wall = began
        self.now_s = 1000.0
        self.engine = Engine(lambda: self.wall)
        self.engine.arrange(rules, {}, self.now_s)
        self.engine.tick(self.now_s)
        self.fired: list[datetime] = []

    def go_on(self, for_: timedelta) -> list[datetime]:
        """Let time pass; return when something fired."""
        self.fired.clear()
        for _ in range(int(for_.total_seconds() // 30)):
            self.now_s += 30
            zone = self.wall.tzinfo
            self.wall = (self.wall.astimezone(UTC) + timedelta(seconds=30)).astimezone(zone)
            self.fired += [self.wall for _ in self.engine.tick(self.now_s)]
        return list(self.fired)

    def set(self, by: timedelta) -> None:
        """Let somebody set the clock."""
        self.wall += by

    def hears(self, value: Value, before: Value | None = None, *, live: bool = True) -> None:
        self.engine.heed(change(value, before, live=live), self.now_s)


def change(
    value: Value | None, before: Value | None, *, live: bool, sort: str = "binary_sensor"
) -> StateChanged:
    device = Device(id=DeviceId("d"), name="d", link="mqtt")
    entity = Entity(id=DOOR, device=device, name="door", capability=Capability(sort))
    return StateChanged(State(entity, before), State(entity, value), repeated=value == before, live=live)


# --- the time of day


def test_a_time_comes_once_a_day_on_its_days() -> None:
    weekdays = rule(Test(at="22:30", days=("mon", "fri")))
    clocks = Clocks(datetime(2026, 3, 4, 12, tzinfo=SHANGHAI), weekdays)  # a Wednesday
    assert clocks.go_on(timedelta(days=7)) == [
        datetime(2026, 3, 6, 22, 30, tzinfo=SHANGHAI),
        datetime(2026, 3, 9, 22, 30, tzinfo=SHANGHAI),
    ]


def test_a_time_that_was_missed_while_the_box_was_off_is_not_made_up() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 22, 31, tzinfo=SHANGHAI), rule(Test(at="22:30")))
    assert clocks.go_on(timedelta(hours=23)) == []


def test_a_clock_that_is_set_back_does_not_bring_a_time_again() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 22, 29, tzinfo=SHANGHAI), rule(Test(at="22:30")))
    assert len(clocks.go_on(timedelta(minutes=2))) == 1
    clocks.set(timedelta(seconds=-45))
    assert clocks.go_on(timedelta(minutes=5)) == []
    clocks.set(timedelta(hours=-1))
    assert clocks.go_on(timedelta(hours=2)) == []


def test_a_clock_that_is_put_right_after_a_power_cut_brings_nothing_of_the_past() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 12, tzinfo=SHANGHAI), rule(Test(at="22:30")))
    clocks.set(timedelta(days=3, hours=11))
    assert clocks.go_on(timedelta(hours=1)) == []


def test_a_clock_that_errs_by_seconds_loses_no_time() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 22, 29, 50, tzinfo=SHANGHAI), rule(Test(at="22:30")))
    clocks.set(timedelta(seconds=20))
    assert len(clocks.go_on(timedelta(minutes=1))) == 1


@pytest.mark.parametrize(("month", "day"), [(3, 28), (10, 24)], ids=["to", "from"])
def test_summer_time_brings_every_time_once(month: int, day: int) -> None:
    clocks = Clocks(datetime(2026, month, day, 12, tzinfo=BERLIN), rule(Test(at="02:30")))
    assert len(clocks.go_on(timedelta(hours=20))) == 1


@pytest.mark.parametrize(
    ("hours", "at", "so"),
    [
        (("22:00", "06:00"), "22:00", True),
        (("22:00", "06:00"), "05:59", True),
        (("22:00", "06:00"), "06:00", False),
        (("07:00", "22:00"), "06:59", False),
        (("07:00", "22:00"), "12:00", True),
    ],
)
def test_hours_may_lie_over_midnight(hours: tuple[str, str], at: str, so: bool) -> None:
    local = datetime.combine(date(2026, 3, 4), time.fromisoformat(at), SHANGHAI)
    assert is_between({"from": hours[0], "to": hours[1]}, local) is so


def test_a_rule_that_is_for_the_night_does_nothing_by_day() -> None:
    night = Test(between={"from": "22:00", "to": "06:00"})
    opened = rule(Test(entity=DOOR, equals=True), night)
    clocks = Clocks(datetime(2026, 3, 4, 12, tzinfo=SHANGHAI), opened)
    assert clocks.engine.heed(change(True, False, live=True), 1.0) == []
    clocks.engine.heed(change(False, True, live=True), 2.0)
    clocks.set(timedelta(hours=11))
    assert clocks.engine.heed(change(True, False, live=True), 3.0) == [Fire(opened, DOOR)]


def test_a_key_fires_its_rules_alone() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 12, tzinfo=SHANGHAI), rule(Test(key="red")))
    assert clocks.engine.press("ok", 1.0) == []
    assert len(clocks.engine.press("red", 2.0)) == 1


# --- quiet


QUIET = rule(Test(quiet=(DOOR, REMOTE), for_s=4 * HOUR_S, between={"from": "07:00", "to": "22:00"}))


def test_quiet_is_told_once_until_somebody_is_heard() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 8, tzinfo=SHANGHAI), QUIET)
    assert clocks.go_on(timedelta(hours=6)) == [datetime(2026, 3, 4, 12, tzinfo=SHANGHAI)]
    clocks.engine.press("ok", clocks.now_s)
    assert clocks.go_on(timedelta(hours=5)) == [datetime(2026, 3, 4, 18, tzinfo=SHANGHAI)]


def test_doors_and_keys_keep_it_from_being_quiet() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 8, tzinfo=SHANGHAI), QUIET)
    clocks.go_on(timedelta(hours=3))
    clocks.hears(True, False)
    assert clocks.go_on(timedelta(hours=3)) == []
    clocks.engine.press("volume_up", clocks.now_s)
    assert clocks.go_on(timedelta(hours=3)) == []


def test_the_night_is_quiet_and_does_not_count() -> None:
    clocks = Clocks(datetime(2026, 3, 4, 21, tzinfo=SHANGHAI), QUIET)
    assert clocks.go_on(timedelta(hours=14)) == [datetime(2026, 3, 5, 10, tzinfo=SHANGHAI)]


def test_a_restart_neither_forgets_the_quiet_nor_counts_the_time_it_was_off() -> None:
    before = Clocks(datetime(2026, 3, 4, 8, tzinfo=SHANGHAI), QUIET)
    before.go_on(timedelta(hours=3))
    after = Clocks(datetime(2026, 3, 4, 16, tzinfo=SHANGHAI), QUIET)
    after.engine.recall(before.engine.met(), before.engine.quiet_s())
    assert after.go_on(timedelta(minutes=59)) == []
    assert len(after.go_on(timedelta(minutes=2))) == 1
    later = Clocks(datetime(2026, 3, 4, 18, tzinfo=SHANGHAI), QUIET)
    later.engine.recall(after.engine.met(), after.engine.quiet_s())
    assert later.go_on(timedelta(hours=3)) == []


def test_quiet_waits_for_a_condition_that_is_not_known_yet() -> None:
    away = EntityId("home.away")
    asked = rule(Test(quiet=(DOOR,), for_s=HOUR_S), Test(entity=away, equals=False))
    clocks = Clocks(datetime(2026, 3, 4, 8, tzinfo=SHANGHAI), asked)
    assert clocks.go_on(timedelta(hours=2)) == []
    assert clocks.engine.rest_s() == 60
    device = Device(id=DeviceId("home"), name="home", link="home")
    known = State(Entity(id=away, device=device, name="away", capability=Capability.SWITCH), False)
    clocks.engine.heed(StateChanged(None, known), clocks.now_s)
    assert clocks.engine.is_woken
    assert len(clocks.go_on(timedelta(minutes=1))) == 1


def test_what_was_quiet_while_nobody_was_at_home_is_asked_about_later_and_not_never() -> None:
    away = EntityId("home.away")
    asked = rule(Test(quiet=(DOOR,), for_s=HOUR_S), Test(entity=away, equals=False))
    clocks = Clocks(datetime(2026, 3, 4, 8, tzinfo=SHANGHAI), asked)
    device = Device(id=DeviceId("home"), name="home", link="home")
    gone = State(Entity(id=away, device=device, name="away", capability=Capability.SWITCH), True)
    clocks.engine.heed(StateChanged(None, gone), clocks.now_s)
    assert clocks.go_on(timedelta(hours=2)) == []
    clocks.engine.heed(StateChanged(gone, changed(gone, value=False)), clocks.now_s)
    assert clocks.go_on(timedelta(hours=3)) == [datetime(2026, 3, 4, 11, tzinfo=SHANGHAI)]


@pytest.mark.parametrize(
    ("said", "life"),
    [
        (change(True, False, live=True), True),
        (change(True, True, live=True), True),
        (change(False, False, live=True), False),
        (change(False, None, live=True), False),
        (change(True, None, live=False), False),
        (change(20.5, 20.5, live=True, sort="sensor"), False),
        (change("single", "single", live=True, sort="event"), True),
    ],
    ids=["opened", "still moving", "still closed", "first report", "kept", "same", "pressed again"],
)
def test_only_what_somebody_did_is_a_sign_of_life(said: StateChanged, life: bool) -> None:
    assert is_life(said) is life
