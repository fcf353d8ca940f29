"""What the child lock keeps on the disk: settings, the PIN's digest, and today's minutes.

One rule: the PIN itself is nowhere, and guessing it from the disk is made slow.
"""

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time

import msgspec

from gateway.media.lineup import ChannelId
from gateway.media.lock_rules import Hours, LockSettings
from gateway.store import Store

KEPT_DAYS = 8
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE child_lock (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        salt BLOB NOT NULL, pin BLOB NOT NULL, settings TEXT NOT NULL, wrong_pins INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE child_lock_day (day TEXT PRIMARY KEY, watched_s REAL NOT NULL) STRICT, WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class PinDigest:
    """Enough to know a PIN again, and no more."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, pin: str) -> "PinDigest":
        """Return the digest of a new PIN; takes some 50 ms, on purpose."""
        salt = secrets.token_bytes(16)
        return cls(salt, hashlib.scrypt(pin.encode(), salt=salt, **_SCRYPT))

    def matches(self, pin: str) -> bool:
        """Tell whether `pin` is the one."""
        return hmac.compare_digest(self.digest, hashlib.scrypt(pin.encode(), salt=self.salt, **_SCRYPT))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLock:
    """All of it.

    Attributes:
        pin: None while there is no lock.
        wrong_pins: In a row; counts on over a power cut.
        days: Seconds watched, of the last days.
    """

    pin: PinDigest | None = None
    settings: LockSettings = field(default_factory=LockSettings)
    wrong_pins: int = 0
    days: Mapping[date, float] = field(default_factory=dict)


class _Written(msgspec.Struct):
    max_age: int | None
    channels: list[str]
    hours: tuple[time, time] | None
    minutes_a_day: int | None


class LockMemory:
    """The lock's rows in the store; every method raises `StoreError` when that fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> KeptLock:
        """Return what was kept; no lock on a new box."""
        return await self._store.read(_load)

    async def save(self, pin: PinDigest, settings: LockSettings) -> None:
        """Keep PIN and settings; wrong PINs are forgiven."""
        hours = (settings.hours.start, settings.hours.stop) if settings.hours else None
        written = _Written(settings.max_age, sorted(settings.channels), hours, settings.minutes_a_day)
        row = (pin.salt, pin.digest, msgspec.json.encode(written).decode())
        await self._store.write(
            lambda db: db.execute("INSERT OR REPLACE INTO child_lock VALUES (1, ?, ?, ?, 0)", row) and None
        )

    async def count_wrong(self, wrong_pins: int) -> None:
        """Keep how often in a row the PIN was wrong."""
        await self._store.write(
            lambda db: db.execute("UPDATE child_lock SET wrong_pins = ?", (wrong_pins,)) and None
        )

    async def charge(self, day: date, watched_s: float) -> None:
        """Keep how long was watched on `day`."""
        await self._store.write(lambda db: _charge(db, day, watched_s))


def _load(db: sqlite3.Connection) -> KeptLock:
    days = {
        date.fromisoformat(day): watched_s
        for day, watched_s in db.execute("SELECT day, watched_s FROM child_lock_day")
    }
    row = db.execute("SELECT salt, pin, settings, wrong_pins FROM child_lock").fetchone()
    if row is None:
        return KeptLock(days=days)
    salt, digest, text, wrong_pins = row
    written = msgspec.json.decode(text, type=_Written)
    settings = LockSettings(
        max_age=written.max_age,
        channels=frozenset(ChannelId(channel) for channel in written.channels),
        hours=Hours(*written.hours) if written.hours else None,
        minutes_a_day=written.minutes_a_day,
    )
    return KeptLock(pin=PinDigest(salt, digest), settings=settings, wrong_pins=wrong_pins, days=days)


def _charge(db: sqlite3.Connection, day: date, watched_s: float) -> None:
    db.execute("INSERT OR REPLACE INTO child_lock_day VALUES (?, ?)", (day.isoformat(), watched_s))
    db.execute(
        "DELETE FROM child_lock_day WHERE day NOT IN "
        "(SELECT day FROM child_lock_day ORDER BY day DESC LIMIT ?)",
        (KEPT_DAYS,),
    )
