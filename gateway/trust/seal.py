"""Sealing a line-up for the box's disk, and believing it again without a network.

One rule: a kept line-up is believed for its signatures alone, never for lying
where it lies; when they were good once, their age does not matter.
"""

import hashlib
from pathlib import Path

import msgspec
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Targets

from gateway.trust.errors import KeptAlteredError
from gateway.trust.lineups import ROLE, Believed, Seal, place_of, read_seal, read_signed


def make_seal(metadata: Path, path: str, document: bytes) -> bytes:
    """Return `document`, which has just been checked, with its proof from the folder `metadata`."""
    history = metadata / "root_history"
    numbers = sorted(int(file.name.partition(".")[0]) for file in history.glob("*.root.json"))
    return msgspec.json.encode(
        Seal(
            path=path,
            document=document,
            roots=[(history / f"{number}.root.json").read_bytes() for number in numbers],
            targets=(metadata / "targets.json").read_bytes(),
            role=(metadata / f"{ROLE}.json").read_bytes(),
        )
    )


def open_seal(data: bytes, shipped_root: bytes) -> Believed:
    """Return what the seal `data` holds, proved from the root that came with the box.

    Raises:
        KeptAlteredError: it does not hold what was signed.
    """
    seal = read_seal(data)
    place = place_of(seal.path)
    if place is None:
        raise KeptAlteredError("the kept line-up has no proper name")
    try:
        root = _newest_root(seal.roots, shipped_root)
        top = Metadata[Targets].from_bytes(seal.targets)
        root.verify_delegate("targets", top.signed_bytes, top.signatures)
        role = Metadata[Targets].from_bytes(seal.role)
        top.signed.verify_delegate(ROLE, role.signed_bytes, role.signatures)
        roles = (top.signed.delegations.roles if top.signed.delegations else None) or {}
        if not roles[ROLE].is_delegated_path(seal.path):
            raise KeptAlteredError("the kept line-up lies outside what its signer may sign")
        role.signed.targets[seal.path].verify_length_and_hashes(seal.document)
    except (exceptions.RepositoryError, KeyError, ValueError) as error:
        raise KeptAlteredError(f"the kept line-up is not what was signed: {type(error).__name__}") from error
    read_signed(seal.document, place)
    return Believed(
        version=place.version,
        area=place.area,
        sha256=hashlib.sha256(seal.document).hexdigest(),
        is_new=False,
    )


def _newest_root(roots: list[bytes], shipped: bytes) -> Root:
    root = Metadata[Root].from_bytes(shipped).signed
    for data in roots:
        following = Metadata[Root].from_bytes(data)
        if following.signed.version <= root.version:
            continue
        if following.signed.version != root.version + 1:
            raise KeptAlteredError("the kept line-up lacks a root of trust")
        root.verify_delegate("root", following.signed_bytes, following.signatures)
        following.signed.verify_delegate("root", following.signed_bytes, following.signatures)
        root = following.signed
    return root
