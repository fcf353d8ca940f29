"""How a phone joins the house: a QR code or six digits on the television.

One rule: an offer is short, for one phone, and dies of being guessed at; who
stands before the screen sees what happens.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from gateway.errors import BadInputError
from gateway.ui.auth import Access
from gateway.ui.phones import Phone, Phones
from gateway.ui.roles import Role

OFFER_S = 120.0
TOKEN_BYTES = 16
CODE_DIGITS = 6
MAX_TRIES = 3
MAX_TRIES_AN_HOUR = 10
HOUR_S = 3600.0

Notices = Callable[[Mapping[str, str]], None]


class NoOfferError(BadInputError):
    """The secret is wrong, used, or older than two minutes."""

    code: ClassVar[str] = "UI-203"
    hint = "Let the television show a new code, and scan or type that one."


class TooManyTriesError(BadInputError):
    """Too many wrong codes were typed."""

    code: ClassVar[str] = "UI-204"
    hint = "Wait an hour, or scan the QR code instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the television shows."""

    token: str
    code: str
    expires_at: datetime


class Pairing:
    """Makes offers and honours them."""

    def __init__(self, phones: Phones, notices: Notices, clock: Callable[[], float] = time.monotonic) -> None:
        """Describe the desk where phones join.

        Args:
            phones: Who is let in.
            notices: Shows a text by locale on the television.
            clock: Monotonic seconds.
        """
        self._phones = phones
        self._notices = notices
        self._clock = clock
        self._offer: Offer | None = None
        self._ends_s = 0.0
        self._tries = 0
        self._wrong_s: deque[float] = deque(maxlen=MAX_TRIES_AN_HOUR)
        self._claiming = asyncio.Lock()

    def offer(self) -> Offer:
        """Return a new offer; the one before is void."""
        self._offer = Offer(
            token=secrets.token_urlsafe(TOKEN_BYTES),
            code="".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS)),
            expires_at=datetime.now(UTC) + timedelta(seconds=OFFER_S),
        )
        self._ends_s = self._clock() + OFFER_S
        self._tries = 0
        return self._offer

    def withdraw(self) -> None:
        """End the offer: the screen shows it no longer."""
        self._offer = None

    async def claim(self, *, token: str = "", code: str = "", name: str) -> tuple[Phone, str]:
        """Return the phone that joined, and its secret.

        Args:
            token: Out of the QR code; or else
            code: The digits.
            name: How the phone calls itself.

        Raises:
            NoOfferError: the secret is none, or none any more.
            TooManyTriesError: digits were guessed too often.
            TooManyPhonesError, StoreError: see `Phones.admit`.
        """
        async with self._claiming:
            self._check(token, code)
            # Void before anything is awaited: an offer is for one phone.
            self._offer = None
            phone, secret = await self._phones.admit(name, Role.MEMBER)
        self._notices({"zh-CN": f"手机“{name}”已加入本机。", "en": f"The phone “{name}” has joined."})
        return phone, secret

    def _check(self, token: str, code: str) -> None:
        offer = self._offer if self._clock() < self._ends_s else None
        if token:
            if offer is None or not Access.same(token, offer.token):
                raise NoOfferError("This QR code is not valid any more")
            return
        if len(self._wrong_s) == MAX_TRIES_AN_HOUR and self._clock() - self._wrong_s[0] < HOUR_S:
            raise TooManyTriesError("Too many wrong codes in this hour")
        if offer is not None and Access.same(code, offer.code):
            return
        self._wrong_s.append(self._clock())
        self._tries += 1
        if offer is not None:
            self._notices(
                {
                    "zh-CN": "有手机输入了错误的配对码。",
                    "en": "Somebody typed a wrong pairing code.",
                }
            )
        if self._tries >= MAX_TRIES:
            self._offer = None
        raise NoOfferError("This code is wrong, or not valid any more")
