"""Asking the operator's repository, through a child that does the checking.

One rule: the daemon never parses what the network sent; it reads the short
JSON answer of ``python -m gateway.trust``.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from gateway import child
from gateway.errors import GatewayError
from gateway.trust.offers import Refused

T = TypeVar("T")

MAX_ANSWER_BYTES = 4 * 1024 * 1024

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


class Asking:
    """Sends the child on errands to one repository."""

    def __init__(self, url: str, root: Path, metadata: Path) -> None:
        """Use the repository at `url`.

        Args:
            url: Its address; ``metadata/`` and ``targets/`` lie below.
            root: The root of trust shipped with the box.
            metadata: Folder for this box's copy of the metadata; nobody else's.
        """
        self._options: list[str | Path] = [
            "--url",
            url if url.endswith("/") else f"{url}/",
            "--root",
            root,
            "--metadata",
            metadata,
        ]

    async def ask(self, errand: Sequence[str | Path], kind: type[T], timeout_s: float) -> T:
        """Return the child's answer to `errand`.

        Raises:
            RefusedError: the repository is not believed or not there.
        """
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
