"""What an open app may ask of the house, decided call by call.

One rule: the answer depends only on the signed manifest and on limits; the
page that relays a call, and the app that makes it, are not believed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from gateway.apps.catalog import Catalog
from gateway.apps.errors import (
    AppNotOpenError,
    CallError,
    PermissionDeniedError,
    QuotaError,
    TooManyCallsError,
)
from gateway.apps.shelf import InstalledApp
from gateway.apps.storage import AppStorage
from gateway.disk import LocalDisk
from gateway.trust.manifest import LOCALES, AppId, Permission, PermissionName, Sensitivity

MAX_CALL_BYTES = 64 * 1024
MAX_NOTICE_CHARS = 200

_CALLS_PER_S = 20.0
_BURST_CALLS = 60.0
_NOTICES_PER_S = 1 / 20
_BURST_NOTICES = 3.0
_MIB = 1024 * 1024

Value = bool | int | float | str
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorReading:
    """What a sensor of the home last said.

    Attributes:
        entity: Its id.
        name: As the household calls it.
        device: The device's name.
        device_class: Home Assistant's class, empty if none.
        unit: Home Assistant's unit, empty if none.
        value: `None` before the first report.
        measured_at: When it was so; `None` before the first report.
        available: Whether the device can be reached.
        body: What of somebody's body it measures, empty if nothing.
        quality: ``good``; ``implausible`` for what can be true of nobody; ``undated`` if the meter's clock is
            wrong, so that `measured_at` is when the report arrived.
    """

    entity: str
    name: str
    device: str
    device_class: str
    unit: str
    value: Value | None
    measured_at: datetime | None
    available: bool
    body: str = ""
    quality: str = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the house can do for apps; the composition root fills it.

    Attributes:
        sensors: Every sensor of the home now.
        notices: Shows a text, by locale, in the app's name.
        close: Closes the app's page.
        locale: The language the household chose.
        now: The time.
    """

    sensors: Callable[[], Iterable[SensorReading]]
    notices: Callable[[AppId, Mapping[str, str]], None]
    close: Callable[[AppId], Awaitable[None]]
    locale: Callable[[], str] = lambda: LOCALES[0]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call without arguments."""


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    value: object = None


class _Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device_class: str | None = None
    unit: str | None = None


class _Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: dict[str, str]


class Allowance:
    """A number of calls that refills with time."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._filled_at = clock()

    def take(self) -> None:
        """Use one up.

        Raises:
            TooManyCallsError: there is none left now.
        """
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._left < 1:
            raise TooManyCallsError("the app calls too often")
        self._left -= 1


@dataclass(frozen=True, slots=True)
class _Budget:
    calls: Allowance
    notices: Allowance


