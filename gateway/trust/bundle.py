"""The archive an app travels in, and what is checked before a byte of it is used.

One rule: an allow-list.  An archive is opened only if every name, size and
kind in it is one that ``headend build`` could have written.
"""

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gateway.disk import Disk
from gateway.trust.errors import BundleError
from gateway.trust.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    is_bundle_path,
    need_entries,
    parse_manifest,
)

_CHUNK = 64 * 1024
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest bundle that is opened.

    Attributes:
        archive_bytes: The zip itself.
        files: Entries in it.
        file_bytes: One file, unpacked.
        total_bytes: All files, unpacked.
        ratio: Unpacked size over packed size of one file larger than 64 KiB.
    """

    archive_bytes: int = 64 * 1024 * 1024
    files: int = 2000
    file_bytes: int = 32 * 1024 * 1024
    total_bytes: int = 128 * 1024 * 1024
    ratio: int = 200


DEFAULT_LIMITS = Limits()


def unpack(archive: Path, folder: Path, disk: Disk, limits: Limits = DEFAULT_LIMITS) -> Manifest:
    """Check `archive` and lay its files out in the new folder `folder`, all of them on the medium.

    Raises:
        BundleError: the archive is not acceptable.
        ManifestError: its manifest is not.
        BackendError: it brings a backend.
    """
    if archive.stat().st_size > limits.archive_bytes:
        raise BundleError(f"the archive is larger than {limits.archive_bytes} bytes")
    try:
        with zipfile.ZipFile(archive) as opened:
            return _unpack(opened, folder, disk, limits)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise BundleError(f"the archive is not readable: {error}") from error
    except RuntimeError as error:  # zipfile's word for a missing password
        raise BundleError(f"the archive is not readable: {error}") from error


def _unpack(opened: zipfile.ZipFile, folder: Path, disk: Disk, limits: Limits) -> Manifest:
    infos = opened.infolist()
    _check_entries(infos, limits)
    if opened.comment or min(info.header_offset for info in infos) != 0:
        raise BundleError("there is something before or after the archive")
    by_name = {info.filename: info for info in infos}
    if MANIFEST_NAME not in by_name:
        raise BundleError(f"there is no {MANIFEST_NAME}")
    text = _read(opened, by_name.pop(MANIFEST_NAME), MAX_MANIFEST_BYTES)
    manifest = parse_manifest(text)
    need_entries(manifest)
    if by_name.keys() != manifest.files.keys():
        odd = min(by_name.keys() ^ manifest.files.keys())
        raise BundleError(f"{odd} is in the archive or in the manifest, but not in both")
    disk.make_folder(folder)
    folders = {folder}
    for name, info in sorted(by_name.items()):
        data = _read(opened, info, limits.file_bytes)
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise BundleError(f"{name} does not have the digest that the manifest gives")
        target = folder / name
        disk.make_folder(target.parent)
        folders |= {folder / parent for parent in PurePosixPath(name).parents}
        disk.write(target, data)
        disk.sync(target)
    disk.write(folder / MANIFEST_NAME, text)
    disk.sync(folder / MANIFEST_NAME)
    for made in sorted(folders, reverse=True):
        disk.sync(made)
    return manifest


def _check_entries(infos: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    if not infos:
        raise BundleError("the archive is empty")
    if len(infos) > limits.files:
        raise BundleError(f"there are more than {limits.files} files")
    total = 0
    seen: set[str] = set()
    for info in infos:
        _check_entry(info, limits)
        total += info.file_size
        if info.filename.casefold() in seen:
            raise BundleError(f"{info.filename} is there twice, perhaps in other letters")
        seen.add(info.filename.casefold())
    if total > limits.total_bytes:
        raise BundleError(f"unpacked it is larger than {limits.total_bytes} bytes")
    for name in seen:
        if any(str(parent) in seen for parent in PurePosixPath(name).parents):
            raise BundleError(f"{name} lies below a file")


def _check_entry(info: zipfile.ZipInfo, limits: Limits) -> None:
    # `orig_filename` is what the archive says; zipfile cuts `filename` at a NUL.
    name = info.orig_filename
    if name != info.filename or not is_bundle_path(name):
        raise BundleError(f"{name[:100]!r} is not a safe relative path")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or mode & _SPECIAL_BITS:
        raise BundleError(f"{name} is not an ordinary file")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise BundleError(f"{name} is packed in a way that is not allowed")
    if info.file_size > limits.file_bytes:
        raise BundleError(f"{name} is larger than {limits.file_bytes} bytes")
    if info.file_size > _CHUNK and info.file_size > limits.ratio * max(info.compress_size, 1):
        raise BundleError(f"{name} unpacks to more than {limits.ratio} times its size")


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo, limit_bytes: int) -> bytes:
    """Return the file, reading no more than it claims to have; a header may lie."""
    if info.file_size > limit_bytes:
        raise BundleError(f"{info.filename} is larger than {limit_bytes} bytes")
    parts: list[bytes] = []
    left = info.file_size
    try:
        with opened.open(info) as stream:
            while part := stream.read(min(_CHUNK, left + 1)):
                left -= len(part)
                if left < 0:
                    raise BundleError(f"{info.filename} is larger than it says")
                parts.append(part)
    except zlib.error as error:
        raise BundleError(f"{info.filename} does not unpack: {error}") from error
    if left:
        raise BundleError(f"{info.filename} is shorter than it says")
    return b"".join(parts)
