"""The house's rules: loads them, heeds the home, lets them act.

One rule: rules know nothing of what acts.  They get `actions` by name, so a
rule can show a notice on the television without this package importing it.

What a rule waits for survives a restart: thresholds that fired, quiet that
lasts, and what was not done to its end, which is begun again: a question that
nobody could answer, too.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import EntityId, State, StateChanged
from gateway.iot.rules_book import Book, Kind
from gateway.iot.rules_engine import Engine, Fire, Outcome, Unwait, Wait
from gateway.iot.rules_file import MAX_RULES, decode_rule
from gateway.iot.rules_loops import LoopGuard
from gateway.iot.rules_model import Rule, RuleId
from gateway.iot.rules_runs import Action, Runs
from gateway.iot.rules_times import Sky
from gateway.pubsub import Publisher, Subscription
from gateway.store import Store, StoreError

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE rule (id TEXT PRIMARY KEY, document TEXT, instead_of TEXT);
    CREATE TABLE rule_met (id TEXT PRIMARY KEY);
    """,
    """
    CREATE TABLE house_word (
        kind TEXT, id TEXT, document TEXT, instead_of TEXT, PRIMARY KEY (kind, id)
    );
    INSERT INTO house_word SELECT 'rule', id, document, instead_of FROM rule ORDER BY rowid;
    DROP TABLE rule;
    CREATE TABLE rule_quiet (id TEXT PRIMARY KEY, quiet_s REAL NOT NULL);
    """,
)
_BACKLOG = 20_000
_REMEMBER_S = 2.0
QUIET_STEP_S = 300.0
"""Quiet that lasts is written down no more often; what ended it is written at once."""


class RuleUnknownError(BadInputError):
    """There is no rule with this id."""

    code: ClassVar[str] = "IOT-402"
    hint = "Ask for the list of rules; it may have been deleted."


class NoPlaceError(BadInputError):
    """A rule waits for the sun, and nobody said where the box stands."""

    code: ClassVar[str] = "IOT-406"
    hint = "Set box.latitude and box.longitude in gateway.yaml."


RULES = Kind(
    name="rule",
    most=MAX_RULES,
    of_file=lambda said: said.rules,
    decode=decode_rule,
    unknown=RuleUnknownError,
)


class Home(Protocol):
    """What rules see of the home; `gateway.iot.registry.Registry` is one."""

    @property
    def states(self) -> Mapping[EntityId, State]: ...

    @property
    def changes(self) -> Publisher[StateChanged]: ...


