import hashlib
import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disk import LocalDisk
from gateway.errors import GatewayError
from gateway.trust.bundle import Limits, unpack
from gateway.trust.errors import BackendError, BundleError, ManifestError
from gateway.trust.manifest import is_bundle_path, is_version, version_key

MANIFEST: dict[str, object] = {
    "schema": 1,
    "id": "com.example.hello",
    "version": "1.0.0",
    "name": {"zh-CN": "你好", "en": "Hello"},
    "icon": "icon.svg",
    "color": "#1676a8",
    "entry": {"tv": "index.html"},
}
FILES = {"icon.svg": b"<svg/>", "index.html": b"<!doctype html>"}

Change = Callable[[zipfile.ZipFile], None]


def listing(files: dict[str, bytes], changes: dict[str, object] | None = None) -> bytes:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return msgspec.yaml.encode({**MANIFEST, "files": digests, **(changes or {})})


def packed(
    files: dict[str, bytes], manifest: bytes | None = None, *, more: Change = lambda _archive: None
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
        archive.writestr(zipfile.ZipInfo("manifest.yaml"), listing(files) if manifest is None else manifest)
        more(archive)
    return out.getvalue()


def entry(name: str, *, mode: int = 0, data: bytes = b"x", method: int = zipfile.ZIP_STORED) -> Change:
    """An entry that is in the archive but not in the manifest."""

    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        info.external_attr = mode << 16
        info.compress_type = method
        archive.writestr(info, data)

    return add


def twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(zipfile.ZipInfo("icon.svg"), b"another")


def open_bundle(tmp_path: Path, data: bytes, limits: Limits | None = None) -> Path:
    archive, folder = tmp_path / "bundle.zip", tmp_path / "unpacked"
    archive.write_bytes(data)
    unpack(archive, folder, LocalDisk(), limits or Limits())
    return folder


def test_a_good_bundle_is_laid_out_as_it_is(tmp_path: Path) -> None:
    files = {**FILES, "data/notes.js": b"export default []"}
    folder = open_bundle(tmp_path, packed(files))
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert found == {**files, "manifest.yaml": listing(files)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not readable"),
        (b"PK\x03\x04 nothing more", "not readable"),
        (packed(FILES)[:-30], "not readable"),
        (b"#!/bin/sh\n" + packed(FILES), "before or after"),
        (packed({}, b"", more=entry("a.js")), "expected keys"),
        (packed(FILES, more=entry("../evil.js")), "not a safe"),
        (packed(FILES, more=entry("a/../../evil.js")), "not a safe"),
        (packed(FILES, more=entry("/etc/cron.d/evil")), "not a safe"),
        (packed(FILES, more=entry("C:\\evil.js")), "not a safe"),
        (packed(FILES, more=entry("a\\..\\evil.js")), "not a safe"),
        (packed(FILES, more=entry(".hidden")), "not a safe"),
        (packed(FILES, more=entry("a//b.js")), "not a safe"),
        (packed(FILES, more=entry("a/./b.js")), "not a safe"),
        (packed(FILES, more=entry("folder/")), "not a safe"),
        (packed(FILES, more=entry("文.js")), "not a safe"),
        (packed(FILES, more=entry("a b.js")), "not a safe"),
        (packed(FILES, more=entry("/".join("abcdefghij"))), "not a safe"),
        (packed(FILES, more=entry("x" * 300)), "not a safe"),
        (packed(FILES, more=entry("link", mode=stat.S_IFLNK | 0o777, data=b"/etc/passwd")), "ordinary"),
        (packed(FILES, more=entry("pipe", mode=stat.S_IFIFO | 0o644)), "ordinary"),
        (packed(FILES, more=entry("disk", mode=stat.S_IFBLK | 0o644)), "ordinary"),
        (packed(FILES, more=entry("folder", mode=stat.S_IFDIR | 0o755)), "ordinary"),
        (packed(FILES, more=entry("root", mode=stat.S_IFREG | stat.S_ISUID | 0o755)), "ordinary"),
        (packed(FILES, more=entry("group", mode=stat.S_IFREG | stat.S_ISGID | 0o755)), "ordinary"),
        (packed(FILES, more=entry("Icon.SVG")), "twice"),
        (packed(FILES, more=twice), "twice"),
        (packed(FILES, more=entry("icon.svg/inner")), "below a file"),
        (packed(FILES, more=entry("odd", method=zipfile.ZIP_LZMA)), "not allowed"),
        (packed(FILES, more=entry("bomb", data=b"0" * 9_000_000, method=zipfile.ZIP_DEFLATED)), "times"),
        (packed(FILES, more=entry("extra.js")), "not in both"),
        (packed(FILES, listing({**FILES, "gone.js": b""})), "not in both"),
        (packed(FILES, listing({**FILES, "index.html": b"other"})), "digest"),
        (packed(FILES, listing(FILES)).replace(b"<svg/>", b"<SVG/>"), "digest|not readable|unpack"),
    ],
)
def test_a_crooked_archive_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises((BundleError, ManifestError), match=why):
        open_bundle(tmp_path, data)
    assert not (tmp_path.parent / "evil.js").exists()


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(archive_bytes=100), "archive is larger"),
        (Limits(files=2), "more than 2 files"),
        (Limits(file_bytes=10), "larger than 10"),
        (Limits(total_bytes=100), "unpacked it is larger"),
    ],
)
def test_a_bundle_over_a_limit_is_refused(tmp_path: Path, limits: Limits, why: str) -> None:
    with pytest.raises(BundleError, match=why):
        open_bundle(tmp_path, packed(FILES), limits)


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path: Path) -> None:
    data = bytearray(packed(FILES))
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"index.html")) + 24
    assert int.from_bytes(data[place : place + 4], "little") == len(FILES["index.html"])
    data[place] = 3
    with pytest.raises(BundleError):
        open_bundle(tmp_path, bytes(data))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"colour": "#000000"}, "colour: is not a known key; did you mean color"),
        ({"schema": 2}, "schema: is 2"),
        ({"id": "hello"}, "id: 'hello' is not a reverse-DNS"),
        ({"id": "com.example.Hello"}, "id: "),
        ({"id": "com..hello"}, "id: "),
        ({"version": "1.0"}, r"version: '1\.0' is not"),
        ({"version": "1.0.0-beta"}, "version: "),
        ({"version": "01.0.0"}, "version: "),
        ({"version": 1.0}, "version: expected str"),
        ({"name": {"en": "Hello"}}, "name.zh-CN: is required"),
        ({"color": "red"}, "color: "),
        ({"icon": "none.svg"}, "icon: none.svg is not a file"),
        ({"entry": {"tv": "none.html"}}, r"entry\.tv: none.html"),
        ({"entry": {"tv": "index.html", "desk": "x"}}, r"entry\.desk: is not a known key"),
        ({"api": {"min": 2, "target": 2}}, r"api\.min: this box speaks level 1"),
        ({"api": {"min": 1, "target": 0}}, r"api\.min: "),
        ({"storage": {"quota_mb": 999}}, r"storage\.quota_mb: 999 is outside"),
        ({"permissions": [{"name": "root", "reason": {"zh-CN": "x", "en": "x"}}]}, r"permissions\[0\]\.name"),
        ({"permissions": [{"name": "storage", "reason": {"en": "x"}}]}, r"permissions\[0\]\.reason\.zh-CN"),
        ({"permissions": [{"name": "sensors", "reason": {"zh-CN": "x", "en": "x"}}]}, r"args: is required"),
        ({"permissions": [{"name": "storage", "reason": {"zh-CN": "x", "en": "x"}}] * 2}, "twice"),
        ({"files": {"../a": "0" * 64}}, "not a safe relative path"),
        ({"files": {"gateway-sdk.js": "0" * 64}}, "keeps for itself"),
        ({"files": {"a": "short"}}, "not a SHA-256"),
    ],
    ids=str,
)
def test_a_wrong_manifest_is_refused_by_its_place(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ManifestError, match=why):
        open_bundle(tmp_path, packed(FILES, listing(FILES, changes)))


def test_a_bundle_with_a_program_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="backend: this version"):
        open_bundle(tmp_path, packed(FILES, listing(FILES, {"backend": {"module": "app"}})))


@given(st.binary(max_size=400), st.integers(0, 3000))
def test_noise_in_a_bundle_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    good = packed(FILES)
    place %= len(good)
    folder = tmp_path_factory.mktemp("noise")
    try:
        unpacked = open_bundle(folder, good[:place] + noise + good[place + len(noise) :])
    except GatewayError:
        return
    assert {name: (unpacked / name).read_bytes() for name in FILES} == FILES


@given(st.text(max_size=60))
def test_a_safe_path_never_leaves_its_folder(name: str) -> None:
    if is_bundle_path(name):
        assert (Path("/base") / name).resolve().is_relative_to("/base")


@given(st.tuples(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999)))
def test_versions_are_ordered_by_number(numbers: tuple[int, int, int]) -> None:
    version = ".".join(map(str, numbers))
    assert is_version(version)
    assert version_key(version) == numbers
