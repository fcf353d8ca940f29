"""The files of a TUF repository, and the order in which they change.

One rule: a box may look at any moment.  What a file refers to is there before
the file is, and ``timestamp.json`` is replaced last.

```
REPO/metadata/   N.root.json  N.targets.json  N.publisher-NAME.json  N.snapshot.json  timestamp.json
REPO/targets/    apps/ID/<sha256>.VERSION.zip
REPO/staged/     what has been prepared and not published; never served
```
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError, StorageError
from tuf.api.metadata import (
    Key,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from gateway.disk import Disk, LocalDisk, replace_file
from headend.errors import KeyRingError, RepositoryStateError, ThresholdError
from headend.keys import KeyRing

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)

PUBLISHER = "publisher-"

_VERSIONED = re.compile(r"(?P<version>\d+)\.(?P<role>.+)\.json")
_FIELDS = JSONSerializer(compact=False)


class Repository:
    """The repository in one folder."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self.staged = folder / "staged"
        self._disk = disk or LocalDisk()

    @property
    def root_of_trust(self) -> Path:
        """The file that every box carries from the factory."""
        return self.metadata / "1.root.json"

    def make(self) -> None:
        """Make the folders.

        Raises:
            RepositoryStateError: there is a repository here already.
        """
        if self.metadata.exists():
            raise RepositoryStateError(
                f"{self.folder} holds a repository already", hint="Use another folder."
            )
        for folder in (self.metadata, self.targets, self.staged):
            self._disk.make_folder(folder)

    def published(self, role: str, kind: type[S]) -> Metadata[S]:
        """Return the newest published metadata of `role`.

        Raises:
            RepositoryStateError: there is none, or it is unreadable.
        """
        found = self._newest(role)
        if found is None:
            raise RepositoryStateError(f"{self.folder} has no metadata of {role}")
        return _load(found, kind)

    def working(self, role: str, kind: type[S]) -> Metadata[S]:
        """Return `role` as it is staged, else as it is published; with the version to be published.

        Signatures of a published version are dropped, for it is about to change.
        """
        staged = self.staged / f"{role}.json"
        if staged.exists():
            return _load(staged, kind)
        metadata = self.published(role, kind)
        metadata.signed.version += 1
        metadata.signatures.clear()
        return metadata

    def stage(self, role: str, metadata: Metadata[S]) -> None:
        """Keep `metadata` as what `role` shall become."""
        self._disk.make_folder(self.staged)
        replace_file(self._disk, self.staged / f"{role}.json", metadata.to_bytes(_FIELDS))

    def staged_roles(self) -> list[str]:
        """Return the roles that wait to be published."""
        return sorted(path.stem for path in self.staged.glob("*.json"))

    def add_target_file(self, target: TargetFile, data: bytes) -> None:
        """Put the bytes of `target` where boxes will look; harmless until a role names them."""
        for name in target.get_prefixed_paths():
            path = self.targets / name
            self._disk.make_folder(path.parent)
            replace_file(self._disk, path, data)

    def publish(self, ring: KeyRing, *, snapshot_expires: datetime, timestamp_expires: datetime) -> list[str]:
        """Make everything staged public and return the roles that changed.

        Raises:
            ThresholdError: a staged role has too few signatures; nothing was published.
            KeyRingError: the snapshot or timestamp key is not in `ring`.
        """
        root = self.published("root", Root).signed
        roles = self.staged_roles()
        staged = {role: _load(self.staged / f"{role}.json", Targets) for role in roles}
        top = staged.get("targets") or self.published("targets", Targets)
        for role, metadata in staged.items():
            self._need_threshold(role, metadata, root if role == "targets" else top.signed)
        snapshot = self._snapshot()
        for role, metadata in staged.items():
            self._write_versioned(role, metadata)
            snapshot.signed.meta[f"{role}.json"] = MetaFile(metadata.signed.version)
        snapshot.signed.version += 1
        snapshot.signed.expires = snapshot_expires
        sign(snapshot, root.roles["snapshot"], root.keys, ring)
        self._write_versioned("snapshot", snapshot)
        self.refresh_timestamp(ring, expires=timestamp_expires)
        for role in roles:
            self._disk.remove(self.staged / f"{role}.json")
        return roles

    def refresh_timestamp(self, ring: KeyRing, *, expires: datetime) -> None:
        """Say again, with a new date, what the newest snapshot is."""
        root = self.published("root", Root).signed
        newest = self.published("snapshot", Snapshot).signed.version
        try:
            timestamp = _load(self.metadata / "timestamp.json", Timestamp)
            timestamp.signed.version += 1
        except RepositoryStateError:
            timestamp = Metadata(Timestamp(version=1))
        timestamp.signed.snapshot_meta = MetaFile(newest)
        timestamp.signed.expires = expires
        timestamp.signatures.clear()
        sign(timestamp, root.roles["timestamp"], root.keys, ring)
        replace_file(self._disk, self.metadata / "timestamp.json", timestamp.to_bytes(_FIELDS))

    def write_first_root(self, root: Metadata[Root]) -> None:
        """Publish version 1 of the root of trust."""
        self._write_versioned("root", root)

    def _snapshot(self) -> Metadata[Snapshot]:
        if self._newest("snapshot") is None:
            first = Metadata(Snapshot(version=1, meta={}))
            first.signed.version = 0
            return first
        snapshot = self.published("snapshot", Snapshot)
        snapshot.signatures.clear()
        return snapshot

    def _newest(self, role: str) -> Path | None:
        versions = {}
        for path in self.metadata.glob(f"*.{role}.json"):
            match = _VERSIONED.fullmatch(path.name)
            if match and match["role"] == role:
                versions[int(match["version"])] = path
        return versions[max(versions)] if versions else None

    def _write_versioned(self, role: str, metadata: Metadata[S]) -> None:
        path = self.metadata / f"{metadata.signed.version}.{role}.json"
        replace_file(self._disk, path, metadata.to_bytes(_FIELDS))

    def _need_threshold(self, role: str, metadata: Metadata[Targets], delegator: Root | Targets) -> None:
        try:
            result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        except ValueError as error:
            raise RepositoryStateError(f"{role} is staged, but nobody delegates to it") from error
        if not result.verified:
            raise ThresholdError(f"{role} has {len(result.signed)} of {result.threshold} signatures")


def sign(metadata: Metadata[S], role: Role, keys: dict[str, Key], ring: KeyRing) -> int:
    """Sign with every key of `ring` that counts for `role`; return how many did.

    Raises:
        KeyRingError: none does.
    """
    signers = ring.signers()
    mine = [signers[keyid] for keyid in role.keyids if keyid in signers and keyid in keys]
    if not mine:
        raise KeyRingError("no key here may sign this role")
    for signer in mine:
        metadata.sign(signer, append=True)
    return len(mine)


def in_days(days: float) -> datetime:
    """Return the time `days` from now, in whole seconds as TUF wants it."""
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


def _load(path: Path, kind: type[S]) -> Metadata[S]:
    try:
        metadata = Metadata[S].from_file(str(path))
    except (RepositoryError, StorageError, OSError) as error:
        raise RepositoryStateError(f"{path} cannot be read: {error}") from error
    if not isinstance(metadata.signed, kind):
        raise RepositoryStateError(f"{path} is not metadata of the expected kind")
    return metadata
