"""What can go wrong at the operator's desk.

One rule: nothing has been published when one of these is raised.
"""

from typing import ClassVar

from gateway.errors import BadInputError, GatewayError


class UsageError(BadInputError):
    """The command asks for something that cannot be."""

    code: ClassVar[str] = "HE-001"
    hint = "See `headend --help`."


class RepositoryStateError(GatewayError):
    """The repository's files are not as they should be."""

    code: ClassVar[str] = "HE-101"
    hint = "Check the path; `headend init` makes a new repository."


class KeyRingError(GatewayError):
    """A private key is missing or cannot be opened."""

    code: ClassVar[str] = "HE-102"
    hint = "Check --keys and the passphrase."


class ThresholdError(GatewayError):
    """Too few keys have signed."""

    code: ClassVar[str] = "HE-103"
    hint = "Let the other key holders run `headend sign REPO --role ROLE`, then publish again."


class NamespaceError(BadInputError):
    """A bundle's id does not belong to any publisher, or a prefix is taken."""

    code: ClassVar[str] = "HE-104"
    hint = "Use the publisher's own prefix; `headend publisher list` shows them."


class LineUpFaultError(BadInputError):
    """A line-up has faults that would reach the households."""

    code: ClassVar[str] = "HE-106"
    hint = "Correct the list and check it again. 请更正列表后重新检查。"


class NoLineUpSignerError(GatewayError):
    """The repository has nobody who may sign line-ups."""

    code: ClassVar[str] = "HE-107"
    hint = "Run `headend lineup admit REPO` with the targets keys, then `headend publish REPO`."


class NoFirmwareSignerError(GatewayError):
    """The repository has nobody who may sign devices' firmware."""

    code: ClassVar[str] = "HE-108"
    hint = "Run `headend firmware admit REPO` with the targets keys, then `headend publish REPO`."


class VersionTakenError(BadInputError):
    """This version, or a higher one, is out already."""

    code: ClassVar[str] = "HE-105"
    hint = "Raise `version` in manifest.yaml and build again."
