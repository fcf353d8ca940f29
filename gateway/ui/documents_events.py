"""What the events say, as JSON documents.

One rule: the same as `gateway.ui.documents`: a name here is a promise to the outside.
"""

import msgspec

from gateway.ui.documents import App, Channel, Command, Entity, Key, Notice, Question, Tv
from gateway.ui.documents_pairing import WaitingDevice
from gateway.ui.documents_rules import Scene


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """The first message of the events WebSocket: everything as it is."""

    box: str
    tv: Tv
    channels: list[Channel]
    entities: list[Entity]
    commands: list[Command]
    apps: list[App]
    services: dict[str, str]
    screen: str
    notices: list[Notice]
    scenes: list[Scene]
    questions: list[Question]
    waiting: list[WaitingDevice] = []


class TvEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="tv"):
    """The television changed."""

    tv: Tv


class ChannelsEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="channels"):
    """The line-up changed."""

    channels: list[Channel]


class EntityEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="entity"):
    """An entity is new or changed."""

    entity: Entity


class EntityGoneEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="entity_gone"):
    """An entity is no longer part of the home."""

    id: str


class CommandEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="command"):
    """A command went on in its life."""

    command: Command


class AppsEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="apps"):
    """Apps were installed, updated, opened, closed or removed."""

    apps: list[App]


class NoticeEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="notice"):
    """Show this to the household."""

    notice: Notice


class WaitingEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="waiting"):
    """Devices wait to be allowed into the home, or do so no more."""

    waiting: list[WaitingDevice]


class ScenesEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="scenes"):
    """The scenes are others."""

    scenes: list[Scene]


class QuestionsEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="questions"):
    """The open questions are others."""

    questions: list[Question]


class KeyEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="key"):
    """A key for the page: it has the focus and decides what it means."""

    key: Key


class NumberEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="number"):
    """A channel number is being typed; `digits` is empty when it is done or given up.

    `channel` is the channel it names so far, if there is one.
    """

    digits: str
    channel: str | None


class ScreenEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="screen"):
    """Who has the screen now: ``tv``, ``app``, ``doorbell`` or ``alert``."""

    screen: str


class ServicesEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="services"):
    """A service came up or went down."""

    services: dict[str, str]


Event = (
    Snapshot | TvEvent | ChannelsEvent | EntityEvent | EntityGoneEvent | CommandEvent
    | AppsEvent | NoticeEvent | WaitingEvent | ScenesEvent | QuestionsEvent
    | KeyEvent | NumberEvent | ScreenEvent | ServicesEvent
)  # fmt: skip
