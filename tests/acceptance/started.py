"""The product's processes as people start them: the whole demo, or its parts one by one.

One rule: whatever is started here ends with its block, and with pytest itself.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.schema import parse_yaml
from gateway.ui.auth import Access
from headend.demo import household, lineup, signed_apps
from headend.demo.channels import Extent
from headend.demo.household import Ports

ROOT = Path(__file__).parents[2]
BUNDLES = ROOT / "bundles"
UP_WITHIN_S = 120.0
DOWN_WITHIN_S = 10.0
LOOK_EVERY_S = 0.05
WELCOME = "Ctrl-C stops everything"

T = TypeVar("T")
Popen = subprocess.Popen[bytes]


def until(look: Callable[[], T | None], what: str, within_s: float = UP_WITHIN_S) -> T:
    """Return the first thing that `look` finds; other processes have no event for it."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise AssertionError(f"waited {within_s:.0f} s in vain for {what}")
        time.sleep(LOOK_EVERY_S)


def three_free_ports() -> int:
    """Return a port that is free together with the two after it, below those the system gives away."""
    while True:
        first = random.randrange(20_000, 32_000, 3)  # noqa: S311 - several test runs side by side
        if all(_is_free(port) for port in range(first, first + 3)):
            return first


def free_ports() -> Ports:
    """Return ports for every part of a demo."""
    first = three_free_ports()
    return Ports(first, first + 1, first + 2, _any_port(socket.SOCK_STREAM), _any_port(socket.SOCK_DGRAM))


def environment(display: str | None = None, **more: str) -> dict[str, str]:
    """Return an environment with that screen, or with none."""
    plain = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return plain | ({"DISPLAY": display} if display else {}) | more


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: Sequence[int], within_s: float) -> None:
    """Return when none of `pids` is alive."""
    until(lambda: not any(map(is_alive, pids)), f"the end of {list(pids)}", within_s)


def children(pid: int) -> dict[int, str]:
    """Return the command lines of everything below `pid`, by process id."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(above, []).append(int(folder.name))
    found: dict[int, str] = {}
    wanted = [pid]
    while wanted:
        for child in parents.get(wanted.pop(), []):
            wanted.append(child)
            try:
                line = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            found[child] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def children_named(pid: int, words: str) -> list[int]:
    """Return the processes below `pid` whose command line names `words`, the oldest first."""
    return sorted(child for child, line in children(pid).items() if words in line and "setpriv" not in line)


def child_named(pid: int, words: str) -> int | None:
    """Return the youngest of `children_named`."""
    return max(children_named(pid, words), default=None)


def udp_port(pid: int) -> int:
    """Return the port on which the CoAP device `pid` listens."""
    held = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    for table in ("udp", "udp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if f"socket:[{fields[9]}]" in held:
                return int(fields[1].rpartition(":")[2], 16)
    raise AssertionError(f"process {pid} listens on no UDP port")


@contextmanager
def started(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> Iterator[Popen]:
    """Run `argv`; what it says goes to the end of `log`."""
    with log.open("ab") as out:
        # So that a killed pytest leaves no daemon behind.
        line = ["setpriv", "--pdeathsig", "TERM", "--", *map(str, argv)]
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env or environment(), cwd=ROOT
        )
    try:
        yield process
    finally:
        end(process)


def end(process: Popen, how: signal.Signals = signal.SIGTERM) -> int:
    """Tell `process` to end; return its exit status."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(DOWN_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"{process.args!r} did not end by {how.name}") from None


@dataclass(frozen=True)
class Demo:
    """A running ``gateway demo``.

    Attributes:
        page: The address it printed.
    """

    state: Path
    port: int
    process: Popen
    page: str

    @property
    def token(self) -> str:
        return self.page.partition("#t=")[2]

    @property
    def children(self) -> dict[str, int]:
        """Process ids by part."""
        return dict(json.loads((self.state / "demo/children.json").read_text()))

    @property
    def configuration(self) -> Any:  # noqa: ANN401 - YAML
        return parse_yaml((self.state / "demo/gateway.yaml").read_bytes())

    @property
    def log(self) -> str:
        """What the box said."""
        return (self.state / "demo/gateway.log").read_text(errors="replace")


