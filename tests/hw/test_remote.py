import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.board import Remote
from hw.remote import KeyPress, RemoteReader
from hw.simulated import SimulatedBoard, SimulatedRemote
from tests.conftest import Serve

OURS = Remote(devices=("simulated remote*",))


@pytest.fixture
def board(tmp_path: Path) -> SimulatedBoard:
    return SimulatedBoard(tmp_path)


@pytest.fixture
def remote(board: SimulatedBoard) -> Iterator[SimulatedRemote]:
    plugged = board.plug_remote()
    yield plugged
    plugged.close()


async def presses(reader: RemoteReader, remote: SimulatedRemote, keys: list[str]) -> list[str]:
    with reader.presses.subscribe() as heard:
        for key in keys:
            remote.press(key)
        async with asyncio.timeout(5):
            return [(await anext(heard)).key for _ in keys]


async def test_every_press_arrives_in_order(
    board: SimulatedBoard, remote: SimulatedRemote, serve: Serve
) -> None:
    keys = ["channel_up", "1", "0", "ok", "home", "mute", "red", "sos"]
    async with serve(reader := RemoteReader(OURS, root=board.root)):
        assert await presses(reader, remote, keys) == keys


async def test_a_held_key_repeats(board: SimulatedBoard, remote: SimulatedRemote, serve: Serve) -> None:
    async with serve(reader := RemoteReader(OURS, root=board.root)):
        with reader.presses.subscribe() as heard:
            for value in (1, 2, 2, 0):
                remote.send(103, value)
            remote.press("ok")
            async with asyncio.timeout(5):
                got = [await anext(heard) for _ in range(4)]
    assert got == [
        KeyPress("up"),
        KeyPress("up", repeated=True),
        KeyPress("up", repeated=True),
        KeyPress("ok"),
    ]


async def test_nonsense_from_a_receiver_is_not_a_key(
    board: SimulatedBoard, remote: SimulatedRemote, serve: Serve
) -> None:
    async with serve(reader := RemoteReader(OURS, root=board.root)):
        with reader.presses.subscribe() as heard:
            remote.send(0xFFF, 1)
            remote.send(103, 77)
            remote.send(103, 1, kind=4)
            remote.press("ok")
            async with asyncio.timeout(5):
                assert await anext(heard) == KeyPress("ok")


async def test_a_board_can_name_keys_of_its_own(
    board: SimulatedBoard, remote: SimulatedRemote, serve: Serve
) -> None:
    odd = Remote(devices=OURS.devices, keys={"0x2f0": "guide", "KEY_RED": "info"})
    async with serve(reader := RemoteReader(odd, root=board.root)):
        with reader.presses.subscribe() as heard:
            remote.send(0x2F0, 1)
            remote.press("red")
            async with asyncio.timeout(5):
                assert [(await anext(heard)).key for _ in range(2)] == ["guide", "info"]


async def test_only_the_devices_the_board_names_are_read(board: SimulatedBoard, serve: Serve) -> None:
    keyboard = board.plug_remote("a keyboard", number=7)
    try:
        async with serve(reader := RemoteReader(OURS, root=board.root)):
            assert reader.devices() == []
    finally:
        keyboard.close()


async def test_a_remote_plugged_in_later_is_found_and_may_go_again(
    board: SimulatedBoard, serve: Serve
) -> None:
    async with serve(reader := RemoteReader(OURS, root=board.root, scan_every_s=0.01)):
        for _ in range(2):
            remote = board.plug_remote()
            assert await presses(reader, remote, ["ok"]) == ["ok"]
            shutil.rmtree(board.root / "sys/class/input/event0")
            (board.root / "dev/input/event0").unlink()
            remote.close()
