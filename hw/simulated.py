"""A board that exists only as files: the fake of everything in this package.

One rule: it lays out the same files as a kernel does, so that the readers do
not know the difference; the tests of the readers run on it.
"""

import os
from pathlib import Path

from hw.keymap import keymap
from hw.remote import EV_KEY, EVENT, PRESSED, RELEASED


class SimulatedBoard:
    """A folder that looks like ``/`` of a box, with a remote control and a screen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._codes = {key: code for code, key in keymap().items()}

    def plug_remote(self, name: str = "simulated remote", number: int = 0) -> "SimulatedRemote":
        """Add an input device; its file is a pipe that `SimulatedRemote.press` writes to."""
        entry = self.root / f"sys/class/input/event{number}/device"
        entry.mkdir(parents=True, exist_ok=True)
        (entry / "name").write_text(f"{name}\n")
        device = self.root / f"dev/input/event{number}"
        device.parent.mkdir(parents=True, exist_ok=True)
        if not device.exists():
            os.mkfifo(device)
        return SimulatedRemote(device, self._codes)

    def plug_screen(self, modes: tuple[str, ...] = ("1920x1080",), connector: str = "HDMI-A-1") -> None:
        """Connect a screen."""
        folder = self.root / f"sys/class/drm/card0-{connector}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("connected\n")
        (folder / "modes").write_text("".join(f"{mode}\n" for mode in modes))


class SimulatedRemote:
    """The hand on the remote control."""

    def __init__(self, device: Path, codes: dict[str, int]) -> None:
        # Reading and writing, so that opening does not wait for the other side (fifo(7)).
        self._pipe = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._codes = codes

    def press(self, key: str) -> None:
        """Press and let go."""
        self.send(self._codes[key], PRESSED)
        self.send(self._codes[key], RELEASED)

    def send(self, code: int, value: int, kind: int = EV_KEY) -> None:
        """Send one raw event, sensible or not."""
        os.write(self._pipe, EVENT.pack(0, 0, kind, code, value))

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._pipe)