@contextmanager
def demo(state: Path, material: Path, extent: Extent, *, display: str | None = None) -> Iterator[Demo]:
    """Run ``gateway demo`` on made `material`."""
    _lend(material, state, extent)
    port, log = three_free_ports(), state / "demo.log"
    argv: list[str | Path] = [sys.executable, "-m", "gateway", "demo", "--state", state, "--port", str(port)]
    argv += [f"--{extent.value}"]
    with started(argv, log, environment(display)) as process:

        def welcomed() -> str | None:
            text = log.read_text(errors="replace")
            if process.poll() is not None:
                raise AssertionError(f"the demo ended with {process.returncode}:\n{text}")
            return text if WELCOME in text else None

        text = until(welcomed, "the demo's welcome")
        (page,) = [word for word in text.split() if "/#t=" in word]
        yield Demo(state, port, process, page)


class Parts:
    """Head-end, box and devices, each of which a test may stop alone."""

    def __init__(
        self,
        state: Path,
        material: Path,
        stack: ExitStack,
        *,
        extent: Extent = Extent.QUICK,
        display: str | None = None,
    ) -> None:
        _lend(material, state, extent)
        self._extent = extent
        self.state = state
        self.ports = free_ports()
        self._folder = state / "demo"
        self._stack = stack
        self._environment = environment(display)
        published = signed_apps.publish_all(BUNDLES, self._folder)
        announced = lineup.m3u(extent.channels, base=f"http://{household.HOST}:{self.ports.origin}")
        signed_apps.publish_line_up(self._folder, announced)
        self.configuration = household.write_configuration(self._folder, self.ports, published.root_of_trust)

    @property
    def token(self) -> str:
        return Access(self.state / "token").token()

    @property
    def log(self) -> str:
        """What the box said in all its lives."""
        return (self._folder / "box.log").read_text(errors="replace")

    def head_end(self) -> Popen:
        """Start the origin of channels, guide and apps."""
        origin: list[str | Path] = ["-m", "headend.demo.origin", "--repository", self._folder / "repo"]
        origin += [
            "--state",
            self.state,
            "--port",
            str(self.ports.origin),
            "--extent",
            self._extent.value,
        ]
        process = self._start("origin", *origin)
        until(lambda: _answers(self.ports.origin) or process.poll() is not None, "the head-end")
        assert process.poll() is None, (self._folder / "origin.log").read_text()
        return process

    def box(self, *, wait: bool = True) -> Popen:
        """Start the daemon and `wait` until it answers."""
        process = self._start(
            "box", "-m", "gateway", "run", "--config", self.configuration, "--state", self.state
        )
        if wait:
            until(lambda: _answers(self.ports.page) or process.poll() is not None, "the page's port")
            assert process.poll() is None, self.log
        return process

    def device(self, name: str, *more: str) -> Popen:
        """Start one of the demo's devices."""
        line: list[str | Path] = ["-m", "headend.demo.devices", name]
        if name in household.MQTT_DEVICES:
            account = self.state / "broker/accounts" / name
            until(account.exists, f"the account of {name}")
            line += ["--port", str(self.ports.broker), "--password-file", account]
        else:
            line += ["--port", str(self.ports.coap)]
        return self._start(name, *line, *more)

    def _start(self, name: str, *arguments: str | Path) -> Popen:
        log = self._folder / f"{name}.log"
        return self._stack.enter_context(started([sys.executable, *arguments], log, self._environment))


def _lend(material: Path, state: Path, extent: Extent) -> None:
    """Let the demo in `state` use made material, which it only reads."""
    (state / "demo").mkdir(parents=True, exist_ok=True)
    place = state / "demo" / extent.folder
    if not place.exists():
        place.symlink_to(material, target_is_directory=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.5):
            return True
    except OSError:
        return False
