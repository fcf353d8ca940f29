from pathlib import Path

import pytest

from hw.board import BoardError, Codec, known_boards, load_board

BOARDS = Path(__file__).parents[2] / "board_configs"


@pytest.mark.parametrize("name", ["simulated", "qemu-virt-arm64", "rpi4", "rk3566"])
def test_every_board_we_ship_is_whole(name: str) -> None:
    board = load_board(name, BOARDS)
    assert board.name == name
    assert board.video.decoders


def test_no_board_is_shipped_unseen() -> None:
    assert known_boards(BOARDS) == ("qemu-virt-arm64", "rk3566", "rpi4", "simulated")


def test_a_board_knows_what_it_decodes() -> None:
    pi = load_board("rpi4", BOARDS)
    assert pi.can_decode(Codec.HEVC, 2160, bit_depth=10)
    assert not pi.can_decode(Codec.H264, 2160)


GOOD = """
schema: 1
name: mine
title: A box
architecture: aarch64
memory_mb: 1024
video: {decoders: [{codec: h264, max_height: 1080, max_fps: 50}]}
"""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("schema: 1", "schema: 9"), "schema: version 9 is not known"),
        (("memory_mb: 1024", "memory_mb: 1"), "memory_mb: 1 is outside"),
        (("aarch64", "z80"), "architecture: z80 is not"),
        (("h264", "mpeg9"), r"video.decoders\[0\].codec: invalid enum value"),
        (("1080,", "9,"), r"video.decoders\[0\].max_height: 9 is outside"),
        (("title: A box", "titel: A box"), "titel: is not a known key; did you mean title"),
        (("name: mine", "name: other"), "name: is other, the file says mine"),
        (
            ("memory_mb: 1024", "memory_mb: 1024\nremote: {keys: {KEY_OK: fly}}"),
            "remote.keys.KEY_OK: fly is not",
        ),
        (
            ("memory_mb: 1024", "memory_mb: 1024\nremote: {keys: {KEY_FLY: ok}}"),
            "remote.keys.KEY_FLY: is neither",
        ),
    ],
    ids=[
        "format",
        "memory",
        "architecture",
        "codec",
        "height",
        "unknown key",
        "name",
        "logical key",
        "kernel key",
    ],
)
def test_a_wrong_board_file_is_refused_by_its_dotted_path(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    load_board(str(path), BOARDS)
    path.write_text(GOOD.replace(*change))
    with pytest.raises(BoardError, match=why):
        load_board(str(path), BOARDS)


def test_an_unknown_board_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BoardError, match="known are qemu-virt-arm64, rk3566, rpi4, simulated"):
        load_board("toaster", BOARDS)
    with pytest.raises(BoardError, match="No such file"):
        load_board("/nowhere/mine.yaml", BOARDS)
