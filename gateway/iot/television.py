"""The television as a thing of the home, so that rules and MQTT tools can use it.

One rule: like every link it reports what is, not what was asked: the set is
on when it shows or tunes something.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, Value
from gateway.iot.link import DeviceRefusedError, Found, LinkEvent
from gateway.pubsub import Publisher

SET = Device(id=DeviceId("tv"), name="电视", link="tv")
POWER = Entity(id=EntityId("tv.power"), device=SET, name="电视", capability=Capability.SWITCH)
CHANNEL = Entity(id=EntityId("tv.channel"), device=SET, name="频道", capability=Capability.SENSOR)
PAUSED = Entity(id=EntityId("tv.paused"), device=SET, name="暂停", capability=Capability.SWITCH)

NO_CHANNEL = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Television:
    """The set, as this package needs it.

    Attributes:
        changes: Anything at all, whenever the set may have changed.
        is_on: Whether it shows or tunes something.
        number: Of the channel, `None` when off.
        is_paused: Whether its picture is held.
        switch: Turns it on or off.
        hold: Holds its picture, or lets it go on; raises a `GatewayError` if it cannot.
    """

    changes: Publisher[Any]
    is_on: Callable[[], bool]
    number: Callable[[], int | None]
    is_paused: Callable[[], bool]
    switch: Callable[[bool], Awaitable[None]]
    hold: Callable[[bool], Awaitable[None]]


class TelevisionLink:
    """See `gateway.iot.link.Link`."""

    name = "tv"

    def __init__(self, television: Television) -> None:
        self.events: Publisher[LinkEvent] = Publisher()
        self._set = television

    async def run(self, ready: Callable[[], None]) -> None:
        with self._set.changes.subscribe() as changes:
            for entity in (POWER, CHANNEL, PAUSED):
                self.events.publish(Found(entity))
            said: dict[EntityId, Value] = {}
            self._say(said)
            ready()
            async for _ in changes:
                self._say(said)

    async def command(self, entity: EntityId, value: Value) -> bool:
        if not isinstance(value, bool) or entity not in (POWER.id, PAUSED.id):
            raise DeviceRefusedError(f"{entity} cannot become {value!r}")
        if self._now()[entity] != value:
            await (self._set.switch(value) if entity == POWER.id else self._set.hold(value))
        # What was so already says nothing by itself, and the order waits for the set's word.
        self._report(entity, self._now()[entity])
        return True

    def _now(self) -> dict[EntityId, Value]:
        # The picture last: when the set goes off, nothing is to be taken for a picture that goes on.
        return {
            POWER.id: self._set.is_on(),
            CHANNEL.id: self._set.number() or NO_CHANNEL,
            PAUSED.id: self._set.is_paused(),
        }

    def _say(self, said: dict[EntityId, Value]) -> None:
        for entity, value in self._now().items():
            if said.get(entity) != value:
                said[entity] = value
                self._report(entity, value)

    def _report(self, entity: EntityId, value: Value) -> None:
        self.events.publish(Reading(entity, value, datetime.now(UTC)))
