"""The CoAP link: devices that registered at the box, or that the configuration names.

One rule: a device is followed by one task per resource, which tries again for
ever with growing pauses; what it last knew of the device is never shown as
more than that.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import aiocoap

from gateway.errors import GatewayError
from gateway.iot.coap_admission import MAX_JUDGED, Admission
from gateway.iot.coap_directory import Directory, DirectoryEvent, Lapsed, Registered, Registration, Removed
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, HomeTuning, StaticDevice
from gateway.iot.coap_links import Link, LinkFormatError, parse_links
from gateway.iot.coap_observe import Answer, Interest, ask, observe
from gateway.iot.coap_rd import LINK_FORMAT, Register, RegistrationDirectory
from gateway.iot.coap_resources import entity_of, reading_value
from gateway.iot.coap_senml import (
    READABLE,
    SENML_JSON,
    TEXT,
    PayloadError,
    Record,
    decode,
    encode,
    plain_text,
)
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, Value
from gateway.iot.link import Availability, DeviceRefusedError, Found, LinkDownError, LinkEvent, Lost
from gateway.pubsub import Publisher, Subscription
from gateway.store import Store

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_POLL_S = 30.0
_MAX_ENTITIES = 64

_Keep = Callable[[asyncio.Event], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class _Resource:
    """Where an entity is on the wire.

    Attributes:
        accept: The format to ask for; `None` leaves it to the device.
        put: The format it takes.
    """

    entity: Entity
    url: str
    accept: int | None
    put: int


@dataclass(frozen=True, slots=True)
class _Peer:
    """A device being followed: its task, and the bell that ends its pauses."""

    task: asyncio.Task[None]
    bell: asyncio.Event


class CoapLink:
    """See `gateway.iot.link.Link`.

    Attributes:
        admission: Who may be part of the home.
    """

    name = "coap"

    def __init__(self, config: CoapConfig, endpoint: CoapEndpoint, store: Store) -> None:
        self._config = config
        self._endpoint = endpoint
        self.admission = Admission(
            store,
            is_open=config.admission == "open",
            always={*config.admitted, *(device.endpoint for device in config.devices)},
            max_admitted=config.max_devices,
        )
        self._directory = Directory(store, self.admission, max_devices=config.max_devices)
        self._events: Publisher[LinkEvent] = Publisher()
        self._resources: dict[EntityId, _Resource] = {}
        self._available: dict[EntityId, bool] = {}
        self._peers: dict[str, _Peer] = {}

    @property
    def events(self) -> Publisher[LinkEvent]:
        return self._events

    def knows(self, host: str) -> bool:
        """Whether who answers at `host`, in figures, is the box itself or a device of the home."""
        named = {urlsplit(device.url).hostname for device in self._config.devices}
        return self._config.admission == "open" or host in named or self._directory.knows(host)

    async def run(self, ready: Callable[[], None]) -> None:
        await self.admission.load()
        await self._directory.load()
        site = self._endpoint.site
        with (
            self._directory.changes.subscribe(self._config.max_devices * 4) as changes,
            self.admission.changes.subscribe(MAX_JUDGED) as verdicts,
        ):
            site.add_resource(["rd"], RegistrationDirectory(self._directory))
            site.add_resource(["rd"], Register(self._directory))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._directory.sweep(), name="coap lifetimes")
                    group.create_task(self._ring_when_open(), name="coap socket watch")
                    for device in self._config.devices:
                        self._follow(group, device.endpoint, partial(self._keep_static, device))
                    for registration in tuple(self._directory.registrations.values()):
                        if not self._is_static(registration.endpoint) and await self._directory.lets_in(
                            registration
                        ):
                            self._begin(group, registration)
                    group.create_task(self._heed_verdicts(group, verdicts), name="coap verdicts")
                    ready()
                    async for change in changes:
                        if not self._is_static(
                            change.registration.endpoint
                        ) and await self._directory.concerns_home(change):
                            self._heed(group, change)
            finally:
                self._peers.clear()
                # Two stand at this path: the first call removes what is below it, the second itself.
                site.remove_resource(["rd"])
                site.remove_resource(["rd"])

    async def command(self, entity: EntityId, value: Value) -> bool:
        resource = self._resources.get(entity)
        if resource is None:
            raise LinkDownError(f"{entity} is not known over CoAP now")
        request = aiocoap.Message(
            code=aiocoap.PUT,
            uri=resource.url,
            payload=encode(Record(value)) if resource.put == SENML_JSON else plain_text(value),
            content_format=resource.put,
            transport_tuning=HomeTuning(),
        )
        answer = await ask(self._endpoint.context, request, self._config.command_timeout_s)
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{entity} answered {answer.code}")
        # Not every device notifies of a value that it had already: ask what it is now.
        with contextlib.suppress(GatewayError):
            read = aiocoap.Message(
                code=aiocoap.GET, uri=resource.url, accept=resource.accept, transport_tuning=HomeTuning()
            )
            await self._take(
                resource, await ask(self._endpoint.context, read, self._config.command_timeout_s)
            )
        return True

    def _is_static(self, endpoint: str) -> bool:
        return any(endpoint == device.endpoint for device in self._config.devices)

    async def _heed_verdicts(self, group: asyncio.TaskGroup, verdicts: Subscription[str]) -> None:
        async for endpoint in verdicts:
            registration = self._directory.registrations.get(endpoint)
            waits = any(endpoint == one.endpoint for one in self.admission.waiting)
            if registration is None or self._is_static(endpoint) or waits:
                continue
            if not self.admission.admits(endpoint):
                await self._directory.forget((endpoint,))
            elif endpoint not in self._peers:
                await self._directory.admit(endpoint)
                self._begin(group, registration)

    def _heed(self, group: asyncio.TaskGroup, change: DirectoryEvent) -> None:
        registration = change.registration
        endpoint = registration.endpoint
        if isinstance(change, Removed):
            self._end(endpoint)
            self._announce(_device(registration), (), "")
        elif isinstance(change, Lapsed):
            self._end(endpoint)
            self._set_unavailable(endpoint)
        elif isinstance(change, Registered) or endpoint not in self._peers or self._has_moved(registration):
            # It may have restarted and forgotten that we listen: begin anew.
            self._end(endpoint)
            self._begin(group, registration)
        else:
            self._peers[endpoint].bell.set()

    def _begin(self, group: asyncio.TaskGroup, registration: Registration) -> None:
        resources = self._announce(_device(registration), _links_of(registration), registration.base)
        if self._directory.is_lapsed(registration.endpoint):
            self._set_unavailable(registration.endpoint)
        else:
            self._follow(group, registration.endpoint, partial(self._keep, resources))

    def _follow(self, group: asyncio.TaskGroup, endpoint: str, keep: _Keep) -> None:
        bell = asyncio.Event()
        task = group.create_task(keep(bell), name=f"coap device {endpoint}")
        self._peers[endpoint] = _Peer(task, bell)

    def _end(self, endpoint: str) -> None:
        if peer := self._peers.pop(endpoint, None):
            peer.task.cancel()

    async def _ring_when_open(self) -> None:
        with self._endpoint.changes.subscribe() as changes:
            async for is_open in changes:
                if is_open:
                    for peer in self._peers.values():
                        peer.bell.set()

    async def _keep_static(self, device: StaticDevice, bell: asyncio.Event) -> None:
        pause = _Pause(self._config.longest_pause_s)
        while True:
            try:
                links = await self._read_core(device)
                break
            except GatewayError as failed:
                log.debug("CoAP device %s: %s", device.endpoint, failed)
                await pause.rest(bell)
        home = Device(id=_device_id(device.endpoint), name=device.endpoint, link=self.name)
        await self._keep(self._announce(home, links, device.url.rstrip("/")), bell)

    async def _read_core(self, device: StaticDevice) -> tuple[Link, ...]:
        request = aiocoap.Message(
            code=aiocoap.GET, uri=device.url.rstrip("/") + "/.well-known/core", transport_tuning=HomeTuning()
        )
        answer = await ask(self._endpoint.context, request, self._config.request_timeout_s)
        if not answer.code.is_successful() or answer.opt.content_format not in (None, LINK_FORMAT):
            raise DeviceRefusedError(f"{device.endpoint} answered {answer.code}")
        return parse_links(answer.payload.decode(errors="replace"))

    async def _keep(self, resources: tuple[_Resource, ...], bell: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for resource in resources:
                group.create_task(self._watch(resource, bell), name=f"observe {resource.entity.id}")

    async def _watch(self, resource: _Resource, bell: asyncio.Event) -> None:
        pause = _Pause(self._config.longest_pause_s)
        while True:
            observed = False
            try:
                answers = observe(self._endpoint.context, self._interest(resource))
                async with contextlib.aclosing(answers):
                    async for answer in answers:
                        await self._take(resource, answer)
                        observed = answer.opt.observe is not None
                        pause.reset()
                await pause.rest(bell, _FIRST_PAUSE_S if observed else _POLL_S)
            except GatewayError as failed:
                log.debug("%s: %s", resource.entity.id, failed)
                self._set_available(resource.entity.id, available=False)
                await pause.rest(bell)

    def _interest(self, resource: _Resource) -> Interest:
        return Interest(
            url=resource.url,
            accept=resource.accept,
            timeout_s=self._config.request_timeout_s,
            margin_s=self._config.margin_s,
            tuning=HomeTuning(),
        )

    async def _take(self, resource: _Resource, answer: Answer) -> None:
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{resource.entity.id} answered {answer.code}")
        if answer.opt.block2 is not None and answer.opt.block2.more:
            answer = await ask(
                self._endpoint.context,
                aiocoap.Message(code=aiocoap.GET, uri=resource.url, accept=resource.accept),
                self._config.request_timeout_s,
            )
        now = datetime.now(UTC)
        record = decode(answer.payload, answer.opt.content_format, now=now)[-1]
        entity = self._resources[resource.entity.id].entity
        value = reading_value(entity, record.value)
        if value is None:
            raise PayloadError(f"{entity.id} says something that is not {entity.capability}")
        if entity.capability is Capability.SENSOR and record.unit and record.unit != entity.unit:
            entity = replace(entity, unit=record.unit)
            self._resources[entity.id] = replace(resource, entity=entity)
            self._events.publish(Found(entity))
        self._set_available(entity.id, available=True)
        # A clock may be ahead of ours, but nothing was measured in the future; and what a switch is,
        # it is when it says so, whatever it thinks the time is.
        at = now if entity.capability.writable else min(record.at or now, now)
        self._events.publish(Reading(entity.id, value, at))

    def _announce(self, device: Device, links: tuple[Link, ...], base: str) -> tuple[_Resource, ...]:
        """Publish what `device` now has and no longer has; returns its resources."""
        endpoint = device.id.partition(".")[2]
        found = [(entity_of(device, endpoint, link), link) for link in links]
        resources = {
            entity.id: _Resource(entity, base + link.target, _accepted(link), _put(link))
            for entity, link in found[:_MAX_ENTITIES]
            if entity is not None and self._is_free(entity)
        }
        for gone in self._ids_of(endpoint) - resources.keys():
            del self._resources[gone]
            self._available.pop(gone, None)
            self._events.publish(Lost(gone))
        for entity_id, resource in resources.items():
            before = self._resources.get(entity_id)
            self._resources[entity_id] = resource
            if before is None or before.entity != resource.entity:
                self._events.publish(Found(resource.entity))
        return tuple(resources.values())

    def _is_free(self, entity: Entity) -> bool:
        known = self._resources.get(entity.id)
        return known is None or known.entity.device.id == entity.device.id

    def _ids_of(self, endpoint: str) -> set[EntityId]:
        device = _device_id(endpoint)
        return {key for key, resource in self._resources.items() if resource.entity.device.id == device}

    def _has_moved(self, registration: Registration) -> bool:
        return any(
            not self._resources[entity].url.startswith(registration.base + "/")
            for entity in self._ids_of(registration.endpoint)
        )

    def _set_unavailable(self, endpoint: str) -> None:
        for entity in self._ids_of(endpoint):
            self._set_available(entity, available=False)

    def _set_available(self, entity: EntityId, *, available: bool) -> None:
        if self._available.get(entity) is not available:
            self._available[entity] = available
            self._events.publish(Availability(entity, available))


class _Pause:
    """Growing pauses between attempts, ended early by a bell."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._next_s = _FIRST_PAUSE_S

    def reset(self) -> None:
        self._next_s = _FIRST_PAUSE_S

    async def rest(self, bell: asyncio.Event, seconds: float | None = None) -> None:
        if seconds is None:
            # Spread, so that a street of devices does not come back in step after a power cut.
            seconds = self._next_s * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
            self._next_s = min(self._next_s * 2, self._longest_s)
        bell.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.wait()


def _device_id(endpoint: str) -> DeviceId:
    return DeviceId(f"coap.{endpoint}")


def _device(registration: Registration) -> Device:
    return Device(
        id=_device_id(registration.endpoint),
        name=registration.name or registration.endpoint,
        link=CoapLink.name,
        model=registration.model,
    )


def _links_of(registration: Registration) -> tuple[Link, ...]:
    try:
        return parse_links(registration.links)
    except LinkFormatError as error:
        # It parsed when it was kept, by an earlier version perhaps; the device will register again.
        log.warning("%s: %s", registration.endpoint, error.line())
        return ()


def _accepted(link: Link) -> int | None:
    offered = link.words("ct")
    return next((known for known in READABLE if str(known) in offered), None)


def _put(link: Link) -> int:
    return SENML_JSON if str(SENML_JSON) in link.words("ct") else TEXT
