"""Bare clients that do one thing: the sensor is above the threshold, so the light is told.

One rule: nothing that a bare client needs not: no devices, no states, no
outcome.  This is the floor of what a library on this machine can do.

``python -m bench.iot_bare paho|aiomqtt|aiocoap BROKER [DEVICE ...]``: ports; CoAP devices are observed.
"""

import argparse
import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import aiocoap
import aiomqtt
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from bench.iot_devices import THERMOMETER, light_topic, sensor_topic

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
            client.publish(light_topic(0), b"ON", 1)

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_socket_open = without_delay
    client.connect("127.0.0.1", port)
    client.subscribe(sensor_topic(0), 1)
    client.loop_forever()


async def with_aiomqtt(port: int) -> None:
    """Run as the documentation of aiomqtt shows."""
    edge = Edge()
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(sensor_topic(0), 1)
        async for message in client.messages:
            if isinstance(message.payload, bytes) and edge.crossed(message.payload):
                await client.publish(light_topic(0), b"ON", 1)


async def with_aiocoap(port: int, devices: Sequence[int]) -> None:
    """Observe as the documentation of aiocoap shows, and command by paho with TCP_NODELAY."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_socket_open = without_delay
    client.connect("127.0.0.1", port)
    client.loop_start()
    context = await aiocoap.Context.create_client_context()

    async def follow(number: int, device: int) -> None:
        edge = Edge()
        question = aiocoap.Message(
            code=aiocoap.GET, uri=f"coap://127.0.0.1:{device}/{THERMOMETER}", observe=0
        )
        request = context.request(question)
        await request.response
        async for answer in request.observation:
            if edge.crossed(answer.payload):
                client.publish(light_topic(number), b"ON", 1)

    async with asyncio.TaskGroup() as together:
        for number, device in enumerate(devices):
            together.create_task(follow(number, device))


def without_delay(_client: Client, _data: object, opened: Any) -> None:  # noqa: ANN401 - paho's own word
    """Let nothing wait for company."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main() -> None:
    """Run until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=("paho", "aiomqtt", "aiocoap"))
    parser.add_argument("broker", type=int)
    parser.add_argument("devices", type=int, nargs="*")
    said = parser.parse_args()
    if said.library == "paho":
        with_paho(said.broker)
    elif said.library == "aiomqtt":
        asyncio.run(with_aiomqtt(said.broker))
    else:
        asyncio.run(with_aiocoap(said.broker, said.devices))


if __name__ == "__main__":
    main()
