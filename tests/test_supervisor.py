import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.supervisor import Restart, RestartBudget, Service, ServiceError, Supervisor, Unit
from tests.conftest import Serve

QUICK = Restart(attempts=3, window_s=60, first_pause_s=0.001)


class BrokenPipeWorkError(GatewayError):
    """A failure with a code of its own."""

    code = "GW-002"


class Worker:
    """A service that writes down its life and fails when told to.

    Attributes:
        fail: Set to make it raise.
    """

    def __init__(self, name: str, diary: list[str], *, failures: int = 0, stubborn: bool = False) -> None:
        self.fail = asyncio.Event()
        self._name = name
        self._diary = diary
        self._failures = failures
        self._stubborn = stubborn

    async def run(self, ready: Callable[[], None]) -> None:
        if self._failures:
            self._failures -= 1
            raise BrokenPipeWorkError(f"{self._name} cannot start")
        self._diary.append(f"{self._name} up")
        ready()
        try:
            await self.fail.wait()
            self.fail.clear()
            raise BrokenPipeWorkError(f"{self._name} broke")
        finally:
            if self._stubborn:
                await asyncio.sleep(3600)
            self._diary.append(f"{self._name} down")


class NeverReady:
    """A service that hangs at its start."""

    async def run(self, ready: Callable[[], None]) -> None:
        del ready
        await asyncio.Event().wait()


class Careless:
    """A service with a defect."""

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        raise ZeroDivisionError("a defect")


