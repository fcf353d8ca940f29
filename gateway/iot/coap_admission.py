"""Which CoAP devices a person has let into the home.

One rule: whoever is not admitted is a name that waits and nothing more: it is
not read, not shown and not told anything.

A verdict is about an endpoint's name and outlives restarts and new addresses.
The name is the device's own word, unless it has credentials, which prove it
and are made by a person: they let it in without being asked about again.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from gateway.errors import BadInputError
from gateway.pubsub import Publisher
from gateway.store import Store

log = logging.getLogger(__name__)

MAX_WAITING = 16
"""Beyond it the one that has waited longest is forgotten."""
MAX_JUDGED = 1_000
"""Verdicts remembered; beyond it the oldest refusal is forgotten."""
MAX_KNOCKS_A_MINUTE = 60
_MINUTE_S = 60.0

# Devices that were registered before anybody was asked have been part of the home already.
MIGRATION = """
    CREATE TABLE coap_admission (
        endpoint TEXT PRIMARY KEY, verdict TEXT NOT NULL, name TEXT NOT NULL, model TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
    INSERT INTO coap_admission
        SELECT endpoint, 'admitted', name, model, strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now')
        FROM coap_registration;
    """


class NotAdmittedError(BadInputError):
    """A device that was refused wants to register."""

    code: ClassVar[str] = "IOT-705"
    hint = "Allow it in the list of refused devices, if it is yours after all."


class TooManyStrangersError(BadInputError):
    """More unknown devices than the box listens to want to register."""

    code: ClassVar[str] = "IOT-706"
    hint = "Try again in a minute; look for the device that keeps changing its name."


class UnknownApplicantError(BadInputError):
    """Nobody of that name waits, and there was no verdict."""

    code: ClassVar[str] = "IOT-707"
    hint = "Look at the list; it may have gone, or somebody else has decided."


class Verdict(StrEnum):
    """What a person said of a device."""

    ADMITTED = "admitted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """A device that waits; all of it is what it says of itself, but for `since`."""

    endpoint: str
    name: str
    model: str
    address: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A device of which a person has decided."""

    endpoint: str
    verdict: Verdict
    name: str
    model: str
    at: datetime


class Keys(Protocol):
    """See `gateway.iot.coap_keys.CoapKeys`."""

    def has(self, endpoint: str) -> bool: ...
    def demands(self, endpoint: str) -> bool: ...


class Admission:
    """Keeps the verdicts, and who waits for one.

    Attributes:
        changes: The endpoint whose verdict changed, or that waits, or waits no more.
        turned_away: Knocks refused for being too many.
    """

    def __init__(  # noqa: PLR0913 - each is a wish of its own
        self,
        store: Store,
        *,
        is_open: bool = False,
        always: Collection[str] = (),
        max_admitted: int = 200,
        keys: Keys | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe it.

        Args:
            store: Where verdicts are kept.
            is_open: Whether everybody is let in who was not refused.
            always: Endpoints that the configuration admits.
            max_admitted: More are not admitted.
            keys: Who was given credentials, which lets him in, and who must have some.
            clock: Monotonic seconds.
        """
        self.changes: Publisher[str] = Publisher()
        self.turned_away = 0
        self._store = store
        self._is_open = is_open
        self._always = frozenset(always)
        self._max_admitted = max_admitted
        self._keys = keys
        self._clock = clock
        self._judged: dict[str, Judged] = {}
        self._waiting: dict[str, Applicant] = {}
        self._knocks_s: deque[float] = deque(maxlen=MAX_KNOCKS_A_MINUTE)
        self._deciding = asyncio.Lock()

    @property
    def waiting(self) -> Sequence[Applicant]:
        """Who waits, the longest first."""
        return tuple(self._waiting.values())

    @property
    def judged(self) -> Sequence[Judged]:
        """Of whom was decided, the oldest verdict first."""
        return tuple(self._judged.values())

    async def load(self) -> None:
        """Read the verdicts; called once, before anything else."""
        self._judged = dict(await self._store.read(_select))

    def admits(self, endpoint: str) -> bool:
        """Whether `endpoint` is part of the home."""
        if not self.may_ask(endpoint):
            return False
        if endpoint in self._always:
            return True
        judged = self._judged.get(endpoint)
        if judged is None:
            return self._is_open or (self._keys is not None and self._keys.has(endpoint))
        return judged.verdict is Verdict.ADMITTED

    def may_ask(self, endpoint: str) -> bool:
        """Whether a person can let `endpoint` in."""
        return self._keys is None or self._keys.has(endpoint) or not self._keys.demands(endpoint)

    def check(self, endpoint: str) -> None:
        """Let `endpoint` register, as part of the home or to wait.

        Raises:
            NotAdmittedError: a person refused it.
            TooManyStrangersError: strangers have come too often in this minute.
        """
        if self.admits(endpoint):
            return
        if endpoint in self._judged:
            raise NotAdmittedError(f"{endpoint} was refused")
        now_s = self._clock()
        if len(self._knocks_s) == MAX_KNOCKS_A_MINUTE and now_s - self._knocks_s[0] < _MINUTE_S:
            self.turned_away += 1
            raise TooManyStrangersError(f"{MAX_KNOCKS_A_MINUTE} unknown devices came in a minute")
        self._knocks_s.append(now_s)

    def knock(self, applicant: Applicant) -> Sequence[str]:
        """Let `applicant` wait; returns the endpoints that wait no more for want of room."""
        if applicant.endpoint not in self._waiting:
            log.info("CoAP device %s at %s waits to be allowed", applicant.endpoint, applicant.address)
        self._waiting[applicant.endpoint] = applicant
        gone = list(self._waiting)[:-MAX_WAITING]
        for endpoint in gone:
            log.warning("CoAP device %s waits no more: %d others do", endpoint, MAX_WAITING)
            del self._waiting[endpoint]
        self.changes.publish(applicant.endpoint)
        return gone

    def leave(self, endpoint: str) -> None:
        """Forget that `endpoint` waits, if it does."""
        if self._waiting.pop(endpoint, None):
            self.changes.publish(endpoint)

    async def decide(self, endpoint: str, verdict: Verdict) -> None:
        """Keep what a person said of `endpoint`, in place of what was said before.

        Raises:
            UnknownApplicantError: it does not wait, and never did.
            TooManyStrangersError: as many as may be are admitted already.
            StoreError: it could not be kept; nothing has changed.
        """
        async with self._deciding:
            known = self._waiting.get(endpoint) or self._judged.get(endpoint)
            if known is None:
                raise UnknownApplicantError(f"No device {endpoint} waits")
            if verdict is Verdict.ADMITTED and self._count(Verdict.ADMITTED) >= self._max_admitted:
                raise TooManyStrangersError(f"{self._max_admitted} CoAP devices are admitted already")
            judged = Judged(
                endpoint=endpoint,
                verdict=verdict,
                name=known.name,
                model=known.model,
                at=datetime.now(UTC),
            )
            forgotten = self._too_many() if endpoint not in self._judged else ()
            await self._store.write(lambda db: _replace(db, judged, forgotten))
            for each in (endpoint, *forgotten):
                self._judged.pop(each, None)
            self._judged[endpoint] = judged
            self._waiting.pop(endpoint, None)
        log.info("CoAP device %s is %s", endpoint, verdict)
        self.changes.publish(endpoint)

    async def forget(self, endpoint: str) -> None:
        """Take back the verdict on `endpoint`: it is out, and may ask again.

        Raises:
            UnknownApplicantError: there is none.
            StoreError: it could not be kept; nothing has changed.
        """
        async with self._deciding:
            if endpoint not in self._judged:
                raise UnknownApplicantError(f"There is no verdict on {endpoint}")
            await self._store.write(
                lambda db: db.execute("DELETE FROM coap_admission WHERE endpoint = ?", (endpoint,)) and None
            )
            del self._judged[endpoint]
        log.info("CoAP device %s is forgotten", endpoint)
        self.changes.publish(endpoint)

    def _count(self, verdict: Verdict) -> int:
        return sum(judged.verdict is verdict for judged in self._judged.values())

    def _too_many(self) -> Sequence[str]:
        if len(self._judged) < MAX_JUDGED:
            return ()
        refused = [one.endpoint for one in self._judged.values() if one.verdict is Verdict.REFUSED]
        return refused[:1]


def _select(db: sqlite3.Connection) -> Mapping[str, Judged]:
    rows = db.execute("SELECT endpoint, verdict, name, model, at FROM coap_admission ORDER BY at, endpoint")
    return {
        endpoint: Judged(
            endpoint=endpoint,
            verdict=Verdict(verdict),
            name=name,
            model=model,
            at=datetime.fromisoformat(at),
        )
        for endpoint, verdict, name, model, at in rows
    }


def _replace(db: sqlite3.Connection, judged: Judged, forgotten: Sequence[str]) -> None:
    for endpoint in forgotten:
        db.execute("DELETE FROM coap_admission WHERE endpoint = ?", (endpoint,))
    row = (judged.endpoint, judged.verdict.value, judged.name, judged.model, judged.at.isoformat())
    db.execute("INSERT OR REPLACE INTO coap_admission VALUES (?, ?, ?, ?, ?)", row)
