"""What an app keeps on the box.

One rule: it lies in the app's own folder and nowhere else, one file per key,
so that removing the app removes it.  A database would keep copies in its
journal, its free pages and its backup.
"""

import hashlib
from pathlib import Path

import msgspec

from gateway.apps.errors import CallError, QuotaError
from gateway.disk import Disk, replace_file

MAX_KEYS = 256
MAX_KEY_CHARS = 128
MAX_VALUE_BYTES = 64 * 1024

_SUFFIX = ".json"


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: object


class AppStorage:
    """The keys and values of one app.  Its methods block; one caller at a time."""

    def __init__(self, folder: Path, quota_bytes: int, disk: Disk) -> None:
        self._folder = folder
        self._quota_bytes = quota_bytes
        self._disk = disk

    def get(self, key: str) -> object:
        """Return the value of `key`; `None` when there is none."""
        entry = _read(self._path(key))
        return entry.value if entry else None

    def keys(self) -> list[str]:
        """Return all keys in order."""
        entries = (_read(path) for path in self._files())
        return sorted(entry.key for entry in entries if entry)

    def set(self, key: str, value: object) -> None:
        """Keep `value`, which is plain JSON, under `key`; `None` removes it.  Safe when it returns.

        Raises:
            CallError: the key or the value is too large.
            QuotaError: the app has no room left.
        """
        path = self._path(key)
        if value is None:
            self._disk.remove(path)
            if self._folder.is_dir():
                self._disk.sync(self._folder)
            return
        text = msgspec.json.encode(_Entry(key=key, value=value))
        if len(text) > MAX_VALUE_BYTES:
            raise CallError(f"the value is larger than {MAX_VALUE_BYTES} bytes")
        others = [other for other in self._files() if other != path]
        if len(others) >= MAX_KEYS:
            raise QuotaError(f"the app has {MAX_KEYS} keys already")
        if sum(other.stat().st_size for other in others) + len(text) > self._quota_bytes:
            raise QuotaError(f"the app may keep {self._quota_bytes} bytes")
        if not self._folder.is_dir():
            self._disk.make_folder(self._folder)
            self._disk.sync(self._folder.parent)
        replace_file(self._disk, path, text)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else []

    def _path(self, key: str) -> Path:
        if not 0 < len(key) <= MAX_KEY_CHARS:
            raise CallError(f"a key has 1 to {MAX_KEY_CHARS} characters")
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}{_SUFFIX}"


def _read(path: Path) -> _Entry | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Entry)
    except (OSError, msgspec.DecodeError):
        return None
