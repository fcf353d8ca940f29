import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, State, StateChanged, Value
from gateway.iot.rules import MIGRATIONS, Rules, RuleUnknownError
from gateway.iot.rules_book import RulesFileError, read_file
from gateway.iot.rules_engine import Engine, Fire, Outcome, Unwait, Wait, holds
from gateway.iot.rules_file import decode_rule, document_of, parse_rules
from gateway.iot.rules_loops import LONGEST_CHAIN, LoopGuard
from gateway.iot.rules_model import Mode, Rule, RuleId, Test
from gateway.iot.rules_steps import AskStep, CommandStep, NoticeStep, Step, TuneStep
from gateway.pubsub import Publisher
from gateway.schema import SchemaError
from gateway.store import Store
from gateway.supervisor import Service

Serve = Callable[[Service], AbstractAsyncContextManager[None]]


def local() -> datetime:
    return datetime.now().astimezone()


TEMPERATURE = EntityId("mqtt.bench_temp")
LAMP = EntityId("mqtt.bench_light")
FAN = EntityId("coap.ep1.3306.0.5850")
GOODBYE = Step(command=CommandStep(entity=FAN, value=False))
LIGHT_UP = Step(command=CommandStep(entity=LAMP, value=True))
HOT = Rule(id=RuleId("hot"), when=Test(entity=TEMPERATURE, above=25), do=(LIGHT_UP,))

FROM_THE_CONTRACT = b"""
rules:
  - id: hot
    when: {entity: mqtt.bench_temp, above: 25}
    if: []
    do:
      - command: {entity: mqtt.bench_light, value: true}
    mode: single
"""


class Household:
    """A home that the test is: see `gateway.iot.rules.Home`."""

    def __init__(self) -> None:
        self.states: dict[EntityId, State] = {}
        self.changes: Publisher[StateChanged] = Publisher()

    def reports(self, entity: EntityId, value: Value | None, *, available: bool = True) -> StateChanged:
        before = self.states.get(entity)
        after = State(_entity(entity), value, datetime.now(UTC), available)
        self.states[entity] = after
        change = StateChanged(before, after, repeated=before is not None and before.value == value)
        self.changes.publish(change)
        return change


class Hand:
    """Takes commands from rules, and can be slow."""

    def __init__(self) -> None:
        self.did: asyncio.Queue[tuple[EntityId, Value]] = asyncio.Queue()
        self.free = asyncio.Event()
        self.free.set()
        self.begun = 0
        self._begin = asyncio.Condition()

    async def command(self, entity: EntityId, value: Value) -> None:
        async with self._begin:
            self.begun += 1
            self._begin.notify_all()
        await self.free.wait()
        self.did.put_nowait((entity, value))

    async def has_begun(self, times: int) -> None:
        async with asyncio.timeout(5), self._begin:
            await self._begin.wait_for(lambda: self.begun >= times)

    async def done(self) -> tuple[EntityId, Value]:
        async with asyncio.timeout(5):
            return await self.did.get()


@pytest.fixture
def home() -> Household:
    return Household()


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def store(tmp_path: Path, serve: Serve) -> AsyncIterator[Store]:
    store = Store(tmp_path / "gateway.db", {"rules": MIGRATIONS})
    async with serve(store):
        yield store


@dataclass
class Make:
    """Makes rules of a house from the text of their file."""

    folder: Path
    home: Household
    hand: Hand
    store: Store

    def __call__(self, text: bytes) -> Rules:
        file = self.folder / "rules.yaml"
        file.write_bytes(text)
        return Rules(file, self.home, self.store, {"command": self.hand.command})


@pytest.fixture
def make(tmp_path: Path, home: Household, hand: Hand, store: Store) -> Make:
    return Make(tmp_path, home, hand, store)


# --- the file


def test_the_file_of_the_contract_is_one_rule() -> None:
    assert parse_rules(FROM_THE_CONTRACT) == (HOT,)


