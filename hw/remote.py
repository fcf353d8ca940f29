"""Keys of the remote control, read from the kernel's event devices.

One rule: a device that comes, goes or sends nonsense never disturbs the
others; remotes are unplugged, batteries die, and receivers re-enumerate.

The format is ``struct input_event`` of ``linux/input.h`` on a 64-bit kernel.
It is read here in a few lines because the bindings need a compiler on the box
and refuse anything but a real device, which a test does not have.
"""

import asyncio
import errno
import fcntl
import fnmatch
import logging
import os
import stat
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.pubsub import Publisher
from hw.board import Remote
from hw.keymap import keymap

log = logging.getLogger(__name__)

EVENT = struct.Struct("llHHi")
EV_KEY = 0x01
RELEASED, PRESSED, REPEATED = 0, 1, 2
EVIOCGRAB = 0x40044590
SCAN_EVERY_S = 2.0
LONG_PRESS_S = 3.0


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A logical key went down, or is held.

    Attributes:
        key: One of `hw.keymap.LOGICAL_KEYS`.
        repeated: True while it is held.
    """

    key: str
    repeated: bool = False


class RemoteReader:
    """Reads every matching input device; a service."""

    def __init__(self, remote: Remote, *, root: Path = Path("/"), scan_every_s: float = SCAN_EVERY_S) -> None:
        """Describe a reader.

        Args:
            remote: Which devices, and what their keys mean.
            root: Where ``sys`` and ``dev`` are; a captured tree in tests.
            scan_every_s: How often new devices are looked for.
        """
        self.presses: Publisher[KeyPress] = Publisher()
        self._remote = remote
        self._keys = keymap(remote.keys)
        self._root = root
        self._scan_every_s = scan_every_s
        self._open: dict[Path, int] = {}
        self._red_since: float | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Read until cancelled."""
        try:
            self._scan()
            ready()
            while True:
                await asyncio.sleep(self._scan_every_s)
                self._scan()
        finally:
            for path in tuple(self._open):
                self._close(path)

    def devices(self) -> Sequence[tuple[Path, str]]:
        """Return device file and name of every input device that matches."""
        found = []
        for entry in sorted((self._root / "sys/class/input").glob("event*")):
            try:
                name = (entry / "device/name").read_text().strip()
            except OSError:
                continue
            if any(fnmatch.fnmatchcase(name, wanted) for wanted in self._remote.devices):
                found.append((self._root / "dev/input" / entry.name, name))
        return found

    def _scan(self) -> None:
        for path, name in self.devices():
            if path in self._open:
                continue
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                log.debug("%s (%s): %s", name, path, error)
                continue
            self._open[path] = descriptor
            self._grab(descriptor, name)
            asyncio.get_running_loop().add_reader(descriptor, self._read, path)
            log.info("remote control: %s", name)

    def _grab(self, descriptor: int, name: str) -> None:
        if not self._remote.grab or not stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return
        try:
            fcntl.ioctl(descriptor, EVIOCGRAB, 1)
        except OSError as error:
            log.warning("%s is also read by another program: %s", name, error)

    def _read(self, path: Path) -> None:
        try:
            data = os.read(self._open[path], EVENT.size * 64)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                self._close(path)  # ENODEV: it was unplugged; a later scan finds it again
            return
        if not data:
            self._close(path)
            return
        whole = len(data) - len(data) % EVENT.size
        for _sec, _usec, kind, code, value in EVENT.iter_unpack(data[:whole]):
            if kind == EV_KEY:
                self._heed(code, value)

    def _heed(self, code: int, value: int) -> None:
        key = self._keys.get(code)
        if key is None or value not in (RELEASED, PRESSED, REPEATED):
            return
        if key == "red":
            self._heed_red(value)
        elif value != RELEASED:
            self.presses.publish(KeyPress(key, repeated=value == REPEATED))

    def _heed_red(self, value: int) -> None:
        """Red held long enough calls for help; a short press is told at its release."""
        now = asyncio.get_running_loop().time()
        if value == PRESSED:
            self._red_since = now
        elif self._red_since is not None:
            if now - self._red_since >= LONG_PRESS_S:
                self._red_since = None
                self.presses.publish(KeyPress("sos"))
            elif value == RELEASED:
                self._red_since = None
                self.presses.publish(KeyPress("red"))

    def _close(self, path: Path) -> None:
        descriptor = self._open.pop(path)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
