import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.broker import BrokerConfig, BrokerDownError, BrokerMissingError, BrokerPortError, ManagedBroker
from gateway.mqtt import BrokerAddress, BrokerError, Message
from gateway.mqtt_client import MqttClient
from gateway.schema import SchemaError, decode
from gateway.supervisor import Supervisor, Unit
from tests.conftest import Serve

CONFIG = BrokerConfig(port=0, tls=False, devices=("lamp", "thermometer"))


@pytest.fixture
async def broker(serve: Serve, tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    managed = ManagedBroker(CONFIG, tmp_path / "broker")
    async with serve(managed):
        yield managed


def client(broker: ManagedBroker, account: str = "gateway") -> MqttClient:
    return MqttClient(BrokerAddress.parse(broker.url(account)), f"test-{account}")


async def test_the_gateway_and_its_devices_can_talk(broker: ManagedBroker, serve: Serve) -> None:
    ours, lamp = client(broker), client(broker, "lamp")
    async with serve(ours), serve(lamp), asyncio.timeout(5):
        with ours.subscribe("lamp/#") as heard:
            await ours.publish(Message("lamp/set", b"ON", retain=True))
            with lamp.subscribe("lamp/set") as orders:
                assert (await anext(orders)).payload == b"ON"
            assert (await anext(heard)).payload == b"ON"


@pytest.mark.parametrize(
    "topic",
    [
        "thermometer/state",
        "homeassistant/status",
        "homeassistant/light/thermometer/config",
        "gateway/box/status",
    ],
)
async def test_a_device_cannot_speak_for_others(broker: ManagedBroker, serve: Serve, topic: str) -> None:
    ours, lamp = client(broker), client(broker, "lamp")
    async with serve(ours), serve(lamp), asyncio.timeout(5):
        with ours.subscribe("#") as heard:
            await ours.publish(Message("lamp/first", b""))
            assert (await anext(heard)).topic == "lamp/first"

            await lamp.publish(Message(topic, b"a lie"))
            await lamp.publish(Message("lamp/state", b"OFF"))

            assert (await anext(heard)).topic == "lamp/state"


async def test_a_device_hears_nothing_of_others(broker: ManagedBroker, serve: Serve) -> None:
    ours, lamp = client(broker), client(broker, "lamp")
    async with serve(ours), serve(lamp), asyncio.timeout(5):
        with lamp.subscribe("#") as heard:
            await lamp.publish(Message("lamp/first", b""))
            assert (await anext(heard)).topic == "lamp/first"
            await ours.publish(Message("thermometer/state", b"21"))
            await ours.publish(Message("homeassistant/status", b"online"))

            assert (await anext(heard)).topic == "homeassistant/status"


@pytest.mark.parametrize(
    "url", ["mqtt://127.0.0.1:{port}", "mqtt://lamp:wrong@127.0.0.1:{port}"], ids=["nobody", "thief"]
)
async def test_without_the_right_secret_nobody_gets_in(broker: ManagedBroker, serve: Serve, url: str) -> None:
    stranger = MqttClient(BrokerAddress.parse(url.format(port=broker.port)), "stranger")
    async with serve(stranger):
        assert not stranger.connected
        with pytest.raises(BrokerError):
            await stranger.publish(Message("lamp/set", b"ON"))


async def test_secrets_are_for_the_owner_only_and_in_no_configuration(
    broker: ManagedBroker, tmp_path: Path
) -> None:
    folder = tmp_path / "broker"
    secret = (folder / "accounts" / "lamp").read_text()

    files = [path for path in folder.rglob("*") if path.is_file()]

    assert secret in broker.url("lamp")
    assert [path.name for path in files if secret in path.read_text(errors="replace")] == ["lamp"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_killed_broker_is_back_within_five_seconds_with_the_same_accounts(
    tmp_path: Path, serve: Serve
) -> None:
    broker = ManagedBroker(CONFIG, tmp_path / "broker")
    async with serve(Supervisor([Unit(name="broker", service=broker)])):
        url, first = broker.url("lamp"), broker.pid
        assert first is not None
        lamp = client(broker, "lamp")
        async with serve(lamp):
            with lamp.changes.subscribe() as changes:
                os.kill(first, signal.SIGKILL)
                async with asyncio.timeout(5):
                    assert await anext(changes) is False
                    assert await anext(changes) is True

        assert broker.pid not in (None, first)
        assert broker.url("lamp") == url


async def test_what_devices_left_with_the_broker_outlives_its_restart(tmp_path: Path, serve: Serve) -> None:
    for again in (False, True):
        broker = ManagedBroker(CONFIG, tmp_path / "broker")
        async with serve(broker):
            ours = client(broker)
            async with serve(ours), asyncio.timeout(5):
                if not again:
                    await ours.publish(Message("lamp/state", b"ON", retain=True))
                else:
                    with ours.subscribe("lamp/state") as heard:
                        assert (await anext(heard)).payload == b"ON"


async def test_a_port_in_use_is_named(tmp_path: Path, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerPortError, match=str(port)) as refused:
            async with serve(ManagedBroker(BrokerConfig(port=port, tls=False), tmp_path)):
                pass
    assert "systemctl disable --now mosquitto" in refused.value.line()


async def test_a_missing_broker_says_what_to_install(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(BrokerMissingError) as refused:
        async with serve(ManagedBroker(CONFIG, tmp_path, search_path=str(tmp_path))):
            pass
    assert refused.value.line() == (
        "IOT-102: the program mosquitto is not installed. Install it: sudo apt install mosquitto."
    )


def test_an_account_without_a_secret_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(BrokerDownError):
        ManagedBroker(CONFIG, tmp_path).url("lamp")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"mode": "external"}, "broker.url: "),
        ({"mode": "external", "url": "http://x"}, "broker.url: "),
        ({"port": 70000}, "broker.port: 70000 is outside"),
        ({"devices": ["lamp", "a:b"]}, "broker.devices[1]: "),
        ({"devices": ["homeassistant"]}, "broker.devices[0]: "),
        ({"devices": ["gateway"]}, "broker.devices[0]: "),
        ({"devices": ["homie"]}, "broker.devices[0]: "),
        ({"devices": ["lamp", "lamp"]}, "broker.devices[1]: lamp is there twice"),
        ({"devices": ["lamp\ntopic readwrite #"]}, "broker.devices[0]: "),
    ],
)
def test_a_wrong_section_is_named_by_its_path(section: dict[str, object], problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        decode(section, BrokerConfig, at="broker")
    assert str(refused.value).startswith(problem)
