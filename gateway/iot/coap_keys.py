"""The OSCORE credentials that people make for their CoAP devices, and take away again.

One rule: a secret is said once, to whoever made it; it stays in the store,
because sealing needs it, and goes nowhere else.

A device's credentials prove its name: nobody else may register under it, and
the box speaks with it sealed only.
"""

import asyncio
import logging
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Final

from gateway.errors import BadInputError
from gateway.iot.coap_sealed import Sealed, UnknownKeyError, check_durable
from gateway.iot.oscore import Secret
from gateway.iot.oscore_numbers import AFTER_RESTORE
from gateway.pubsub import Publisher
from gateway.store import Store

log = logging.getLogger(__name__)

MAX_KEYS: Final = 500
MAX_LABEL_CHARS = 64
BOX_ID: Final = b"\x01"
LEAST_AHEAD, MORE_AHEAD = 2**20, 2**26
"""Numbers that each start leaves out: there are 2^40, and the journal holds some 2^16."""
_SECRET_BYTES = 16
_SALT_BYTES = 8
_DEVICE_ID_BYTES = 2
_SAY_EVERY_S = 60.0
MAX_REFUSED_PER_S: Final = 50

MIGRATION = """
    CREATE TABLE coap_key (
        endpoint TEXT PRIMARY KEY, label TEXT NOT NULL, secret BLOB NOT NULL, salt BLOB NOT NULL,
        device_id BLOB NOT NULL UNIQUE, made_at TEXT NOT NULL, reserved INTEGER NOT NULL
    ) STRICT;
    """
ON_RESTORE: Final = f"UPDATE coap_key SET reserved = reserved + {AFTER_RESTORE}"  # noqa: S608 - a number of ours
"""For a store that went back to an older copy: more numbers were used than it knows of."""


class KeyTakenError(BadInputError):
    """A device has OSCORE credentials already."""

    code: ClassVar[str] = "IOT-711"
    hint = "Take away the old ones first."


class TooManyKeysError(BadInputError):
    """There are as many OSCORE credentials as may be."""

    code: ClassVar[str] = "IOT-712"
    hint = "Take away those of a device that is no longer used."


class NotProvedError(BadInputError):
    """A device came without the credentials of the name it gives."""

    code: ClassVar[str] = "IOT-716"
    hint = "Give the device its credentials; without them somebody else may be using its name."


