"""Which apps are installed.

One rule: the catalogue is the only writer of the shelf, so what it says is
what is on the disk.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from gateway.apps.errors import UnknownAppError
from gateway.apps.shelf import Apps, InstalledApp, Shelf
from gateway.disk import Disk, LocalDisk
from gateway.pubsub import Publisher
from gateway.trust.manifest import AppId


class Catalog:
    """The installed apps; a service.

    Attributes:
        apps: By id; an immutable snapshot.
        changes: Each new snapshot.
    """

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self.apps: Apps = MappingProxyType({})
        self.changes: Publisher[Apps] = Publisher()
        self._shelf = Shelf(folder, disk or LocalDisk())
        self._lock = asyncio.Lock()
        self._held: Counter[Path] = Counter()

    @property
    def staging(self) -> Path:
        """Folder for an installation in progress; swept at every start."""
        return self._shelf.staging

    async def run(self, ready: Callable[[], None]) -> None:
        """Read the shelf, tidy it, and be there."""
        async with self._lock:
            await asyncio.to_thread(self._shelf.sweep)
            self._publish(await asyncio.to_thread(self._shelf.load))
        ready()
        await asyncio.Event().wait()

    def get(self, app: AppId) -> InstalledApp:
        """Return `app`.

        Raises:
            UnknownAppError: it is not installed.
        """
        if app not in self.apps:
            raise UnknownAppError(f"{app} is not installed")
        return self.apps[app]

    async def install(self, archive: Path, app: AppId, version: str) -> InstalledApp | None:
        """Make the bundle `archive` the current version of `app`.

        Returns:
            The app; `None` when the household removed it while the bundle was on its way.

        Raises:
            GatewayError: the bundle is refused; what was installed goes on.
        """
        async with self._lock:
            if await asyncio.to_thread(self._shelf.is_unwanted, app):
                return None
            installed = await asyncio.to_thread(self._shelf.install, archive, app, version)
            self._publish({**self.apps, app: installed})
            return installed

    async def remove(self, app: AppId) -> None:
        """Remove every trace of `app`.

        Raises:
            UnknownAppError: it is not installed.
        """
        async with self._lock:
            self.get(app)
            # Told first, so that whoever serves or runs it lets go before its files do.
            self._publish({other: entry for other, entry in self.apps.items() if other != app})
            await asyncio.to_thread(self._shelf.remove, app)

    async def is_unwanted(self, app: AppId) -> bool:
        """Whether the household removed `app` and has not asked for it again."""
        return await asyncio.to_thread(self._shelf.is_unwanted, app)

    async def want(self, app: AppId) -> None:
        """Let `app` be installed again."""
        async with self._lock:
            await asyncio.to_thread(self._shelf.want, app)

    @contextmanager
    def hold(self, app: InstalledApp) -> Iterator[None]:
        """Keep the files of `app` over an update for as long as the block lasts."""
        self._held[app.folder] += 1
        try:
            yield
        finally:
            self._held[app.folder] -= 1

    async def tidy(self) -> None:
        """Remove older versions that nobody uses any more, and what an installation left over."""
        async with self._lock:
            await asyncio.to_thread(self._shelf.sweep, frozenset(+self._held))

    def _publish(self, apps: Apps) -> None:
        self.apps = MappingProxyType(dict(apps))
        self.changes.publish(self.apps)
