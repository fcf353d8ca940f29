"""What the firmware service is told, and what it tells.

One rule: plain values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.iot.firmware_attempt import Stage
from gateway.iot.firmware_source import FirmwareSource
from gateway.pubsub import Publisher
from gateway.schema import FieldError

_DAY_H = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareConfig:
    """The ``iot.firmware`` section.

    Attributes:
        enabled: Whether devices get images at all.
        from_hour: Local hour at which updates may begin.
        until_hour: Local hour from which none begins any more; both alike mean any time.
        canary_s: How long the first device must run an image well before the others get it.
        deadline_s: Give up on a device after this long.
        poll_s: Pause between two questions to a device under way.
        survey_s: Pause between two looks at the home.
    """

    enabled: bool = True
    from_hour: int = 2
    until_hour: int = 5
    canary_s: float = 86_400.0
    deadline_s: float = 86_400.0
    poll_s: float = 3.0
    survey_s: float = 120.0

    def __post_init__(self) -> None:
        for name in ("from_hour", "until_hour"):
            if not 0 <= getattr(self, name) <= _DAY_H:
                raise FieldError(name, f"{getattr(self, name)} is outside 0..24")
        for name, least, most in (
            ("canary_s", 0, 30 * 86_400),
            ("deadline_s", 60, 7 * 86_400),
            ("poll_s", 0.01, 60),
            ("survey_s", 0.01, 3600),
        ):
            if not least <= getattr(self, name) <= most:
                raise FieldError(name, f"{getattr(self, name)} is outside {least}..{most}")

    def allows(self, hour: int) -> bool:
        """Whether updates may begin at the local `hour`."""
        begin, end = self.from_hour % _DAY_H, self.until_hour % _DAY_H
        if begin == end:
            return True
        return begin <= hour < end if begin < end else hour >= begin or hour < end


@dataclass(frozen=True, slots=True, kw_only=True)
class Peace:
    """When the household must not be disturbed.

    Attributes:
        may_start: Whether an image may be moved now.
        changes: Each publishes anything at all, whenever that may have changed.
    """

    may_start: Callable[[], bool]
    changes: Sequence[Publisher[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareRecord:
    """What one device runs, what is offered, and why it does not get that.

    Attributes:
        id: Of the device; of the manifest, if it is refused for any device; ``firmware`` for all.
        stage: How far it is on its way; `None` if it is on none.
    """

    id: str
    installed: str | None = None
    available: str | None = None
    stage: Stage | None = None
    code: str | None = None
    reason: str | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Where images come from.

    Attributes:
        source: `None` when the box has no repository.
        check_every_s: Pause between two looks at it.
    """

    source: FirmwareSource | None
    check_every_s: float
