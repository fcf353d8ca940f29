"""Cameras of the Home Assistant kind: the newest picture, in memory, within limits, for the household."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.broker import ManagedBroker
from gateway.iot import history
from gateway.iot.entity import Capability, EntityId
from gateway.iot.ha_discovery import parse_announcement, place_of
from gateway.iot.history import Historian
from gateway.iot.history_tidy import HistoryConfig
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt import MqttLink
from gateway.iot.pictures import BURST, MAX_ALL_BYTES, MAX_PICTURE_BYTES, Pictures
from gateway.iot.registry import Registry
from gateway.mqtt import Message
from gateway.mqtt_client import MqttClient
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.conftest import ACCOUNTS, Publishing, until, value
from tests.iot.house import COAP_CLIENT, house, mosquitto, output_of

DOOR = EntityId("mqtt.door_cam")
CONFIG = "homeassistant/camera/lamp/config"
CAMERA = {"unique_id": "door_cam", "name": "门口", "t": "lamp/picture"}
JPEG, PNG = b"\xff\xd8\xff\xe0" + b"picture" * 9, b"\x89PNG\r\n\x1a\n" + b"picture" * 9
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def pictures() -> Pictures:
    return Pictures()


@pytest.fixture
async def registry(serve: Serve, mqtt: MqttClient, pictures: Pictures) -> AsyncIterator[Registry]:
    link = MqttLink(mqtt, accounts=ACCOUNTS, pictures=pictures)
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


@pytest.fixture
def camera(broker: ManagedBroker) -> Publishing:
    return Publishing(broker, "lamp")


async def test_the_newest_picture_is_there_until_the_camera_goes(
    registry: Registry, camera: Publishing, pictures: Pictures, serve: Serve, tmp_path: Path
) -> None:
    store = Store(tmp_path / "history.db", {"history": history.MIGRATIONS}, durable=False)
    historian = Historian(store, registry, HistoryConfig(write_every_s=0.02))
    begun = datetime.now(UTC)
    async with serve(store), serve(historian):
        await camera.say(CONFIG, CAMERA, retain=True)
        await until(registry, lambda: DOOR in registry.states)
        assert registry.states[DOOR].entity.capability is Capability.CAMERA
        await camera.say("lamp/picture", PNG)
        await until(registry, lambda: value(registry, DOOR) == "image/png")
        await camera.say("lamp/picture", b"GIF89a")
        await camera.say("lamp/picture", JPEG)
        await until(registry, lambda: value(registry, DOOR) == "image/jpeg")
        assert (pictures.newest[DOOR].data, pictures.newest[DOOR].kind) == (JPEG, "image/jpeg")
        assert pictures.refused[DOOR] == 1
        await camera.say(CONFIG, {**CAMERA, "img_e": "b64", "t": "lamp/coded"}, retain=True)
        await camera.say("lamp/coded", base64.b64encode(PNG))
        await until(registry, lambda: value(registry, DOOR) == "image/png")
        await camera.say(CONFIG, b"", retain=True)
        await until(registry, lambda: not registry.states)
        assert dict(pictures.newest) == {}
        assert (await historian.of(DOOR, begun, datetime.now(UTC))).points == ()


@pytest.mark.parametrize(
    ("payload", "encoded", "why"),
    [
        (JPEG + bytes(MAX_PICTURE_BYTES), False, "is larger than 1048576 bytes"),
        (base64.b64encode(JPEG + bytes(MAX_PICTURE_BYTES)), True, "is larger than 1048576 bytes"),
        (b"<svg onload='alert(1)'/>", False, "is neither JPEG nor PNG"),
        (base64.b64encode(b"GIF89a"), True, "is neither JPEG nor PNG"),
        (b"a", True, "is not base64"),
        (b"", False, "is neither JPEG nor PNG"),
    ],
)
def test_what_is_no_picture_is_counted_and_named_once(
    caplog: pytest.LogCaptureFixture, payload: bytes, encoded: bool, why: str
) -> None:
    pictures = Pictures()
    for _ in range(2):
        assert pictures.take(DOOR, payload, NOW, encoded=encoded) is None
    assert pictures.refused[DOOR] == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"A picture of {DOOR} is passed over, and maybe more: it {why}"
    ]


def test_a_camera_that_floods_is_slowed_and_the_others_are_not() -> None:
    now_s = 0.0
    pictures = Pictures(lambda: now_s)
    taken = [pictures.take(DOOR, JPEG, NOW, encoded=False) for _ in range(100)]
    assert sum(each is not None for each in taken) == BURST
    assert pictures.refused[DOOR] == 100 - BURST
    assert pictures.take(EntityId("mqtt.other"), JPEG, NOW, encoded=False)
    now_s = 1.0
    assert pictures.take(DOOR, PNG, NOW, encoded=False)


def test_many_cameras_hold_no_more_than_their_share_of_memory() -> None:
    pictures = Pictures()
    large = JPEG + bytes(MAX_PICTURE_BYTES - len(JPEG))
    for number in range(40):
        pictures.take(EntityId(f"mqtt.{number}"), large, NOW, encoded=False)
    assert len(pictures.newest) == MAX_ALL_BYTES // MAX_PICTURE_BYTES
    assert "mqtt.39" in pictures.newest


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"t": ""}, "topic is required"),
        ({"img_e": "hex"}, "image_encoding is not b64"),
        ({"t": "thermometer/picture"}, "is not below lamp/"),
        ({"t": "lamp/#"}, "is not a topic without wildcards"),
    ],
)
def test_a_camera_names_a_topic_of_its_own(more: dict[str, str], why: str) -> None:
    payload = json.dumps({**CAMERA, **more}).encode()
    with pytest.raises(AnnouncementError, match=why):
        parse_announcement(place_of(CONFIG, "homeassistant"), payload, accounts=ACCOUNTS)


async def test_nobody_but_the_household_sees_it(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "broker").mkdir()
    async with mosquitto(tmp_path / "broker") as port, house(tmp_path, serve, port) as home:
        await home.retain(CONFIG, CAMERA)
        await home.state(DOOR)
        await home.client.publish(Message("lamp/picture", JPEG))
        await home.state(DOOR, value="image/jpeg")
        listed, _ = await output_of([COAP_CLIENT, "-m", "get", "-b", "64", f"{home.coap}/.well-known/core"])
        async with asyncio.timeout(10), home.listening("#") as listener:
            assert await listener.next("homeassistant/status") == "online"
            assert not [topic for topic in listener.passed if topic.startswith("gateway/box-1/mqtt")]
    assert DOOR not in listed
    for written in [caplog.text.encode(), *(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())]:
        assert b"picturepicture" not in written
