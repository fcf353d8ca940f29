"""Pulls the plug at every step of installing and removing an app, and looks what is left.

Run by ``test_installer.py`` in a process of its own, because it forks: the
forked child ends by ``os._exit`` in the middle of its work, as a power cut
would end it, with nothing unwound.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.apps.shelf import Shelf
from gateway.disk import LocalDisk
from gateway.trust.manifest import AppId

APP = AppId("com.example.hello")
CUT = 9
MOST_STEPS = 2000


class CuttingDisk:
    """See `gateway.disk.Disk`.  A file system on a machine that loses power at one step."""

    def __init__(self, step: int) -> None:
        self._left = step
        self._real = LocalDisk()

    def write(self, path: Path, data: bytes) -> None:
        self._tick()
        if self._left == 1:
            path.write_bytes(data[: len(data) // 2])
        self._tick()
        self._real.write(path, data)

    def sync(self, path: Path) -> None:
        self._tick()
        self._real.sync(path)

    def rename(self, source: Path, target: Path) -> None:
        self._tick()
        self._real.rename(source, target)

    def make_folder(self, path: Path) -> None:
        self._tick()
        self._real.make_folder(path)

    def remove(self, path: Path) -> None:
        self._tick()
        if path.is_dir():
            # A folder goes file by file, and the power can fail between any two.
            for inner in sorted(path.rglob("*"), reverse=True):
                self._tick()
                inner.rmdir() if inner.is_dir() else inner.unlink()
        self._real.remove(path)

    def _tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(CUT)


def main() -> None:
    work, old, new = map(Path, sys.argv[1:4])
    empty, filled = work / "empty", work / "filled"
    empty.mkdir(parents=True)
    shelf = Shelf(filled, LocalDisk())
    shelf.sweep()
    shelf.install(old, APP, "1.0.0")
    (filled / APP / "storage").mkdir()
    (filled / APP / "storage" / "key.json").write_text("kept")

    def install(shelf: Shelf) -> None:
        shelf.sweep()
        shelf.install(new, APP, "1.1.0")
        shelf.sweep()

    def remove(shelf: Shelf) -> None:
        shelf.remove(APP)

    report = {
        "first": cuts(empty, work / "now", install),
        "update": cuts(filled, work / "now", install),
        "remove": cuts(filled, work / "now", remove),
    }
    json.dump(report, sys.stdout)


def cuts(start: Path, now: Path, act: Callable[[Shelf], None]) -> list[dict[str, object]]:
    """Cut `act` at each of its steps in turn, and once not at all."""
    found = []
    for step in range(1, MOST_STEPS):
        shutil.rmtree(now, ignore_errors=True)
        shutil.copytree(start, now)
        child = os.fork()
        if child == 0:
            act(Shelf(now, CuttingDisk(step)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found.append(look(now, act))
        if os.waitstatus_to_exitcode(status) == 0:
            return found
        if os.waitstatus_to_exitcode(status) != CUT:
            raise SystemExit(f"step {step} ended with {status}")
    raise SystemExit("the work never ends")


def look(now: Path, act: Callable[[Shelf], None]) -> dict[str, object]:
    """Start again after the cut: what is installed, is it whole, and can the work be done again."""
    shelf = Shelf(now, LocalDisk())
    shelf.sweep()
    app = shelf.load().get(APP)
    if app is None:
        whole = not (now / APP).exists()
        state = "nothing"
    else:
        digests = {
            path.relative_to(app.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in app.folder.rglob("*")
            if path.is_file() and path.name != "manifest.yaml"
        }
        kept = {path.name for path in (now / APP).iterdir()} - {"storage"}
        whole = digests == dict(app.manifest.files) and kept == {"current.json", app.folder.name}
        state = app.version
    act(shelf)
    return {
        "state": state,
        "whole": whole,
        "repeatable": (APP in shelf.load()) == (act.__name__ == "install"),
    }


if __name__ == "__main__":
    main()
