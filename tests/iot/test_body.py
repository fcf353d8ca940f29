"""Blood pressure, glucose and their like: known as such, at their own time, believed or not, and private."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import aiocoap
import pytest
from aiocoap import resource

from gateway.broker import ManagedBroker
from gateway.iot import history
from gateway.iot.body import BodyConfig, body_of, in_household_unit, is_plausible
from gateway.iot.bridge import BridgeConfig
from gateway.iot.entity import Body, Capability, Device, DeviceId, Entity, EntityId, Quality, Value
from gateway.iot.history import Historian, History
from gateway.iot.history_tidy import HistoryConfig
from gateway.iot.measured import read_stamp, stamp_in
from gateway.iot.mqtt import MqttLink
from gateway.iot.registry import Registry
from gateway.mqtt import Message
from gateway.mqtt_client import MqttClient
from gateway.schema import SchemaError, decode
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.coap_peers import peer
from tests.iot.conftest import ACCOUNTS, Publishing, until, value
from tests.iot.house import COAP_CLIENT, house, mosquitto, output_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))
SYSTOLIC = EntityId("mqtt.cuff_sys")
CUFF = {
    "dev": {"ids": "cuff", "name": "血压计"},
    "o": {"name": "maker"},
    "stat_t": "thermometer/state",
    "cmps": {
        side: {
            "p": "sensor",
            "uniq_id": f"cuff_{side}",
            "name": name,
            "unit_of_meas": unit,
            "val_tpl": f"{{{{ value_json.measurement.{side} }}}}",
        }
        for side, name, unit in (
            ("sys", "收缩压", "mmHg"),
            ("dia", "舒张压", "mmHg"),
            ("pulse", "脉搏", "bpm"),
        )
    },
}


def entity(entry: str, *, link: str = "mqtt", device: str = "thing") -> Entity:
    """``name|device class|unit|end of the id``."""
    name, kind, unit, end = entry.split("|")
    return Entity(
        id=EntityId(f"{link}.{end or 'x'}"),
        device=Device(id=DeviceId(f"{link}.d"), name=device, link=link),
        name=name,
        capability=Capability.SENSOR,
        device_class=kind,
        unit=unit,
    )


@pytest.mark.parametrize(
    ("entry", "body"),
    [
        ("收缩压|pressure|mmHg|", Body.SYSTOLIC),
        ("Systolic Pressure|pressure|kPa|", Body.SYSTOLIC),
        ("|||omron_sys", None),
        ("||mmHg|omron_sys", Body.SYSTOLIC),
        ("低压|blood_pressure|mmHg|", Body.DIASTOLIC),
        ("读数||mm[Hg]|bp.diastolic", Body.DIASTOLIC),
        ("脉搏||bpm|", Body.PULSE),
        ("Heart Rate||beats/min|", Body.PULSE),
        ("Respiratory rate||bpm|", Body.BREATHING),
        ("Sensor glucose|blood_glucose_concentration|mg/dL|", Body.GLUCOSE),
        ("血糖||mmol/L|", Body.GLUCOSE),
        ("总胆固醇||mmol/L|", Body.OTHER),
        ("Value||mmol/L|", Body.OTHER),
        ("SpO2||%|", Body.SPO2),
        ("Oxygen saturation||%|", Body.SPO2),
        ("Weight|weight|kg|", Body.WEIGHT),
        ("体重||斤|", Body.WEIGHT),
        ("body fat||%|", Body.OTHER),
        ("体温|temperature|°C|", Body.TEMPERATURE),
        ("Temp|body_temperature|°F|", Body.TEMPERATURE),
        ("Pressure|pressure|mmHg|", Body.OTHER),
        ("气压|pressure|mmHg|", None),
        ("Pressure|atmospheric_pressure|mmHg|", None),
        ("Pressure|pressure|kPa|", None),
        ("SpO2 battery||%|spo2meter_battery", None),
        ("Battery|battery|%|spo2", None),
        ("Humidity|humidity|%|", None),
        ("温度|temperature|°C|", None),
        ("Flour|weight|g|", None),
    ],
)
def test_what_measures_a_body_is_known_by_its_own_words(entry: str, body: Body | None) -> None:
    assert body_of(entity(entry)) is body


def test_a_heartbeat_that_is_irregular_is_as_private_as_its_rate() -> None:
    found = Entity(
        id=EntityId("mqtt.b"),
        device=Device(id=DeviceId("mqtt.d"), name="Cuff", link="mqtt"),
        name="Irregular pulse",
        capability=Capability.BINARY_SENSOR,
    )
    assert body_of(found) is Body.OTHER


def test_the_household_knows_better() -> None:
    config = BodyConfig(kinds={"mqtt.hive": "none", "mqtt.x": "glucose"})
    assert config.of(entity("Hive|weight|kg|hive")) is None
    assert config.of(entity("Channel 3|||x")) is Body.GLUCOSE
    with pytest.raises(SchemaError, match=r"kinds\.mqtt\.x: love is none of none, systolic"):
        decode({"kinds": {"mqtt.x": "love"}}, BodyConfig)


@pytest.mark.parametrize(
    ("body", "said", "unit", "good"),
    [
        (Body.SYSTOLIC, 132, "mmHg", True),
        (Body.SYSTOLIC, 17.6, "kPa", True),
        (Body.SYSTOLIC, 17.6, "mmHg", False),
        (Body.SYSTOLIC, 999, "mmHg", False),
        (Body.DIASTOLIC, 0, "mmHg", False),
        (Body.PULSE, 71, "bpm", True),
        (Body.GLUCOSE, 5.6, "mmol/L", True),
        (Body.GLUCOSE, 100, "mg/dL", True),
        (Body.GLUCOSE, 100, "mmol/L", False),
        (Body.SPO2, 101, "%", False),
        (Body.WEIGHT, 121, "斤", True),
        (Body.WEIGHT, -2, "kg", False),
        (Body.TEMPERATURE, 98.6, "°F", True),
        (Body.TEMPERATURE, "error", "°C", False),
        (Body.OTHER, "sinus", "", True),
    ],
)
def test_what_can_be_true_of_nobody_is_told_apart(body: Body, said: Value, unit: str, good: bool) -> None:
    assert is_plausible(body, said, unit) is good


def test_the_household_reads_its_own_units() -> None:
    assert in_household_unit(Body.GLUCOSE, 100, "mg/dL") == (5.6, "mmol/L")
    assert in_household_unit(Body.GLUCOSE, 5.6, "mmol/L") == (5.6, "mmol/L")
    assert in_household_unit(Body.GLUCOSE, 5.6, "mmol/L", "mg/dL") == (101, "mg/dL")
    assert in_household_unit(Body.SYSTOLIC, 17.6, "kPa") == (132, "mmHg")
    assert in_household_unit(Body.WEIGHT, 121, "斤") == (60.5, "kg")
    assert in_household_unit(Body.OTHER, 4.4, "mmol/L", "mg/dL") == (4.4, "mmol/L")


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-11-21T12:00:00Z", NOW),
        ("2026-11-21T20:00:00+08:00", NOW),
        ("2026-11-21 20:00", NOW),
        (NOW.timestamp(), NOW),
        (int(NOW.timestamp() * 1000), NOW),
        (str(int(NOW.timestamp())), NOW),
        ("just now", None),
        (True, None),
        (1e300, None),
        (float("nan"), None),
        ("9" * 40, None),
        ("0001-01-01T00:00:00+23:00", None),
        (None, None),
    ],
)
def test_a_time_is_read_as_devices_write_it(said: object, at: datetime | None) -> None:
    assert read_stamp(said, CHINA) == at


def test_the_nearest_time_around_the_value_is_its_own() -> None:
    said = {"time": 1, "last": [{"sys": 1}, {"sys": 132, "ts": int(NOW.timestamp())}]}
    assert stamp_in(said, ("last", 1, "sys"), CHINA) == NOW
    assert stamp_in(said, ("last", 0, "sys"), CHINA) == datetime.fromtimestamp(1, UTC)
    assert stamp_in({"sys": 132}, ("sys",), CHINA) is None
    assert stamp_in(132, ("sys",), CHINA) is None


@pytest.fixture
async def registry(serve: Serve, mqtt: MqttClient) -> AsyncIterator[Registry]:
    link = MqttLink(mqtt, accounts=ACCOUNTS)
    registry = Registry([link])
    async with serve(registry), serve(link):
        yield registry


@pytest.fixture
def cuff(broker: ManagedBroker) -> Publishing:
    return Publishing(broker, "thermometer")


def measurement(systolic: object, at: object) -> str:
    return json.dumps({"measurement": {"sys": systolic, "dia": 84, "pulse": 71, "timestamp": at}})


async def test_a_week_out_of_a_meters_memory_stands_at_its_own_times(
    registry: Registry, cuff: Publishing, serve: Serve, tmp_path: Path
) -> None:
    """It is told newest first, as many meters do, and twice, as all do that were not answered."""
    store = Store(tmp_path / "history.db", {"history": history.MIGRATIONS}, durable=False)
    historian = Historian(store, registry, HistoryConfig(write_every_s=0.02))
    now = datetime.now(UTC).replace(microsecond=0)
    taken = [(now - timedelta(days=day, minutes=20), 120 + day) for day in range(10)]
    async with serve(store), serve(historian):
        await cuff.say("homeassistant/device/thermometer/config", CUFF, retain=True)
        await until(registry, lambda: len(registry.states) == 3)
        for _ in range(2):
            for at, systolic in taken:
                await cuff.say("thermometer/state", measurement(systolic, at.isoformat()))
        async with asyncio.timeout(20):
            while len((await _spans(historian, now)).points) < len(taken):  # noqa: ASYNC110 - the disk tells nobody
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        kept = await _spans(historian, now)
        exact = await historian.of(SYSTOLIC, taken[0][0], taken[0][0] + timedelta(seconds=1))
    assert [(point.value, point.count) for point in kept.points] == [(v, 1) for _, v in reversed(taken)]
    assert [(point.at, point.value) for point in exact.points] == [taken[0]]
    state = registry.states[SYSTOLIC]
    assert (state.value, state.reported_at, state.quality) == (120, taken[0][0], Quality.GOOD)
    assert state.entity.body is Body.SYSTOLIC


async def _spans(historian: Historian, now: datetime) -> History:
    return await historian.of(SYSTOLIC, now - timedelta(days=13), now)


@pytest.mark.parametrize(
    ("systolic", "days", "quality"),
    [
        (132, 0, Quality.GOOD),
        (132, -30, Quality.UNDATED),
        (132, 9000, Quality.UNDATED),
        (999, 0, Quality.IMPLAUSIBLE),
        (999, 9000, Quality.IMPLAUSIBLE),
    ],
    ids=["sound", "of the future", "of last century", "of nobody", "neither"],
)
async def test_a_wrong_clock_and_a_wrong_value_are_said_to_be_wrong(
    registry: Registry, cuff: Publishing, systolic: int, days: int, quality: Quality
) -> None:
    await cuff.say("homeassistant/device/thermometer/config", CUFF, retain=True)
    await until(registry, lambda: len(registry.states) == 3)
    begun = datetime.now(UTC)
    at = begun - timedelta(days=days)
    await cuff.say("thermometer/state", measurement(systolic, at.timestamp()))
    await until(registry, lambda: value(registry, SYSTOLIC) == systolic)
    state = registry.states[SYSTOLIC]
    assert state.quality is quality
    assert state.reported_at is not None
    assert begun - timedelta(seconds=1) <= state.reported_at <= datetime.now(UTC)


async def test_what_the_broker_kept_without_a_time_is_not_called_measured_now(
    registry: Registry, cuff: Publishing
) -> None:
    await cuff.say("thermometer/state", '{"measurement": {"sys": 132, "dia": 84, "pulse": 71}}', retain=True)
    await cuff.say("homeassistant/device/thermometer/config", CUFF, retain=True)
    await until(registry, lambda: value(registry, SYSTOLIC) == 132)
    assert registry.states[SYSTOLIC].quality is Quality.UNDATED


class Memory(resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """A glucose meter that tells all it remembers in one pack."""

    def __init__(self, pack: list[dict[str, object]]) -> None:
        super().__init__()
        self._pack = json.dumps(pack).encode()

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self._pack, content_format=110)


SECRETS = ("187.25", "7.31", "6.13")
LINKS = '</bp/systolic>;if="core.s";u="mmHg";title="收缩压";obs,</3303/0/5700>;title="Cellar"'


@pytest.mark.parametrize("shared", [False, True])
async def test_nobody_else_is_told_unless_the_household_says_so(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture, shared: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    now = datetime.now(UTC).timestamp()
    pack: list[dict[str, object]] = [
        {"bt": now, "bu": "mmHg", "n": "s", "t": 0, "v": 187.25},
        {"n": "s", "t": -86_400, "v": 131},
    ]
    systolic, glucose = EntityId("coap.ep1.bp.systolic"), EntityId("mqtt.cgm")
    bridge = BridgeConfig(body=shared)
    (tmp_path / "broker").mkdir()
    async with (
        mosquitto(tmp_path / "broker") as port,
        house(tmp_path, serve, port, bridge=bridge) as home,
        peer({"/bp/systolic": Memory(pack), "/3303/0/5700": Memory([{"v": 20.5}])}) as device,
        home.listening("gateway/#") as listener,
    ):
        await device.register(home.endpoint.port, LINKS)
        assert (await home.state(systolic, value=187.25)).entity.body is Body.SYSTOLIC
        announced = {
            "unique_id": "cgm",
            "name": "血糖",
            "state_topic": "cgm",
            "unit_of_measurement": "mmol/L",
        }
        await home.retain("homeassistant/sensor/cgm/config", announced)
        await home.state(glucose)
        await home.client.publish(Message("cgm", b"7.31"))
        await home.state(glucose, value=7.31)
        await home.client.publish(Message("cgm", b"nonsense 6.13"))
        await listener.until("gateway/box-1/coap_ep1_3303_0_5700/state", "20.5")
        if shared:
            await listener.until("gateway/box-1/coap_ep1_bp_systolic/state", "187.25")
        told = {topic for topic in listener.passed if "systolic" in topic}
        listed, _ = await output_of([COAP_CLIENT, "-m", "get", "-b", "64", f"{home.coap}/.well-known/core"])
        read, refused = await output_of([COAP_CLIENT, "-m", "get", "-A", "0", f"{home.coap}/e/{glucose}"])
    assert ("/e/mqtt.cgm" in listed, "/e/coap.ep1.bp.systolic" in listed) == (shared, shared)
    if shared:
        assert "7.31" in read
        return
    assert told == set()
    assert "4.04" in read + refused
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    for secret in SECRETS:
        assert secret not in caplog.text
        assert secret not in written
