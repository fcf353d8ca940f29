"""The life of a command, from the order to the device's own word.

One rule: a wish is never shown as a fact.  Only the device's own live report,
heard after the command was handed over, makes it ``confirmed``; silence makes
it ``expired``.  Each step of what somebody was promised is on the disk before
anybody is told of it.
"""

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.errors import GatewayError
from gateway.iot import commands_table
from gateway.iot.commands_kept import Kept
from gateway.iot.commands_model import REPLACED, SILENT, TOLD, Command, CommandState, confirms, moved
from gateway.iot.commands_refused import (
    CommandsDownError,
    NotWritableError,
    UnknownEntityError,
    WrongValueError,
)
from gateway.iot.commands_running import Running
from gateway.iot.entity import Capability, EntityId, StateChanged, Value
from gateway.iot.link import DeviceRefusedError, Link, LinkDownError, PromptLink
from gateway.iot.registry import Registry
from gateway.pubsub import Publisher
from gateway.schema import FieldError
from gateway.store import Store, StoreError

log = logging.getLogger(__name__)

BACKLOG = 50_000
RECENT = 50
LAST_KEPT_S = 2.0
RETRY_S = 0.25
LONGEST_RETRY_S = 1.0
AGAIN_AFTER_S = 0.5
"""So long a device that says something else may still be on its way to doing what it was told."""
MOST_AGAIN = 3
_CLOCK_SLACK = timedelta(seconds=1)


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
        self._prompt = {link.name: link for link in links if isinstance(link, PromptLink)}
        self._config = config or CommandsConfig()
        self._known: OrderedDict[str, Command] = OrderedDict()
        self._open: dict[EntityId, Running] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._kept = Kept(store, self._config.kept)

    @property
    def recent(self) -> tuple[Command, ...]:
        """The newest commands, newest first."""
        return tuple(reversed(list(self._known.values())[-RECENT:]))

    def get(self, command_id: str) -> Command | None:
        """Return a command that is still remembered."""
        return self._known.get(command_id)

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow commands until cancelled, those of an earlier life of the daemon first."""
        kept = OrderedDict((command.id, command) for command in await self._store.read(commands_table.load))
        # What the disk did not take before this service ended is as true as what it did.
        kept.update(self._kept.waiting)
        said, self._known = self._known, kept
        self._open.clear()
        with self._registry.changes.subscribe(BACKLOG) as changes:
            try:
                async with asyncio.TaskGroup() as self._tasks:
                    self._tasks.create_task(self._kept.run(), name="commands-keep")
                    for command in tuple(kept.values()):
                        if command != said.get(command.id, command):
                            # It came so far while this service ended, and nobody was told.
                            self.changes.publish(command)
                        if not command.state.over:
                            await self._resume(command)
                    for lost in said.values():
                        if lost.id not in kept and (end := _ended(lost)) is not None:
                            self.changes.publish(end)
                    ready()
                    await changes.heed_each(self._heed)
            finally:
                self._tasks = None
                with suppress(StoreError, TimeoutError):
                    async with asyncio.timeout(LAST_KEPT_S):
                        await self._kept.write()

    async def order(self, entity: EntityId, value: Value) -> Command:
        """Return the command to make `entity` become `value`, kept over any power cut from now on.

        An open command for the same entity fails: two wishes cannot both come true.

        Args:
            entity: Which.
            value: What it should become.

        Raises:
            BadInputError: no such entity, not writable, or not such a value.
            CommandsDownError: this service does not run.
            GatewayError: it could not be stored; nothing was sent.
        """
        tasks, command = self._new(entity, value, by_rule=False)
        accepting = tasks.create_task(self._accept(command), name="command-accept")
        # Whoever ordered may hang up; what is on the disk must be followed all the same.
        await asyncio.wait({accepting})
        if accepting.cancelled():
            raise CommandsDownError("commands were not taken any more")
        if (refused := accepting.result()) is not None:
            raise refused
        return command

    def tell(self, entity: EntityId, value: Value) -> Command:
        """Like `order`, for whom nothing was promised, such as a rule: begun now, kept soon.

        Nobody waits for the disk; after a power cut it may not be known that it was told.

        Raises:
            BadInputError: no such entity, not writable, or not such a value.
            CommandsDownError: this service does not run.
        """
        tasks, command = self._new(entity, value, by_rule=True)
        older = self._take(command, promised=False)
        self._kept.soon(command)
        self.changes.publish(command)
        if older is not None and older.promised:
            tasks.create_task(self._move(older, CommandState.FAILED, REPLACED), name="command-replaced")
        elif older is not None:
            self._become(older, CommandState.FAILED, REPLACED)
        return command

    def _new(self, entity: EntityId, value: Value, *, by_rule: bool) -> tuple[asyncio.TaskGroup, Command]:
        self._check(entity, value, by_rule=by_rule)
        if self._tasks is None:
            raise CommandsDownError("commands are not taken yet")
        now = datetime.now(UTC)
        return self._tasks, Command(
            id=uuid.uuid4().hex,
            entity=entity,
            value=value,
            created_at=now,
            changed_at=now,
            expires_at=now + timedelta(seconds=self._config.deadline_s),
        )

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
            await self._store.write(lambda db: commands_table.insert(db, command, self._config.kept))
        except GatewayError as error:
            return error
        older = self._take(command, promised=True)
        self.changes.publish(command)
        if older is not None:
            await self._move(older, CommandState.FAILED, REPLACED)
        return None

    def _take(self, command: Command, *, promised: bool) -> Running | None:
        """Follow `command` from now on; return the one whose place it takes."""
        self._known[command.id] = command
        while len(self._known) > self._config.kept:
            self._known.popitem(last=False)
        older = self._open.get(command.entity)
        self._begin(command, self._config.deadline_s, promised=promised)
        return older

    async def _resume(self, command: Command) -> None:
        left_s = (command.expires_at - datetime.now(UTC)).total_seconds()
        newer = any(
            c.entity == command.entity and c.created_at > command.created_at for c in self._known.values()
        )
        promised = command.id not in self._kept.waiting
        # A box without a clock of its own may wake in the past; how old this is, then nobody knows.
        is_of_now = command.created_at <= datetime.now(UTC) + _CLOCK_SLACK
        if left_s > 0 and is_of_now and not newer:
            # Switching on twice is switching on, so what may not have arrived is sent again.
            self._begin(command, min(left_s, self._config.deadline_s), resumed=True, promised=promised)
        elif newer:
            await self._move(Running(command, 0.0, promised=promised), CommandState.FAILED, REPLACED)
        else:
            await self._move(Running(command, 0.0, promised=promised), CommandState.EXPIRED, SILENT)

    def _begin(
        self, command: Command, left_s: float, *, resumed: bool = False, promised: bool = True
    ) -> None:
        now_s, age = time.monotonic(), datetime.now(UTC) - command.created_at
        running = self._open[command.entity] = Running(
            command, now_s + left_s, now_s - age.total_seconds(), resumed=resumed, promised=promised
        )
        if promised or resumed or not self._begin_at_once(running):
            self._attend(running, handed=False)

    def _begin_at_once(self, running: Running) -> bool:
        """Hand over without a task: nearly every command of a rule is confirmed before it would need one."""
        command = running.command
        link = self._prompt.get(command.entity.partition(".")[0])
        if link is None or self._registry.states[command.entity].entity.capability is Capability.BUTTON:
            return False
        try:
            carried = link.begin(command.entity, command.value)
        except GatewayError:
            return False
        if carried is None:
            return False
        running.handed = True
        running.timer = asyncio.get_running_loop().call_later(running.left_s(), self._attend, running)
        carried.add_done_callback(partial(self._note_carried, running))
        return True

    def _note_carried(self, running: Running, carried: asyncio.Future[None]) -> None:
        if carried.cancelled() or carried.exception() is not None:
            self._attend(running, handed=False)

    def _attend(self, running: Running, *, handed: bool = True) -> None:
        """Have a task see to what waits or goes wrong, if none does yet."""
        if (
            self._tasks is not None
            and running.task is None
            and self._open.get(running.command.entity) is running
        ):
            running.task = self._tasks.create_task(
                self._follow(running, handed=handed), name=f"command-{running.command.id}"
            )

    async def _follow(self, running: Running, *, handed: bool) -> None:
        """Hand the command over unless it is, again while that fails, and wait for its deadline."""
        silent, pause_s = SILENT if handed else LinkDownError.code, RETRY_S
        try:
            async with asyncio.timeout(running.left_s()):
                for number in range(1 + MOST_AGAIN):
                    if number or not handed:
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

    def _may_repeat(self, running: Running, code: str) -> None:
        """Go on, unless it is a button: pressed twice is not pressed, and it has no state to wait for."""
        state = self._registry.states.get(running.command.entity)
        if state is not None and state.entity.capability is Capability.BUTTON:
            raise _OnceError(code)

    async def _hand_over(self, running: Running, *, again: bool) -> bool:
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
        except GatewayError as error:
            if again:
                return True
            if isinstance(error, DeviceRefusedError):
                raise
            # A link has its own reasons; whatever they are, this command is over and no other.
            raise DeviceRefusedError(str(error)) from error
        if acknowledged:
            await self._move(running, CommandState.ACKNOWLEDGED)
        return True

    def _heed(self, change: StateChanged) -> None:
        running = self._open.get(change.after.entity.id) if change.after is not None else None
        if running is None or not running.handed:
            return
        if confirms(change, running.command, running.since()):
            self._confirm(running)
        elif _was_away(change):
            # It was not to be reached: the order may never have got there.
            running.away = True
            self._miss(running)
        elif change.live and running.away:
            self._miss(running)

    def _confirm(self, running: Running) -> None:
        if not running.promised:
            self._become(running, CommandState.CONFIRMED)
            return
        command = self._advance(running, CommandState.CONFIRMED, None)
        if command is not None and self._tasks is not None:
            self._tasks.create_task(self._write(command), name="command-confirmed")

    def _miss(self, running: Running) -> None:
        running.missed.set()
        self._attend(running)

    async def _move(self, running: Running, state: CommandState, code: str | None = None) -> None:
        if not running.promised:
            self._become(running, state, code)
            return
        command = self._advance(running, state, code)
        if command is not None:
            await self._write(command)

    async def _write(self, command: Command) -> None:
        """Keep what became of a command that was promised, then tell everybody."""
        try:
            await self._store.write(lambda db: commands_table.update(db, command))
        except StoreError as error:
            # What it came to is known all the same, and on the disk when that has room again.
            log.warning("%s", error.line())
            self._kept.soon(command)
        self._say(command)

    def _become(self, running: Running, state: CommandState, code: str | None = None) -> None:
        command = self._advance(running, state, code)
        if command is not None:
            self._kept.soon(command)
            self._say(command)

    def _advance(self, running: Running, state: CommandState, code: str | None) -> Command | None:
        command = moved(running.command, state, datetime.now(UTC), code)
        if command is None:
            return None
        running.command = command
        if state.over:
            if self._open.get(command.entity) is running:
                del self._open[command.entity]
            if running.timer is not None:
                running.timer.cancel()
            if running.task is not None and running.task is not asyncio.current_task():
                running.task.cancel()
        return command

    def _say(self, command: Command) -> None:
        if command.id in self._known:
            self._known[command.id] = command
        state = command.state.value
        log.debug("Command %s: %s is %s %s", command.id[:8], command.entity, state, command.code or "")
        self.changes.publish(command)


class _OnceError(Exception):
    """What must not be done twice has been done, or may have been."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _ended(command: Command) -> Command | None:
    """Return the end of a command that nobody knows any more; `None` if it had one."""
    return moved(command, CommandState.FAILED, datetime.now(UTC), CommandsDownError.code)


def _was_away(change: StateChanged) -> bool:
    """Return whether the device can be reached again."""
    before, after = change.before, change.after
    return before is not None and after is not None and after.available and not before.available