class Bridge:
    """Answers the calls of open apps."""

    def __init__(
        self,
        catalog: Catalog,
        opened: Callable[[], Collection[AppId]],
        capabilities: Capabilities,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Answer for apps of `catalog`.

        Args:
            catalog: The installed apps, and so what each may do.
            opened: The apps that are open now; others are not answered.
            capabilities: What the house can do.
            clock: For the allowances.
        """
        self._catalog = catalog
        self._opened = opened
        self._can = capabilities
        self._clock = clock
        self._budgets: dict[AppId, _Budget] = {}
        self._storage_lock = asyncio.Lock()
        self._calls: Mapping[str, Callable[[InstalledApp, object], Awaitable[object]]] = {
            "clock.now": self._clock_now,
            "i18n.locale": self._i18n_locale,
            "focus.exit": self._focus_exit,
            "storage.get": self._storage_get,
            "storage.set": self._storage_set,
            "storage.keys": self._storage_keys,
            "sensors.read": self._sensors_read,
            "notices.show": self._notices_show,
        }

    async def call(self, app: AppId, method: str, params: object) -> object:
        """Return the result of `method`, as plain JSON.

        Args:
            app: Who asks.
            method: Such as ``storage.get``.
            params: Its arguments by name; `None` for none.

        Raises:
            UnknownAppError, AppNotOpenError: nobody of that name may ask now.
            PermissionDeniedError, QuotaError, TooManyCallsError: the app may not.
            CallError: there is no such call, or its arguments are wrong.
        """
        installed = self._catalog.get(app)
        if app not in self._opened():
            raise AppNotOpenError(f"{app} is not open")
        self._budget(app).calls.take()
        work = self._calls.get(method)
        if work is None:
            raise CallError(f"there is no call {method[:64]!r}")
        if len(msgspec.json.encode(params)) > MAX_CALL_BYTES:
            raise CallError(f"the call is larger than {MAX_CALL_BYTES} bytes")
        result = await work(installed, params if params is not None else {})
        if len(msgspec.json.encode(result)) > MAX_CALL_BYTES:
            raise CallError(f"the answer would be larger than {MAX_CALL_BYTES} bytes")
        return result

    async def _clock_now(self, _app: InstalledApp, params: object) -> object:
        _arguments(params, _Nothing)
        return {"now": self._can.now().isoformat()}

    async def _i18n_locale(self, _app: InstalledApp, params: object) -> object:
        _arguments(params, _Nothing)
        return {"locale": self._can.locale()}

    async def _focus_exit(self, app: InstalledApp, params: object) -> object:
        _arguments(params, _Nothing)
        await self._can.close(app.id)
        return {}

    async def _storage_get(self, app: InstalledApp, params: object) -> object:
        key = _arguments(params, _Key).key
        storage = _storage(app)
        async with self._storage_lock:
            return {"value": await asyncio.to_thread(storage.get, key)}

    async def _storage_set(self, app: InstalledApp, params: object) -> object:
        entry = _arguments(params, _Entry)
        storage = _storage(app)
        async with self._storage_lock:
            # The app may have been removed while this call waited; nothing of it may come back.
            self._catalog.get(app.id)
            try:
                await asyncio.to_thread(storage.set, entry.key, entry.value)
            except OSError as error:
                raise QuotaError(f"the box cannot keep it: {error.strerror or error}") from error
        return {}

    async def _storage_keys(self, app: InstalledApp, params: object) -> object:
        _arguments(params, _Nothing)
        storage = _storage(app)
        async with self._storage_lock:
            return {"keys": await asyncio.to_thread(storage.keys)}

    async def _sensors_read(self, app: InstalledApp, params: object) -> object:
        wanted = _arguments(params, _Read)
        asked = _granted(app, PermissionName.SENSORS)
        readings = [reading for reading in self._can.sensors() if may_read(asked, reading)]
        if wanted.device_class is not None:
            readings = [reading for reading in readings if reading.device_class == wanted.device_class]
        if wanted.unit is not None:
            readings = [reading for reading in readings if reading.unit == wanted.unit]
        return {"readings": msgspec.to_builtins(readings)}

    async def _notices_show(self, app: InstalledApp, params: object) -> object:
        text = _arguments(params, _Notice).text
        _granted(app, PermissionName.NOTICES)
        if not text or set(text) - set(LOCALES):
            raise CallError(f"a notice is a text for each of {', '.join(LOCALES)}")
        if any(not 0 < len(words) <= MAX_NOTICE_CHARS for words in text.values()):
            raise CallError(f"a notice has 1 to {MAX_NOTICE_CHARS} characters")
        self._budget(app.id).notices.take()
        self._can.notices(app.id, text)
        return {}

    def _budget(self, app: AppId) -> _Budget:
        if app not in self._budgets:
            self._budgets[app] = _Budget(
                Allowance(_CALLS_PER_S, _BURST_CALLS, self._clock),
                Allowance(_NOTICES_PER_S, _BURST_NOTICES, self._clock),
            )
        return self._budgets[app]


def may_read(asked: Permission, reading: SensorReading) -> bool:
    """Whether `asked` covers `reading`: its class or its unit is named.

    What was measured of somebody's body is for apps that asked for what is sensitive, which the household
    was told; these may also name it as if it were a class.
    """
    if reading.body:
        named = (*asked.args.get("device_class", ()), *asked.args.get("unit", ()))
        wanted = {reading.body, reading.device_class, reading.unit} - {""}
        return asked.sensitivity is Sensitivity.SENSITIVE and not wanted.isdisjoint(named)
    classes, units = asked.args.get("device_class", ()), asked.args.get("unit", ())
    return (bool(reading.device_class) and reading.device_class in classes) or (
        bool(reading.unit) and reading.unit in units
    )


def _granted(app: InstalledApp, name: PermissionName) -> Permission:
    asked = app.manifest.permission(name)
    if asked is None:
        raise PermissionDeniedError(f"{app.id} did not ask for {name}")
    return asked


def _storage(app: InstalledApp) -> AppStorage:
    _granted(app, PermissionName.STORAGE)
    return AppStorage(app.storage, app.manifest.storage.quota_mb * _MIB, LocalDisk())


def _arguments(params: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise CallError(f"the arguments are wrong: {error}") from error
