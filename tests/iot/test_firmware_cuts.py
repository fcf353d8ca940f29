"""Devices get signed firmware over LwM2M while box and devices lose power, at any block.

``FIRMWARE_CUTS`` says how often (20; 200 for a release).
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.iot.firmware_device import make_image
from tests.iot.firmware_home import IMAGE_BYTES, Home
from tests.trust.firmware_desk import Desk, served

CUTS = int(os.environ.get("FIRMWARE_CUTS", "20"))
EVENTS = 27
"""About as many lines as a device says from the first block to the restart."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with served(tmp_path) as desk:
        yield desk


@pytest.mark.timeout(120 + CUTS * 10)
async def test_every_power_cut_leaves_the_old_or_the_new_image_whole(desk: Desk) -> None:
    chance = random.Random(20_261_121)  # noqa: S311 - which block, not which key
    home = Home(desk)
    lamps = [home.lamp("pulls", "pull"), home.lamp("pushed", "push")]
    number, cuts = 1, 0
    async with home.living():
        while cuts < CUTS:
            number += 1
            version = f"{number}.0"
            desk.publish(make_image(version, IMAGE_BYTES), version=version)
            for lamp in lamps:
                # The lines of this update begin where the others end.
                begun = len(lamp.said)
                for victim in chance.sample([lamp, home.box], k=2):
                    after = begun + chance.randrange(1, EVENTS)
                    await lamp.until(
                        lambda said, n=after, v=version: len(said) >= n or f"running {v}" in said  # type: ignore[misc]
                    )
                    victim.cut()
                    cuts += 1
                    name = "pulls" if lamp is lamps[0] else "pushed"
                    assert home.runs(name) in (f"{number - 1}.0", version)
                await lamp.until(lambda said, v=version: f"running {v}" in said)  # type: ignore[misc]
            for name in home.lamps:
                await home.reported(name, runs=version, code=None)
    assert all(home.runs(name) == version for name in home.lamps)
    assert not any("bricked" in lamp.said for lamp in lamps)
