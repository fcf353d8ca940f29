"""The contract of the `Broker` port, held by its adapter on a real mosquitto."""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mqtt_window
from gateway.child import running
from gateway.errors import BadInputError, GatewayError
from gateway.mqtt import MAX_PAYLOAD_BYTES, BrokerAddress, BrokerError, Message
from gateway.mqtt_client import MqttClient
from gateway.pubsub import Subscription
from tests.conftest import Serve


class Mosquitto:
    """A real broker that lets everybody in and can be killed and started again on its port."""

    def __init__(self, port: int, folder: Path) -> None:
        self.address = BrokerAddress("127.0.0.1", port)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 50000\n"
            "allow_duplicate_messages false\n"
        )
        self._life = AsyncExitStack()
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await self._life.enter_async_context(
            running(["/usr/sbin/mosquitto", "-c", self._configuration], stdout=DEVNULL, stderr=DEVNULL)
        )
        async with asyncio.timeout(5):
            while not await _answers(self.address.port):
                pass

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.stop()

    def signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def stop(self) -> None:
        await self._life.aclose()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    mosquitto = Mosquitto(port, tmp_path)
    await mosquitto.start()
    yield mosquitto
    await mosquitto.stop()


@asynccontextmanager
async def connected(serve: Serve, broker: Mosquitto, name: str = "test") -> AsyncIterator[MqttClient]:
    client = MqttClient(broker.address, name)
    async with serve(client), asyncio.timeout(20):
        yield client


async def until(subscription: Subscription[bool], fact: bool) -> None:
    async for each in subscription:
        if each is fact:
            return


