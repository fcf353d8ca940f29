"""The house's rules: loads them, heeds the home, lets them act.

One rule: rules know nothing of what acts.  They get `actions` by name, so a
rule can show a notice on the television without this package importing it.

The last word counts: a rule put or deleted through the API replaces the one
in the file, until the file itself says something new about that rule.
"""

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import EntityId, State, StateChanged
from gateway.iot.rules_engine import Engine, Fire, Outcome, Unwait, Wait
from gateway.iot.rules_file import MAX_RULES, decode_rule, document_of, parse_rules
from gateway.iot.rules_loops import LoopGuard
from gateway.iot.rules_model import Rule, RuleId
from gateway.iot.rules_runs import Action, Runs
from gateway.pubsub import Publisher, Subscription
from gateway.schema import Problem, SchemaError
from gateway.store import Store

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE rule (id TEXT PRIMARY KEY, document TEXT, instead_of TEXT);
    CREATE TABLE rule_met (id TEXT PRIMARY KEY);
    """,
)
_BACKLOG = 20_000
_REMEMBER_S = 2.0


class RulesFileError(BadInputError):
    """The rules file cannot be read."""

    code: ClassVar[str] = "IOT-401"
    hint = "Check the path at iot.rules, and that the file can be read."


class RuleUnknownError(BadInputError):
    """There is no rule with this id."""

    code: ClassVar[str] = "IOT-402"
    hint = "Ask for the list of rules; it may have been deleted."


class Home(Protocol):
    """What rules see of the home; `gateway.iot.registry.Registry` is one."""

    @property
    def states(self) -> Mapping[EntityId, State]: ...

    @property
    def changes(self) -> Publisher[StateChanged]: ...


class Rules:
    """The rules and their working: a service.

    Attributes:
        rules: All rules, the file's first, then in the order they were put.
        changes: `rules`, whenever they are others.
    """

    def __init__(self, file: Path | None, home: Home, store: Store, actions: Mapping[str, Action]) -> None:
        """Describe the rules' working; nothing is read before `run`.

        Args:
            file: The rules file, if any.
            home: What the rules look at.
            store: Keeps what the API put, and what has fired.
            actions: What rules can do, by the name of the step; see `gateway.iot.rules_runs.Action`.
        """
        self.rules: tuple[Rule, ...] = ()
        self.changes: Publisher[tuple[Rule, ...]] = Publisher()
        self._file = file
        self._home = home
        self._store = store
        self._actions = actions
        self._from_file: dict[RuleId, Rule] = {}
        self._engine = Engine()
        self._loops = LoopGuard()
        self._waits: dict[RuleId, asyncio.Task[None]] = {}
        self._remembered: frozenset[RuleId] = frozenset()
        self._changing = asyncio.Lock()
        self._trouble = "it has not been read yet"
        self._heed: Callable[[Iterable[Outcome]], None] = lambda _: None

    async def run(self, ready: Callable[[], None]) -> None:
        """Load the rules and let them work until cancelled.

        Raises:
            RulesFileError: the file cannot be read.
            SchemaError: it is not a rules file.
        """
        with self._home.changes.subscribe(_BACKLOG) as changes:
            try:
                await self._load()
                self._trouble = ""
                async with asyncio.TaskGroup() as tasks:
                    runs = Runs(tasks, self._actions)
                    self._heed = lambda outcomes: self._act(tasks, runs, outcomes)
                    tasks.create_task(self._remember_regularly(), name="rules memory")
                    self._arrange()
                    ready()
                    await self._follow(changes)
            except GatewayError as error:
                self._trouble = str(error)
                raise
            finally:
                self._heed = lambda _: None
                self._waits.clear()
                with contextlib.suppress(GatewayError):
                    await self._remember()

    async def put(self, rule: Rule) -> None:
        """Keep `rule`, in place of one with its id; on the disk when this returns.

        Raises:
            SchemaError: there are too many rules.
            RulesFileError: it is not known yet what the file says.
        """
        async with self._changing:
            self._check_known()
            present = {known.id: known for known in self.rules}
            if rule.id not in present and len(present) >= MAX_RULES:
                raise SchemaError([Problem("id", f"there are {MAX_RULES} rules already")])
            await self._keep(rule.id, rule)
            self._set(tuple({**present, rule.id: rule}.values()))

    async def delete(self, rule: RuleId) -> None:
        """Forget a rule; on the disk when this returns.

        Raises:
            RuleUnknownError: there is none with this id.
            RulesFileError: it is not known yet what the file says.
        """
        async with self._changing:
            self._check_known()
            if all(known.id != rule for known in self.rules):
                raise RuleUnknownError(f"there is no rule {rule}")
            await self._keep(rule, None)
            self._set(tuple(known for known in self.rules if known.id != rule))

    def _check_known(self) -> None:
        # A change is kept as instead of what the file says, which must be known.
        if self._trouble:
            raise RulesFileError(f"no rule can be changed while the file is not in force: {self._trouble}")

    def _set(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._arrange()
        self.changes.publish(rules)

    def _arrange(self) -> None:
        self._heed(self._engine.arrange(self.rules, self._home.states, time.monotonic()))

    async def _follow(self, changes: Subscription[StateChanged]) -> None:
        lost = 0
        async for change in changes:
            now_s = time.monotonic()
            self._heed(self._engine.heed(change, now_s))
            if changes.lost > lost:
                lost = changes.lost
                log.warning("the home changes faster than rules can follow; they go by its present state")
                for state in tuple(self._home.states.values()):
                    self._heed(self._engine.heed(StateChanged(state, state, repeated=True), now_s))

    def _act(self, tasks: asyncio.TaskGroup, runs: Runs, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            rule = outcome.rule
            match outcome:
                case Fire(cause=cause):
                    if self._loops.admits(rule, cause, time.monotonic()):
                        runs.fire(rule)
                case Wait(until_s=until_s):
                    self._waits[rule.id] = tasks.create_task(
                        self._wait(rule, until_s), name=f"wait {rule.id}"
                    )
                case Unwait():
                    if (pending := self._waits.pop(rule.id, None)) is not None:
                        pending.cancel()

    async def _wait(self, rule: Rule, until_s: float) -> None:
        await asyncio.sleep(until_s - time.monotonic())
        self._waits.pop(rule.id, None)
        self._heed(self._engine.elapsed(rule.id, time.monotonic()))

    async def _load(self) -> None:
        in_file = await asyncio.to_thread(read_rules, self._file) if self._file else ()
        self._from_file = {rule.id: rule for rule in in_file}
        rows, met = await self._store.read(_select)
        rules = dict(self._from_file)
        for identifier, document, instead_of in rows:
            if instead_of != self._file_says(identifier):
                log.info("rule %s has changed in the rules file, which counts from now on", identifier)
                await self._store.write(partial(_forget, rule=identifier))
            elif document is None:
                rules.pop(identifier, None)
            else:
                rules[identifier] = decode_rule(json.loads(document))
        self.rules = tuple(rules.values())
        self._engine = Engine()
        self._engine.arrange(self.rules, self._home.states, time.monotonic())
        self._engine.recall(met)
        self._remembered = frozenset(met)
        log.info("%d rules", len(self.rules))

    def _file_says(self, rule: RuleId) -> str | None:
        known = self._from_file.get(rule)
        return None if known is None else _text_of(known)

    async def _keep(self, rule: RuleId, now: Rule | None) -> None:
        instead_of = self._file_says(rule)
        if now is None and instead_of is None:
            await self._store.write(lambda db: _forget(db, rule))
            return
        row = (rule, None if now is None else _text_of(now), instead_of)
        await self._store.write(lambda db: _upsert(db, row))

    async def _remember_regularly(self) -> None:
        while True:
            await asyncio.sleep(_REMEMBER_S)
            await self._remember()

    async def _remember(self) -> None:
        met, before = self._engine.met(), self._remembered
        if met != before:
            await self._store.write(lambda db: _remember(db, met - before, before - met))
            self._remembered = met


def read_rules(file: Path) -> tuple[Rule, ...]:
    """Return the rules in `file`; blocking.

    Raises:
        RulesFileError: it cannot be read.
        SchemaError: it is not a rules file, with every problem.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise RulesFileError(f"{file}: {error.strerror}") from error
    return parse_rules(text)


def _text_of(rule: Rule) -> str:
    return json.dumps(document_of(rule), ensure_ascii=False, sort_keys=True)


Row = tuple[RuleId, str | None, str | None]


def _select(db: sqlite3.Connection) -> tuple[list[Row], list[RuleId]]:
    rows = db.execute("SELECT id, document, instead_of FROM rule ORDER BY rowid").fetchall()
    return rows, [row[0] for row in db.execute("SELECT id FROM rule_met")]


def _upsert(db: sqlite3.Connection, row: Row) -> None:
    db.execute(
        "INSERT INTO rule VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "document = excluded.document, instead_of = excluded.instead_of",
        row,
    )


def _forget(db: sqlite3.Connection, rule: RuleId) -> None:
    db.execute("DELETE FROM rule WHERE id = ?", (rule,))


def _remember(db: sqlite3.Connection, begun: Iterable[RuleId], ended: Iterable[RuleId]) -> None:
    db.executemany("INSERT OR IGNORE INTO rule_met VALUES (?)", [(rule,) for rule in begun])
    db.executemany("DELETE FROM rule_met WHERE id = ?", [(rule,) for rule in ended])