@pytest.mark.parametrize("text", [b"", b"rules:", b"rules: []"])
def test_a_file_without_rules_is_no_rules(text: bytes) -> None:
    assert parse_rules(text) == ()


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{}", "rules[0].id: is required"),
        ("{id: a b, when: {entity: e, above: 1}, do: [{tune: {number: 8}}]}", "rules[0].id: must be"),
        (
            "{id: a, when: {entity: e, above: hot}, do: [{tune: {number: 8}}]}",
            "rules[0].when.above: expected",
        ),
        ("{id: a, when: {entity: e}, do: [{tune: {number: 8}}]}", "rules[0].when: exactly one of above"),
        ("{id: a, when: {entity: e, above: 1, belov: 2}, do: []}", "rules[0].when.belov: is not a known key"),
        (
            "{id: a, when: {entity: e, equals: 1, hysteresis: 2}, do: []}",
            "rules[0].when.hysteresis: goes only",
        ),
        ("{id: a, when: {entity: e, above: 1, for_s: -1}, do: []}", "rules[0].when.for_s: must be"),
        ("{id: a, when: {entity: e, changes: true}, do: []}", "rules[0].do: must have 1 to 16"),
        (
            "{id: a, when: {entity: e, changes: true}, do: [{scene: ''}]}",
            "rules[0].do[0].scene: must not be empty",
        ),
        ("{id: a, when: {entity: e, changes: true}, do: [{}]}", "rules[0].do[0]: exactly one of command"),
        (
            "{id: a, when: {entity: e, changes: true}, do: [{tune: {}}]}",
            "rules[0].do[0].tune: exactly one of",
        ),
        (
            "{id: a, when: {entity: e, above: 1}, if: [{entity: e, below: x}], do: [{tune: {number: 1}}]}",
            "rules[0].if[0].below: expected",
        ),
        (
            (
                "{id: a, when: {entity: e, above: 1}, if: [{entity: f, changes: true}],"
                " do: [{tune: {number: 1}}]}"
            ),
            "rules[0].if: changes cannot be a condition",
        ),
        (
            "{id: a, when: {entity: e, above: 1}, conditions: [], do: [{tune: {number: 1}}]}",
            "rules[0].conditions: is not a known key; did you mean if?",
        ),
        ("{id: a, when: {entity: e, above: 1}, do: [{tune: {number: 1}}], mode: twice}", "rules[0].mode: "),
    ],
)
def test_a_fault_in_the_file_is_named_by_its_path(rule: str, problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        parse_rules(f"rules:\n  - {rule}\n".encode())
    assert any(str(each).startswith(problem) for each in refused.value.problems), str(refused.value)


def test_a_rule_cannot_be_there_twice() -> None:
    with pytest.raises(SchemaError, match=r"rules\[1\].id: hot is there twice"):
        parse_rules(FROM_THE_CONTRACT + FROM_THE_CONTRACT.split(b"rules:\n")[1])


def test_a_missing_file_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(RulesFileError, match=r"none\.yaml"):
        read_file(tmp_path / "none.yaml")


numbers = st.floats(-1000, 1000) | st.integers(-1000, 1000)
tests = st.one_of(
    st.builds(
        Test, entity=st.just(TEMPERATURE), above=numbers, hysteresis=st.floats(0, 9), for_s=st.floats(0, 9)
    ),
    st.builds(Test, entity=st.just(TEMPERATURE), below=numbers, hysteresis=st.floats(0, 9)),
    st.builds(Test, entity=st.just(FAN), equals=st.booleans() | numbers | st.text(max_size=5)),
)


@given(
    st.builds(Rule, id=st.just(RuleId("r")), when=tests, conditions=st.tuples(tests), do=st.just((LIGHT_UP,)))
)
def test_a_rule_survives_being_written_and_read(rule: Rule) -> None:
    assert decode_rule(document_of(rule)) == rule


# --- when it fires


def follow(rule: Rule, values: list[Value | None]) -> list[Outcome]:
    """Return what follows from a home that reports `values` of the temperature, one a second."""
    engine, home = Engine(local), Household()
    engine.arrange([rule], {}, 0.0)
    outcomes: list[Outcome] = []
    for now_s, value in enumerate(values):
        outcomes += engine.heed(home.reports(TEMPERATURE, value, available=value is not None), float(now_s))
    return outcomes


@given(st.lists(st.floats(-50, 50) | st.none(), max_size=60), st.floats(-20, 20), st.floats(0, 10))
def test_a_threshold_fires_once_per_crossing(values: list[float | None], limit: float, back: float) -> None:
    rule = replace(HOT, when=Test(entity=TEMPERATURE, above=limit, hysteresis=back))

    fired = len(follow(rule, list(values)))

    crossings, armed = 0, True
    for value in values:
        if value is not None and armed and value > limit:
            crossings, armed = crossings + 1, False
        elif value is not None and value <= limit - back:
            armed = True
    assert fired == crossings


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.floats(-20, 20))
def test_reporting_the_same_again_never_fires(values: list[float], limit: float) -> None:
    rule = replace(HOT, when=Test(entity=TEMPERATURE, below=limit))
    twice = [value for value in values for _ in range(2)]

    assert follow(rule, list(twice)) == follow(rule, list(values))


