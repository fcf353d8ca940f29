"""The home as CoAP resources: every entity readable, observable, and writable if it takes commands.

One rule: 2.04 means that the device itself reported what was asked for.
Anything less is an error with its code, as on the screen.

Whoever is not part of the home is answered 4.01, and listed nothing but where to register.

``/.well-known/core`` lists them; ``/e/{entity id}`` is one, as SenML JSON or plain text.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import aiocoap
from aiocoap import error, interfaces, resource

from gateway.errors import BadInputError, GatewayError
from gateway.iot.coap_endpoint import CoapEndpoint
from gateway.iot.coap_links import Link, format_links
from gateway.iot.coap_rd import LINK_FORMAT, BoundedResource
from gateway.iot.coap_resources import link_of, reading_value
from gateway.iot.coap_seal import caller, speaker
from gateway.iot.coap_senml import SENML_JSON, TEXT, Record, decode, encode, plain_text
from gateway.iot.commands import Commands
from gateway.iot.commands_model import Command, CommandState
from gateway.iot.entity import Capability, Entity, EntityId, State, StateChanged, Value
from gateway.iot.registry import Registry
from gateway.pubsub import Subscription

MAX_OBSERVATIONS = 1000
MAX_OBSERVATIONS_OF_ONE = 500
MAX_WAITING_ORDERS = 64
LONGEST_WAIT_S = 30.0
_BACKLOG = 10_000
_MAX_VALUE_BYTES = 1024
# Longer than the heartbeat, so that a quiet value never looks stale to an observer (RFC 7641, section 4.3.1).
_MAX_AGE_S = 90
_HEARTBEAT_S = 60.0
# RFC 6690, section 4.1: these attributes hold several words, each of which matches.
_WORDS = frozenset({"rt", "if", "ct", "rel"})


class CoapServer:
    """Serves the home on the box's CoAP endpoint: a service."""

    def __init__(
        self,
        endpoint: CoapEndpoint,
        registry: Registry,
        commands: Commands,
        knows: Callable[[str], bool],
        *,
        body: bool = False,
    ) -> None:
        """Describe it.

        Args:
            endpoint: Where to serve.
            registry: The home.
            commands: Orders go here.
            knows: Whether a caller, see `coap_seal.caller`, may see and order the home.
            body: Whether what was measured of somebody's body is served, too.
        """
        self._endpoint = endpoint
        self._registry = registry
        self._commands = commands
        self._knows = knows
        self._body = body

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        site = self._endpoint.site
        home = _Shown(self._registry, self._body)
        entities = _Entities(home, self._commands, self._knows, self._endpoint.is_behind)
        with self._registry.changes.subscribe(_BACKLOG) as changes:
            site.add_resource(["e"], entities)
            site.add_resource([".well-known", "core"], _Core(home, self._knows))
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_beat(entities), name="coap heartbeat")
                    ready()
                    await _tell_each(changes, entities)
            finally:
                site.remove_resource(["e"])
                site.remove_resource([".well-known", "core"])


async def _tell_each(changes: Subscription[StateChanged], entities: "_Entities") -> None:
    lost = 0

    def note(change: StateChanged) -> None:
        nonlocal lost
        about = change.after or change.before
        if about is not None and not (change.repeated and change.after is not None):
            entities.tell(about.entity.id)
        if changes.lost > lost:
            lost = changes.lost
            entities.tell_all()

    await changes.note_each(note)


async def _beat(entities: "_Entities") -> None:
    while True:
        await asyncio.sleep(_HEARTBEAT_S)
        entities.tell_all()


@dataclass(frozen=True, slots=True)
class _Shown:
    """What of the home is served."""

    registry: Registry
    body: bool

    def states(self) -> Iterator[State]:
        return (state for state in self.registry.states.values() if self._may_be_seen(state))

    def get(self, entity: EntityId) -> State | None:
        state = self.registry.states.get(entity)
        return state if state is not None and self._may_be_seen(state) else None

    def _may_be_seen(self, state: State) -> bool:
        is_private = state.entity.body is not None and not self.body
        return not is_private and state.entity.capability is not Capability.CAMERA


class _Core(BoundedResource):
    """``/.well-known/core`` (RFC 6690), with its filters."""

    def __init__(self, home: _Shown, knows: Callable[[str], bool]) -> None:
        super().__init__()
        self._home = home
        self._knows = knows

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.accept not in (None, LINK_FORMAT):
            raise error.NotAcceptable
        own = Link("/rd", (("rt", "core.rd"), ("ct", str(LINK_FORMAT))))
        entities = (
            link_of(state.entity, f"/e/{quote(state.entity.id, safe='')}") for state in self._home.states()
        )
        links: Iterable[Link] = itertools.chain([own], entities if self._knows(caller(request)) else ())
        for query in request.opt.uri_query:
            name, equals, wanted = query.partition("=")
            if equals:
                links = [link for link in links if _matches(link, name, wanted)]
        return aiocoap.Message(payload=format_links(links).encode(), content_format=LINK_FORMAT)


_GUARDED = (Capability.ALARM, Capability.LOCK, Capability.COVER)
"""What must not open to whoever is in the network: an address is no proof."""


