"""Where the line-up comes from, whichever way it is announced.

One rule: whoever brings it never touches the kept copy; the book decides what is kept.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media.lineup import MAX_LINE_UP_BYTES, LineUp
from gateway.media.lineup_read import decoded, parse
from gateway.media.published import Published


@dataclass(frozen=True, slots=True)
class Brought:
    """A line-up that may be used.

    Attributes:
        path: The file to keep.
        version: What the operator calls it; empty if it is not signed.
    """

    line_up: LineUp
    path: Path
    version: str = ""


class LineUpSource(Protocol):
    """One place.

    Implementations: `PlainLineUp`; `gateway.media.lineup_signed.SignedLineUps`.
    """

    @property
    def kept_name(self) -> str:
        """What the kept copy is called."""

    @property
    def is_file(self) -> bool:
        """Whether it is on the box itself, and thus there at once."""

    @property
    def pause_s(self) -> float:
        """How long to wait until it is looked at again."""

    async def opened(self, kept: Path) -> Brought:
        """Return the line-up of an earlier life.

        Raises:
            GatewayError, OSError: it is of no use.
        """

    async def newer(self, kept: Path, scratch: Path) -> Brought | None:
        """Return the line-up, None if it cannot have changed.

        Args:
            kept: The copy there is, if there is one.
            scratch: Where a fetched one is written.

        Raises:
            GatewayError, OSError: it is not there, or not believed.
        """

    def is_refusal(self, error: GatewayError) -> bool:
        """Tell whether `error` is one the household must hear of."""


class PlainLineUp:
    """See `LineUpSource`.  A file or an http(s) address, believed as it is."""

    kept_name = "lineup.m3u"

    def __init__(
        self, address: str, *, timeout_s: float, file_every_s: float, address_every_s: float
    ) -> None:
        self._list = Published(address, limit_bytes=MAX_LINE_UP_BYTES, timeout_s=timeout_s)
        self.pause_s = file_every_s if self._list.is_file else address_every_s

    @property
    def is_file(self) -> bool:
        return self._list.is_file

    async def opened(self, kept: Path) -> Brought:
        return await asyncio.to_thread(_parsed, kept, self._list.base)

    async def newer(self, kept: Path, scratch: Path) -> Brought | None:  # noqa: ARG002 - see `LineUpSource`
        path = await self._list.newer(scratch)
        return await asyncio.to_thread(_parsed, path, self._list.base) if path else None

    def is_refusal(self, error: GatewayError) -> bool:  # noqa: ARG002 - see `LineUpSource`
        return False


def _parsed(path: Path, base: str) -> Brought:
    return Brought(parse(decoded(path.read_bytes()), base=base), path)