def _no_scene(_: str) -> Iterable[EntityId]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What rules perceive beside the home's devices.

    Attributes:
        keys: Every key of the remote, as it is pressed.
        local: The household's clock, timezone-aware.
        of_scene: What a scene commands.
        sky: What the sun does here; `None` if nobody said where that is.
    """

    keys: Publisher[str] = field(default_factory=Publisher)
    local: Callable[[], datetime] = lambda: datetime.now().astimezone()
    of_scene: Callable[[str], Iterable[EntityId]] = _no_scene
    sky: Sky | None = None


class Rules:
    """The rules and their working: a service."""

    def __init__(
        self,
        file: Path | None,
        home: Home,
        store: Store,
        actions: Mapping[str, Action],
        senses: Senses | None = None,
    ) -> None:
        """Describe the rules' working; nothing is read before `run`.

        Args:
            file: The rules file, if any.
            home: What the rules look at.
            store: Keeps what the API put, and what has fired.
            actions: What rules can do, by the name of the step; see `gateway.iot.rules_runs.Action`.
            senses: What they perceive beside `home`.
        """
        self._book = Book(RULES, file, store)
        self._home = home
        self._store = store
        self._actions = actions
        self._senses = senses or Senses()
        self._engine = Engine(self._senses.local, self._senses.sky)
        self._loops = LoopGuard(self._senses.of_scene)
        self._waits: dict[RuleId, asyncio.Task[None]] = {}
        self._remembered: frozenset[RuleId] = frozenset()
        self._quiet_s: dict[RuleId, float] = {}
        self._unfinished: Callable[[], Iterable[RuleId]] = lambda: ()
        self._woken = asyncio.Event()
        self._heed: Callable[[Iterable[Outcome]], bool] = lambda _: False

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, the file's first, then in the order they were put."""
        return self._book.entries

    @property
    def changes(self) -> Publisher[tuple[Rule, ...]]:
        """`rules`, whenever they are others."""
        return self._book.changes

    async def run(self, ready: Callable[[], None]) -> None:
        """Load the rules and let them work until cancelled.

        Raises:
            RulesFileError: the file cannot be read.
            SchemaError: it is not a rules file.
        """
        with (
            self._home.changes.subscribe(_BACKLOG) as changes,
            self._senses.keys.subscribe() as keys,
        ):
            try:
                await self._load()
                async with asyncio.TaskGroup() as tasks:
                    runs = Runs(tasks, self._actions)
                    self._unfinished = lambda: runs.unfinished
                    self._heed = lambda outcomes: self._act(tasks, runs, outcomes)
                    tasks.create_task(self._remember_regularly(), name="rules memory")
                    tasks.create_task(self._follow_keys(keys), name="rules keys")
                    tasks.create_task(self._follow_time(), name="rules clock")
                    self._take_stock()
                    ready()
                    await self._follow(changes)
            finally:
                self._heed = lambda _: False
                self._waits.clear()
                with contextlib.suppress(GatewayError):
                    await self._remember(least_s=0.0)

    async def put(self, rule: Rule) -> None:
        """Keep `rule`; see `gateway.iot.rules_book.Book.put`.

        Raises:
            NoPlaceError: it waits for the sun, and nobody said where the box stands.
        """
        if rule.needs_place and self._senses.sky is None:
            raise NoPlaceError(f"{rule.id} waits for the sun, and the box does not know where it stands")
        await self._book.put(rule)
        self._arrange()

    async def delete(self, rule: RuleId) -> None:
        """Forget a rule; see `gateway.iot.rules_book.Book.delete`."""
        await self._book.delete(rule)
        self._arrange()

    def _arrange(self) -> None:
        self._heed(self._engine.arrange(self.rules, self._home.states, time.monotonic()))
        self._wake()

    def _wake(self) -> None:
        if self._engine.is_woken:
            self._engine.is_woken = False
            self._woken.set()

    def _take_stock(self) -> None:
        """Heed the home as it is, like one that reports only now: a wait of before goes on."""
        now_s = time.monotonic()
        for state in tuple(self._home.states.values()):
            self._heed(self._engine.heed(StateChanged(None, state), now_s))

    async def _follow_keys(self, keys: Subscription[str]) -> None:
        async for key in keys:
            self._heed(self._engine.press(key, time.monotonic()))
            self._wake()

    async def _follow_time(self) -> None:
        while True:
            self._woken.clear()
            self._heed(self._engine.tick(time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._engine.rest_s()):
                    await self._woken.wait()

    async def _follow(self, changes: Subscription[StateChanged]) -> None:
        lost = 0

        def heed(change: StateChanged) -> bool:
            nonlocal lost
            now_s = time.monotonic()
            begun = self._heed(self._engine.heed(change, now_s))
            self._wake()
            if changes.lost > lost:
                lost = changes.lost
                log.warning("the home changes faster than rules can follow; they go by its present state")
                for state in tuple(self._home.states.values()):
                    self._heed(self._engine.heed(StateChanged(state, state, repeated=True), now_s))
            # What it set off begins before the next report counts, however many wait.
            return begun

        await changes.heed_each(heed)

    def _act(self, tasks: asyncio.TaskGroup, runs: Runs, outcomes: Iterable[Outcome]) -> bool:
        """Do what follows; return whether any of it has a task that is to begin."""
        begun = False
        for outcome in outcomes:
            rule = outcome.rule
            match outcome:
                case Fire(cause=cause):
                    if self._loops.admits(rule, cause, time.monotonic()):
                        begun |= runs.fire(rule)
                case Wait(until_s=until_s):
                    self._waits[rule.id] = tasks.create_task(
                        self._wait(rule, until_s), name=f"wait {rule.id}"
                    )
                case Unwait():
                    if (pending := self._waits.pop(rule.id, None)) is not None:
                        pending.cancel()
        return begun

    async def _wait(self, rule: Rule, until_s: float) -> None:
        await asyncio.sleep(until_s - time.monotonic())
        self._waits.pop(rule.id, None)
        self._heed(self._engine.elapsed(rule.id, time.monotonic()))

    async def _load(self) -> None:
        await self._book.load()
        met, self._quiet_s = await self._store.read(_select)
        self._engine = Engine(self._senses.local, self._senses.sky)
        self._engine.arrange(self.rules, {}, time.monotonic())
        self._engine.recall(met, self._quiet_s)
        self._remembered = frozenset(met)
        log.info("%d rules", len(self.rules))
        for rule in self.rules:
            if rule.needs_place and self._senses.sky is None:
                log.warning("Rule %s never fires: %s", rule.id, NoPlaceError.hint)

    async def _remember_regularly(self) -> None:
        told = False
        while True:
            await asyncio.sleep(_REMEMBER_S)
            try:
                await self._remember(least_s=QUIET_STEP_S)
                told = False
            except StoreError as error:
                # A full disk must not silence the alarm.
                log.log(logging.DEBUG if told else logging.WARNING, "%s", error.line())
                told = True

    async def _remember(self, *, least_s: float) -> None:
        # What is still being done or asked has not been done; it begins again if this is the end.
        met, before = self._engine.met() - frozenset(self._unfinished()), self._remembered
        quiet_s, kept_s = self._engine.quiet_s(), self._quiet_s
        moved = {
            rule: so_long_s
            for rule, so_long_s in quiet_s.items()
            if so_long_s < kept_s.get(rule, 0.0) or so_long_s > kept_s.get(rule, 0.0) + least_s
        }
        gone = kept_s.keys() - quiet_s.keys()
        if met != before or moved or gone:

            def write(db: sqlite3.Connection) -> None:
                _remember(db, met - before, before - met)
                _remember_quiet(db, moved, gone)

            await self._store.write(write)
            self._remembered = met
            self._quiet_s = {rule: moved.get(rule, kept_s.get(rule, 0.0)) for rule in quiet_s}


def _select(db: sqlite3.Connection) -> tuple[list[RuleId], dict[RuleId, float]]:
    met = [RuleId(row[0]) for row in db.execute("SELECT id FROM rule_met")]
    return met, {RuleId(rule): so_long_s for rule, so_long_s in db.execute("SELECT * FROM rule_quiet")}


def _remember(db: sqlite3.Connection, begun: Iterable[RuleId], ended: Iterable[RuleId]) -> None:
    db.executemany("INSERT OR IGNORE INTO rule_met VALUES (?)", [(rule,) for rule in begun])
    db.executemany("DELETE FROM rule_met WHERE id = ?", [(rule,) for rule in ended])


def _remember_quiet(db: sqlite3.Connection, quiet_s: Mapping[RuleId, float], gone: Iterable[RuleId]) -> None:
    db.executemany("INSERT OR REPLACE INTO rule_quiet VALUES (?, ?)", list(quiet_s.items()))
    db.executemany("DELETE FROM rule_quiet WHERE id = ?", [(rule,) for rule in gone])
