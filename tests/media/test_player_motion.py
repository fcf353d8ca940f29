"""The first frame, said of channels that move: the picture of the old channel is no news of the new one."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from gateway.media.player import FirstFrame, Player
from gateway.media.tv_player import choose_player
from tests.conftest import Serve
from tests.media.player_fixtures import COLOURS, SECONDS, Framebuffer, Origin, first_of

ONE_FRAME_S = 0.04
ZAPS = 5

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels; a white box runs below the middle of each, which keeps its colour as the corners do."""
    folder = tmp_path_factory.mktemp("moving")
    run = "overlay=x='mod(t*400\\,440)':y='205+15*sin(t*5)':shortest=1"
    for name in ("red", "blue"):
        graph = f"color={name}:s=640x360:r=25[ground];color=white:s=200x120:r=25[box];[ground][box]{run}"
        command = ["ffmpeg", "-loglevel", "error", "-filter_complex", graph, "-f", "lavfi", "-i", "sine"]
        encode = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a mp2 -muxdelay 0"
        command += [*encode.split(), "-t", str(SECONDS), "-f", "mpegts", str(folder / f"{name}.ts")]
        subprocess.run(command, check=True, timeout=60)
    return folder


@pytest.fixture
async def channels(moving: Path) -> AsyncIterator[Origin]:
    """Where they are broadcast."""
    async with Origin(moving).serving() as serving:
        yield serving


async def zap(player: Player, url: str, screen: Framebuffer, colour: tuple[int, int, int]) -> float:
    """Open `url`; return by how many seconds its first frame was said to be before it was light."""
    with player.events.subscribe() as events:
        opened_s = time.monotonic()
        await player.open(url)
        lit_s = await screen.until(colour, within_s=10)
        said = await first_of(FirstFrame, events)
    assert said.url == url
    return lit_s - (opened_s + said.after_ms / 1000)


@pytest.mark.parametrize("two", [False, True], ids=["alone", "pair"])
@pytest.mark.parametrize("kind", ["vlc", "mpv"])
async def test_the_first_frame_is_never_said_before_it_is_light(
    channels: Origin, screen: Framebuffer, serve: Serve, kind: Literal["vlc", "mpv"], *, two: bool
) -> None:
    player = choose_player(kind, display=screen.display, second_decoder=two)
    early_s: list[float] = []
    async with serve(player), asyncio.timeout(90):
        for number in range(ZAPS + 1):
            name: str = ("red", "blue")[number % 2]
            url = channels.url(name)
            if two and number % 2:
                await player.prepare(url)
                while player.prepared != url:  # noqa: ASYNC110 - read often, published to nobody
                    await asyncio.sleep(0.01)
            # At different moments of the old channel's second.
            await asyncio.sleep(0.31 + 0.07 * number)
            early_s.append(await zap(player, url, screen, COLOURS[name]))
    assert max(early_s) <= ONE_FRAME_S, early_s
