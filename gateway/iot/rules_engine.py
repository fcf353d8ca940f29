"""When rules fire: edges, thresholds, waiting, times, quiet, conditions.  Pure; the caller has the clocks.

One rule: a rule fires at the moment its test becomes so, never because it
still is.  What is not known is neither so nor not so: an entity that cannot
be reached fires nothing and ends a wait, and when it is back with the same
value nothing has happened.  What was only kept for us fires nothing either:
it may have been so before the home was armed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.iot.entity import EntityId, Quality, State, StateChanged, Value
from gateway.iot.rules_model import REMOTE, Rule, RuleId, Test
from gateway.iot.rules_quiet import QuietClock, is_life
from gateway.iot.rules_times import Daily, Sky, Solar, Watch, is_between

_MINUTE_S = 60.0
_LEAST_REST_S = 0.01


@dataclass(frozen=True, slots=True)
class Fire:
    """A rule's moment has come, and its conditions hold; `cause` is empty if it was no entity."""

    rule: Rule
    cause: EntityId


@dataclass(frozen=True, slots=True)
class Wait:
    """A rule fires if its test stays so until `until_s`, on the caller's clock."""

    rule: Rule
    until_s: float


@dataclass(frozen=True, slots=True)
class Unwait:
    """A rule's test ended before its time."""

    rule: Rule


Outcome = Fire | Wait | Unwait


def holds(test: Test, value: Value | None, was: bool | None) -> bool | None:
    """Return whether `test` is so of `value`.

    Args:
        test: Not one of changes.
        value: The entity's value; `None` if it is not known.
        was: What this returned last; it decides inside the hysteresis.

    Returns:
        `None` if it cannot be said: no value, or words where a number is compared.
    """
    if value is None:
        return None
    if test.equals is not None:
        return _same(test.equals, value)
    if isinstance(value, bool | str):
        return None
    back = test.hysteresis if was else 0.0
    if test.above is not None:
        return value > test.above - back
    return test.below is not None and value < test.below + back


class _Gate:
    """One test, and since when it is so.

    Attributes:
        so: What was last known of it; kept while nothing is known.
        known: Whether it is known now.
        since_s: When it became so, on the caller's clock.
    """

    def __init__(self, test: Test) -> None:
        self.test = test
        self.so: bool | None = None
        self.known = False
        self.since_s = 0.0

    def heed(self, value: Value | None, now_s: float, *, sure: bool = True) -> bool:
        """Take the newest value; return whether the test became so just now.

        One that is not `sure` cannot make it so, and leaves that to the device's next word.
        It can end it: then a door that is opened again is not passed over.
        """
        now = holds(self.test, value, self.so)
        was_known, self.known = self.known, now is not None
        if now is None or (now and not sure and not self.so):
            return False
        became = now and self.so is not True
        if became or (now and not was_known):
            self.since_s = now_s
        self.so = now
        return became

    def is_so(self, now_s: float) -> bool:
        """Whether the test is known to be so, for as long as it asks."""
        return self.known and self.so is True and now_s - self.since_s >= self.test.for_s


class _Entry:
    """A rule with its gates and clocks."""

    def __init__(self, rule: Rule, sky: Sky | None) -> None:
        when = rule.when
        self.rule = rule
        self.gate = _Gate(when)
        self.conditions = [_Gate(test) for test in rule.conditions if test.entity]
        self._sky = sky
        self.hours = [test.between for test in rule.conditions if test.between is not None]
        self.daily = Daily(when.at, when.days) if when.at else None
        self.solar = Solar(when.sun, when.offset_s, when.days, sky) if when.sun and sky else None
        self.quiet = QuietClock(when) if when.quiet else None
        self.waiting = False

    @property
    def has_clock(self) -> bool:
        return self.daily is not None or self.solar is not None or self.quiet is not None

    def has_come(self, passed: tuple[datetime, datetime] | None, local: datetime) -> bool:
        """Whether the rule's time, or the sun's, came within `passed`."""
        if passed is None or local.tzinfo is None:
            return False
        if self.solar is not None:
            return self.solar.has_come(passed, local.tzinfo)
        return self.daily is not None and self.daily.has_come(passed)

    @property
    def knows(self) -> bool:
        """Whether all that is a condition is known."""
        return all(condition.known for condition in self.conditions)

    def holds(self, now_s: float, local: datetime) -> bool:
        """Whether all conditions are so."""
        return all(condition.is_so(now_s) for condition in self.conditions) and all(
            is_between(hours, local, self._sky) for hours in self.hours
        )

    def look(self, now_s: float, local: datetime) -> bool:
        """Let the clock of a rule for quiet go on; return whether it has been too long just now."""
        if self.quiet is None:
            return False
        if self.knows and not self.holds(now_s, local):
            # Quiet while nobody is asked after is nobody's quiet: it begins when the condition does.
            self.quiet.hear(now_s, local)
            return False
        return self.quiet.look(now_s, local, may_ring=self.knows)

    def fires(self, now_s: float, local: Callable[[], datetime]) -> list[Outcome]:
        return [Fire(self.rule, self.rule.when.entity)] if self.holds(now_s, local()) else []


