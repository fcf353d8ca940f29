import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store import Store, StoreError, StoreNewerError
from tests.conftest import Serve

WISHES = ("CREATE TABLE wish (id INTEGER PRIMARY KEY, text TEXT NOT NULL);",)


def texts(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT text FROM wish ORDER BY id")]


def wish(text: str) -> Callable[[sqlite3.Connection], None]:
    def insert(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO wish (text) VALUES (?)", (text,))

    return insert


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    async with serve(store := Store(path, {"wishes": WISHES})):
        await store.write(wish("rain"))
    async with serve(store := Store(path, {"wishes": WISHES})):
        assert await store.read(texts) == ["rain"]
        assert store.recovered is None


async def test_a_failed_change_leaves_nothing_behind(tmp_path: Path, serve: Serve) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO wish (text) VALUES ('half')")
        raise ValueError("power of the mind went")

    async with serve(store := Store(tmp_path / "box.db", {"wishes": WISHES})):
        with pytest.raises(ValueError, match="mind"):
            await store.write(half)
        assert await store.read(texts) == []


async def test_readers_cannot_write(tmp_path: Path, serve: Serve) -> None:
    async with serve(store := Store(tmp_path / "box.db", {"wishes": WISHES})):
        with pytest.raises(StoreError, match="readonly"):
            await store.read(wish("sneaky"))


async def test_a_closed_store_says_so(tmp_path: Path, serve: Serve) -> None:
    store = Store(tmp_path / "box.db", {"wishes": WISHES})
    with pytest.raises(StoreError, match="not open"):
        await store.read(texts)
    async with serve(store):
        pass
    with pytest.raises(StoreError, match="not open"):
        await store.write(wish("late"))


async def test_new_migrations_are_applied_once_and_in_order(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    async with serve(store := Store(path, {"wishes": WISHES})):
        await store.write(wish("rain"))
    later = (
        *WISHES,
        "ALTER TABLE wish ADD COLUMN done INTEGER NOT NULL DEFAULT 0;\nUPDATE wish SET done = 1;",
    )
    for _ in range(2):
        async with serve(store := Store(path, {"wishes": later})):
            rows = await store.read(lambda db: list(db.execute("SELECT text, done FROM wish")))
            assert rows == [("rain", 1)]


async def test_a_migration_that_fails_half_way_changes_nothing(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    broken = (*WISHES, "CREATE TABLE other (x);\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match="nowhere"):
        async with serve(Store(path, {"wishes": broken})):
            pass
    async with serve(store := Store(path, {"wishes": WISHES})):
        tables = await store.read(lambda db: {row[0] for row in db.execute("SELECT name FROM sqlite_master")})
    assert "wish" in tables
    assert "other" not in tables


async def test_a_database_of_a_newer_box_is_left_alone(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    async with serve(Store(path, {"wishes": (*WISHES, "CREATE TABLE extra (x);")})):
        pass
    with pytest.raises(StoreNewerError, match="version 2 of wishes"):
        async with serve(Store(path, {"wishes": WISHES})):
            pass


@pytest.mark.parametrize(
    "damage", [b"not a database at all" * 300, b""], ids=["garbage", "first page zeroed"]
)
async def test_a_damaged_database_falls_back_to_its_copy(tmp_path: Path, serve: Serve, damage: bytes) -> None:
    path = tmp_path / "box.db"
    async with serve(store := Store(path, {"wishes": WISHES})):
        await store.write(wish("rain"))
    async with serve(Store(path, {"wishes": WISHES})):
        pass  # the copy is made at start: it now holds the wish
    original = path.read_bytes()
    path.write_bytes(damage or b"\0" * 512 + original[512:])

    async with serve(store := Store(path, {"wishes": WISHES})):
        assert await store.read(texts) == ["rain"]
        assert store.recovered is not None
        assert store.recovered.restored_from is not None
        assert "went back to the copy of" in str(store.recovered)
        assert store.recovered.damaged is not None
        assert store.recovered.damaged.exists()


async def test_a_damaged_database_without_a_copy_starts_empty(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    path.write_bytes(b"garbage" * 1000)
    async with serve(store := Store(path, {"wishes": WISHES})):
        assert await store.read(texts) == []
        assert store.recovered is not None
        assert "starting empty" in str(store.recovered)
        assert store.recovered.damaged is not None
        assert store.recovered.damaged.read_bytes() == b"garbage" * 1000


@pytest.mark.parametrize("left", [b"", None], ids=["empty", "gone"])
async def test_a_file_that_a_power_cut_took_whole_falls_back_to_its_copy(
    tmp_path: Path, serve: Serve, left: bytes | None
) -> None:
    """Also in the middle of an earlier recovery, whose write-ahead log belongs to the damaged file."""
    path = tmp_path / "box.db"
    async with serve(store := Store(path, {"wishes": WISHES})):
        await store.write(wish("rain"))
    async with serve(Store(path, {"wishes": WISHES})):
        pass  # each start makes a copy
    path.unlink()
    path.with_name("box.db-wal").write_bytes(b"of another file")
    if left is not None:
        path.write_bytes(left)

    async with serve(store := Store(path, {"wishes": WISHES})):
        assert await store.read(texts) == ["rain"]
        assert store.recovered is not None
        assert "went back to the copy" in str(store.recovered)
    async with serve(store := Store(path, {"wishes": WISHES})):
        assert await store.read(texts) == ["rain"]
        assert store.recovered is None


async def test_damaged_files_do_not_fill_the_disk(tmp_path: Path, serve: Serve) -> None:
    path = tmp_path / "box.db"
    for _ in range(6):
        path.write_bytes(b"garbage" * 1000)
        async with serve(Store(path, {"wishes": WISHES})):
            pass
    assert len(list(tmp_path.glob("box.db.damaged-*"))) == 3


async def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        async with serve(Store(tmp_path / "state" / "box.db", {"wishes": WISHES})):
            pass
    assert caught.value.line().startswith("SUP-101: ")


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.store import Store

async def main():
    tables = ("CREATE TABLE wish (id INTEGER PRIMARY KEY, text TEXT NOT NULL);",)
    store = Store(Path(sys.argv[1]), {"wishes": tables})
    ready = asyncio.Event()
    task = asyncio.create_task(store.run(ready.set))
    await ready.wait()
    number = 0
    while True:
        row = (str(number),)
        await store.write(lambda db: db.execute("INSERT INTO wish (text) VALUES (?)", row) and None)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [0, 1, 7, 40])
async def test_a_kill_at_any_moment_keeps_all_that_was_promised(
    tmp_path: Path, serve: Serve, after: int
) -> None:
    path = tmp_path / "box.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        path,
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    async with asyncio.timeout(20):
        promised = [(await process.stdout.readline()).decode().strip() for _ in range(after + 1)]
    process.kill()
    rest = await process.stdout.read()
    await process.wait()
    promised += rest.decode().split()

    async with serve(store := Store(path, {"wishes": WISHES})):
        assert (await store.read(texts))[: len(promised)] == promised
        assert store.recovered is None
