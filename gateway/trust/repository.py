"""What a TUF repository offers, after every check of The Update Framework.

One rule: the shipped root is always the anchor.  Whatever a power cut left of
the cached metadata, the box can start from that root again; `Updater` without
`bootstrap` cannot.

The only modules that import tuf are this one, `gateway.trust.seal` and
`gateway.trust.fetch`.  They cost 38 MB, so they live in a short-lived child
(``python -m gateway.trust``).
"""

import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tuf.api import exceptions
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from gateway.disk import Disk, replace_file
from gateway.trust import firmware
from gateway.trust.errors import (
    AlteredError,
    EndlessDataError,
    FrozenRepositoryError,
    KeptAlteredError,
    NoLineUpError,
    RolledBackError,
    TrustError,
    TrustStateError,
    UnreachableError,
    WrongPublisherError,
)
from gateway.trust.lineups import MAX_SIGNED_BYTES, PATHS, ROLE, Believed, newest_for, place_of, read_seal
from gateway.trust.manifest import is_app_id, is_version
from gateway.trust.offers import FirmwareListing, FirmwareOffer, Listing, Offer, Refused
from gateway.trust.seal import make_seal, open_seal

MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_OFFERS = 5000
MAX_IMAGES_A_MODEL = 64

_APPS = "apps/"
_APP_PATH = re.compile(r"apps/(?P<app>[^/]+)/(?P<version>[^/]+)\.zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a repository is and what is known of it.

    Attributes:
        url: Its address, ending in a slash; ``metadata/`` and ``targets/`` lie below.
        root: The root of trust that came with the box.
        metadata: Folder of this box's copy of the metadata.
    """

    url: str
    root: Path
    metadata: Path


@dataclass(slots=True)
class Repository:
    """One look at a repository: refreshed once, then asked."""

    place: Place
    fetcher: FetcherInterface
    disk: Disk
    _updater: Updater = field(init=False, repr=False)

    def refresh(self) -> None:
        """Fetch and check the metadata.

        Raises:
            TrustError: of the kind that says what is wrong.
        """
        with _explained():
            self.disk.make_folder(self.place.metadata)
            self._updater = Updater(
                metadata_dir=str(self.place.metadata),
                metadata_base_url=f"{self.place.url}metadata/",
                target_base_url=f"{self.place.url}targets/",
                fetcher=self.fetcher,
                config=UpdaterConfig(max_root_rotations=64, max_delegations=8),
                bootstrap=self.place.root.read_bytes(),
            )
            self._updater.refresh()
            self._settle()

    def listing(self) -> Listing:
        """Return every app bundle that a publisher was allowed to offer.

        Raises:
            TrustError: of the kind that says what is wrong.
        """
        offers: list[Offer] = []
        refused: list[Refused] = []
        with _explained():
            for role, target in self._targets():
                found = self._updater.get_targetinfo(target.path)
                match = _APP_PATH.fullmatch(target.path)
                if len(offers) + len(refused) >= MAX_OFFERS:
                    break
                if found is None or found != target:
                    wrong = WrongPublisherError(f"{role} does not own {target.path}")
                    refused.append(_refused(target.path, wrong))
                elif not match or not is_app_id(match["app"]) or not is_version(match["version"]):
                    refused.append(
                        _refused(target.path, AlteredError(f"{target.path} is not a bundle's name"))
                    )
                elif "sha256" not in target.hashes or target.length > MAX_BUNDLE_BYTES:
                    refused.append(_refused(target.path, EndlessDataError(f"{target.path} is too large")))
                else:
                    offers.append(
                        Offer(
                            app=match["app"],
                            version=match["version"],
                            path=target.path,
                            length=target.length,
                            sha256=target.hashes["sha256"],
                            publisher=role,
                        )
                    )
            self._settle()
        return Listing(offers=offers, refused=refused)

    def fetch(self, path: str, into: Path) -> None:
        """Bring the target `path` as the file `into`, checked and on the medium.

        Raises:
            TrustError: of the kind that says what is wrong; `into` is then not there.
        """
        beside = into.with_name(into.name + ".part")
        with _explained():
            target = self._updater.get_targetinfo(path)
            if target is None:
                raise WrongPublisherError(f"nobody who may offer {path} does")
            self.disk.make_folder(into.parent)
            try:
                self._updater.download_target(target, str(beside))
                self.disk.sync(beside)
                self.disk.rename(beside, into)
                self.disk.sync(into.parent)
            finally:
                self.disk.remove(beside)

    def line_up(self, area: str, kept: Path, into: Path) -> Believed:
        """Bring the newest line-up for `area` as the seal `into`, unless `kept` is that already.

        Raises:
            TrustError: of the kind that says what is wrong; `into` is then not there.
        """
        with _explained():
            self._updater.get_targetinfo(PATHS.replace("*", "0"))
            file = self.place.metadata / f"{ROLE}.json"
            path = newest_for(area, self._load(ROLE).targets) if file.exists() else None
            target = self._updater.get_targetinfo(path) if path else None
            place = place_of(path or "")
            if path is None or target is None or place is None:
                raise NoLineUpError(f"there is no line-up for the area {area or 'of a box without one'}")
            self._settle()
        if target.length > MAX_SIGNED_BYTES:
            raise EndlessDataError(f"{path} is too large")
        have = self._kept(kept)
        if have is not None and have.area == place.area and have.version > place.version:
            raise RolledBackError(f"line-up {place.version} is offered, but {have.version} is here")
        data = _document_of(kept) if have is not None else b""
        if hashlib.sha256(data).hexdigest() != target.hashes.get("sha256"):
            data = self._brought(path, into)
        with _explained():
            seal = make_seal(self.place.metadata, path, data)
            is_new = not kept.exists() or kept.read_bytes() != seal
            if is_new:
                replace_file(self.disk, into, seal)
        # Opened once now, so that it opens without a network later.
        return msgspec.structs.replace(open_seal(seal, self.place.root.read_bytes()), is_new=is_new)

    def images(self, kinds: Collection[tuple[str, str]], kept: Path) -> FirmwareListing:
        """Return every image signed for one of `kinds`, by its manifest.

        Args:
            kinds: Vendor and model of the devices there are, each as `gateway.trust.firmware.slug` makes it.
            kept: Folder of manifests by digest; what is here already is not fetched again.

        Raises:
            TrustError: the repository as a whole is not believed.
        """
        offers: list[FirmwareOffer] = []
        refused: list[Refused] = []
        with _explained():
            self._updater.get_targetinfo(firmware.PATHS.replace("*", "0"))
            file = self.place.metadata / f"{firmware.ROLE}.json"
            targets = self._load(firmware.ROLE).targets if file.exists() else {}
            self._settle()
        places = [(place, path) for path in targets if (place := firmware.place_of(path))]
        for kind in sorted(set(kinds)):
            own = sorted((place, path) for place, path in places if (place.vendor, place.model) == kind)
            for _, path in own[-MAX_IMAGES_A_MODEL:]:
                try:
                    offers.append(FirmwareOffer(path=path, manifest=self._manifest(path, kept)))
                except UnreachableError:
                    raise
                except TrustError as error:
                    refused.append(_refused(path, error))
        return FirmwareListing(offers=offers, refused=refused)

    def firmware_image(self, path: str, kept: Path, into: Path) -> None:
        """Bring the image of the manifest at `path` as the file `into`, checked and on the medium.

        Raises:
            TrustError: of the kind that says what is wrong; `into` is then not there.
        """
        said = self._manifest(path, kept)
        firmware.check_fresh(said, datetime.now(UTC))
        with _explained():
            target = self._updater.get_targetinfo(said.image)
        if target is None:
            raise WrongPublisherError(f"nobody who may sign firmware does {said.image}")
        if (target.length, target.hashes.get("sha256")) != (said.size, said.sha256):
            raise AlteredError(f"{said.image} is not what its manifest says")
        self.fetch(said.image, into)

    def _manifest(self, path: str, kept: Path) -> firmware.SignedFirmware:
        with _explained():
            target = self._updater.get_targetinfo(path)
            if target is None:
                raise WrongPublisherError(f"nobody who may sign firmware does {path}")
            digest = target.hashes.get("sha256", "")
            if not digest or target.length > firmware.MAX_MANIFEST_BYTES:
                raise EndlessDataError(f"{path} is too large")
            file = kept / f"{digest}.json"
            data = file.read_bytes() if file.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            self.fetch(path, file)
            data = file.read_bytes()
        return firmware.read_signed(data, path)

    def _brought(self, path: str, beside: Path) -> bytes:
        document = beside.with_name(beside.name + ".document")
        try:
            self.fetch(path, document)
            return document.read_bytes()
        finally:
            self.disk.remove(document)

    def _kept(self, kept: Path) -> Believed | None:
        try:
            return open_seal(kept.read_bytes(), self.place.root.read_bytes())
        except (OSError, KeptAlteredError, AlteredError):
            return None

    def _targets(self) -> Iterator[tuple[str, TargetFile]]:
        """Yield each publisher's targets, from metadata that has just been checked."""
        top = self._load("targets")
        if top.delegations is None or top.delegations.roles is None:
            return
        for name, role in top.delegations.roles.items():
            if not role.paths or not role.paths[0].startswith(_APPS):
                continue
            # Asking for any path of the role makes the updater fetch and check the role itself.
            self._updater.get_targetinfo(role.paths[0].replace("*", "0"))
            if (self.place.metadata / f"{name}.json").exists():
                for target in self._load(name).targets.values():
                    yield name, target

    def _load(self, role: str) -> Targets:
        return Metadata[Targets].from_file(str(self.place.metadata / f"{role}.json")).signed

    def _settle(self) -> None:
        """Put the metadata on the medium: python-tuf renames, but does not sync."""
        for path in self.place.metadata.rglob("*.json"):
            self.disk.sync(path)
        for folder in (self.place.metadata / "root_history", self.place.metadata):
            self.disk.sync(folder)


def _document_of(kept: Path) -> bytes:
    return read_seal(kept.read_bytes()).document


def _refused(path: str, error: TrustError) -> Refused:
    return Refused(path=path, code=error.code, reason=str(error))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn python-tuf's exceptions into this package's."""
    try:
        yield
    except exceptions.ExpiredMetadataError as error:
        raise FrozenRepositoryError(f"the repository has expired: {error}") from error
    except exceptions.BadVersionNumberError as error:
        raise RolledBackError(f"the repository offers an older state: {error}") from error
    except exceptions.RepositoryError as error:
        raise AlteredError(f"the repository's signatures or digests do not fit: {error}") from error
    except (exceptions.DownloadLengthMismatchError, exceptions.SlowRetrievalError) as error:
        raise EndlessDataError(f"the download was cut off: {error}") from error
    except exceptions.DownloadError as error:
        raise UnreachableError(f"the repository is not reachable: {error}") from error
    except OSError as error:
        raise TrustStateError(f"{error.filename or 'the state folder'}: {error.strerror or error}") from error
