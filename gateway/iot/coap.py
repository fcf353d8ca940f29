"""The CoAP link: devices that registered at the box, or that the configuration names.

One rule: a device that is not admitted is not followed, and one that is, is
followed for as long as it is registered; see `gateway.iot.coap_watch`.
"""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import urlsplit

import aiocoap

from gateway.errors import GatewayError
from gateway.iot.coap_admission import MAX_JUDGED, Admission, UnknownApplicantError
from gateway.iot.coap_announced import (
    Announced,
    Resource,
    device_id,
    lwm2m_resources,
    plain_resources,
)
from gateway.iot.coap_directory import Directory, DirectoryEvent, Lapsed, Registered, Registration, Removed
from gateway.iot.coap_endpoint import COAP_PORT, CoapConfig, CoapEndpoint, HomeTuning, StaticDevice
from gateway.iot.coap_guard import Guard
from gateway.iot.coap_keys import MAX_KEYS, CoapKeys
from gateway.iot.coap_links import Link, LinkFormatError, parse_links
from gateway.iot.coap_lwm2m import Lwm2mSession
from gateway.iot.coap_observe import ask
from gateway.iot.coap_rd import LINK_FORMAT, Register, RegistrationDirectory
from gateway.iot.coap_sealed import Sealed
from gateway.iot.coap_sealing import NobodyThereError, Sealing
from gateway.iot.coap_telling import Teller
from gateway.iot.coap_watch import Pause, Watcher
from gateway.iot.entity import Device, EntityId, Value
from gateway.iot.link import DeviceRefusedError, LinkDownError, LinkEvent
from gateway.iot.lwm2m_objects import Explored, inventory
from gateway.pubsub import Publisher, Subscription
from gateway.store import Store

log = logging.getLogger(__name__)

