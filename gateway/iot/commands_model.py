"""What a command is, and which steps its life can take.  Pure.

One rule: only the device's own live report, heard after the command was
given, makes it ``confirmed``; no life goes back, and none out of its end.
"""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from gateway.iot.entity import EntityId, StateChanged, Value

_STAMP_SLACK = timedelta(seconds=1)
"""Devices that stamp their reports themselves may do so in whole seconds."""

REPLACED = "IOT-206"
"""Code of a command that a newer one for the same entity replaced."""
SILENT = "IOT-207"
"""Code of a command that the device took, or may have taken, but never reported."""
TOLD = "IOT-209"
"""Code of a command to something that has nothing to report, and that was told."""


class CommandState(StrEnum):
    """Where a command is in its life."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def over(self) -> bool:
        """Whether nothing comes after it."""
        return self in (CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An order to one entity.

    Attributes:
        id: Unique for ever.
        value: What the entity should become.
        code: Why it failed or expired.
        created_at: When it was ordered; like the other times timezone-aware UTC.
        changed_at: When it came into `state`.
        expires_at: Its deadline.
    """

    id: str
    entity: EntityId
    value: Value
    state: CommandState = CommandState.SENT
    code: str | None = None
    created_at: datetime
    changed_at: datetime
    expires_at: datetime


def moved(command: Command, state: CommandState, at: datetime, code: str | None = None) -> Command | None:
    """Return `command` in `state`; `None` if its life does not lead there: not back, not out of an end."""
    if command.state.over or state in (command.state, CommandState.SENT):
        return None
    return msgspec.structs.replace(command, state=state, changed_at=max(at, command.changed_at), code=code)


def confirms(change: StateChanged, command: Command, since: datetime | None = None) -> bool:
    """Return whether `change` is the device's own word that `command` is done.

    Args:
        change: What was reported.
        command: What was ordered.
        since: When it was, by the clock as it is now; `None` if that was not put right since.
    """
    after = change.after
    return (
        change.live
        and after is not None
        and after.entity.id == command.entity
        and after.reported_at is not None
        and after.reported_at >= (since or command.created_at) - _STAMP_SLACK
        and after.entity.agrees(after.value, command.value)
    )
