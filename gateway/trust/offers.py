"""What the child that checks a repository tells the daemon.

One rule: plain values, free of any library, because the daemon reads them too.
"""

import msgspec


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that may be installed."""

    app: str
    version: str
    path: str
    length: int
    sha256: str
    publisher: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What must not be used, and why; an empty `path` means the whole repository."""

    path: str
    code: str
    reason: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a repository offers."""

    offers: list[Offer] = []
    refused: list[Refused] = []


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be brought."""

    refused: list[Refused]
