import asyncio
from typing import Any

import aiohttp
import msgspec

from gateway.focus import Priority
from tests.ui.conftest import Box
from tests.ui.living import LAMP, OPERA


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """Return the next message of that type."""
    async with asyncio.timeout(5):
        while True:
            message = msgspec.json.decode(await socket.receive_str(), type=dict[str, Any])
            if message["type"] == kind:
                return message


async def test_the_first_message_is_the_whole_house(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        first = await heard(socket, "snapshot")
    assert first["box"] == "box-1"
    assert [one["id"] for one in first["channels"]] == ["news", "sport", "opera"]
    assert {one["id"] for one in first["entities"]} == {"mqtt.lamp", "mqtt.thermometer"}
    assert first["screen"] == "tv"


async def test_each_change_is_one_message(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        await box.living.tv.tune(OPERA.id)
        while (await heard(socket, "tv"))["tv"]["picture"] != "playing":
            pass
        box.living.things.report(LAMP.id, True)
        assert (await heard(socket, "entity"))["entity"]["value"] is True
        box.living.things.forget(LAMP.id)
        assert await heard(socket, "entity_gone") == {"type": "entity_gone", "id": LAMP.id}
        box.living.keeper.become(tv="restarting")
        assert (await heard(socket, "services"))["services"]["tv"] == "restarting"
        async with box.living.focus.claim("doorbell", Priority.DOORBELL):
            assert (await heard(socket, "screen"))["screen"] == "doorbell"
        assert (await heard(socket, "screen"))["screen"] == "tv"
