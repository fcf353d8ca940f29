"""Opening encrypted segments.

One rule: a key is fetched once and never leaves this module.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
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
        async with self._asking:
            secret = await self._secret(key)
        iv = key.iv if key.iv is not None else sequence.to_bytes(16)
        if len(data) < OFF_LOOP_BYTES:
            return _decrypted(data, secret, iv)
        return await asyncio.get_running_loop().run_in_executor(self._worker, _decrypted, data, secret, iv)

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


def _decrypted(data: bytes, secret: bytes, iv: bytes) -> bytes:
    try:
        opener = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
        padded = opener.update(data) + opener.finalize()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise BadMediaError("A segment does not open with its key") from error
