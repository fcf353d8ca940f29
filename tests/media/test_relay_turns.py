import asyncio
from collections.abc import Callable

from gateway.media.relay_turns import Turns


class Line:
    """Fetches of some segments, each until it is told to end."""

    def __init__(self) -> None:
        self.under_way: list[str] = []
        self._turns = Turns()
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, name: str, is_guess: Callable[[], bool]) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._fetch(name, is_guess)))
        await asyncio.sleep(0.01)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await asyncio.sleep(0.01)

    async def _fetch(self, name: str, is_guess: Callable[[], bool]) -> None:
        async with self._turns.turn(is_guess):
            self.under_way.append(name)
            await self._ends[name].wait()
            self.under_way.remove(name)


def yes() -> bool:
    return True


def no() -> bool:
    return False


async def test_guesses_are_fetched_one_after_the_other() -> None:
    line = Line()
    for name in "abc":
        await line.begin(name, yes)
    seen = [tuple(line.under_way)]
    for name in "ab":
        await line.end(name)
        seen.append(tuple(line.under_way))
    await line.end("c")

    assert seen == [("a",), ("b",), ("c",)]
    assert line.under_way == []


async def test_who_is_waited_for_waits_for_nobody_and_guesses_wait_for_him() -> None:
    line = Line()
    await line.begin("guess", yes)
    await line.begin("picture", no)
    await line.begin("recording", no)
    assert line.under_way == ["guess", "picture", "recording"]
    await line.end("guess")
    await line.begin("next guess", yes)
    await line.end("picture")
    assert line.under_way == ["recording"]
    await line.end("recording")
    assert line.under_way == ["next guess"]
    await line.end("next guess")


async def test_a_guess_that_comes_true_waits_no_longer() -> None:
    line, shown = Line(), False
    await line.begin("other", no)
    await line.begin("channel", lambda: not shown)
    assert line.under_way == ["other"]
    shown = True
    async with asyncio.timeout(5):
        while line.under_way != ["other", "channel"]:  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0.01)
    await line.end("other")
    await line.end("channel")


async def test_whoever_is_ended_leaves_the_line_to_others() -> None:
    turns = Turns()

    async def hold() -> None:
        async with turns.turn(yes):
            await asyncio.Event().wait()

    first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0.01)
    for task in (second, first):
        task.cancel()
    await asyncio.wait({first, second})
    async with asyncio.timeout(1), turns.turn(yes):
        pass
