"""Bringing apps from the operator's repository to this box.

One rule: what is installed goes on until something newer has been checked
whole and stands beside it; a refusal changes nothing but the record of it.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from gateway.apps.catalog import Catalog
from gateway.apps.repository import Repository
from gateway.errors import GatewayError
from gateway.pubsub import Publisher
from gateway.schema import FieldError
from gateway.trust.asking import RefusedError
from gateway.trust.errors import RolledBackError
from gateway.trust.manifest import AppId, version_key
from gateway.trust.offers import Offer, Refused

log = logging.getLogger(__name__)

REPOSITORY = AppId("repository")
"""Stands for the repository as a whole in records when no app is known yet."""

_FIRST_RETRY_S = 5.0
_JITTER = 0.2
_UNREACHABLE = "TRUST-101"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesConfig:
    """The ``updates`` section.

    Attributes:
        repository: Address of the operator's repository; empty for none.
        root: The root of trust that came with the box.
        check_every_s: Pause between two checks; spread by a tenth either way over the boxes.
    """

    repository: str = ""
    root: Path = Path("/etc/gateway/root.json")
    check_every_s: float = 21600.0

    def __post_init__(self) -> None:
        if self.repository and not self.repository.startswith(("http://", "https://")):
            raise FieldError("repository", f"{self.repository!r} is not an http(s) address")
        if not 1 <= self.check_every_s <= 30 * 86400:
            raise FieldError("check_every_s", f"{self.check_every_s} is outside 1..2592000")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRecord:
    """What is here, what is offered, and why the last offer was refused.

    Attributes:
        app: Whose record this is; `REPOSITORY` when there is no app to blame.
        installed: Version on this box.
        available: Newest version offered; `None` when none is, or none could be seen.
        refused_code: Of the last refusal; `None` when the last check went well.
        refused_reason: In words for an installer.
        checked_at: When; `None` before the first check.
    """

    app: AppId
    installed: str | None
    available: str | None = None
    refused_code: str | None = None
    refused_reason: str | None = None
    checked_at: datetime | None = None


Records = Mapping[AppId, UpdateRecord]


class Installer:
    """Checks, installs, removes; a service.

    Attributes:
        records: By app; an immutable snapshot.
        changes: Each new snapshot.
    """

    def __init__(
        self, catalog: Catalog, repository: Repository | None, *, check_every_s: float, box: str = ""
    ) -> None:
        """Bring apps from `repository`.

        Args:
            catalog: Where they are put.
            repository: Where they come from; `None` when the box has none.
            check_every_s: Pause between two checks.
            box: The box's name, which spreads the checks of many boxes over time.
        """
        self.records: Records = MappingProxyType({})
        self.changes: Publisher[Records] = Publisher()
        self._catalog = catalog
        self._repository = repository
        self._pause_s = check_every_s * (1 - _JITTER / 2 + _JITTER * _fraction(box))
        self._lock = asyncio.Lock()

    @property
    def updates(self) -> list[UpdateRecord]:
        """The records in the order of their apps."""
        return [self.records[app] for app in sorted(self.records)]

    async def run(self, ready: Callable[[], None]) -> None:
        """Check now and then."""
        ready()
        retry_s = _FIRST_RETRY_S
        while True:
            reached = await self.check()
            pause_s = self._pause_s if reached else min(retry_s, self._pause_s)
            retry_s = _FIRST_RETRY_S if reached else retry_s * 2
            await asyncio.sleep(pause_s)

    async def check(self) -> bool:
        """Look at the repository and install what is new; return whether it was reached."""
        async with self._lock:
            if self._repository is None:
                self._record_all({}, {}, None)
                return True
            await self._catalog.tidy()
            try:
                listing = await self._repository.listing()
                offers = _newest(listing.offers)
                refusals = {app: refused for refused in listing.refused if (app := _app_of(refused.path))}
                refusals |= await self._bring(self._repository, await self._due(offers, refusals))
            except RefusedError as error:
                self._record_all({}, {}, error.refused)
                log.warning("%s: %s", error.refused.code, error.refused.reason)
                return error.refused.code != _UNREACHABLE
            for app, refused in refusals.items():
                log.warning("%s: %s: %s", app, refused.code, refused.reason)
            self._record_all(offers, refusals, None)
            return True

    async def install(self, app: AppId) -> None:
        """Want `app` again after it was removed, and look for it now."""
        await self._catalog.want(app)
        await self.check()

    async def uninstall(self, app: AppId) -> None:
        """Remove every trace of `app`; it stays away until somebody calls `install`.

        Raises:
            UnknownAppError: it is not installed.
        """
        # Never behind a check: that may be waiting for a slow network.
        await self._catalog.remove(app)
        self._publish({other: record for other, record in self.records.items() if other != app})
        log.info("%s was removed", app)

    async def _due(self, offers: Mapping[AppId, Offer], refusals: dict[AppId, Refused]) -> list[Offer]:
        """Return what to install; an offer below the installed version becomes a refusal."""
        due = []
        for app, offer in offers.items():
            installed = self._catalog.apps.get(app)
            if installed is None:
                if not await self._catalog.is_unwanted(app):
                    due.append(offer)
                continue
            order = version_key(offer.version), version_key(installed.version)
            if order[0] > order[1]:
                due.append(offer)
            elif order[0] < order[1]:
                reason = f"{offer.version} is offered, but {installed.version} is installed"
                refusals[app] = Refused(path=offer.path, code=RolledBackError.code, reason=reason)
        return due

    async def _bring(self, repository: Repository, due: Sequence[Offer]) -> dict[AppId, Refused]:
        """Fetch and install each offer; return what was refused."""
        refusals: dict[AppId, Refused] = {}
        if not due:
            return refusals
        into = self._catalog.staging
        for offer, refused in zip(due, await repository.fetch(due, into), strict=True):
            if refused:
                refusals[AppId(offer.app)] = refused
        for position, offer in enumerate(due):
            app = AppId(offer.app)
            if app in refusals:
                continue
            try:
                done = await self._catalog.install(into / f"{position}.zip", app, offer.version)
            except GatewayError as error:
                refusals[app] = Refused(path=offer.path, code=error.code, reason=str(error))
            except OSError as error:
                reason = f"{error.filename or 'the state folder'}: {error.strerror or error}"
                refusals[app] = Refused(path=offer.path, code="TRUST-107", reason=reason)
            else:
                if done:
                    log.info("%s %s is installed", app, offer.version)
        await self._catalog.tidy()
        return refusals

    def _record_all(
        self, offers: Mapping[AppId, Offer], refusals: Mapping[AppId, Refused], whole: Refused | None
    ) -> None:
        """Write down the outcome of a check."""
        now = datetime.now(UTC)
        known = set(self._catalog.apps) | set(offers) | set(refusals)
        if whole and not known:
            known = {REPOSITORY}
        records = {}
        for app in known:
            installed = self._catalog.apps.get(app)
            refused = whole or refusals.get(app)
            records[app] = UpdateRecord(
                app=app,
                installed=installed.version if installed else None,
                available=offers[app].version if app in offers else None,
                refused_code=refused.code if refused else None,
                refused_reason=refused.reason if refused else None,
                checked_at=now if self._repository else None,
            )
        self._publish(records)

    def _publish(self, records: Records) -> None:
        self.records = MappingProxyType(dict(records))
        self.changes.publish(self.records)


def _newest(offers: Iterable[Offer]) -> dict[AppId, Offer]:
    newest: dict[AppId, Offer] = {}
    for offer in offers:
        app = AppId(offer.app)
        if app not in newest or version_key(offer.version) > version_key(newest[app].version):
            newest[app] = offer
    return newest


def _app_of(path: str) -> AppId | None:
    parts = path.split("/")
    return AppId(parts[1]) if len(parts) == 3 and parts[0] == "apps" else None  # noqa: PLR2004 - apps/ID/FILE


def _fraction(box: str) -> float:
    """Return a number in 0..1 that is always the same for `box`."""
    return int.from_bytes(hashlib.sha256(box.encode()).digest()[:4]) / 2**32
