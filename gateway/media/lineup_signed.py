"""The line-up out of the operator's signed repository.

One rule: not a line of it is read before a child has found its signatures good,
neither fresh from the network nor from the box's own disk.
"""

import asyncio
import hashlib
from pathlib import Path

from gateway.errors import GatewayError
from gateway.media.lineup import LineUp, LineUpError
from gateway.media.lineup_read import parse
from gateway.media.lineup_source import Brought
from gateway.trust.asking import Asking, RefusedError
from gateway.trust.errors import TrustError, UnreachableError, error_of
from gateway.trust.lineups import Believed, SignedLineUp, read_believed

_FETCH_TIMEOUT_S = 600.0
_OPEN_TIMEOUT_S = 30.0
_JITTER = 0.2


class SignedLineUps:
    """See `gateway.media.lineup_source.LineUpSource`."""

    kept_name = "lineup.sealed.json"
    is_file = False

    def __init__(self, asking: Asking, *, every_s: float, area: str = "", box: str = "") -> None:
        """Use a repository.

        Args:
            asking: Which one.
            every_s: How often it is asked.
            area: Administrative division the box is in; empty for the line-up of everywhere.
            box: The box's name, which spreads the questions of many boxes over time.
        """
        self._asking = asking
        self._area = area
        share = int.from_bytes(hashlib.sha256(box.encode()).digest()[:4]) / 2**32
        self.pause_s = every_s * (1 - _JITTER / 2 + _JITTER * share)

    async def opened(self, kept: Path) -> Brought:
        believed = await self._ask(["kept", "--kept", kept], _OPEN_TIMEOUT_S)
        return await asyncio.to_thread(_read, kept, believed)

    async def newer(self, kept: Path, scratch: Path) -> Brought | None:
        errand: list[str | Path] = ["line-up", "--area", self._area, "--kept", kept, "--into", scratch]
        believed = await self._ask(errand, _FETCH_TIMEOUT_S)
        return await asyncio.to_thread(_read, scratch if believed.is_new else kept, believed)

    def is_refusal(self, error: GatewayError) -> bool:
        told = isinstance(error, TrustError | LineUpError)
        return told and not isinstance(error, UnreachableError)

    async def _ask(self, errand: list[str | Path], timeout_s: float) -> Believed:
        try:
            return await self._asking.ask(errand, Believed, timeout_s)
        except RefusedError as error:
            raise error_of(error.refused.code, error.refused.reason) from error


def _read(seal: Path, believed: Believed) -> Brought:
    line_up = _signed(read_believed(seal.read_bytes(), believed))
    return Brought(line_up, seal, f"{believed.area}/{believed.version}")


def _signed(document: SignedLineUp) -> LineUp:
    found = parse(document.text)
    guides = (document.guide, *found.guide_urls) if document.guide else found.guide_urls
    return LineUp(found.channels, found.skipped, guides, document.hosts, signed=True)
