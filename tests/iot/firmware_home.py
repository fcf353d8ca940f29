"""A box and its lamps as processes that can lose power, for tests."""

import asyncio
import contextlib
import json
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.child import running
from tests.iot.firmware_device import RESTARTS, make_image, version_in
from tests.trust.firmware_desk import Desk

IMAGE_BYTES = 24_000


class Machine:
    """A process that loses power by SIGKILL, and starts again when it restarts itself.

    Attributes:
        said: Its lines, of all its lives.
    """

    def __init__(self, module: str, argv: Sequence[str | Path]) -> None:
        self._argv: list[str | Path] = [sys.executable, "-m", module, *argv]
        self._changed = asyncio.Condition()
        self._kill: Callable[[], None] = lambda: None
        self.said: list[str] = []
        self.starts = 0

    async def run(self) -> None:
        """Live, again and again."""
        while True:
            async with running(self._argv, stdout=PIPE, stop_s=0.1) as process:
                self._kill = process.kill
                assert process.stdout is not None
                async with self._changed:
                    self.starts += 1
                    self._changed.notify_all()
                while line := (await process.stdout.readline()).decode().rstrip("\n"):
                    async with self._changed:
                        self.said.append(line)
                        self._changed.notify_all()
                status = await process.wait()
            # 255 is asyncio's word for one that ended by itself just when it was to be killed.
            assert status in (RESTARTS, -9, 255), f"{self._argv[2]} ended with {status}: {self.said[-3:]}"

    def cut(self) -> None:
        """Take the power away; it is back at once."""
        with contextlib.suppress(ProcessLookupError):
            self._kill()

    async def until(self, fits: Callable[[list[str]], bool], within_s: float = 60) -> None:
        """Wait until what it has said `fits`."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: fits(self.said))
        except TimeoutError:
            raise AssertionError(self.said[-30:]) from None


class Home:
    """A box and its lamps."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        argv: list[str | Path] = [
            desk.folder / "box",
            str(self.port),
            desk.url,
            desk.repository.root_of_trust,
        ]
        self.box = Machine("tests.iot.firmware_box", argv)
        self.lamps: dict[str, Machine] = {}

    def lamp(self, name: str, delivery: str, version: str = "1.0") -> Machine:
        """Add a lamp that runs `version`."""
        folder = self.desk.folder / name
        folder.mkdir()
        (folder / "bank0").write_bytes(make_image(version, IMAGE_BYTES))
        argv: list[str | Path] = [folder, str(self.port), name, delivery]
        self.lamps[name] = Machine("tests.iot.firmware_device", argv)
        return self.lamps[name]

    def runs(self, name: str) -> str | None:
        """Return the version in the bank that `name` would start from, `None` if that is not whole."""
        folder = self.desk.folder / name
        settings = json.loads((folder / "settings.json").read_bytes())
        return version_in((folder / f"bank{settings['active']}").read_bytes())

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Everything has power for the length of a block."""
        async with AsyncExitStack() as stack:
            tasks = [asyncio.create_task(each.run()) for each in (self.box, *self.lamps.values())]

            async def end() -> None:
                for task in tasks:
                    task.cancel()
                for result in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(result, Exception):
                        raise result

            stack.push_async_callback(end)
            yield

    async def reported(self, name: str, *, within_s: float = 60, **wanted: object) -> None:
        """Wait until the box says of a lamp what is `wanted`."""
        await self.box.until(
            lambda said: wanted.items() <= records(said).get(f"coap.{name}", {}).items(), within_s
        )


def records(said: list[str]) -> dict[str, dict[str, object]]:
    """Return what the box said last of each lamp, by its id."""
    documents = (json.loads(line) for line in said[-1:] if line.startswith("["))
    return {each["id"]: each for document in documents for each in document}
