"""The devices that speak MQTT and announce themselves as Home Assistant expects it, or as Tasmota does.

One rule: a device is believed about itself only.  Whatever it sends, the worst
that happens is one refused announcement, counted and named, and the others go on.
"""

import asyncio
import hashlib
import logging
import math
import time
from asyncio import Future
from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from gateway.iot.body import BodyConfig
from gateway.iot.entity import EntityId, Reading, Value
from gateway.iot.ha_components import understood
from gateway.iot.ha_discovery import BUNDLE, is_ours, parse_announcement, place_of
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
from gateway.iot.mqtt_echo import Echo
from gateway.iot.mqtt_entity import MqttEntity, Unknown
from gateway.iot.mqtt_pictures import PictureEar
from gateway.iot.mqtt_present import Announcement, Present
from gateway.iot.mqtt_questions import Questions
from gateway.iot.mqtt_roll import RollCall
from gateway.iot.pictures import Pictures
from gateway.iot.tasmota_announced import FILTERS as TASMOTA_FILTERS
from gateway.iot.tasmota_announced import Halves, is_tasmota
from gateway.iot.tasmota_discovery import parse_device
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
        sweep_after_s: What the broker does not keep any more after a loss of the connection is
            gone after this long.
    """

    prefix: str = "homeassistant"
    max_entities: int = 10_000
    sweep_after_s: float = 60.0

    def __post_init__(self) -> None:
        if not is_topic(self.prefix) or "/" in self.prefix:
            raise FieldError("prefix", "is not one level of a topic")
        if not 1 <= self.max_entities <= 50_000:  # noqa: PLR2004 - what the registry was tried with
            raise FieldError("max_entities", f"{self.max_entities} is outside 1..50000")
        if not 0 <= self.sweep_after_s <= 86_400:  # noqa: PLR2004 - a day
            raise FieldError("sweep_after_s", f"{self.sweep_after_s} is outside 0..86400")


class MqttLink:
    """See `gateway.iot.link.Link`.  A service over a `Broker`.

    Attributes:
        events: What devices announced and reported.
        refusals: Announcements refused so far.
        unreadable: Reports that were not what their device had announced.
    """

    name = "mqtt"

    def __init__(
        self,
        broker: Broker,
        config: MqttLinkConfig | None = None,
        *,
        accounts: Collection[str] = (),
        body: BodyConfig | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        """Listen to nothing yet.

        Args:
            broker: Where the devices are.
            config: Limits.
            accounts: Names whose announcements only their owner can make; see `parse_announcement`.
                Looked at anew for each announcement.
            body: What measures a body, and so is asked when it measured.
            pictures: Takes those of cameras.
        """
        self.events: Publisher[LinkEvent] = Publisher()
        self.refusals = 0
        self.unreadable = 0
        self._broker = broker
        self._config = config or MqttLinkConfig()
        self._accounts = accounts
        self._body = body or BodyConfig()
        self._refused: dict[str, str] = {}
        self._named: set[str] = set()
        self._announced: dict[str, Announcement] = {}
        self._present: dict[EntityId, Present] = {}
        self._readers: dict[str, set[EntityId]] = {}
        self._filters = tuple(f"{self._config.prefix}/{levels}/config" for levels in ("+/+", "+/+/+"))
        self._tasmota = Halves()
        self._displaced = False
        self._twins_wanted = False
        self._echo = Echo(broker)
        self._roll = RollCall(broker, self._echo, self._config.sweep_after_s)
        self._kept: set[str] = set()
        self._questions = Questions(broker)
        self._eye = PictureEar(broker, pictures or Pictures(), self.events)
        self._aging = asyncio.Event()
        self._next_expiry = math.inf

    @property
    def refused(self) -> Mapping[str, str]:
        """Why the announcement on a topic was refused, for the first `MAX_NAMED_REFUSALS` of them."""
        return MappingProxyType(self._refused)

    async def run(self, ready: Callable[[], None]) -> None:
        """Hear devices until cancelled."""
        about = (*self._filters, *TASMOTA_FILTERS, self._echo.topic)
        with (
            self._broker.changes.subscribe() as changes,
            self._broker.subscribe(*about, backlog=BACKLOG, qos=0) as announcements,
            self._broker.subscribe(*self._readers, backlog=BACKLOG, in_turns=True) as reports,
        ):
            self._roll.begin(self._kept)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._learn(announcements, reports), name="mqtt-announcements")
                    tasks.create_task(reports.heed_each(self._hear_report), name="mqtt-reports")
                    tasks.create_task(self._forget_old_reports(), name="mqtt-expire")
                    tasks.create_task(self._questions.run(), name="mqtt-questions")
                    tasks.create_task(self._eye.run(), name="mqtt-pictures")
                    tasks.create_task(self._echo.run(), name="mqtt-echo")
                    tasks.create_task(
                        self._roll.run(lambda topic: self._give_up(topic, reports)), name="mqtt-roll"
                    )
                    if self._broker.connected:
                        await self._say("online")
                    ready()
                    await self._follow(changes)
            finally:
                await self._say("offline")

    def begin(self, entity: EntityId, value: Value) -> Future[None] | None:
        return self._broker.begin(self._order(entity, value))

    async def command(self, entity: EntityId, value: Value) -> bool:
        order = self._order(entity, value)
        try:
            await self._broker.publish(order)
        except BrokerError as error:
            raise LinkDownError(f"{entity} was not told: {error}", hint=error.hint) from error
        return False

    def _order(self, entity: EntityId, value: Value) -> Message:
        present = self._present.get(entity)
        if present is None:
            raise LinkDownError(f"{entity} is not there to be told")
        instruction = present.spec.instruction
        if instruction is None or not present.spec.entity.takes(value):
            raise DeviceRefusedError(f"{entity} cannot be told to become that")
        return Message(instruction.topic, instruction.payload(value), retain=instruction.retain)

    async def _follow(self, changes: Subscription[bool]) -> None:
        async for connected in changes:
            if connected:
                self._roll.call()
            else:
                self._roll.begin(self._kept)
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
            if message.topic == self._echo.topic:
                self._roll.hear_echo(self._echo.hear(message))
                continue
            self._hear_announcement(message, reports)
            self._note_kept(message)
            if self._twins_wanted:
                # What was passed over for a device that has gone now is said again.
                self._twins_wanted = False
                announcements.add(*self._filters)

    def _note_kept(self, message: Message) -> None:
        """Remember what the broker keeps for certain: what it does not, it cannot repeat after a loss."""
        topic = message.topic
        self._roll.hear(topic, message)
        if not message.payload:
            self._kept.discard(topic)
        elif message.retain and f"{topic.rpartition('/')[0]}/config" in self._announced:
            self._kept.add(topic)

    def _give_up(self, topic: str, reports: TopicSubscription[Message]) -> None:
        log.info("The announcement on %s is gone", topic)
        self._kept.discard(topic)
        self._hear_announcement(Message(topic, b""), reports)

    def _hear_announcement(self, message: Message, reports: TopicSubscription[Message]) -> None:
        try:
            if is_tasmota(message.topic):
                device = self._tasmota.join(message.topic, message.payload)
                read = partial(parse_device, device, accounts=self._accounts)
                self._settle(device.key, device.payload, read, reports)
            else:
                read = partial(self._read_announcement, message)
                self._settle(message.topic, message.payload, read, reports)
        except AnnouncementError as error:
            self._refuse(message.topic, error)
        else:
            self._refused.pop(message.topic, None)

    def _settle(
        self,
        topic: str,
        payload: bytes,
        read: Callable[[], tuple[MqttEntity, ...]],
        reports: TopicSubscription[Message],
    ) -> None:
        """Let what `read` returns be all that is announced on `topic`."""
        known = self._announced.get(topic)
        digest = hashlib.sha256(payload).digest()
        if known is not None and known.digest == digest:
            return
        found = read()
        before = known.entities if known else frozenset()
        after = {each.entity.id: each for each in found}
        self._check_room(before, after.keys())
        if is_tasmota(topic):
            self._displace_twins(found, reports)
            self._twins_wanted |= self._displaced and bool(before - after.keys())
        for gone in before - after.keys():
            self._lose(gone, reports)
        for each in found:
            self._take(each, topic, reports)
        if after:
            self._announced[topic] = Announcement(digest, frozenset(after))
        else:
            self._announced.pop(topic, None)

    def _read_announcement(self, message: Message) -> tuple[MqttEntity, ...]:
        if not message.payload:
            return ()
        place = place_of(message.topic, self._config.prefix)
        if place.component != BUNDLE and not understood(place.component):
            return ()
        found = parse_announcement(place, message.payload, accounts=self._accounts)
        if is_ours(found, OURS):
            return ()
        for entity in self._beside(found):
            if is_tasmota(self._present[entity].announced_on):
                self._displaced = True
                raise AnnouncementError(f"is of the device of {entity}, which announces itself as Tasmota")
        return found

    def _check_room(self, before: AbstractSet[EntityId], after: AbstractSet[EntityId]) -> None:
        new = after - before
        for entity in new:
            if entity in self._present:
                raise AnnouncementError(f"{entity} is already announced on another topic")
        if len(self._present) + len(new) > self._config.max_entities:
            raise AnnouncementError(f"there are {self._config.max_entities} entities already")

    def _beside(self, found: Collection[MqttEntity]) -> set[EntityId]:
        """Return the entities that hear a topic of one of `found`."""
        return {entity for each in found for topic in each.topics for entity in self._readers.get(topic, ())}

    def _displace_twins(self, found: Collection[MqttEntity], reports: TopicSubscription[Message]) -> None:
        """Take away what the devices of `found` announced in the other way, or they would be there twice."""
        topics = {self._present[entity].announced_on for entity in self._beside(found)}
        for topic in (each for each in topics if not is_tasmota(each)):
            for entity in self._announced.pop(topic).entities:
                self._lose(entity, reports)
            self._displaced = True
            self._refuse(topic, AnnouncementError("is of a device that announces itself as Tasmota"))

    def _refuse(self, topic: str, error: AnnouncementError) -> None:
        self.refusals += 1
        if topic in self._named or len(self._named) < MAX_NAMED_REFUSALS:
            if topic not in self._named and len(self._named) < MAX_LOGGED_REFUSALS:
                log.warning("Announcement on %s refused: %s", topic, error.line())
            self._named.add(topic)
            self._refused[topic] = str(error)

    def _take(self, spec: MqttEntity, topic: str, reports: TopicSubscription[Message]) -> None:
        entity = spec.entity.id
        known = self._present.get(entity)
        if known is not None and known.spec == spec:
            return
        if known is not None:
            self._unroute(known.spec, reports, keep=spec.topics)
        measures = self._body.of(spec.entity) is not None
        self._present[entity] = Present(spec, topic, known.votes if known else {}, measures=measures)
        self.events.publish(Found(spec.entity))
        self._tell_availability(entity)
        for each in spec.topics:
            self._readers.setdefault(each, set()).add(entity)
        # Asked for even when another entity listens there already: the broker then repeats
        # what it keeps on these topics, which this entity has not heard.
        reports.add(*spec.topics)
        if spec.picture is not None:
            self._eye.follow(entity, spec.picture)

    def _lose(self, entity: EntityId, reports: TopicSubscription[Message]) -> None:
        present = self._present.pop(entity, None)
        if present is not None:
            self._unroute(present.spec, reports)
            if present.spec.picture is not None:
                self._eye.follow(entity, None)
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

    def _heed(self, present: Present, message: Message, payload: Payload) -> None:
        spec, entity = present.spec, present.spec.entity.id
        for source in spec.sources:
            if source.topic == message.topic and (vote := source.read(payload)) is not None:
                present.votes[source.topic] = present.latest = vote
                self._tell_availability(entity)
                if vote and not message.retain:
                    # One that says so again was away too shortly to be missed.
                    self._questions.put(present.spec.asks)
        if message.topic not in present.readers or (message.retain and present.heard_live):
            # The broker repeats what it keeps whenever somebody asks; a device that does not
            # have all its reports kept has said something newer since.
            return
        value = present.read(message.topic, payload)
        if value is None:
            return
        present.heard_live = not message.retain
        if spec.expire_after_s is not None:
            present.good_until = time.monotonic() + spec.expire_after_s
            if present.good_until < self._next_expiry:
                self._aging.set()
            self._tell_availability(entity)
        at, live = present.measured_at(message.topic, payload), not message.retain
        known = None if isinstance(value, Unknown) else value
        self.events.publish(
            Reading(entity, known, at or datetime.now(UTC), live=live, sure=live, dated=at is not None)
        )

    def _tell_availability(self, entity: EntityId) -> None:
        present = self._present[entity]
        available = self._broker.connected and present.reachable(time.monotonic())
        if available is not present.told:
            present.told = available
            self.events.publish(Availability(entity, available))
            if available:
                self._questions.put(present.spec.asks)

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
