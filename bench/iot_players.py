"""Who is measured: Home Assistant, bare clients, and the product in several houses.

One rule: a player is started as its users start it, on what an earlier start
left behind; the first start of a life is nobody's measure.
"""

import os
import socket
import sys
from asyncio.subprocess import STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import iot_home_assistant, iot_product
from bench.iot_machine import free
from gateway import child

Argv = list[str | Path]
ROOT = Path(__file__).parents[1]
COAP_PAIRS = 20
STOP_S = 20.0
"""Home Assistant takes its time to say goodbye."""


@dataclass(frozen=True, kw_only=True)
class House:
    """Where a player lives.

    Attributes:
        folder: Its own.
        broker: Port of the broker.
        devices: Ports of the CoAP devices, a sensor and its light on each.
        mode: Of the product's rule.
    """

    folder: Path
    broker: int
    devices: tuple[int, ...]
    mode: str


@dataclass(frozen=True, kw_only=True)
class Player:
    """One row of the table.

    Attributes:
        argv: Writes what it needs into the house and returns how it is started.
        way: The world of the sensor and of the light.
        pairs: Sensors that take part in the burst, each with its light.  A CoAP device may have one
            message under way (RFC 7252, section 4.7), so many at once are those of many devices.
        crowded: Whether 5,000 entities are announced.
        keeps: Whether it keeps something between two starts.
        fill: Puts a past into its folder, between the first start and the measured one.
        orders: How many commands it has noted in its folder so far, where that is how a burst is judged.
    """

    name: str
    argv: Callable[[House], Argv]
    way: tuple[str, str] = ("mqtt", "mqtt")
    pairs: int = 1
    crowded: bool = False
    keeps: bool = True
    fill: Callable[[Path], Awaitable[int]] | None = None
    orders: Callable[[Path], int] | None = None


@asynccontextmanager
async def playing(argv: Argv, folder: Path) -> AsyncIterator[int]:
    """Run a player for the length of a block; its process id."""
    plain = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with (folder / "player.log").open("ab") as log:
        async with child.running(
            argv, env=plain, cwd=ROOT, stdout=log, stderr=STDOUT, stop_s=STOP_S
        ) as process:
            yield process.pid


def _home_assistant(house: House) -> Argv:
    folder = house.folder / "home-assistant"
    page = free(socket.SOCK_STREAM)
    iot_home_assistant.write(folder, broker=house.broker, page=page, more=iot_home_assistant.RULE)
    return iot_home_assistant.argv(folder)


def _bare(library: str, house: House) -> Argv:
    return [sys.executable, "-m", "bench.iot_bare", library, str(house.broker), *map(str, house.devices)]


def _product(way: tuple[str, str], house: House) -> Argv:
    file = iot_product.write(
        house.folder, broker=house.broker, devices=house.devices, way=way, mode=house.mode
    )
    return iot_product.argv(house.folder, file)


def _ours(name: str, source: str, target: str, *, crowded: bool = False) -> Player:
    way = (source, target)
    fill = iot_product.record_an_hour if crowded else None
    return Player(
        name=name,
        argv=partial(_product, way),
        way=way,
        pairs=COAP_PAIRS if "coap" in way else 1,
        crowded=crowded,
        fill=fill,
        orders=iot_product.orders if target == "coap" else None,
    )


HOME_ASSISTANT, PRODUCT = "home assistant", "product"
PAHO, AIOMQTT, AIOCOAP = "paho", "aiomqtt", "aiocoap"
FROM_COAP, TO_COAP, CROWDED = "product coap-mqtt", "product mqtt-coap", "product 5000"
PLAYERS = {
    player.name: player
    for player in (
        Player(name=HOME_ASSISTANT, argv=_home_assistant),
        Player(name=PAHO, argv=partial(_bare, "paho"), keeps=False),
        Player(name=AIOMQTT, argv=partial(_bare, "aiomqtt"), keeps=False),
        Player(
            name=AIOCOAP, argv=partial(_bare, "aiocoap"), way=("coap", "mqtt"), pairs=COAP_PAIRS, keeps=False
        ),
        _ours(PRODUCT, "mqtt", "mqtt"),
        _ours(FROM_COAP, "coap", "mqtt"),
        _ours(TO_COAP, "mqtt", "coap"),
        _ours(CROWDED, "mqtt", "mqtt", crowded=True),
    )
}
