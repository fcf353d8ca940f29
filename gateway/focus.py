"""Who has the screen: television, an app, the doorbell, or an alert.

One rule: the highest claim holds the screen, among equals the newest; when a
claim ends, whoever was before resumes.  Nobody is told to let go.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum

from gateway.pubsub import Publisher


class Priority(IntEnum):
    """How urgent a claim to the screen is."""

    TV = 0
    APP = 10
    DOORBELL = 20
    ALERT = 30


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever has the screen.

    Attributes:
        name: For example ``tv`` or an app's id.
        priority: The claim's priority.
    """

    name: str
    priority: Priority


class Focus:
    """The claims to the screen."""

    def __init__(self) -> None:
        self.changes: Publisher[Holder | None] = Publisher()
        self._claims: list[tuple[Priority, int, Holder]] = []
        self._count = 0

    @property
    def holder(self) -> Holder | None:
        """Who has the screen now; `None` when nobody claims it."""
        return max(self._claims, key=lambda claim: claim[:2])[2] if self._claims else None

    @asynccontextmanager
    async def claim(self, name: str, priority: Priority) -> AsyncIterator[None]:
        """Claim the screen for as long as the block lasts; it may be held by a higher claim."""
        before = self.holder
        self._count += 1
        claim = (priority, self._count, Holder(name, priority))
        self._claims.append(claim)
        self._tell(before)
        try:
            yield
        finally:
            before = self.holder
            self._claims.remove(claim)
            self._tell(before)

    def _tell(self, before: Holder | None) -> None:
        if self.holder != before:
            self.changes.publish(self.holder)
