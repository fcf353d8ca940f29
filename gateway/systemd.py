"""Telling systemd that the daemon is ready, well, and stopping (``sd_notify(3)``).

One rule: without ``NOTIFY_SOCKET`` every call does nothing, so that the daemon
is the same in a terminal.
"""

import contextlib
import socket
from collections.abc import Mapping


class Notifier:
    """One end of systemd's notification socket.

    Attributes:
        watchdog_s: How often systemd wants to hear `beat`; `None` if it does not.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract socket is written with "@" and meant with NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 2_000_000 if usec.isdigit() and int(usec) > 0 else None

    def ready(self) -> None:
        """Say that every essential service answers."""
        self._send("READY=1")

    def beat(self) -> None:
        """Say that the event loop and the essential services are alive."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Give the line that ``systemctl status`` shows."""
        self._send(f"STATUS={text}")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # systemd going away must not stop the television.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(self._address)
            notify.send(state.encode())
