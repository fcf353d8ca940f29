"""The firmware of the home's devices, kept at what the operator has signed: a service.

One rule: one device at a time, and never when the household would notice.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.errors import GatewayError
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_attempt import (
    Attempt,
    Attempts,
    FirmwareFailedError,
    FirmwareLateError,
    NoAttemptError,
    Stage,
)
from gateway.iot.firmware_choice import Candidate, Choice, choose
from gateway.iot.firmware_delivery import Carrying, Way
from gateway.iot.firmware_facts import FirmwareConfig, FirmwareRecord, Peace, Supply
from gateway.iot.firmware_source import FirmwareSource
from gateway.pubsub import Publisher
from gateway.store import Store, StoreError
from gateway.trust.asking import RefusedError
from gateway.trust.errors import TrustError, error_of
from gateway.trust.firmware import check_fresh
from gateway.trust.offers import FirmwareOffer

log = logging.getLogger(__name__)

_UNREACHABLE = "TRUST-101"
_FIRST_RETRY_S = 5.0
LAST_LOOKS = 20
"""A box that was off for longer than an update may take asks the device once more what became of it."""

ALL = "firmware"
"""Stands for every device in records when the repository as a whole is not believed."""


class Firmware:
    """Looks for images and brings devices to them.

    Attributes:
        changes: True whenever `records` may have changed.
    """

    def __init__(
        self,
        config: FirmwareConfig,
        supply: Supply,
        store: Store,
        ways: Sequence[Way],
        peace: Peace,
    ) -> None:
        """Describe it.

        Args:
            config: What the installer wants.
            supply: Where images come from.
            store: Keeps what became of each device.
            ways: How images get to devices.
            peace: When they may.
        """
        self.changes: Publisher[bool] = Publisher()
        self._config = config
        self._source = supply.source
        self._check_every_s = supply.check_every_s
        self._attempts = Attempts(store)
        self._ways: Mapping[str, Way] = {way.link: way for way in ways}
        self._peace = peace
        self._bell = asyncio.Event()
        self._calm = asyncio.Event()
        self._urgent: set[DeviceId] = set()
        self._candidates: Sequence[Candidate] = ()
        self._offers: Sequence[FirmwareOffer] = ()
        self._choice = Choice()
        self._refused: dict[str, GatewayError] = {}
        self._whole: GatewayError | None = None
        self._checked_at: datetime | None = None
        self._next_check_s = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._asked: frozenset[tuple[str, str]] = frozenset()

    @property
    def records(self) -> Sequence[FirmwareRecord]:
        """Every device that was offered something or has been on the way, then what is refused for all."""
        found = [
            self._record(each)
            for each in self._candidates
            if each.device in self._choice.available or each.device in self._attempts.all
        ]
        here = {each.device for each in self._candidates}
        found += [
            FirmwareRecord(id=each.device, stage=each.stage, code=each.code, reason=each.reason)
            for each in self._attempts.all.values()
            if each.device not in here and each.stage is not Stage.UPDATED
        ]
        if self._whole is not None and not found:
            why = self._whole
            found = [FirmwareRecord(id=ALL, code=why.code, reason=str(why), checked_at=self._checked_at)]
        return [
            *found,
            *(
                FirmwareRecord(id=path, code=error.code, reason=str(error), checked_at=self._checked_at)
                for path, error in sorted(self._refused.items())
            ),
        ]

    def _record(self, it: Candidate) -> FirmwareRecord:
        attempt, why = self._attempts.all.get(it.device), self._choice.refused.get(it.device)
        if self._whole is not None:
            why = self._whole
        own = attempt if attempt and attempt.stage is not Stage.UPDATED else None
        return FirmwareRecord(
            id=it.device,
            installed=it.version or None,
            available=self._choice.available.get(it.device),
            stage=attempt.stage if attempt else None,
            code=own.code if own and own.code else why.code if why else None,
            reason=own.reason if own and own.code else str(why) if why else None,
            checked_at=self._checked_at,
        )

    def look(self) -> None:
        """Look at the repository now."""
        self._next_check_s = 0.0
        self._bell.set()

    async def retry(self, device: DeviceId) -> None:
        """Try again what failed with `device`, at once.

        Raises:
            NoAttemptError: nothing has failed.
        """
        await self._attempts.forget(device)
        self._urgent.add(device)
        self._bell.set()
        self.changes.publish(True)

    async def skip(self, device: DeviceId) -> None:
        """Leave `device` alone with the image that failed; the others do not wait for it.

        Raises:
            NoAttemptError: nothing has failed.
        """
        attempt = self._attempts.all.get(device)
        on_trial = attempt is not None and attempt.stage is Stage.UPDATED and not attempt.healthy
        if attempt is None or not (attempt.stage is Stage.FAILED or on_trial):
            raise NoAttemptError(f"{device} has no update that failed, or is on trial")
        await self._attempts.keep(replace(attempt, stage=Stage.SKIPPED))
        self._bell.set()
        self.changes.publish(True)

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep the devices at what is signed until cancelled; what was under way goes on first."""
        await self._attempts.load()
        if self._attempts.active is None:
            for way in self._ways.values():
                way.settle()
        ready()
        if self._source is None or not self._config.enabled:
            await asyncio.Event().wait()
            return
        async with asyncio.TaskGroup() as group:
            for changes in self._peace.changes:
                group.create_task(self._hear(changes), name="firmware peace")
            while True:
                self._bell.clear()
                try:
                    worked = await self._round(self._source)
                except StoreError as error:
                    log.warning("%s", error.line())
                    worked = False
                self.changes.publish(True)
                if not worked:
                    await self._rest()

    async def _hear(self, publisher: Publisher[Any]) -> None:
        with publisher.subscribe() as changes:
            async for _ in changes:
                calm = self._peace.may_start()
                if calm and not self._calm.is_set():
                    self._bell.set()
                (self._calm.set if calm else self._calm.clear)()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._config.survey_s):
                await self._bell.wait()
        except TimeoutError:
            pass

    async def _round(self, source: FirmwareSource) -> bool:
        """Do the next thing; return whether there may be another at once."""
        if active := self._attempts.active:
            return await self._carry(source, active)
        self._candidates = [each for way in self._ways.values() for each in await way.survey()]
        await self._check(source)
        await self._judge_health()
        self._choice = choose(self._candidates, self._offers, self._attempts.all, datetime.now(UTC))
        if self._choice.start is None:
            await source.tidy(())
            return False
        candidate, offer = self._choice.start
        urgent = candidate.device in self._urgent
        if (
            not (urgent or self._config.allows(datetime.now().astimezone().hour))
            or not self._peace.may_start()
        ):
            return False
        self._urgent.discard(candidate.device)
        now = datetime.now(UTC)
        attempt = Attempt(
            device=candidate.device, path=offer.path, manifest=offer.manifest, started_at=now, changed_at=now
        )
        return await self._carry(source, attempt)

    async def _check(self, source: FirmwareSource) -> None:
        kinds = frozenset((each.vendor, each.model) for each in self._candidates)
        if not kinds or (time.monotonic() < self._next_check_s and kinds <= self._asked):
            return
        try:
            listing = await source.listing(kinds)
            good, backward = await self._attempts.admit(listing.offers)
        except RefusedError as error:
            self._whole = error_of(error.refused.code, error.refused.reason)
            away = error.refused.code == _UNREACHABLE
            pause_s = min(self._retry_s, self._check_every_s) if away else self._check_every_s
            self._retry_s *= 2
            log.warning("%s", self._whole.line())
        else:
            self._whole, self._offers = None, good
            self._refused = {each.path: error_of(each.code, each.reason) for each in listing.refused}
            self._refused |= backward
            pause_s, self._retry_s = self._check_every_s, _FIRST_RETRY_S
            for path, why in self._refused.items():
                log.warning("%s: %s", path, why.line())
        self._asked = kinds
        self._checked_at = datetime.now(UTC)
        self._next_check_s = time.monotonic() + pause_s

    async def _judge_health(self) -> None:
        """Decide of the devices whose time of trial is over."""
        now = datetime.now(UTC)
        for each in self._candidates:
            attempt = self._attempts.all.get(each.device)
            if attempt is None or attempt.stage is not Stage.UPDATED or attempt.healthy:
                continue
            if each.version != attempt.manifest.version:
                went_back = FirmwareFailedError(f"the device went back to {each.version or 'something else'}")
                await self._attempts.keep(attempt.now(Stage.FAILED, went_back))
            elif (now - attempt.changed_at).total_seconds() >= self._config.canary_s:
                await self._attempts.keep(replace(attempt, healthy=True))

    async def _carry(self, source: FirmwareSource, attempt: Attempt) -> bool:
        """Bring one device to its image; return whether it ended, either way."""
        left_s = self._config.deadline_s - (datetime.now(UTC) - attempt.started_at).total_seconds()
        late = FirmwareLateError(f"no {attempt.manifest.version} after {self._config.deadline_s / 3600:g} h")
        failed: GatewayError = late
        try:
            if attempt.stage is not Stage.UPDATING:
                check_fresh(attempt.manifest, datetime.now(UTC))
            image = await source.image(attempt.path, attempt.manifest)
            await self._attempts.keep(attempt)
            log.info("%s goes to firmware %s", attempt.device, attempt.manifest.version)
            async with asyncio.timeout(left_s if left_s > 0 else LAST_LOOKS * self._config.poll_s):
                ended = await self._way(attempt).carry(attempt, Carrying(image, self._note, self._cleared))
        except RefusedError as error:
            failed = error_of(error.refused.code, error.refused.reason)
            if not self._ends(attempt, failed, left_s):
                return False
        except TimeoutError:
            pass
        except (FirmwareFailedError, TrustError) as error:
            failed = error
        else:
            await self._note(ended)
            log.info("%s runs firmware %s", ended.device, ended.manifest.version)
            return True
        log.warning(
            "%s does not get firmware %s: %s", attempt.device, attempt.manifest.version, failed.line()
        )
        await self._note(self._attempts.all.get(attempt.device, attempt).now(Stage.FAILED, failed))
        return True

    def _way(self, attempt: Attempt) -> Way:
        way = self._ways.get(attempt.manifest.link)
        if way is None:
            raise FirmwareFailedError(f"images do not go over {attempt.manifest.link} here")
        return way

    def _ends(self, attempt: Attempt, refused: GatewayError, left_s: float) -> bool:
        """Tell whether an image that could not be had ends an attempt; it may come later."""
        away = refused.code == _UNREACHABLE
        self._refused[attempt.path] = refused
        log.warning("%s: %s", attempt.path, refused.line())
        if self._attempts.active is not None:
            return not away or left_s <= 0
        # The device was not told anything yet: the repository is at fault, not it.
        if not away:
            self._offers = [each for each in self._offers if each.path != attempt.path]
        return False

    async def _note(self, attempt: Attempt) -> None:
        await self._attempts.keep(attempt)
        self.changes.publish(True)

    async def _cleared(self) -> None:
        while not self._peace.may_start():
            self._calm.clear()
            await self._calm.wait()
