"""Pulls the plug at every change that a check of the repository makes on the disk.

Run by ``test_installer.py`` in a process of its own.  python-tuf writes by
itself, so the plug hangs on the interpreter's audit events, which every
opening, renaming and removing of a file raises.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from gateway.disk import LocalDisk
from gateway.errors import GatewayError
from gateway.trust.fetch import Fetcher, Patience
from gateway.trust.repository import Place, Repository

PATH = "apps/com.example.hello/1.1.0.zip"
CUT = 9
MOST_STEPS = 500
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.symlink", "os.rmdir"}


def main() -> None:
    work, url, root = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    report = []
    for step in range(1, MOST_STEPS):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        child = os.fork()
        if child == 0:
            hang_plug(work, step)
            check(work, url, root)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        report.append({"after": check(work, url, root)})
        if os.waitstatus_to_exitcode(status) == 0:
            json.dump(report, sys.stdout)
            return
    raise SystemExit("the work never ends")


def hang_plug(work: Path, step: int) -> None:
    left = step

    def heard(event: str, details: tuple[object, ...]) -> None:
        nonlocal left
        if event not in CHANGES or str(work) not in f"{details[0]} {details[1:2]}":
            return
        if event == "open" and not isinstance(details[2], int):
            return
        if event == "open" and isinstance(details[2], int) and not details[2] & (os.O_WRONLY | os.O_RDWR):
            return
        left -= 1
        if left == 0:
            os._exit(CUT)

    sys.addaudithook(heard)


def check(work: Path, url: str, root: Path) -> str:
    place = Place(url=url, root=root, metadata=work / "trust")
    fetcher = Fetcher(Patience())
    repository = Repository(place, fetcher, LocalDisk())
    try:
        repository.refresh()
        offered = {offer.path for offer in repository.listing().offers}
        repository.fetch(PATH, work / "in" / "0.zip")
    except GatewayError as error:
        return error.line()
    finally:
        fetcher.close()
    left = {path.name for path in (work / "in").iterdir()}
    return "offered and fetched" if PATH in offered and left == {"0.zip"} else f"{offered} {left}"


if __name__ == "__main__":
    main()
