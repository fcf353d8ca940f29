"""Loudness evened out, as the household wants it.

One rule: the player does it; this only tells it when the wish changes.
"""

from collections.abc import Callable
from typing import Protocol

from gateway.media.household import HouseholdState
from gateway.pubsub import Publisher


class Household(Protocol):
    """See `gateway.media.household.Household`."""

    @property
    def state(self) -> HouseholdState: ...
    @property
    def changes(self) -> Publisher[HouseholdState]: ...


class Leveller(Protocol):
    """See `gateway.media.player.Player`."""

    async def set_levelling(self, on: bool) -> None: ...


class Levelling:
    """Hands the wish on; a service."""

    def __init__(self, household: Household, player: Leveller) -> None:
        self._household = household
        self._player = player

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""
        with self._household.changes.subscribe() as changes:
            told = False
            ready()
            while True:
                wanted = self._household.state.levelling
                if wanted != told:
                    await self._player.set_levelling(wanted)
                    told = wanted
                await anext(changes)
