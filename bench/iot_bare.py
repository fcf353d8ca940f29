"""Bare clients that do one thing: the sensor is above the threshold, so the light is told.

One rule: nothing that a bare client needs not: no devices, no states, no
outcome.  This is the floor of what a library on this machine can do.

``python -m bench.iot_bare paho|aiomqtt|aiocoap BROKER [DEVICE]``: ports; the CoAP device is observed.
"""

import argparse
import asyncio
import socket
from typing import Any

import aiocoap
import aiomqtt
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

SENSOR, LIGHT = "bench/temp/state", "bench/light/set"
THRESHOLD = 25.0


class Edge:
    """Whether the value just came above the threshold."""

    def __init__(self) -> None:
        self._above = False

    def crossed(self, payload: bytes | bytearray) -> bool:
        """Take the newest value."""
        before, self._above = self._above, float(payload) > THRESHOLD
        return self._above and not before


def with_paho(port: int) -> None:
    """Run on paho's own thread, as its documentation shows, and with TCP_NODELAY."""
    edge = Edge()

    def on_message(client: Client, _data: object, message: MQTTMessage) -> None:
        if edge.crossed(message.payload):
            client.publish(LIGHT, b"ON", 1)

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_socket_open = without_delay
    client.connect("127.0.0.1", port)
    client.subscribe(SENSOR, 1)
    client.loop_forever()


async def with_aiomqtt(port: int) -> None:
    """Run as the documentation of aiomqtt shows."""
    edge = Edge()
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(SENSOR, 1)
        async for message in client.messages:
            if isinstance(message.payload, bytes) and edge.crossed(message.payload):
                await client.publish(LIGHT, b"ON", 1)


async def with_aiocoap(port: int, device: int) -> None:
    """Observe as the documentation of aiocoap shows, and command by paho with TCP_NODELAY."""
    edge = Edge()
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_socket_open = without_delay
    client.connect("127.0.0.1", port)
    client.loop_start()
    context = await aiocoap.Context.create_client_context()
    question = aiocoap.Message(code=aiocoap.GET, uri=f"coap://127.0.0.1:{device}/3303/0/5700", observe=0)
    request = context.request(question)
    await request.response
    async for answer in request.observation:
        if edge.crossed(answer.payload):
            client.publish(LIGHT, b"ON", 1)


def without_delay(_client: Client, _data: object, opened: Any) -> None:  # noqa: ANN401 - paho's own word
    """Let nothing wait for company."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main() -> None:
    """Run until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=("paho", "aiomqtt", "aiocoap"))
    parser.add_argument("broker", type=int)
    parser.add_argument("device", type=int, nargs="?", default=5683)
    said = parser.parse_args()
    if said.library == "paho":
        with_paho(said.broker)
    elif said.library == "aiomqtt":
        asyncio.run(with_aiomqtt(said.broker))
    else:
        asyncio.run(with_aiocoap(said.broker, said.device))


if __name__ == "__main__":
    main()
