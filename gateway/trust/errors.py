"""Why something the operator sent is not believed.

One rule: each way a repository can be wrong has its own code, because what
to do about it differs; the installed version goes on in every case.
"""

from typing import ClassVar

from gateway.errors import BadInputError, GatewayError


class TrustError(GatewayError):
    """The repository's offer was refused."""

    code: ClassVar[str] = "TRUST-100"
    hint = "Nothing was changed; if it lasts, tell the operator this code."


class UnreachableError(TrustError):
    """The repository does not answer."""

    code: ClassVar[str] = "TRUST-101"
    hint = "Check the network and the address in `updates.repository`; the box tries again by itself."


class FrozenRepositoryError(TrustError):
    """The repository's signatures have expired: it is abandoned, or someone holds back news."""

    code: ClassVar[str] = "TRUST-102"
    hint = "The operator must refresh the repository (`headend timestamp`); check the box's clock too."


class AlteredError(TrustError):
    """What arrived is not what was signed."""

    code: ClassVar[str] = "TRUST-103"
    hint = "Nothing was changed; if it lasts, the operator must publish again."


class RolledBackError(TrustError):
    """An older state than the one already known is offered."""

    code: ClassVar[str] = "TRUST-104"
    hint = "Nothing was changed; the operator must publish a higher version."


class WrongPublisherError(TrustError):
    """A publisher signed something outside its own names."""

    code: ClassVar[str] = "TRUST-105"
    hint = "The publisher must use its own prefix, or the operator must delegate the name to it."


class EndlessDataError(TrustError):
    """More bytes than signed, or too slowly to be honest."""

    code: ClassVar[str] = "TRUST-106"
    hint = "Nothing was changed; the box tries again by itself."


class TrustStateError(TrustError):
    """The box itself cannot check: disk full, no root of trust, broken state folder."""

    code: ClassVar[str] = "TRUST-107"
    hint = "Check `updates.root` and free space in the state folder."


class KeptAlteredError(TrustError):
    """What was kept on the box is not what was signed."""

    code: ClassVar[str] = "TRUST-108"
    hint = "The copy is not used and is fetched anew; if it happens again, somebody or the disk alters files."


class NoLineUpError(TrustError):
    """The repository has no line-up for this box's area."""

    code: ClassVar[str] = "TRUST-109"
    hint = "Check `box.area`; the operator publishes one with `headend lineup publish --area`."


class WrongDeviceError(TrustError):
    """An image is for another hardware revision than the device's."""

    code: ClassVar[str] = "TRUST-110"
    hint = "Nothing was sent to the device; the operator must publish an image for this revision."


class MissingStepError(TrustError):
    """The device runs a version that the image cannot be installed over."""

    code: ClassVar[str] = "TRUST-111"
    hint = "Nothing was sent to the device; the operator must publish the step between first."


def error_of(code: str, reason: str) -> TrustError:
    """Return the error with `code`; of one that is not known here the general one."""
    kinds = {kind.code: kind for kind in TrustError.__subclasses__()}
    return kinds.get(code, TrustError)(reason)


class BundleError(BadInputError):
    """A bundle's archive is not one that may be opened."""

    code: ClassVar[str] = "APP-101"
    hint = "Build it with `headend build`; docs/app-contract.md has the rules."


class ManifestError(BadInputError):
    """A bundle's manifest is wrong."""

    code: ClassVar[str] = "APP-102"
    hint = "Correct the named keys; docs/app-contract.md lists all of them."


class BackendError(BadInputError):
    """A bundle brings a program to run on the box, which this version does not do."""

    code: ClassVar[str] = "APP-103"
    hint = "Publish the app without `backend`, or update the box first."
