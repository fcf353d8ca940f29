"""What the origin does wrong when it is told to.

One rule: a fault is switched on and off by name from outside and holds until
it is switched off, so a test decides what is wrong and when.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import Enum

from gateway.schema import FieldError

EVERY_CHANNEL = "*"
MAX_TOKEN_S = 3600
MAX_BYTES_PER_S = 1_000_000_000


class Fault(Enum):
    """One way to be wrong, as real origins are."""

    STALE = "stale"
    """The playlist no longer moves."""
    MISSING = "404"
    """Listed segments are not there."""
    SLOW = "slow"
    """Segments trickle, at half their own speed unless `bytes_per_s` says otherwise."""
    TOKEN = "token"  # noqa: S105 - the name of a fault
    """Addresses carry a token, handed out by a redirect, and stop working when it has expired."""
    SHORT = "short"
    """The connection breaks after half of a segment; the rest can be had by Range."""
    HTML = "html"
    """A web page with status 200 in place of playlists and segments."""
    GZIP_NO_HEADER = "gzip_no_header"
    """Playlists are compressed, and nothing says so."""
    EMPTY = "empty"
    """The playlist has no segments."""
    ERROR = "500"
    """Every answer is an internal server error."""
    HANG = "hang"
    """The connection is accepted and nothing comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What ``POST /control`` is told.

    Attributes:
        channel: Whom it is about; ``*`` for all.
        fault: A fault's name, or ``off``.
        valid_s: How long a token is good, for ``token``.
        bytes_per_s: How fast, for ``slow``.
    """

    channel: str
    fault: str
    valid_s: float = 10.0
    bytes_per_s: int | None = None

    def __post_init__(self) -> None:
        known = [fault.value for fault in Fault]
        if self.fault != "off" and self.fault not in known:
            raise FieldError("fault", f"is none of {', '.join(known)}, off")
        if not 0 < self.valid_s <= MAX_TOKEN_S:
            raise FieldError("valid_s", f"is outside 0..{MAX_TOKEN_S}")
        if self.bytes_per_s is not None and not 1 <= self.bytes_per_s <= MAX_BYTES_PER_S:
            raise FieldError("bytes_per_s", f"is outside 1..{MAX_BYTES_PER_S}")


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A fault that is on.

    Attributes:
        since: Unix time it was switched on.
    """

    fault: Fault
    order: Order
    since: float


@dataclass
class Misbehaviours:
    """Which faults are on, and the tokens of the one that needs them."""

    _faults: dict[str, Misbehaviour] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def obey(self, order: Order, now: float) -> None:
        """Switch a fault on or off."""
        if order.fault != "off":
            self._faults[order.channel] = Misbehaviour(Fault(order.fault), order, now)
        elif order.channel == EVERY_CHANNEL:
            self._faults.clear()
        else:
            self._faults.pop(order.channel, None)

    def of(self, channel: str) -> Misbehaviour | None:
        """Return what is wrong with `channel`."""
        return self._faults.get(channel) or self._faults.get(EVERY_CHANNEL)

    @property
    def names(self) -> dict[str, str]:
        """Fault by channel."""
        return {channel: found.fault.value for channel, found in self._faults.items()}

    def token(self, channel: str, expires: int) -> str:
        """Return a token for `channel` that is good until Unix time `expires`."""
        mark = hmac.new(self._secret, f"{channel} {expires}".encode(), hashlib.sha256).hexdigest()[:24]
        return f"{expires}-{mark}"

    def accepts(self, channel: str, token: str, now: float) -> bool:
        """Whether `token` is ours, for `channel`, and not expired."""
        text, _, _ = token.partition("-")
        if not (text.isascii() and text.isdigit()):
            return False
        return hmac.compare_digest(token, self.token(channel, int(text))) and now < int(text)
