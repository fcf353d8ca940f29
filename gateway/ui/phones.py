"""The phones that belong to the house, and the secrets they come with.

One rule: only the digest of a phone's secret is kept, so that a copied
database opens nothing; and a phone that was sent away is out at once.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from gateway.errors import BadInputError
from gateway.pubsub import Publisher
from gateway.store import Store
from gateway.ui.roles import Role

MAX_PHONES = 32
SECRET_BYTES = 32
SEEN_EVERY = timedelta(days=1)
"""How often "last seen" reaches the disk; flash wears out by writing."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE phone (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
        paired_at TEXT NOT NULL, seen_at TEXT
    ) STRICT;
    """,
)


class UnknownPhoneError(BadInputError):
    """There is no such phone."""

    code: ClassVar[str] = "UI-201"
    hint = "Look at the list of phones; it may have been removed already."


class TooManyPhonesError(BadInputError):
    """The house has as many phones as it may."""

    code: ClassVar[str] = "UI-202"
    hint = "Remove a phone that is no longer used, then pair again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone of the house; times are UTC."""

    id: str
    name: str
    role: Role
    paired_at: datetime
    seen_at: datetime | None = None


class Phones:
    """Keeps them; a service.

    Attributes:
        changes: The phones after each change.
    """

    def __init__(self, store: Store) -> None:
        self.changes: Publisher[tuple[Phone, ...]] = Publisher()
        self._store = store
        self._known: dict[bytes, Phone] = {}
        self._written: dict[str, datetime] = {}

    @property
    def all(self) -> tuple[Phone, ...]:
        """Every phone, in the order in which they came."""
        return tuple(sorted(self._known.values(), key=lambda phone: phone.paired_at))

    async def run(self, ready: Callable[[], None]) -> None:
        """Know the phones from before; live until cancelled."""
        self._known = dict(await self._store.read(_all))
        ready()
        with self.changes.subscribe(1) as changes:
            async for _ in changes:
                await self._remember_seen()

    async def admit(self, name: str, role: Role) -> tuple[Phone, str]:
        """Return a new phone and its secret, which is said this once.

        Raises:
            TooManyPhonesError: there are `MAX_PHONES` already.
            StoreError: it could not be kept.
        """
        if len(self._known) >= MAX_PHONES:
            raise TooManyPhonesError(f"The house has {MAX_PHONES} phones already")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        phone = Phone(id=secrets.token_hex(8), name=name, role=role, paired_at=datetime.now(UTC))
        row = (phone.id, name, role.value, _digest(secret), phone.paired_at.isoformat())
        await self._store.write(
            lambda db: db.execute("INSERT INTO phone VALUES (?, ?, ?, ?, ?, NULL)", row) and None
        )
        self._known[_digest(secret)] = phone
        self._tell()
        return phone, secret

    async def change(self, phone_id: str, role: Role) -> Phone:
        """Give a phone another role.

        Raises:
            UnknownPhoneError: there is none with that id.
            StoreError: it could not be kept.
        """
        digest, phone = self._find(phone_id)
        await self._store.write(
            lambda db: db.execute("UPDATE phone SET role = ? WHERE id = ?", (role.value, phone_id)) and None
        )
        self._known[digest] = replace(phone, role=role)
        self._tell()
        return self._known[digest]

    async def dismiss(self, phone_id: str) -> None:
        """Send a phone away; its secret opens nothing from now on.

        Raises:
            UnknownPhoneError: there is none with that id.
            StoreError: it could not be written; the phone is out until the next start all the same.
        """
        digest, _ = self._find(phone_id)
        del self._known[digest]
        self._tell()
        await self._store.write(lambda db: db.execute("DELETE FROM phone WHERE id = ?", (phone_id,)) and None)

    def recognise(self, secret: str) -> Phone | None:
        """Return whose secret that is, or None; notes that the phone was seen."""
        # A table of digests leaks nothing by its timing that would help to find a secret.
        digest = _digest(secret)
        phone = self._known.get(digest)
        if phone is None:
            return None
        now = datetime.now(UTC)
        self._known[digest] = replace(phone, seen_at=now)
        if now - self._written.get(phone.id, phone.paired_at) > SEEN_EVERY:
            self._tell()
        return phone

    def _find(self, phone_id: str) -> tuple[bytes, Phone]:
        for digest, phone in self._known.items():
            if phone.id == phone_id:
                return digest, phone
        raise UnknownPhoneError("There is no such phone")

    def _tell(self) -> None:
        self.changes.publish(self.all)

    async def _remember_seen(self) -> None:
        seen = [(phone.seen_at.isoformat(), phone.id) for phone in self.all if phone.seen_at]
        self._written = {phone.id: phone.seen_at for phone in self.all if phone.seen_at}
        await self._store.write(
            lambda db: db.executemany("UPDATE phone SET seen_at = ? WHERE id = ?", seen) and None
        )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _all(db: sqlite3.Connection) -> Mapping[bytes, Phone]:
    rows = db.execute("SELECT digest, id, name, role, paired_at, seen_at FROM phone")
    return {
        digest: Phone(
            id=phone_id,
            name=name,
            role=Role(role),
            paired_at=datetime.fromisoformat(paired_at),
            seen_at=datetime.fromisoformat(seen_at) if seen_at else None,
        )
        for digest, phone_id, name, role, paired_at, seen_at in rows
    }
