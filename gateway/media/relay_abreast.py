"""One body over several connections at once, for whoever waits for its beginning.

One rule: nothing depends on it.  Whatever is not as expected ends it, and the
body is fetched over one connection as always.

A connection that is new or has rested carries some ten packets in its first round
trip and doubles from there (RFC 6928, RFC 5681 section 4.1): a key frame of
200 kB needs four round trips on one of them, and two on as many as a browser opens.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

import aiohttp

from gateway.errors import GatewayError
from gateway.media.relay_facts import SourceError, SourceMissingError, SourceRefusedError
from gateway.media.relay_http import (
    PARTIAL,
    UNSATISFIABLE,
    Body,
    Getter,
    Terms,
    place_of,
    validator_of,
)

CONNECTIONS = 6
LOOK_EVERY_S = 0.25
STALLED_S = 1.5
"""A connection without a byte for so long is one the origin does not serve beside the others."""

SHARES_BYTES = (64 * 1024, 32 * 1024, 96 * 1024, 192 * 1024)
"""What each carries, one after the other; one of them fetches all the rest.

Six grow side by side, so what is there without a hole grows by leaps of a whole
round: small ones for as long as somebody waits for the next.
"""

EVEN_SHARES_BYTES = (256 * 1024, 512 * 1024)
"""Likewise, for a body that is of no use before it is whole: no connection waits for an answer in between."""


class UnsuitedError(GatewayError):
    """Not a failure: it does not come in parts.  Never leaves this module."""


async def fetch(
    getter: Getter, url: str, headers: Mapping[str, str], terms: Terms, *, whole: bool = False
) -> Body | None:
    """Return the body at `url`, or None if it does not come this way.

    Args:
        getter: How each part is asked for.
        url: Of the body.
        headers: The origin wants.
        terms: What it may cost.
        whole: Its end is wanted as much as its beginning.
    """
    if not getter.parts.served_by(url):
        return None
    shares = _Shares(getter, url, headers, terms, EVEN_SHARES_BYTES if whole else SHARES_BYTES)
    if await shares.fetched():
        return Body(bytes(shares.data), url)
    if not shares.missing:
        getter.parts.refuse(url)
    return None


def _shares(sizes: Sequence[int]) -> list[tuple[int, int | None]]:
    """Return where each share begins and ends; the last has no end."""
    shares: list[tuple[int, int | None]] = []
    begin = 0
    for size in sizes:
        for _ in range(CONNECTIONS):
            shares.append((begin, begin + size))
            begin += size
    return [*shares, (begin, None)]


class _Shares:
    """A body in shares, fetched in their order.

    Attributes:
        data: The beginning, as far as it is there without a hole.
        missing: The origin has no such body, which says nothing of how it sends others.
    """

    def __init__(
        self, getter: Getter, url: str, headers: Mapping[str, str], terms: Terms, sizes: Sequence[int]
    ) -> None:
        self.data = bytearray()
        self.missing = False
        self._getter = getter
        self._url = url
        self._headers = headers
        self._terms = terms
        self._total: int | None = None
        self._todo = deque(enumerate(_shares(sizes)))
        self._at = 0
        self._whole: set[int] = set()
        self._ahead: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._since_s: dict[int, float] = {}
        self._validator = ""

    async def fetched(self) -> bool:
        """Fetch all of it; tell whether that went well."""
        # No task group: what fails here is foreseen, and must leave no trace in who waits.
        workers = {asyncio.create_task(self._work(), name="shares of a segment") for _ in range(CONNECTIONS)}
        try:
            while workers:
                done, workers = await asyncio.wait(
                    workers, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
                )
                if not all(each.result() for each in done) or self._is_stalled():
                    return False
        finally:
            for worker in workers:
                worker.cancel()
            if workers:
                await asyncio.wait(workers)
        return len(self.data) == self._total

    def _is_stalled(self) -> bool:
        """Tell whether a connection is kept waiting: some origins serve one at a time."""
        now_s = asyncio.get_running_loop().time()
        return any(now_s - since_s > STALLED_S for since_s in self._since_s.values())

    async def _work(self) -> bool:
        try:
            await self._fetch_some()
        except (SourceMissingError, SourceRefusedError):
            self.missing = True
            return False
        except (UnsuitedError, SourceError, aiohttp.ClientError, ValueError, OSError):
            return False
        return True

    async def _fetch_some(self) -> None:
        while self._todo:
            share, (begin, end) = self._todo.popleft()
            if self._total is not None and begin >= self._total:
                return
            self._since_s[share] = asyncio.get_running_loop().time()
            await self._fetch(share, begin, end)
            del self._since_s[share]
            self._whole.add(share)
            while self._at in self._whole:
                self._at += 1
                self._grow(self._ahead.pop(self._at, b""))

    async def _fetch(self, share: int, begin: int, end: int | None) -> None:
        asked = {**self._headers, "Range": f"bytes={begin}-{'' if end is None else end - 1}"}
        async with self._getter.response(self._url, asked, expected=(UNSATISFIABLE,)) as response:
            if response.status == UNSATISFIABLE and begin:
                return  # the body ends before it
            if response.status != PARTIAL:
                raise UnsuitedError("The origin sends the whole instead of a part")
            total = self._agree(place_of(response, begin), validator_of(response))
            missing = min(end or total, total) - begin
            async for chunk in response.content.iter_any():
                missing -= len(chunk)
                if missing < 0:
                    break
                self._came(share, chunk)
            if missing:
                raise UnsuitedError("A part is not as long as it should be")

    def _agree(self, total: int | None, validator: str) -> int:
        self._validator = self._validator or validator
        if validator not in ("", self._validator):
            raise UnsuitedError("The parts are of different bodies")
        if total is None or total > self._terms.limit_bytes or self._total not in (None, total):
            raise UnsuitedError("The parts are not of one body of known size")
        self._total = total
        return total

    def _came(self, share: int, chunk: bytes) -> None:
        self._since_s[share] = asyncio.get_running_loop().time()
        if self._terms.listener is not None:
            self._terms.listener.began()
        if self._terms.received is not None:
            self._terms.received(len(chunk))
        if share == self._at:
            self._grow(chunk)
        else:
            self._ahead[share] += chunk

    def _grow(self, more: bytes | bytearray) -> None:
        self.data += more
        hears = self._terms.listener.arriving if self._terms.listener is not None else None
        if more and hears is not None and self._total is not None and len(self.data) < self._total:
            hears(self.data)
