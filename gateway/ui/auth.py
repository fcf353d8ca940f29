"""Who may use the API: whoever holds the box's token, or the cookie made from it.

One rule: nothing that could open the box is stored twice; the page's cookie is
derived from the token, so that it outlives a restart and dies with the token.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from pathlib import Path

from gateway.disk import LocalDisk

TOKEN_BYTES = 32
COOKIE_NAME = "gateway_session"
PHONE_COOKIE_NAME = "gateway_phone"
COOKIE_AGE_S = 365 * 24 * 3600

_COOKIE_PURPOSE = b"gateway page session 1"
_MAX_ADDRESSES = 256


class Access:
    """The secrets of one box; they live in one file that only its owner may read."""

    def __init__(self, token_file: Path) -> None:
        self._file = token_file
        self._token: bytes | None = None

    def token(self) -> str:
        """Return the bearer token; makes it when the box has none yet."""
        return self._secret().decode("ascii")

    def cookie(self) -> str:
        """Return the value of the page's cookie."""
        return hmac.new(self._secret(), _COOKIE_PURPOSE, hashlib.sha256).hexdigest()

    def is_token(self, presented: str) -> bool:
        """Whether `presented` is the token; takes the same time for every wrong one."""
        return self.same(presented, self.token())

    def is_cookie(self, presented: str) -> bool:
        """Whether `presented` is the page's cookie."""
        return self.same(presented, self.cookie())

    @staticmethod
    def same(presented: str, secret: str) -> bool:
        """Compare two secrets in constant time; an unset one equals nothing."""
        return bool(secret) and hmac.compare_digest(presented.encode(), secret.encode())

    def _secret(self) -> bytes:
        if self._token is None:
            self._token = _read(self._file) or _make(self._file)
        return self._token


class Attempts:
    """Counts wrong secrets per address.

    Only wrong ones are ever refused for being too many: a forgotten script
    with an old token must not lock the household out.
    """

    def __init__(self, limit: int, window_s: float = 60.0) -> None:
        self._limit = limit
        self._window_s = window_s
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, address: str) -> float:
        """Note a wrong secret from `address`.

        Returns:
            Seconds to wait before the next try; 0 while there were few.
        """
        now = time.monotonic()
        since, count = self._failures.pop(address, (now, 0))
        if now - since > self._window_s:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)
        return 0.0 if count < self._limit else max(1.0, since + self._window_s - now)


def _read(file: Path) -> bytes | None:
    try:
        text = file.read_bytes().strip()
    except FileNotFoundError:
        return None
    return text if len(text) >= TOKEN_BYTES else None


def _make(file: Path) -> bytes:
    """Write a new token beside `file` and link it into place, so that two makers agree on one."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    token = secrets.token_urlsafe(TOKEN_BYTES).encode("ascii")
    beside = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(token + b"\n")
            out.flush()
            os.fsync(out.fileno())
        if file.exists() and _read(file) is None:
            beside.replace(file)  # a torn file holds no token worth keeping
        else:
            _link(beside, file)
        LocalDisk().sync(file.parent)
    finally:
        beside.unlink(missing_ok=True)
    return _read(file) or token


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return  # another process was first; its token counts
