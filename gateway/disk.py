"""Changes to files that survive a power cut as old or new, never as half.

One rule: whoever wants such a change goes through a `Disk`, so that a test
can pull the plug at every single step.
"""

import os
import shutil
from pathlib import Path
from typing import Protocol

_SUFFIX = ".new"


class Disk(Protocol):
    """The steps that a power cut can fall between.

    Implementations: `LocalDisk`; a counting one in ``tests/apps/power_cut.py``.
    """

    def write(self, path: Path, data: bytes) -> None:
        """Put `data` into the new file `path`; not yet safe."""

    def sync(self, path: Path) -> None:
        """Return when the file or folder `path` is on the medium."""

    def rename(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, atomically, replacing a file there."""

    def make_folder(self, path: Path) -> None:
        """Make `path` and its parents where they are missing."""

    def remove(self, path: Path) -> None:
        """Remove the file or the whole folder `path`; nothing there is fine."""


class LocalDisk:
    """See `Disk`.  The machine's own file system."""

    def write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def sync(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """Make `path` hold `data`; after a power cut it holds the old or the new, whole."""
    beside = path.with_name(path.name + _SUFFIX)
    disk.write(beside, data)
    disk.sync(beside)
    disk.rename(beside, path)
    disk.sync(path.parent)


def replace_private_file(path: Path, data: bytes) -> None:
    """Like `replace_file`, and only its owner can read it, from the first byte on."""
    disk = LocalDisk()
    beside = path.with_name(path.name + _SUFFIX)
    disk.remove(beside)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    disk.sync(beside)
    disk.rename(beside, path)
    disk.sync(path.parent)
