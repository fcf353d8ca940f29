"""From a sensor's word to the command that follows from it: how long, how many, how many lost.

One rule: every crossing counts.  One that no command follows is lost, and
slower than all others; the light answers each command, as lights do.  Only
where a newer wish takes the place of one that waits, a burst is judged by what
the lights are in the end.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

HIGH, LOW, LOWER, COLD = b"30", b"20", b"19", b"10"
"""On either side of the threshold, which is 25; below 15 some lights are told to go off."""

GIVEN_UP_S = 5.0
BETWEEN_ROUNDS_S = 0.5
QUIET_S = 3.0
"""After so long without a command none comes any more."""

QUIET_AFTER_BURST_S = 20.0
"""The same for whoever takes everything in before anything goes out."""

LONGEST_INTAKE_S = 60.0

_NEVER = math.inf


@dataclass
class Seen:
    """The commands that came.

    Attributes:
        times: When, on the monotonic clock.
    """

    times: list[float] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, at_s: float) -> None:
        """A command came."""
        self.times.append(at_s)
        self._changed.set()

    async def until(self, count: int, quiet_s: float) -> bool:
        """Wait for `count` commands in all; return whether they came before `quiet_s` without any."""
        while len(self.times) < count:
            self._changed.clear()
            try:
                async with asyncio.timeout(quiet_s):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """Sensors, a light for each, and whoever is between them.

    Attributes:
        tell: Makes the first sensor report; returns when its carrier has it.
        stream: The same many times, as fast as the carrier takes it.
        burst: Makes all sensors together cross so many times, as fast as the carrier takes it.
        seen: What the lights were told.
        wrong: Where a newer wish takes the place of one that waits: how many lights were not told, after
            the last report of their sensor, to be what that wants.
    """

    tell: Callable[[bytes], Awaitable[None]]
    stream: Callable[[Sequence[bytes]], Awaitable[None]]
    burst: Callable[[int], Awaitable[None]]
    seen: Seen
    wrong: Callable[[], int] | None = None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """From report to command, for each crossing; `math.inf` for those without a command."""

    each_ms: tuple[float, ...]

    @property
    def lost(self) -> int:
        return self.each_ms.count(_NEVER)


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Many reports at once.

    Attributes:
        events: Reports sent, every other one a crossing.
        took_s: From the first report until all are with their carrier and the last command came.
        lost: Crossings without a command; or lights that are wrong in the end, see `Circuit.wrong`, and
            reports of which the player knows nothing.
        told: Commands that came.
    """

    events: int
    took_s: float
    lost: int
    told: int = 0

    @property
    def events_per_s(self) -> float:
        """Reports that were dealt with; what was lost was not."""
        return (self.events - 2 * self.lost) / self.took_s if self.took_s else 0.0


async def first_answer(circuit: Circuit, within_s: float, every_s: float = 0.02) -> float:
    """Cross until a command comes; return when.

    Raises:
        TimeoutError: none came.
    """
    async with asyncio.timeout(within_s):
        had = len(circuit.seen.times)
        while len(circuit.seen.times) == had:
            await circuit.tell(LOW)
            await circuit.tell(HIGH)
            await circuit.seen.until(had + 1, every_s)
    at_s = circuit.seen.times[had]
    # What was asked meanwhile is answered too.
    while await circuit.seen.until(len(circuit.seen.times) + 1, QUIET_S / 3):
        pass
    return at_s


async def closed_loop(circuit: Circuit, crossings: int, *, rounds: int = 1) -> Latency:
    """Cross again as soon as the command for the last crossing came; `crossings` in each of `rounds`.

    A round is over in a moment, and who shares a processor with whom stays as it is for longer than that.
    """
    found = []
    for number in range(crossings * rounds):
        if number and number % crossings == 0:
            await asyncio.sleep(BETWEEN_ROUNDS_S)
        await circuit.tell(LOW)
        had, sent_s = len(circuit.seen.times), time.monotonic()
        await circuit.tell(HIGH)
        came = await circuit.seen.until(had + 1, GIVEN_UP_S)
        found.append((circuit.seen.times[had] - sent_s) * 1e3 if came else _NEVER)
    return Latency(each_ms=tuple(found))


async def paced(circuit: Circuit, events: int, per_s: float, *, quiet_s: float = QUIET_S) -> Latency:
    """Report at a steady pace, whatever comes back; every other report is a crossing."""
    await circuit.tell(LOW)
    had, sent = len(circuit.seen.times), []
    begun_s = time.monotonic()
    for number in range(events):
        await asyncio.sleep(begun_s + number / per_s - time.monotonic())
        if number % 2:
            await circuit.tell(LOW)
        else:
            sent.append(time.monotonic())
            await circuit.tell(HIGH)
    await circuit.seen.until(had + len(sent), quiet_s)
    return Latency(each_ms=tuple(matched_ms(sent, circuit.seen.times[had:])))


async def burst(circuit: Circuit, events: int, *, quiet_s: float = QUIET_AFTER_BURST_S) -> Burst:
    """Report as fast as the carrier takes it; what has not come after `quiet_s` of silence is lost."""
    await circuit.tell(LOW)
    had, crossings = len(circuit.seen.times), events // 2
    begun_s = time.monotonic()
    await circuit.burst(crossings)
    ended_s = time.monotonic()
    if circuit.wrong is None:
        await circuit.seen.until(had + crossings, quiet_s)
        lost = max(0, crossings - len(circuit.seen.times) + had)
    else:
        while await circuit.seen.until(len(circuit.seen.times) + 1, min(quiet_s, QUIET_S)):
            pass
        lost = circuit.wrong()
    came = circuit.seen.times[had:]
    took_s = max(ended_s, came[-1] if came else time.monotonic()) - begun_s
    return Burst(events=2 * crossings, took_s=took_s, lost=lost, told=len(came))


async def intake(circuit: Circuit, events: int) -> float:
    """Report as fast as the carrier takes it, cross once at the end, and return reports per second.

    What is heard is dealt with in its order, so the one command says that all before it was.
    """
    await circuit.tell(LOW)
    had, begun_s = len(circuit.seen.times), time.monotonic()
    await circuit.stream([*[LOWER, LOW] * (events // 2), HIGH])
    if not await circuit.seen.until(had + 1, LONGEST_INTAKE_S):
        return 0.0
    return events / (circuit.seen.times[had] - begun_s)


def matched_ms(sent: Sequence[float], came: Sequence[float]) -> list[float]:
    """Return the latency of each crossing.

    Commands come in the order of their crossings.  Where some are missing, nobody can say which;
    then each command that came is one for the newest crossing before it, and the rest are lost.
    """
    if len(came) >= len(sent):
        return [(to - since) * 1e3 for since, to in zip(sent, came, strict=False)]
    left, found = list(sent), []
    for to in came:
        before = [since for since in left if since <= to]
        if before:
            left.remove(before[-1])
            found.append((to - before[-1]) * 1e3)
    return found + [_NEVER] * (len(sent) - len(found))