@given(st.lists(st.booleans() | st.integers(0, 1), max_size=30))
def test_on_is_not_one(values: list[Value]) -> None:
    rule = replace(HOT, when=Test(entity=TEMPERATURE, equals=True))

    edges = sum(value is True and (i == 0 or values[i - 1] is not True) for i, value in enumerate(values))

    assert len(follow(rule, list(values))) == edges


def test_a_change_fires_but_not_the_first_report_nor_coming_back() -> None:
    rule = replace(HOT, when=Test(entity=TEMPERATURE, changes=True))

    assert follow(rule, [1, 1, 2, 2, 1]) == [Fire(rule, TEMPERATURE)] * 2


def test_a_wait_begins_at_the_edge_and_ends_with_it() -> None:
    rule = replace(HOT, when=Test(entity=TEMPERATURE, above=25, for_s=10))

    assert follow(rule, [20, 26, 27, 24, 26, None, 26]) == [
        Wait(rule, 11.0), Unwait(rule), Wait(rule, 14.0), Unwait(rule), Wait(rule, 16.0)
    ]  # fmt: skip


def test_words_are_neither_above_nor_below() -> None:
    assert holds(HOT.when, "unknown", was=True) is None
    assert holds(HOT.when, True, was=False) is None


def test_a_condition_that_does_not_hold_stops_a_rule() -> None:
    only_when_on = Test(entity=FAN, equals=True)
    rule = replace(HOT, conditions=(only_when_on,))
    engine, home = Engine(local), Household()
    engine.arrange([rule], {}, 0.0)

    unknown = engine.heed(home.reports(TEMPERATURE, 26), 1.0)
    engine.heed(home.reports(FAN, True), 2.0)
    later = engine.heed(home.reports(TEMPERATURE, 26), 3.0)
    engine.heed(home.reports(TEMPERATURE, 20), 4.0)
    again = engine.heed(home.reports(TEMPERATURE, 26), 5.0)

    assert (unknown, later, again) == ([], [], [Fire(rule, TEMPERATURE)])


def test_a_condition_may_ask_how_long_it_has_been_so() -> None:
    rule = replace(HOT, conditions=(Test(entity=FAN, equals=True, for_s=10),))
    engine, home = Engine(local), Household()
    engine.arrange([rule], {}, 0.0)
    engine.heed(home.reports(FAN, True), 1.0)

    early = engine.heed(home.reports(TEMPERATURE, 26), 10.0)
    engine.heed(home.reports(TEMPERATURE, 20), 10.5)
    late = engine.heed(home.reports(TEMPERATURE, 26), 11.0)

    assert (early, late) == ([], [Fire(rule, TEMPERATURE)])


def test_a_new_rule_does_not_fire_for_what_already_is() -> None:
    engine, home = Engine(local), Household()
    home.reports(TEMPERATURE, 30)
    engine.arrange([HOT], home.states, 0.0)

    assert engine.heed(home.reports(TEMPERATURE, 31), 1.0) == []


# --- the service


async def test_a_hot_room_lights_the_lamp_once(make: Make, home: Household, hand: Hand, serve: Serve) -> None:
    async with serve(make(FROM_THE_CONTRACT)):
        for value in (20, 26, 27, 20, 26):
            home.reports(TEMPERATURE, value)
            await asyncio.sleep(0)

        assert await hand.done() == (LAMP, True)
        assert await hand.done() == (LAMP, True)
    assert hand.did.empty()


async def test_a_wait_is_kept_and_a_short_peak_does_nothing(
    make: Make, home: Household, hand: Hand, serve: Serve
) -> None:
    rules = make(b"")
    async with serve(rules):
        await rules.put(replace(HOT, when=Test(entity=TEMPERATURE, above=25, for_s=0.1)))
        home.reports(TEMPERATURE, 26)
        home.reports(TEMPERATURE, 24)
        home.reports(TEMPERATURE, 26)

        assert await hand.done() == (LAMP, True)
    assert hand.begun == 1


