"""Asking the operator's repository, through a child that does the checking.

One rule: the daemon never parses what the network sent; it reads the short
JSON answer of ``python -m gateway.trust``.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from gateway import child
from gateway.errors import GatewayError
from gateway.trust.offers import Fetched, Listing, Offer, Refused

T = TypeVar("T")

MAX_ANSWER_BYTES = 4 * 1024 * 1024

_LIST_TIMEOUT_S = 120.0
_FETCH_TIMEOUT_S = 2 * 3600.0
_BELIEVED, _REFUSED = 0, 1


class RefusedError(GatewayError):
    """The repository as a whole was not believed.

    Attributes:
        refused: What the child says; its code is the one that counts.
    """

    code = "TRUST-100"

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


class Repository(Protocol):
    """Where apps come from.

    Implementations: `SignedRepository`; a slow one in the installer's tests.
    """

    async def listing(self) -> Listing:
        """Return what is offered.

        Raises:
            RefusedError: the repository is not believed or not there.
        """

    async def fetch(self, offers: Sequence[Offer], into: Path) -> Sequence[Refused | None]:
        """Bring each offer as ``<position>.zip`` into the folder `into`.

        Returns:
            For each offer `None`, or why it is not there.

        Raises:
            RefusedError: the repository is not believed or not there.
        """


class SignedRepository:
    """See `Repository`.  A TUF repository over HTTP."""

    def __init__(self, url: str, root: Path, metadata: Path) -> None:
        """Use the repository at `url`.

        Args:
            url: Its address; ``metadata/`` and ``targets/`` lie below.
            root: The root of trust shipped with the box.
            metadata: Folder for this box's copy of the metadata.
        """
        self._options: list[str | Path] = [
            "--url",
            url if url.endswith("/") else f"{url}/",
            "--root",
            root,
            "--metadata",
            metadata,
        ]

    async def listing(self) -> Listing:
        return await self._ask(["list"], Listing, _LIST_TIMEOUT_S)

    async def fetch(self, offers: Sequence[Offer], into: Path) -> Sequence[Refused | None]:
        errand: list[str | Path] = ["fetch", "--into", into]
        for offer in offers:
            errand += ["--target", offer.path]
        fetched = await self._ask(errand, Fetched, _FETCH_TIMEOUT_S)
        by_path = {refused.path: refused for refused in fetched.refused}
        return [by_path.get(offer.path) for offer in offers]

    async def _ask(self, errand: Sequence[str | Path], kind: type[T], timeout_s: float) -> T:
        argv = [sys.executable, "-I", "-m", "gateway.trust", *errand, *self._options]
        try:
            async with (
                asyncio.timeout(timeout_s),
                child.running(argv, stdout=PIPE, stderr=PIPE) as process,
                asyncio.TaskGroup() as group,
            ):
                complaint = group.create_task(_read(process.stderr), name="trust-stderr")
                text = await _read(process.stdout)
                status = await process.wait()
        except TimeoutError as error:
            raise _broken("TRUST-106", "the repository took too long") from error
        if status == _REFUSED:
            raise RefusedError(_decode(text, Refused))
        if status != _BELIEVED:
            last = complaint.result().decode(errors="replace").strip().splitlines()[-1:]
            raise _broken("TRUST-107", f"the check ended with status {status}: {' '.join(last)[:200]}")
        return _decode(text, kind)


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    if stream is None:
        return b""
    parts = bytearray()
    while part := await stream.read(64 * 1024):
        if len(parts) <= MAX_ANSWER_BYTES:
            parts += part
    return bytes(parts)


def _decode(text: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise _broken("TRUST-107", f"the check gave no readable answer: {error}") from error


def _broken(code: str, reason: str) -> RefusedError:
    return RefusedError(Refused(path="", code=code, reason=reason))
