"""How long it has been quiet.  Pure; the caller has the clocks.

One rule: only time in which something could have been heard counts.  While
the box is off the clock stands, so that a power cut is neither a sign of
trouble nor of life.
"""

from datetime import datetime

from gateway.iot.entity import Capability, StateChanged
from gateway.iot.rules_model import Test
from gateway.iot.rules_times import is_between

_TELLS_NOW = (Capability.EVENT, Capability.BUTTON)


def is_life(change: StateChanged) -> bool:
    """Return whether `change` says that somebody did something.

    A value that is another does, and so does a motion that goes on, or an event that happened again.
    That a closed door reports once more that it is closed does not: many sensors do so every hour by
    themselves, and a home where nobody moves would never be quiet.  Nor does what was only kept for us.
    """
    before, after = change.before, change.after
    if after is None or after.value is None or not after.sure:
        return False
    if change.live and (after.value is True or after.entity.capability in _TELLS_NOW):
        return True
    return before is not None and before.value is not None and before.value != after.value


class QuietClock:
    """How long nothing was heard, within the hours that count.

    Attributes:
        quiet_s: So long.
        rung: Whether it has been too long, and was said.
        held: Whether it has been too long, and could not be said yet.
    """

    def __init__(self, test: Test) -> None:
        self.quiet_s = 0.0
        self.rung = False
        self.held = False
        self._test = test
        self._looked_s: float | None = None
        self._counts = False

    def look(self, now_s: float, local: datetime, *, may_ring: bool) -> bool:
        """Let the clock go on; return whether it has been too long just now.

        Args:
            now_s: Of a monotonic clock.
            local: The same instant by the household's clock.
            may_ring: Whether it can be said now; otherwise it is held until it can.
        """
        if self._looked_s is not None and self._counts:
            self.quiet_s += max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        self._counts = self._test.between is None or is_between(self._test.between, local)
        too_long = not self.rung and self._counts and self.quiet_s >= self._test.for_s
        self.held = too_long and not may_ring
        self.rung = self.rung or (too_long and may_ring)
        return too_long and may_ring

    def hear(self, now_s: float, local: datetime) -> bool:
        """Begin anew, for something was heard; return whether nobody waited for it to ring any more."""
        self.look(now_s, local, may_ring=False)
        waited = self.rung or self.held
        self.rung, self.held, self.quiet_s = False, False, 0.0
        return waited

    def left_s(self) -> float | None:
        """Return how long until it rings, `None` if that is not to be expected now."""
        return (
            None if self.rung or self.held or not self._counts else max(0.0, self._test.for_s - self.quiet_s)
        )
