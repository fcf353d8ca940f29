"""A command on its way: what has to be known of it until its end.

One rule: time is counted on the monotonic clock, so that putting the wall clock right neither kills
nor prolongs it.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.iot.commands_model import Command


@dataclass(slots=True, eq=False)
class Running:
    """A command that has not come to its end, and who follows it."""

    command: Command
    deadline: float
    """Monotonic."""
    begun_s: float = 0.0
    """On the same clock: when it was ordered."""
    promised: bool = True
    """Each step of it is on the disk before anybody hears of it."""
    resumed: bool = False
    """An earlier life of the daemon may have handed it over."""
    handed: bool = False
    away: bool = False
    """It could not be reached since it was told; only then what it says else is a reason to tell it again."""
    missed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    """While there is no task."""

    def left_s(self) -> float:
        """Return how long until its deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def since(self) -> datetime:
        """Return when it was ordered by the clock as it is now, which stamps the reports."""
        return datetime.now(UTC) - timedelta(seconds=time.monotonic() - self.begun_s)