async def test_what_is_published_is_heard(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client:
        with client.subscribe("home/+/state") as heard:
            await client.publish(Message("home/lamp/state", b"ON"))
            await client.publish(Message("home/lamp/set", b"OFF"))
            await client.publish(Message("home/fan/state", b"OFF", qos=0))

            assert await anext(heard) == Message("home/lamp/state", b"ON")
            assert await anext(heard) == Message("home/fan/state", b"OFF", qos=0)


async def test_a_late_listener_gets_the_retained_state(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker, "lamp") as lamp:
        await lamp.publish(Message("home/lamp/state", b"ON", retain=True))
    async with connected(serve, broker) as client:
        with client.subscribe("home/#") as early, client.subscribe("home/lamp/state") as late:
            assert await anext(early) == Message("home/lamp/state", b"ON", retain=True)
            assert await anext(late) == Message("home/lamp/state", b"ON", retain=True)


async def test_a_listener_can_ask_for_more_and_for_less(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client:
        await client.publish(Message("b", b"kept", retain=True))
        with client.subscribe("a") as heard:
            heard.add("b")
            assert (await anext(heard)).payload == b"kept"
            heard.remove("b")
            await client.publish(Message("b", b"unheard"))
            await client.publish(Message("a", b"heard"))
            assert (await anext(heard)).payload == b"heard"


async def test_two_listeners_of_overlapping_topics_hear_each_message_once(
    broker: Mosquitto, serve: Serve
) -> None:
    async with connected(serve, broker) as client:
        with client.subscribe("a/#", "a/+") as one, client.subscribe("a/b") as two:
            for payload in (b"1", b"2"):
                await client.publish(Message("a/b", payload))
            assert [(await anext(one)).payload for _ in range(2)] == [b"1", b"2"]
            assert [(await anext(two)).payload for _ in range(2)] == [b"1", b"2"]


async def test_a_broker_that_has_no_address_yet_is_one_that_is_not_there(
    broker: Mosquitto, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    def address() -> BrokerAddress:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise GatewayError("the broker has not started yet")
        return broker.address

    client = MqttClient(address, "test")
    with client.changes.subscribe() as changes:
        async with serve(client), asyncio.timeout(20):
            await until(changes, fact=True)

    # On a busy machine asyncio has something to say, too.
    warnings = [one for one in caplog.records if one.levelname == "WARNING" and one.name != "asyncio"]
    assert asked == 3
    assert [record.name for record in warnings] == ["gateway.mqtt_client"]


async def test_a_killed_broker_is_found_again_and_listened_to(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client:
        with client.subscribe("a") as heard, client.changes.subscribe() as changes:
            await broker.kill()
            await until(changes, fact=False)
            await broker.start()
            await until(changes, fact=True)

            await client.publish(Message("a", b"again"))

            assert (await anext(heard)).payload == b"again"


async def test_nothing_is_published_silently_into_an_outage(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client, connected(serve, broker, "listener") as listener:
        with client.changes.subscribe() as changes, listener.changes.subscribe() as there:
            await broker.kill()
            await until(changes, fact=False)
            await until(there, fact=False)

            with pytest.raises(BrokerError, match="lamp/set"):
                await client.publish(Message("lamp/set", b"ON"))

            with listener.subscribe("lamp/#") as heard:
                await broker.start()
                await until(changes, fact=True)
                await until(there, fact=True)
                await client.publish(Message("lamp/set", b"OFF"))
                assert (await anext(heard)).payload == b"OFF"


async def test_a_publication_under_way_ends_with_the_broker(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client:
        broker.signal(signal.SIGSTOP)
        publishing = asyncio.create_task(client.publish(Message("lamp/set", b"ON")))
        await asyncio.sleep(0)
        await broker.kill()

        async with asyncio.timeout(2):
            with pytest.raises(BrokerError):
                await publishing


async def test_a_broker_that_hangs_is_not_taken_for_success(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker) as client:
        broker.signal(signal.SIGSTOP)
        with pytest.raises(BrokerError, match="in time"):
            await client.publish(Message("lamp/set", b"ON"))
        broker.signal(signal.SIGCONT)


async def test_publications_beyond_what_may_be_under_way_keep_their_order(
    broker: Mosquitto, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few, or a busy machine needs longer for them than a broker may keep silent.
    most, count = 20, 40
    monkeypatch.setattr(mqtt_window, "MOST_UNDER_WAY", most)
    async with connected(serve, broker) as client:
        with client.subscribe("orders", backlog=2 * count) as heard:
            await client.publish(Message("orders", b"first"))
            broker.signal(signal.SIGSTOP)
            numbers = iter(range(count))
            while client.begin(Message("orders", b"%d" % next(numbers))) is not None:
                pass
            waiting = [
                asyncio.create_task(client.publish(Message("orders", b"%d" % number))) for number in numbers
            ]
            await asyncio.sleep(0)
            waiting[7].cancel()
            assert client.begin(Message("orders", b"pushes in")) is None
            broker.signal(signal.SIGCONT)
            await asyncio.gather(*waiting, return_exceptions=True)
            await client.publish(Message("orders", b"last"))
            said = [(await anext(heard)).payload]
            while said[-1] != b"last":
                said.append((await anext(heard)).payload)
    refused, sent_away = most, most + 1 + 7
    assert said[1:-1] == [b"%d" % number for number in range(count) if number not in (refused, sent_away)]


async def test_every_publication_has_an_outcome_when_the_broker_is_killed(
    broker: Mosquitto, serve: Serve
) -> None:
    outcomes: list[bool] = []

    async def order(client: MqttClient, number: int) -> None:
        try:
            await client.publish(Message("orders", str(number).encode()))
        except BrokerError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    async with connected(serve, broker) as client:
        with client.subscribe("orders") as heard:
            async with asyncio.TaskGroup() as tasks:
                for number in range(500):
                    tasks.create_task(order(client, number))
                await anext(heard)
                broker.signal(signal.SIGSTOP)
                for number in range(500):
                    tasks.create_task(order(client, number))
                await asyncio.sleep(0)
                tasks.create_task(broker.kill())

    assert len(outcomes) == 1000
    assert {True, False} == set(outcomes)


async def test_the_will_is_said_when_we_vanish_and_when_we_leave(broker: Mosquitto, serve: Serve) -> None:
    will, birth = Message("gw/status", b"offline", retain=True), Message("gw/status", b"online", retain=True)
    async with connected(serve, broker) as watcher:
        with watcher.subscribe("gw/status") as heard:
            async with serve(MqttClient(broker.address, "gw", will=will, birth=birth)):
                assert (await anext(heard)).payload == b"online"
            assert (await anext(heard)).payload == b"offline"


async def test_no_broker_at_all_does_not_hold_up_the_start(serve: Serve) -> None:
    client = MqttClient(BrokerAddress("127.0.0.1", 1), "test")
    async with asyncio.timeout(5), serve(client):
        assert not client.connected
        with pytest.raises(BrokerError) as refused:
            await client.publish(Message("a", b""))
    assert refused.value.line().startswith("IOT-101: ")


async def test_a_broker_that_never_greets_is_left_without_a_trace(broker: Mosquitto, serve: Serve) -> None:
    broker.signal(signal.SIGSTOP)
    client = MqttClient(broker.address, "test")
    async with serve(client):
        assert not client.connected
        broker.signal(signal.SIGCONT)
        with client.changes.subscribe() as changes:
            async with asyncio.timeout(10):
                if not client.connected:
                    await until(changes, fact=True)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#"])
async def test_an_impossible_topic_is_refused(broker: Mosquitto, serve: Serve, topic: str) -> None:
    async with connected(serve, broker) as client:
        with pytest.raises(BrokerError):
            await client.publish(Message(topic, b""))


async def test_a_message_beyond_the_limit_is_counted_and_the_next_one_heard(
    broker: Mosquitto, serve: Serve
) -> None:
    async with connected(serve, broker) as client:
        with client.subscribe("a") as heard:
            with pytest.raises(BrokerError):
                await client.publish(Message("a", bytes(MAX_PAYLOAD_BYTES + 1)))
            sender = [
                "mosquitto_pub",
                "-h",
                broker.address.host,
                "-p",
                str(broker.address.port),
                "-t",
                "a",
                "-s",
            ]
            child = await asyncio.create_subprocess_exec(*sender, stdin=asyncio.subprocess.PIPE)
            await child.communicate(bytes(MAX_PAYLOAD_BYTES + 1))
            await client.publish(Message("a", b"small"))

            assert (await anext(heard)).payload == b"small"
            assert client.dropped == 1


async def test_hundreds_of_retained_messages_are_heard_whole(broker: Mosquitto, serve: Serve) -> None:
    async with connected(serve, broker, "many") as many:
        for start in range(0, 500, 50):
            async with asyncio.TaskGroup() as tasks:
                for number in range(start, start + 50):
                    tasks.create_task(many.publish(Message(f"storm/{number}", b"x" * 100, retain=True)))
        async with connected(serve, broker) as client:
            with client.subscribe("storm/+", backlog=1000) as heard:
                topics = {(await anext(heard)).topic for _ in range(500)}
    assert len(topics) == 500


async def test_a_listener_that_falls_behind_loses_the_oldest_and_knows(
    broker: Mosquitto, serve: Serve
) -> None:
    async with connected(serve, broker) as client:
        with client.subscribe("a", backlog=2) as slow, client.subscribe("a") as other:
            for payload in (b"1", b"2", b"3"):
                await client.publish(Message("a", payload))
            assert [(await anext(other)).payload for _ in range(3)] == [b"1", b"2", b"3"]
            assert [(await anext(slow)).payload for _ in range(2)] == [b"2", b"3"]
            assert slow.lost == 1


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://h", BrokerAddress("h")),
        ("mqtt://h:1/", BrokerAddress("h", 1)),
        ("mqtt://u:p%40ss@[::1]:1884", BrokerAddress("::1", 1884, "u", "p@ss")),
    ],
)
def test_an_address_is_read(url: str, address: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == address


@pytest.mark.parametrize(
    "url", ["", "h:1883", "http://h", "mqtt://", "mqtt://u:secret@h:x", "mqtt://u:secret@h/path"]
)
def test_a_wrong_address_is_refused_without_repeating_its_secret(url: str) -> None:
    with pytest.raises(BadInputError) as refused:
        BrokerAddress.parse(url)
    assert "secret" not in refused.value.line()


@pytest.mark.parametrize("show", [str, repr])
def test_an_address_is_shown_without_the_secret(show: Callable[[BrokerAddress], str]) -> None:
    assert "secret" not in show(BrokerAddress.parse("mqtt://user:secret@host"))


@given(st.text())
def test_no_text_makes_the_address_reader_fail_otherwise(url: str) -> None:
    with suppress(BadInputError):
        BrokerAddress.parse(f"mqtt://{url}")


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
