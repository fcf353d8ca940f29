import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import pytest

from gateway.apps.bridge import Bridge, Capabilities, SensorReading, Value, may_read
from gateway.apps.catalog import Catalog
from gateway.apps.errors import (
    AppNotOpenError,
    CallError,
    PermissionDeniedError,
    QuotaError,
    TooManyCallsError,
    UnknownAppError,
)
from gateway.supervisor import Service
from gateway.trust.manifest import AppId, Permission, PermissionName, Sensitivity

HELLO = AppId("com.example.hello")
PLAIN = AppId("com.example.plain")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

Serve = Callable[[Service], AbstractAsyncContextManager[None]]
Put = Callable[..., Awaitable[None]]


def reading(
    entity: str, value: Value, *, unit: str = "", device_class: str = "", body: str = ""
) -> SensorReading:
    return SensorReading(
        entity=entity,
        name=entity,
        device="meter",
        device_class=device_class,
        unit=unit,
        value=value,
        measured_at=NOON,
        available=True,
        body=body,
    )


SYSTOLIC = reading("coap.bp.systolic", 122, unit="mmHg", device_class="pressure", body="systolic")
BAROMETER = reading("mqtt.barometer", 1013, unit="hPa", device_class="pressure")
WARMTH = reading("mqtt.warmth", 21.5, unit="°C", device_class="temperature")
OXYGEN = reading("mqtt.oxygen", 97, unit="%", body="spo2")
NAMELESS = reading("mqtt.nameless", 1)


