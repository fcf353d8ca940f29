"""What the API says about recordings, reminders, members, locks and phones, as JSON documents.

One rule: the same as `gateway.ui.documents`: a name here is a promise to the outside.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from gateway.ui.documents import Programme

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Pin = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4,8}$")]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Seek(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to go on; exactly one of an instant and a step from here."""

    position: datetime | msgspec.UnsetType = msgspec.UNSET
    step_s: Annotated[float, msgspec.Meta(ge=-604_800, le=604_800)] | msgspec.UnsetType = msgspec.UNSET


class GuideFocus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The channel on which the focus of a guide or a list rests; None when it rests on none any more."""

    channel: Identifier | None


class WatchProgramme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A programme of the guide, by its id."""

    programme: Identifier


class WatchRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recording, by its id; `from_start` or where it was left."""

    recording: Identifier
    from_start: bool = False


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Something recorded, being recorded, or planned.

    `state` is ``partial`` when power or signal was lost: it plays what is there.  `conflict`
    means that it will not be recorded as things stand; `code` says why.
    """

    id: str
    channel: str
    channel_name: str
    title: str
    subtitle: str
    description: str
    start: datetime
    stop: datetime
    state: Literal["planned", "recording", "done", "partial", "failed", "conflict"]
    size_bytes: int
    duration_s: float
    position_s: float
    series: str | None
    code: str | None


class NewRecording(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A programme of the guide, or a channel and a time."""

    programme: Identifier | msgspec.UnsetType = msgspec.UNSET
    channel: Identifier | msgspec.UnsetType = msgspec.UNSET
    start: datetime | msgspec.UnsetType = msgspec.UNSET
    stop: datetime | msgspec.UnsetType = msgspec.UNSET
    title: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: every programme with this title; `keep_last` of 0 keeps all, no `channel` means any."""

    id: str
    title: str
    channel: str | None
    keep_last: int


class NewSeries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See `Series`."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    channel: Identifier | None = None
    keep_last: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0


class RecordingSpace(msgspec.Struct, frozen=True, kw_only=True):
    """What recordings take, what they may take, and what the disk has left."""

    used_bytes: int
    quota_bytes: int
    free_bytes: int


class Recordings(msgspec.Struct, frozen=True, kw_only=True):
    """All recordings, newest first, the rules, and the space."""

    recordings: list[Recording]
    series: list[Series]
    space: RecordingSpace


class NowOn(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a channel now and next."""

    channel: str
    now: Programme | None
    next: Programme | None


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """A programme the household wants to be told about."""

    id: str
    programme: Programme


class NewReminder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A programme of the guide, by its id."""

    programme: Identifier


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the household, and the channels they like, in their order."""

    id: str
    name: str
    child: bool
    favourites: list[str]


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """The members, who is watching (None: everybody), and how sound is treated."""

    members: list[Member]
    current: str | None
    levelling: bool
    share_viewing: bool


class PutMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new or changed member."""

    name: Name
    child: bool = False
    favourites: Annotated[list[Identifier], msgspec.Meta(max_length=500)] | msgspec.UnsetType = msgspec.UNSET


class PutHousehold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    current: Identifier | msgspec.UnsetType | None = msgspec.UNSET
    levelling: bool | msgspec.UnsetType = msgspec.UNSET
    share_viewing: bool | msgspec.UnsetType = msgspec.UNSET


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From when to when children may watch, local time; may run over midnight."""

    start: ClockTime
    stop: ClockTime


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The child lock.  It applies to members marked as children, or to everybody while nobody is chosen.

    `minutes_left` is of today; `open_until` is set while the PIN has opened it.
    """

    has_pin: bool
    max_age: int | None
    channels: list[str]
    hours: Hours | None
    minutes_a_day: int | None
    minutes_left: int | None
    open_until: datetime | None


class PutLock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lock as it shall be; `pin` is the present one, or the first one ever; `new_pin` replaces it."""

    pin: Pin
    new_pin: Pin | msgspec.UnsetType = msgspec.UNSET
    max_age: Annotated[int, msgspec.Meta(ge=0, le=21)] | None = None
    channels: Annotated[list[Identifier], msgspec.Meta(max_length=500)] = []
    hours: Hours | None = None
    minutes_a_day: Annotated[int, msgspec.Meta(ge=0, le=1440)] | None = None


class OpenLock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The PIN, to watch all the same for a while."""

    pin: Pin


class PairingOffer(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone joins: by the address in the QR code, or by the six digits.  Two minutes, once.

    `qr` is the address as a picture (a ``data:`` address of an SVG).
    """

    address: str
    qr: str
    code: str
    expires_at: datetime


class PairingClaim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the phone shows for it; exactly one of the two secrets."""

    token: Annotated[str, msgspec.Meta(min_length=16, max_length=64)] | msgspec.UnsetType = msgspec.UNSET
    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}$")] | msgspec.UnsetType = msgspec.UNSET
    name: Name = "手机"


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """A phone that belongs to the house."""

    id: str
    name: str
    role: Literal["viewer", "member", "owner"]
    paired_at: datetime
    seen_at: datetime | None


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """The phone that has joined; `secret` is said this once, a browser gets it as a cookie, too."""

    phone: Phone
    secret: str


class PutPhone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another role for a phone."""

    role: Literal["viewer", "member", "owner"]


class Zap(msgspec.Struct, frozen=True, kw_only=True):
    """One channel change, for support: how long it took and why."""

    at: datetime
    channel: str
    first_frame_ms: int | None
    how: Literal["predicted", "warm", "cold"]
    player_ms: int | None
    source: int
    stalls: int
    stalled_ms: int
    source_changes: int
    watched_s: int
    code: str | None


class Television(msgspec.Struct, frozen=True, kw_only=True):
    """What support asks for; never leaves the house unless the household shares it."""

    shared: bool
    zaps: list[Zap]
    median_first_frame_ms: int | None
    predicted_share: float | None
