"""An open app has the screen.

One rule: the claim lasts exactly as long as the app is open, whoever opened or
closed it.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from gateway.focus import Priority
from gateway.ui.house import AppHost


class Claims(Protocol):
    """See `gateway.focus.Focus`."""

    def claim(self, name: str, priority: Priority) -> AbstractAsyncContextManager[None]: ...


class AppScreen:
    """Claims the screen for the apps that are open; a service."""

    def __init__(self, apps: AppHost, focus: Claims) -> None:
        self._apps = apps
        self._focus = focus

    async def run(self, ready: Callable[[], None]) -> None:
        with self._apps.changes.subscribe() as changes:
            opened = self._apps.opened
            ready()
            while True:
                async with AsyncExitStack() as claims:
                    for app in sorted(opened):
                        await claims.enter_async_context(self._focus.claim(app, Priority.APP))
                    now = opened
                    while now == opened:
                        now = await anext(changes)
                    opened = now
