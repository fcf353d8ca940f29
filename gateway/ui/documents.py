"""What the API and the events say, as JSON documents.

One rule: these are the fixed names of the outside.  The subsystems' own types
may change behind them; a name here may not.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

Value = bool | int | float | str

EntityName = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
WantedValue = (
    bool
    | Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
    | Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
    | Annotated[str, msgspec.Meta(max_length=1024)]
)
NoticeText = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
CommandStateName = Literal["sent", "acknowledged", "confirmed", "failed", "expired"]
PictureName = Literal["idle", "tuning", "playing", "stalled", "failed"]


class Catchup(msgspec.Struct, frozen=True, kw_only=True):
    """How far back a channel can be watched."""

    days: int


class Channel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One entry of the line-up."""

    id: str
    number: int
    name: str
    group: str = ""
    logo: str = ""
    radio: bool = False
    resolution: str | None = None
    catchup: Catchup | None = None


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the guide."""

    id: str
    channel: str
    start: datetime
    stop: datetime
    title: str
    subtitle: str = ""
    description: str = ""
    category: str = ""
    age: int = 0


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A sound or subtitle track of what is playing."""

    id: str
    kind: Literal["audio", "subtitle"]
    language: str
    name: str
    selected: bool


class TvWindow(msgspec.Struct, frozen=True, kw_only=True):
    """From when to when one can seek now; `end` is live, or the end of a recording."""

    start: datetime
    end: datetime


class Tv(msgspec.Struct, frozen=True, kw_only=True):
    """The television now.

    `stream` is set only on plane ``inpage``: the address the page must play,
    with `stream_id` to name it in its reports.
    """

    channel: str | None
    number: int | None
    name: str | None
    picture: PictureName
    first_frame_ms: int | None
    mode: Literal["live", "timeshift", "catchup", "recording"]
    position: datetime | None
    paused: bool
    window: TvWindow | None
    recording: str | None
    zap: Literal["predicted", "warm", "cold"] | None
    tracks: list[Track]
    volume_percent: int
    muted: bool
    plane: Literal["under", "osd", "inpage"]
    stream: str | None
    stream_id: str | None
    code: str | None


class PictureReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page saw in its own video element (plane ``inpage``)."""

    stream_id: str
    picture: Literal["first_frame", "stalled", "resumed", "failed"]
    code: str | None = None
    tracks: list[Track] | None = None


class Tune(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channel, by exactly one of its names; `position` is where to begin, live without."""

    channel: str | msgspec.UnsetType = msgspec.UNSET
    number: int | msgspec.UnsetType = msgspec.UNSET
    position: datetime | msgspec.UnsetType = msgspec.UNSET


class SelectTrack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of `Tv.tracks`."""

    id: str


Key = Literal[
    "up", "down", "left", "right", "ok", "back", "home", "menu", "info", "guide",
    "channel_up", "channel_down", "last", "volume_up", "volume_down", "mute",
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
    "red", "green", "yellow", "blue", "play", "pause", "stop", "rewind", "forward",
    "power", "sos",
]  # fmt: skip


class KeyPress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logical key of the remote."""

    key: Key


class KeysTaken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page does with keys that otherwise mean the television; holds for a minute."""

    digits: bool = False
    channels: bool = False


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A thing in the home."""

    id: str
    name: str
    link: str
    manufacturer: str
    model: str
    firmware: str
    entities: list[str]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A value in the household's own unit."""

    value: Value
    unit: str


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One ability of a device, and what it last reported.

    `part` says which side of the thing called `name` it is, empty for the thing itself.
    What is writable can be told to become true or false, one of `choices`, or a number
    from `minimum` to `maximum`, as its capability says.

    `quality` is ``good``, ``kept`` where a broker kept the value from an earlier time, ``unknown`` where the
    device does not say, ``implausible`` for a value that can be true of nobody's body, or ``undated`` where
    only the arrival of what was measured of one is known.
    What measures somebody's body says so in `body` (``systolic``, ``diastolic``, ``pulse``,
    ``breathing``, ``glucose``, ``spo2``, ``weight``, ``temperature`` or ``other``), is private wherever it is
    shown, and has in `reported_at` when it was measured.  `shown` is there where the household reads another
    unit than the meter measures in.
    """

    id: str
    name: str
    device: str
    device_name: str
    capability: str
    device_class: str
    unit: str
    part: str
    writable: bool
    choices: list[str]
    minimum: float | None
    maximum: float | None
    step: float
    value: Value | None
    available: bool
    reported_at: datetime | None
    source: str
    body: str = ""
    quality: Literal["good", "kept", "unknown", "implausible", "undated"] = "good"
    shown: Shown | None = None


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A report, or what the reports of one step come to; of numbers the least, the most and the mean too."""

    at: datetime
    value: Value
    count: int = 1
    least: float | None = None
    most: float | None = None
    mean: float | None = None


class EntityHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What an entity reported; a step of 0 seconds means that each point is one report."""

    id: str
    unit: str
    step_s: int
    points: list[HistoryPoint]


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entity should become."""

    value: WantedValue


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """The life of an order.  Only ``confirmed`` means that the device says so itself."""

    id: str
    entity: str
    value: Value
    state: CommandStateName
    code: str | None
    created_at: datetime
    changed_at: datetime
    expires_at: datetime


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something the household is asked; OK on the remote is yes, Back is no.

    What `camera` sees is shown beside it.
    """

    id: str
    text: dict[str, str]
    expires_at: datetime
    camera: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer to a question."""

    yes: bool


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody in the house was to know; a later one has the greater id."""

    id: int
    text: dict[str, str]
    at: datetime


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An installed app; `name` and `summary` by locale, the latter empty if it has none."""

    id: str
    version: str
    name: dict[str, str]
    summary: dict[str, str]
    icon: str
    color: str
    state: Literal["installed", "open"]


class AppOpened(msgspec.Struct, frozen=True, kw_only=True):
    """Where the sandboxed frame finds its page; valid for this opening only."""

    id: str
    entry: str


class AppCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call an app made over its port, as the page relays it."""

    method: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    params: dict[str, Any] = {}


class Permission(msgspec.Struct, frozen=True, kw_only=True):
    """What an app may do, and why it says it must; `reason` by locale."""

    name: str
    sensitivity: str
    reason: dict[str, str]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """An app, the line-up or a device's firmware: what is here, what is offered, and the last refusal.

    `stage` is how far a device is on its way: idle, downloading, downloaded, updating, updated, failed or
    skipped.
    """

    kind: Literal["app", "line-up", "firmware"]
    id: str
    installed: str | None
    available: str | None
    refused_code: str | None
    refused_reason: str | None
    checked_at: datetime | None
    stage: str | msgspec.UnsetType = msgspec.UNSET


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something the screen tells the household for some seconds; what is `urgent` before all else.

    What `camera` sees is shown beside it.
    """

    text: dict[str, str]
    code: str | None
    at: datetime
    urgent: bool = False
    camera: str | None = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether each service runs."""

    status: Literal["ok", "degraded"]
    services: dict[str, str]
