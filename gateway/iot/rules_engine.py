"""When rules fire: edges, thresholds, waiting, conditions.  Pure; the caller has the clock.

One rule: a rule fires at the moment its test becomes so, never because it
still is.  What is not known is neither so nor not so: an entity that cannot
be reached fires nothing and ends a wait, and when it is back with the same
value nothing has happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.iot.entity import EntityId, State, StateChanged, Value
from gateway.iot.rules_model import Rule, RuleId, Test


@dataclass(frozen=True, slots=True)
class Fire:
    """A rule's moment has come, and its conditions hold."""

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

    def heed(self, value: Value | None, now_s: float) -> bool:
        """Take the newest value; return whether the test became so just now."""
        now = holds(self.test, value, self.so)
        was_known, self.known = self.known, now is not None
        if now is None:
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
    """A rule with its gates."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.gate = _Gate(rule.when)
        self.conditions = [_Gate(test) for test in rule.conditions]
        self.waiting = False

    def fires(self, now_s: float) -> list[Outcome]:
        if all(condition.is_so(now_s) for condition in self.conditions):
            return [Fire(self.rule, self.rule.when.entity)]
        return []


class Engine:
    """All rules, indexed by the entities they look at."""

    def __init__(self) -> None:
        self._entries: dict[RuleId, _Entry] = {}
        self._by_entity: dict[EntityId, list[_Entry]] = {}

    def arrange(self, rules: Iterable[Rule], states: Mapping[EntityId, State], now_s: float) -> list[Outcome]:
        """Take `rules` in place of the present ones; unchanged ones keep what they know.

        A new rule begins with `states` as they are, and does not fire for them.
        """
        before, self._entries = self._entries, {}
        self._by_entity = {}
        outcomes: list[Outcome] = []
        for rule in rules:
            known = before.pop(rule.id, None)
            if known is not None and known.rule != rule:
                outcomes += [Unwait(known.rule)] if known.waiting else []
                known = None
            entry = known or _Entry(rule)
            self._entries[rule.id] = entry
            for entity in {rule.when.entity, *(test.entity for test in rule.conditions)}:
                self._by_entity.setdefault(entity, []).append(entry)
            if known is None:
                for gate in (entry.gate, *entry.conditions):
                    if not gate.test.changes:
                        gate.heed(_value(states.get(gate.test.entity)), now_s)
        return outcomes + [Unwait(gone.rule) for gone in before.values() if gone.waiting]

    def recall(self, met: Iterable[RuleId]) -> None:
        """Begin as if the tests of the rules `met` were so when last seen: before a restart."""
        for rule in met:
            if (entry := self._entries.get(rule)) is not None and not entry.gate.known:
                entry.gate.so = True

    def met(self) -> frozenset[RuleId]:
        """Return the rules whose test was so when last known, and that need not fire for it again."""
        return frozenset(rule for rule, entry in self._entries.items() if entry.gate.so and not entry.waiting)

    def heed(self, change: StateChanged, now_s: float) -> list[Outcome]:
        """Return what follows from `change`, at `now_s` of a monotonic clock."""
        about = change.after or change.before
        entries = self._by_entity.get(about.entity.id, ()) if about else ()
        if about is None or not entries:
            return []
        entity, value = about.entity.id, _value(change.after)
        for entry in entries:
            for condition in entry.conditions:
                if condition.test.entity == entity:
                    condition.heed(value, now_s)
        return [
            outcome
            for entry in entries
            if entry.rule.when.entity == entity
            for outcome in _heed(entry, change, value, now_s)
        ]

    def elapsed(self, rule: RuleId, now_s: float) -> list[Outcome]:
        """Return what follows from the end of a `Wait`."""
        entry = self._entries.get(rule)
        if entry is None or not entry.waiting:
            return []
        entry.waiting = False
        return entry.fires(now_s)


def _heed(entry: _Entry, change: StateChanged, value: Value | None, now_s: float) -> list[Outcome]:
    test = entry.rule.when
    if test.changes:
        before = change.before.value if change.before else None
        moved = before is not None and value is not None and not _same(before, value)
        return entry.fires(now_s) if moved else []
    became = entry.gate.heed(value, now_s)
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
    return entry.fires(now_s)


def _value(state: State | None) -> Value | None:
    return state.value if state is not None and state.available else None


def _same(one: Value, other: Value) -> bool:
    # In Python True equals 1; in a household "on" is not a number.
    return isinstance(one, bool) == isinstance(other, bool) and one == other
