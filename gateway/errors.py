"""The root of every error that a person may see.

One rule: whoever raises says what happened, and the class says by which code
the television and the installer know it and what they can do about it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class GatewayError(Exception):
    """Something the gateway refuses or cannot do.

    Attributes:
        code: Stable identifier, shown on the screen and listed in ``docs/errors.md``.
        hint: One sentence for whoever can act.
    """

    code: ClassVar[str] = "GW-001"
    hint: str = "Restart the box; if it comes back, call support with this code."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint

    def line(self) -> str:
        """Return the whole error on one line, ``CODE: what happened. What to do.``."""
        what = " ".join(str(self).split()).rstrip(".")
        return f"{self.code}: {what}. {self.hint}"


class BadInputError(GatewayError):
    """What we were given is wrong, and giving the same again will not help."""

    code: ClassVar[str] = "GW-002"
    hint = "Correct the input and try again."


@contextmanager
def ungrouped() -> Iterator[None]:
    """Let the first `GatewayError` of a task group come out by itself.

    A group with anything else in it stays whole.  Not ``except*``: until Python 3.11.4,
    and so on Debian 12, what is raised there comes out wrapped in a group again.
    """
    try:
        yield
    except ExceptionGroup as group:
        foreseen, rest = group.split(GatewayError)
        if foreseen is None or rest is not None:
            raise
        first: Exception = foreseen
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from group
