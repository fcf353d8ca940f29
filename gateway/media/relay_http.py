"""One GET to an origin, followed by hand from redirect to redirect and resumed when it breaks off.

One rule: what comes out is whole.  A body that ends early is continued by Range
and only if the origin proves that it goes on with the same thing.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from yarl import URL

from gateway.media.hls import ByteRange
from gateway.media.relay_facts import (
    BadMediaError,
    SlowSourceError,
    SourceError,
    SourceMissingError,
    SourceRefusedError,
)
from gateway.media.relay_hosts import Hosts, headers_for

V = TypeVar("V")

MAX_REDIRECTS = 5
MAX_RESUMES = 4
HOPELESS = 2.0
"""A body that would take this many times its deadline is not waited for to the end."""

_REDIRECTS = (301, 302, 303, 307, 308)
_REFUSED = (401, 403)
_MISSING = (404, 410)
_SERVER = 500
_ERROR = 400
PARTIAL = 206
UNSATISFIABLE = 416
MOST_HOSTS = 256
REFUSED_S = 600.0
"""A host whose parts were not as they should be is asked for none for so long."""

_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of a body while it arrives.

    Attributes:
        began: Called when bytes arrive.
        arriving: Called with all there is so far, each time more has come, if the origin says
            how long it will be.
        waits: Somebody waits for its beginning; it is fetched over several connections if it can be.
    """

    began: Callable[[], None]
    arriving: Callable[[bytes | bytearray], None] | None = None
    waits: bool = False


NOBODY = Listener(lambda: None)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one GET may cost.

    Attributes:
        limit_bytes: A larger body is refused.
        deadline_s: For all of it; 0 if somebody else watches the time.
        received: Called with the size of each part that arrives.
        listener: Who hears of the body while it arrives.
    """

    limit_bytes: int
    deadline_s: float = 0.0
    received: Callable[[int], None] | None = None
    listener: Listener | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What came, and the address it really came from."""

    data: bytes
    url: str


@dataclass(slots=True)
class _Partial:
    """A body on its way."""

    data: bytearray = field(default_factory=bytearray)
    total: int | None = None
    same_if: str = ""
    url: str = ""


class PartsServed:
    """Which hosts say that they send parts of a body (RFC 9110 section 14.3), and do."""

    def __init__(self) -> None:
        self._hosts: dict[str, None] = {}
        self._refused_until_s: dict[str, float] = {}

    def learn(self, response: aiohttp.ClientResponse) -> None:
        """Take from a whole body's head whether its host sends parts as well."""
        if response.headers.get("Accept-Ranges", "").lower() == "bytes":
            _put(self._hosts, response.url.authority, None)

    def served_by(self, url: str) -> bool:
        """Tell whether the host of `url` is known to send parts."""
        host = _address(url).authority
        return host in self._hosts and time.monotonic() >= self._refused_until_s.get(host, 0.0)

    def refuse(self, url: str) -> None:
        """Ask the host of `url` for no parts for a while, whatever it says."""
        _put(self._refused_until_s, _address(url).authority, time.monotonic() + REFUSED_S)


def _put(hosts: dict[str, V], host: str, value: V) -> None:
    hosts.pop(host, None)
    hosts[host] = value
    if len(hosts) > MOST_HOSTS:
        del hosts[next(iter(hosts))]


