"""``gateway demo``: a head-end, a box and a home to try it with, started and stopped as one.

One rule: whatever is started here is a child that cannot outlive this process,
and one Ctrl-C stops all of them: devices first, then the box, then the head-end.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import aiohttp

from gateway.errors import BadInputError, GatewayError, ungrouped
from headend.demo import household, lineup, signed_apps
from headend.demo.channels import Extent
from headend.demo.household import HOST, Ports
from headend.demo.material import Material, NoFfmpegError, Progress
from headend.demo.process import running

BUNDLES = Path(__file__).parents[2] / "bundles"
DEFAULT_PORT = 8080
_BOX_STOP_S = 4.0
_DEVICE_STOP_S = 1.0
_UP_TIMEOUT_S = 90.0
_LOOK_EVERY_S = 0.2
_MAX_PORT = 65_533
_LOG_TAIL_LINES = 8


class PartEndedError(GatewayError):
    """A part of the demo ended by itself."""

    code: ClassVar[str] = "DEMO-105"
    hint = "Its last lines are above; its log is in the state folder below demo/. 日志在状态目录的 demo/ 下。"


class NotUpError(GatewayError):
    """The box did not come up."""

    code: ClassVar[str] = "DEMO-106"
    hint = "See demo/gateway.log in the state folder; gateway doctor may know more. 请查看 demo/gateway.log。"


class WrongPortError(BadInputError):
    """The port leaves no room for the two after it."""

    code: ClassVar[str] = "DEMO-107"
    hint = "Choose a port between 1 and 65533. 请选择 1 到 65533 之间的端口。"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    state: Path
    port: int
    extent: Extent


class Demo:
    """One demo, from making the material to stopping the last child.

    Args:
        options: Where and how.
        say: Tells the person in front of the terminal one line.
    """

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options = options
        self._folder = options.state / "demo"
        self._say = say
        self._children: dict[str, Process] = {}

    async def run(self) -> None:
        """Show everything until cancelled.

        Raises:
            GatewayError: something needed is missing, taken or broken.
        """
        if shutil.which("ffmpeg") is None:
            raise NoFfmpegError("ffmpeg is not installed")
        household.choose_ports(self._options.port)  # better refused now than after two minutes of making
        os.umask(0o077)  # the state folder holds secrets and what the home did
        self._folder.mkdir(parents=True, exist_ok=True)
        await self._make_material()
        ports = household.choose_ports(self._options.port)
        published = await asyncio.to_thread(signed_apps.publish_all, BUNDLES, self._folder)
        for line in published.refused:
            self._say(f"note 提示: {line}")
        list_of_demo = lineup.m3u(self._options.extent.channels, base=f"http://{HOST}:{ports.origin}")
        await asyncio.to_thread(signed_apps.publish_line_up, self._folder, list_of_demo)
        configuration = household.write_configuration(self._folder, ports, published.root_of_trust)
        for name, usual, chosen in ports.moved:
            self._say(f"{name}: port {usual} is taken, using {chosen}. 端口 {usual} 被占用，改用 {chosen}。")
        async with AsyncExitStack() as house:
            await self._start_head_end_and_box(house, ports, configuration)
            house.callback(self._send_devices_home)
            await self._start_devices(house, ports)
            self._note_children()
            self._say(await self._welcome(ports))
            await self._until_one_ends()

    def _send_devices_home(self) -> None:
        """Ask all devices at once to end; each is then waited for."""
        self._say("\nStopping … 正在停止……")
        for name in (*household.MQTT_DEVICES, *household.COAP_DEVICES):
            child = self._children.get(name)
            if child is not None and child.returncode is None:
                child.terminate()

    async def _make_material(self) -> None:
        extent = self._options.extent
        material = Material(self._folder / extent.folder, extent.channels)
        if material.missing:
            self._say("Making the demo's channels, once. 首次启动，正在制作演示频道（约两分钟）。")
        await material.make(_Teller(self._say))

    async def _start_head_end_and_box(self, house: AsyncExitStack, ports: Ports, configuration: Path) -> None:
        state = str(self._options.state)
        origin = ["-m", "headend.demo.origin", "--state", state, "--port", str(ports.origin)]
        origin += ["--repository", str(self._folder / "repo"), "--extent", self._options.extent.value]
        await self._start(house, "origin", origin, stop_s=1.0)
        await self._answering(f"http://{HOST}:{ports.origin}/lineup.m3u", lambda _: True)
        box = ["-m", "gateway", "run", "--config", str(configuration), "--state", state, "--port"]
        await self._start(house, "gateway", [*box, str(ports.page)], stop_s=_BOX_STOP_S)
        await self._answering(
            f"http://{HOST}:{ports.page}/healthz", lambda b: bool(json.loads(b).get("status"))
        )

    async def _start_devices(self, house: AsyncExitStack, ports: Ports) -> None:
        accounts = (self._options.state / "broker" / "accounts").resolve()
        for name in household.MQTT_DEVICES:
            await self._until((accounts / name).exists, f"the broker's account {name}")
            device = ["-m", "headend.demo.devices", name, "--port", str(ports.broker)]
            device += ["--password-file", str(accounts / name)]
            await self._start(house, name, device, stop_s=_DEVICE_STOP_S)
        for name in household.COAP_DEVICES:
            device = ["-m", "headend.demo.devices", name, "--port", str(ports.coap)]
            await self._start(house, name, device, stop_s=_DEVICE_STOP_S)

    async def _start(self, house: AsyncExitStack, name: str, arguments: list[str], *, stop_s: float) -> None:
        log = house.enter_context((self._folder / f"{name}.log").open("wb"))
        child = running([sys.executable, *arguments], stdout=log, stderr=log, stop_s=stop_s)
        self._children[name] = await house.enter_async_context(child)

    async def _answering(self, address: str, good: Callable[[bytes], bool]) -> None:
        """Wait until `address` gives a good answer.

        Raises:
            NotUpError: it does not in time.
            PartEndedError: the head-end or the box ended meanwhile.
        """
        limit = aiohttp.ClientTimeout(total=2)
        try:
            async with aiohttp.ClientSession(timeout=limit) as session, asyncio.timeout(_UP_TIMEOUT_S):
                while True:
                    self._check_needed()
                    try:
                        async with session.get(address) as answer:
                            body = await answer.read()
                            if answer.ok and good(body):
                                return
                    except (aiohttp.ClientError, TimeoutError, ValueError):
                        pass
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise NotUpError(f"{address} does not answer") from error

    async def _until(self, true: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(_UP_TIMEOUT_S):
                while not true():
                    self._check_needed()
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise NotUpError(f"waited in vain for {what}") from error

    async def _until_one_ends(self) -> None:
        """Wait until the head-end or the box ends; tell when a device does."""
        told: set[str] = set()
        while True:
            self._check_needed()
            for name, child in self._children.items():
                if child.returncode is not None and name not in told:
                    told.add(name)
                    self._say(f"{name} ended · 设备已停止: {name}")
            await asyncio.sleep(_LOOK_EVERY_S)

    def _check_needed(self) -> None:
        for name in ("origin", "gateway"):
            child = self._children.get(name)
            if child is not None and child.returncode is not None:
                lines = (self._folder / f"{name}.log").read_text(errors="replace").splitlines()
                for line in lines[-_LOG_TAIL_LINES:]:
                    self._say(f"  {line}")
                raise PartEndedError(f"{name} ended with status {child.returncode}")

    def _note_children(self) -> None:
        """Leave the process ids for those who try what happens when one is stopped."""
        pids = {name: child.pid for name, child in self._children.items()}
        (self._folder / "children.json").write_text(json.dumps(pids))

    async def _welcome(self, ports: Ports) -> str:
        argv = [sys.executable, "-m", "gateway", "token", "--state", str(self._options.state)]
        async with running(argv, stdout=PIPE) as process, asyncio.timeout(_UP_TIMEOUT_S):
            output, _ = await process.communicate()
        token = output.decode().strip()
        line = "─" * 72
        return (
            f"\n{line}\n  打开电视  Open this in a browser:\n\n"
            f"      http://{HOST}:{ports.page}/#t={token}\n\n"
            "  方向键选台,OK 确定,Backspace 返回。 Arrow keys, Enter, Backspace.\n"
            f"  按 Ctrl-C 全部停止。 Ctrl-C stops everything.\n{line}"
        )


class _Teller:
    """Tells how the making goes: one line that changes on a terminal, few lines elsewhere."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = -1
        self._step = 1 if sys.stdout.isatty() else 10

    def __call__(self, progress: Progress) -> None:
        if progress.percent < self._told + self._step and progress.done < progress.count:
            return
        self._told = progress.percent
        number = min(progress.done + 1, progress.count)
        text = (
            f"making channel {number} of {progress.count} ({progress.channel.name}) … {progress.percent} %   "
            f"正在制作第 {number}/{progress.count} 个频道"
        )
        if not sys.stdout.isatty():
            self._say(text)
            return
        sys.stdout.write(f"\r\x1b[K{text}" + ("\n" if progress.done == progress.count else ""))
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="gateway demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("state"), help="where everything is kept")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the page; the two after it too")
    parser.add_argument("--extent", type=Extent, default=Extent.FULL, help="full, small or quick")
    given = parser.parse_args(arguments)
    try:
        if not 1 <= given.port <= _MAX_PORT:
            raise WrongPortError(f"--port {given.port} is outside 1..{_MAX_PORT}")
        asyncio.run(_run(Options(given.state, given.port, given.extent)))
    except BadInputError as error:
        sys.stderr.write(f"{error.line()}\n")
        return 2
    except GatewayError as error:
        sys.stderr.write(f"{error.line()}\n")
        return 1
    return 0


async def _run(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    with ungrouped():
        async with asyncio.TaskGroup() as group:
            demo = group.create_task(Demo(options, _say).run(), name="demo")
            demo.add_done_callback(lambda _: stop.set())
            await stop.wait()
            demo.cancel()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
