"""Which CoAP devices have registered (RFC 9176), remembered over restarts.

One rule: a registration is on the disk before the device is told so.  One
that runs out is kept as lapsed for a while, because a device whose battery
was changed is the same device.

A stranger's is kept in memory until it is admitted: whoever may knock as often
as it likes must not wear out the flash.  After a restart it registers again.
"""

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.errors import BadInputError
from gateway.iot import coap_admission, coap_keys
from gateway.iot.coap_admission import Admission, Applicant
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.coap_links import parse_links
from gateway.pubsub import Publisher
from gateway.store import Store

log = logging.getLogger(__name__)

MIGRATIONS = (
    """
    CREATE TABLE coap_registration (
        id TEXT PRIMARY KEY,
        endpoint TEXT NOT NULL UNIQUE,
        base TEXT NOT NULL,
        lifetime_s INTEGER NOT NULL,
        links TEXT NOT NULL,
        model TEXT NOT NULL,
        name TEXT NOT NULL,
        expires_at REAL NOT NULL
    );
    """,
    """
    ALTER TABLE coap_registration ADD COLUMN lwm2m TEXT NOT NULL DEFAULT '';
    ALTER TABLE coap_registration ADD COLUMN sleeps INTEGER NOT NULL DEFAULT 0;
    """,
    coap_admission.MIGRATION,
    coap_keys.MIGRATION,
)
FORGET_AFTER = timedelta(days=30)
_SWEEP_S = 1.0


