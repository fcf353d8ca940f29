"""What changes in the house, as one stream for every page.

One rule: whoever joins listens first and then gets the whole, so that nothing
falls between; whoever is too slow is sent away and joins anew.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from typing import Any, TypeVar

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler

from gateway.iot.body import BodyConfig
from gateway.iot.entity import Capability, EntityId, StateChanged
from gateway.media.inpage import InPagePlayer
from gateway.pubsub import Publisher, Subscription
from gateway.ui import documents as doc
from gateway.ui import documents_events as news
from gateway.ui import views
from gateway.ui.house import House

T = TypeVar("T")

MAX_LISTENERS = 32
BACKLOG = 512
SOURCE_BACKLOG = 8192
TOLD_AT_ONCE = 64
SEND_TIMEOUT_S = 10.0
REPEATED_EVERY_S = 1.0

_TRY_AGAIN_LATER = 1013
_GOING_AWAY = 1001

_encoder = msgspec.json.Encoder()


class Events:
    """Turns every fact into one message, encoded once for all listeners; a service."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._messages: Publisher[str] = Publisher()
        self._tv_told: doc.Tv | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        house = self._house
        sources: list[tuple[Publisher[Any], Callable[[Any], news.Event | None]]] = [
            (house.tv.changes, self._of_tv),
            (
                house.line_up.changes,
                lambda line_up: news.ChannelsEvent(channels=views.channels(line_up)),
            ),
            (house.registry.changes, _Reports(house.registry.body).event),
            (house.commands.changes, lambda command: news.CommandEvent(command=views.command(command))),
            (house.catalog.changes, lambda _: news.AppsEvent(apps=views.apps(house))),
            (house.app_host.changes, lambda _: news.AppsEvent(apps=views.apps(house))),
            (house.focus.changes, lambda holder: news.ScreenEvent(screen=views.screen(holder))),
            (house.services().changes, _of_services),
            (house.admission.changes, lambda _: news.WaitingEvent(waiting=views.waiting(house))),
            (house.notices.changes, lambda notice: news.NoticeEvent(notice=notice)),
            (
                house.scenes.changes,
                lambda scenes: news.ScenesEvent(scenes=list(map(views.scene, scenes))),
            ),
            (house.questions.changes, lambda open_now: news.QuestionsEvent(questions=list(open_now))),
        ]
        if house.inpage:
            sources.append((house.inpage.changes, self._of_tv))
        with ExitStack() as stack:
            async with asyncio.TaskGroup() as tasks:
                for changes, view in sources:
                    facts = stack.enter_context(changes.subscribe(SOURCE_BACKLOG))
                    tasks.create_task(self._forward(facts, view), name=f"events of {view.__qualname__}")
                ready()

    @property
    def inpage(self) -> InPagePlayer | None:
        """The player that lives in the listeners' pages, if that is where the picture is."""
        return self._house.inpage

    def tell(self, event: news.Event) -> None:
        """Send `event` to every listener; returns at once."""
        self._messages.publish(_encoder.encode(event).decode())

    def listen(self) -> AbstractContextManager[Subscription[str]]:
        """Return the messages from now on; take the `snapshot` after this, not before."""
        return self._messages.subscribe(BACKLOG)

    def snapshot(self) -> str:
        """Return the first message of every listener: everything as it is."""
        return _encoder.encode(self._snapshot()).decode()

    def _snapshot(self) -> news.Snapshot:
        house = self._house
        return news.Snapshot(
            box=house.box,
            tv=views.tv(house),
            channels=views.channels(house.line_up.state),
            entities=[views.entity(state, house.registry.body) for state in house.registry.states.values()],
            commands=[views.command(command) for command in house.commands.recent],
            apps=views.apps(house),
            services=dict(house.services().states),
            screen=views.screen(house.focus.holder),
            notices=list(house.notices.standing),
            waiting=views.waiting(house),
            scenes=[views.scene(scene) for scene in house.scenes.scenes],
            questions=list(house.questions.open),
        )

    def _of_tv(self, _: object) -> news.Event | None:
        """Set and player change together; what both have led to is told once."""
        now = views.tv(self._house)
        if now == self._tv_told:
            return None
        self._tv_told = now
        return news.TvEvent(tv=now)

    async def _forward(self, facts: Subscription[T], view: Callable[[T], news.Event | None]) -> None:
        lost = told = 0
        async for fact in facts:
            if facts.lost > lost:
                # Which facts were dropped nobody knows, so everyone gets the whole again.
                lost = facts.lost
                self.tell(self._snapshot())
            if event := view(fact):
                self.tell(event)
                told += 1
            if told >= TOLD_AT_ONCE:
                # A listener that can keep up must not lose anything to a burst.
                told = 0
                await asyncio.sleep(0)


