import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gateway.life import StateFolderError, StateTakenError, only_one


def test_two_daemons_never_share_a_state_folder(tmp_path: Path) -> None:
    with (
        only_one(tmp_path / "state"),
        pytest.raises(StateTakenError, match="another gateway runs"),
        only_one(tmp_path / "state"),
    ):
        pass
    with only_one(tmp_path / "state"):
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_state_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StateFolderError, match="File exists"), only_one(tmp_path / "state"):
        pass


STUCK = """
import asyncio, os, sys
from gateway import life
from gateway.supervisor import Supervisor, Unit

class Polite:
    async def run(self, ready):
        ready()
        print("up", flush=True)
        await asyncio.Event().wait()

class Stuck:
    async def run(self, ready):
        ready()
        print("up", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            while True:
                await asyncio.sleep(3600)

kind = {"polite": Polite, "stuck": Stuck}[sys.argv[1]]
units = [Unit(name=str(n), service=kind(), stop_s=60) for n in range(2)]
asyncio.run(life.live(Supervisor(units), os.environ))
"""


@pytest.mark.parametrize(("kind", "code"), [("polite", 0), ("stuck", 1)])
async def test_it_is_gone_soon_after_it_was_told(kind: str, code: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK, kind, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout
    for _ in range(2):
        assert await process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await process.wait() == code


async def test_systemd_hears_ready_and_beats(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Systemd(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            del addr
            heard.put_nowait(data)

    address = str(tmp_path / "notify")

    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)
    listening.bind(address)
    transport, _ = await loop.create_datagram_endpoint(Systemd, sock=listening)
    environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK, "polite", stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        async with asyncio.timeout(20):
            first = {await heard.get() for _ in range(4)}
        assert {b"READY=1", b"WATCHDOG=1"} <= first
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        transport.close()
