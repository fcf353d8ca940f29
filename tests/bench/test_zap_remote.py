"""From the key on the remote control to the light on the screen, through the whole daemon."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from bench.zap_detector import screen
from bench.zap_line import Line, LineSpeed
from bench.zap_material import Colour
from bench.zap_origin import Origin
from bench.zap_product import PRODUCTS, until_it_knows
from bench.zap_site import Channel, Kind, Site
from headend.demo import stock

RED, BLUE = (Channel(Kind.TS2, colour) for colour in (Colour.RED, Colour.BLUE))
LIGHT_S = 20.0

pytestmark = pytest.mark.slow


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """A minute of small pictures in each colour."""
    for colour in Colour:
        name = colour.name.lower()
        target = tmp_path / "material" / name / "1080"
        target.mkdir(parents=True)
        inputs = f"-f lavfi -i color={name}:s=160x90:r=10:d=60 -f lavfi -i sine=sample_rate=32000:duration=60"
        codecs = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 20 -sc_threshold 0 -c:a aac"
        hls = "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename %03d.ts index.m3u8"
        line = f"ffmpeg -nostdin -v error {inputs} {codecs} -t 60 {hls}"
        subprocess.run(line.split(), cwd=target, check=True, timeout=60)
        stock.take(target)
    return tmp_path / "material"


async def test_a_key_on_the_input_device_becomes_a_picture(tmp_path: Path, material: Path) -> None:
    """Up from red to blue, and down again; nobody says it but the kernel's input device and the screen."""
    memory = tmp_path / "screen"
    memory.mkdir()
    async with (
        asyncio.timeout(90),
        Origin(Site(material), Line(LineSpeed())).listening() as port,
        screen(memory, width=640, height=360) as seen,
        PRODUCTS["remote mpv cold"](seen.display, tmp_path, f"http://127.0.0.1:{port}") as box,
    ):
        await until_it_knows(box, RED)
        assert await seen.until(RED.colour, await box.tune(RED), LIGHT_S), "ordered over the API"
        for channel in (BLUE, RED):
            seen.forget()
            pressed_s = await box.tune(channel)
            assert await seen.until(channel.colour, pressed_s, LIGHT_S), f"no {channel.id} by the remote"