@dataclass(frozen=True, slots=True, kw_only=True)
class CoapKey:
    """That a device has credentials; `label` is what the household calls it."""

    endpoint: str
    label: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the device is given, as its own side names the ids."""

    master_secret: bytes = field(repr=False)
    master_salt: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes


class CoapKeys:
    """Keeps the credentials.

    Attributes:
        changes: The endpoint that got credentials, or has none any more.
        refused: Messages refused, by reason.
        is_loaded: Whether it is known yet who has some.
    """

    def __init__(
        self, store: Store, *, from_all: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Describe them.

        Args:
            store: Where they are kept.
            from_all: Whether every device must have some.
            clock: Monotonic seconds.
        """
        self.changes: Publisher[str] = Publisher()
        self.refused: Counter[str] = Counter()
        self.is_loaded = False
        self._store = store
        self._from_all = from_all
        self._clock = clock
        self._known: dict[str, CoapKey] = {}
        self._sealed: dict[str, Sealed] = {}
        self._by_id: dict[bytes, Sealed] = {}
        self._said_s: dict[str, float] = {}
        self._second_s = 0.0
        self._in_second = 0
        self._changing = asyncio.Lock()

    @property
    def all(self) -> tuple[CoapKey, ...]:
        """Who has credentials, the oldest first."""
        return tuple(self._known.values())

    async def load(self) -> None:
        """Read them, before anything else."""
        # What is written last may be lost with the journal and nobody sees it: each start goes on from
        # so far ahead that numbers that were used are not met again.
        ahead = LEAST_AHEAD + secrets.randbelow(MORE_AHEAD)
        await self._store.write(
            lambda db: db.execute("UPDATE coap_key SET reserved = reserved + ?", (ahead,)).rowcount
        )
        for key, secret in await self._store.read(_select):
            # Once only: what came from a device is remembered over restarts of our part alone.
            if key.endpoint not in self._known:
                self._add(key, secret, is_new=False)
        self.is_loaded = True

    def has(self, endpoint: str) -> bool:
        """Whether `endpoint` has credentials."""
        return endpoint in self._known

    def demands(self, endpoint: str) -> bool:
        """Whether `endpoint` must prove its name."""
        return self._from_all or endpoint in self._known

    def check(self, endpoint: str, speaker: str | None, host: str) -> None:
        """Let `speaker`, who proved that name or none, speak for `endpoint`.

        Raises:
            NotProvedError: it must prove its name, and did not, or proved another.
        """
        if speaker != endpoint and (speaker is not None or self.demands(endpoint)):
            self.refuse("a device without the credentials of the name it gives", f"{endpoint} at {host}")
            raise NotProvedError(f"{endpoint} needs its credentials")

    def of(self, endpoint: str) -> Sealed | None:
        """Return how to speak with `endpoint`; `None` if it has no credentials."""
        return self._sealed.get(endpoint)

    def by_id(self, device_id: bytes) -> Sealed | None:
        """Return whose id this is in its messages."""
        return self._by_id.get(device_id)

    async def make(self, endpoint: str, label: str) -> tuple[CoapKey, Credentials]:
        """Return new credentials for `endpoint`, which are said this once.

        Raises:
            KeyTakenError: it has some already.
            TooManyKeysError: there are `MAX_KEYS` already.
            NumbersForgottenError: the store is not durable.
            StoreError: they could not be kept.
        """
        check_durable(self._store)
        async with self._changing:
            if endpoint in self._known:
                raise KeyTakenError(f"There are credentials for {endpoint} already")
            if len(self._known) >= MAX_KEYS:
                raise TooManyKeysError(f"There are credentials for {MAX_KEYS} devices already")
            device_id = secrets.token_bytes(_DEVICE_ID_BYTES)
            while device_id in self._by_id:
                device_id = secrets.token_bytes(_DEVICE_ID_BYTES)
            key = CoapKey(endpoint=endpoint, label=label[:MAX_LABEL_CHARS], made_at=datetime.now(UTC))
            secret = Secret(
                master_secret=secrets.token_bytes(_SECRET_BYTES),
                master_salt=secrets.token_bytes(_SALT_BYTES),
                sender_id=BOX_ID,
                recipient_id=device_id,
            )
            await self._store.write(lambda db: _insert(db, key, secret))
            self._add(key, secret, is_new=True)
        log.info("OSCORE credentials for %s were made", endpoint)
        self.changes.publish(endpoint)
        return key, Credentials(
            master_secret=secret.master_secret,
            master_salt=secret.master_salt,
            sender_id=secret.recipient_id,
            recipient_id=secret.sender_id,
        )

    async def revoke(self, endpoint: str) -> None:
        """Take away the credentials of `endpoint`; nothing sealed with them is heard any more.

        Raises:
            UnknownKeyError: it has none.
            StoreError: it could not be written; they are still there.
        """
        async with self._changing:
            if endpoint not in self._known:
                raise UnknownKeyError(f"There are no credentials for {endpoint}")
            await self._store.write(lambda db: _forget(db, endpoint))
            del self._known[endpoint], self._by_id[self._sealed.pop(endpoint).keys.recipient_id]
        log.info("OSCORE credentials for %s were taken away", endpoint)
        self.changes.publish(endpoint)

    @property
    def is_flooded(self) -> bool:
        """Whether more than `MAX_REFUSED_PER_S` messages were refused in this second."""
        return self._in_second >= MAX_REFUSED_PER_S and self._clock() - self._second_s < 1

    def refuse(self, why: str, who: str) -> None:
        """Count a message refused, and say so now and then: strangers must not fill the log."""
        self.refused[why] += 1
        now_s = self._clock()
        if now_s - self._second_s >= 1:
            self._second_s, self._in_second = now_s, 0
        self._in_second += 1
        if now_s - self._said_s.get(why, -_SAY_EVERY_S) >= _SAY_EVERY_S:
            self._said_s[why] = now_s
            log.warning("CoAP: %s, last from %s; %d so far", why, who, self.refused[why])

    def _add(self, key: CoapKey, secret: Secret, *, is_new: bool) -> None:
        sealed = Sealed(key.endpoint, secret, self._store, is_new=is_new)
        self._known[key.endpoint] = key
        self._sealed[key.endpoint] = self._by_id[secret.recipient_id] = sealed


def _select(db: sqlite3.Connection) -> Iterable[tuple[CoapKey, Secret]]:
    rows = db.execute(
        "SELECT endpoint, label, secret, salt, device_id, made_at FROM coap_key ORDER BY made_at, endpoint"
    )
    return [
        (
            CoapKey(endpoint=endpoint, label=label, made_at=datetime.fromisoformat(made_at)),
            Secret(master_secret=secret, master_salt=salt, sender_id=BOX_ID, recipient_id=device_id),
        )
        for endpoint, label, secret, salt, device_id, made_at in rows
    ]


def _insert(db: sqlite3.Connection, key: CoapKey, secret: Secret) -> None:
    row: Mapping[str, object] = {
        "endpoint": key.endpoint,
        "label": key.label,
        "secret": secret.master_secret,
        "salt": secret.master_salt,
        "device_id": secret.recipient_id,
        "made_at": key.made_at.isoformat(),
    }
    db.execute(
        "INSERT INTO coap_key VALUES (:endpoint, :label, :secret, :salt, :device_id, :made_at, 0)", row
    )


def _forget(db: sqlite3.Connection, endpoint: str) -> None:
    # At once with all that was said of who had them: a power cut between would let a stranger
    # come in by the name alone.
    for table in ("coap_key", "coap_registration", "coap_admission"):
        db.execute(f"DELETE FROM {table} WHERE endpoint = ?", (endpoint,))  # noqa: S608 - names of ours
