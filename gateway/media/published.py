"""A document the operator publishes: a file on the box, or one behind an http(s) address.

One rule: it is brought here only when it has changed, and never more of it
than the limit.
"""

import asyncio
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from gateway.errors import GatewayError

CHUNK_BYTES = 256 * 1024
# Of a file its time, size and number; of an address the headers to ask with.
Mark = tuple[int, int, int] | Mapping[str, str]

_UNCHANGED = 304
_OK = 200


class MissingDocumentError(GatewayError):
    """The line-up or guide file is not there."""

    code: ClassVar[str] = "TV-101"
    hint = "Check media.line_up and media.guide in the configuration."


class UnreachableDocumentError(GatewayError):
    """The line-up or guide cannot be fetched from its address."""

    code: ClassVar[str] = "TV-103"
    hint = "The box goes on with the last good copy; check the network."


class Published:
    """One document under `address`.

    Attributes:
        is_file: Whether it is on the box itself.
        base: Address that relative addresses in the document begin at; empty for a file.
    """

    def __init__(self, address: str, *, limit_bytes: int, timeout_s: float) -> None:
        self.address = address
        self.is_file = urlsplit(address).scheme not in ("http", "https")
        self.base = "" if self.is_file else address
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._mark: Mark | None = None

    @property
    def mark(self) -> Mark | None:
        """What the publisher calls the version that came last; given again after a restart, it is kept."""
        return self._mark

    @mark.setter
    def mark(self, mark: Mark | None) -> None:
        self._mark = mark

    async def newer(self, scratch: Path) -> Path | None:
        """Return where the document is if it has changed since the last call, otherwise None.

        Args:
            scratch: Where a fetched document is written.

        Raises:
            MissingDocumentError: the file cannot be read.
            UnreachableDocumentError: the address does not give it, or gives too much.
        """
        return await (self._file() if self.is_file else self._fetched(scratch))

    async def _file(self) -> Path | None:
        path = Path(self.address.removeprefix("file://"))
        try:
            found = await asyncio.to_thread(path.stat)
        except OSError as error:
            raise MissingDocumentError(f"{path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise MissingDocumentError(f"{path} is not a file")
        if found.st_size > self._limit_bytes:
            raise MissingDocumentError(f"{path} is larger than {self._limit_bytes} bytes")
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if mark == self._mark:
            return None
        self._mark = mark
        return path

    async def _fetched(self, scratch: Path) -> Path | None:
        host = urlsplit(self.address).netloc.rpartition("@")[2]
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._fetch(scratch)
        except TimeoutError as error:
            raise UnreachableDocumentError(f"{host} did not answer in time") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise UnreachableDocumentError(f"{host} cannot be reached: {type(error).__name__}") from error

    async def _fetch(self, scratch: Path) -> Path | None:
        asked = self._mark if isinstance(self._mark, Mapping) else {}
        url = URL(self.address, encoded=self.address.isascii() and " " not in self.address)
        async with (
            # A packed guide is unpacked by what it is, not by what its sender calls it.
            aiohttp.ClientSession(auto_decompress=False, requote_redirect_url=False) as session,
            session.get(url, headers={"Accept-Encoding": "identity", **asked}) as response,
        ):
            if response.status == _UNCHANGED:
                return None
            if response.status != _OK:
                raise UnreachableDocumentError(f"{url.host} answers {response.status}")
            file = await asyncio.to_thread(scratch.open, "wb")
            try:
                await self._keep(response, file)
            finally:
                await asyncio.to_thread(file.close)
            told = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
            self._mark = {
                ask: response.headers[name] for ask, name in told.items() if name in response.headers
            }
            self.base = str(response.url)
            return scratch

    async def _keep(self, response: aiohttp.ClientResponse, file: BinaryIO) -> None:
        size = 0
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > self._limit_bytes:
                raise UnreachableDocumentError(f"The document is larger than {self._limit_bytes} bytes")
            await asyncio.to_thread(file.write, chunk)

    def forget(self) -> None:
        """Bring it the next time even if it has not changed."""
        self._mark = None
