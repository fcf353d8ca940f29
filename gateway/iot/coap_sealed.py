"""What the box knows of one CoAP device that it speaks with sealed: keys, numbers, and what came.

One rule: a number goes on the wire only after the store holds one beyond it,
so no nonce is used twice, whatever loses power when.
"""

import asyncio
import hmac
import secrets
import sqlite3
import time
from typing import ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.iot.oscore import Keys, Secret
from gateway.iot.oscore_numbers import ReplayWindow, SenderNumbers, reserve
from gateway.store import Store

_ECHO_BYTES = 8
_ECHO_GAP_S = 0.1


class UnknownKeyError(BadInputError):
    """There are no such OSCORE credentials to take away."""

    code: ClassVar[str] = "IOT-713"
    hint = "Look at the list; somebody else may have taken them away."


class NumbersForgottenError(GatewayError):
    """The store may forget what it promised, so nothing can be sealed safely."""

    code: ClassVar[str] = "IOT-717"
    hint = "Set store.durable to true."


class Sealed:
    """What the box knows of one device that it speaks with sealed.

    Attributes:
        endpoint: The device's name.
        keys: What both derived.
        window: Which of its numbers came.
    """

    def __init__(self, endpoint: str, secret: Secret, store: Store, *, is_new: bool) -> None:
        self.endpoint = endpoint
        self.keys = Keys(secret)
        self.window = ReplayWindow(is_new=is_new)
        self._numbers = SenderNumbers()
        self._store = store
        self._reserving = asyncio.Lock()
        self._challenge = secrets.token_bytes(_ECHO_BYTES)
        self._challenged_s = -_ECHO_GAP_S

    async def number(self) -> int:
        """Return a number that no message to this device had or will have.

        Raises:
            NumbersUsedUpError: there are no more.
            UnknownKeyError: the credentials were taken away meanwhile.
            NumbersForgottenError: the store is not durable.
            StoreError: the next ones could not be reserved.
        """
        async with self._reserving:
            if self._numbers.is_empty:
                check_durable(self._store)
                device_id = self.keys.recipient_id
                self._numbers.refill(await self._store.write(lambda db: _reserve(db, device_id)))
            return self._numbers.take()

    def challenge(self) -> bytes | None:
        """Return what the device must repeat to prove that it is there now; `None` if just said.

        Each costs a number, and who recorded an old message can make us say it.
        """
        now_s = time.monotonic()
        if now_s - self._challenged_s < _ECHO_GAP_S:
            return None
        self._challenged_s = now_s
        return self._challenge

    def answers(self, echo: bytes | None) -> bool:
        """Whether `echo` is what `challenge` asked for (RFC 8613, appendix B.1.2)."""
        return echo is not None and hmac.compare_digest(echo, self._challenge)


def check_durable(store: Store) -> None:
    """Make sure that what `store` was given survives a power cut.

    Raises:
        NumbersForgottenError: it may not.
    """
    if not store.durable:
        raise NumbersForgottenError("What is stored may be lost in a power cut")


def _reserve(db: sqlite3.Connection, device_id: bytes) -> range:
    row = db.execute("SELECT reserved FROM coap_key WHERE device_id = ?", (device_id,)).fetchone()
    if row is None:
        raise UnknownKeyError("The credentials were taken away meanwhile")
    numbers = reserve(row[0])
    db.execute("UPDATE coap_key SET reserved = ? WHERE device_id = ?", (numbers.stop, device_id))
    return numbers