class DirectoryFullError(BadInputError):
    """More devices than the box takes want to register."""

    code: ClassVar[str] = "IOT-305"
    hint = "Remove CoAP devices that are not used, or raise iot.coap.max_devices."


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a device said of itself.

    Attributes:
        id: Last part of its location ``/rd/{id}``.
        endpoint: Its name.
        base: Where it answers, ``coap://address[:port]``.
        lifetime_s: How long this holds without an update.
        links: Its resources, link format; parses.
        model: Its endpoint type, empty if not said.
        name: What the household may call it, empty if not said.
        expires_at: When it lapses; timezone-aware UTC.
        lwm2m: The version of LwM2M it speaks, empty if it does not.
        sleeps: Whether it hears us only for a while after it spoke (LwM2M's queue mode).
    """

    id: str
    endpoint: str
    base: str
    lifetime_s: int
    links: str
    model: str = ""
    name: str = ""
    expires_at: datetime
    lwm2m: str = ""
    sleeps: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """A device registered, or registered anew: what it knew of us may be gone."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Updated:
    """A device said that it is still there, perhaps elsewhere."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A device has not been heard of for its lifetime."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Removed:
    """A device took its leave, or was forgotten."""

    registration: Registration


DirectoryEvent = Registered | Updated | Lapsed | Removed


class Directory:
    """The registrations; their only writer.

    Attributes:
        changes: What became of registrations; nothing about those loaded at start.
    """

    def __init__(self, store: Store, admission: Admission, *, max_devices: int, keys: CoapKeys) -> None:
        self.changes: Publisher[DirectoryEvent] = Publisher()
        self._store = store
        self._admission = admission
        self._max_devices = max_devices
        self._keys = keys
        self._by_endpoint: dict[str, Registration] = {}
        self._on_disk: set[str] = set()
        self._lapsed: set[str] = set()
        self._writing = asyncio.Lock()

    @property
    def registrations(self) -> Mapping[str, Registration]:
        """All registrations by endpoint, lapsed ones too."""
        return MappingProxyType(self._by_endpoint)

    def is_lapsed(self, endpoint: str) -> bool:
        """Whether `endpoint` has run out its lifetime."""
        return endpoint in self._lapsed

    def by_id(self, identifier: str) -> Registration | None:
        """Return the registration at ``/rd/{identifier}``."""
        return next((known for known in self._by_endpoint.values() if known.id == identifier), None)

    async def load(self) -> None:
        """Read what was kept; called once, before anything else."""
        kept = await self._store.read(_select)
        self._by_endpoint = {registration.endpoint: registration for registration in kept}
        self._on_disk = set(self._by_endpoint)
        self._lapsed = {known.endpoint for known in kept if known.expires_at <= datetime.now(UTC)}

    async def sweep(self) -> None:
        """Notice what runs out, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = datetime.now(UTC)
            for known in tuple(self._by_endpoint.values()):
                if known.expires_at <= now and known.endpoint not in self._lapsed:
                    self._lapsed.add(known.endpoint)
                    log.info("CoAP device %s has not been heard of in %d s", known.endpoint, known.lifetime_s)
                    self.changes.publish(Lapsed(known))
                if known.expires_at + FORGET_AFTER <= now:
                    await self.remove(known.id)

    async def register(self, wanted: Registration) -> Registration:
        """Keep `wanted` under its endpoint's name, in place of an earlier one.

        Args:
            wanted: Its `id` is ignored: the same endpoint keeps the same location.

        Raises:
            DirectoryFullError: no room, and none can be made from lapsed ones.
            LinkFormatError: its links do not parse.
            NotAdmittedError, TooManyStrangersError: see `Admission.check`.
        """
        parse_links(wanted.links)
        self._admission.check(wanted.endpoint)
        if wanted.endpoint not in self._by_endpoint and len(self._by_endpoint) >= self._max_devices:
            await self.forget([each for each in self._lapsed if not self._admission.admits(each)])
        async with self._writing:
            before = self._by_endpoint.get(wanted.endpoint)
            if before is None and len(self._by_endpoint) >= self._max_devices:
                raise DirectoryFullError(f"{self._max_devices} CoAP devices are registered already")
            after = replace(wanted, id=before.id if before else secrets.token_hex(6))
            await self._keep(after)
        if before is None:
            log.info("new CoAP device %s at %s", after.endpoint, after.base)
        self.changes.publish(Registered(after))
        return after

    async def update(self, after: Registration) -> None:
        """Keep `after` in place of the registration with the same id.

        Raises:
            LinkFormatError: its links do not parse.
        """
        parse_links(after.links)
        async with self._writing:
            before = self.by_id(after.id)
            if before is None:
                return
            await self._keep(after)
        self.changes.publish(Updated(after) if after.links == before.links else Registered(after))

    async def remove(self, identifier: str) -> bool:
        """Forget a registration; returns whether it was there."""
        async with self._writing:
            known = self.by_id(identifier)
            if known is None:
                return False
            if known.endpoint in self._on_disk:
                await self._store.write(
                    lambda db: (
                        db.execute("DELETE FROM coap_registration WHERE id = ?", (identifier,)).rowcount
                    )
                )
                self._on_disk.discard(known.endpoint)
            del self._by_endpoint[known.endpoint]
            self._lapsed.discard(known.endpoint)
        self.changes.publish(Removed(known))
        return True

    def knows(self, host: str) -> bool:
        """Whether at `host`, in figures, is this machine itself or a registered device of the home.

        One that must prove its name is known by that alone.
        """
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host).is_loopback:
                return True
        return any(
            urlsplit(known.base).hostname == host
            and self._admission.admits(known.endpoint)
            and not self._keys.demands(known.endpoint)
            for known in self._by_endpoint.values()
        )

    async def lets_in(self, registration: Registration) -> bool:
        """Whether it is part of the home; if not, it waits from now on, and whoever waited longest may go."""
        if self._admission.admits(registration.endpoint):
            return True
        if not self.is_lapsed(registration.endpoint) and self._admission.may_ask(registration.endpoint):
            applicant = Applicant(
                endpoint=registration.endpoint,
                name=registration.name,
                model=registration.model,
                address=registration.base,
                since=datetime.now(UTC),
            )
            await self.forget(self._admission.knock(applicant))
        return False

    async def concerns_home(self, change: DirectoryEvent) -> bool:
        """Whether `change` is about the home, and not about a stranger; see `lets_in`."""
        if isinstance(change, Lapsed | Removed):
            self._admission.leave(change.registration.endpoint)
            return True
        return await self.lets_in(change.registration)

    async def forget(self, endpoints: Iterable[str]) -> None:
        """Forget the registrations of `endpoints`, if there are any."""
        for endpoint in endpoints:
            if registration := self._by_endpoint.get(endpoint):
                await self.remove(registration.id)

    async def admit(self, endpoint: str) -> None:
        """Put on the disk what `endpoint`, which was admitted, had registered while it waited."""
        async with self._writing:
            if known := self._by_endpoint.get(endpoint):
                await self._write(known)

    async def _write(self, registration: Registration) -> None:
        await self._store.write(lambda db: _upsert(db, registration))
        self._on_disk.add(registration.endpoint)

    async def _keep(self, after: Registration) -> None:
        if self._admission.admits(after.endpoint):
            await self._write(after)
        self._by_endpoint[after.endpoint] = after
        self._lapsed.discard(after.endpoint)


def _select(db: sqlite3.Connection) -> list[Registration]:
    rows = db.execute(
        "SELECT id, endpoint, base, lifetime_s, links, model, name, expires_at, lwm2m, sleeps "
        "FROM coap_registration"
    ).fetchall()
    return [
        Registration(
            id=row[0],
            endpoint=row[1],
            base=row[2],
            lifetime_s=row[3],
            links=row[4],
            model=row[5],
            name=row[6],
            expires_at=datetime.fromtimestamp(row[7], UTC),
            lwm2m=row[8],
            sleeps=bool(row[9]),
        )
        for row in rows
    ]


def _upsert(db: sqlite3.Connection, it: Registration) -> None:
    db.execute(
        "INSERT OR REPLACE INTO coap_registration "
        "(id, endpoint, base, lifetime_s, links, model, name, expires_at, lwm2m, sleeps) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            it.id,
            it.endpoint,
            it.base,
            it.lifetime_s,
            it.links,
            it.model,
            it.name,
            it.expires_at.timestamp(),
            it.lwm2m,
            it.sleeps,
        ),
    )
