import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.reel import Reel, ReelError
from tests.media.reel_fixtures import EVENING, STEP, numbers, piece


def read(reel: Reel) -> list[int]:
    found = [reel.read(entry) for entry in reel.entries]
    assert None not in found
    return numbers([each for each in found if each])


def opened(path: Path) -> Reel:
    reel = Reel(path)
    reel.open()
    return reel


def test_what_was_appended_can_be_read_at_once_and_later(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    reel = opened(path)
    for number in range(5):
        reel.append(piece(number, size=400_000))
    assert read(reel) == [0, 1, 2, 3, 4]
    reel.close()
    again = opened(path)
    assert read(again) == [0, 1, 2, 3, 4]
    assert again.entries == reel.entries
    assert again.entries[3].at == EVENING + 3 * STEP
    assert again.secured == 5


def test_media_is_written_in_large_aligned_parts(tmp_path: Path) -> None:
    reel = opened(tmp_path / "film.ts")
    reel.append(piece(0, size=900_000))
    assert not (tmp_path / "film.ts").exists()
    reel.append(piece(1, size=900_000))
    assert (tmp_path / "film.ts").stat().st_size == 1024 * 1024
    assert reel.written == 1
    reel.flush()
    assert reel.written == 2
    reel.abandon()


def test_a_reel_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    first = opened(path)
    for number in range(4):
        first.append(piece(number, size=10_000))
    first.flush()
    first.abandon()
    with path.open("r+b") as file:
        file.truncate(first.entries[2].end + 77)
    second = opened(path)
    assert read(second) == [0, 1, 2]
    assert path.stat().st_size == second.size_bytes
    second.append(piece(9, size=20_000))
    second.close()
    assert read(opened(path)) == [0, 1, 2, 9]


def test_holes_that_a_power_cut_left_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    reel = opened(path)
    for number in range(3):
        reel.append(piece(number, size=10_000))
    reel.secure()
    for number in range(3, 6):
        reel.append(piece(number, size=10_000))
    reel.flush()
    reel.abandon()
    with path.open("r+b") as file:  # the length was written, the middle was not
        file.seek(reel.entries[4].offset + 50)
        file.write(bytes(500))
    again = opened(path)
    assert read(again) == [0, 1, 2, 3]
    again.append(piece(7))
    again.close()
    assert read(opened(path)) == [0, 1, 2, 3, 7]


def test_an_index_that_says_more_than_there_is_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    reel = opened(path)
    for number in range(3):
        reel.append(piece(number))
    reel.close()
    path.unlink()
    again = opened(path)
    assert again.entries == []
    again.append(piece(5))
    again.close()
    assert read(opened(path)) == [5]


def test_a_lost_index_takes_the_media_along(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    reel = opened(path)
    reel.append(piece(0, size=5000))
    reel.close()
    path.with_suffix(".idx").unlink()
    assert opened(path).size_bytes == path.stat().st_size == 0


def test_a_damaged_piece_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    reel = opened(path)
    for number in range(3):
        reel.append(piece(number, size=1000))
    reel.close()
    with path.open("r+b") as file:
        file.seek(reel.entries[1].offset + 9)
        file.write(b"rust")
    again = opened(path)  # it was secured, so nobody looks at opening
    assert [again.read(entry) is not None for entry in again.entries] == [True, False, True]


def test_a_disk_that_takes_no_more_leaves_the_reel_as_it_was(tmp_path: Path) -> None:
    # /dev/full refuses every write; the reel's own file leads there.
    path = tmp_path / "film.ts"
    path.symlink_to("/dev/full")
    reel = Reel(path, write_bytes=1000)
    with pytest.raises(ReelError):
        reel.append(piece(0, size=5000))
    assert reel.entries == []
    reel.abandon()
    path.unlink()
    reel.append(piece(1, size=5000))
    reel.close()
    assert read(opened(path)) == [1]


def test_a_deleted_reel_is_gone_and_reads_nothing(tmp_path: Path) -> None:
    reel = opened(tmp_path / "film.ts")
    reel.append(piece(0))
    reel.close()
    reel.delete()
    assert list(tmp_path.iterdir()) == []
    assert reel.read(reel.entries[0]) is None


def test_hardly_more_is_written_than_media(tmp_path: Path) -> None:
    reel = opened(tmp_path / "film.ts")
    for number in range(60):
        reel.append(piece(number, size=500_000))
        reel.secure()
    reel.close()
    assert reel.bytes_written <= 1.001 * reel.size_bytes


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    secured=st.integers(0, 12),
    lost=st.integers(0, 100_000),
    index_lost=st.integers(0, 1000),
    scribbled=st.integers(0, 100_000),
)
def test_whatever_a_power_cut_takes_what_was_secured_is_there_whole(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    secured: int,
    lost: int,
    index_lost: int,
    scribbled: int,
) -> None:
    path = tmp_path_factory.mktemp("cut") / "film.ts"
    reel = Reel(path, write_bytes=1000)
    reel.open()
    safe_media = safe_index = promised = 0
    for number, size in enumerate(sizes, 1):
        reel.append(piece(number, size=size * 188))
        if number == secured:
            reel.secure()
            promised = reel.secured
            safe_media, safe_index = path.stat().st_size, path.with_suffix(".idx").stat().st_size
    reel.flush()
    reel.abandon()
    for file, safe, gone in ((path, safe_media, lost), (path.with_suffix(".idx"), safe_index, index_lost)):
        unsafe = file.stat().st_size - safe
        keep = safe + (gone % (unsafe + 1))
        os.truncate(file, keep)
        if keep > safe:
            with file.open("r+b") as open_file:
                open_file.seek(safe + scribbled % (keep - safe))
                open_file.write(bytes(min(60, keep - open_file.tell())))
    again = opened(path)
    found = read(again)
    assert len(found) >= promised
    assert found == list(range(1, len(found) + 1))
    again.append(piece(99, size=(lost % 50 + 1) * 188))
    again.close()
    assert read(opened(path)) == [*found, 99]
