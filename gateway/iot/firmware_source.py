"""Where images come from, and where they lie on the box until their device has them.

One rule: what is here is a file somebody may have altered; it is read once,
compared with its manifest, and those very bytes are used.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from gateway.disk import LocalDisk
from gateway.trust.asking import Asking
from gateway.trust.errors import AlteredError, TrustStateError
from gateway.trust.firmware import SignedFirmware, slug
from gateway.trust.offers import Fetched, FirmwareListing

_LIST_TIMEOUT_S = 300.0
_FETCH_TIMEOUT_S = 2 * 3600.0
_disk = LocalDisk()


class FirmwareSource(Protocol):
    """Where images come from.

    Implementations: `SignedFirmwareSource`; a dummy in the service's tests.
    """

    async def listing(self, kinds: Iterable[tuple[str, str]]) -> FirmwareListing:
        """Return what is offered for `kinds`, each a vendor and a model.

        Raises:
            RefusedError: the repository is not believed or not there.
        """

    async def image(self, path: str, manifest: SignedFirmware) -> bytes:
        """Return the image of the manifest at `path`, checked now, wherever it comes from.

        Raises:
            RefusedError: it is not believed or not there.
            AlteredError: what is here is not what was signed.
        """

    async def tidy(self, kept: Iterable[SignedFirmware]) -> None:
        """Remove all images but those of `kept`."""


class SignedFirmwareSource:
    """See `FirmwareSource`.  A TUF repository over HTTP."""

    def __init__(self, url: str, root: Path, folder: Path) -> None:
        """Use the repository at `url`.

        Args:
            url: See `gateway.trust.asking.Asking`.
            root: The root of trust shipped with the box.
            folder: For metadata, manifests and images; nobody else's.
        """
        self._asking = Asking(url, root, folder / "trust")
        self._manifests = folder / "manifests"
        self._images = folder / "images"

    async def listing(self, kinds: Iterable[tuple[str, str]]) -> FirmwareListing:
        errand: list[str | Path] = ["firmware", "--kept", self._manifests]
        for vendor, model in sorted({(slug(vendor), slug(model)) for vendor, model in kinds}):
            errand += ["--model", f"{vendor}/{model}"]
        return await self._asking.ask(errand, FirmwareListing, _LIST_TIMEOUT_S)

    async def image(self, path: str, manifest: SignedFirmware) -> bytes:
        file = self._images / f"{manifest.sha256}.bin"
        data = await asyncio.to_thread(_read, file, manifest)
        if data is None:
            errand: list[str | Path] = ["image", "--kept", self._manifests, "--into", file, "--target", path]
            await self._asking.ask(errand, Fetched, _FETCH_TIMEOUT_S)
            data = await asyncio.to_thread(_read, file, manifest)
        if data is None:
            raise AlteredError(f"the image of {path} on the box's disk is not what was signed")
        return data

    async def tidy(self, kept: Iterable[SignedFirmware]) -> None:
        names = {f"{manifest.sha256}.bin" for manifest in kept}
        await asyncio.to_thread(_remove_others, self._images, names)


def _read(file: Path, manifest: SignedFirmware) -> bytes | None:
    try:
        if file.stat().st_size != manifest.size:
            return None
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrustStateError(f"{file}: {error.strerror}") from error
    return data if hashlib.sha256(data).hexdigest() == manifest.sha256 else None


def _remove_others(folder: Path, names: set[str]) -> None:
    for file in folder.glob("*"):
        if file.name not in names:
            _disk.remove(file)
