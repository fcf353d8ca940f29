"""The accounts that people make for their MQTT devices, and take away again.

One rule: a secret is said once, to whoever made the account, and kept nowhere:
the store has its hash, from which the broker's files are derived at each start.

A device that is sent away leaves nothing behind: what the broker kept of it is
taken back, after a power cut in the middle at the next start.
"""

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Protocol

from gateway.broker_accounts import MAX_DEVICES, hashed, is_device_name, is_hash, topics_of
from gateway.errors import BadInputError, GatewayError
from gateway.mqtt import Broker, BrokerError, Message
from gateway.pubsub import Publisher
from gateway.store import Store

log = logging.getLogger(__name__)

SECRET_CHARS = 32
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Five bits each; people type it from the screen into a device, so nothing in it looks like another."""
MAX_LABEL_CHARS = 64
MAX_LEFT = 10_000
"""Retained messages of one device that are taken back."""
_QUIET_S = 0.5
_SWEEP_S = 10.0

MIGRATIONS = (
    """
    CREATE TABLE device_account (
        name TEXT PRIMARY KEY, label TEXT NOT NULL, hash TEXT NOT NULL, made_at TEXT NOT NULL,
        leaving INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    """,
)


class AccountNameError(BadInputError):
    """A device's account cannot have this name."""

    code: ClassVar[str] = "IOT-701"
    hint = "Choose another name of small letters, digits, - and _."


class TooManyAccountsError(BadInputError):
    """The broker has as many accounts as it may."""

    code: ClassVar[str] = "IOT-702"
    hint = "Remove the account of a device that is no longer used."


class UnknownAccountError(BadInputError):
    """There is no such account to take away."""

    code: ClassVar[str] = "IOT-703"
    hint = "Look at the list; accounts of the configuration are changed there."


class AccountsElsewhereError(GatewayError):
    """The broker is not the box's own, so its accounts are not either."""

    code: ClassVar[str] = "IOT-704"
    hint = "Make the account at that broker, or let the box run its own: broker.mode managed."


class Door(Protocol):
    """See `gateway.broker.ManagedBroker`."""

    async def let_in(self, hashes: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccount:
    """An account at the box's broker; `label` is what the household calls its device."""

    name: str
    label: str
    made_at: datetime


class DeviceAccounts:
    """Keeps them; a service that must run before the broker does.

    Attributes:
        changes: After each account that came or went.
    """

    def __init__(
        self, store: Store, door: Door | None, carrier: Broker, *, configured: Collection[str] = ()
    ) -> None:
        """Describe it.

        Args:
            store: Where they are kept.
            door: The box's own broker; `None` if it has none.
            carrier: Our connection to it.
            configured: Names of accounts that the configuration makes.
        """
        self.changes: Publisher[None] = Publisher()
        self._store = store
        self._door = door
        self._carrier = carrier
        self._hashes: dict[str, str] = {}
        self._accounts: dict[str, DeviceAccount | None] = dict.fromkeys(configured)
        self._leaving: set[str] = set()
        # Those sent away of whom the broker could not be told yet.
        self._untold: set[str] = set()
        self._changing = asyncio.Lock()

    @property
    def all(self) -> tuple[DeviceAccount, ...]:
        """Those that people made, the oldest first."""
        return tuple(account for account in self._accounts.values() if account)

    @property
    def names(self) -> Collection[str]:
        """A view of every name that has an account now, those of the configuration too."""
        return self._accounts.keys()

    async def run(self, ready: Callable[[], None]) -> None:
        """Let in whom we know; sweep after those who have left; live until cancelled."""
        for account, digest, leaving in await self._store.read(_select):
            if leaving:
                self._leaving.add(account.name)
            elif is_hash(digest) and self._accounts.setdefault(account.name, account) is account:
                self._hashes[account.name] = digest
        if self._door is not None:
            await self._door.let_in(self._hashes)
        with self._carrier.changes.subscribe() as changes:
            ready()
            await self._sweep_all()
            async for connected in changes:
                if connected:
                    await self._sweep_all()

    async def add(self, name: str, label: str) -> tuple[DeviceAccount, str]:
        """Return a new account and its secret, which is said this once; it works when this returns.

        Raises:
            AccountNameError: it is taken, or cannot be a name.
            TooManyAccountsError: there are `MAX_DEVICES` already.
            AccountsElsewhereError: the broker is not ours.
            StoreError: it could not be kept.
        """
        if self._door is None:
            raise AccountsElsewhereError("The MQTT broker is not the box's own")
        if not is_device_name(name):
            raise AccountNameError(f"{name!r} cannot be the name of an account")
        async with self._changing:
            if name in self._accounts or name in self._leaving:
                raise AccountNameError(f"There is an account {name} already")
            if len(self._accounts) >= MAX_DEVICES:
                raise TooManyAccountsError(f"There are {MAX_DEVICES} accounts already")
            secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARS))
            account = DeviceAccount(name=name, label=label[:MAX_LABEL_CHARS], made_at=datetime.now(UTC))
            digest = hashed(secret)
            row = (name, account.label, digest, account.made_at.isoformat())
            await self._store.write(
                lambda db: db.execute("INSERT INTO device_account VALUES (?, ?, ?, ?, 0)", row) and None
            )
            self._accounts[name], self._hashes[name] = account, digest
            await self._door.let_in(self._hashes)
        log.info("The MQTT account %s was made", name)
        self.changes.publish(None)
        return account, secret

    async def remove(self, name: str) -> None:
        """Send a device away: when this returns it is disconnected, and its secret opens nothing.

        Raises:
            UnknownAccountError: people made no such account.
            StoreError: it could not be written; nothing has changed.
            BrokerDownError: the broker could not be told; it is at its next start, or when asked again.
        """
        async with self._changing:
            known = self._accounts.get(name) is not None
            if self._door is None or not (known or name in self._untold):
                raise UnknownAccountError(f"There is no account {name} to take away")
            if known:
                await self._store.write(
                    lambda db: (
                        db.execute("UPDATE device_account SET leaving = 1 WHERE name = ?", (name,)) and None
                    )
                )
                del self._accounts[name], self._hashes[name]
                self._leaving.add(name)
                self._untold.add(name)
                self.changes.publish(None)
            await self._door.let_in(self._hashes)
            self._untold.clear()
        log.info("The MQTT account %s was taken away", name)
        await self._sweep_all()

    async def _sweep_all(self) -> None:
        async with self._changing:
            for name in sorted(self._leaving):
                try:
                    await self._sweep(name)
                except (BrokerError, TimeoutError) as error:
                    log.debug("What %s left is taken back later: %s", name, error)
                    return
                await self._store.write(
                    lambda db, name=name: (
                        db.execute(  # type: ignore[misc]  # bound now, called once
                            "DELETE FROM device_account WHERE name = ? AND leaving", (name,)
                        )
                        and None
                    )
                )
                self._leaving.discard(name)

    async def _sweep(self, name: str) -> None:
        """Take back what the broker kept of a device that may say nothing any more.

        Raises:
            BrokerError: the broker is not there; some of it may be left.
            TimeoutError: it takes too long.
        """
        if not self._carrier.connected:
            raise BrokerError("not connected")
        async with asyncio.timeout(_SWEEP_S):
            with self._carrier.subscribe(*topics_of(name), backlog=MAX_LEFT, qos=0) as kept:
                while True:
                    try:
                        async with asyncio.timeout(_QUIET_S):
                            message = await anext(kept)
                    except TimeoutError:
                        return
                    if message.payload:
                        await self._carrier.publish(Message(message.topic, b"", retain=True))


def _select(db: sqlite3.Connection) -> Iterable[tuple[DeviceAccount, str, bool]]:
    rows = db.execute("SELECT name, label, hash, made_at, leaving FROM device_account ORDER BY made_at, name")
    return [
        (
            DeviceAccount(name=name, label=label, made_at=datetime.fromisoformat(made_at)),
            digest,
            bool(leaving),
        )
        for name, label, digest, made_at, leaving in rows
    ]
