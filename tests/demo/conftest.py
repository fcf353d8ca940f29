"""Material that is made once for all of these tests, and an origin whose clock the test holds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from headend.demo.channels import Extent
from headend.demo.material import Material
from headend.demo.origin import DemoOrigin
from headend.demo.stock import EPOCH

LONG_AGO = EPOCH + 3600.0


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = LONG_AGO

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four quick channels, made."""
    folder = tmp_path_factory.mktemp("material")
    asyncio.run(Material(folder, Extent.QUICK.channels).make(lambda _: None))
    return folder


@pytest.fixture
def clock() -> Clock:
    """The origin's clock."""
    return Clock()


@pytest.fixture
async def origin(material: Path, clock: Clock) -> AsyncIterator[DemoOrigin]:
    """A running origin."""
    served = DemoOrigin(material, Extent.QUICK.channels, clock=clock)
    async with served.running():
        yield served


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that waits ten seconds at most and unpacks nothing by itself."""
    limit = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=limit, auto_decompress=False) as session:
        yield session
