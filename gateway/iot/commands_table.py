"""Commands on the disk.

One rule: pure SQL over a connection that somebody else opened; every call is one
transaction of the caller's.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.iot.commands_model import Command, CommandState
from gateway.iot.entity import EntityId

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE command (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        entity TEXT NOT NULL,
        value TEXT NOT NULL,
        state TEXT NOT NULL,
        code TEXT,
        created_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    );
    """,
)

_ENDS = json.dumps([state.value for state in CommandState if state.over])
_COLUMNS = "id, entity, value, state, code, created_at, changed_at, expires_at"


def load(db: sqlite3.Connection) -> list[Command]:
    """Return what is kept, oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM command ORDER BY number").fetchall()  # noqa: S608 - a constant
    return [
        Command(
            id=row[0],
            entity=EntityId(row[1]),
            value=json.loads(row[2]),
            state=CommandState(row[3]),
            code=row[4],
            created_at=datetime.fromisoformat(row[5]),
            changed_at=datetime.fromisoformat(row[6]),
            expires_at=datetime.fromisoformat(row[7]),
        )
        for row in rows
    ]


def insert(db: sqlite3.Connection, command: Command, kept: int) -> None:
    """Add `command`; only the newest `kept` stay."""
    db.execute(
        f"INSERT INTO command ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        _row(command),
    )
    _forget_old(db, kept)


def _row(command: Command) -> tuple[object, ...]:
    times = (command.created_at, command.changed_at, command.expires_at)
    what = (command.id, command.entity, json.dumps(command.value), command.state.value, command.code)
    return (*what, *(each.isoformat() for each in times))


def _forget_old(db: sqlite3.Connection, kept: int) -> None:
    db.execute("DELETE FROM command WHERE number <= (SELECT max(number) FROM command) - ?", (kept,))


def update(db: sqlite3.Connection, command: Command) -> None:
    """Write how far `command` has come."""
    db.execute(
        "UPDATE command SET state = ?, code = ?, changed_at = ? WHERE id = ?",
        (command.state.value, command.code, command.changed_at.isoformat(), command.id),
    )


def keep(db: sqlite3.Connection, commands: Sequence[Command], kept: int) -> None:
    """Write `commands` as they were, new ones too; only the newest `kept` stay.

    One that has come further since stays as it is.
    """
    db.executemany(
        f"INSERT INTO command ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - a constant
        "ON CONFLICT (id) DO UPDATE SET state = excluded.state, code = excluded.code, "
        "changed_at = excluded.changed_at "
        "WHERE command.state NOT IN (SELECT value FROM json_each(?)) "
        "AND excluded.changed_at >= command.changed_at",
        [(*_row(command), _ENDS) for command in commands],
    )
    _forget_old(db, kept)
