"""What a recording is, what the recorder refuses, and how it is set.

One rule: a recording's state is what the household may rely on: ``done`` is
whole, ``partial`` plays what is there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from gateway.errors import BadInputError
from gateway.media.lineup import ChannelId
from gateway.media.timeshift_facts import GIB
from gateway.schema import FieldError

CONFLICT = "TV-512"
"""More would be recorded at once than the box can."""

MISSED = "TV-513"
"""The box was off, or its clock wrong, for the whole of it."""

WATCHED_SHARE = 0.9


class NoRoomError(BadInputError):
    """There is no room for another recording."""

    code: ClassVar[str] = "TV-511"
    hint = "Delete recordings that have been watched."


class RecordingTimeError(BadInputError):
    """Nothing can be recorded at that time."""

    code: ClassVar[str] = "TV-514"
    hint = "Choose a time that is not over, and at most twelve hours."


class NotRecordingError(BadInputError):
    """It is not being recorded now."""

    code: ClassVar[str] = "TV-515"
    hint = "Look at the list of recordings again."


class UnknownSeriesError(BadInputError):
    """There is no such rule for a series."""

    code: ClassVar[str] = "TV-516"
    hint = "Look at the list of recordings again."


class TooManyError(BadInputError):
    """There are as many recordings, or rules, as the box keeps track of."""

    code: ClassVar[str] = "TV-517"
    hint = "Delete some first."


class RecordingState(StrEnum):
    """How far a recording is."""

    PLANNED = "planned"
    RECORDING = "recording"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CONFLICT = "conflict"


PLAYABLE = frozenset({RecordingState.RECORDING, RecordingState.DONE, RecordingState.PARTIAL})
TO_COME = frozenset({RecordingState.PLANNED, RecordingState.CONFLICT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Something recorded, being recorded, or to be recorded; times are UTC.

    Attributes:
        start: Of the programme, without what is recorded before it.
        asked_at: When the household wanted it; what was over by then is not missed.
        programme: Its id in the guide; None for a time on a channel.
        series: Id of the rule that wants it.
        episode: What all showings of it have in common; empty without a rule.
        age: For whom the programme is fit, in years; 0 for everybody.
        begun_at: Wall time of its first picture.
        size_bytes: On the disk.
        duration_s: Of what plays.
        position_s: Where somebody stopped watching.
        watched: Somebody saw it to the end, or nearly.
        code: Why it is ``partial``, ``failed`` or in ``conflict``.
    """

    id: str
    channel: ChannelId
    channel_name: str
    title: str
    start: datetime
    stop: datetime
    asked_at: datetime
    state: RecordingState = RecordingState.PLANNED
    subtitle: str = ""
    description: str = ""
    programme: str | None = None
    series: str | None = None
    episode: str = ""
    age: int = 0
    begun_at: datetime | None = None
    size_bytes: int = 0
    duration_s: float = 0.0
    position_s: float = 0.0
    watched: bool = False
    code: str | None = None

    @property
    def resume_s(self) -> float:
        """Where to go on watching: the beginning, of what was seen to the end."""
        left_s = self.duration_s - self.position_s
        over = self.state is not RecordingState.RECORDING and left_s < (1 - WATCHED_SHARE) * self.duration_s
        return 0.0 if over else self.position_s


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRule:
    """Record every episode of a series.

    Attributes:
        title: As the household knows it.
        key: As `gateway.media.guide_words.series_of` says it.
        channel: Only there; None for any.
        keep_last: The newest so many stay; 0 keeps all.
    """

    id: str
    title: str
    key: str
    channel: ChannelId | None = None
    keep_last: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """What recordings take, what they may take, and what the disk has left."""

    used_bytes: int
    quota_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderConfig:
    """The ``media.recordings`` section.

    Attributes:
        folder: Where they go, absolute; None for below the state folder.
        quota_bytes: All recordings together.
        min_free_bytes: Left free on the disk for everything else.
        auto_delete: What was watched makes room for what is new, the oldest first.
        max_at_once: Recorded at the same time.
        before_s: Recorded before a programme, if nothing else needs the place.
        after_s: Likewise after it.
        late_s: Recorded longer than by the clock, since pictures arrive some seconds late.
        secure_every_s: A power cut takes no more than this of what was recorded.
        retry_s: A channel that fails is tried again so often.
        shortest_loss_s: A recording that lacks less is whole.
    """

    folder: Path | None = None
    quota_bytes: int = 64 * GIB
    min_free_bytes: int = 2 * GIB
    auto_delete: bool = True
    max_at_once: int = 3
    before_s: float = 60.0
    after_s: float = 180.0
    late_s: float = 10.0
    secure_every_s: float = 5.0
    retry_s: float = 2.0
    shortest_loss_s: float = 10.0

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_absolute():
            raise FieldError("folder", "must be absolute")
        for name in ("quota_bytes", "min_free_bytes"):
            if getattr(self, name) < 0:
                raise FieldError(name, "must not be negative")
        for name in ("before_s", "after_s", "late_s", "shortest_loss_s"):
            if not 0 <= getattr(self, name) <= 3600:  # noqa: PLR2004 - an hour
                raise FieldError(name, "must be from 0 to 3600")
        for name in ("secure_every_s", "retry_s"):
            if not 0 < getattr(self, name) <= 60:  # noqa: PLR2004 - a minute
                raise FieldError(name, "must be over 0 and at most 60")
        if not 1 <= self.max_at_once <= 16:  # noqa: PLR2004 - no box has more tuners
            raise FieldError("max_at_once", "must be from 1 to 16")

    @property
    def before(self) -> timedelta:
        """See `before_s`."""
        return timedelta(seconds=self.before_s)

    @property
    def after(self) -> timedelta:
        """See `after_s`."""
        return timedelta(seconds=self.after_s)
