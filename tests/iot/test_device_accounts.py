import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.broker import BrokerConfig, BrokerDownError, ManagedBroker
from gateway.broker_accounts import MAX_DEVICES, hashed
from gateway.iot import device_accounts
from gateway.iot.device_accounts import (
    AccountNameError,
    AccountsElsewhereError,
    DeviceAccounts,
    TooManyAccountsError,
    UnknownAccountError,
)
from gateway.iot.entity import EntityId
from gateway.iot.mqtt import MqttLink
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress, BrokerError, Message
from gateway.mqtt_client import MqttClient
from gateway.store import Store
from gateway.supervisor import Supervisor, Unit
from tests.conftest import Serve
from tests.iot.conftest import kill, until


@dataclass(frozen=True)
class Rig:
    """A box's accounts, its broker and its own connection, all real."""

    accounts: DeviceAccounts
    broker: ManagedBroker
    client: MqttClient

    def device(self, name: str, secret: str) -> MqttClient:
        """Return a connection of the device itself, not begun."""
        return MqttClient(BrokerAddress("127.0.0.1", self.broker.port, name, secret), f"device-{name}")


@asynccontextmanager
async def box(folder: Path, serve: Serve, *, configured: tuple[str, ...] = ()) -> AsyncIterator[Rig]:
    store = Store(folder / "gateway.db", {"device accounts": device_accounts.MIGRATIONS})
    broker = ManagedBroker(BrokerConfig(port=0, tls=False, devices=configured), folder / "broker")
    client = MqttClient(lambda: BrokerAddress.parse(broker.url()), "gateway-test")
    accounts = DeviceAccounts(store, broker, client, configured=configured)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve(store))
        await stack.enter_async_context(serve(accounts))
        await stack.enter_async_context(serve(Supervisor([Unit(name="broker", service=broker)])))
        await stack.enter_async_context(serve(client))
        yield Rig(accounts, broker, client)


