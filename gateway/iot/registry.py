"""What is known of every entity in the home, whichever link it came by.

One rule: the only writer of entity state, and it writes only what a link's
device said.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType

from msgspec.structs import replace as changed

from gateway.iot.body import BodyConfig, is_plausible
from gateway.iot.entity import Device, DeviceId, Entity, EntityId, Quality, Reading, State, StateChanged
from gateway.iot.link import Availability, Found, Link, LinkEvent, Lost
from gateway.iot.measured import is_sound
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

MAX_ENTITIES = 20_000
BACKLOG = 50_000
_AHEAD = timedelta(seconds=2)
"""A report from further in the future was stamped by a clock that has been put right since."""

FRESH = timedelta(minutes=10)
"""What a meter measured longer ago than that is news for its record, and not for a rule."""


class Registry:
    """Every entity and its state: a service.

    It must run before the links do: their events are not repeated.

    Attributes:
        changes: Each change of a state, in order, repeated reports included.
        late: What was measured at another time than it was said; it has its own place in the past, and is
            the state as well if nothing newer was measured.
        body: What measures a body, and how the household reads it.
        ignored: Events about unknown entities, beyond the limit, or older than what is known.
    """

    def __init__(
        self,
        links: Sequence[Link],
        *,
        max_entities: int = MAX_ENTITIES,
        body: BodyConfig | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.changes: Publisher[StateChanged] = Publisher()
        self.late: Publisher[Reading] = Publisher()
        self.ignored = 0
        self._links = tuple(links)
        self._max_entities = max_entities
        self.body = body or BodyConfig()
        self._clock = clock
        self._states: dict[EntityId, State] = {}
        self._full = False

    @property
    def states(self) -> Mapping[EntityId, State]:
        """The state of every entity, in the order they were found."""
        return MappingProxyType(self._states)

    @property
    def devices(self) -> tuple[Device, ...]:
        """The things in the home, each once."""
        found: dict[DeviceId, Device] = {}
        for state in self._states.values():
            found.setdefault(state.entity.device.id, state.entity.device)
        return tuple(found.values())

    async def run(self, ready: Callable[[], None]) -> None:
        """Take what the links tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            listening = [asyncio.Event() for _ in self._links]
            for link, begun in zip(self._links, listening, strict=True):
                tasks.create_task(self._heed(link, begun), name=f"registry-{link.name}")
            for begun in listening:
                await begun.wait()
            ready()

    async def _heed(self, link: Link, listening: asyncio.Event) -> None:
        with link.events.subscribe(BACKLOG) as events:
            listening.set()
            await events.heed_each(partial(self._apply, link))

    def _apply(self, link: Link, event: LinkEvent) -> None:
        if isinstance(event, Found):
            self._find(link, event)
        elif isinstance(event, Lost):
            before = self._states.pop(event.entity, None)
            if before is not None:
                self.changes.publish(StateChanged(before, None))
        elif isinstance(event, Availability):
            before = self._states.get(event.entity)
            if before is not None and before.available is not event.available:
                self._put(before, changed(before, available=event.available))
        else:
            self._read(event)

    def _find(self, link: Link, event: Found) -> None:
        entity = replace(event.entity, body=self.body.of(event.entity))
        before = self._states.get(entity.id)
        if not entity.id.startswith(f"{link.name}."):
            self.ignored += 1
            log.warning("%s is not an entity of %s", entity.id, link.name)
            return
        if before is None and len(self._states) >= self._max_entities:
            self.ignored += 1
            if not self._full:
                log.warning("The home has %d entities; further ones are ignored", self._max_entities)
            self._full = True
            return
        if before is None or before.entity.capability is not entity.capability:
            self._put(before, State(entity))
        elif before.entity != entity:
            self._put(before, changed(before, entity=entity))

    def _read(self, reading: Reading) -> None:
        before = self._states.get(reading.entity)
        if before is None:
            self.ignored += 1
            return
        if reading.dated or before.entity.body is not None:
            reading = self._judged(reading, before.entity)
        if reading.dated and not reading.live:
            self.late.publish(reading)
        if self._is_older(reading, before):
            self.ignored += not reading.dated
            return
        repeated = type(before.value) is type(reading.value) and before.value == reading.value
        sure = reading.sure or (repeated and before.sure)
        # What is repeated to us says nothing of when it was so.
        again = repeated and before.sure and not reading.sure and not reading.dated
        at = before.reported_at if again else reading.at
        after = changed(before, value=reading.value, reported_at=at, sure=sure, quality=reading.quality)
        self._put(before, after, repeated=repeated, live=reading.live)

    def _judged(self, reading: Reading, entity: Entity) -> Reading:
        """Return `reading` with what is to be thought of its time and its value."""
        now, body = self._clock(), entity.body
        if body is None:
            # A clock may be ahead of ours, but nothing was measured in the future.
            in_memory = not reading.live and is_sound(reading.at, now)
            return changed(reading, at=min(reading.at, now), dated=in_memory)
        if not reading.dated and not reading.live:
            reading = changed(reading, quality=Quality.UNDATED)
        elif reading.dated and not is_sound(reading.at, now):
            reading = changed(reading, at=now, dated=False, quality=Quality.UNDATED)
        elif reading.dated:
            at = min(reading.at, now)
            fresh = now - at <= FRESH
            reading = changed(reading, at=at, live=reading.live and fresh, sure=reading.sure and fresh)
        if reading.value is not None and not is_plausible(body, reading.value, entity.unit):
            reading = changed(reading, quality=Quality.IMPLAUSIBLE)
        return reading

    def _is_older(self, reading: Reading, before: State) -> bool:
        known = before.reported_at
        return known is not None and reading.at < known <= self._clock() + _AHEAD

    def _put(self, before: State | None, after: State, *, repeated: bool = False, live: bool = False) -> None:
        self._states[after.entity.id] = after
        self.changes.publish(StateChanged(before, after, repeated=repeated, live=live))