class House:
    """What apps can reach, with a clock that a test turns."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.shown: list[tuple[AppId, dict[str, str]]] = []
        self.closed: list[AppId] = []
        self.open = {HELLO}

    def capabilities(self) -> Capabilities:
        async def close(app: AppId) -> None:
            self.closed.append(app)

        return Capabilities(
            sensors=lambda: [SYSTOLIC, BAROMETER, WARMTH, OXYGEN, NAMELESS],
            notices=lambda app, text: self.shown.append((app, dict(text))),
            close=close,
            now=lambda: NOON,
        )


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def bridge(catalog: Catalog, house: House) -> Bridge:
    return Bridge(catalog, lambda: house.open, house.capabilities(), lambda: house.time_s)


async def test_an_app_asks_for_time_language_and_its_end(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge, house: House
) -> None:
    async with serve(catalog):
        await put()
        assert await bridge.call(HELLO, "clock.now", None) == {"now": NOON.isoformat()}
        assert await bridge.call(HELLO, "i18n.locale", {}) == {"locale": "zh-CN"}
        await bridge.call(HELLO, "focus.exit", {})
    assert house.closed == [HELLO]


async def test_an_app_sees_only_the_sensors_it_named(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge
) -> None:
    async with serve(catalog):
        await put()

        async def read(**wanted: str) -> list[str]:
            answer = await bridge.call(HELLO, "sensors.read", wanted)
            assert isinstance(answer, dict)
            return [found["entity"] for found in answer["readings"]]

        assert await read() == ["coap.bp.systolic", "mqtt.warmth"]
        assert await read(unit="mmHg") == ["coap.bp.systolic"]
        assert await read(device_class="temperature") == ["mqtt.warmth"]
        assert await read(unit="hPa") == []
        whole = await bridge.call(HELLO, "sensors.read", {"unit": "mmHg"})
    assert whole == {
        "readings": [
            {
                "entity": "coap.bp.systolic",
                "name": "coap.bp.systolic",
                "device": "meter",
                "device_class": "pressure",
                "unit": "mmHg",
                "value": 122,
                "measured_at": "2026-11-21T12:00:00Z",
                "available": True,
                "body": "systolic",
                "quality": "good",
            }
        ]
    }


def test_what_was_measured_of_a_body_is_for_those_only_who_said_it_is_sensitive() -> None:
    def may(sensitivity: Sensitivity, *names: str) -> bool:
        asked = Permission(
            name=PermissionName.SENSORS,
            args={"device_class": names[:1], "unit": names[1:]},
            sensitivity=sensitivity,
            reason={"zh-CN": "看", "en": "See"},
        )
        return may_read(asked, OXYGEN)

    assert not may(Sensitivity.ORDINARY, "humidity", "%")
    assert not may(Sensitivity.ORDINARY, "spo2")
    assert not may(Sensitivity.SENSITIVE, "heart_rate", "bpm")
    assert may(Sensitivity.SENSITIVE, "spo2")
    assert may(Sensitivity.SENSITIVE, "humidity", "%")


async def test_what_an_app_keeps_is_there_after_a_restart_and_within_its_quota(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge, house: House
) -> None:
    async with serve(catalog):
        await put()
        await bridge.call(HELLO, "storage.set", {"key": "页", "value": {"n": 3}})
        assert await bridge.call(HELLO, "storage.get", {"key": "none"}) == {"value": None}
        again = Bridge(catalog, lambda: house.open, house.capabilities(), lambda: house.time_s)
        assert await again.call(HELLO, "storage.get", {"key": "页"}) == {"value": {"n": 3}}
        assert await again.call(HELLO, "storage.keys", {}) == {"keys": ["页"]}
        for number in range(17):
            house.time_s += 1
            await bridge.call(HELLO, "storage.set", {"key": str(number), "value": "x" * 60_000})
        with pytest.raises(QuotaError):
            await bridge.call(HELLO, "storage.set", {"key": "more", "value": "x" * 60_000})
        await bridge.call(HELLO, "storage.set", {"key": "页", "value": None})
        keys = await bridge.call(HELLO, "storage.keys", {})
        assert isinstance(keys, dict)
        assert "页" not in keys["keys"]


async def test_a_notice_is_shown_in_the_apps_name_but_not_without_end(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge, house: House
) -> None:
    text = {"zh-CN": "该吃药了", "en": "Time for your pills"}
    async with serve(catalog):
        await put()
        for _ in range(3):
            await bridge.call(HELLO, "notices.show", {"text": text})
        with pytest.raises(TooManyCallsError):
            await bridge.call(HELLO, "notices.show", {"text": text})
        house.time_s += 20
        await bridge.call(HELLO, "notices.show", {"text": text})
    assert house.shown == [(HELLO, text)] * 4


@pytest.mark.parametrize(
    ("app", "method", "params", "refusal"),
    [
        (AppId("com.example.nobody"), "clock.now", {}, UnknownAppError),
        (PLAIN, "clock.now", {}, AppNotOpenError),
        (HELLO, "tv.tune", {"number": 8}, CallError),
        (HELLO, "clock.now", {"zone": "UTC"}, CallError),
        (HELLO, "storage.get", {}, CallError),
        (HELLO, "storage.get", {"key": 7}, CallError),
        (HELLO, "storage.get", ["key"], CallError),
        (HELLO, "storage.set", {"key": "", "value": 1}, CallError),
        (HELLO, "storage.set", {"key": "k" * 129, "value": 1}, CallError),
        (HELLO, "storage.set", {"key": "k", "value": "x" * 70_000}, CallError),
        (HELLO, "notices.show", {"text": {}}, CallError),
        (HELLO, "notices.show", {"text": {"de": "Hallo"}}, CallError),
        (HELLO, "notices.show", {"text": {"en": "x" * 201}}, CallError),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_call_is_refused(
    serve: Serve,
    put: Put,
    catalog: Catalog,
    bridge: Bridge,
    app: AppId,
    method: str,
    params: object,
    refusal: type[Exception],
) -> None:
    async with serve(catalog):
        await put()
        await put(app=PLAIN)
        with pytest.raises(refusal):
            await bridge.call(app, method, params)


async def test_what_was_not_asked_for_is_refused(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge, house: House
) -> None:
    manifest = "\n".join(  # as short as can be: no permissions
        (
            "schema: 1",
            f"id: {PLAIN}",
            "version: 1.0.0",
            "name: {zh-CN: 简单, en: Plain}",
            "icon: icon.svg",
            'color: "#223040"',
            "entry: {tv: index.html}",
        )
    )
    house.open = {PLAIN}
    async with serve(catalog):
        await put(app=PLAIN, files={"manifest.yaml": manifest})
        for method, params in (
            ("storage.keys", {}),
            ("sensors.read", {}),
            ("notices.show", {"text": {"en": "Hello"}}),
        ):
            with pytest.raises(PermissionDeniedError):
                await bridge.call(PLAIN, method, params)


async def test_an_app_that_calls_too_often_is_slowed_down(
    serve: Serve, put: Put, catalog: Catalog, bridge: Bridge, house: House
) -> None:
    async with serve(catalog):
        await put()
        for _ in range(60):
            await bridge.call(HELLO, "clock.now", {})
        with pytest.raises(TooManyCallsError):
            await bridge.call(HELLO, "clock.now", {})
        house.time_s += 1
        async with asyncio.timeout(1):
            await bridge.call(HELLO, "clock.now", {})
