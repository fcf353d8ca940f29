"""Why an order is not taken.

One rule: whoever orders learns at once what cannot be; what can be has a life, see `commands_model`.
"""

from typing import ClassVar

from gateway.errors import BadInputError, GatewayError


class UnknownEntityError(BadInputError):
    """The home has no such entity."""

    code: ClassVar[str] = "IOT-203"
    hint = "Ask for the list of entities; the device may have been removed."


class NotWritableError(BadInputError):
    """The entity only reports."""

    code: ClassVar[str] = "IOT-204"
    hint = "It only tells; its entry in the list of entities says whether one takes commands."


class WrongValueError(BadInputError):
    """The entity cannot have this value."""

    code: ClassVar[str] = "IOT-205"
    hint = (
        "What is switched is true or false, a button is true, a number lies between minimum and maximum, "
        "everything else is one of its choices."
    )


class CommandsDownError(GatewayError):
    """Commands are not taken at the moment."""

    code: ClassVar[str] = "IOT-208"
    hint = "Try again in a moment; gateway doctor says what is missing."
