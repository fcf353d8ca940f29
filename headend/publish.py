"""Putting a bundle under its publisher's signature.

One rule: a version is published once.  What boxes have seen under a number
never changes its bytes.
"""

from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from gateway.trust.manifest import AppId, Manifest, version_key
from headend import bundle
from headend.ceremony import Validity, listed
from headend.errors import NamespaceError, VersionTakenError
from headend.keys import KeyRing
from headend.repository import PUBLISHER, Repository, in_days, sign

MAX_KEPT_VERSIONS = 3


def stage_bundle(repository: Repository, ring: KeyRing, archive: Path, validity: Validity) -> Manifest:
    """Sign `archive` with its publisher's key and stage it.

    Raises:
        BundleError: a box would refuse the archive.
        NamespaceError: no publisher owns the app's id.
        VersionTakenError: this version is out with other bytes, or a higher one is out.
    """
    manifest = bundle.read(archive)
    top = repository.working("targets", Targets).signed
    role = _owner(top, manifest.id)
    metadata = repository.working(role, Targets)
    data = archive.read_bytes()
    target = TargetFile.from_data(f"apps/{manifest.id}/{manifest.version}.zip", data, ["sha256"])
    known = metadata.signed.targets.get(target.path)
    if known is not None and known.hashes != target.hashes:
        raise VersionTakenError(f"{manifest.id} {manifest.version} is published with other contents")
    earlier = _versions(metadata.signed, manifest.id)
    if earlier and version_key(earlier[-1]) > version_key(manifest.version):
        raise VersionTakenError(f"{manifest.id} {earlier[-1]} is published and {manifest.version} is older")
    repository.add_target_file(target, data)
    metadata.signed.targets[target.path] = target
    for version in _versions(metadata.signed, manifest.id)[:-MAX_KEPT_VERSIONS]:
        del metadata.signed.targets[f"apps/{manifest.id}/{version}.zip"]
    metadata.signed.expires = in_days(validity.publisher)
    metadata.signatures.clear()
    delegations = top.delegations
    if delegations is None or not delegations.roles:
        raise NamespaceError("there are no publishers")
    sign(metadata, delegations.roles[role], delegations.keys, ring)
    repository.stage(role, metadata)
    return manifest


def _owner(top: Targets, app: AppId) -> str:
    for publisher in listed(top):
        if app.startswith(publisher.prefix):
            return PUBLISHER + publisher.name
    raise NamespaceError(f"no publisher owns {app}")


def _versions(signed: Targets, app: AppId) -> list[str]:
    """Return the published versions of `app`, the newest last."""
    folder = f"apps/{app}/"
    names = [path.removeprefix(folder) for path in signed.targets if path.startswith(folder)]
    return sorted((name.removesuffix(".zip") for name in names), key=version_key)
