"""What the box costs while nothing happens: time to ready, resident memory, processor.

One rule: peers are started and measured in the same run in the same way, so
that ratios hold on any machine.  ``python bench/idle.py [--runs 5] [--idle-s 10]``

Peers: bare CPython with an empty event loop, the floor of anything in Python;
and mosquitto, a lean daemon in C.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

START_TIMEOUT_S = 30.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
EMPTY_LOOP = "import asyncio; print('up', flush=True); asyncio.run(asyncio.Event().wait())"


@dataclass(frozen=True)
class Figures:
    """One peer's medians.

    Attributes:
        ready_s: From exec to answering.
        rss_mb: Resident memory after idling, of this process alone.
        cpu_percent: Share of one core while idling.
    """

    name: str
    ready_s: float
    rss_mb: float
    cpu_percent: float


def free_port() -> int:
    """Return a port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, path: str | None) -> bool:
    """Whether something accepts connections, and answers with success when there is a path."""
    with contextlib.suppress(OSError):
        if path is None:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return True
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            return b'"status":"ok"' in answer.read()
    return False


def measure(
    name: str, argv: Sequence[str], is_up: Callable[[], bool], *, runs: int, idle_s: float
) -> Figures:
    """Start `argv` several times, let it idle, and return the medians."""
    ready, memory, processor = [], [], []
    for _ in range(runs):
        began = time.monotonic()
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not is_up():
                if time.monotonic() - began > START_TIMEOUT_S or process.poll() is not None:
                    sys.exit(f"{name} did not start")
                time.sleep(0.005)
            ready.append(time.monotonic() - began)
            time.sleep(1)  # what a start leaves to do is not idling
            before = ticks(process.pid)
            time.sleep(idle_s)
            processor.append((ticks(process.pid) - before) / TICKS_PER_S / idle_s * 100)
            memory.append(rss_mb(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    return Figures(name, *(round(statistics.median(values), 3) for values in (ready, memory, processor)))


def ticks(pid: int) -> int:
    """Return the processor time of a process, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Measure all and print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle-s", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page, apps, broker, coap, peer = (free_port() for _ in range(5))
        config = Path(folder, "gateway.yaml")
        config.write_text(
            f"ui: {{port: {page}}}\napps: {{port: {apps}}}\nbroker: {{port: {broker}, tls: false}}\n"
            f"iot: {{coap: {{port: {coap}}}}}\n"
        )
        gateway = [str(Path(sys.executable).with_name("gateway")), "run", "--config", str(config)]
        gateway += ["--state", f"{folder}/state"]
        mosquitto = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") or "mosquitto"
        figures = [
            measure(
                "gateway",
                gateway,
                lambda: answers(page, "/healthz"),
                runs=options.runs,
                idle_s=options.idle_s,
            ),
            measure(
                "mosquitto",
                [mosquitto, "-p", str(peer)],
                lambda: answers(peer, None),
                runs=options.runs,
                idle_s=options.idle_s,
            ),
            measure(
                "empty loop",
                [sys.executable, "-c", EMPTY_LOOP],
                lambda: True,
                runs=options.runs,
                idle_s=options.idle_s,
            ),
        ]
    print(f"{'':18} {'ready s':>8} {'RSS MB':>8} {'CPU %':>7}")  # noqa: T201 - a bench prints
    for row in figures:
        print(f"{row.name:18} {row.ready_s:8.2f} {row.rss_mb:8.1f} {row.cpu_percent:7.2f}")  # noqa: T201
    print(json.dumps({"bench": "idle", "peers": [asdict(row) for row in figures]}))  # noqa: T201


if __name__ == "__main__":
    main()
