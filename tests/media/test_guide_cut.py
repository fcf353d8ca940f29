"""The guide survives a kill at any moment, of the box or of its loader alone."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

INSTANTS = int(os.environ.get("GUIDE_CUTS", "20"))
CHANNELS = 40
A_DAY = 24
DAYS = 8
LONGEST_LOAD_S = 1.2

Shown = set[tuple[str, int, str]]


def write(file: Path, edition: int) -> None:
    """Put a guide in place whose every programme says of which edition it is, save a part that stays."""
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = ["<tv>"]
    for channel in range(CHANNELS):
        for at in range(A_DAY * DAYS):
            start, stop = first + timedelta(hours=at), first + timedelta(hours=at + 1)
            title = f"节目{at % 7}" if channel % 4 == 0 else f"节目{at % 7} {edition}版"
            times = f'start="{start:%Y%m%d%H%M%S}" stop="{stop:%Y%m%d%H%M%S}"'
            lines.append(f'<programme channel="c{channel}" {times}><title>{title}</title></programme>')
    fresh = file.with_name("fresh")
    fresh.write_text("\n".join([*lines, "</tv>"]))
    fresh.replace(file)


@contextlib.contextmanager
def box(folder: Path, source: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, str(Path(__file__).with_name("guide_cut.py")), str(folder), str(source)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def editions(file: Path) -> set[str]:
    """Return which editions the file holds; fails if it is damaged or incomplete."""
    if not file.exists():
        return set()
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (count,) = db.execute("SELECT COUNT(*) FROM guide_programme").fetchone()
        assert count == CHANNELS * A_DAY * DAYS
        db.execute("INSERT INTO guide_series_text (guide_series_text) VALUES ('integrity-check')")
        titles = db.execute("SELECT DISTINCT title FROM guide_programme")
        return {title.rpartition(" ")[2] for (title,) in titles if title.endswith("版")}


def loader_of(process: "subprocess.Popen[str]") -> int | None:
    """Return the process that is loading for the box, if there is one now."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return int(children[0]) if children else None
    return None


@pytest.mark.slow
@pytest.mark.timeout(60 + 8 * INSTANTS)
def test_a_guide_is_the_old_one_or_the_new_one_whole_whenever_power_fails(tmp_path: Path) -> None:
    chance = random.Random(INSTANTS)  # noqa: S311 - the same instants each time
    source, file = tmp_path / "guide.xml", tmp_path / "guide.db"
    outcomes = {"old": 0, "new": 0, "none": 0}
    for edition in range(INSTANTS):
        if edition % 8 == 0:  # now and then the very first load
            for path in tmp_path.glob("guide.db*"):
                path.unlink()
        before = editions(file)
        write(source, edition)
        with box(tmp_path, source) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, LONGEST_LOAD_S))
            if edition % 2 and (loader := loader_of(process)) is not None:
                # The loader alone: the box goes on, and loads again.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(loader, signal.SIGKILL)
                if edition % 4 == 1:
                    assert process.stdout.readline() == "loaded\n"
        after = editions(file)
        assert after in (before, {f"{edition}版"})
        outcomes["none" if not after else "old" if after == before else "new"] += 1
    sys.stdout.write(f"{INSTANTS} instants: {outcomes}\n")
    assert min(outcomes["old"] + outcomes["none"], outcomes["new"]) > 0, outcomes
    with box(tmp_path, source) as process:
        write(source, INSTANTS)
        assert process.stdout is not None
        while f"{INSTANTS}版" not in editions(file):
            assert process.stdout.readline()
