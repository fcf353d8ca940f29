"""Where apps come from: the operator's signed repository.

One rule: nothing is checked here; the child of `gateway.trust.asking` does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gateway.trust.asking import Asking
from gateway.trust.offers import Fetched, Listing, Offer, Refused

_LIST_TIMEOUT_S = 120.0
_FETCH_TIMEOUT_S = 2 * 3600.0


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
        """Use the repository at `url`; see `gateway.trust.asking.Asking`."""
        self._asking = Asking(url, root, metadata)

    async def listing(self) -> Listing:
        return await self._asking.ask(["list"], Listing, _LIST_TIMEOUT_S)

    async def fetch(self, offers: Sequence[Offer], into: Path) -> Sequence[Refused | None]:
        errand: list[str | Path] = ["fetch", "--into", into]
        for offer in offers:
            errand += ["--target", offer.path]
        fetched = await self._asking.ask(errand, Fetched, _FETCH_TIMEOUT_S)
        by_path = {refused.path: refused for refused in fetched.refused}
        return [by_path.get(offer.path) for offer in offers]
