"""Real demos on made material, and clients for them."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from headend.demo.channels import CHANNELS, DemoChannel, quick_channels
from headend.demo.material import Material
from tests.acceptance import started
from tests.acceptance.box import Box, box_at
from tests.acceptance.started import Demo, Parts

Tell = Callable[[str], None]


def _made(config: pytest.Config, name: str, channels: Sequence[DemoChannel]) -> Path:
    """Return the folder of `channels`, made now unless an earlier run made them by the same recipe."""
    folder = config.cache.mkdir("demo-material")
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(Material(folder / name, channels).make(lambda _: None))
    return folder / name


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Say a figure in the output of the test run."""
    terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")

    def tell(text: str) -> None:
        if terminal is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                terminal.write_line(f"\n  {text}")

    return tell


@pytest.fixture(scope="session")
def full_material(pytestconfig: pytest.Config) -> Path:
    """All twelve channels, made: some two minutes the first time."""
    return _made(pytestconfig, "full", CHANNELS)


@pytest.fixture(scope="session")
def quick_material(pytestconfig: pytest.Config) -> Path:
    """The four small channels, made."""
    return _made(pytestconfig, "quick", quick_channels())


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, quick_material: Path) -> Iterator[Demo]:
    """A running ``gateway demo --quick``, the same for all tests of a module."""
    with started.demo(tmp_path_factory.mktemp("demo"), quick_material, quick=True) as running:
        yield running


@pytest.fixture
async def box(demo: Demo) -> AsyncIterator[Box]:
    """The demo's box, well."""
    async with box_at(demo.port, demo.token) as talking:
        await talking.well()
        yield talking


@pytest.fixture
def parts(tmp_path: Path, quick_material: Path) -> Iterator[Parts]:
    """Head-end, box and devices, none of them started."""
    with ExitStack() as stack:
        yield Parts(tmp_path / "state", quick_material, stack)
