"""What the home writes to the flash: a hub with a hundred devices, each reporting every ten seconds.

One rule: nothing is switched off that a box has on, its own broker included, and it is counted twice: what
the daemon and its children hand to the disk (`write_bytes` of `/proc`, proc(5)), and what the disk says
it took (`/sys/dev/block/…/stat`), the file system's journal and all others on the machine included.

``python -m bench.iot_flash``: a quarter of an hour, in the first third of which nobody reports.
``--minutes`` for the rest of it; the broker saves what it retains every five.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import aiomqtt

from bench.iot_machine import free, tree
from bench.iot_players import playing
from gateway.ui.auth import Access

DEVICES, EVERY_S = 100, 10.0
IDLE_MINUTES, MINUTES = 5, 10
MOST_MB_A_DAY = 1_000
HUB = "hub"
START_S = 60.0
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Written:
    """What reached the disk in a while.

    Attributes:
        took_s: How long it was watched.
        mb: Of the whole tree of processes that live.
        disk_mb: Of everybody.
    """

    took_s: float
    mb: float
    disk_mb: float

    @property
    def mb_a_day(self) -> float:
        return self.mb / self.took_s * DAY_S

    @property
    def disk_mb_a_day(self) -> float:
        return self.disk_mb / self.took_s * DAY_S


class Meter:
    """What was written since it was made."""

    def __init__(self, pid: int, disk: Path) -> None:
        """Watch `pid` with its children, and `disk`, a block device's folder below ``/sys``."""
        self._pid, self._disk = pid, disk
        self._begun_s = time.monotonic()
        self._mb, self._disk_mb = processes_mb(pid), disk_mb(disk)

    def read(self) -> Written:
        """Return it."""
        return Written(
            took_s=time.monotonic() - self._begun_s,
            mb=processes_mb(self._pid) - self._mb,
            disk_mb=disk_mb(self._disk) - self._disk_mb,
        )


class Box:
    """The daemon, and a hub that is plugged in."""

    def __init__(self, folder: Path) -> None:
        """Write its configuration into `folder`."""
        self.state = folder / "state"
        self._page, apps, self._broker = (free(socket.SOCK_STREAM) for _ in range(3))
        self.file = folder / "gateway.yaml"
        configuration = {
            "board": {"name": "simulated"},
            "broker": {"port": self._broker, "tls_port": free(socket.SOCK_STREAM), "devices": [HUB]},
            "ui": {"port": self._page, "host": "127.0.0.1"},
            "apps": {"port": apps, "host": "127.0.0.1"},
            "iot": {"coap": {"port": free(socket.SOCK_DGRAM)}},
        }
        self.file.write_text(json.dumps(configuration))

    @property
    def argv(self) -> list[str | Path]:
        return [sys.executable, "-m", "gateway", "run", "--config", self.file, "--state", self.state]

    async def ready(self) -> None:
        """Wait until its page and its broker answer."""
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError, aiomqtt.MqttError, OSError):
                    async with session.get(f"http://127.0.0.1:{self._page}/"), self.hub():
                        return
                await asyncio.sleep(0.2)

    def hub(self) -> aiomqtt.Client:
        """Return the hub's connection."""
        secret = (self.state / "broker/accounts" / HUB).read_text().strip()
        return aiomqtt.Client("127.0.0.1", self._broker, username=HUB, password=secret)

    async def kept(self, entity: str) -> int:
        """Return how many values of `entity` the box can tell of the last hour."""
        address = f"http://127.0.0.1:{self._page}/api/v1/entities/{entity}/history"
        now = datetime.now(UTC)
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
        head = {"Authorization": f"Bearer {Access(self.state / 'token').token()}"}
        async with aiohttp.ClientSession(headers=head) as session:
            answer = await session.get(address, params=span)
            answer.raise_for_status()
            return len((await answer.json())["points"])


async def announce(hub: aiomqtt.Client) -> None:
    """Say what there is: a thermometer with a hygrometer and a battery, a hundred times."""
    kinds = (("temperature", "°C"), ("humidity", "%"), ("battery", "%"))
    for number in range(DEVICES):
        for kind, unit in kinds:
            name = f"{HUB}_{number}_{kind}"
            document = {
                "unique_id": name,
                "object_id": name,
                "name": kind,
                "device_class": kind,
                "unit_of_measurement": unit,
                "state_topic": f"{HUB}/{number}",
                "value_template": f"{{{{ value_json.{kind} }}}}",
                "device": {"identifiers": [f"{HUB}_{number}"], "name": f"Sensor {number}"},
            }
            topic = f"homeassistant/sensor/{HUB}/{name}/config"
            await hub.publish(topic, json.dumps(document), qos=1, retain=True)


