"""What an app, or the household about an app, may be told.

One rule: an app learns that it may not, never what it may not see.
"""

from typing import ClassVar

from gateway.errors import BadInputError, GatewayError


class UnknownAppError(BadInputError):
    """There is no such app on this box."""

    code: ClassVar[str] = "APP-201"
    hint = "Look at the list of installed apps."


class AppNotOpenError(BadInputError):
    """The app is not open, so it may not ask for anything."""

    code: ClassVar[str] = "APP-202"
    hint = "Open the app first."


class HostError(GatewayError):
    """The apps' pages cannot be served."""

    code: ClassVar[str] = "APP-203"
    hint = "Choose a free port in `apps.port`."


class PermissionDeniedError(BadInputError):
    """The app did not ask for this in its manifest."""

    code: ClassVar[str] = "APP-301"
    hint = "Name the permission in manifest.yaml and publish a new version."


class QuotaError(BadInputError):
    """The app has used up its storage."""

    code: ClassVar[str] = "APP-302"
    hint = "Remove something first, or ask for more in storage.quota_mb."


class CallError(BadInputError):
    """The app's call is not one there is, or its arguments are wrong."""

    code: ClassVar[str] = "APP-303"
    hint = "docs/app-contract.md lists the calls."


class TooManyCallsError(BadInputError):
    """The app calls too often."""

    code: ClassVar[str] = "APP-304"
    hint = "Wait a second, and read less often."
