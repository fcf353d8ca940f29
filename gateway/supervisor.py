"""Keeping the daemon's services alive: ordered start, restarts, reverse stop.

One rule: a failure is logged once, here, and a service that keeps failing is
given up rather than restarted for ever; television goes on without the
optional ones.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from gateway.errors import GatewayError
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)


class ServiceError(GatewayError):
    """An essential service does not run."""

    code: ClassVar[str] = "SUP-001"
    hint = "The log above names the cause; `gateway doctor` checks the usual ones."


class ServiceState(StrEnum):
    """Where a service is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


class Service(Protocol):
    """One coroutine that lives until it is cancelled."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve; call `ready` once others may rely on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """How patient the supervisor is with one service.

    Attributes:
        attempts: Restarts allowed within the window.
        window_s: Length of the sliding window.
        first_pause_s: Before the first restart of a window; doubles with each further one.
        longest_pause_s: Bound of the doubling.
    """

    attempts: int = 5
    window_s: float = 60.0
    first_pause_s: float = 0.05
    longest_pause_s: float = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A service and how it is kept.

    Attributes:
        name: As ``/healthz`` and the log call it.
        service: What runs.
        essential: Whether the daemon is of no use without it.  An optional one that is given
            up is tried again every `retry_s`.
        restart: Patience.
        ready_s: Seconds it may take to become ready.
        stop_s: Seconds it may take to stop.
        retry_s: Pause between attempts to revive an optional service that was given up.
        alongside: Whether the units after it start without waiting for it.
    """

    name: str
    service: Service
    essential: bool = True
    restart: Restart = field(default_factory=Restart)
    ready_s: float = 30.0
    stop_s: float = 2.0
    retry_s: float = 60.0
    alongside: bool = False


class RestartBudget:
    """Counts restarts in a sliding window; pure but for the clock it is given."""

    def __init__(self, patience: Restart, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._spent: deque[float] = deque()

    def pause_s(self) -> float | None:
        """Spend one restart; return how long to wait before it, `None` when none is left."""
        now = self._clock()
        while self._spent and now - self._spent[0] > self._patience.window_s:
            self._spent.popleft()
        if len(self._spent) >= self._patience.attempts:
            return None
        self._spent.append(now)
        pause_s = self._patience.first_pause_s * 2.0 ** (len(self._spent) - 1)
        return min(pause_s, self._patience.longest_pause_s)


class Supervisor:
    """Starts units in the given order and stops them in reverse; a service itself."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.changes: Publisher[Mapping[str, str]] = Publisher()
        self._units = tuple(units)
        self._states = dict.fromkeys((unit.name for unit in units), ServiceState.WAITING)
        self._tasks: list[tuple[Unit, asyncio.Task[None]]] = []

    @property
    def states(self) -> Mapping[str, str]:
        """The state of every unit by name, in start order."""
        return MappingProxyType({name: state.value for name, state in self._states.items()})

    @property
    def well(self) -> bool:
        """Whether every essential service is running."""
        return all(self._states[u.name] is ServiceState.RUNNING for u in self._units if u.essential)

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, keep it alive, and stop it in reverse when cancelled.

        Raises:
            GatewayError: an essential service could not start (its own error), or was given up.
        """
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            late = [settled for unit in self._units if (settled := await self._start(unit, broken))]
            for settled in late:
                await _either(settled, broken)
            ready()
            await broken
        finally:
            broken.cancel()
            await self._stop()

    async def _start(self, unit: Unit, broken: asyncio.Future[None]) -> asyncio.Event | None:
        """Start it; return what is still to be awaited before everything has started."""
        settled = asyncio.Event()
        task = asyncio.create_task(self._keep(unit, settled, broken), name=f"keep {unit.name}")
        self._tasks.append((unit, task))
        if unit.alongside:
            return settled
        await _either(settled, broken)
        return None

    async def _keep(self, unit: Unit, settled: asyncio.Event, broken: asyncio.Future[None]) -> None:
        budget = RestartBudget(unit.restart)
        told: str | None = None
        self._set(unit, ServiceState.STARTING)
        while True:
            error = await self._live_once(unit, settled)
            if self._states[unit.name] is ServiceState.RUNNING:
                told = None
            # What was given up and is tried again in vain is not news, nor worth hurrying.
            pause_s = budget.pause_s() if settled.is_set() and told is None else None
            if pause_s is not None:
                log.warning("%s stopped, restarting in %.2f s: %s", unit.name, pause_s, error)
                self._set(unit, ServiceState.RESTARTING)
                await asyncio.sleep(pause_s)
                continue
            self._set(unit, ServiceState.FAILED)
            if unit.essential:
                if not broken.done():
                    broken.set_exception(error)
                return
            if told != error.line():
                log.error("going on without %s: %s", unit.name, error.line())
                told = error.line()
            settled.set()
            await asyncio.sleep(unit.retry_s)

    async def _live_once(self, unit: Unit, settled: asyncio.Event) -> GatewayError:
        """Run the service until it ends, which it never should; return why it did."""
        is_ready = False

        def ready() -> None:
            nonlocal is_ready
            is_ready = True
            deadline.reschedule(None)
            self._set(unit, ServiceState.RUNNING)
            settled.set()

        try:
            async with asyncio.timeout(unit.ready_s) as deadline:
                await unit.service.run(ready)
        except TimeoutError as error:
            if is_ready:
                log.exception("%s", unit.name)
                return ServiceError(f"{unit.name} timed out: {error or 'no reason given'}")
            return ServiceError(f"{unit.name} was not ready within {unit.ready_s:.0f} s")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody wants it to stop: something that it waited for was cancelled.
            return ServiceError(f"{unit.name} was cancelled from within")
        except Exception as error:  # the one place where an unforeseen failure of a service ends
            if foreseen := _foreseen(error):
                return foreseen
            log.exception("%s", unit.name)
            return ServiceError(f"{unit.name} failed: {type(error).__name__}: {error}")
        return ServiceError(f"{unit.name} ended by itself")

    async def _stop(self) -> None:
        for unit, task in reversed(self._tasks):
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=unit.stop_s)
            if not done:
                log.error("%s did not stop within %.0f s", unit.name, unit.stop_s)
            self._set(unit, ServiceState.STOPPED)
        self._tasks.clear()

    def _set(self, unit: Unit, state: ServiceState) -> None:
        if self._states[unit.name] is not state:
            self._states[unit.name] = state
            self.changes.publish(self.states)


async def _either(settled: asyncio.Event, broken: asyncio.Future[None]) -> None:
    """Return once that unit has started or was given up; raise what broke the daemon."""
    waiting = asyncio.create_task(settled.wait(), name="wait for a unit")
    try:
        either: tuple[asyncio.Future[Any], ...] = (waiting, broken)
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if broken.done():
        broken.result()


def _foreseen(error: Exception) -> GatewayError | None:
    """Return what to say of `error`, of a group the first; `None` if there is a defect in it."""
    if isinstance(error, ExceptionGroup):
        all_of_them = [_foreseen(each) for each in error.exceptions]
        return all_of_them[0] if all(all_of_them) else None
    return error if isinstance(error, GatewayError) else None
