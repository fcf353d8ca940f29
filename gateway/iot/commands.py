"""The life of a command, from the order to the device's own word.

One rule: a wish is never shown as a fact.  Only the device's own live report,
heard after the command was handed over, makes it ``confirmed``; silence makes
it ``expired``.  Each step is on the disk before anybody is told of it.
"""

import asyncio
import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import Capability, EntityId, StateChanged, Value
from gateway.iot.link import DeviceRefusedError, Link, LinkDownError
from gateway.iot.registry import Registry
from gateway.pubsub import Publisher, Subscription
from gateway.schema import FieldError
from gateway.store import Store

log = logging.getLogger(__name__)

BACKLOG = 50_000
RECENT = 50
RETRY_S = 0.25
LONGEST_RETRY_S = 1.0
AGAIN_AFTER_S = 0.5
"""So long a device that says something else may still be on its way to doing what it was told."""
MOST_AGAIN = 3

_STAMP_SLACK = timedelta(seconds=1)
"""Devices that stamp their reports themselves may do so in whole seconds."""

REPLACED = "IOT-206"
"""Code of a command that a newer one for the same entity replaced."""
SILENT = "IOT-207"
"""Code of a command that the device took, or may have taken, but never reported."""
TOLD = "IOT-209"
"""Code of a command to something that has nothing to report, and that was told."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE command (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        entity TEXT NOT NULL,
        value TEXT NOT NULL,
        state TEXT NOT NULL,
        code TEXT,
        created_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    );
    """,
)


class UnknownEntityError(BadInputError):
    """The home has no such entity."""

    code: ClassVar[str] = "IOT-203"
    hint = "Ask for the list of entities; the device may have been removed."


class NotWritableError(BadInputError):
    """The entity only reports."""

    code: ClassVar[str] = "IOT-204"
    hint = "It only tells; its entry in the list of entities says whether one takes commands."


class WrongValueError(BadInputError):
    """The entity cannot have this value."""

    code: ClassVar[str] = "IOT-205"
    hint = (
        "What is switched is true or false, a button is true, a number lies between minimum and maximum, "
        "everything else is one of its choices."
    )


class CommandsDownError(GatewayError):
    """Commands are not taken at the moment."""

    code: ClassVar[str] = "IOT-208"
    hint = "Try again in a moment; gateway doctor says what is missing."


class CommandState(StrEnum):
    """Where a command is in its life."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def over(self) -> bool:
        """Whether nothing comes after it."""
        return self in (CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An order to one entity.

    Attributes:
        id: Unique for ever.
        value: What the entity should become.
        code: Why it failed or expired.
        created_at: When it was ordered; like the other times timezone-aware UTC.
        changed_at: When it came into `state`.
        expires_at: Its deadline.
    """

    id: str
    entity: EntityId
    value: Value
    state: CommandState = CommandState.SENT
    code: str | None = None
    created_at: datetime
    changed_at: datetime
    expires_at: datetime


def moved(command: Command, state: CommandState, at: datetime, code: str | None = None) -> Command | None:
    """Return `command` in `state`; `None` if its life does not lead there: not back, not out of an end."""
    if command.state.over or state in (command.state, CommandState.SENT):
        return None
    return replace(command, state=state, changed_at=max(at, command.changed_at), code=code)


