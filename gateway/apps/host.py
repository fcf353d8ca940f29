"""Serving the pages of opened apps, on an origin of their own.

One rule: this listener knows nothing but files of bundles.  It has no API, no
cookies and no memory; a page gets a policy with which it can neither speak to
anyone nor see its parent, and an address that nobody can guess.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from gateway.apps.catalog import Catalog
from gateway.apps.errors import HostError
from gateway.apps.shelf import InstalledApp
from gateway.pubsub import Publisher
from gateway.schema import FieldError
from gateway.trust.manifest import AppId

log = logging.getLogger(__name__)

_OWN = Path(__file__).parent / "web"
_OWN_FILES = frozenset({"gateway-sdk.js", "gateway-tv.js", "gateway-look.css"})
_TOKEN_BYTES = 24
_STOP_S = 1.0
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".json": "application/json",
        ".txt": "text/plain; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".webp": "image/webp",
        ".woff2": "font/woff2",
        ".mp3": "audio/mpeg",
        ".m4a": "audio/mp4",
        ".mp4": "video/mp4",
        ".webm": "video/webm",
    }
)
_NOTHING_ALLOWED = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "clipboard-read",
        "clipboard-write",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppsConfig:
    """The ``apps`` section.

    Attributes:
        port: Where apps' pages are served; another origin than the page's. 0 takes a free one.
        host: Address to listen on.
        names: Host names under which the box may be asked; others get 421.
    """

    port: int = 8081
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ("127.0.0.1", "localhost")

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:  # noqa: PLR2004 - the largest TCP port
            raise FieldError("port", f"{self.port} is outside 0..65535")
        if not self.names:
            raise FieldError("names", "is empty: nobody could open an app")


@dataclass(frozen=True, slots=True)
class _Opening:
    app: InstalledApp
    token: str
    hold: ExitStack


class AppHost:
    """The apps' pages; a service.

    Attributes:
        opened: Ids of the apps that are open; an immutable snapshot.
        changes: Each new snapshot.
    """

    def __init__(self, catalog: Catalog, config: AppsConfig, *, pages: Collection[str]) -> None:
        """Serve apps of `catalog`.

        Args:
            catalog: The installed apps.
            config: Where to listen.
            pages: Origins that may show an app in a frame, such as ``http://127.0.0.1:8080``.
        """
        self.opened: frozenset[AppId] = frozenset()
        self.changes: Publisher[frozenset[AppId]] = Publisher()
        self._catalog = catalog
        self._config = config
        self._pages = tuple(pages)
        self._port = config.port
        self._openings: dict[AppId, _Opening] = {}

    @property
    def origin(self) -> str:
        """The apps' origin; its port is known once the service is ready."""
        return f"http://{self._config.names[0]}:{self._port}"

    @property
    def origins(self) -> tuple[str, ...]:
        """The apps' origin under each of its names, for a page's ``frame-src``."""
        return tuple(f"http://{name}:{self._port}" for name in self._config.names)

    async def run(self, ready: Callable[[], None]) -> None:
        """Listen, and close apps that are removed."""
        application = web.Application()
        application.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STOP_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._config.host, self._config.port)
            try:
                await site.start()
            except OSError as error:
                raise HostError(
                    f"{self._config.host}:{self._config.port} cannot be listened on: {error.strerror}"
                ) from error
            self._port = int(runner.addresses[0][1])
            with self._catalog.changes.subscribe() as changes:
                ready()
                async for apps in changes:
                    for gone in self.opened - apps.keys():
                        await self.close(gone)
        finally:
            for app in self.opened:
                await self.close(app)
            await runner.cleanup()

    async def open(self, app: AppId) -> str:
        """Return the address of the page of `app`, good until it is closed or opened again.

        Raises:
            UnknownAppError: it is not installed.
        """
        installed = self._catalog.get(app)
        if app in self._openings:
            self._openings.pop(app).hold.close()
        hold = ExitStack()
        hold.enter_context(self._catalog.hold(installed))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._openings[app] = _Opening(installed, token, hold)
        self._publish()
        return f"{self.origin}/{token}/{installed.manifest.entry.tv}"

    async def close(self, app: AppId) -> None:
        """Stop serving `app`; closing a closed app is fine."""
        if app in self._openings:
            self._openings.pop(app).hold.close()
            self._publish()

    def _publish(self) -> None:
        self.opened = frozenset(self._openings)
        self.changes.publish(self.opened)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.host not in {f"{name}:{self._port}" for name in self._config.names}:
            return _plain(HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in {"GET", "HEAD"}:
            response = _plain(HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = "GET, HEAD"
            return response
        token, _, name = request.path.removeprefix("/").partition("/")
        opening = self._opening(token)
        file = _file(opening.app, name) if opening else None
        if opening is None or file is None or not await asyncio.to_thread(file.is_file):
            return _plain(HTTPStatus.NOT_FOUND)
        headers = {
            **_headers(file),
            "Content-Security-Policy": _policy(f"http://{request.host}/{token}/", self._pages),
        }
        return web.FileResponse(file, headers=headers)

    def _opening(self, token: str) -> _Opening | None:
        for opening in self._openings.values():
            if secrets.compare_digest(opening.token.encode(), token.encode()):
                return opening
        return None


def _file(app: InstalledApp, name: str) -> Path | None:
    """Return the file of the bundle under `name`; only what the manifest lists is there."""
    if name in _OWN_FILES:
        return _OWN / name
    return app.folder / name if name in app.manifest.files else None


def _policy(own: str, pages: Collection[str]) -> str:
    """Return the policy of a page that may load its own files, from `own`, and nothing else."""
    parents = " ".join(pages) or "'none'"
    return "; ".join(
        (
            "sandbox allow-scripts",
            "default-src 'none'",
            f"script-src {own}",
            f"style-src {own}",
            f"img-src {own} data:",
            f"font-src {own}",
            f"media-src {own}",
            "connect-src 'none'",
            "frame-src 'none'",
            "worker-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {parents}",
        )
    )


def _headers(file: Path) -> dict[str, str]:
    return {
        "Content-Type": _KINDS.get(file.suffix.lower(), "application/octet-stream"),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Permissions-Policy": _NOTHING_ALLOWED,
        "Referrer-Policy": "no-referrer",
        # Scripts of a sandboxed page are fetched for the origin "null".
        "Access-Control-Allow-Origin": "null",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def _plain(status: HTTPStatus) -> web.Response:
    return web.Response(
        status=status,
        text=f"{status.phrase}\n",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
