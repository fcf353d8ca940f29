"""What the tests of television share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.media.head_end import HeadEnd
from tests.media.head_end import make_material as make_live_material
from tests.media.player_fixtures import Framebuffer, Origin, framebuffer, make_material


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of channels in plain colours."""
    return make_material(tmp_path_factory.mktemp("material"))


@pytest.fixture
async def origin(material: Path) -> AsyncIterator[Origin]:
    """Where the plain colours are broadcast."""
    async with Origin(material).serving() as serving:
        yield serving


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Framebuffer]:
    """A display of its own."""
    async with framebuffer(tmp_path) as shown:
        yield shown


@pytest.fixture(scope="session")
def live_material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments of every packing, made once."""
    return make_live_material(tmp_path_factory.mktemp("live"))


@pytest.fixture
async def head_end(live_material: Path) -> AsyncIterator[HeadEnd]:
    """A live origin that does what it is told."""
    async with HeadEnd(live_material).serving() as serving:
        yield serving
