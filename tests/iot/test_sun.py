"""Rules that wait for the sun."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config import BoxConfig, problems_of
from gateway.iot import rules
from gateway.iot.registry import Registry
from gateway.iot.rules import NoPlaceError, Rules, Senses
from gateway.iot.rules_engine import Engine
from gateway.iot.rules_file import decode_rule, document_of
from gateway.iot.rules_model import Rule, RuleId, Test
from gateway.iot.rules_steps import NoticeStep, Step
from gateway.iot.rules_times import Sky, is_between
from gateway.iot.sun import Place, SunEvent
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve

pytest.importorskip("astral", reason="installed by requirements.txt")

SHANGHAI, OSLO = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Oslo")
CHONGQING, TROMSO = Place(29.56, 106.55), Place(69.65, 18.96)
MIDNIGHT = datetime(2026, 3, 20, tzinfo=SHANGHAI)


def rule(**when: object) -> Rule:
    return Rule(id=RuleId("lamp"), when=decode(when, Test), do=(Step(notice=NoticeStep(text="now")),))


class Days:
    """Lets minutes pass on the household's clock, and tells when the rule fired."""

    def __init__(self, began: datetime, sky: Sky | None, wanted: Rule) -> None:
        self.wall, self.now_s = began, 0.0
        self.engine = Engine(lambda: self.wall, sky)
        self.engine.arrange([wanted], {}, 0.0)
        self.engine.tick(0.0)

    def go_on(self, for_: timedelta) -> list[datetime]:
        fired = []
        end = self.wall.astimezone(UTC) + for_
        while self.wall.astimezone(UTC) < end:
            self.now_s += 60
            self.wall = (self.wall.astimezone(UTC) + timedelta(minutes=1)).astimezone(self.wall.tzinfo)
            fired += [self.wall for _ in self.engine.tick(self.now_s)]
        return fired


@pytest.mark.parametrize(
    ("event", "about"),
    [("dawn", "06:35"), ("sunrise", "06:58"), ("sunset", "19:05"), ("dusk", "19:28")],
)
def test_the_sun_goes_by_where_the_box_stands(event: str, about: str) -> None:
    at = CHONGQING(SunEvent(event), date(2026, 3, 20), SHANGHAI)
    assert at is not None
    assert at.utcoffset() == timedelta(hours=8)
    meant = datetime.combine(date(2026, 3, 20), time.fromisoformat(about), SHANGHAI)
    assert abs(at - meant) < timedelta(minutes=6)


def test_it_comes_once_a_day_and_on_its_days() -> None:
    fired = Days(MIDNIGHT, CHONGQING, rule(sun="sunset", days=["fri", "sun"])).go_on(timedelta(days=3))
    assert [(at.day, at.hour) for at in fired] == [(20, 19), (22, 19)]


def test_half_an_hour_before_is_half_an_hour_before() -> None:
    (at,) = Days(MIDNIGHT, CHONGQING, rule(sun="sunset")).go_on(timedelta(days=1))
    (before,) = Days(MIDNIGHT, CHONGQING, rule(sun="sunset", offset_s=-1800)).go_on(timedelta(days=1))
    assert at - before == timedelta(minutes=30)


def test_what_is_hours_later_may_be_tomorrow() -> None:
    def late(_event: SunEvent, day: date, zone: tzinfo) -> datetime:
        return datetime.combine(day, time(22), zone)

    fired = Days(MIDNIGHT, late, rule(sun="dusk", offset_s=3 * 3600)).go_on(timedelta(days=3))
    assert [(at.day, at.hour) for at in fired] == [(20, 1), (21, 1), (22, 1)]


def test_a_sun_that_does_not_set_sets_nothing_off() -> None:
    summer = datetime(2026, 6, 20, tzinfo=OSLO)
    assert TROMSO(SunEvent.SUNSET, summer.date(), OSLO) is None
    assert Days(summer, TROMSO, rule(sun="sunset")).go_on(timedelta(days=2)) == []
    assert (
        len(Days(datetime(2026, 3, 28, tzinfo=OSLO), TROMSO, rule(sun="sunset")).go_on(timedelta(days=3)))
        == 3
    )


def test_a_clock_that_is_set_repeats_nothing_and_makes_up_nothing() -> None:
    days = Days(MIDNIGHT + timedelta(hours=18), CHONGQING, rule(sun="sunset"))
    assert len(days.go_on(timedelta(hours=2))) == 1
    days.wall -= timedelta(hours=2)
    assert days.go_on(timedelta(hours=4)) == []
    days.wall += timedelta(hours=22)
    assert days.go_on(timedelta(minutes=10)) == []


def test_without_a_place_nothing_fires() -> None:
    assert Days(MIDNIGHT, None, rule(sun="sunset")).go_on(timedelta(days=1)) == []
    assert Days(MIDNIGHT, None, daily("22:00", DARK)).go_on(timedelta(days=1)) == []


DARK = {"from": "sunset", "to": "sunrise"}


def daily(at: str, between: dict[str, str]) -> Rule:
    return Rule(
        id=RuleId("lamp"),
        when=Test(at=at),
        conditions=(Test(between=between),),
        do=(Step(notice=NoticeStep(text="now")),),
    )


@pytest.mark.parametrize(("at", "so"), [("18:55", False), ("19:15", True), ("06:45", True), ("07:10", False)])
def test_a_rule_holds_in_the_dark_only(at: str, so: bool) -> None:
    assert len(Days(MIDNIGHT, CHONGQING, daily(at, DARK)).go_on(timedelta(days=3))) == (3 if so else 0)


