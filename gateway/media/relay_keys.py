"""Opening encrypted segments.

One rule: a key is fetched once, and nobody but the relay ever sees it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.media import hls
from gateway.media.relay_facts import BadMediaError
from gateway.media.relay_fetch import Upstream

MAX_KEYS = 16
OFF_LOOP_BYTES = 256 * 1024


class KeyRing:
    """Keys of one pull, each fetched once."""

    def __init__(self, upstream: Upstream, headers: Mapping[str, str], worker: Executor) -> None:
        self._upstream = upstream
        self._headers = headers
        self._worker = worker
        self._keys: dict[str, bytes] = {}
        self._asking = asyncio.Lock()

    async def opened(self, data: bytes, key: hls.Key, sequence: int) -> bytes:
        """Return `data` in the clear (AES-128-CBC, PKCS #7; RFC 8216 section 4.3.2.4)."""
        secret = await self.secret(key)
        iv = _iv(key, sequence)
        if len(data) < OFF_LOOP_BYTES:
            return _decrypted(data, secret, iv)
        return await asyncio.get_running_loop().run_in_executor(self._worker, _decrypted, data, secret, iv)

    async def secret(self, key: hls.Key) -> bytes:
        """Return the bytes of `key`.

        Raises:
            SourceError: it does not come, or is none.
        """
        async with self._asking:
            return await self._secret(key)

    async def _secret(self, key: hls.Key) -> bytes:
        secret = self._keys.get(key.uri)
        if secret is None:
            secret = await self._upstream.key(key.uri, self._headers)
            if len(secret) != 16:  # noqa: PLR2004 - AES-128
                raise BadMediaError(f"The channel's key has {len(secret)} bytes instead of 16")
            if len(self._keys) >= MAX_KEYS:
                del self._keys[next(iter(self._keys))]
            self._keys[key.uri] = secret
        return secret


class Opening:
    """Opens one segment while it arrives, for whoever cannot wait for its end."""

    def __init__(self, key: hls.Key, sequence: int, give: Callable[[bytearray], None]) -> None:
        """Describe it; `give` is told of all there is in the clear, each time there is more."""
        self._iv = _iv(key, sequence)
        self._give = give
        self._secret: bytes | None = None
        self._taken = 0
        self._clear = bytearray()
        self._opener: CipherContext | None = None

    def unlocked(self, secret: asyncio.Future[bytes]) -> None:
        """Take the key when it has come, if it has."""
        if not secret.cancelled() and secret.exception() is None:
            self._secret = secret.result()

    def arriving(self, body: bytes | bytearray) -> None:
        """Open what is new of `body`, which lacks its end: so no padding is in it."""
        if self._secret is None:
            return
        if self._opener is None or len(body) < self._taken:
            self._opener = Cipher(algorithms.AES(self._secret), modes.CBC(self._iv)).decryptor()
            self._taken = 0
            self._clear = bytearray()
        self._clear += self._opener.update(bytes(body[self._taken :]))
        self._taken = len(body)
        self._give(self._clear)


def _iv(key: hls.Key, sequence: int) -> bytes:
    return key.iv if key.iv is not None else sequence.to_bytes(16)


def _decrypted(data: bytes, secret: bytes, iv: bytes) -> bytes:
    try:
        opener = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
        padded = opener.update(data) + opener.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise BadMediaError("A segment does not open with its key") from error
