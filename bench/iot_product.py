"""The product for this bench: the daemon as on a box, with one rule and the broker that all share.

One rule: nothing is switched off that a box has on: the page, the history and
the television run beside the home.
"""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench.iot_devices import LAMP, THERMOMETER, crowd, light_name, sensor_name
from bench.iot_machine import free
from gateway.iot import history, history_table
from gateway.iot.entity import EntityId
from gateway.iot.history_table import MS
from gateway.store import Store

RECORDED = timedelta(hours=1)
MOST_ORDERS = 100_000
"""More than are given in a run: each is noted, and what became of it."""
_EVERY = timedelta(minutes=1)
_FLOOR = "import asyncio, json, logging, sqlite3, ssl, dataclasses, uuid, yaml, msgspec"
_MODULES = ("mqtt", "homie", "coap", "coap_server", "bridge", "registry", "commands", "history", "rules")
_HELD = "import sys; print(next(x for x in open('/proc/self/smaps_rollup') if x.startswith('Pss:')))"


def write(folder: Path, *, broker: int, devices: Sequence[int], way: tuple[str, str], mode: str) -> Path:
    """Write the configuration and the rules from each sensor to its light; return the file.

    Args:
        folder: Where.
        broker: Its port.
        devices: Ports of the CoAP devices.
        way: The world of the sensors and the world of the lights.
        mode: What happens when a rule fires while it works.
    """
    source, target = way
    # A CoAP light is told to go off as well, so that a burst shows whether the newest wish stands.
    tests: list[tuple[str, str, int]] = [("hot", "above", 25)]
    if target == "coap":
        tests.append(("cold", "below", 15))
    rules = [
        {
            "id": f"{name}{number}",
            "when": {"entity": _sensor(source, number), side: limit},
            "do": [{"command": {"entity": _light(target, number), "value": name == "hot"}}],
            "mode": mode,
        }
        for number in range(len(devices))
        for name, side, limit in tests
    ]
    rules_file = folder / "rules.yaml"
    rules_file.write_text(json.dumps({"rules": rules}))  # YAML is a superset
    page, apps = (free(socket.SOCK_STREAM) for _ in range(2))
    named = [
        {"endpoint": f"bench{number}", "url": f"coap://127.0.0.1:{port}"}
        for number, port in enumerate(devices)
    ]
    configuration = {
        "board": {"name": "simulated"},
        "broker": {"mode": "external", "url": f"mqtt://127.0.0.1:{broker}"},
        "ui": {"port": page, "host": "127.0.0.1"},
        "apps": {"port": apps, "host": "127.0.0.1"},
        "iot": {
            "rules": str(rules_file),
            "commands": {"kept": MOST_ORDERS} if target == "coap" else {},
            "coap": {"port": free(socket.SOCK_DGRAM), "devices": named if "coap" in way else []},
        },
    }
    file = folder / "gateway.yaml"
    file.write_text(json.dumps(configuration))
    return file


def _sensor(world: str, number: int) -> str:
    return f"mqtt.{sensor_name(number)}" if world == "mqtt" else _coap_entity(number, THERMOMETER)


def _light(world: str, number: int) -> str:
    return f"mqtt.{light_name(number)}" if world == "mqtt" else _coap_entity(number, LAMP)


def _coap_entity(number: int, path: str) -> str:
    return f"coap.bench{number}.{path.replace('/', '.')}"


def orders(folder: Path) -> int:
    """Return how many commands the daemon has noted so far; blocking."""
    with closing(sqlite3.connect(f"file:{folder / 'state/gateway.db'}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'command'").fetchone()
    return int(found[0]) if found else 0


def argv(folder: Path, file: Path) -> list[str | Path]:
    """Return how it is started."""
    return [sys.executable, "-m", "gateway", "run", "--config", file, "--state", folder / "state"]


def argv_without(folder: Path, file: Path) -> list[str | Path]:
    """Return how the daemon is started without the home."""
    return [sys.executable, "-m", "bench.iot_without", file, folder / "state"]


async def record_an_hour(folder: Path) -> int:
    """Fill the history as if all others had reported once a minute for an hour; return the reports."""
    past = Store(folder / "state/history.db", {"history": history.MIGRATIONS}, durable=False)
    opened = asyncio.Event()
    task = asyncio.create_task(past.run(opened.set), name="history")
    await opened.wait()
    names = [EntityId(f"mqtt.{name}") for _, name in crowd()]
    begun = datetime.now(UTC) - RECORDED
    count = 0
    for minute in range(int(RECORDED / _EVERY)):
        at_ms = int((begun + minute * _EVERY).timestamp() * MS)
        samples = [(at_ms, name, float(minute)) for name in names]
        await past.write(partial(history_table.add, samples=samples))
        count += len(samples)
    task.cancel()
    await asyncio.wait({task})
    # Or it would be on its way to the disk while others wait there.
    await asyncio.to_thread(os.sync)
    return count


def import_share_mb() -> float:
    """Return what the home's modules and libraries hold at most, measured in empty interpreters; blocking.

    What they share with the rest of the daemon is counted as theirs.
    """
    home = ", ".join(f"gateway.iot.{name}" for name in _MODULES)
    return _held_mb(f"{_FLOOR}; import {home}") - _held_mb(_FLOOR)


def _held_mb(imports: str) -> float:
    said = subprocess.run(
        [sys.executable, "-c", f"{imports}; {_HELD}"], check=True, capture_output=True, text=True
    )
    return int(said.stdout.split()[1]) * 1024 / 1e6
