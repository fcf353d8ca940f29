"""A box and its lamps as processes: what a household and an operator notice of firmware."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiocoap
import pytest

from gateway.iot.coap_firmware import Images, Parcel, new_token
from gateway.trust.firmware import ROLE
from tests.iot.coap_peers import peer
from tests.iot.firmware_device import make_image
from tests.iot.firmware_home import IMAGE_BYTES, Home, records
from tests.trust.firmware_desk import Desk, served

IMAGE = make_image("2.0", IMAGE_BYTES)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with served(tmp_path) as desk:
        yield desk


@pytest.mark.parametrize("delivery", ["push", "pull"])
async def test_a_lamp_gets_a_signed_image_and_says_that_it_runs_it(desk: Desk, delivery: str) -> None:
    home = Home(desk)
    lamp = home.lamp("lamp", delivery)
    desk.publish(IMAGE, version="2.0")
    async with home.living():
        await lamp.until(lambda said: "running 2.0" in said)
        await home.reported("lamp", runs="2.0", stage="updated", code=None)
    assert home.runs("lamp") == "2.0"
    assert lamp.said.count("updating") == 1


async def test_a_bad_image_reaches_one_lamp_only_which_keeps_the_old_one(desk: Desk) -> None:
    """The operator signed it; the lamp knows better, and the others are spared."""
    home = Home(desk)
    lamps = {"coap.a": home.lamp("a", "pull"), "coap.b": home.lamp("b", "push")}
    desk.publish(IMAGE[:-1], version="2.0")

    def ended(said: list[str]) -> dict[object, str]:
        """By code, whose it is: whichever the box heard of first is tried."""
        return {
            each["code"]: name
            for name, each in records(said).items()
            if (each["runs"], each["stage"]) == ("1.0", "failed" if each["code"] == "IOT-801" else None)
        }

    async with home.living():
        await home.box.until(lambda said: ended(said).keys() == {"IOT-801", "IOT-803"}, 60)
        tried, spared = (lamps[ended(home.box.said)[code]] for code in ("IOT-801", "IOT-803"))
    assert (home.runs("a"), home.runs("b")) == ("1.0", "1.0")
    assert "updating" not in tried.said
    assert spared.said == ["running 1.0"]


async def test_nothing_begins_while_the_household_would_notice(desk: Desk) -> None:
    home = Home(desk)
    lamp = home.lamp("lamp", "pull")
    busy = desk.folder / "box" / "busy"
    busy.touch()
    desk.publish(IMAGE, version="2.0")
    async with home.living():
        await home.reported("lamp", runs="1.0", stage=None, available="2.0")
        assert lamp.said == ["running 1.0"]
        busy.unlink()
        await lamp.until(lambda said: "running 2.0" in said)


def _flip(desk: Desk) -> None:
    for file in (desk.repository.targets / "firmware/ACME/L1").glob("*.bin"):
        file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])


def _cut_off(desk: Desk) -> None:
    for file in (desk.repository.targets / "firmware/ACME/L1").glob("*.bin"):
        file.write_bytes(file.read_bytes()[:-1])


def _tamper(desk: Desk) -> None:
    for file in desk.repository.metadata.glob(f"*.{ROLE}.json"):
        file.write_bytes(file.read_bytes().replace(b'"length": 24000', b'"length": 24001'))


def _nothing(_desk: Desk) -> None:
    pass


@pytest.mark.parametrize(
    ("wishes", "harm", "code"),
    [
        ({}, _flip, "TRUST-103"),
        ({}, _cut_off, "TRUST-103"),
        ({}, _tamper, "TRUST-103"),
        ({"hardware": ("C",)}, _nothing, "TRUST-110"),
        ({"version": "0.9"}, _nothing, "TRUST-104"),
        ({"minimum_installed": "1.5"}, _nothing, "TRUST-111"),
        ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, _nothing, "TRUST-102"),
    ],
    ids=["altered", "cut off", "unsigned", "revision", "older", "step missing", "expired"],
)
async def test_a_hostile_image_never_reaches_a_lamp(
    desk: Desk, wishes: dict[str, object], harm: Callable[[Desk], None], code: str
) -> None:
    home = Home(desk)
    lamp = home.lamp("lamp", "push")
    desk.publish(IMAGE, **{"version": "2.0", **wishes})
    harm(desk)
    async with home.living():
        await home.box.until(lambda said: f'"{code}"' in "".join(said[-1:]))
    assert lamp.said == ["running 1.0"]


async def test_an_image_altered_on_the_boxs_own_disk_is_fetched_anew(desk: Desk) -> None:
    home = Home(desk)
    lamp = home.lamp("lamp", "pull")
    signed = desk.publish(IMAGE, version="2.0")
    folder = desk.folder / "box" / "firmware" / "images"
    folder.mkdir(parents=True)
    (folder / f"{signed.sha256}.bin").write_bytes(make_image("6.6", IMAGE_BYTES))
    async with home.living():
        await lamp.until(lambda said: "running 2.0" in said)
    assert "running 6.6" not in lamp.said


async def test_only_the_device_gets_the_image_block_by_block_from_any_on() -> None:
    images = Images()
    token = new_token()
    parcel = Parcel(
        token=token,
        image=IMAGE,
        sha256="ab" * 32,
        host="127.0.0.1",
        until=datetime.now(UTC) + timedelta(minutes=1),
    )
    async with peer({"fw": images}) as box, peer() as device:

        async def ask(name: str, number: int = 0) -> aiocoap.Message:
            request = aiocoap.Message(code=aiocoap.GET, uri=f"{box.url}/fw/{name}")
            request.opt.block2 = (number, False, 5)
            async with asyncio.timeout(10):
                return await device.once(request)

        assert (await ask(token)).code == aiocoap.SERVICE_UNAVAILABLE
        images.offer(parcel)
        block = await ask(token, 3)
        assert (block.payload, block.opt.block2) == (IMAGE[3 * 512 : 4 * 512], (3, True, 5))
        assert (await ask(token, 46)).opt.block2.more is False
        assert (await ask(token, 47)).code == aiocoap.BAD_REQUEST
        assert (await ask(token[:-1])).code == aiocoap.NOT_FOUND
        assert (await ask("")).code == aiocoap.NOT_FOUND
        images.offer(replace(parcel, host="127.0.0.2"))
        assert (await ask(token)).code == aiocoap.NOT_FOUND
        images.offer(replace(parcel, until=datetime.now(UTC)))
        assert (await ask(token)).code == aiocoap.NOT_FOUND
        images.offer(parcel)
        images.withdraw()
        assert (await ask(token)).code == aiocoap.NOT_FOUND
