"""What an app says of itself, in ``manifest.yaml``.

One rule: nothing is guessed.  An unknown key, a missing translation or a
file without a digest is an error that names the place.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from gateway.schema import FieldError, SchemaError, decode, parse_yaml
from gateway.trust.errors import BackendError, ManifestError

AppId = NewType("AppId", str)

SCHEMA = 1
API_LEVEL = 1
MANIFEST_NAME = "manifest.yaml"
KEPT_PREFIX = "gateway-"
"""Files of this beginning at a bundle's top are the box's own: the SDK and the look."""
MAX_MANIFEST_BYTES = 256 * 1024
MAX_QUOTA_MB = 16
LOCALES = ("zh-CN", "en")
SENSOR_ARGS = frozenset({"device_class", "unit"})

_APP_ID = re.compile(r"[a-z][a-z0-9]*(?:\.[a-z][a-z0-9_-]*){2,7}")
_VERSION = re.compile(r"(?:0|[1-9]\d{0,5})(?:\.(?:0|[1-9]\d{0,5})){2}")
_PATH_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_COLOR = re.compile(r"#[0-9a-f]{6}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_ID = 100
_MAX_PATH = 200
_MAX_DEPTH = 8


class PermissionName(StrEnum):
    """Everything an app may ask for."""

    STORAGE = "storage"
    SENSORS = "sensors"
    NOTICES = "notices"


class Sensitivity(StrEnum):
    """How much a permission touches the household's private life."""

    ORDINARY = "ordinary"
    SENSITIVE = "sensitive"


def is_app_id(text: str) -> bool:
    """Whether `text` is a reverse-DNS name with at least three parts."""
    return len(text) <= _MAX_ID and _APP_ID.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Whether `text` is ``major.minor.patch`` in plain numbers."""
    return _VERSION.fullmatch(text) is not None


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by; `version` has passed `is_version`."""
    return tuple(int(part) for part in version.split("."))


def is_bundle_path(name: str) -> bool:
    """Whether `name` is a relative path that is safe on every file system and in every address."""
    parts = name.split("/")
    return (
        len(name) <= _MAX_PATH
        and len(parts) <= _MAX_DEPTH
        and all(_PATH_PART.fullmatch(part) and not part.endswith(".") for part in parts)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Which levels of the app contract the app works with.

    Attributes:
        min: The lowest; a box below it refuses the bundle.
        target: The one it was written against.
    """

    min: int = API_LEVEL
    target: int = API_LEVEL

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.target:
            raise FieldError("min", f"{self.min} is not between 1 and target ({self.target})")
        if self.min > API_LEVEL:
            raise FieldError("min", f"this box speaks level {API_LEVEL} of the app contract")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The pages the app opens with.

    Attributes:
        tv: Page for the television, 1920 x 1080, driven by keys.
    """

    tv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One thing the app asks for.

    Attributes:
        name: What.
        args: Limits within it: `sensors` takes ``device_class`` and ``unit``, and covers what has one
            of these classes or units.
        sensitivity: How private it is.
        reason: Why the app needs it, by locale, as the television shows it.
    """

    name: PermissionName
    reason: Mapping[str, str]
    args: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sensitivity: Sensitivity = Sensitivity.ORDINARY

    def __post_init__(self) -> None:
        _need_locales("reason", self.reason)
        allowed = SENSOR_ARGS if self.name is PermissionName.SENSORS else frozenset()
        for key in self.args:
            if key not in allowed:
                raise FieldError(f"args.{key}", f"is not an argument of {self.name}")
        if self.name is PermissionName.SENSORS and not any(self.args.values()):
            raise FieldError("args", "is required: name the device_class or the unit that the app reads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What the app may keep on the box.

    Attributes:
        quota_mb: Most it may hold, in MiB.
    """

    quota_mb: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.quota_mb <= MAX_QUOTA_MB:
            raise FieldError("quota_mb", f"{self.quota_mb} is outside 1..{MAX_QUOTA_MB}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole of ``manifest.yaml``.

    Attributes:
        schema: Version of this document's shape.
        id: Reverse-DNS name; begins with the publisher's prefix.
        version: ``major.minor.patch``.
        name: As the household reads it, by locale.
        summary: What it is for, in a few words below the name, by locale; may be left out.
        icon: SVG file in the bundle.
        color: Ground of the icon on the home screen, ``#rrggbb``.
        entry: Where it opens.
        permissions: All it asks for.
        files: SHA-256 of every other file of the bundle; written by ``headend build``.
    """

    schema: int
    id: AppId
    version: str
    name: Mapping[str, str]
    icon: str
    color: str
    entry: Entry
    api: Api = Api()
    permissions: tuple[Permission, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    storage: Storage = Storage()
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise FieldError("schema", f"is {self.schema}; this box reads {SCHEMA}")
        if not is_app_id(self.id):
            raise FieldError("id", f"{self.id!r} is not a reverse-DNS name such as com.example.news")
        if not is_version(self.version):
            raise FieldError("version", f"{self.version!r} is not major.minor.patch")
        if not _COLOR.fullmatch(self.color):
            raise FieldError("color", f"{self.color!r} is not a colour such as #1676a8")
        _need_locales("name", self.name)
        if self.summary:
            _need_locales("summary", self.summary)
        names = [permission.name for permission in self.permissions]
        if len(names) != len(set(names)):
            raise FieldError("permissions", "asks for the same thing twice")
        self._check_files()

    def _check_files(self) -> None:
        for path, digest in self.files.items():
            if not is_bundle_path(path):
                raise FieldError(f"files.{path}", "is not a safe relative path")
            if path == MANIFEST_NAME or path.startswith(KEPT_PREFIX):
                raise FieldError(f"files.{path}", "is a name the box keeps for itself")
            if not _SHA256.fullmatch(digest):
                raise FieldError(f"files.{path}", "is not a SHA-256 in hexadecimal")

    def permission(self, name: PermissionName) -> Permission | None:
        """Return what the app asked for under `name`, if it did."""
        return next((asked for asked in self.permissions if asked.name is name), None)


def parse_manifest(text: bytes) -> Manifest:
    """Return the manifest in YAML `text`.

    Raises:
        ManifestError: with every problem by dotted path.
        BackendError: the bundle brings a backend.
    """
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"{MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        data = parse_yaml(text, where=MANIFEST_NAME)
        if isinstance(data, Mapping) and "backend" in data:
            raise BackendError("backend: this version of the box runs pages only, no app programs")
        return decode(data, Manifest)
    except SchemaError as error:
        raise ManifestError(str(error)) from error


def need_entries(manifest: Manifest) -> None:
    """Check that the files that `manifest` refers to are in its list.

    Raises:
        ManifestError: one is not.
    """
    for key, path in (("icon", manifest.icon), ("entry.tv", manifest.entry.tv)):
        if path not in manifest.files:
            raise ManifestError(f"{key}: {path} is not a file of the bundle")


def _need_locales(field_name: str, texts: Mapping[str, str]) -> None:
    for locale in LOCALES:
        if not texts.get(locale, "").strip():
            raise FieldError(f"{field_name}.{locale}", "is required")
