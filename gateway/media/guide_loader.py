"""The process that reads a guide into its file: ``python -m gateway.media.guide_loader``.

One rule: whatever an operator's or a stranger's file does to a reader, it does it here,
under limits of memory, time and space, and at the lowest priority.

Standard input is one JSON `Order`; standard output is one JSON `Said` per line: how many
programmes so far, and at the end a `Report` or why not.
"""

import contextlib
import gc
import os
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway.disk import LocalDisk
from gateway.media.guide_order import Order, Report, Said
from gateway.media.guide_schema import (
    BUSY_MS,
    SCRIPT,
    VERSION,
    Meta,
    is_usable,
    read_meta,
    remove,
    write_meta,
)
from gateway.media.guide_write import GuideWriter, Window
from gateway.media.xmltv import GuideChannel, GuideError, GuideRow, XmltvReader, unpacked

NICENESS = 15
MEMORY_BYTES = 512 * 1024 * 1024
PROCESSOR_S = 600
CACHE_KB = 8 * 1024
BATCH_ROWS = 2_000
PROGRESS_ROWS = 50_000
PAGE_BYTES = 4096
# A journal this long is written back before it grows further, so that flash holds it once.
KEPT_JOURNAL_BYTES = 4 * 1024 * 1024


def load(order: Order) -> Report:
    """Read `order.source` into `order.target`.

    Raises:
        GuideError: the guide is not one, or has nothing to show.
        sqlite3.Error: no space, or the file is damaged.
    """
    target = Path(order.target)
    fresh = target.with_name(target.name + ".new")
    remove(fresh)
    if not order.afresh and is_usable(target):
        # Whatever ails the old file, a fresh one is tried before the load is given up.
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(_journalled(target)) as db:
            return _take_in(db, order, afresh=False)
    with contextlib.closing(_unjournalled(fresh)) as db:
        report = _take_in(db, order, afresh=True)
        db.execute("PRAGMA journal_mode = WAL")
    disk = LocalDisk()
    disk.sync(fresh)
    remove(target)
    disk.rename(fresh, target)
    disk.sync(target.parent)
    return report


def _take_in(db: sqlite3.Connection, order: Order, *, afresh: bool) -> Report:
    began, before = time.monotonic(), db.total_changes
    db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    db.execute(f"PRAGMA max_page_count = {order.limit_bytes // PAGE_BYTES}")
    db.execute("BEGIN IMMEDIATE")
    reader = XmltvReader()
    writer = GuideWriter(db, Window(order.since, order.now, order.until))
    told = 0
    for batch in _batches(reader, Path(order.source)):
        writer.take(batch)
        if writer.programmes - told >= PROGRESS_ROWS:
            told = writer.programmes
            _say(Said(programmes=told))
    if not writer.programmes:
        out = f"{reader.skipped} skipped, {writer.earlier} too old, {writer.later} too far ahead"
        raise GuideError(f"The guide has no programme to show ({out})")
    writer.finish()
    meta = Meta(
        load=read_meta(db).load + 1,
        loaded_at=order.now,
        address=order.address,
        mark=order.mark,
        until=writer.until,
        later=writer.later,
    )
    write_meta(db, meta)
    db.execute("COMMIT")
    if not afresh:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Report(
        programmes=writer.programmes,
        skipped=reader.skipped,
        earlier=writer.earlier,
        later=writer.later,
        changed=db.total_changes - before,
        written_bytes=_written_bytes(),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        took_s=round(time.monotonic() - began, 3),
        processor_s=round(time.process_time(), 3),
        afresh=afresh,
    )


def _unjournalled(path: Path) -> sqlite3.Connection:
    """Open a new file; nobody reads it before it is complete, so nothing guards its half."""
    db = sqlite3.connect(path, isolation_level=None)
    for setting in (
        "page_size = 4096",
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
    ):
        db.execute(f"PRAGMA {setting}")
    db.executescript(SCRIPT)
    db.execute(f"PRAGMA user_version = {VERSION}")
    return db


def _journalled(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    for setting in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        f"journal_size_limit = {KEPT_JOURNAL_BYTES}",
    ):
        db.execute(f"PRAGMA {setting}")
    return db


def _batches(reader: XmltvReader, path: Path) -> Iterator[list[GuideRow | GuideChannel]]:
    rows: list[GuideRow | GuideChannel] = []
    for chunk in unpacked(path):
        rows += reader.feed(chunk)
        if len(rows) >= BATCH_ROWS:
            yield rows
            rows = []
    rows += reader.feed(b"", last=True)
    if rows:
        yield rows


def _written_bytes() -> int:
    """Return what this process has sent to the disk so far; 0 where the kernel does not count."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/io").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "write_bytes":
                return int(value)
    return 0


def _say(what: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Carry out the order on standard input; return the exit status."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Rows make no cycles, and a million of them would be looked through again and again.
    gc.disable()
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        _say(Said(report=load(order)))
    except GuideError as error:
        _say(Said(refused=str(error)))
        return 2
    except MemoryError:
        _say(Said(refused="The guide needs more memory than any guide"))
        return 2
    except (sqlite3.Error, OSError) as error:
        _say(Said(failed=f"{type(error).__name__}: {error}"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