async def test_a_new_device_can_talk_at_once_while_the_others_stay_connected(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, first_secret = await rig.accounts.add("lamp", "客厅灯")
        lamp = rig.device("lamp", first_secret)
        async with serve(lamp):
            with rig.client.changes.subscribe() as ours, lamp.changes.subscribe() as lamps:
                account, secret = await rig.accounts.add("door", "大门")
                door = rig.device("door", secret)
                async with serve(door):
                    with rig.client.subscribe("door/state") as heard:
                        await rig.client.publish(Message("door/state", b"begin"))
                        assert (await anext(heard)).payload == b"begin"
                        await door.publish(Message("door/state", b"open"))
                        assert (await anext(heard)).payload == b"open"
                assert (account.name, account.label) == ("door", "大门")
                assert rig.client.connected
                assert lamp.connected
                assert ours.lost == lamps.lost == 0
        assert [one.name for one in rig.accounts.all] == ["lamp", "door"]


async def test_a_device_that_is_sent_away_is_disconnected_and_refused(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, secret = await rig.accounts.add("lamp", "灯")
        lamp = rig.device("lamp", secret)
        async with serve(lamp):
            with lamp.changes.subscribe() as changes, rig.client.subscribe("lamp/#") as heard:
                await rig.accounts.remove("lamp")
                assert await anext(changes) is False
                with pytest.raises(BrokerError):
                    await lamp.publish(Message("lamp/state", b"ON"))
                await rig.client.publish(Message("lamp/end", b"."))
                assert (await anext(heard)).topic == "lamp/end"
        again = rig.device("lamp", secret)
        async with serve(again):
            assert not again.connected


async def test_the_old_secret_opens_nothing_when_the_name_comes_back(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, old = await rig.accounts.add("lamp", "灯")
        await rig.accounts.remove("lamp")
        _, new = await rig.accounts.add("lamp", "灯")
        thief, lamp = rig.device("lamp", old), rig.device("lamp", new)
        async with serve(lamp), serve(thief):
            assert (lamp.connected, thief.connected) == (True, False)


async def test_a_device_neither_sees_nor_says_anything_of_another(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, a_secret = await rig.accounts.add("lamp", "A")
        _, b_secret = await rig.accounts.add("door", "B")
        a, b = rig.device("lamp", a_secret), rig.device("door", b_secret)
        async with serve(a), serve(b):
            with a.subscribe("#") as seen, rig.client.subscribe("#") as all_of_it:
                await rig.client.publish(Message("door/state", b"begin"))
                assert (await anext(all_of_it)).payload == b"begin"
                for topic in (
                    "door/state",
                    "homeassistant/light/door/config",
                    "homie/5/door/$state",
                    "gateway/x",
                ):
                    await a.publish(Message(topic, b"a lie", retain=True))
                    await b.publish(Message("door/state", b"mine"))
                    assert (await anext(all_of_it)).payload == b"mine"
                await a.publish(Message("lamp/own", b""))
                assert (await anext(seen)).topic == "lamp/own"


async def test_nothing_of_a_device_is_left_with_the_broker(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        link = MqttLink(rig.client, accounts=rig.accounts.names)
        registry = Registry([link])
        _, secret = await rig.accounts.add("lamp", "灯")
        lamp = rig.device("lamp", secret)
        async with serve(registry), serve(link):
            async with serve(lamp):
                described = {"uniq_id": "lamp", "name": "灯", "cmd_t": "lamp/set", "stat_t": "lamp/state"}
                announcement = Message(
                    "homeassistant/light/lamp/config", json.dumps(described).encode(), retain=True
                )
                await lamp.publish(announcement)
                await lamp.publish(Message("lamp/state", b"ON", retain=True))
                await until(registry, lambda: EntityId("mqtt.lamp") in registry.states)
            await rig.accounts.remove("lamp")
            await until(registry, lambda: EntityId("mqtt.lamp") not in registry.states)
        with rig.client.subscribe("#") as kept:
            await rig.client.publish(Message("gateway/end", b""))
            while (message := await anext(kept)).topic != "gateway/end":
                assert not message.topic.startswith(("lamp/", "homeassistant/light/lamp"))


async def test_accounts_and_absences_outlive_a_restart(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, lamps = await rig.accounts.add("lamp", "灯")
        _, doors = await rig.accounts.add("door", "门")
        await rig.accounts.remove("door")
    # As after a power cut between the store and the broker's files.
    (tmp_path / "broker/passwords").write_text(f"door:{hashed(doors)}\n")
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        lamp, door = rig.device("lamp", lamps), rig.device("door", doors)
        async with serve(lamp), serve(door):
            assert (lamp.connected, door.connected) == (True, False)
        assert [one.name for one in rig.accounts.all] == ["lamp"]


async def test_a_broker_that_was_killed_comes_back_with_the_newest_accounts(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, secret = await rig.accounts.add("lamp", "灯")
        with rig.client.changes.subscribe() as changes:
            kill(rig.broker)
            await rig.accounts.add("door", "门")
            while not await anext(changes):
                pass
        lamp = rig.device("lamp", secret)
        async with serve(lamp):
            assert lamp.connected


async def test_no_secret_of_a_device_is_kept_anywhere(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, secret = await rig.accounts.add("lamp", "灯")
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "broker").rglob("*")}
        assert modes == {0o600, 0o700}
    assert secret not in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Lamp",
        "a b",
        "lamp\ntopic readwrite #",
        "gateway",
        "gateway-probe",
        "gateway-box-1",
        "homie",
        "fixed",
        "x" * 65,
    ],
)
async def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, serve: Serve, name: str) -> None:
    async with box(tmp_path, serve, configured=("fixed",)) as rig:
        with pytest.raises(AccountNameError):
            await rig.accounts.add(name, "")
        assert rig.accounts.all == ()


async def test_accounts_of_the_configuration_are_not_taken_away_here(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve, configured=("fixed",)) as rig:
        with pytest.raises(UnknownAccountError):
            await rig.accounts.remove("fixed")
        with pytest.raises(UnknownAccountError):
            await rig.accounts.remove("nobody")
        assert set(rig.accounts.names) == {"fixed"}


async def test_there_are_only_so_many(tmp_path: Path, serve: Serve) -> None:
    names = tuple(f"d{number}" for number in range(MAX_DEVICES))
    async with box(tmp_path, serve, configured=names) as rig:
        with pytest.raises(TooManyAccountsError):
            await rig.accounts.add("lamp", "")


async def test_at_a_broker_of_others_nothing_is_made(tmp_path: Path, serve: Serve) -> None:
    store = Store(tmp_path / "gateway.db", {"device accounts": device_accounts.MIGRATIONS})
    client = MqttClient(BrokerAddress("127.0.0.1", 9), "gateway-test")
    accounts = DeviceAccounts(store, None, client)
    async with serve(store), serve(accounts):
        with pytest.raises(AccountsElsewhereError):
            await accounts.add("lamp", "")


async def test_a_device_that_the_full_disk_keeps_in_can_be_sent_away_again(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig, asyncio.timeout(20):
        _, secret = await rig.accounts.add("lamp", "")
        lamp = rig.device("lamp", secret)
        async with serve(lamp):
            passwords = tmp_path / "broker" / "passwords"
            passwords.rename(tmp_path / "aside")
            (passwords / "in the way").mkdir(parents=True)
            with pytest.raises(BrokerDownError):
                await rig.accounts.remove("lamp")
            (passwords / "in the way").rmdir()
            passwords.rmdir()
            with lamp.changes.subscribe() as changes:
                await rig.accounts.remove("lamp")
                while await anext(changes):
                    pass
        with pytest.raises(UnknownAccountError):
            await rig.accounts.remove("lamp")