_Keep = Callable[[asyncio.Event], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class _Peer:
    """A device being followed: its task, and the bell that ends its pauses."""

    task: asyncio.Task[None]
    bell: asyncio.Event
    base: str


class CoapLink:
    """See `gateway.iot.link.Link`.

    Attributes:
        admission: Who may be part of the home.
        keys: The credentials of devices that prove their name.
    """

    name = "coap"

    def __init__(self, config: CoapConfig, endpoint: CoapEndpoint, store: Store) -> None:
        self._config = config
        self._endpoint = endpoint
        self.keys = CoapKeys(store, from_all=config.security == "oscore")
        endpoint.secure(
            lambda site: Guard(site, self.keys), lambda wire: Sealing(wire, self.keys, self._sealed_at)
        )
        self.admission = Admission(
            store,
            is_open=config.admission == "open",
            always={*config.admitted, *(device.endpoint for device in config.devices)},
            max_admitted=config.max_devices,
            keys=self.keys,
        )
        self._directory = Directory(store, self.admission, max_devices=config.max_devices, keys=self.keys)
        self._events: Publisher[LinkEvent] = Publisher()
        self._announced = Announced(self._events)
        self._watcher = Watcher(endpoint, config, self._announced, self._events)
        self._teller = Teller(endpoint, config, self._announced, self._watcher, self._events)
        self._peers: dict[str, _Peer] = {}
        self._sessions: dict[str, Lwm2mSession] = {}
        self._explored: dict[str, Explored] = {}

    @property
    def events(self) -> Publisher[LinkEvent]:
        return self._events

    def knows(self, caller: str) -> bool:
        """Whether a caller, see `coap_seal.caller`, is the box itself or a device of the home."""
        if caller.startswith("@"):
            return self.admission.admits(caller[1:])
        named = {
            urlsplit(device.url).hostname
            for device in self._config.devices
            if not self.keys.demands(device.endpoint)
        }
        is_open = self._config.admission == "open" and self._config.security == "any"
        return is_open or caller in named or self._directory.knows(caller)

    def _sealed_at(self, origin: str) -> Sealed | None:
        """Return how to speak with the device at `origin`; `None` if it is one without credentials.

        Raises:
            NobodyThereError: no device is known to be there; it may have been one with credentials.
        """
        urls = {each.endpoint: each.base for each in self._directory.registrations.values()}
        urls |= {device.endpoint: device.url for device in self._config.devices}
        there = [endpoint for endpoint, url in urls.items() if _origin(url) == _origin(origin)]
        sealed = next((self.keys.of(endpoint) for endpoint in there if self.keys.has(endpoint)), None)
        if sealed is None and not any(not self.keys.demands(endpoint) for endpoint in there):
            raise NobodyThereError(origin)
        return sealed

    async def run(self, ready: Callable[[], None]) -> None:
        await self.keys.load()
        await self.admission.load()
        await self._directory.load()
        site = self._endpoint.site
        with (
            self._directory.changes.subscribe(self._config.max_devices * 4) as changes,
            self.admission.changes.subscribe(MAX_JUDGED) as verdicts,
            self.keys.changes.subscribe(MAX_KEYS) as keys,
        ):
            site.add_resource(["rd"], RegistrationDirectory(self._directory, self.keys))
            site.add_resource(["rd"], Register(self._directory, self.keys))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._directory.sweep(), name="coap lifetimes")
                    group.create_task(self._ring_when_open(), name="coap socket watch")
                    for device in self._config.devices:
                        self._begin_static(group, device)
                    for registration in tuple(self._directory.registrations.values()):
                        if not self._is_static(registration.endpoint) and await self._directory.lets_in(
                            registration
                        ):
                            self._begin(group, registration)
                    group.create_task(self._heed_verdicts(group, verdicts), name="coap verdicts")
                    group.create_task(self._heed_keys(group, keys), name="coap keys")
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
        return await self._teller.tell(entity, value)

    def lwm2m(self, endpoint: str) -> Lwm2mSession:
        """Return the LwM2M device that registered as `endpoint`, to read, write and execute.

        Raises:
            LinkDownError: no such device is registered.
        """
        session = self._sessions.get(endpoint)
        if session is None or self._directory.is_lapsed(endpoint):
            raise LinkDownError(f"{endpoint} is not registered over LwM2M now")
        return session

    def lwm2m_endpoints(self, number: int) -> tuple[str, ...]:
        """Return the devices of the home that are registered now and have the object `number`."""
        return tuple(
            endpoint
            for endpoint, session in self._sessions.items()
            if number in session.inventory.objects and not self._directory.is_lapsed(endpoint)
        )

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

    async def _heed_keys(self, group: asyncio.TaskGroup, keys: Subscription[str]) -> None:
        async for endpoint in keys:
            # Who it was until now is not proved, or no more: it registers anew.
            await self._directory.forget((endpoint,))
            if not self.keys.has(endpoint):
                # What was decided was about who had the credentials.
                with contextlib.suppress(UnknownApplicantError):
                    await self.admission.forget(endpoint)
            for device in self._config.devices:
                if device.endpoint == endpoint:
                    self._end(endpoint)
                    self._begin_static(group, device)

    def _begin_static(self, group: asyncio.TaskGroup, device: StaticDevice) -> None:
        if self.admission.admits(device.endpoint):
            self._follow(group, device.endpoint, partial(self._keep_static, device), device.url)
        else:
            log.warning("CoAP device %s is not asked: it has no credentials", device.endpoint)
            self._announced.set_unavailable(device.endpoint)

    def _heed(self, group: asyncio.TaskGroup, change: DirectoryEvent) -> None:
        registration = change.registration
        endpoint = registration.endpoint
        if isinstance(change, Removed):
            self._end(endpoint)
            self._sessions.pop(endpoint, None)
            self._explored.pop(endpoint, None)
            self._announced.announce(_device(registration), ())
        elif isinstance(change, Lapsed):
            self._end(endpoint)
            self._announced.set_unavailable(endpoint)
        elif (
            isinstance(change, Registered)
            or endpoint not in self._peers
            or self._peers[endpoint].base != registration.base
        ):
            # It may have restarted and forgotten that we listen: begin anew.
            self._end(endpoint)
            self._begin(group, registration)
        else:
            self._peers[endpoint].bell.set()

    def _begin(self, group: asyncio.TaskGroup, registration: Registration) -> None:
        endpoint = registration.endpoint
        links = _links_of(registration)
        if registration.lwm2m:
            session = Lwm2mSession(
                self._endpoint, registration.base, inventory(registration.lwm2m, links), self._config
            )
            self._sessions[endpoint] = session
            self._announce_lwm2m(registration, session)
            keep: _Keep = partial(self._keep_lwm2m, registration, session)
        else:
            self._sessions.pop(endpoint, None)
            device = _device(registration)
            resources = self._announced.announce(device, plain_resources(device, links, registration.base))
            keep = partial(self._watcher.keep, resources)
        if self._directory.is_lapsed(endpoint):
            self._announced.set_unavailable(endpoint)
        else:
            self._follow(group, endpoint, keep, registration.base)

    def _follow(self, group: asyncio.TaskGroup, endpoint: str, keep: _Keep, base: str) -> None:
        bell = asyncio.Event()
        task = group.create_task(self._alone(endpoint, keep, bell), name=f"coap device {endpoint}")
        self._peers[endpoint] = _Peer(task, bell, base)

    async def _alone(self, endpoint: str, keep: _Keep, bell: asyncio.Event) -> None:
        try:
            await keep(bell)
        except Exception:  # one device's oddity must not end the others
            log.exception("CoAP device %s is not followed until it registers anew", endpoint)
            self._announced.set_unavailable(endpoint)

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
        pause = Pause(self._config.longest_pause_s)
        while True:
            try:
                links = await self._read_core(device)
                break
            except GatewayError as failed:
                log.debug("CoAP device %s: %s", device.endpoint, failed)
                await pause.rest(bell)
        home = Device(id=device_id(device.endpoint), name=device.endpoint, link=self.name)
        found = plain_resources(home, links, device.url.rstrip("/"))
        await self._watcher.keep(self._announced.announce(home, found), bell)

    async def _read_core(self, device: StaticDevice) -> tuple[Link, ...]:
        request = aiocoap.Message(
            code=aiocoap.GET, uri=device.url.rstrip("/") + "/.well-known/core", transport_tuning=HomeTuning()
        )
        answer = await ask(self._endpoint.context, request, self._config.request_timeout_s)
        if not answer.code.is_successful() or answer.opt.content_format not in (None, LINK_FORMAT):
            raise DeviceRefusedError(f"{device.endpoint} answered {answer.code}")
        return parse_links(answer.payload.decode(errors="replace"))

    async def _keep_lwm2m(
        self, registration: Registration, session: Lwm2mSession, bell: asyncio.Event
    ) -> None:
        pause = Pause(self._config.longest_pause_s)
        while True:
            try:
                self._explored[registration.endpoint] = await session.explore()
                break
            except GatewayError as failed:
                log.debug("LwM2M device %s: %s", registration.endpoint, failed)
                if not registration.sleeps:
                    self._announced.set_unavailable(registration.endpoint)
                await pause.rest(bell)
        await self._watcher.keep(self._announce_lwm2m(registration, session), bell)

    def _announce_lwm2m(self, registration: Registration, session: Lwm2mSession) -> tuple[Resource, ...]:
        explored = self._explored.get(registration.endpoint, Explored())
        sleeps_s = registration.lifetime_s if registration.sleeps else None
        device = _device(registration)
        return self._announced.announce(device, lwm2m_resources(device, session, explored, sleeps_s))


@lru_cache(maxsize=1024)
def _origin(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    host = parts.hostname
    with contextlib.suppress(ValueError):
        host = str(ipaddress.ip_address(host or ""))
    return host, parts.port or COAP_PORT


def _device(registration: Registration) -> Device:
    return Device(
        id=device_id(registration.endpoint),
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
