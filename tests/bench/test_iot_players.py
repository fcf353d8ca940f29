"""Players of the home's bench do what they are measured at: each crossing is followed by one command."""

import asyncio
import socket
from pathlib import Path

import pytest

from bench.iot_circuit import closed_loop, first_answer
from bench.iot_devices import plugged_in
from bench.iot_machine import broker, free, processor_s, pss_mb
from bench.iot_players import AIOCOAP, AIOMQTT, FROM_COAP, PAHO, PLAYERS, PRODUCT, TO_COAP, House, playing

CROSSINGS = 5


@pytest.mark.parametrize(
    "name",
    [
        PAHO,
        AIOMQTT,
        AIOCOAP,
        pytest.param(PRODUCT, marks=pytest.mark.slow),
        pytest.param(FROM_COAP, marks=pytest.mark.slow),
        pytest.param(TO_COAP, marks=pytest.mark.slow),
    ],
)
async def test_each_crossing_is_followed_by_a_command(name: str, tmp_path: Path) -> None:
    player = PLAYERS[name]
    ports = tuple(free(socket.SOCK_DGRAM) for _ in range(player.pairs))
    async with asyncio.timeout(90), broker(tmp_path) as port, plugged_in(port, ports) as devices:
        await devices.announce()
        circuit = devices.circuit(*player.way)
        argv = player.argv(House(folder=tmp_path, broker=port, devices=ports, mode="queued"))
        async with playing(argv, tmp_path) as pid:
            await first_answer(circuit, 60)
            had = len(circuit.seen.times)
            loop = await closed_loop(circuit, CROSSINGS)
            assert pss_mb(pid) > 1
            assert processor_s(pid) > 0
    assert (len(loop.each_ms), loop.lost) == (CROSSINGS, 0)
    assert len(circuit.seen.times) - had == CROSSINGS