class _Entities(BoundedResource, resource.ObservableResource, resource.PathCapable):  # type: ignore[misc]  # aiocoap has no types
    """Everything below ``/e``."""

    max_body_bytes = _MAX_VALUE_BYTES

    def __init__(
        self,
        home: _Shown,
        commands: Commands,
        knows: Callable[[str], bool],
        is_behind: Callable[[interfaces.EndpointAddress], bool],
    ) -> None:
        super().__init__()
        self._home = home
        self._commands = commands
        self._knows = knows
        self._is_behind = is_behind
        self._observers: dict[EntityId, dict[aiocoap.protocol.ServerObservation, aiocoap.Message]] = {}
        self._by_observer: Counter[str] = Counter()
        self._waiting = 0

    async def render_to_pipe(self, pipe: aiocoap.pipe.Pipe) -> None:
        if not self._knows(caller(pipe.request)):
            raise error.Unauthorized
        await super().render_to_pipe(pipe)

    async def add_observation(
        self, request: aiocoap.Message, observation: aiocoap.protocol.ServerObservation
    ) -> None:
        entity, who = _id(request), caller(request)
        is_full = self._by_observer.total() >= MAX_OBSERVATIONS
        if self._home.get(entity) is None or is_full or self._by_observer[who] >= MAX_OBSERVATIONS_OF_ONE:
            # Answered once; aiocoap fails on what is neither accepted nor ended.
            observation.accept(lambda: None)
            observation.deregister()
            return
        observers = self._observers.setdefault(entity, {})
        observers[observation] = request
        self._by_observer[who] += 1

        def forget() -> None:
            if observers.pop(observation, None) is not None:
                self._by_observer -= Counter((who,))
            if not observers and self._observers.get(entity) is observers:
                del self._observers[entity]

        observation.accept(forget)

    def tell(self, entity: EntityId) -> None:
        """Notify the observers of `entity`, which changed or has gone."""
        for observation, request in tuple(self._observers.get(entity, {}).items()):
            if not self._knows(caller(request)):
                observation.trigger(aiocoap.Message(code=aiocoap.UNAUTHORIZED), is_last=True)
            elif self._home.get(entity) is None:
                observation.trigger(aiocoap.Message(code=aiocoap.NOT_FOUND), is_last=True)
            elif not self._is_behind(request.remote):
                # One that acknowledges nothing hears the newest with the heartbeat, if it is still there.
                observation.trigger()

    def tell_all(self) -> None:
        """Notify all observers."""
        for entity in tuple(self._observers):
            self.tell(entity)

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        state = self._state(request)
        if state.value is None:
            raise error.ServiceUnavailable("it has not reported yet")
        if request.opt.accept == TEXT:
            payload, content_format = plain_text(state.value), TEXT
        elif request.opt.accept in (None, SENML_JSON):
            record = Record(state.value, state.reported_at, state.entity.id, state.entity.unit)
            payload, content_format = encode(record), SENML_JSON
        else:
            raise error.NotAcceptable
        return aiocoap.Message(payload=payload, content_format=content_format, max_age=_MAX_AGE_S)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        entity = self._state(request).entity
        if not entity.writable:
            raise error.UnallowedMethod
        if entity.capability in _GUARDED and speaker(request) is None:
            raise error.Unauthorized("it is told only by who proves his name")
        if request.opt.content_format not in (None, TEXT, SENML_JSON):
            raise error.UnsupportedContentFormat
        if self._waiting >= MAX_WAITING_ORDERS:
            raise error.ServiceUnavailable("too many commands are under way")
        value = _value(entity, request)
        self._waiting += 1
        try:
            command = await self._carry_out(entity.id, value)
        finally:
            self._waiting -= 1
        if command.state is CommandState.CONFIRMED:
            return aiocoap.Message(code=aiocoap.CHANGED)
        why = f"{command.state} {command.code or ''}".strip()
        if command.state is CommandState.FAILED:
            raise error.BadGateway(why)
        raise error.GatewayTimeout(why)

    async def _carry_out(self, entity: EntityId, value: Value) -> Command:
        with self._commands.changes.subscribe(_BACKLOG) as changes:
            try:
                command = await self._commands.order(entity, value)
            except BadInputError as bad:
                raise error.BadRequest(bad.line()) from bad
            except GatewayError as failed:
                raise error.ServiceUnavailable(failed.line()) from failed
            left_s = (command.expires_at - datetime.now(UTC)).total_seconds() + 1
            try:
                async with asyncio.timeout(min(left_s, LONGEST_WAIT_S)):
                    while not command.state.over:
                        changed = await anext(changes)
                        command = changed if changed.id == command.id else command
            except TimeoutError:
                pass
            return command

    def _state(self, request: aiocoap.Message) -> State:
        state = self._home.get(_id(request))
        if state is None:
            raise error.NotFound
        return state


def _id(request: aiocoap.Message) -> EntityId:
    return EntityId("/".join(request.opt.uri_path))


def _value(entity: Entity, request: aiocoap.Message) -> Value:
    try:
        record = decode(request.payload, request.opt.content_format, now=datetime.now(UTC))[-1]
    except BadInputError as bad:
        raise error.BadRequest(str(bad)) from bad
    value = reading_value(entity, record.value)
    if value is None:
        raise error.BadRequest(f"not a value for a {entity.capability}")
    return value


def _matches(link: Link, name: str, wanted: str) -> bool:
    values = (link.target,) if name == "href" else link.words(name) if name in _WORDS else (link.first(name),)
    if wanted.endswith("*"):
        return any(value.startswith(wanted[:-1]) for value in values)
    return wanted in values