def confirms(change: StateChanged, command: Command) -> bool:
    """Return whether `change` is the device's own word that `command` is done."""
    after = change.after
    return (
        change.live
        and after is not None
        and after.entity.id == command.entity
        and after.reported_at is not None
        and after.reported_at >= command.created_at - _STAMP_SLACK
        and after.entity.agrees(after.value, command.value)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandsConfig:
    """The ``iot.commands`` section.

    Attributes:
        deadline_s: A command that is not confirmed by then is expired.
        kept: Commands remembered, the newest.
    """

    deadline_s: float = 10.0
    kept: int = 1_000

    def __post_init__(self) -> None:
        if not 0.1 <= self.deadline_s <= 3600:  # noqa: PLR2004 - an hour is longer than anybody waits
            raise FieldError("deadline_s", f"{self.deadline_s} is outside 0.1..3600")
        if not RECENT <= self.kept <= 100_000:  # noqa: PLR2004 - some ten megabytes
            raise FieldError("kept", f"{self.kept} is outside {RECENT}..100000")


class Commands:
    """Takes orders and follows them to their end: a service.

    Attributes:
        changes: Each command at each step of its life.
    """

    def __init__(
        self, store: Store, registry: Registry, links: Sequence[Link], config: CommandsConfig | None = None
    ) -> None:
        """Describe the service; it uses `MIGRATIONS` in `store`."""
        self.changes: Publisher[Command] = Publisher()
        self._store = store
        self._registry = registry
        self._links = {link.name: link for link in links}
        self._config = config or CommandsConfig()
        self._known: dict[str, Command] = {}
        self._open: dict[EntityId, _Running] = {}
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def recent(self) -> tuple[Command, ...]:
        """The newest commands, newest first."""
        return tuple(reversed(list(self._known.values())[-RECENT:]))

    def get(self, command_id: str) -> Command | None:
        """Return a command that is still remembered."""
        return self._known.get(command_id)

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow commands until cancelled, those of an earlier life of the daemon first."""
        kept = await self._store.read(_load)
        self._known = {command.id: command for command in kept}
        self._open.clear()
        with self._registry.changes.subscribe(BACKLOG) as changes:
            try:
                async with asyncio.TaskGroup() as self._tasks:
                    for command in kept:
                        if not command.state.over:
                            await self._resume(command)
                    ready()
                    await self._watch(changes)
            finally:
                self._tasks = None

    async def order(self, entity: EntityId, value: Value, *, by_rule: bool = False) -> Command:
        """Return the command to make `entity` become `value`, kept over any power cut from now on.

        An open command for the same entity fails: two wishes cannot both come true.

        Args:
            entity: Which.
            value: What it should become.
            by_rule: Whether a rule says so, which may use the entity's reserved words, too.

        Raises:
            BadInputError: no such entity, not writable, or not such a value.
            CommandsDownError: this service does not run.
            GatewayError: it could not be stored; nothing was sent.
        """
        self._check(entity, value, by_rule=by_rule)
        if self._tasks is None:
            raise CommandsDownError("commands are not taken yet")
        now = datetime.now(UTC)
        command = Command(
            id=uuid.uuid4().hex,
            entity=entity,
            value=value,
            created_at=now,
            changed_at=now,
            expires_at=now + timedelta(seconds=self._config.deadline_s),
        )
        accepting = self._tasks.create_task(self._accept(command), name="command-accept")
        # Whoever ordered may hang up; what is on the disk must be followed all the same.
        refused = await asyncio.shield(accepting)
        if refused is not None:
            raise refused
        return command

    def _check(self, entity: EntityId, value: Value, *, by_rule: bool) -> None:
        state = self._registry.states.get(entity)
        if state is None:
            raise UnknownEntityError(f"there is no entity {entity[:80]}")
        if not state.entity.writable or entity.partition(".")[0] not in self._links:
            raise NotWritableError(f"{entity} is a {state.entity.capability.value} and takes no commands")
        if not state.entity.takes(value) and not (by_rule and value in state.entity.reserved):
            raise WrongValueError(f"{entity} cannot become {str(value)[:40]!r}")

    async def _accept(self, command: Command) -> GatewayError | None:
        try:
            await self._store.write(lambda db: _insert(db, command, self._config.kept))
        except GatewayError as error:
            return error
        self._known[command.id] = command
        while len(self._known) > self._config.kept:
            self._known.pop(next(iter(self._known)))
        older = self._open.get(command.entity)
        self._begin(command, self._config.deadline_s)
        self.changes.publish(command)
        if older is not None:
            await self._move(older, CommandState.FAILED, REPLACED)
        return None

    async def _resume(self, command: Command) -> None:
        left_s = (command.expires_at - datetime.now(UTC)).total_seconds()
        newer = any(
            c.entity == command.entity and c.created_at > command.created_at for c in self._known.values()
        )
        if left_s > 0 and not newer:
            # Switching on twice is switching on, so what may not have arrived is sent again.
            self._begin(command, min(left_s, self._config.deadline_s), resumed=True)
        elif newer:
            await self._move(_Running(command, 0.0), CommandState.FAILED, REPLACED)
        else:
            await self._move(_Running(command, 0.0), CommandState.EXPIRED, SILENT)

    def _begin(self, command: Command, left_s: float, *, resumed: bool = False) -> None:
        running = self._open[command.entity] = _Running(command, time.monotonic() + left_s, resumed=resumed)
        if self._tasks is not None:
            running.task = self._tasks.create_task(self._follow(running), name=f"command-{command.id}")

    async def _follow(self, running: "_Running") -> None:
        """Hand the command over, again while that fails, and wait for its deadline."""
        silent, pause_s = LinkDownError.code, RETRY_S
        try:
            async with asyncio.timeout(running.left_s()):
                for _ in range(1 + MOST_AGAIN):
                    running.missed.clear()
                    while not await self._hand_over(running, again=silent is SILENT):
                        self._may_repeat(running, LinkDownError.code)
                        await asyncio.sleep(pause_s)
                        pause_s = min(pause_s * 2, LONGEST_RETRY_S)
                    silent = SILENT
                    self._may_repeat(running, TOLD)
                    await running.missed.wait()
                    await asyncio.sleep(AGAIN_AFTER_S)
                await asyncio.Event().wait()
        except TimeoutError:
            await self._move(running, CommandState.EXPIRED, silent)
        except DeviceRefusedError as error:
            await self._move(running, CommandState.FAILED, error.code)
        except _OnceError as once:
            await self._move(running, CommandState.EXPIRED, once.code)

    def _may_repeat(self, running: "_Running", code: str) -> None:
        """Go on, unless it is a button: pressed twice is not pressed, and it has no state to wait for."""
        state = self._registry.states.get(running.command.entity)
        if state is not None and state.entity.capability is Capability.BUTTON:
            raise _OnceError(code)

    async def _hand_over(self, running: "_Running", *, again: bool) -> bool:
        """Return whether the link has it now; one that took it before cannot refuse it `again`."""
        command = running.command
        if running.resumed:
            if command.entity not in self._registry.states:
                return False
            self._may_repeat(running, SILENT)
        running.handed = True
        try:
            acknowledged = await self._links[command.entity.partition(".")[0]].command(
                command.entity, command.value
            )
        except LinkDownError as error:
            log.debug("Command %s waits: %s", command.id, error)
            return False
        except DeviceRefusedError:
            if again:
                return True
            raise
        if acknowledged:
            await self._move(running, CommandState.ACKNOWLEDGED)
        return True

    async def _watch(self, changes: Subscription[StateChanged]) -> None:
        async for change in changes:
            running = self._open.get(change.after.entity.id) if change.after is not None else None
            if running is None or not running.handed:
                continue
            if confirms(change, running.command):
                await self._move(running, CommandState.CONFIRMED)
            elif _was_away(change):
                # It was not to be reached: the order may never have got there.
                running.away = True
                running.missed.set()
            elif change.live and running.away:
                running.missed.set()

    async def _move(self, running: "_Running", state: CommandState, code: str | None = None) -> None:
        command = moved(running.command, state, datetime.now(UTC), code)
        if command is None:
            return
        running.command = command
        if state.over:
            if self._open.get(command.entity) is running:
                del self._open[command.entity]
            if running.task is not None and running.task is not asyncio.current_task():
                running.task.cancel()
        await self._store.write(lambda db: _update(db, command))
        if command.id in self._known:
            self._known[command.id] = command
        log.info("Command %s: %s is %s %s", command.id[:8], command.entity, state.value, code or "")
        self.changes.publish(command)


class _OnceError(Exception):
    """What must not be done twice has been done, or may have been."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _was_away(change: StateChanged) -> bool:
    """Return whether the device can be reached again."""
    before, after = change.before, change.after
    return before is not None and after is not None and after.available and not before.available


@dataclass(slots=True, eq=False)
class _Running:
    """A command that has not come to its end, and who follows it."""

    command: Command
    deadline: float
    """On the monotonic clock: a change of the wall clock neither kills nor prolongs it."""
    resumed: bool = False
    """An earlier life of the daemon may have handed it over."""
    handed: bool = False
    away: bool = False
    """It could not be reached since it was told; only then what it says else is a reason to tell it again."""
    missed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def left_s(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


_COLUMNS = "id, entity, value, state, code, created_at, changed_at, expires_at"


def _load(db: sqlite3.Connection) -> list[Command]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM command ORDER BY number").fetchall()  # noqa: S608 - a constant
    return [
        Command(
            id=row[0],
            entity=EntityId(row[1]),
            value=json.loads(row[2]),
            state=CommandState(row[3]),
            code=row[4],
            created_at=datetime.fromisoformat(row[5]),
            changed_at=datetime.fromisoformat(row[6]),
            expires_at=datetime.fromisoformat(row[7]),
        )
        for row in rows
    ]


def _insert(db: sqlite3.Connection, command: Command, kept: int) -> None:
    times = (command.created_at, command.changed_at, command.expires_at)
    row = (command.id, command.entity, json.dumps(command.value), command.state.value, command.code)
    db.execute(
        f"INSERT INTO command ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        (*row, *(each.isoformat() for each in times)),
    )
    db.execute("DELETE FROM command WHERE number <= (SELECT max(number) FROM command) - ?", (kept,))


def _update(db: sqlite3.Connection, command: Command) -> None:
    db.execute(
        "UPDATE command SET state = ?, code = ?, changed_at = ? WHERE id = ?",
        (command.state.value, command.code, command.changed_at.isoformat(), command.id),
    )
