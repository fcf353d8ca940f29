import socket
from pathlib import Path

from gateway.systemd import Notifier


def test_systemd_hears_ready_beats_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"})
        notifier.ready()
        notifier.beat()
        notifier.status("television is up")
        notifier.stopping()
        heard = [systemd.recv(100) for _ in range(4)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STATUS=television is up", b"STOPPING=1"]
    assert notifier.watchdog_s == 1.5  # half the time systemd waits


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0gateway-test-notify")
        systemd.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@gateway-test-notify"}).ready()
        assert systemd.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens() -> None:
    quiet = Notifier({})
    quiet.ready()
    assert quiet.watchdog_s is None
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()
