"""Real demos on made material, and clients for them."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headend.demo.channels import Extent
from headend.demo.material import Material
from tests.acceptance import started
from tests.acceptance.box import Box, box_at
from tests.acceptance.started import Demo, Parts

Tell = Callable[[str], None]


def _made(config: pytest.Config, extent: Extent) -> Path:
    """Return the folder of that material, made now unless an earlier run made it by the same recipe."""
    folder = config.cache.mkdir("demo-material")
    with (folder / f"{extent.value}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asyncio.run(Material(folder / extent.folder, extent.channels).make(lambda _: None))
    return folder / extent.folder


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
def small_material(pytestconfig: pytest.Config) -> Path:
    """All twelve channels, made."""
    return _made(pytestconfig, Extent.SMALL)


@pytest.fixture(scope="session")
def quick_material(pytestconfig: pytest.Config) -> Path:
    """The four small channels, made."""
    return _made(pytestconfig, Extent.QUICK)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, quick_material: Path) -> Iterator[Demo]:
    """A running ``gateway demo --quick``, the same for all tests of a module."""
    with started.demo(tmp_path_factory.mktemp("demo"), quick_material, Extent.QUICK) as running:
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
