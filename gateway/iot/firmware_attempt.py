"""What became of a device's firmware: one attempt for each device, kept over power cuts.

One rule: a step is written down before it is taken, so that whoever starts
again knows at least what may have happened.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

import msgspec

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import DeviceId
from gateway.store import Store
from gateway.trust.errors import AlteredError, RolledBackError, TrustError
from gateway.trust.firmware import SignedFirmware
from gateway.trust.offers import FirmwareOffer

MAX_ATTEMPTS = 1_000
MAX_KINDS = 5_000

MIGRATIONS = (
    """
    CREATE TABLE firmware_attempt (
        device TEXT PRIMARY KEY, path TEXT NOT NULL, manifest BLOB NOT NULL, stage TEXT NOT NULL,
        token TEXT NOT NULL, block INTEGER NOT NULL, tries INTEGER NOT NULL, healthy INTEGER NOT NULL,
        code TEXT, reason TEXT, started_at TEXT NOT NULL, changed_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE firmware_sequence (
        vendor TEXT NOT NULL, model TEXT NOT NULL, hardware TEXT NOT NULL, link TEXT NOT NULL,
        sequence INTEGER NOT NULL, sha256 TEXT NOT NULL,
        PRIMARY KEY (vendor, model, hardware, link)
    ) STRICT;
    """,
)


class FirmwareFailedError(GatewayError):
    """A device did not take its firmware."""

    code: ClassVar[str] = "IOT-801"
    hint = "The device goes on with what it has; try again from the list of updates."


class FirmwareLateError(GatewayError):
    """A device did not come back with its new firmware in time."""

    code: ClassVar[str] = "IOT-802"
    hint = "Check that the device has power and reaches the box, then try again from the list of updates."


class FirmwareHeldError(GatewayError):
    """The first device with an image failed, so the others do not get it."""

    code: ClassVar[str] = "IOT-803"
    hint = "Try the first device again, or wait for the operator's next image."


class NoAttemptError(BadInputError):
    """There is no update of that device to try again or to skip."""

    code: ClassVar[str] = "IOT-804"
    hint = "Look at the list of updates; it may be under way or done."


class Stage(StrEnum):
    """How far an attempt is: as object 5 names it, then how it ended."""

    IDLE = "idle"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    UPDATING = "updating"
    UPDATED = "updated"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def over(self) -> bool:
        """Whether nothing more is done by itself."""
        return self in (Stage.UPDATED, Stage.FAILED, Stage.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One device on its way to one image.

    Attributes:
        device: Whose.
        path: Of the manifest.
        manifest: What was signed.
        token: Under which the device fetches the image, nobody's guess.
        block: Bytes that the device has acknowledged, when the box pushes.
        tries: How often the delivery began.
        healthy: Whether the device still ran the image after the time of trial.
        code: Why it failed.
        reason: In words for an installer.
    """

    device: DeviceId
    path: str
    manifest: SignedFirmware
    stage: Stage = Stage.IDLE
    token: str = ""
    block: int = 0
    tries: int = 0
    healthy: bool = False
    code: str | None = None
    reason: str | None = None
    started_at: datetime
    changed_at: datetime

    def now(self, stage: Stage, error: GatewayError | None = None) -> "Attempt":
        """Return it as it is from now on."""
        return replace(
            self,
            stage=stage,
            code=error.code if error else None,
            reason=str(error) if error else None,
            changed_at=datetime.now(UTC),
        )


class Attempts:
    """Keeps them, and the highest sequence that was seen of each kind of device."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._attempts: dict[DeviceId, Attempt] = {}
        self._seen: dict[tuple[str, str, str, str], tuple[int, str]] = {}

    @property
    def all(self) -> Mapping[DeviceId, Attempt]:
        """The latest attempt of each device."""
        return self._attempts

    @property
    def active(self) -> Attempt | None:
        """The one that is under way."""
        return next((each for each in self._attempts.values() if not each.stage.over), None)

    async def load(self) -> None:
        """Read them; called once, before anything else."""
        self._attempts, self._seen = await self._store.read(_select)

    async def keep(self, attempt: Attempt) -> None:
        """Write `attempt` down in place of the device's former one.

        Raises:
            StoreError: it could not be kept; nothing has changed.
        """
        ended = [
            each for each in self._attempts.values() if each.stage.over and each.device != attempt.device
        ]
        ended.sort(key=lambda each: each.changed_at)
        forgotten = [each.device for each in ended[: max(0, len(self._attempts) - MAX_ATTEMPTS + 1)]]
        await self._store.write(lambda db: _replace(db, attempt, forgotten))
        for device in forgotten:
            del self._attempts[device]
        self._attempts[attempt.device] = attempt

    async def forget(self, device: DeviceId) -> None:
        """Forget what became of `device`, so that it is tried again.

        Raises:
            NoAttemptError: there is nothing to try again.
        """
        attempt = self._attempts.get(device)
        if attempt is None or attempt.stage not in (Stage.FAILED, Stage.SKIPPED):
            raise NoAttemptError(f"{device} has no update that failed")
        await self._store.write(
            lambda db: db.execute("DELETE FROM firmware_attempt WHERE device = ?", (device,)) and None
        )
        del self._attempts[device]

    async def admit(
        self, offers: Iterable[FirmwareOffer]
    ) -> tuple[list[FirmwareOffer], dict[str, TrustError]]:
        """Tell which of `offers` are no step back, and remember how far they go.

        Returns:
            Those to use; and by path why the others are not.
        """
        good: list[FirmwareOffer] = []
        refused: dict[str, TrustError] = {}
        raised: dict[tuple[str, str, str, str], tuple[int, str]] = {}
        by_kind: dict[tuple[str, str, str, str], list[FirmwareOffer]] = {}
        for offer in offers:
            for kind in _kinds(offer.manifest):
                by_kind.setdefault(kind, []).append(offer)
        for kind, own in by_kind.items():
            newest = max(own, key=lambda offer: offer.manifest.sequence).manifest
            known = self._seen.get(kind)
            if known and newest.sequence < known[0]:
                # Earlier steps may stand beside the newest one, never alone.
                error: TrustError = RolledBackError(
                    f"sequence {newest.sequence} is offered, {known[0]} was seen"
                )
            elif known and newest.sequence == known[0] and newest.sha256 != known[1]:
                error = AlteredError(f"sequence {newest.sequence} was seen with another image")
            else:
                if known is None or known[0] != newest.sequence:
                    raised[kind] = (newest.sequence, newest.sha256)
                continue
            refused |= {offer.path: error for offer in own}
        if len(self._seen.keys() | raised.keys()) > MAX_KINDS:
            raised = {kind: seen for kind, seen in raised.items() if kind in self._seen}
        if raised:
            await self._store.write(lambda db: _raise(db, raised))
            self._seen |= raised
        good = [offer for kind in by_kind.values() for offer in kind if offer.path not in refused]
        return list({offer.path: offer for offer in good}.values()), refused


def _kinds(manifest: SignedFirmware) -> Sequence[tuple[str, str, str, str]]:
    return [(manifest.vendor, manifest.model, hardware, manifest.link) for hardware in manifest.hardware]


def _select(
    db: sqlite3.Connection,
) -> tuple[dict[DeviceId, Attempt], dict[tuple[str, str, str, str], tuple[int, str]]]:
    columns = (
        "device, path, manifest, stage, token, block, tries, healthy, code, reason, started_at, changed_at"
    )
    attempts = {}
    for row in db.execute(f"SELECT {columns} FROM firmware_attempt ORDER BY device"):  # noqa: S608 - ours
        device, path, manifest, stage, token, block, tries, healthy, code, reason, started, changed = row
        attempts[DeviceId(device)] = Attempt(
            device=DeviceId(device),
            path=path,
            manifest=msgspec.json.decode(manifest, type=SignedFirmware),
            stage=Stage(stage),
            token=token,
            block=block,
            tries=tries,
            healthy=bool(healthy),
            code=code,
            reason=reason,
            started_at=datetime.fromisoformat(started),
            changed_at=datetime.fromisoformat(changed),
        )
    rows = db.execute("SELECT vendor, model, hardware, link, sequence, sha256 FROM firmware_sequence")
    return attempts, {tuple(row[:4]): tuple(row[4:]) for row in rows}


def _replace(db: sqlite3.Connection, it: Attempt, forgotten: Sequence[DeviceId]) -> None:
    for device in forgotten:
        db.execute("DELETE FROM firmware_attempt WHERE device = ?", (device,))
    row = (
        *(it.device, it.path, msgspec.json.encode(it.manifest), it.stage.value, it.token, it.block, it.tries),
        *(int(it.healthy), it.code, it.reason, it.started_at.isoformat(), it.changed_at.isoformat()),
    )
    db.execute("INSERT OR REPLACE INTO firmware_attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _raise(db: sqlite3.Connection, raised: Mapping[tuple[str, str, str, str], tuple[int, str]]) -> None:
    rows = [(*kind, *seen) for kind, seen in raised.items()]
    db.executemany("INSERT OR REPLACE INTO firmware_sequence VALUES (?, ?, ?, ?, ?, ?)", rows)
