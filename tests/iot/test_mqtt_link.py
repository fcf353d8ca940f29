"""Devices of the Home Assistant kind, on a real broker."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial

import pytest

from gateway.broker import ManagedBroker
from gateway.iot.entity import Capability, EntityId
from gateway.iot.link import DeviceRefusedError, LinkDownError
from gateway.iot.mqtt import MqttLink, MqttLinkConfig
from gateway.iot.registry import Registry
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from gateway.schema import SchemaError, decode
from tests.conftest import Serve
from tests.iot.conftest import ACCOUNTS, Lamp, Publishing, kill, until, value
from tests.iot.tasmota_devices import PLUG_MAC, config
from tests.iot.wire import Wire

TEMPERATURE = {
    "unique_id": "bench_temp",
    "name": "Temperature",
    "state_topic": "bench/temp",
    "unit_of_measurement": "°C",
    "device_class": "temperature",
    "value_template": "{{ value_json.t | float }}",
}
CONFIG = "homeassistant/sensor/bench_temp/config"


@pytest.fixture
def link(mqtt: MqttClient) -> MqttLink:
    return MqttLink(mqtt, accounts=ACCOUNTS)


@pytest.fixture
async def registry(serve: Serve, link: MqttLink) -> AsyncIterator[Registry]:
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


@pytest.fixture
def tool(broker: ManagedBroker) -> Publishing:
    return Publishing(broker)


async def test_a_sensor_announces_itself_and_reports(registry: Registry, tool: Publishing) -> None:
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await tool.say("bench/temp", {"t": "21.5"}, retain=True)

    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 21.5)

    state = registry.states[EntityId("mqtt.bench_temp")]
    assert (state.entity.name, state.entity.unit, state.entity.capability) == (
        "Temperature",
        "°C",
        Capability.SENSOR,
    )
    assert state.available


def _is(registry: Registry, entity: str, wanted: str | None) -> bool:
    return value(registry, entity) == wanted


@pytest.mark.parametrize(
    ("component", "words"),
    [("lock", ("LOCKED", "locked", "JAMMED", "jammed")), ("cover", ("open", "open", "closing", "closing"))],
)
async def test_what_knows_its_own_state_no_more_is_not_shown_as_it_was(
    registry: Registry, tool: Publishing, component: str, words: tuple[str, str, str, str]
) -> None:
    first, shown, then, shown_then = words
    document = {"unique_id": "gate", "state_topic": "gate/state", "command_topic": "gate/set"}
    await tool.say(f"homeassistant/{component}/gate/config", document, retain=True)
    await until(registry, lambda: EntityId("mqtt.gate") in registry.states)
    for payload, becomes in ((first, shown), ("None", None), (then, shown_then), ("", shown_then)):
        await tool.say("gate/state", payload)
        await until(registry, partial(_is, registry, "mqtt.gate", becomes))
    state = registry.states[EntityId("mqtt.gate")]
    assert state.available
    assert state.reported_at is not None


async def test_what_was_announced_and_reported_before_we_started_is_known(
    serve: Serve, link: MqttLink, tool: Publishing
) -> None:
    await tool.say("bench/temp", {"t": 20}, retain=True)
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    registry = Registry([link])
    async with serve(registry), serve(link):
        await until(registry, lambda: value(registry, "mqtt.bench_temp") == 20)


async def test_an_empty_announcement_removes_the_device(registry: Registry, tool: Publishing) -> None:
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await until(registry, lambda: len(registry.states) == 1)
    await tool.say(CONFIG, b"", retain=True)
    await until(registry, lambda: not registry.states)


async def test_a_bundle_brings_all_its_entities_and_takes_them_back_one_by_one(
    registry: Registry, tool: Publishing
) -> None:
    both = {
        "dev": {"ids": "meter"},
        "o": {"name": "maker"},
        "~": "meter",
        "stat_t": "~/all",
        "cmps": {
            "p": {"p": "sensor", "uniq_id": "meter_p", "val_tpl": "{{ value_json.p }}"},
            "door": {"p": "binary_sensor", "uniq_id": "meter_door", "val_tpl": "{{ value_json['d'] }}"},
        },
    }
    await tool.say("homeassistant/device/meter/config", both, retain=True)
    await tool.say("meter/all", {"p": 120, "d": "ON"}, retain=True)
    await until(
        registry, lambda: (value(registry, "mqtt.meter_p"), value(registry, "mqtt.meter_door")) == (120, True)
    )
    assert [device.id for device in registry.devices] == ["mqtt.meter"]

    one = json.loads(json.dumps(both))
    one["cmps"]["door"] = {"p": "binary_sensor"}
    await tool.say("homeassistant/device/meter/config", one, retain=True)
    await until(registry, lambda: set(registry.states) == {"mqtt.meter_p"})


async def test_a_lamp_that_vanishes_is_unavailable_until_it_is_back(
    serve: Serve, registry: Registry, broker: ManagedBroker
) -> None:
    def available() -> bool:
        state = registry.states.get(Lamp.ID)
        return state is not None and state.available

    async with AsyncExitStack() as first:
        await first.enter_async_context(serve(Lamp(broker)))
        await until(registry, available)
    # Leaving politely says no last word; the broker's word for a lamp without power does.
    await Publishing(broker, "lamp").say("lamp/available", "offline", retain=True)
    await until(registry, lambda: not available())
    async with serve(Lamp(broker)):
        await until(registry, available)


@pytest.mark.parametrize(
    ("mode", "words", "reachable"),
    [
        ("all", {"a": "online", "b": "no"}, False),
        ("all", {"a": "online", "b": "yes"}, True),
        ("any", {"a": "online", "b": "no"}, True),
        ("any", {"a": "offline", "b": "no"}, False),
        ("latest", {"b": "no", "a": "online"}, True),
        ("latest", {"a": "online", "b": "no"}, False),
        ("latest", {}, False),
    ],
)
async def test_several_sources_of_availability_are_put_together(
    registry: Registry, tool: Publishing, mode: str, words: Mapping[str, str], reachable: bool
) -> None:
    sources = [{"t": "av/a"}, {"topic": "av/b", "pl_avail": "yes", "pl_not_avail": "no"}]
    await tool.say(CONFIG, {**TEMPERATURE, "avty": sources, "avty_mode": mode}, retain=True)
    await until(registry, lambda: len(registry.states) == 1)
    for source, word in words.items():
        await tool.say(f"av/{source}", word)
    await tool.say("bench/temp", {"t": 1})
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 1)

    assert registry.states[EntityId("mqtt.bench_temp")].available is reachable


async def test_a_report_grows_old(registry: Registry, tool: Publishing) -> None:
    def available() -> bool:
        state = registry.states.get(EntityId("mqtt.bench_temp"))
        return state is not None and state.available

    await tool.say(CONFIG, {**TEMPERATURE, "expire_after": 1}, retain=True)
    await tool.say("bench/temp", {"t": 20})
    await until(registry, available)
    await until(registry, lambda: not available())
    await tool.say("bench/temp", {"t": 20})
    await until(registry, available)


async def test_the_home_is_unavailable_while_the_broker_is_away_and_back_afterwards(
    registry: Registry, tool: Publishing, broker: ManagedBroker
) -> None:
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await until(registry, lambda: len(registry.states) == 1)
    with registry.changes.subscribe() as changes:
        kill(broker)
        async with asyncio.timeout(5):
            seen = [(await anext(changes)).after for _ in range(2)]
    assert [state.available for state in seen if state] == [False, True]
    await tool.say("bench/temp", {"t": 22})
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 22)


async def test_devices_are_told_that_we_listen_and_that_we_stop(
    serve: Serve, mqtt: MqttClient, link: MqttLink
) -> None:
    with mqtt.subscribe("homeassistant/status") as heard:
        async with asyncio.timeout(5):
            async with serve(link):
                assert (await anext(heard)).payload == b"online"
            assert (await anext(heard)).payload == b"offline"


async def test_a_state_kept_by_the_broker_does_not_undo_a_newer_report(
    registry: Registry, tool: Publishing
) -> None:
    await tool.say("bench/temp", {"t": 1}, retain=True)
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 1)
    await tool.say("bench/temp", {"t": 2})
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 2)

    await tool.say("homeassistant/sensor/twin/config", {**TEMPERATURE, "unique_id": "twin"}, retain=True)
    await until(registry, lambda: value(registry, "mqtt.twin") == 1)

    assert value(registry, "mqtt.bench_temp") == 2


@pytest.mark.parametrize(
    ("topic", "announcement", "reason"),
    [
        ("homeassistant/sensor/x/config", b"\xff\xfe", "not readable JSON"),
        ("homeassistant/sensor/x/config", b"[" * 60_000, "not readable JSON"),
        ("homeassistant/sensor/x/config", b" " * 70_000, "larger than"),
        ("homeassistant/sensor/x/config", b"[]", "not an object"),
        ("homeassistant/sensor/x/config", {"state_topic": 5}, "state_topic is not text"),
        ("homeassistant/sensor/x/config", {"state_topic": "a/#"}, "state_topic is not a topic"),
        ("homeassistant/sensor/x/config", {}, "state_topic is required"),
        (
            "homeassistant/sensor/x/config",
            {**TEMPERATURE, "val_tpl": "{% if x %}"},
            "template we do not support",
        ),
        ("homeassistant/light/x/config", {"cmd_t": "a", "schema": "template"}, "schema template"),
        ("homeassistant/switch/x/config", {"stat_t": "x/state"}, "command_topic is required"),
        ("homeassistant/switch/x/config", {"cmd_t": "homeassistant/status"}, "not a device's own"),
        ("homeassistant/switch/lamp/config", {"cmd_t": "thermometer/set"}, "not below lamp/"),
        ("homeassistant/sensor/x/config", TEMPERATURE, "already announced on another topic"),
        ("homeassistant/device/x/config", {"dev": {"ids": "x"}, "cmps": {}}, "components must be"),
    ],
)
async def test_a_bad_announcement_is_refused_with_a_reason_and_nobody_else_suffers(
    registry: Registry,
    link: MqttLink,
    tool: Publishing,
    topic: str,
    announcement: bytes | dict[str, object],
    reason: str,
) -> None:
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await until(registry, lambda: len(registry.states) == 1)

    await tool.say(topic, announcement, retain=True)
    await tool.say("bench/temp", {"t": 30})
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 30)

    assert link.refusals == 1
    assert reason in link.refused[topic]
    assert len(registry.states) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"{",
        b"[" * 60_000,
        b'{"u": 1}',
        b'{"t": "warm"}',
        b'{"t": [1]}',
        b'{"t": 1e999}',
        b"x" * 70_000,
    ],
)
async def test_an_unreadable_report_is_counted_and_changes_nothing(
    registry: Registry, link: MqttLink, tool: Publishing, payload: bytes
) -> None:
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await tool.say("bench/temp", {"t": 1}, retain=True)
    await until(registry, lambda: value(registry, "mqtt.bench_temp") == 1)

    await tool.say("bench/temp", payload)
    await tool.say("homeassistant/sensor/next/config", {**TEMPERATURE, "unique_id": "next"}, retain=True)
    await until(registry, lambda: value(registry, "mqtt.next") == 1)

    assert value(registry, "mqtt.bench_temp") == 1
    assert link.unreadable == 1


async def test_what_the_gateway_announces_itself_is_not_taken_for_a_device(
    registry: Registry, link: MqttLink, tool: Publishing
) -> None:
    await tool.say(
        "homeassistant/sensor/box/coap/config", {"stat_t": "gateway/box-1/coap/state"}, retain=True
    )
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await until(registry, lambda: len(registry.states) == 1)
    assert set(registry.states) == {"mqtt.bench_temp"}
    assert link.refusals == 0


async def test_a_light_with_a_json_schema_is_told_and_heard(
    registry: Registry, link: MqttLink, mqtt: MqttClient, tool: Publishing
) -> None:
    light = {"schema": "json", "stat_t": "strip/state", "cmd_t": "strip/set"}
    await tool.say("homeassistant/light/strip/config", light, retain=True)
    await tool.say("strip/state", {"state": "ON", "brightness": 3}, retain=True)
    await until(registry, lambda: value(registry, "mqtt.strip") is True)
    with mqtt.subscribe("strip/set") as told:
        async with asyncio.timeout(5):
            assert await link.command(EntityId("mqtt.strip"), value=False) is False
            assert json.loads((await anext(told)).payload) == {"state": "OFF"}


async def test_an_unknown_device_cannot_be_told_anything(registry: Registry, link: MqttLink) -> None:
    assert not registry.states
    with pytest.raises(LinkDownError):
        await link.command(EntityId("mqtt.nobody"), value=True)


async def test_a_lamp_is_on_or_off_and_nothing_else(
    serve: Serve, registry: Registry, link: MqttLink, broker: ManagedBroker
) -> None:
    async with serve(Lamp(broker)):
        await until(registry, lambda: Lamp.ID in registry.states)
        with pytest.raises(DeviceRefusedError):
            await link.command(Lamp.ID, "ON")


async def test_the_limit_of_entities_holds(serve: Serve, mqtt: MqttClient, tool: Publishing) -> None:
    link = MqttLink(mqtt, MqttLinkConfig(max_entities=2))
    registry = Registry([link])
    async with serve(registry), serve(link):
        for name in ("a", "b", "c"):
            await tool.say(f"homeassistant/sensor/{name}/config", {"stat_t": f"{name}/state"}, retain=True)
        await tool.say("b/state", "1")
        await until(registry, lambda: value(registry, "mqtt.b") == 1)
        assert len(registry.states) == 2
        assert "2 entities already" in link.refused["homeassistant/sensor/c/config"]


@pytest.fixture
def settled_heap() -> Iterator[None]:
    """What is there now is not looked through again for garbage, as in the daemon after its start.

    Beside a thousand tests' leavings one pass takes longer than the storm.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.usefixtures("settled_heap")