class Getter:
    """Fetches whole bodies over one session.

    Attributes:
        parts: Who sends parts.
    """

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts, parts: PartsServed) -> None:
        """Describe a getter; the caller closes `session`."""
        self.parts = parts
        self._session = session
        self._hosts = hosts

    async def get(self, url: str, headers: Mapping[str, str], terms: Terms) -> Body:
        """Return the body at `url`.

        Raises:
            SourceError, aiohttp.ClientError, OSError, ValueError: it did not come whole.
        """
        partial = _Partial()
        for attempt in range(MAX_RESUMES + 1):
            had = len(partial.data)
            try:
                await self._more(partial, url, headers, terms)
            except aiohttp.ClientPayloadError:
                # Without any progress the origin is dead, not clumsy.
                if attempt == MAX_RESUMES or len(partial.data) <= had:
                    raise
                if partial.total is None:
                    partial.data.clear()
            else:
                return Body(bytes(partial.data), partial.url)
        raise BadMediaError("The origin breaks off again and again")

    async def part(self, url: str, headers: Mapping[str, str], part: ByteRange, terms: Terms) -> Body:
        """Return a part of the body at `url`; raises what `get` raises."""
        end = part.offset + part.length
        data = bytearray()
        final = url
        for attempt in range(MAX_RESUMES + 1):
            asked = {**headers, "Range": f"bytes={part.offset + len(data)}-{end - 1}"}
            had = len(data)
            try:
                async with self.response(url, asked) as response:
                    final = str(response.url)
                    if response.status == PARTIAL:
                        place_of(response, part.offset + len(data))
                        await _read(response, data, terms)
                    else:
                        whole = bytearray()
                        await _read(response, whole, terms)
                        data[:] = whole[part.offset : end]
            except aiohttp.ClientPayloadError:
                if attempt == MAX_RESUMES or len(data) <= had:
                    raise
                continue
            if len(data) != part.length:
                raise BadMediaError(f"A segment has {len(data)} of {part.length} bytes")
            return Body(bytes(data), final)
        raise BadMediaError("The origin breaks off again and again")

    async def _more(self, partial: _Partial, url: str, headers: Mapping[str, str], terms: Terms) -> None:
        asked = dict(headers)
        if partial.data:
            asked["Range"] = f"bytes={len(partial.data)}-"
            if partial.same_if:
                asked["If-Range"] = partial.same_if
        async with self.response(url, asked) as response:
            partial.url = str(response.url)
            if response.status == PARTIAL:
                total = place_of(response, len(partial.data))
                if total is not None and partial.total is not None and total != partial.total:
                    raise BadMediaError("The origin goes on with something else")
            else:
                self.parts.learn(response)
                partial.data.clear()
                partial.total = response.content_length
                partial.same_if = validator_of(response)
            await _read(response, partial.data, terms, partial.total)
            if partial.total is not None and len(partial.data) < partial.total:
                raise aiohttp.ClientPayloadError("short")

    @asynccontextmanager
    async def response(
        self, url: str, headers: Mapping[str, str], expected: tuple[int, ...] = ()
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for `url` and follow where it leads; a status that is `expected` is no error."""
        self._hosts.check(url)
        first = url
        for _hop in range(MAX_REDIRECTS + 1):
            asked = {"Accept-Encoding": "identity", **headers_for(url, first, headers)}
            async with self._session.get(_address(url), headers=asked, allow_redirects=False) as response:
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if location is None:
                    if response.status not in expected:
                        _check(response.status)
                    yield response
                    return
            url = await self._hosts.redirected(url, location)
        raise SourceError("The origin leads in a circle")


async def _read(
    response: aiohttp.ClientResponse, into: bytearray, terms: Terms, total: int | None = None
) -> None:
    """Append the body of `response`."""
    clock = asyncio.get_running_loop().time
    began_s, had = clock(), len(into)
    if (response.content_length or 0) + had > terms.limit_bytes:
        raise BadMediaError(f"The origin sends more than {terms.limit_bytes} bytes at once")
    async for chunk in response.content.iter_any():
        if terms.listener is not None:
            terms.listener.began()
        into += chunk
        if terms.received is not None:
            terms.received(len(chunk))
        if len(into) > terms.limit_bytes:
            raise BadMediaError(f"The origin sends more than {terms.limit_bytes} bytes at once")
        arriving = terms.listener.arriving if terms.listener is not None else None
        if arriving is not None and total and len(into) < total:
            arriving(into)
        took_s = clock() - began_s
        if total and terms.deadline_s and took_s > terms.deadline_s / 2:
            would_take_s = took_s * (total - had) / max(len(into) - had, 1)
            if would_take_s > HOPELESS * terms.deadline_s:
                raise SlowSourceError("The origin would take far too long")


def place_of(response: aiohttp.ClientResponse, offset: int) -> int | None:
    """Return the whole size a 206 names; an error if it does not begin at `offset`."""
    said = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != offset:
        raise BadMediaError("The origin sends another part than asked for")
    return None if said[2] == "*" else int(said[2])


def validator_of(response: aiohttp.ClientResponse) -> str:
    """Return what ``If-Range`` may say (RFC 9110 section 13.1.5): weak tags do not count."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


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
    if status in _REDIRECTS:
        raise SourceError("The origin leads nowhere")
