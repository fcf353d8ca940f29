"""The child lock, for screens other than the box's own.

One rule: whoever is known to be a phone is asked about each time; the box's own
player and page are not, because the television has asked the lock itself.
"""

import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from gateway.media.lineup import ChannelId
from gateway.media.lock_rules import CHANNEL_LOCKED, ENOUGH_TODAY, NOT_NOW, TOO_OLD
from gateway.media.past import Allowed
from gateway.ui.guard import PHONE
from gateway.ui.problems import RequestError

LOOK_EVERY_S = 5.0
"""How often an endless stream is asked about: programmes change."""


class Lock(Protocol):
    """See `gateway.media.child_lock.ChildLock`."""

    async def verdict_elsewhere(
        self, channel: ChannelId, at: datetime | None = None, *, age: int = 0
    ) -> str | None: ...


class ChannelLockedError(RequestError):
    """The channel is locked."""

    code: ClassVar[str] = CHANNEL_LOCKED
    hint = "Type the PIN on the television, which opens the lock for a while."
    status = HTTPStatus.FORBIDDEN


class TooOldError(ChannelLockedError):
    """The programme is for older people."""

    code: ClassVar[str] = TOO_OLD


class NotNowError(ChannelLockedError):
    """It is not time for television."""

    code: ClassVar[str] = NOT_NOW


class EnoughError(ChannelLockedError):
    """There was enough television for today."""

    code: ClassVar[str] = ENOUGH_TODAY


_ERRORS = {each.code: each for each in (ChannelLockedError, TooOldError, NotNowError, EnoughError)}


class PhoneLock:
    """Asks the lock for one request.

    Attributes:
        is_asked: Whether the lock is asked at all: whether this is a phone.
    """

    def __init__(self, lock: Lock, scope: Mapping[str, Any], channel: str, *, age: int = 0) -> None:
        """Describe a request; `age` is what is known of a recording."""
        self._lock = lock
        self._channel = ChannelId(channel)
        self._age = age
        self.is_asked = PHONE in scope

    async def check(self, at: datetime | None = None) -> None:
        """Refuse a phone what is locked.

        Raises:
            ChannelLockedError: with the lock's code.
            GuideError: the guide cannot be asked.
        """
        if self.is_asked and (code := await self._verdict(at)):
            raise _ERRORS[code]("The child lock holds on every phone of the house")

    def allowed(self) -> Allowed | None:
        """Return what tells of each instant of the past whether it may be watched; None for all."""
        return self._is_open if self.is_asked else None

    async def while_open(
        self, stream: AsyncIterator[bytes], at: datetime | None = None
    ) -> AsyncIterator[bytes]:
        """Yield a stream of the present, or of a recording begun `at`, while it may be watched; closes it."""
        looked_s = time.monotonic()
        try:
            async for chunk in stream:
                if self.is_asked and time.monotonic() - looked_s > LOOK_EVERY_S:
                    looked_s = time.monotonic()
                    if not await self._is_open(at):
                        return
                yield chunk
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()

    async def _is_open(self, at: datetime | None = None) -> bool:
        return await self._verdict(at) is None

    async def _verdict(self, at: datetime | None) -> str | None:
        return await self._lock.verdict_elsewhere(self._channel, at, age=self._age)
