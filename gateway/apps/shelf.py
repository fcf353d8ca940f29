"""Where installed apps stand on the disk.

One rule: an app is installed exactly when its ``current.json`` says so, and
that file changes in one rename.  Everything else in the folder is either
named by it, is the app's own storage, or is swept away.

```
apps/<id>/current.json          which version counts
apps/<id>/<version>-<digest>/   its files
apps/<id>/storage/              what the app keeps
apps/removed.json               what the household does not want, without its names
apps/staging/                   empty except during an installation
```
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway.disk import Disk, replace_file
from gateway.trust.bundle import unpack
from gateway.trust.errors import AlteredError, ManifestError
from gateway.trust.manifest import MANIFEST_NAME, AppId, Manifest, is_app_id, parse_manifest

CURRENT = "current.json"
STORAGE = "storage"

T = TypeVar("T")

_REMOVED = "removed.json"
_STAGING = "staging"
_DIGEST_CHARS = 12
_MAX_RECORD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledApp:
    """An app that can be opened.

    Attributes:
        id: Reverse-DNS name.
        version: Of the files in `folder`.
        manifest: As signed.
        folder: The files, as signed.
        storage: Where the app's own data go.
    """

    id: AppId
    version: str
    manifest: Manifest
    folder: Path
    storage: Path


class _Current(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    folder: str


class _Removed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    salt: str
    apps: list[str]


class Shelf:
    """The folder of all apps.  Its methods block; one caller at a time."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.staging = root / _STAGING
        self._root = root
        self._disk = disk

    def load(self) -> dict[AppId, InstalledApp]:
        """Return what is installed.  An app with damaged files is left out: it comes back with a check."""
        found = {}
        if self._root.is_dir():
            for folder in sorted(self._root.iterdir()):
                app = self._load_one(folder) if is_app_id(folder.name) else None
                if app is not None:
                    found[app.id] = app
        return found

    def install(self, archive: Path, expected: AppId, version: str) -> InstalledApp:
        """Lay out the bundle `archive` and make it the current version of `expected`.

        Raises:
            BundleError, ManifestError, BackendError: the bundle is not acceptable.
            AlteredError: it is not the app or the version that it was signed as.
        """
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:_DIGEST_CHARS]
        name = f"{version}-{digest}"
        staged = self.staging / name
        self._disk.remove(staged)
        manifest = unpack(archive, staged, self._disk)
        if manifest.id != expected or manifest.version != version:
            raise AlteredError(
                f"signed as {expected} {version}, but inside it says {manifest.id} {manifest.version}"
            )
        home = self._root / expected
        if not home.exists():
            self._disk.make_folder(home)
            self._disk.sync(self._root)
        # Whatever has this name already is not in use: it is damaged, or was left by a power cut.
        self._disk.remove(home / name)
        self._disk.rename(staged, home / name)
        self._disk.sync(home)
        current = msgspec.json.encode(_Current(version=version, folder=name))
        replace_file(self._disk, home / CURRENT, current)
        return self._app(home, manifest, name)

    def remove(self, app: AppId) -> None:
        """Remove every trace of `app`, and remember without its name that it is not wanted."""
        removed = self._removed()
        tombstone = _tombstone(removed.salt, app)
        if tombstone not in removed.apps:
            self._write_removed(_Removed(salt=removed.salt, apps=[*removed.apps, tombstone]))
        self._disk.remove(self._root / app / CURRENT)
        self._disk.remove(self._root / app)
        self._disk.sync(self._root)

    def is_unwanted(self, app: AppId) -> bool:
        """Whether the household removed `app` and has not asked for it again."""
        removed = self._removed()
        return _tombstone(removed.salt, app) in removed.apps

    def want(self, app: AppId) -> None:
        """Forget that `app` was removed."""
        removed = self._removed()
        tombstone = _tombstone(removed.salt, app)
        if tombstone in removed.apps:
            kept = [other for other in removed.apps if other != tombstone]
            self._write_removed(_Removed(salt=removed.salt, apps=kept))

    def sweep(self, held: Collection[Path] = ()) -> None:
        """Remove what a power cut or an update left over, except the folders in `held`."""
        self._disk.make_folder(self._root)
        self._disk.remove(self.staging)
        for home in sorted(self._root.iterdir()):
            if not is_app_id(home.name):
                continue
            app = AppId(home.name)
            current = _read(home / CURRENT, _Current)
            # A removal that the power cut ended is finished; an installation that never
            # got as far as its record is undone.
            if current is None or self.is_unwanted(app):
                self._disk.remove(home)
                continue
            for path in sorted(home.iterdir()):
                if path.name not in {CURRENT, STORAGE, current.folder} and path not in held:
                    self._disk.remove(path)

    def _load_one(self, home: Path) -> InstalledApp | None:
        current = _read(home / CURRENT, _Current)
        if current is None or self.is_unwanted(AppId(home.name)):
            return None
        try:
            manifest = parse_manifest((home / current.folder / MANIFEST_NAME).read_bytes())
        except (OSError, ManifestError):
            return None
        return self._app(home, manifest, current.folder)

    def _app(self, home: Path, manifest: Manifest, folder: str) -> InstalledApp:
        return InstalledApp(
            id=manifest.id,
            version=manifest.version,
            manifest=manifest,
            folder=home / folder,
            storage=home / STORAGE,
        )

    def _removed(self) -> _Removed:
        return _read(self._root / _REMOVED, _Removed) or _Removed(salt=secrets.token_hex(16), apps=[])

    def _write_removed(self, removed: _Removed) -> None:
        self._disk.make_folder(self._root)
        replace_file(self._disk, self._root / _REMOVED, msgspec.json.encode(removed))


Apps = Mapping[AppId, InstalledApp]


def _tombstone(salt: str, app: AppId) -> str:
    """Return what remembers `app` and cannot be read as its name: nothing of it stays on the disk."""
    return hashlib.sha256(f"{salt}/{app}".encode()).hexdigest()


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        if path.stat().st_size > _MAX_RECORD_BYTES:
            return None
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None