async def report(hub: aiomqtt.Client, for_s: float) -> int:
    """Have each device report every ten seconds, spread over them; return the reports of each."""
    chance = random.Random(7)  # noqa: S311 - the same house for everybody
    loop, warmth = asyncio.get_running_loop(), [20.0] * DEVICES
    begun_s, count = loop.time(), 0
    while loop.time() < begun_s + for_s:
        for number in range(DEVICES):
            warmth[number] += chance.choice((-0.1, 0.0, 0.1))
            said = {
                "temperature": round(warmth[number], 1),
                "humidity": chance.randint(40, 45),
                "battery": 87,
            }
            await hub.publish(f"{HUB}/{number}", json.dumps(said), qos=1, retain=True)
            at_s = begun_s + (count + (number + 1) / DEVICES) * EVERY_S
            await asyncio.sleep(max(0.0, at_s - loop.time()))
        count += 1
    return count


def processes_mb(pid: int) -> float:
    """Return what `pid` and its children have handed to the disk so far."""
    found = 0
    for each in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{each}/io").read_text().splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
    return found / 1e6


def disk_of(folder: Path) -> Path | None:
    """Return what ``/sys`` says of the disk below `folder`; `None` if it is on none, such as a tmpfs."""
    device = folder.stat().st_dev
    found = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    return found if (found / "stat").exists() else None


def disk_mb(disk: Path) -> float:
    """Return what `disk` has taken so far; its count is of 512 bytes (Linux, block/stat.rst)."""
    return int((disk / "stat").read_text().split()[6]) * 512 / 1e6


async def run(minutes: int, above: Path, disk: Path) -> tuple[Written, Written, int, int]:
    """Return what is written while nobody and while everybody reports, reports of each, those kept of one."""
    with tempfile.TemporaryDirectory(prefix="iot-flash-", dir=above, ignore_cleanup_errors=True) as folder:
        box = Box(Path(folder))
        async with playing(box.argv, Path(folder)) as pid:
            await box.ready()
            async with box.hub() as hub:
                await announce(hub)
                await asyncio.sleep(EVERY_S)
                meter = Meter(pid, disk)
                await asyncio.sleep(IDLE_MINUTES * 60)
                idle = meter.read()
                _tell(f"nobody reports: {idle.mb:.2f} MB in {idle.took_s:.0f} s")
                meter = Meter(pid, disk)
                reports = await report(hub, minutes * 60)
                busy = meter.read()
                kept = await box.kept(f"mqtt.{HUB}_0_humidity")
    return idle, busy, reports, kept


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a bench prints


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=MINUTES, help="of reports; default: %(default)s")
    parser.add_argument("--above", type=Path, default=Path(tempfile.gettempdir()), help="a folder on a disk")
    said = parser.parse_args(arguments)
    disk = disk_of(said.above)
    if disk is None:
        parser.error(f"{said.above} is on no disk; name a folder that is, with --above")
    idle, busy, reports, kept = asyncio.run(run(said.minutes, said.above, disk))
    # What the disk took for the home, whoever wrote it; others on the machine write as much in both.
    home_mb_a_day = busy.disk_mb_a_day - idle.disk_mb_a_day + idle.mb_a_day
    written = busy.mb > 0 and max(busy.mb_a_day, home_mb_a_day) < MOST_MB_A_DAY
    holds = written and kept >= reports // 2
    _tell(f"{'':24}{'processes':>20}{'whole disk':>20}")
    _tell(f"{'':24}{'MB':>10}{'a day':>10}{'MB':>10}{'a day':>10}")
    for name, it in (("nobody reports", idle), (f"{DEVICES} devices, {EVERY_S:.0f} s", busy)):
        _tell(f"{name:24}{it.mb:10.2f}{it.mb_a_day:10.1f}{it.disk_mb:10.2f}{it.disk_mb_a_day:10.1f}")
    _tell(f"each reported {reports} times; of one value {kept} can be looked up")
    _tell(f"{'holds' if holds else 'FAILS':>13}  under {MOST_MB_A_DAY:,} MB a day, and the reports are kept")
    _tell(
        json.dumps(
            {
                "bench": "iot-flash",
                "load": os.getloadavg(),
                "idle_mb_a_day": round(idle.mb_a_day, 1),
                "mb_a_day": round(busy.mb_a_day, 1),
                "idle_disk_mb_a_day": round(idle.disk_mb_a_day, 1),
                "disk_mb_a_day": round(busy.disk_mb_a_day, 1),
                "reports_of_each": reports,
                "kept_of_one": kept,
                "holds": holds,
            }
        )
    )
    if not holds:
        sys.exit(1)


if __name__ == "__main__":
    main()
