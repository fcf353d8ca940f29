"""The whole demo as a newcomer starts and stops it."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import pytest

from headend.demo import signed_apps

BUNDLES = Path(__file__).parents[2] / "bundles"

pytestmark = pytest.mark.slow


def three_free_ports() -> int:
    """Return a port that is free together with the two after it."""
    for first in range(21_000, 60_000, 7):
        try:
            for port in range(first, first + 3):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


async def start(state: Path, port: int) -> Process:
    argv = [sys.executable, "-m", "headend.demo", "--state", str(state), "--port", str(port)]
    argv += ["--extent", "quick"]
    return await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT)


async def said(demo: Process, words: str) -> str:
    """Return what the demo said, up to the line with `words`."""
    assert demo.stdout
    text = ""
    async with asyncio.timeout(90):
        async for line in demo.stdout:
            text += line.decode()
            if words in text:
                return text
    pytest.fail(f"it ended without saying {words!r}: {text}")


async def gone(pid: int) -> None:
    """Return when the process `pid`, which need not be our child, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.timeout(240)
async def test_one_signal_stops_everything_within_five_seconds(
    material: Path, tmp_path: Path, how: signal.Signals
) -> None:
    shutil.copytree(material, tmp_path / "demo" / "material-quick")
    demo = await start(tmp_path, three_free_ports())
    text = await said(demo, "Ctrl-C stops everything")
    assert "/#t=" in text
    children = json.loads((tmp_path / "demo" / "children.json").read_text())
    devices = {"lamp", "door", "airconditioner", "thermometer", "bloodpressure"}
    assert set(children) == {"origin", "gateway", *devices}

    demo.send_signal(how)

    async with asyncio.timeout(5):
        await demo.communicate()
        for pid in children.values():
            await gone(pid)
    assert demo.returncode == (-how if how is signal.SIGKILL else 0)


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        demo = await start(tmp_path, port)
        async with asyncio.timeout(30):
            text, _ = await demo.communicate()

    assert demo.returncode == 1
    assert text.decode().startswith(f"DEMO-104: port {port} is used by another program. Stop the other")


def test_the_four_apps_are_published_once_and_stay(tmp_path: Path) -> None:
    first = signed_apps.publish_all(BUNDLES, tmp_path)
    again = signed_apps.publish_all(BUNDLES, tmp_path)

    assert first.apps == ("party-building", "telemedicine", "tv-shopping", "village-affairs")
    assert again == first
    assert first.refused == ()
    assert first.root_of_trust.read_bytes() == again.root_of_trust.read_bytes()
