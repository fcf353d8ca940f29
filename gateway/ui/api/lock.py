"""The child lock: what children may watch, and the PIN."""

from datetime import UTC, datetime, time, timedelta
from typing import Protocol

from litestar import get, post, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET

from gateway.media.lineup import ChannelId
from gateway.media.lock_rules import Hours, LockSettings
from gateway.ui import documents_watching as doc
from gateway.ui.api.body import Body
from gateway.ui.problems import answers


class Lock(Protocol):
    """See `gateway.media.child_lock.ChildLock`."""

    @property
    def has_pin(self) -> bool: ...
    @property
    def settings(self) -> LockSettings: ...
    @property
    def open_for_s(self) -> float | None: ...
    @property
    def minutes_left(self) -> int | None: ...
    async def put(self, settings: LockSettings, *, pin: str, new_pin: str | None = None) -> None: ...
    async def open(self, pin: str) -> None: ...
    def close(self) -> None: ...


def handlers(lock: Lock) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/lock``."""

    @get("/api/v1/lock", responses=answers())
    async def get_lock() -> doc.Lock:
        """What children may watch, and what is left of today."""
        return _lock(lock)

    @put("/api/v1/lock", dto=Body[doc.PutLock], return_dto=None, responses=answers())
    async def put_lock(data: JSONBody[doc.PutLock]) -> doc.Lock:
        """Set what children may watch; needs the PIN, or makes it the first one."""
        settings = LockSettings(
            max_age=data.max_age,
            channels=frozenset(map(ChannelId, data.channels)),
            hours=Hours(time.fromisoformat(data.hours.start), time.fromisoformat(data.hours.stop))
            if data.hours
            else None,
            minutes_a_day=data.minutes_a_day,
        )
        await lock.put(settings, pin=data.pin, new_pin=None if data.new_pin is UNSET else data.new_pin)
        return _lock(lock)

    @post(
        "/api/v1/lock/open", status_code=200, dto=Body[doc.OpenLock], return_dto=None, responses=answers(409)
    )
    async def open_lock(data: JSONBody[doc.OpenLock]) -> doc.Lock:
        """Let everything be watched for two hours, or until the television is switched off."""
        await lock.open(data.pin)
        return _lock(lock)

    @post("/api/v1/lock/close", status_code=200, responses=answers())
    async def close_lock() -> doc.Lock:
        """Lock again."""
        lock.close()
        return _lock(lock)

    return [get_lock, put_lock, open_lock, close_lock]


def _lock(lock: Lock) -> doc.Lock:
    settings, open_for_s = lock.settings, lock.open_for_s
    hours = settings.hours
    return doc.Lock(
        has_pin=lock.has_pin,
        max_age=settings.max_age,
        channels=sorted(settings.channels),
        hours=doc.Hours(start=f"{hours.start:%H:%M}", stop=f"{hours.stop:%H:%M}") if hours else None,
        minutes_a_day=settings.minutes_a_day,
        minutes_left=lock.minutes_left,
        open_until=datetime.now(UTC) + timedelta(seconds=open_for_s) if open_for_s is not None else None,
    )
