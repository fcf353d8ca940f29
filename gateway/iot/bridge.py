"""The home's other devices in MQTT: what is not MQTT by birth is announced and reported there.

One rule: the broker's retained messages say what is, never what was.  What
has gone is taken back, also what an earlier run left behind.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.iot.bridge_topics import Topics, component_of, object_id, ordered, state_text
from gateway.iot.commands import Commands
from gateway.iot.entity import Capability, Entity, EntityId, State, StateChanged
from gateway.iot.registry import Registry
from gateway.mqtt import Broker, BrokerError, Message
from gateway.pubsub import Subscription
from gateway.schema import FieldError

log = logging.getLogger(__name__)

_BACKLOG = 20_000
_RETRY_S = 5.0
REST_S = 0.02
"""Between two rounds: what one says hundreds of times a second is told fifty times, its newest word last."""
_MAX_OBJECTS = 20_000
_TOGETHER = 50
"""What is swept at once: a thousand ghosts one by one would take their time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BridgeConfig:
    """The ``iot.bridge`` section.

    Attributes:
        sweep_after_s: Announcements of earlier runs that nobody renewed by then are taken back.
        body: Whether what was measured of somebody's body is shown to the other devices as well, in MQTT
            and in CoAP.
    """

    sweep_after_s: float = 60.0
    body: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.sweep_after_s <= 3600:  # noqa: PLR2004 - the range is the message
            raise FieldError("sweep_after_s", f"{self.sweep_after_s} is outside 1..3600")


@dataclass(slots=True)
class _Shown:
    """What the broker has of an object."""

    component: str = ""
    entity: Entity | None = None
    document: bytes = b""
    availability: bytes = b""


