"""The devices that speak MQTT and announce themselves as Home Assistant expects it.

One rule: a device is believed about itself only.  Whatever it sends, the worst
that happens is one refused announcement, counted and named, and the others go on.
"""

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from gateway.iot.entity import EntityId, Reading, Value
from gateway.iot.ha_discovery import (
    is_ours,
    parse_announcement,
    place_of,
    understood,
)
from gateway.iot.ha_template import Payload, UnreadableError
from gateway.iot.link import (
    AnnouncementError,
    Availability,
    DeviceRefusedError,
    Found,
    LinkDownError,
    LinkEvent,
    Lost,
)
from gateway.iot.mqtt_entity import MqttEntity
from gateway.mqtt import Broker, BrokerError, Message
from gateway.pubsub import Publisher, Subscription, in_turns
from gateway.schema import FieldError
from gateway.topics import TopicSubscription, is_topic

log = logging.getLogger(__name__)

MAX_REPORT_BYTES = 64 * 1024
MAX_NAMED_REFUSALS = 200
"""Refused announcements kept by name; further ones are counted only."""
MAX_LOGGED_REFUSALS = 20
BACKLOG = 50_000
STATUS_TIMEOUT_S = 1.0
OURS = "gateway/"
"""What is announced with topics below this, the gateway itself announced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttLinkConfig:
    """The ``iot.mqtt`` section.

    Attributes:
        prefix: First level of the topics on which devices announce themselves.
        max_entities: More are refused.
    """

    prefix: str = "homeassistant"
    max_entities: int = 5_000

    def __post_init__(self) -> None:
        if not is_topic(self.prefix) or "/" in self.prefix:
            raise FieldError("prefix", "is not one level of a topic")
        if not 1 <= self.max_entities <= 50_000:  # noqa: PLR2004 - what the registry was tried with
            raise FieldError("max_entities", f"{self.max_entities} is outside 1..50000")


class MqttLink:
    """See `gateway.iot.link.Link`.  A service over a `Broker`.

    Attributes:
        events: What devices announced and reported.
        refusals: Announcements refused so far.
        unreadable: Reports that were not what their device had announced.
    """

    name = "mqtt"

    def __init__(
        self, broker: Broker, config: MqttLinkConfig | None = None, *, accounts: Collection[str] = ()
    ) -> None:
        """Listen to nothing yet.

        Args:
            broker: Where the devices are.
            config: Limits.
            accounts: Names whose announcements only their owner can make; see `parse_announcement`.
                Looked at anew for each announcement.
        """
        self.events: Publisher[LinkEvent] = Publisher()
        self.refusals = 0
        self.unreadable = 0
        self._broker = broker
        self._config = config or MqttLinkConfig()
        self._accounts = accounts
        self._refused: dict[str, str] = {}
        self._named: set[str] = set()
        self._announced: dict[str, _Announced] = {}
        self._present: dict[EntityId, _Present] = {}
        self._readers: dict[str, set[EntityId]] = {}
        self._aging = asyncio.Event()
        self._next_expiry = math.inf

    @property
    def refused(self) -> Mapping[str, str]:
        """Why the announcement on a topic was refused, for the first `MAX_NAMED_REFUSALS` of them."""
        return MappingProxyType(self._refused)

    async def run(self, ready: Callable[[], None]) -> None:
        """Hear devices until cancelled."""
        prefix = self._config.prefix
        filters = (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")
        with (
            self._broker.changes.subscribe() as changes,
            self._broker.subscribe(*filters, backlog=BACKLOG, qos=0) as announcements,
            self._broker.subscribe(*self._readers, backlog=BACKLOG) as reports,
        ):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._learn(announcements, reports), name="mqtt-announcements")
                    tasks.create_task(self._hear(reports), name="mqtt-reports")
                    tasks.create_task(self._forget_old_reports(), name="mqtt-expire")
                    if self._broker.connected:
                        await self._say("online")
                    ready()
                    await self._follow(changes)
            finally:
                await self._say("offline")

    async def command(self, entity: EntityId, value: Value) -> bool:
        present = self._present.get(entity)
        instruction = present.spec.instruction if present else None
        if instruction is None:
            raise LinkDownError(f"{entity} is not there to be told")
        if not isinstance(value, bool):
            raise DeviceRefusedError(f"{entity} can be on or off, nothing else")
        message = Message(instruction.topic, instruction.payload(value), retain=instruction.retain)
        try:
            await self._broker.publish(message)
        except BrokerError as error:
            raise LinkDownError(f"{entity} was not told: {error}", hint=error.hint) from error
        return False

    async def _follow(self, changes: Subscription[bool]) -> None:
        async for connected in changes:
            for entity, present in tuple(self._present.items()):
                present.heard_live = present.heard_live and connected
                self._tell_availability(entity)
            if connected:
                await self._say("online")

    async def _say(self, word: str) -> None:
        """Tell devices that wait for it whether somebody listens; most then announce themselves again."""
        message = Message(f"{self._config.prefix}/status", word.encode(), retain=True)
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                await self._broker.publish(message)
        except (BrokerError, TimeoutError) as error:
            log.debug("%s was not said: %s", word, error)

    async def _learn(
        self, announcements: TopicSubscription[Message], reports: TopicSubscription[Message]
    ) -> None:
        async for message in in_turns(announcements):
            self._hear_announcement(message, reports)

    async def _hear(self, reports: TopicSubscription[Message]) -> None:
        async for message in in_turns(reports):
            self._hear_report(message)

    def _hear_announcement(self, message: Message, reports: TopicSubscription[Message]) -> None:
        topic = message.topic
        known = self._announced.get(topic)
        digest = hashlib.sha256(message.payload).digest()
        if known is not None and known.digest == digest:
            return
        try:
            found = self._read_announcement(message)
        except AnnouncementError as error:
            self._refuse(topic, error)
            return
        self._refused.pop(topic, None)
        before = known.entities if known else frozenset()
        after = {each.entity.id: each for each in found}
        for gone in before - after.keys():
            self._lose(gone, reports)
        for each in found:
            self._take(each, reports)
        if after:
            self._announced[topic] = _Announced(digest, frozenset(after))
        else:
            self._announced.pop(topic, None)

    def _read_announcement(self, message: Message) -> tuple[MqttEntity, ...]:
        if not message.payload:
            return ()
        place = place_of(message.topic, self._config.prefix)
        if not understood(place.component):
            return ()
        found = parse_announcement(place, message.payload, accounts=self._accounts)
        if is_ours(found, OURS):
            return ()
        known = self._announced.get(message.topic)
        mine = known.entities if known else frozenset()
        new = [each.entity.id for each in found if each.entity.id not in mine]
        for entity in new:
            if entity in self._present:
                raise AnnouncementError(f"{entity} is already announced on another topic")
        if len(self._present) + len(new) > self._config.max_entities:
            raise AnnouncementError(f"there are {self._config.max_entities} entities already")
        return found

    def _refuse(self, topic: str, error: AnnouncementError) -> None:
        self.refusals += 1
        if topic in self._named or len(self._named) < MAX_NAMED_REFUSALS:
            if topic not in self._named and len(self._named) < MAX_LOGGED_REFUSALS:
                log.warning("Announcement on %s refused: %s", topic, error.line())
            self._named.add(topic)
            self._refused[topic] = str(error)

    def _take(self, spec: MqttEntity, reports: TopicSubscription[Message]) -> None:
        entity = spec.entity.id
        known = self._present.get(entity)
        if known is not None and known.spec == spec:
            return
        if known is not None:
            self._unroute(known.spec, reports, keep=spec.topics)
        self._present[entity] = _Present(spec, known.votes if known else {})
        self.events.publish(Found(spec.entity))
        self._tell_availability(entity)
        for topic in spec.topics:
            self._readers.setdefault(topic, set()).add(entity)
        # Asked for even when another entity listens there already: the broker then repeats
        # what it keeps on these topics, which this entity has not heard.
        reports.add(*spec.topics)

    def _lose(self, entity: EntityId, reports: TopicSubscription[Message]) -> None:
        present = self._present.pop(entity, None)
        if present is not None:
            self._unroute(present.spec, reports)
            self.events.publish(Lost(entity))

    def _unroute(
        self, spec: MqttEntity, reports: TopicSubscription[Message], *, keep: Collection[str] = ()
    ) -> None:
        for topic in spec.topics:
            readers = self._readers.get(topic, set())
            readers.discard(spec.entity.id)
            if not readers:
                self._readers.pop(topic, None)
                if topic not in keep:
                    reports.remove(topic)

    def _hear_report(self, message: Message) -> None:
        if len(message.payload) > MAX_REPORT_BYTES:
            self.unreadable += 1
            return
        payload = Payload(message.payload)
        for entity in tuple(self._readers.get(message.topic, ())):
            present = self._present[entity]
            try:
                self._heed(present, message, payload)
            except UnreadableError as error:
                self.unreadable += 1
                log.debug("Report of %s on %s %s", entity, message.topic, error)

    def _heed(self, present: "_Present", message: Message, payload: Payload) -> None:
        spec, entity = present.spec, present.spec.entity.id
        for source in spec.sources:
            if source.topic == message.topic and (vote := source.read(payload)) is not None:
                present.votes[source.topic] = present.latest = vote
                self._tell_availability(entity)
        if spec.report is None or spec.report.topic != message.topic:
            return
        if message.retain and present.heard_live:
            # The broker repeats what it keeps whenever somebody asks; a device that does not
            # have all its reports kept has said something newer since.
            return
        value = spec.read(payload)
        if value is None:
            return
        present.heard_live = not message.retain
        if spec.expire_after_s is not None:
            present.good_until = time.monotonic() + spec.expire_after_s
            if present.good_until < self._next_expiry:
                self._aging.set()
            self._tell_availability(entity)
        self.events.publish(Reading(entity, value, datetime.now(UTC), live=not message.retain))

    def _tell_availability(self, entity: EntityId) -> None:
        present = self._present[entity]
        available = self._broker.connected and present.reachable(time.monotonic())
        if available is not present.told:
            present.told = available
            self.events.publish(Availability(entity, available))

    async def _forget_old_reports(self) -> None:
        while True:
            deadlines = [p.good_until for p in self._present.values() if p.told and p.spec.expire_after_s]
            self._aging.clear()
            try:
                async with asyncio.timeout(
                    max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
                ):
                    await self._aging.wait()
            except TimeoutError:
                for entity in tuple(self._present):
                    self._tell_availability(entity)


@dataclass(frozen=True, slots=True)
class _Announced:
    """What was last heard on one topic of announcements."""

    digest: bytes
    entities: frozenset[EntityId]


@dataclass(slots=True)
class _Present:
    """An entity that is announced, and what was heard about its being reachable."""

    spec: MqttEntity
    votes: dict[str, bool] = field(default_factory=dict)
    latest: bool | None = None
    told: bool | None = None
    good_until: float = 0.0
    heard_live: bool = False

    def __post_init__(self) -> None:
        mine = [self.votes[source.topic] for source in self.spec.sources if source.topic in self.votes]
        self.latest = mine[-1] if mine else None

    def reachable(self, now: float) -> bool:
        fresh = self.spec.expire_after_s is None or now < self.good_until
        return fresh and self.spec.reachable(self.votes, self.latest)
