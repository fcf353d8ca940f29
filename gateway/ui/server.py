"""The HTTP server: page, API, events and live media on one port.

One rule: it never takes the daemon down with it; a port in use is one clear
line, and stopping takes two seconds however many streams are open.
"""

import asyncio
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

import uvicorn
from litestar import Litestar
from litestar.handlers.base import BaseRouteHandler

from gateway.errors import GatewayError
from gateway.media.child_lock import ChildLock
from gateway.schema import FieldError
from gateway.ui.api import (
    apps,
    channels,
    commands,
    device_pairing,
    found,
    guide,
    health,
    helpers,
    home,
    household,
    keys,
    live,
    lock,
    openapi,
    pairing,
    questions,
    recordings,
    reminders,
    rules,
    scenes,
    session,
    support,
    tv,
    tv_time,
    updates,
)
from gateway.ui.asgi import Application, Receive, Scope, Send
from gateway.ui.auth import Access, Attempts
from gateway.ui.events import Events, Listeners, events_handler
from gateway.ui.guard import PRIVATE_PREFIXES, Guard
from gateway.ui.house import House
from gateway.ui.keys import Keys, KeysConfig
from gateway.ui.pages import Pages
from gateway.ui.pairing import Pairing
from gateway.ui.patience import PatientProtocol
from gateway.ui.phones import Phones
from gateway.ui.problems import answer_error

log = logging.getLogger(__name__)

GRACE_S = 1
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - only compared with
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.IGNORECASE)


class PortError(GatewayError):
    """The page's port cannot be opened."""

    code: ClassVar[str] = "UI-101"
    hint = "Stop the other program, or choose another port with --port or ui.port."


@dataclass(frozen=True, kw_only=True, slots=True)
class UiConfig:
    """The ``ui`` section.

    Attributes:
        port: Where page and API are; 0 lets the system choose.
        host: Address to listen on; ``0.0.0.0`` lets the phones of the house in.
        names: Further host names under which the box is reached, such as ``box.lan``.
        wrong_tokens_per_minute: Answers 429 beyond that many, per sender.
        keys: The remote control.
    """

    port: int = 8080
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    wrong_tokens_per_minute: int = 20
    keys: KeysConfig = field(default_factory=KeysConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - TCP's own bound
            raise FieldError("port", f"{self.port} is outside 0..65535")
        if not self.host:
            raise FieldError("host", "is empty")
        for name in self.names:
            if not _NAME.fullmatch(name):
                raise FieldError("names", f"{name!r} is not a host name")
        if self.wrong_tokens_per_minute < 1:
            raise FieldError("wrong_tokens_per_minute", "is less than 1")

    @property
    def known_as(self) -> tuple[str, ...]:
        """Host names the box answers to, beside those of the machine itself."""
        if self.host in _EVERY_ADDRESS:
            return self.names
        return (_in_url(self.host), *self.names)

    @property
    def local_url(self) -> str:
        """Where the box itself reaches the server, for its own player."""
        host = "127.0.0.1" if self.host in _EVERY_ADDRESS else self.host
        return f"http://{_in_url(host)}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """What the server answers with."""

    house: House
    access: Access
    phones: Phones
    pairing: Pairing
    household: household.Household
    lock: ChildLock
    reminders: reminders.Reminders
    recorder: recordings.Recorder
    library: recordings.Library
    recordings: recordings.Recordings
    events: Events
    keys: Keys


class UiServer:
    """Serves the house to its pages; a service.

    Attributes:
        port: The port that is open; 0 before `run` is ready.
    """

    def __init__(self, config: UiConfig, desk: Desk, web: Path, is_open: asyncio.Event | None = None) -> None:
        """Describe the server; `is_open` is set for as long as it answers."""
        self._config = config
        self._desk = desk
        self._web = web
        self._is_open = is_open or asyncio.Event()
        self.port = 0

    async def run(self, ready: Callable[[], None]) -> None:
        closing = asyncio.Event()
        server = uvicorn.Server(_uvicorn_config(self._application(closing)))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        with await _listen(self._config) as listening:
            await server.startup(sockets=[listening])
            self.port = listening.getsockname()[1]
            log.info("page and API on port %d", self.port)
            try:
                ready()
                self._is_open.set()
                await server.main_loop()
            finally:
                self._is_open.clear()
                self.port = 0
                closing.set()
                await server.shutdown(sockets=[listening])

    def _application(self, closing: asyncio.Event) -> Application:
        routes = api_routes(self._desk, in_network=self._config.host not in LOOPBACK)
        litestar = Litestar(
            [
                *openapi.options_handlers(routes),
                *routes,
                openapi.handler(routes),
                *live.handlers(self._desk.house, self._desk.lock, closing),
                *recordings.media_handlers(
                    self._desk.recordings, self._desk.recorder, self._desk.lock, closing
                ),
                events_handler(Listeners(self._desk.events, closing)),
            ],
            openapi_config=None,
            logging_config=None,
            exception_handlers={Exception: answer_error},
        )
        # The same protocol; only Litestar's own types for it are narrower.
        api = cast("Application", litestar)
        pages = Pages(self._web, lambda: self._desk.house.app_host.origins)

        async def route(scope: Scope, receive: Receive, send: Send) -> None:
            ours = scope["path"].startswith(PRIVATE_PREFIXES) or scope["path"] == "/healthz"
            await (api if ours else pages)(scope, receive, send)

        return Guard(
            route,
            self._desk.access,
            self._desk.phones,
            Attempts(self._config.wrong_tokens_per_minute),
            names=self._config.known_as,
            ticket=self._desk.house.live_ticket,
        )


def api_routes(desk: Desk, *, in_network: bool = True) -> list[BaseRouteHandler]:
    """Return every handler that `/api/v1/openapi.json` describes; see `pairing.handlers` for `in_network`."""
    house = desk.house
    return [
        *session.handlers(desk.access),
        *pairing.handlers(desk.pairing, desk.phones, in_network=in_network),
        *health.handlers(house),
        *channels.handlers(house),
        *guide.handlers(house),
        *tv.handlers(house),
        *tv_time.handlers(house),
        *support.handlers(house),
        *household.handlers(desk.household, desk.lock),
        *lock.handlers(desk.lock),
        *reminders.handlers(desk.reminders),
        *recordings.handlers(desk.recorder, desk.library),
        *keys.handlers(desk.keys),
        *home.handlers(house),
        *found.handlers(house),
        *commands.handlers(house),
        *device_pairing.handlers(house),
        *rules.handlers(house),
        *scenes.handlers(house),
        *helpers.handlers(house),
        *questions.handlers(house),
        *apps.handlers(house),
        *updates.handlers(house),
    ]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _listen(config: UiConfig) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise PortError(f"{config.host} is not an address of this machine: {error.strerror}") from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(128)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise PortError(f"port {config.port} on {config.host} cannot be opened: {error.strerror}") from error
    return opened


def _uvicorn_config(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=PatientProtocol,
        ws="wsproto",
        ws_max_size=64 * 1024,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=512,
    )