class Engine:
    """All rules, indexed by the entities they look at.

    Attributes:
        is_woken: Set when the clocks must be looked at anew; the caller resets it.
    """

    def __init__(self, local: Callable[[], datetime], sky: Sky | None = None) -> None:
        """Begin without rules.

        Args:
            local: The household's clock, timezone-aware.
            sky: What the sun does here; without it, rules that wait for the sun never fire.
        """
        self._sky = sky
        self.is_woken = False
        self._local = local
        self._watch = Watch()
        self._entries: dict[RuleId, _Entry] = {}
        self._by_entity: dict[EntityId, list[_Entry]] = {}
        self._listening: dict[EntityId, list[_Entry]] = {}
        self._by_key: dict[str, list[_Entry]] = {}
        self._timed: list[_Entry] = []

    def arrange(self, rules: Iterable[Rule], states: Mapping[EntityId, State], now_s: float) -> list[Outcome]:
        """Take `rules` in place of the present ones; unchanged ones keep what they know.

        A new rule begins with `states` as they are, and does not fire for them.
        """
        before, self._entries = self._entries, {}
        self._by_entity, self._listening, self._by_key = {}, {}, {}
        outcomes: list[Outcome] = []
        for rule in rules:
            known = before.pop(rule.id, None)
            if known is not None and known.rule != rule:
                outcomes += [Unwait(known.rule)] if known.waiting else []
                known = None
            entry = known or _Entry(rule, self._sky)
            self._entries[rule.id] = entry
            self._index(entry)
            if known is None:
                for gate in (entry.gate, *entry.conditions):
                    if gate.test.entity and not gate.test.changes:
                        gate.heed(_value(states.get(gate.test.entity)), now_s)
                if entry.quiet is not None:
                    entry.quiet.look(now_s, self._local(), may_ring=False)
        self._timed = [entry for entry in self._entries.values() if entry.has_clock]
        self.is_woken = True
        return outcomes + [Unwait(gone.rule) for gone in before.values() if gone.waiting]

    def _index(self, entry: _Entry) -> None:
        when = entry.rule.when
        for entity in {when.entity, *(gate.test.entity for gate in entry.conditions)} - {""}:
            self._by_entity.setdefault(entity, []).append(entry)
        for entity in when.quiet:
            self._listening.setdefault(entity, []).append(entry)
        if when.key:
            self._by_key.setdefault(when.key, []).append(entry)

    def recall(self, met: Iterable[RuleId], quiet_s: Mapping[RuleId, float] | None = None) -> None:
        """Begin as if the tests of the rules `met` were so when last seen: before a restart.

        Args:
            met: See `met`.
            quiet_s: See `quiet_s`.
        """
        for rule, so_long_s in (quiet_s or {}).items():
            if (entry := self._entries.get(rule)) is not None and entry.quiet is not None:
                entry.quiet.quiet_s = so_long_s
        for rule in met:
            entry = self._entries.get(rule)
            if entry is not None and entry.quiet is not None:
                entry.quiet.rung = True
            elif entry is not None and not entry.gate.known:
                entry.gate.so = True

    def met(self) -> frozenset[RuleId]:
        """Return the rules whose test was so when last known, and that need not fire for it again."""
        return frozenset(
            rule
            for rule, entry in self._entries.items()
            if (entry.gate.so and not entry.waiting) or (entry.quiet is not None and entry.quiet.rung)
        )

    def quiet_s(self) -> dict[RuleId, float]:
        """Return how long it has been quiet, of each rule that listens for it."""
        return {rule: entry.quiet.quiet_s for rule, entry in self._entries.items() if entry.quiet is not None}

    def heed(self, change: StateChanged, now_s: float) -> list[Outcome]:
        """Return what follows from `change`, at `now_s` of a monotonic clock."""
        about = change.after or change.before
        if about is None:
            return []
        entity, value = about.entity.id, _value(change.after)
        listening = self._listening.get(entity)
        if listening and is_life(change):
            self._hear(listening, now_s)
        entries = self._by_entity.get(entity, ())
        for entry in entries:
            for condition in entry.conditions:
                if condition.test.entity == entity:
                    condition.heed(value, now_s)
            if entry.quiet is not None and entry.quiet.held and entry.knows:
                self.is_woken = True
        return [
            outcome
            for entry in entries
            if entry.rule.when.entity == entity
            for outcome in _heed(entry, change, value, now_s, self._local)
        ]

    def press(self, key: str, now_s: float) -> list[Outcome]:
        """Return what follows from a key of the remote."""
        self._hear(self._listening.get(REMOTE, []), now_s)
        found = self._by_key.get(key, ())
        return [outcome for entry in found for outcome in entry.fires(now_s, self._local)]

    def tick(self, now_s: float) -> list[Outcome]:
        """Return what follows from the time alone."""
        local = self._local()
        passed = self._watch.passed(now_s, local)
        come = [entry for entry in self._timed if entry.has_come(passed, local) or entry.look(now_s, local)]
        return [outcome for entry in come for outcome in entry.fires(now_s, self._local)]

    def rest_s(self) -> float | None:
        """Return after how long to `tick` again; `None` while no rule needs it."""
        if not self._timed:
            return None
        local = self._local()
        rests = [_MINUTE_S - local.second - local.microsecond / 1e6]
        quiet = (entry.quiet.left_s() for entry in self._timed if entry.quiet is not None)
        rests.extend(left_s for left_s in quiet if left_s is not None)
        return max(_LEAST_REST_S, min(rests))

    def elapsed(self, rule: RuleId, now_s: float) -> list[Outcome]:
        """Return what follows from the end of a `Wait`."""
        entry = self._entries.get(rule)
        if entry is None or not entry.waiting:
            return []
        entry.waiting = False
        return entry.fires(now_s, self._local)

    def _hear(self, entries: Iterable[_Entry], now_s: float) -> None:
        for entry in entries:
            if entry.quiet is not None and entry.quiet.hear(now_s, self._local()):
                self.is_woken = True


def _heed(
    entry: _Entry, change: StateChanged, value: Value | None, now_s: float, local: Callable[[], datetime]
) -> list[Outcome]:
    test, sure = entry.rule.when, change.after is None or change.after.sure
    if test.changes:
        before = change.before.value if change.before else None
        moved = sure and before is not None and value is not None and not _same(before, value)
        return entry.fires(now_s, local) if moved else []
    became = entry.gate.heed(value, now_s, sure=sure)
    if entry.waiting and not (entry.gate.known and entry.gate.so):
        entry.waiting = False
        if not entry.gate.known:
            # It did not stay so for long enough, so it has not counted yet.
            entry.gate.so = False
        return [Unwait(entry.rule)]
    if not became:
        return []
    if test.for_s:
        entry.waiting = True
        return [Wait(entry.rule, now_s + test.for_s)]
    return entry.fires(now_s, local)


def _value(state: State | None) -> Value | None:
    if state is None or not state.available or state.quality is Quality.IMPLAUSIBLE:
        return None
    return state.value


def _same(one: Value, other: Value) -> bool:
    # In Python True equals 1; in a household "on" is not a number.
    return isinstance(one, bool) == isinstance(other, bool) and one == other