class Listeners:
    """The open WebSockets; setting `closing` ends them all."""

    def __init__(self, events: Events, closing: asyncio.Event) -> None:
        self._events = events
        self._count = 0
        self._closing = closing

    async def serve(self, socket: WebSocket[Any, Any, Any]) -> None:
        """Talk to one listener until it leaves."""
        await socket.accept()
        if self._count >= MAX_LISTENERS or self._closing.is_set():
            await socket.close(_TRY_AGAIN_LATER, "too many listeners")
            return
        self._count += 1
        inpage = self._events.inpage
        try:
            with inpage.page() if inpage else nullcontext():
                code = await self._talk(socket)
        except (WebSocketDisconnect, TimeoutError):
            return
        finally:
            self._count -= 1
        if code is None:
            return
        with suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await socket.close(code)

    async def _talk(self, socket: WebSocket[Any, Any, Any]) -> int | None:
        """Send messages; return the code to close with, `None` when the listener has gone."""
        with self._events.listen() as messages:
            await _send(socket, self._events.snapshot())
            sending = asyncio.create_task(_send_all(socket, messages), name="send events")
            leaving = asyncio.create_task(_until_left(socket), name="hear a listener leave")
            closing = asyncio.create_task(self._closing.wait(), name="hear the end")
            tasks: set[asyncio.Task[Any]] = {sending, leaving, closing}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            if sending in done:
                sending.result()
            if leaving in done:
                return None
            return _TRY_AGAIN_LATER if sending in done else _GOING_AWAY


def events_handler(listeners: Listeners) -> WebsocketRouteHandler:
    """Return the handler of ``/api/v1/events``."""

    @websocket("/api/v1/events")
    async def events(socket: WebSocket[Any, Any, Any]) -> None:
        await listeners.serve(socket)

    return events


async def _send_all(socket: WebSocket[Any, Any, Any], messages: Subscription[str]) -> None:
    """Return when the listener has fallen behind."""
    async for message in messages:
        if messages.lost:
            return
        await _send(socket, message)


async def _send(socket: WebSocket[Any, Any, Any], message: str) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await socket.send_text(message)


async def _until_left(socket: WebSocket[Any, Any, Any]) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data("text")  # what a listener says means nothing here


class _Reports:
    """Decides which reports are worth a message: a repeated one at most once a second."""

    def __init__(self, body: BodyConfig) -> None:
        self._body = body
        self._told_at: dict[EntityId, float] = {}

    def event(self, change: StateChanged) -> news.Event | None:
        now = time.monotonic()
        if change.after is None:
            if change.before is None:
                return None
            self._told_at.pop(change.before.entity.id, None)
            return news.EntityGoneEvent(id=change.before.entity.id)
        entity = change.after.entity.id
        seen_anew = change.after.entity.capability is Capability.CAMERA  # the same words for each picture
        if change.repeated and not seen_anew and now - self._told_at.get(entity, 0.0) < REPEATED_EVERY_S:
            return None
        self._told_at[entity] = now
        return news.EntityEvent(entity=views.entity(change.after, self._body))


def _of_services(states: Mapping[str, str]) -> news.Event:
    return news.ServicesEvent(services=dict(states))
