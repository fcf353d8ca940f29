"""From an app's source folder to the zip that is signed.

One rule: the same sources give the same bytes, on any machine and any day, so
that two people can check that what was signed is what was written.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from gateway.disk import LocalDisk, replace_file
from gateway.schema import parse_yaml
from gateway.trust.bundle import DEFAULT_LIMITS, unpack
from gateway.trust.errors import BundleError, ManifestError
from gateway.trust.manifest import (
    KEPT_PREFIX,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    is_bundle_path,
    need_entries,
    parse_manifest,
)

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can name
_MODE = 0o100644
_UNIX = 3
_LEVEL = 9


def build(source: Path, output: Path) -> Manifest:
    """Write the bundle of the app in `source` to `output`.

    Raises:
        BundleError: a file may not be in a bundle.
        ManifestError: the manifest is wrong.
    """
    manifest, text = _read_manifest(source)
    contents = {name: path.read_bytes() for name, path in _files(source)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    need_entries(replace(manifest, files=digests))
    listing = msgspec.yaml.encode({"files": digests})
    archive = _zip({**contents, MANIFEST_NAME: text.rstrip() + b"\n" + listing})
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(output.name + ".unchecked")
    try:
        replace_file(LocalDisk(), beside, archive)
        built = read(beside)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
    return built


def read(archive: Path) -> Manifest:
    """Return the manifest of the bundle `archive` after all the checks that a box makes."""
    return unpack(archive, Path("/"), _NoDisk(), DEFAULT_LIMITS)


def _read_manifest(source: Path) -> tuple[Manifest, bytes]:
    path = source / MANIFEST_NAME
    if not path.is_file():
        raise ManifestError(f"{path} is not there", hint="Name the folder that holds the app's sources.")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes")
    text = path.read_bytes()
    manifest = parse_manifest(text)
    data = parse_yaml(text)
    if isinstance(data, dict) and "files" in data:
        raise ManifestError("files: is written by the build; leave it out of the sources")
    return manifest, text


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleError(f"{name} is a link or a device")
        if path.is_dir() or name == MANIFEST_NAME:
            continue
        if name.startswith(KEPT_PREFIX):
            raise BundleError(f"{name}: names beginning with {KEPT_PREFIX} are the box's own")
        if not is_bundle_path(name):
            raise BundleError(f"{name!r}: names are letters, digits, dot, hyphen and underscore")
        yield name, path


def _zip(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = _UNIX
            info.external_attr = _MODE << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, contents[name], compresslevel=_LEVEL)
    return packed.getvalue()


class _NoDisk:
    """A `Disk` that keeps nothing: reading a bundle runs the box's own checks, without unpacking it."""

    def write(self, path: Path, data: bytes) -> None:
        pass

    def sync(self, path: Path) -> None:
        pass

    def rename(self, source: Path, target: Path) -> None:
        pass

    def make_folder(self, path: Path) -> None:
        pass

    def remove(self, path: Path) -> None:
        pass
