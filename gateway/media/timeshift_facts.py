"""What time-shift tells, and how it is set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.media.relay_facts import MIB
from gateway.schema import FieldError

GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class ShiftDegraded:
    """The disk takes no more: only what is in memory can be gone back in.

    Attributes:
        code: Why, one of the ``TV-5…`` codes.
    """

    code: str


@dataclass(frozen=True, slots=True)
class ShiftRecovered:
    """The disk takes media again after `ShiftDegraded`."""


ShiftFact = ShiftDegraded | ShiftRecovered


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeShiftConfig:
    """The ``media.timeshift`` section.

    Attributes:
        keep: What goes to the disk: all that is ``watched``; only while ``paused`` or behind the
            present, which spares flash; ``off`` for nothing, not even in memory.
        folder: Where it goes, absolute; None for below the state folder.
        window_s: How much of a channel is kept; what is older leaves.
        quota_bytes: All channels together on the disk.
        min_free_bytes: Left free on the disk for everything else.
        memory_bytes: Kept in memory of the channel that is on, if it does not go to the disk.
        file_bytes: Files are about so large, and leave as a whole.
        write_bytes: Media is written in multiples of this.
        flush_s: Media waits in memory for no longer than this.
        settle_s: A channel is kept from this long after it was tuned to; its beginning is not lost.
        retry_s: After the disk or the channel failed, it is tried again so often.
    """

    keep: Literal["watched", "paused", "off"] = "paused"
    folder: Path | None = None
    window_s: float = 7200.0
    quota_bytes: int = 8 * GIB
    min_free_bytes: int = GIB
    memory_bytes: int = 64 * MIB
    file_bytes: int = 32 * MIB
    write_bytes: int = MIB
    flush_s: float = 10.0
    settle_s: float = 3.0
    retry_s: float = 5.0

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_absolute():
            raise FieldError("folder", "must be absolute")
        if not 60 <= self.window_s <= 86_400:  # noqa: PLR2004 - a minute, a day
            raise FieldError("window_s", "must be from 60 to 86400")
        for name in ("flush_s", "settle_s", "retry_s"):
            if not 0 < getattr(self, name) <= 60:  # noqa: PLR2004 - a minute
                raise FieldError(name, "must be over 0 and at most 60")
        for name in ("quota_bytes", "min_free_bytes", "memory_bytes"):
            if getattr(self, name) < 0:
                raise FieldError(name, "must not be negative")
        if not 4096 <= self.write_bytes <= self.file_bytes:  # noqa: PLR2004 - a page
            raise FieldError("write_bytes", "must be at least 4096 and at most file_bytes")
