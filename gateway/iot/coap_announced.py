"""Which resources of CoAP devices are entities of the home, and which of them can be reached.

One rule: what is said here is said once: found, lost, reachable and out of
reach are events only when they change.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.iot.coap_links import Link
from gateway.iot.coap_lwm2m import Lwm2mSession
from gateway.iot.coap_resources import entity_of
from gateway.iot.coap_senml import READABLE, SENML_JSON, TEXT
from gateway.iot.entity import Device, DeviceId, Entity, EntityId
from gateway.iot.link import Availability, Found, LinkEvent, Lost
from gateway.iot.lwm2m_objects import Explored, described, links_of
from gateway.iot.lwm2m_paths import Path, parse_path
from gateway.pubsub import Publisher

MAX_ENTITIES = 64


@dataclass(frozen=True, slots=True)
class Resource:
    """Where an entity is on the wire.

    Attributes:
        accept: The format to ask for; `None` leaves it to the device.
        put: The format it takes; an LwM2M device's session knows better.
        lwm2m: Its device, if that speaks LwM2M, and where it is in that device's tree.
        sleeps_s: How long its silence means nothing; `None` if it is always awake.
    """

    entity: Entity
    url: str
    accept: int | None
    put: int
    lwm2m: tuple[Lwm2mSession, Path] | None = None
    sleeps_s: int | None = None


class Announced:
    """What the link has announced on `events`; the only one to announce there."""

    def __init__(self, events: Publisher[LinkEvent]) -> None:
        self._events = events
        self._resources: dict[EntityId, Resource] = {}
        self._available: dict[EntityId, bool] = {}

    def get(self, entity: EntityId) -> Resource | None:
        """Return where `entity` is; `None` if it is not announced."""
        return self._resources.get(entity)

    def announce(self, device: Device, has: Iterable[Resource]) -> tuple[Resource, ...]:
        """Tell what `device` now has and no longer has; returns what of it is new or stays."""
        resources = {each.entity.id: each for each in has if self._is_free(each.entity)}
        for gone in self._ids_of(device.id) - resources.keys():
            del self._resources[gone]
            self._available.pop(gone, None)
            self._events.publish(Lost(gone))
        for entity_id, resource in resources.items():
            before = self._resources.get(entity_id)
            self._resources[entity_id] = resource
            if before is None or before.entity != resource.entity:
                self._events.publish(Found(resource.entity))
        return tuple(resources.values())

    def remeasure(self, entity: Entity, unit: str) -> Entity:
        """Tell that `entity` is measured in `unit`; returns it so."""
        entity = replace(entity, unit=unit)
        self._resources[entity.id] = replace(self._resources[entity.id], entity=entity)
        self._events.publish(Found(entity))
        return entity

    def set_unavailable(self, endpoint: str) -> None:
        """Tell that nothing of the device `endpoint` can be reached."""
        for entity in self._ids_of(device_id(endpoint)):
            self.set_available(entity, available=False)

    def set_available(self, entity: EntityId, *, available: bool) -> None:
        """Tell whether `entity` can be reached."""
        if self._available.get(entity) is not available:
            self._available[entity] = available
            self._events.publish(Availability(entity, available))

    def _is_free(self, entity: Entity) -> bool:
        known = self._resources.get(entity.id)
        return known is None or known.entity.device.id == entity.device.id

    def _ids_of(self, device: DeviceId) -> set[EntityId]:
        return {key for key, resource in self._resources.items() if resource.entity.device.id == device}


def device_id(endpoint: str) -> DeviceId:
    """Return the id of the device that calls itself `endpoint`."""
    return DeviceId(f"coap.{endpoint}")


def plain_resources(device: Device, links: Iterable[Link], base: str) -> list[Resource]:
    """Return what of `links` are entities of `device`, whose addresses begin with `base`."""
    found = [(entity_of(device, _endpoint(device), link), link) for link in links]
    return [
        Resource(entity, base + link.target, _accepted(link), _put(link))
        for entity, link in found[:MAX_ENTITIES]
        if entity is not None
    ]


def lwm2m_resources(
    device: Device, session: Lwm2mSession, explored: Explored, sleeps_s: int | None
) -> list[Resource]:
    """Return what of an LwM2M device are entities, as far as it has told by now."""
    known = described(device, explored)
    found = []
    for link in links_of(session.inventory, explored)[:MAX_ENTITIES]:
        entity, path = entity_of(known, _endpoint(device), link), parse_path(link.target)
        if entity is not None and path is not None:
            url = session.base + link.target
            found.append(Resource(entity, url, session.accept, SENML_JSON, (session, path), sleeps_s))
    return found


def _endpoint(device: Device) -> str:
    return device.id.partition(".")[2]


def _accepted(link: Link) -> int | None:
    offered = link.words("ct")
    return next((known for known in READABLE if str(known) in offered), None)


def _put(link: Link) -> int:
    return SENML_JSON if str(SENML_JSON) in link.words("ct") else TEXT
