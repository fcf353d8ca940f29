"""Which device gets which image now.  Pure.

One rule: in doubt nobody gets anything.  An image goes to the very devices it
names, first to one of them, and to the others after that one has stayed well.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_attempt import Attempt, FirmwareHeldError, Stage
from gateway.trust.errors import (
    FrozenRepositoryError,
    MissingStepError,
    RolledBackError,
    TrustError,
    WrongDeviceError,
)
from gateway.trust.firmware import Kind, SignedFirmware, check_fresh, version_numbers
from gateway.trust.offers import FirmwareOffer

GONE_AFTER = timedelta(days=2)
"""A device on trial that has not been seen for so long since its update is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A device, as it tells of itself now.

    Attributes:
        hardware: Empty if it reports none.
        version: Of the firmware it runs.
        link: How an image gets to it.
    """

    device: DeviceId
    vendor: str
    model: str
    hardware: str
    version: str
    link: Kind


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do, and what to tell.

    Attributes:
        start: Which device begins with which image; `None` for nobody.
        available: Newest version offered for each device.
        refused: Why a device does not get the newest one.
    """

    start: tuple[Candidate, FirmwareOffer] | None = None
    available: Mapping[DeviceId, str] = field(default_factory=dict)
    refused: Mapping[DeviceId, GatewayError] = field(default_factory=dict)


def choose(
    candidates: Collection[Candidate],
    offers: Sequence[FirmwareOffer],
    attempts: Mapping[DeviceId, Attempt],
    now: datetime,
) -> Choice:
    """Return who begins now, the first by name of those who may.

    Args:
        candidates: The devices that can be reached.
        offers: Believed, and no step back.
        attempts: What became of each device's latest image.
        now: For the images' own dates.
    """
    here = {each.device for each in candidates}
    start = None
    available: dict[DeviceId, str] = {}
    refused: dict[DeviceId, GatewayError] = {}
    for each in sorted(candidates, key=lambda each: each.device):
        fit = _fitting(each, offers, now)
        if fit.newest is not None:
            available[each.device] = fit.newest.version
        if fit.why is not None:
            refused[each.device] = fit.why
        offer = fit.offer
        if offer is None:
            continue
        known = attempts.get(each.device)
        if known is not None and known.path == offer.path and known.stage in (Stage.FAILED, Stage.SKIPPED):
            continue
        trial = [
            one
            for one in attempts.values()
            if one.path == offer.path and one.device != each.device and not _has_left(one, here, now)
        ]
        if not any(one.healthy for one in trial):
            if any(one.stage is Stage.FAILED for one in trial):
                refused.setdefault(
                    each.device, FirmwareHeldError(f"{offer.manifest.version} failed on another device")
                )
                continue
            if any(one.stage is not Stage.SKIPPED for one in trial):
                continue
        start = start or (each, offer)
    return Choice(start, available, refused)


class _Fit(NamedTuple):
    """What is there for a device: the newest image, the one to begin with, and why that is not the newest."""

    newest: SignedFirmware | None = None
    offer: FirmwareOffer | None = None
    why: TrustError | None = None


def _fitting(it: Candidate, offers: Sequence[FirmwareOffer], now: datetime) -> _Fit:
    kind = (it.vendor, it.model, it.link)
    alike = [
        each for each in offers if (each.manifest.vendor, each.manifest.model, each.manifest.link) == kind
    ]
    alike.sort(key=lambda offer: offer.manifest.sequence, reverse=True)
    own = [offer for offer in alike if it.hardware in offer.manifest.hardware]
    if not alike:
        return _Fit()
    if not own:
        said, newest = it.hardware or "none", alike[0].manifest
        why = WrongDeviceError(f"the device has hardware {said}, {newest.version} is for others")
        return _Fit(newest, None, why)
    newest = own[0].manifest
    have, offered = version_numbers(it.version), version_numbers(newest.version)
    if newest.version != it.version and have is not None and offered is not None and have > offered:
        return _Fit(
            newest, None, RolledBackError(f"{newest.version} is offered, the device runs {it.version}")
        )
    problem: TrustError | None = None
    for offer in own:
        if offer.manifest.version == it.version:
            break
        step = version_numbers(offer.manifest.version)
        if offer is not own[0] and (have is None or step is None or step <= have):
            # What is on the way to the newest is newer than what it runs, or it would lead back.
            break
        try:
            check_fresh(offer.manifest, now)
            _check_step(it, offer.manifest)
        except (FrozenRepositoryError, MissingStepError) as no:
            problem = problem or no
        else:
            return _Fit(newest, offer, problem)
    return _Fit(newest, None, problem)


def _check_step(it: Candidate, manifest: SignedFirmware) -> None:
    if not manifest.minimum_installed:
        return
    have, least = version_numbers(it.version), version_numbers(manifest.minimum_installed)
    if have is None or least is None or have < least:
        runs = it.version or "nothing it tells"
        raise MissingStepError(
            f"{manifest.version} needs {manifest.minimum_installed}, the device runs {runs}"
        )


def _has_left(one: Attempt, here: Collection[DeviceId], now: datetime) -> bool:
    """Whether a device on trial is gone: no reason to keep a mended fault from the others."""
    on_trial = one.stage is Stage.UPDATED and not one.healthy
    return on_trial and one.device not in here and now - one.changed_at >= GONE_AFTER