async def test_a_storm_of_kept_announcements_does_not_hold_up_the_loop(
    serve: Serve, mqtt: MqttClient, tool: Publishing
) -> None:
    # Debug mode's own work would be measured instead of ours.
    asyncio.get_running_loop().set_debug(False)
    for start in range(0, 5_000, 500):
        await tool.say_all(
            {
                f"homeassistant/sensor/s{n}/config": {"stat_t": f"s/{n}", "uniq_id": f"s{n}"}
                for n in range(start, start + 500)
            },
            retain=True,
        )
    link = MqttLink(mqtt, MqttLinkConfig(max_entities=4000))
    registry = Registry([link])
    pauses: list[float] = []

    async def feel_the_pulse() -> None:
        while True:
            # Processor time of this thread: what other programs take is not our fault.
            began = time.thread_time()
            await asyncio.sleep(0.001)
            pauses.append(time.thread_time() - began)

    pulse = asyncio.create_task(feel_the_pulse())
    began = time.thread_time()
    async with serve(registry), serve(link):
        await until(registry, lambda: len(registry.states) == 4000, 60)
    pulse.cancel()

    # A loop held up for the whole storm would pause once, for all of it.
    assert max(pauses) < (time.thread_time() - began) / 5
    assert registry.ignored == 0


@pytest.mark.parametrize(
    ("section", "problem"),
    [({"prefix": "a/b"}, "iot.mqtt.prefix: "), ({"max_entities": 0}, "iot.mqtt.max_entities: ")],
)
def test_a_wrong_section_is_named_by_its_path(section: dict[str, object], problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        decode(section, MqttLinkConfig, at="iot.mqtt")
    assert str(refused.value).startswith(problem)


async def test_who_leaves_while_we_are_away_is_gone_and_who_stays_is_not(
    serve: Serve, broker: ManagedBroker, tool: Publishing
) -> None:
    wire = Wire(broker.port)
    own = BrokerAddress.parse(broker.url())
    plug = f"tasmota/discovery/{PLUG_MAC}"
    never_kept = {**TEMPERATURE, "unique_id": "never_kept"}
    await tool.say(CONFIG, TEMPERATURE, retain=True)
    await tool.say(f"{CONFIG[:-7]}2/config", {**TEMPERATURE, "unique_id": "stays"}, retain=True)
    await tool.say(f"{plug}/config", config(PLUG_MAC, PLUG_MAC.lower()), retain=True)
    async with serve(wire):
        client = MqttClient(BrokerAddress(own.host, wire.port, own.username, own.password), "gateway-test")
        link = MqttLink(client, MqttLinkConfig(sweep_after_s=0.2), accounts=ACCOUNTS)
        registry = Registry([link])
        async with serve(client), serve(registry), serve(link):
            await tool.say(f"{CONFIG[:-7]}3/config", never_kept)
            await until(registry, lambda: len(registry.states) == 4)
            wire.cut()
            await until(registry, lambda: not any(state.available for state in registry.states.values()))
            await tool.say_all({CONFIG: b"", f"{plug}/config": b""}, retain=True)
            wire.mend()
            await until(registry, lambda: set(registry.states) == {"mqtt.stays", "mqtt.never_kept"}, 10)
            assert all(state.available for state in registry.states.values())