@pytest.mark.parametrize(
    ("hours", "at", "so"),
    [
        (DARK, "23:59", True),
        (DARK, "00:00", True),
        (DARK, "12:00", False),
        ({"from": "sunrise", "to": "sunset"}, "12:00", True),
        ({"from": "sunrise", "to": "sunset"}, "19:15", False),
        ({"from": "dawn", "to": "22:00"}, "06:30", False),
        ({"from": "dawn", "to": "22:00"}, "06:45", True),
        ({"from": "dawn", "to": "22:00"}, "22:00", False),
        ({"from": "17:00", "to": "dusk"}, "19:20", True),
        ({"from": "17:00", "to": "dusk"}, "19:40", False),
    ],
)
def test_hours_may_begin_and_end_with_the_sun(hours: dict[str, str], at: str, so: bool) -> None:
    local = datetime.combine(MIDNIGHT.date(), time.fromisoformat(at), SHANGHAI)
    assert is_between(hours, local, CHONGQING) is so


def test_where_the_sun_does_not_set_there_is_no_dark() -> None:
    summer = datetime(2026, 6, 21, tzinfo=OSLO)
    assert not any(is_between(DARK, summer + timedelta(hours=hour), TROMSO) for hour in range(24))


def test_an_hour_of_the_sun_that_is_an_hour_of_the_clock_leaves_nothing_between() -> None:
    at = CHONGQING(SunEvent.DAWN, MIDNIGHT.date(), SHANGHAI)
    assert at is not None
    hours = {"from": f"{at:%H:%M}", "to": "dawn"}
    assert not any(is_between(hours, MIDNIGHT + timedelta(minutes=each), CHONGQING) for each in range(1440))


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"sun": "noon"}, "sun"),
        ({"sun": "sunset", "at": "20:00"}, "exactly one of entity, at, sun, key"),
        ({"sun": "sunset", "offset_s": 15_000}, "offset_s: must be -14400 to 14400 seconds"),
        ({"at": "20:00", "offset_s": 60}, "offset_s: goes only with sun"),
        ({"sun": "sunset", "for_s": 60}, "for_s: goes only with entity or quiet"),
        ({"between": {"from": "sunset", "to": "noon"}}, "between.to: must be a time of day in quotes"),
        ({"between": {"from": "sunset", "to": "sunset"}}, "between: from and to are the same"),
        (
            {"quiet": ["mqtt.door"], "for_s": 60, "between": {"from": "sunrise", "to": "22:00"}},
            "between.from: cannot be the sun's with quiet",
        ),
    ],
)
def test_what_makes_no_sense_is_named(when: dict[str, object], why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        decode(when, Test)


def test_a_rule_reads_as_it_was_written() -> None:
    document = {
        "id": "lamp",
        "when": {"sun": "sunset", "offset_s": -1800.0},
        "if": [{"between": {"from": "sunset", "to": "22:00"}}],
        "do": [{"notice": {"text": "now"}}],
        "mode": "single",
    }
    assert document_of(decode_rule(document)) == document


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ({"latitude": 91, "longitude": 0}, "latitude: 91"),
        ({"latitude": 29.5}, "goes only together with longitude"),
        ({"latitude": float("nan"), "longitude": 0}, "latitude: nan"),
    ],
)
def test_a_place_is_on_earth(box: dict[str, float], why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        decode(box, BoxConfig)


WAITS = """rules:
- {id: lamp, when: {sun: sunset}, do: [{notice: {text: now}}]}
- {id: hall, when: {key: red}, if: [{between: {from: sunset, to: sunrise}}], do: [{notice: {text: now}}]}
"""


def test_the_installer_is_told_which_rule_wants_a_place(tmp_path: Path) -> None:
    file, config = tmp_path / "rules.yaml", tmp_path / "gateway.yaml"
    file.write_text(WAITS)
    config.write_text(f"iot: {{rules: {file}}}\n")
    assert [str(each) for each in problems_of(config)] == [
        "iot.rules: rules[0].when.sun: needs box.latitude and box.longitude",
        "iot.rules: rules[1].if[0].between: needs box.latitude and box.longitude",
    ]
    config.write_text(f"box: {{latitude: 29.56, longitude: 106.55}}\niot: {{rules: {file}}}\n")
    assert problems_of(config) == ()


async def test_the_api_takes_such_a_rule_where_the_place_is_known(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(WAITS)
    store = Store(tmp_path / "gateway.db", {"rules": rules.MIGRATIONS})
    registry = Registry([])

    def working(sky: Sky | None) -> Rules:
        return Rules(file, registry, store, {}, Senses(sky=sky))

    evening = Rule(
        id=RuleId("evening"), when=Test(sun=SunEvent.DUSK), do=(Step(notice=NoticeStep(text="now")),)
    )
    async with serve(store), serve(registry):
        lost = working(None)
        async with serve(lost):
            with pytest.raises(NoPlaceError, match="evening waits for the sun"):
                await lost.put(evening)
            with pytest.raises(NoPlaceError, match="lamp waits for the sun"):
                await lost.put(daily("22:00", DARK))
            assert "Rule hall never fires: Set box.latitude and box.longitude" in caplog.text
            assert "Rule lamp never fires: Set box.latitude and box.longitude" in caplog.text
        placed = working(CHONGQING)
        async with serve(placed):
            await placed.put(evening)
            assert [one.id for one in placed.rules] == ["lamp", "hall", "evening"]