@pytest.mark.parametrize(
    ("mode", "begun", "done"),
    [(Mode.SINGLE, 1, 1), (Mode.RESTART, 3, 1), (Mode.QUEUED, 1, 3), (Mode.PARALLEL, 3, 3)],
)
async def test_what_happens_while_it_is_still_at_it(
    make: Make, serve: Serve, mode: Mode, begun: int, done: int
) -> None:
    home, hand = make.home, make.hand
    rules = make(b"")
    async with serve(rules):
        await rules.put(replace(HOT, mode=mode))
        await rules.put(replace(HOT, id=RuleId("last"), when=Test(entity=FAN, equals=True), do=(GOODBYE,)))
        hand.free.clear()
        for value in (26, 20, 26, 20, 26):
            home.reports(TEMPERATURE, value)
        await hand.has_begun(begun)
        hand.free.set()
        did = [await hand.done() for _ in range(done)]
        home.reports(FAN, True)
        did.append(await hand.done())
    assert did == [(LAMP, True)] * done + [(FAN, False)]


async def test_no_crossing_is_lost_however_fast_they_come(make: Make, serve: Serve) -> None:
    home, hand = make.home, make.hand
    rules = make(b"")
    async with serve(rules):
        await rules.put(replace(HOT, mode=Mode.SINGLE))
        for _ in range(1_000):
            home.reports(TEMPERATURE, 26)
            home.reports(TEMPERATURE, 20)
        assert [await hand.done() for _ in range(1_000)] == [(LAMP, True)] * 1_000


async def test_a_circle_of_rules_is_stopped(home: Household, serve: Serve, store: Store) -> None:
    obeyed: asyncio.Queue[EntityId] = asyncio.Queue()

    async def obey(entity: EntityId, value: Value) -> None:
        obeyed.put_nowait(entity)
        home.reports(entity, value)

    rules = Rules(None, home, store, {"command": obey})
    async with serve(rules):
        for identifier, value in (("on", False), ("off", True)):
            step = Step(command=CommandStep(entity=LAMP, value=not value))
            when = Test(entity=LAMP, equals=value)
            await rules.put(Rule(id=RuleId(identifier), when=when, do=(step,), mode=Mode.QUEUED))
        await rules.put(replace(HOT, id=RuleId("last"), do=(GOODBYE,)))
        home.reports(LAMP, True)
        async with asyncio.timeout(5):
            circle = [await obeyed.get() for _ in range(LONGEST_CHAIN)]
            home.reports(TEMPERATURE, 26)
            last = await obeyed.get()
    assert (circle, last) == ([LAMP] * LONGEST_CHAIN, FAN)


@pytest.mark.parametrize(
    "step",
    [
        Step(scene="evening"),
        Step(ask=AskStep(text="well?", after_s=60, otherwise=(Step(scene="evening"),))),
    ],
    ids=["scene", "scene after a question"],
)
def test_a_circle_through_a_scene_is_stopped_too(step: Step) -> None:
    guard = LoopGuard(lambda scene: [LAMP] if scene == "evening" else [])
    rule = replace(HOT, when=Test(entity=LAMP, changes=True), do=(step,))
    admitted = [guard.admits(rule, LAMP, float(second)) for second in range(LONGEST_CHAIN + 1)]
    assert admitted == [True] * LONGEST_CHAIN + [False]
    assert guard.admits(rule, LAMP, 100.0)


async def test_a_step_that_fails_is_said_once_and_the_next_is_done(
    make: Make, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    home, hand = make.home, make.hand

    async def refuse(number: int) -> None:
        raise RuleUnknownError(f"no channel {number}")

    rules = Rules(None, home, make.store, {"command": hand.command, "tune": refuse})
    async with serve(rules):
        tune, notice = Step(tune=TuneStep(number=99)), Step(notice=NoticeStep(text="warm"))
        await rules.put(replace(HOT, do=(tune, notice, LIGHT_UP), mode=Mode.QUEUED))
        for value in (26, 20, 26):
            home.reports(TEMPERATURE, value)
        assert [await hand.done() for _ in range(2)] == [(LAMP, True)] * 2
    warned = [record.getMessage() for record in caplog.records if record.name == "gateway.iot.rules_runs"]
    assert len(warned) == 2
    assert warned[0].startswith("rule hot: IOT-402: no channel 99.")
    assert warned[1] == "rule hot: this box has no notice"


async def test_an_action_that_is_broken_ends_no_other_rule(
    make: Make, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(number: int) -> None:
        raise LookupError(number)

    rules = Rules(None, make.home, make.store, {"command": make.hand.command, "tune": broken})
    async with serve(rules):
        await rules.put(replace(HOT, do=(Step(tune=TuneStep(number=99)), LIGHT_UP)))
        make.home.reports(TEMPERATURE, 26)
        assert await make.hand.done() == (LAMP, True)
    assert "rule hot: LookupError: 99" in caplog.text


async def test_steps_that_a_restart_ended_are_begun_again(
    make: Make, home: Household, hand: Hand, serve: Serve
) -> None:
    hand.free.clear()
    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 26)
        await hand.has_begun(1)
    hand.free.set()
    home.states.clear()
    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 27)
        assert await hand.done() == (LAMP, True)


