"""What the child that checks a repository tells the daemon.

One rule: plain values, free of any library, because the daemon reads them too.
"""

import msgspec

from gateway.trust.firmware import SignedFirmware


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


class FirmwareOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An image that the operator has signed for some kind of device, not yet brought."""

    path: str
    manifest: SignedFirmware


class FirmwareListing(msgspec.Struct, frozen=True, kw_only=True):
    """The images for the kinds of devices that were asked for."""

    offers: list[FirmwareOffer] = []
    refused: list[Refused] = []