class Companions:
    """A service of two tasks, one of which fails."""

    async def run(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            group.create_task(self._fail())
            ready()

    async def _fail(self) -> None:
        raise BrokenPipeWorkError("the pipe broke")


class Abandoned:
    """A service that waits for something which is cancelled, the first time."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, ready: Callable[[], None]) -> None:
        self.runs += 1
        ready()
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.runs == 1:
            never.cancel()
        await never


class Slow:
    """A service that becomes ready when it may."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        await self.go_on.wait()
        ready()
        await asyncio.Event().wait()


def unit(name: str, service: Service, *, essential: bool = True, ready_s: float = 5.0) -> Unit:
    return Unit(
        name=name,
        service=service,
        essential=essential,
        restart=QUICK,
        ready_s=ready_s,
        stop_s=0.05,
        retry_s=0.01,
    )


async def until(supervisor: Supervisor, name: str, state: str) -> None:
    with supervisor.changes.subscribe() as changes:
        if supervisor.states[name] == state:
            return
        async with asyncio.timeout(5):
            async for states in changes:
                if states[name] == state:
                    return


async def test_services_start_in_order_and_stop_in_reverse(serve: Serve) -> None:
    diary: list[str] = []
    async with serve(Supervisor([unit(name, Worker(name, diary)) for name in ("store", "player", "tv")])):
        assert diary == ["store up", "player up", "tv up"]
    assert diary[3:] == ["tv down", "player down", "store down"]


async def test_what_starts_alongside_holds_up_only_the_end_of_the_start() -> None:
    slow = Slow()
    diary: list[str] = []
    store, tv = (unit(name, Worker(name, diary)) for name in ("store", "tv"))
    supervisor = Supervisor([store, replace(unit("line-up", slow), alongside=True), tv])
    started = asyncio.Event()
    running = asyncio.create_task(supervisor.run(started.set))
    try:
        await until(supervisor, "tv", "running")
        assert supervisor.states["line-up"] == "starting"
        assert not started.is_set()
        slow.go_on.set()
        async with asyncio.timeout(5):
            await started.wait()
        assert supervisor.states["line-up"] == "running"
    finally:
        running.cancel()
        await asyncio.wait({running})
    assert set(supervisor.states.values()) == {"stopped"}


async def test_a_service_that_breaks_is_started_again(serve: Serve) -> None:
    diary: list[str] = []
    worker = Worker("rules", diary)
    supervisor = Supervisor([unit("rules", worker)])
    async with serve(supervisor):
        with supervisor.changes.subscribe() as changes:
            worker.fail.set()
            async with asyncio.timeout(5):
                seen = [(await anext(changes))["rules"] for _ in range(2)]
        assert seen == ["restarting", "running"]
        assert supervisor.well
    assert diary == ["rules up", "rules down", "rules up", "rules down"]


async def test_an_essential_service_that_cannot_start_ends_the_daemon_with_its_own_error(
    serve: Serve,
) -> None:
    diary: list[str] = []
    with pytest.raises(BrokenPipeWorkError, match="player cannot start"):
        async with serve(
            Supervisor(
                [unit("store", Worker("store", diary)), unit("player", Worker("player", diary, failures=99))]
            )
        ):
            pass
    assert diary == ["store up", "store down"]


async def test_television_goes_on_without_an_optional_service_until_it_comes_back(serve: Serve) -> None:
    diary: list[str] = []
    supervisor = Supervisor(
        [
            unit("broker", Worker("broker", diary, failures=2), essential=False),
            unit("tv", Worker("tv", diary)),
        ]
    )
    async with serve(supervisor):
        assert diary[0] == "tv up"
        assert supervisor.well
        await until(supervisor, "broker", "running")


async def test_what_stays_away_is_said_once_and_not_hurried(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor([unit("broker", Worker("broker", [], failures=9), essential=False)])
    async with serve(supervisor):
        await until(supervisor, "broker", "running")
    told = [record.getMessage() for record in caplog.records if "broker" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("going on without broker: GW-002: broker cannot start")


async def test_an_essential_service_that_keeps_breaking_is_given_up() -> None:
    supervisor = Supervisor([unit("tv", Careless())])
    with pytest.raises(ServiceError, match="ZeroDivisionError: a defect"):
        async with asyncio.timeout(10):
            await supervisor.run(lambda: None)


async def test_the_cause_is_said_also_when_a_task_of_the_service_failed() -> None:
    with pytest.raises(BrokenPipeWorkError, match="the pipe broke"):
        async with asyncio.timeout(10):
            await Supervisor([unit("tv", Companions())]).run(lambda: None)


async def test_a_service_that_was_cancelled_from_within_is_started_again(serve: Serve) -> None:
    service = Abandoned()
    supervisor = Supervisor([unit("tv", service)])
    with supervisor.changes.subscribe() as changes:
        async with serve(supervisor), asyncio.timeout(5):
            while service.runs < 2:
                await anext(changes)


async def test_a_service_that_hangs_at_start_is_named(serve: Serve) -> None:
    with pytest.raises(ServiceError, match="epg was not ready within 0 s"):
        async with serve(Supervisor([unit("epg", NeverReady(), ready_s=0.02)])):
            pass


async def test_a_service_that_will_not_stop_does_not_hold_up_the_others(serve: Serve) -> None:
    diary: list[str] = []
    async with asyncio.timeout(5):
        async with serve(
            Supervisor(
                [unit("store", Worker("store", diary)), unit("app", Worker("app", diary, stubborn=True))]
            )
        ):
            pass
    assert diary == ["store up", "app up", "store down"]


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=60))
def test_no_window_ever_holds_more_restarts_than_allowed(gaps: list[float]) -> None:
    now = 0.0
    patience = Restart(attempts=3, window_s=60)
    budget = RestartBudget(patience, clock=lambda: now)
    granted: list[float] = []
    for gap in gaps:
        now += gap
        pause_s = budget.pause_s()
        if pause_s is not None:
            granted.append(now)
            assert 0 < pause_s <= patience.longest_pause_s
    for start in granted:
        assert sum(start <= moment < start + patience.window_s for moment in granted) <= patience.attempts


def test_pauses_double_up_to_a_bound() -> None:
    budget = RestartBudget(Restart(attempts=6, first_pause_s=1, longest_pause_s=10), clock=lambda: 0)
    assert [budget.pause_s() for _ in range(7)] == [1, 2, 4, 8, 10, 10, None]
