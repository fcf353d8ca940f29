"""The devices that speak Homie, versions 3 to 5.

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
from gateway.iot.homie_attributes import VERSIONS
from gateway.iot.homie_description import HomieProperty, is_device_id, parse_description
from gateway.iot.homie_older import EVERYBODYS, OlderDevices
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
from gateway.iot.mqtt_roll import RollCall
from gateway.mqtt import Broker, BrokerError, Message
from gateway.pubsub import Publisher, Subscription, in_turns
from gateway.schema import FieldError
from gateway.topics import TopicSubscription, is_topic

log = logging.getLogger(__name__)

VERSION = "5"
MAX_DEVICES = 500
MAX_NAMED_REFUSALS = 200
BACKLOG = 50_000
REACHABLE = frozenset({"ready", "sleeping", "alert"})
"""``alert`` is of the older versions: connected, and in need of somebody."""
UNFINISHED = frozenset({"", "init"})


@dataclass(frozen=True, kw_only=True, slots=True)
class HomieConfig:
    """The ``iot.homie`` section.

    Attributes:
        domain: First level of the devices' topics.
        max_devices: More are refused.
        sweep_after_s: A device that the broker does not know any more after a loss of the
            connection is gone after this long.
    """

    domain: str = "homie"
    max_devices: int = MAX_DEVICES
    sweep_after_s: float = 60.0

    def __post_init__(self) -> None:
        if not is_topic(self.domain) or "/" in self.domain:
            raise FieldError("domain", "is not one level of a topic")
        if not 1 <= self.max_devices <= 10_000:  # noqa: PLR2004 - ten times what a house has
            raise FieldError("max_devices", f"{self.max_devices} is outside 1..10000")
        if not 0 <= self.sweep_after_s <= 86_400:  # noqa: PLR2004 - a day
            raise FieldError("sweep_after_s", f"{self.sweep_after_s} is outside 0..86400")


@dataclass(frozen=True, slots=True)
class _Ears:
    """What is listened to: what devices say of themselves, and their values."""

    devices: TopicSubscription[Message]
    values: TopicSubscription[Message]


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
        self._domain = f"{self._config.domain}/"
        self._base = f"{self._domain}{VERSION}/"
        self._echo = Echo(broker)
        self._older = OlderDevices(self._domain, self._echo)
        self._roll = RollCall(broker, self._echo, self._config.sweep_after_s)
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
        about = (
            *(f"{self._base}+/{attribute}" for attribute in ("$state", "$description")),
            f"{self._domain}+/{EVERYBODYS}",
            self._echo.topic,
        )
        with (
            self._broker.changes.subscribe() as changes,
            self._broker.subscribe(*about, backlog=BACKLOG, qos=0) as devices,
            self._broker.subscribe(*self._by_topic, backlog=BACKLOG, in_turns=True) as values,
        ):
            ears = _Ears(devices, values)
            # Those of an earlier run have to be heard of again, too.
            self._older.listen(devices)
            self._roll.begin(self._devices)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._learn(ears), name="homie-devices")
                tasks.create_task(values.heed_each(self._hear_value), name="homie-values")
                tasks.create_task(self._echo.run(), name="homie-echo")
                tasks.create_task(
                    self._roll.run(lambda device: self._give_up(device, ears)), name="homie-roll"
                )
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
            await self._broker.publish(Message(f"{self._domain}{known.topic}/set", word.encode()))
        except BrokerError as error:
            raise LinkDownError(f"{entity} was not told: {error}", hint=error.hint) from error
        return False

    async def _follow(self, changes: Subscription[bool]) -> None:
        async for connected in changes:
            if connected:
                self._roll.call()
            else:
                self._roll.begin(self._devices)
            for device, known in self._devices.items():
                self._tell(device, known)

    async def _learn(self, ears: _Ears) -> None:
        async for message in in_turns(ears.devices):
            if message.topic == self._echo.topic:
                await self._hear_echo(self._echo.hear(message), ears)
                continue
            base = self._base if message.topic.startswith(self._base) else self._domain
            device, _, attribute = message.topic.removeprefix(base).partition("/")
            if not is_device_id(device):
                self._refuse(device, "is not a name of a device")
            elif base == self._domain:
                self._hear_attribute(device, attribute, message, ears)
            else:
                self._hear_current(device, attribute, message, ears)

    def _hear_current(self, device: str, attribute: str, message: Message, ears: _Ears) -> None:
        if device in self._older:
            if not message.payload:
                return
            # It has learned the newer version, and left behind what it said in the older one.
            self._forget(device, ears)
        if attribute == "$state":
            self._hear_state(device, message, ears)
        else:
            self._hear_description(device, message.payload, ears)

    def _hear_state(self, device: str, message: Message, ears: _Ears) -> None:
        payload = message.payload
        known = self._device(device) if payload else self._devices.get(device)
        if known is None:
            return
        known.state = payload[:32].decode(errors="replace")
        if payload:
            self._roll.hear(device, message)
            self._tell(device, known)
        else:
            # A device takes its leave by clearing its state first.
            self._forget(device, ears)

    def _hear_description(self, device: str, payload: bytes, ears: _Ears) -> None:
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
        self._describe(device, known, properties, ears)

    def _hear_attribute(self, device: str, path: str, message: Message, ears: _Ears) -> None:
        """Hear what a device says of itself in one of the older versions."""
        if device not in self._older and not self._meet_older(device, path, message.payload):
            return
        if path == "$state":
            self._hear_state(device, message, ears)
        elif path == EVERYBODYS and not message.payload:
            self._forget(device, ears)
        if device in self._older:
            try:
                self._older.hear(device, path, message.payload)
            except AnnouncementError as error:
                self._refuse(device, str(error))

    def _meet_older(self, device: str, path: str, payload: bytes) -> bool:
        if path != EVERYBODYS or not payload or device in self._devices:
            return False
        version = payload[:16].decode(errors="replace").partition(".")[0]
        if version not in VERSIONS:
            self._refuse(device, f"speaks Homie {version!a}, not 3 to 5")
            return False
        if self._device(device) is None:
            return False
        self._older.add(device)
        return True

    async def _hear_echo(self, number: int, ears: _Ears) -> None:
        self._roll.hear_echo(number)
        for device in self._older.complete(number, ears.devices):
            if device is not None:
                self._put_together(device, ears)
            # There may be hundreds of them after a power cut, and everybody else wants a turn.
            await asyncio.sleep(0)

    def _put_together(self, device: str, ears: _Ears) -> None:
        known = self._devices.get(device)
        if known is None or device not in self._older or known.state in UNFINISHED:
            return
        try:
            properties = self._older.properties(device)
        except AnnouncementError as error:
            self._refuse(device, str(error))
            return
        self._refused.pop(device, None)
        self._describe(device, known, properties, ears)

    def _give_up(self, device: str, ears: _Ears) -> None:
        if device in self._devices:
            log.info("Homie device %s is gone", device)
            self._forget(device, ears)

    def _forget(self, device: str, ears: _Ears) -> None:
        self._describe(device, self._devices[device], (), ears)
        self._older.remove(device, ears.devices)
        del self._devices[device]
        self._roll.missing.discard(device)

    def _device(self, device: str) -> _Known | None:
        known = self._devices.get(device)
        if known is None:
            if len(self._devices) >= self._config.max_devices:
                self._refuse(device, f"there are {self._config.max_devices} devices already")
                return None
            known = self._devices[device] = _Known()
        return known

    def _describe(
        self, device: str, known: _Known, properties: tuple[HomieProperty, ...], ears: _Ears
    ) -> None:
        before = {each.entity.id: each for each in known.properties}
        after = {each.entity.id: each for each in properties}
        for gone in (each for entity, each in before.items() if entity not in after):
            self._by_entity.pop(gone.entity.id, None)
            self._by_topic.pop(self._domain + gone.topic, None)
            known.told.pop(gone.entity.id, None)
            ears.values.remove(self._domain + gone.topic)
            self.events.publish(Lost(gone.entity.id))
        known.properties = properties
        for entity, each in after.items():
            self._by_entity[entity] = each
            self._by_topic[self._domain + each.topic] = each
            if before.get(entity) != each:
                self.events.publish(Found(each.entity))
                known.told.pop(entity, None)
                ears.values.add(self._domain + each.topic)
        self._tell(device, known)

    def _tell(self, device: str, known: _Known) -> None:
        available = self._broker.connected and known.state in REACHABLE and device not in self._roll.missing
        for each in known.properties:
            if known.told.get(each.entity.id) is not available:
                known.told[each.entity.id] = available
                self.events.publish(Availability(each.entity.id, available))

    def _hear_value(self, message: Message) -> None:
        known = self._by_topic.get(message.topic)
        if known is None or not message.payload:
            return
        try:
            value = known.read(message.payload)
        except (ValueError, KeyError):
            self.unreadable += 1
            log.debug("%s said something that is not %s", known.entity.id, known.datatype)
            return
        now, live = datetime.now(UTC), not message.retain
        self.events.publish(Reading(known.entity.id, value, now, live=live, sure=live))

    def _refuse(self, device: str, why: str) -> None:
        self.refusals += 1
        name = device[:64]
        if name not in self._refused and len(self._refused) < MAX_NAMED_REFUSALS:
            log.warning("Homie device %a refused: %s", name, why)
            self._refused[name] = why