async def test_a_fast_sensor_is_not_taken_for_a_circle(
    make: Make, home: Household, hand: Hand, serve: Serve
) -> None:
    rules = make(b"")
    async with serve(rules):
        await rules.put(replace(HOT, mode=Mode.QUEUED))
        for _ in range(90):
            home.reports(TEMPERATURE, 20)
            home.reports(TEMPERATURE, 26)
        for _ in range(90):
            await hand.done()


async def test_what_was_put_is_there_after_a_restart_and_what_was_deleted_is_not(
    make: Make, serve: Serve
) -> None:
    cold = replace(HOT, id=RuleId("cold"), when=Test(entity=TEMPERATURE, below=5))
    rules = make(FROM_THE_CONTRACT)
    async with serve(rules):
        await rules.put(cold)
        await rules.delete(HOT.id)
        with pytest.raises(RuleUnknownError):
            await rules.delete(HOT.id)

    again = make(FROM_THE_CONTRACT)
    async with serve(again):
        assert again.rules == (cold,)


async def test_rules_that_were_put_before_an_update_of_the_box_are_still_there(
    tmp_path: Path, home: Household, serve: Serve
) -> None:
    document = json.dumps(document_of(HOT))
    async with serve(before := Store(tmp_path / "old.db", {"rules": MIGRATIONS[:1]})):
        await before.write(
            lambda db: db.execute("INSERT INTO rule VALUES ('hot', ?, NULL)", (document,)) and None
        )
    async with serve(after := Store(tmp_path / "old.db", {"rules": MIGRATIONS})):
        rules = Rules(None, home, after, {})
        async with serve(rules):
            assert rules.rules == (HOT,)


async def test_no_change_is_taken_that_a_mended_file_would_undo(make: Make, serve: Serve) -> None:
    """Told done and forgotten would be a lie."""
    rules = make(b"rules: [{id: hot}]")
    with pytest.raises(RulesFileError, match="not been read yet"):
        await rules.put(HOT)
    with pytest.raises(SchemaError):
        async with serve(rules):
            pass
    with pytest.raises(RulesFileError, match=r"rules\[0\].when: is required"):
        await rules.delete(HOT.id)

    make(FROM_THE_CONTRACT)
    async with serve(rules):
        await rules.delete(HOT.id)
        assert rules.rules == ()


async def test_a_rule_that_the_file_changes_afterwards_is_the_files_again(make: Make, serve: Serve) -> None:
    rules = make(FROM_THE_CONTRACT)
    async with serve(rules):
        await rules.put(replace(HOT, when=Test(entity=TEMPERATURE, above=40)))
    changed = make(FROM_THE_CONTRACT.replace(b"25", b"30"))
    async with serve(changed):
        assert changed.rules == (replace(HOT, when=Test(entity=TEMPERATURE, above=30)),)


async def test_a_restart_in_a_hot_room_does_not_light_the_lamp_again(
    make: Make, home: Household, hand: Hand, serve: Serve
) -> None:
    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 26)
        await hand.done()
    home.states.clear()

    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 27)
        home.reports(TEMPERATURE, 20)
        home.reports(TEMPERATURE, 28)
        await hand.done()
    assert hand.begun == 2


async def test_a_crossing_while_the_box_was_off_is_made_up(
    make: Make, home: Household, hand: Hand, serve: Serve
) -> None:
    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 20)
    home.states.clear()

    async with serve(make(FROM_THE_CONTRACT)):
        home.reports(TEMPERATURE, 26)
        assert await hand.done() == (LAMP, True)


def _entity(entity: EntityId) -> Entity:
    device = Device(id=DeviceId("d"), name="d", link="mqtt")
    return Entity(id=entity, device=device, name="e", capability=Capability.SENSOR)
