"""The guide's file: one SQLite database that the loader writes and the daemon only reads.

One rule: a file of another version, or one that is damaged, is never mended: the
guide can be fetched anew, so a fresh file takes its place.
"""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

VERSION = 3
BUSY_MS = 10_000

# Programmes lie in the order a grid is read and a guide is written: channel by channel, in time.
# `longest` is the length of a channel's longest programme: how far back one may have begun that is on.
# A series is what `gateway.media.guide_words.series_of` says of a title; `channels` are the numbers
# of those that show it, 4 bytes each, so that a search reads only those.
SCRIPT = """
    CREATE TABLE guide_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE guide_channel (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, names TEXT NOT NULL, longest INTEGER NOT NULL
    );
    CREATE TABLE guide_programme (
        channel INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, title TEXT NOT NULL,
        subtitle TEXT NOT NULL, description TEXT NOT NULL, category TEXT NOT NULL, age INTEGER NOT NULL,
        catchup_id TEXT NOT NULL, series INTEGER NOT NULL,
        PRIMARY KEY (channel, start)
    ) WITHOUT ROWID;
    CREATE TABLE guide_series (
        id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE, initials TEXT NOT NULL, pinyin TEXT NOT NULL,
        channels BLOB NOT NULL
    );
    CREATE VIRTUAL TABLE guide_series_text
        USING fts5(series, content='guide_series', content_rowid='id', tokenize='trigram');
"""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the newest load; kept in the file, changed with it in one transaction.

    Attributes:
        load: Counts the loads of this file; another number means other programmes.
        loaded_at: When, in seconds since 1970.
        address: Where the guide came from.
        mark: What its publisher called this version, as `gateway.media.published` keeps it.
        until: When the last programme ends.
        later: Programmes that were left out because they lie too far ahead.
    """

    load: int = 0
    loaded_at: int = 0
    address: str = ""
    mark: Mapping[str, str] | tuple[int, int, int] | None = None
    until: int = 0
    later: int = 0


def version_of(db: sqlite3.Connection) -> int:
    """Return which version of the tables `db` has; 0 for none of ours."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def read_meta(db: sqlite3.Connection) -> Meta:
    """Return what `write_meta` wrote last."""
    row = db.execute("SELECT value FROM guide_meta WHERE name = 'load'").fetchone()
    return msgspec.json.decode(row[0], type=Meta) if row else Meta()


def write_meta(db: sqlite3.Connection, meta: Meta) -> None:
    """Keep `meta`; part of the caller's transaction."""
    db.execute("INSERT OR REPLACE INTO guide_meta VALUES ('load', ?)", (msgspec.json.encode(meta).decode(),))


def is_usable(path: Path) -> bool:
    """Return whether there is a guide of this version in `path`."""
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            return version_of(db) == VERSION and read_meta(db).load > 0
    except sqlite3.Error:
        return False


def remove(path: Path) -> None:
    """Remove the database `path` with its journals.

    The database goes first: a journal is worthless without it, but would be
    played into any other file of its name.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
