import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest

from gateway.focus import Priority
from gateway.iot.entity import Capability, EntityId
from gateway.iot.link import Found
from gateway.ui import documents as doc
from gateway.ui import documents_events as news
from gateway.ui.events import MAX_LISTENERS
from tests.ui.conftest import Box
from tests.ui.living import LAMP, OPERA, TEMPERATURE

NOW = datetime(2026, 1, 31, tzinfo=UTC)
BURST = 4_000


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


async def test_a_message_is_shown_to_the_pages_that_are_there(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        assert (await heard(socket, "snapshot"))["notices"] == []
        box.living.house.notices.put({"zh-CN": "门铃响了", "en": "The doorbell rings"})
        assert (await heard(socket, "notice"))["notice"]["text"]["zh-CN"] == "门铃响了"


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


async def test_a_burst_costs_a_quick_listener_nothing(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        for tenths in range(1000):
            box.living.things.report(TEMPERATURE.id, tenths / 10)
        values = [(await heard(socket, "entity"))["entity"]["value"] for _ in range(1000)]
    assert values == [tenths / 10 for tenths in range(1000)]


async def test_a_repeated_report_is_not_told_again_and_again(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        for value in (30.0, 30.0, 30.0, 31.0):
            box.living.things.report(TEMPERATURE.id, value)
        assert [(await heard(socket, "entity"))["entity"]["value"] for _ in range(2)] == [30.0, 31.0]


async def test_each_picture_of_a_camera_is_told_though_its_words_are_the_same(box: Box) -> None:
    camera = replace(LAMP, id=EntityId("mqtt.door"), capability=Capability.CAMERA)
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        box.living.things.events.publish(Found(camera))
        for _ in range(3):
            box.living.things.report(camera.id, "image/jpeg")
        told = [(await heard(socket, "entity"))["entity"] for _ in range(4)]
        box.living.things.forget(camera.id)
        await heard(socket, "entity_gone")
    assert [one["value"] for one in told] == [None, "image/jpeg", "image/jpeg", "image/jpeg"]
    assert len({one["reported_at"] for one in told}) == 4


@pytest.mark.slow
async def test_a_listener_that_does_not_read_is_sent_away_and_harms_nobody(box: Box) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", box.server.port, limit=2**10)
    writer.write(
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{box.server.port}\r\n"
        f"Authorization: Bearer {box.access.token()}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        for number in range(BURST):
            # Larger than what the system keeps for a reader, all in all.
            text = {"en": f"{number:05}" * 500}
            box.desk.events.tell(news.NoticeEvent(notice=doc.Notice(text=text, code=None, at=NOW)))
            assert (await heard(socket, "notice"))["notice"]["text"] == text
    async with asyncio.timeout(30):
        left = await reader.read(-1)
    writer.close()
    # What the system's buffers held came through, and the rest did not.
    assert f"{BURST - 1:05}".encode() not in left


async def test_too_many_listeners_are_asked_to_come_again(box: Box) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_LISTENERS):
            socket = await stack.enter_async_context(box.client.ws_connect(box.at("events")))
            await heard(socket, "snapshot")
        async with box.client.ws_connect(box.at("events")) as one_too_many, asyncio.timeout(5):
            told = await one_too_many.receive()
    assert (told.type, told.data) == (aiohttp.WSMsgType.CLOSE, 1013)
