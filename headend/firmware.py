"""Putting an image of a device's firmware under the operator's signature.

One rule: a sequence number is used once and only rises; what boxes have seen
under it never changes its bytes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile, Targets

from gateway.trust.errors import TrustError
from gateway.trust.firmware import (
    MAX_IMAGE_BYTES,
    ROLE,
    Kind,
    SignedFirmware,
    image_path,
    manifest_path,
    place_of,
    read_signed,
    slug,
)
from headend.ceremony import Validity, admits
from headend.errors import NoFirmwareSignerError, UsageError, VersionTakenError
from headend.keys import KeyRing
from headend.repository import Repository, in_days, sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Who an image is for; see `gateway.trust.firmware.SignedFirmware`.

    Attributes:
        sequence: `None` for the next one.
    """

    vendor: str
    model: str
    hardware: tuple[str, ...]
    version: str
    link: Kind
    expires: datetime
    minimum_installed: str = ""
    sequence: int | None = None


def stage(
    repository: Repository, ring: KeyRing, image: Path, wishes: Wishes, validity: Validity
) -> SignedFirmware:
    """Sign `image` with the key for firmware and stage it.

    An earlier image for none but the same revisions, by the same link, is offered no more.

    Raises:
        UsageError: a box would refuse the manifest.
        VersionTakenError: the sequence number is not above those that were used.
        NoFirmwareSignerError: firmware is not admitted.
        KeyRingError: the key is not in `ring`.
    """
    delegations = repository.working("targets", Targets).signed.delegations
    if delegations is None or not admits(repository, ROLE):
        raise NoFirmwareSignerError("nobody may sign devices' firmware in this repository")
    if not 0 < image.stat().st_size <= MAX_IMAGE_BYTES:
        raise UsageError(f"{image} must have 1 to {MAX_IMAGE_BYTES} bytes")
    metadata = repository.working(ROLE, Targets)
    used = max(_used(metadata.signed, wishes.vendor, wishes.model), default=0)
    sequence = used + 1 if wishes.sequence is None else wishes.sequence
    if sequence <= used:
        raise VersionTakenError(
            f"sequence {sequence} is not above {used}, which is published", hint="Leave --sequence out."
        )
    data = image.read_bytes()
    manifest = SignedFirmware(
        vendor=wishes.vendor,
        model=wishes.model,
        hardware=sorted(set(wishes.hardware)),
        sequence=sequence,
        version=wishes.version,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        minimum_installed=wishes.minimum_installed,
        expires=wishes.expires,
        link=wishes.link,
        image=image_path(wishes.vendor, wishes.model, sequence),
    )
    text, path = msgspec.json.encode(manifest), manifest_path(wishes.vendor, wishes.model, sequence)
    try:
        read_signed(text, path)
    except TrustError as error:
        raise UsageError(f"boxes would refuse it: {error}") from error
    _withdraw(repository, metadata.signed, manifest)
    for name, content in ((path, text), (manifest.image, data)):
        target = TargetFile.from_data(name, content, ["sha256"])
        repository.add_target_file(target, content)
        metadata.signed.targets[name] = target
    metadata.signed.expires = in_days(validity.firmware)
    metadata.signatures.clear()
    sign(metadata, (delegations.roles or {})[ROLE], delegations.keys, ring)
    repository.stage(ROLE, metadata)
    return manifest


def _used(signed: Targets, vendor: str, model: str) -> list[int]:
    """Return the sequence numbers that are offered for devices of that kind."""
    kind = slug(vendor), slug(model)
    places = (place_of(path) for path in signed.targets)
    return [place.sequence for place in places if place and (place.vendor, place.model) == kind]


def _withdraw(repository: Repository, signed: Targets, newer: SignedFirmware) -> None:
    """Offer no more what `newer` takes the place of."""
    for sequence in _used(signed, newer.vendor, newer.model):
        path = manifest_path(newer.vendor, newer.model, sequence)
        [name] = signed.targets[path].get_prefixed_paths()
        try:
            older = read_signed((repository.targets / name).read_bytes(), path)
        except (OSError, TrustError):
            # What cannot be read is no use to a box either.
            del signed.targets[path]
            continue
        alike = (older.vendor, older.model, older.link) == (newer.vendor, newer.model, newer.link)
        if alike and not newer.minimum_installed and set(older.hardware) <= set(newer.hardware):
            del signed.targets[path]
            signed.targets.pop(older.image, None)
