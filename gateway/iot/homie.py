"""The devices that speak Homie 5.

One rule: a device is there from its description until it clears its state, and
what it says counts only while its state says that it means it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from gateway.iot.entity import EntityId, Reading, Value
from gateway.iot.homie_description import HomieProperty, is_device_id, parse_description
from gateway.iot.link import (
    AnnouncementError,
    Availability,
    DeviceRefusedError,
    Found,
    LinkDownError,
    LinkEvent,
    Lost,
)
from gateway.mqtt import Broker, BrokerError, Message
from gateway.pubsub import Publisher, Subscription, in_turns
from gateway.schema import FieldError
from gateway.topics import TopicSubscription, is_topic

log = logging.getLogger(__name__)

VERSION = "5"
MAX_DEVICES = 500
MAX_NAMED_REFUSALS = 200
BACKLOG = 50_000
REACHABLE = frozenset({"ready", "sleeping"})


@dataclass(frozen=True, kw_only=True, slots=True)
class HomieConfig:
    """The ``iot.homie`` section.

    Attributes:
        domain: First level of the devices' topics.
        max_devices: More are refused.
    """

    domain: str = "homie"
    max_devices: int = MAX_DEVICES

    def __post_init__(self) -> None:
        if not is_topic(self.domain) or "/" in self.domain:
            raise FieldError("domain", "is not one level of a topic")
        if not 1 <= self.max_devices <= 10_000:  # noqa: PLR2004 - ten times what a house has
            raise FieldError("max_devices", f"{self.max_devices} is outside 1..10000")


@dataclass(slots=True)
class _Known:
    """A device whose state or description was heard."""

    state: str = ""
    described: bytes = b""
    properties: tuple[HomieProperty, ...] = ()
    told: dict[EntityId, bool] = field(default_factory=dict)


class HomieLink:
    """See `gateway.iot.link.Link`.  A service over a `Broker`.

    Attributes:
        events: What devices announced and reported.
        refusals: Descriptions refused so far.
        unreadable: Values that were not what their device had described.
    """

    name = "homie"

    def __init__(self, broker: Broker, config: HomieConfig | None = None) -> None:
        """Listen to nothing yet."""
        self.events: Publisher[LinkEvent] = Publisher()
        self.refusals = 0
        self.unreadable = 0
        self._broker = broker
        self._config = config or HomieConfig()
        self._base = f"{self._config.domain}/{VERSION}/"
        self._devices: dict[str, _Known] = {}
        self._by_topic: dict[str, HomieProperty] = {}
        self._by_entity: dict[EntityId, HomieProperty] = {}
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> Mapping[str, str]:
        """Why the description of a device was refused, for the first `MAX_NAMED_REFUSALS` of them."""
        return MappingProxyType(self._refused)

    async def run(self, ready: Callable[[], None]) -> None:
        """Hear devices until cancelled."""
        about = (f"{self._base}+/$state", f"{self._base}+/$description")
        with (
            self._broker.changes.subscribe() as changes,
            self._broker.subscribe(*about, backlog=BACKLOG, qos=0) as devices,
            self._broker.subscribe(*self._by_topic, backlog=BACKLOG) as values,
        ):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._learn(devices, values), name="homie-devices")
                tasks.create_task(self._hear(values), name="homie-values")
                ready()
                await self._follow(changes)

    async def command(self, entity: EntityId, value: Value) -> bool:
        """Tell the device; what it says of the property afterwards confirms it."""
        known = self._by_entity.get(entity)
        if known is None:
            raise LinkDownError(f"{entity} is not there to be told")
        try:
            word = known.word(value)
        except ValueError as error:
            raise DeviceRefusedError(f"{entity} {error}") from error
        try:
            await self._broker.publish(Message(f"{self._base}{known.topic}/set", word.encode()))
        except BrokerError as error:
            raise LinkDownError(f"{entity} was not told: {error}", hint=error.hint) from error
        return False

    async def _follow(self, changes: Subscription[bool]) -> None:
        async for _ in changes:
            for known in self._devices.values():
                self._tell(known)

    async def _learn(self, devices: TopicSubscription[Message], values: TopicSubscription[Message]) -> None:
        async for message in in_turns(devices):
            device, _, attribute = message.topic.removeprefix(self._base).partition("/")
            if not is_device_id(device):
                self._refuse(device, "is not a name of a device")
            elif attribute == "$state":
                self._hear_state(device, message.payload, values)
            else:
                self._hear_description(device, message.payload, values)

    def _hear_state(self, device: str, payload: bytes, values: TopicSubscription[Message]) -> None:
        known = self._device(device) if payload else self._devices.get(device)
        if known is None:
            return
        known.state = payload[:32].decode(errors="replace")
        if payload:
            self._tell(known)
        else:
            # A device takes its leave by clearing its state first.
            self._describe(known, (), values)
            del self._devices[device]

    def _hear_description(self, device: str, payload: bytes, values: TopicSubscription[Message]) -> None:
        known = self._device(device) if payload else self._devices.get(device)
        if known is None or payload == known.described:
            return
        try:
            properties = parse_description(device, payload) if payload else ()
        except AnnouncementError as error:
            self._refuse(device, str(error))
            return
        self._refused.pop(device, None)
        known.described = payload
        self._describe(known, properties, values)

    def _device(self, device: str) -> _Known | None:
        known = self._devices.get(device)
        if known is None:
            if len(self._devices) >= self._config.max_devices:
                self._refuse(device, f"there are {self._config.max_devices} devices already")
                return None
            known = self._devices[device] = _Known()
        return known

    def _describe(
        self, known: _Known, properties: tuple[HomieProperty, ...], values: TopicSubscription[Message]
    ) -> None:
        before = {each.entity.id: each for each in known.properties}
        after = {each.entity.id: each for each in properties}
        for gone in (each for entity, each in before.items() if entity not in after):
            self._by_entity.pop(gone.entity.id, None)
            self._by_topic.pop(self._base + gone.topic, None)
            known.told.pop(gone.entity.id, None)
            values.remove(self._base + gone.topic)
            self.events.publish(Lost(gone.entity.id))
        known.properties = properties
        for entity, each in after.items():
            self._by_entity[entity] = each
            self._by_topic[self._base + each.topic] = each
            if before.get(entity) != each:
                self.events.publish(Found(each.entity))
                known.told.pop(entity, None)
                values.add(self._base + each.topic)
        self._tell(known)

    def _tell(self, known: _Known) -> None:
        available = self._broker.connected and known.state in REACHABLE
        for each in known.properties:
            if known.told.get(each.entity.id) is not available:
                known.told[each.entity.id] = available
                self.events.publish(Availability(each.entity.id, available))

    async def _hear(self, values: TopicSubscription[Message]) -> None:
        async for message in in_turns(values):
            known = self._by_topic.get(message.topic)
            if known is None or not message.payload:
                continue
            try:
                value = known.read(message.payload)
            except (ValueError, KeyError):
                self.unreadable += 1
                log.debug("%s said something that is not %s", known.entity.id, known.datatype)
                continue
            self.events.publish(Reading(known.entity.id, value, datetime.now(UTC), live=not message.retain))

    def _refuse(self, device: str, why: str) -> None:
        self.refusals += 1
        name = device[:64]
        if name not in self._refused and len(self._refused) < MAX_NAMED_REFUSALS:
            log.warning("Homie device %a refused: %s", name, why)
            self._refused[name] = why