class BridgeOut:
    """Shows the home's other devices in MQTT and hands on commands from there: a service."""

    def __init__(
        self,
        topics: Topics,
        broker: Broker,
        registry: Registry,
        commands: Commands,
        config: BridgeConfig | None = None,
    ) -> None:
        self._topics = topics
        self._broker = broker
        self._registry = registry
        self._commands = commands
        self._config = config or BridgeConfig()
        self._pending: OrderedDict[EntityId, None] = OrderedDict()
        self._work = asyncio.Event()
        self._shown: dict[EntityId, _Shown] = {}
        self._by_object: dict[str, EntityId] = {}
        self._left_behind: dict[str, str] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Bridge until cancelled."""
        # What went while it was down is then an earlier run's, and is swept.
        self._shown.clear()
        self._by_object.clear()
        self._left_behind.clear()
        with (
            self._registry.changes.subscribe(_BACKLOG) as changes,
            self._broker.changes.subscribe() as connections,
            self._broker.subscribe(self._topics.orders) as orders,
            self._broker.subscribe(self._topics.announcements) as announcements,
        ):
            self._show_all()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(), name="bridge publish")
                tasks.create_task(self._renew(connections), name="bridge renew")
                tasks.create_task(self._obey(orders), name="bridge obey")
                tasks.create_task(self._collect(announcements), name="bridge collect")
                tasks.create_task(self._sweep(), name="bridge sweep")
                ready()
                await self._follow(changes)

    async def _follow(self, changes: Subscription[StateChanged]) -> None:
        lost = 0

        def note(change: StateChanged) -> None:
            nonlocal lost
            about = change.after or change.before
            if about is not None and (self._is_shown(about) or about.entity.id in self._shown):
                self._show(about.entity.id)
            if changes.lost > lost:
                lost = changes.lost
                self._show_all()

        await changes.note_each(note)

    async def _renew(self, connections: Subscription[bool]) -> None:
        async for connected in connections:
            if connected:
                # A broker that was killed may have forgotten what it retained.
                self._shown = {entity: _Shown(shown.component) for entity, shown in self._shown.items()}
                self._show_all()

    async def _obey(self, orders: Subscription[Message]) -> None:
        async for message in orders:
            entity = self._by_object.get(message.topic.split("/")[-2])
            state = self._registry.states.get(entity) if entity else None
            # A retained order is one given long ago; obeying it at each start would be a ghost's hand.
            if state is None or message.retain:
                continue
            value = ordered(state.entity, message.payload)
            if value is None:
                log.debug("%s was ordered something it cannot be", entity)
                continue
            try:
                await self._commands.order(state.entity.id, value)
            except GatewayError as error:
                log.warning("%s: %s", entity, error.line())

    async def _collect(self, announcements: Subscription[Message]) -> None:
        async for message in announcements:
            name = message.topic.split("/")[-2]
            if not message.payload:
                self._left_behind.pop(message.topic, None)
            elif name not in self._by_object and len(self._left_behind) < _MAX_OBJECTS:
                self._left_behind[message.topic] = name

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._config.sweep_after_s)
            stale = [
                (topic, name) for topic, name in self._left_behind.items() if name not in self._by_object
            ]
            self._left_behind.clear()
            for first in range(0, len(stale), _TOGETHER):
                batch = stale[first : first + _TOGETHER]
                await asyncio.gather(*(self._take_back_if_there(*each) for each in batch))
            if stale:
                log.info("took back %d announcements of devices that are no longer there", len(stale))

    def _show_all(self) -> None:
        for state in self._registry.states.values():
            if self._is_shown(state):
                self._show(state.entity.id)
        for entity in self._shown.keys() - self._registry.states.keys():
            self._show(entity)

    def _is_shown(self, state: State) -> bool:
        """Whether MQTT is told: not what it told us, and not of a body, which others could then read."""
        told = self._config.body or state.entity.body is None
        return (
            told and state.entity.device.link != "mqtt" and state.entity.capability is not Capability.CAMERA
        )

    def _show(self, entity: EntityId) -> None:
        self._pending[entity] = None
        self._work.set()

    async def _publish(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            for _ in range(len(self._pending)):
                entity, _ = self._pending.popitem(last=False)
                try:
                    await self._publish_one(entity)
                except BrokerError as error:
                    log.debug("%s", error)
                    self._show(entity)
                    await self._pause()
            await asyncio.sleep(REST_S)

    async def _pause(self) -> None:
        with self._broker.changes.subscribe() as changes:
            try:
                async with asyncio.timeout(_RETRY_S):
                    while not await anext(changes):
                        pass
            except TimeoutError:
                pass

    async def _publish_one(self, entity: EntityId) -> None:
        state = self._registry.states.get(entity)
        if state is not None and not self._is_shown(state):
            state = None
        shown = self._shown.setdefault(entity, _Shown())
        name = object_id(entity)
        if state is None or state.entity is not shown.entity:
            await self._announce(entity, state.entity if state else None, shown)
        if state is None:
            del self._shown[entity]
            self._by_object.pop(name, None)
            return
        availability = b"online" if state.available else b"offline"
        if shown.availability != availability:
            await self._retain(self._topics.below(name, "availability"), availability)
            shown.availability = availability
        if text := state_text(state):
            await self._retain(self._topics.below(name, "state"), text)

    async def _announce(self, entity_id: EntityId, entity: Entity | None, shown: _Shown) -> None:
        """Have the broker know `entity` as it is now, and not as something else; as nothing if it is None."""
        name = object_id(entity_id)
        component = component_of(entity) if entity else ""
        if shown.component and shown.component != component:
            await self._take_back(self._topics.announcement(shown.component, name), name)
            shown.component, shown.document, shown.availability = "", b"", b""
        if entity is None:
            return
        self._by_object[name] = entity_id
        document = self._topics.document(entity)
        if shown.document != document:
            await self._retain(self._topics.announcement(component, name), document)
        shown.component, shown.document, shown.entity = component, document, entity

    async def _take_back_if_there(self, announcement: str, name: str) -> None:
        try:
            await self._take_back(announcement, name)
        except BrokerError as error:
            log.debug("%s", error)

    async def _take_back(self, announcement: str, name: str) -> None:
        await self._retain(announcement, b"")
        for leaf in ("state", "availability"):
            await self._retain(self._topics.below(name, leaf), b"")

    async def _retain(self, topic: str, payload: bytes) -> None:
        await self._broker.publish(Message(topic, payload, retain=True))
