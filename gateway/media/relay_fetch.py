"""The relay's way to an origin: the only code of it that speaks HTTP.

One rule: every request has a deadline and a size, and whatever goes wrong
comes out as a `SourceError` that says what.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from gateway.media import hls
from gateway.media.hls import ByteRange
from gateway.media.relay_facts import (
    BadMediaError,
    RelayConfig,
    SlowSourceError,
    SourceError,
    SourceMissingError,
    SourceRefusedError,
)

MAX_KEY_BYTES = 1024
MIN_MEASURED_BYTES = 64 * 1024
MAX_REDIRECTS = 5
USER_AGENT = "gateway"
_REFUSED = (401, 403)
_MISSING = (404, 410)
_SERVER = 500
_ERROR = 400
_PARTIAL = 206


@dataclass(slots=True)
class Meter:
    """What one pull has cost.

    Attributes:
        throughput_bps: Of recent segments; None before the first.
    """

    playlists: int = 0
    segments: int = 0
    bytes_received: int = 0
    throughput_bps: float | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A playlist's text and the address it really came from."""

    text: str
    url: str


def client_session(config: RelayConfig) -> aiohttp.ClientSession:
    """Return a session fit for `Upstream`; the caller closes it."""
    return aiohttp.ClientSession(
        # hls.decode unpacks by content: origins send gzip unannounced, and announce what they do not send.
        auto_decompress=False,
        # Signed addresses must not be rewritten on a redirect.
        requote_redirect_url=False,
        connector=aiohttp.TCPConnector(limit_per_host=16, ttl_dns_cache=60),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout_s),
        headers={"User-Agent": USER_AGENT},
        read_bufsize=256 * 1024,
        trust_env=False,
    )


class Upstream:
    """Fetches for one pull."""

    def __init__(self, session: aiohttp.ClientSession, config: RelayConfig, meter: Meter) -> None:
        self._session = session
        self._config = config
        self._meter = meter

    async def playlist(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Return the playlist at `url`.

        Raises:
            SourceError: it could not be fetched.
            PlaylistError: what came cannot be text of a playlist.
        """
        with _explained(url, late=SourceError):
            async with asyncio.timeout(self._config.playlist_timeout_s):
                body, final, _ = await self._get(url, headers, limit=hls.MAX_PLAYLIST_BYTES)
        self._meter.playlists += 1
        return Fetched(hls.decode(body), final)

    async def segment(
        self, url: str, headers: Mapping[str, str], part: ByteRange | None, *, deadline_s: float
    ) -> bytes:
        """Return a piece of media.

        Raises:
            SlowSourceError: not all of it within `deadline_s`.
            SourceError: it could not be fetched whole.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        with _explained(url):
            async with asyncio.timeout(deadline_s):
                body = await self._part(url, headers, part)
        if not body:
            raise BadMediaError("A segment is empty")
        self._meter.segments += 1
        if len(body) >= MIN_MEASURED_BYTES:
            seen_bps = len(body) * 8 / max(clock() - began, 0.001)
            before_bps = self._meter.throughput_bps or seen_bps
            self._meter.throughput_bps = 0.7 * before_bps + 0.3 * seen_bps
        return body

    async def key(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Return the bytes of a key."""
        with _explained(url, late=SourceError):
            async with asyncio.timeout(self._config.playlist_timeout_s):
                return (await self._get(url, headers, limit=MAX_KEY_BYTES))[0]

    async def _part(self, url: str, headers: Mapping[str, str], part: ByteRange | None) -> bytes:
        limit = self._config.max_segment_bytes
        if part is None:
            return (await self._get(url, headers, limit=limit))[0]
        end = part.offset + part.length
        asked = {**headers, "Range": f"bytes={part.offset}-{end - 1}"}
        body, _, status = await self._get(url, asked, limit=limit)
        body = body if status == _PARTIAL else body[part.offset : end]
        if len(body) != part.length:
            raise BadMediaError(f"A segment has {len(body)} of {part.length} bytes")
        return body

    async def _get(self, url: str, headers: Mapping[str, str], *, limit: int) -> tuple[bytes, str, int]:
        async with self._session.get(
            _address(url), headers={"Accept-Encoding": "identity", **headers}, max_redirects=MAX_REDIRECTS
        ) as response:
            _check(response.status)
            if (response.content_length or 0) > limit:
                raise BadMediaError(f"The origin sends more than {limit} bytes at once")
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                self._meter.bytes_received += len(chunk)
                if size > limit:
                    raise BadMediaError(f"The origin sends more than {limit} bytes at once")
                chunks.append(chunk)
            return b"".join(chunks), str(response.url), response.status


def _address(url: str) -> URL:
    # Re-quoting would break signed addresses; only what cannot be sent as it is gets quoted.
    return URL(url, encoded=url.isascii() and " " not in url)


def _check(status: int) -> None:
    if status in _REFUSED:
        raise SourceRefusedError(f"The origin refuses with {status}")
    if status in _MISSING:
        raise SourceMissingError(f"The origin answers {status}")
    if status >= _ERROR:
        kind = SourceError if status >= _SERVER else SourceMissingError
        raise kind(f"The origin answers {status}")


@contextmanager
def _explained(url: str, late: type[SourceError] = SlowSourceError) -> Iterator[None]:
    host = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    try:
        yield
    except TimeoutError as error:
        raise late(f"{host} did not deliver in time") from error
    except aiohttp.ClientPayloadError as error:
        raise BadMediaError(f"{host} broke off in the middle") from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise SourceError(f"{host} cannot be reached: {type(error).__name__}") from error
