"""The demo head-end's HTTP server: line-up, guide, live channels, signed repository.

One rule: it is an ordinary origin until ``/control`` tells it to misbehave, and
only this machine, and no web page, may tell it so.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import msgspec
from aiohttp import web

from gateway.errors import GatewayError
from gateway.schema import SchemaError, decode
from headend.demo import archive, guide, lineup, stock, window
from headend.demo.archive import Stretch
from headend.demo.channels import CatchUp, DemoChannel, Extent
from headend.demo.delivery import TYPES, HtmlPage, encrypt, only_from_here, playlist, query, send
from headend.demo.misbehave import Fault, Misbehaviour, Misbehaviours, Order
from headend.demo.recipe import Recipe
from headend.demo.stock import Stock

log = logging.getLogger(__name__)

MAX_CONTROL_BYTES = 4096
_CACHED_SEGMENTS = 16
_HANG_S = 3600.0


class OriginError(GatewayError):
    """The origin cannot listen where it should."""

    code: ClassVar[str] = "DEMO-103"
    hint = "Choose another port with --port. 请用 --port 换一个端口。"


@dataclass(frozen=True, slots=True)
class _Live:
    """A channel with its made material."""

    channel: DemoChannel
    stocks: dict[str, Stock]

    @property
    def main(self) -> Stock:
        return self.stocks[self.channel.rungs[0].name]


class DemoOrigin:
    """Serves made material as live channels.

    Args:
        material: Folder in which `Material` made the channels.
        channels: Which ones to serve.
        repository: Folder of a signed repository, served below ``/repo/``.
        host: Address to listen on.
        port: Port to listen on; 0 for any.
        clock: Unix time.

    Attributes:
        base: Address of the origin once `running`, without a final slash.
        pulls: Segments handed out, by channel.
    """

    def __init__(  # noqa: PLR0913 - collaborators and configuration
        self,
        material: Path,
        channels: Sequence[DemoChannel],
        *,
        repository: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.base = ""
        self.pulls: Counter[str] = Counter()
        self.misbehaviours = Misbehaviours()
        self._material = material
        self._channels = tuple(channels)
        self._repository = repository
        self._host, self._port, self._clock = host, port, clock
        self._live: dict[str, _Live] = {}
        self._segments: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve for as long as the block lasts.

        Raises:
            OriginError: the port is taken.
        """
        for channel in self._channels:
            folder = self._material / channel.id
            stocks = {r.name: stock.load(folder / r.name) for r in Recipe(channel).renditions}
            self._live[channel.id] = _Live(channel, stocks)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            try:
                await site.start()
            except OSError as error:
                raise OriginError(f"port {self._port} cannot be used: {error.strerror}") from error
            host, port = runner.addresses[0][:2]
            self.base = f"http://{host}:{port}"
            yield
        finally:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_CONTROL_BYTES)
        app.router.add_get("/lineup.m3u", self._line_up)
        app.router.add_get("/guide.xml.gz", self._guide)
        app.router.add_get("/logo/{channel}.svg", self._logo)
        app.router.add_get("/live/{channel}/index.m3u8", self._entry)
        app.router.add_get(
            r"/live/{channel}/{name:index|archive}-{start:\d{1,12}}-{duration:\d{1,6}}.m3u8", self._entry
        )
        app.router.add_get(r"/live/{channel}/key/{number:\d{1,12}}", self._key)
        app.router.add_get("/live/{channel}/{rendition}/index.m3u8", self._playlist)
        app.router.add_get("/live/{channel}/{rendition}/init.mp4", self._init)
        app.router.add_get(
            r"/live/{channel}/{rendition}/{number:\d{1,12}}.{ending:ts|m4s|vtt}", self._segment
        )
        app.router.add_get("/control", self._control_state)
        app.router.add_post("/control", self._control)
        if self._repository is not None:
            # What is merely staged is not the public's business.
            for part in ("metadata", "targets"):
                (self._repository / part).mkdir(parents=True, exist_ok=True)
                app.router.add_static(f"/repo/{part}/", self._repository / part)
        return app

    # What is announced ------------------------------------------------------------------------------

    async def _line_up(self, request: web.Request) -> web.Response:
        text = lineup.m3u(self._channels, base=f"http://{request.host}")
        return web.Response(text=text, content_type="audio/x-mpegurl", charset="utf-8")

    async def _guide(self, request: web.Request) -> web.Response:
        now = datetime.fromtimestamp(self._clock(), UTC)
        body = await asyncio.to_thread(guide.xmltv, self._channels, now, base=f"http://{request.host}")
        return web.Response(body=body, content_type="application/gzip")

    async def _logo(self, request: web.Request) -> web.Response:
        text = lineup.logo(self._find(request).channel)
        return web.Response(text=text, content_type="image/svg+xml", charset="utf-8")

    # Live -------------------------------------------------------------------------------------------

    async def _entry(self, request: web.Request) -> web.StreamResponse:
        live = self._find(request)
        trouble = self.misbehaviours.of(live.channel.id)
        if trouble and trouble.fault is Fault.TOKEN and "token" not in request.query:
            expires = int(self._clock() + trouble.order.valid_s)
            token = self.misbehaviours.token(live.channel.id, expires)
            raise web.HTTPFound(f"{request.path}?token={token}")
        await self._refuse(live, trouble, request)
        if live.channel.has_master:
            pictures = {name: s for name, s in live.stocks.items() if not name.startswith("audio-")}
            behind = archive.query(request.query) or query(request)
            return playlist(window.master_playlist(live.channel, pictures, behind), trouble)
        name = live.channel.rungs[0].name
        return self._media(live, live.main, request, trouble, prefix=f"{name}/", key_prefix="")

    async def _playlist(self, request: web.Request) -> web.StreamResponse:
        live = self._find(request)
        trouble = self.misbehaviours.of(live.channel.id)
        await self._refuse(live, trouble, request)
        return self._media(live, self._stock(live, request), request, trouble)

    def _media(  # noqa: PLR0913 - one per part of the address
        self,
        live: _Live,
        source: Stock,
        request: web.Request,
        trouble: Misbehaviour | None,
        *,
        prefix: str = "",
        key_prefix: str = "../",
    ) -> web.Response:
        text_track = request.match_info.get("rendition", "").startswith("text-")
        shape = window.Shape(
            ending="vtt" if text_track else source.ending,
            with_init=bool(source.scales) and not text_track,
            encrypted=live.channel.encrypted,
            query=query(request),
            prefix=prefix,
            key_prefix=key_prefix,
        )
        stretch = self._stretch(live, request)
        if stretch is not None:
            moments = archive.moments(source, stretch, self._clock())
            if not moments:
                raise web.HTTPNotFound(text="nothing is kept of that time")
            return playlist(window.media_playlist(moments, replace(shape, finished=True)), trouble)
        stale = trouble is not None and trouble.fault is Fault.STALE
        moments = window.window(source, trouble.since if trouble and stale else self._clock())
        text = window.media_playlist(moments, shape)
        if trouble and trouble.fault is Fault.EMPTY:
            text = text.split("#EXT-X-PROGRAM-DATE-TIME", 1)[0]
        return playlist(text, trouble)

    def _stretch(self, live: _Live, request: web.Request) -> Stretch | None:
        """Return what part of the past is asked for; a channel without an archive knows only live."""
        parts = request.match_info
        if live.channel.catch_up is CatchUp.NONE:
            if "start" in parts:
                raise web.HTTPNotFound
            return None
        try:
            if "start" in parts:
                return archive.lasting(parts["start"], parts["duration"])
            return archive.asked(request.query, self._clock())
        except ValueError as error:
            raise web.HTTPBadRequest(text="that is no stretch of time") from error

    async def _init(self, request: web.Request) -> web.StreamResponse:
        live = self._find(request)
        await self._refuse(live, self.misbehaviours.of(live.channel.id), request)
        source = self._stock(live, request)
        if not source.scales:
            raise web.HTTPNotFound
        return web.Response(body=source.init(), content_type=TYPES["mp4"])

    async def _key(self, request: web.Request) -> web.StreamResponse:
        live = self._find(request)
        await self._refuse(live, self.misbehaviours.of(live.channel.id), request)
        number = int(request.match_info["number"])
        if not live.channel.encrypted or number > window.key_number(live.main.newest(self._clock())):
            raise web.HTTPNotFound
        return web.Response(body=window.key(live.channel, number), content_type="application/octet-stream")

    async def _segment(self, request: web.Request) -> web.StreamResponse:
        live = self._find(request)
        trouble = self.misbehaviours.of(live.channel.id)
        await self._refuse(live, trouble, request)
        source, number = self._stock(live, request), int(request.match_info["number"])
        ending = request.match_info["ending"]
        rendition = request.match_info["rendition"]
        right = "vtt" if rendition.startswith("text-") else source.ending
        served = window.is_served(source, number, self._served_at(trouble))
        kept = archive.is_kept(live.channel, source, number, self._clock())
        if ending != right or not (served or kept):
            raise web.HTTPNotFound
        if trouble and trouble.fault is Fault.MISSING:
            raise web.HTTPNotFound
        moment = source.moment(number)
        body = await self._body(live, source, rendition, number)
        self.pulls[live.channel.id] += 1
        return await send(request, body, TYPES[ending], moment, trouble)

    async def _body(self, live: _Live, source: Stock, rendition: str, number: int) -> bytes:
        key = (live.channel.id, rendition, number)
        if key in self._segments:
            self._segments.move_to_end(key)
            return self._segments[key]
        if rendition.startswith("text-"):
            body = window.subtitles(source.moment(number), rendition.removeprefix("text-")).encode()
        else:
            body = await asyncio.to_thread(source.segment, number)
        if live.channel.encrypted:
            body = encrypt(body, window.key(live.channel, window.key_number(number)), number)
        self._segments[key] = body
        while len(self._segments) > _CACHED_SEGMENTS:
            self._segments.popitem(last=False)
        return body

    # Faults -----------------------------------------------------------------------------------------

    async def _refuse(self, live: _Live, trouble: Misbehaviour | None, request: web.Request) -> None:
        """Raise the answer of a fault that answers in place of everything."""
        if trouble is None:
            return
        if trouble.fault is Fault.HTML:
            raise HtmlPage
        if trouble.fault is Fault.ERROR:
            raise web.HTTPInternalServerError
        if trouble.fault is Fault.HANG:
            await asyncio.sleep(_HANG_S)
        token = request.query.get("token", "")
        if trouble.fault is Fault.TOKEN and not self.misbehaviours.accepts(
            live.channel.id, token, self._clock()
        ):
            raise web.HTTPForbidden(text="token expired")

    def _served_at(self, trouble: Misbehaviour | None) -> float:
        return trouble.since if trouble and trouble.fault is Fault.STALE else self._clock()

    async def _control(self, request: web.Request) -> web.Response:
        only_from_here(request)
        try:
            order = decode(msgspec.json.decode(await request.read()), Order)
        except (SchemaError, msgspec.DecodeError) as error:
            return web.json_response({"detail": str(error)}, status=400)
        if order.channel != "*" and order.channel not in self._live:
            return web.json_response({"detail": f"channel: {order.channel} is not served"}, status=400)
        self.misbehaviours.obey(order, self._clock())
        log.info("fault of %s: %s", order.channel, order.fault)
        return await self._control_state(request)

    async def _control_state(self, request: web.Request) -> web.Response:
        only_from_here(request)
        return web.json_response({"faults": self.misbehaviours.names, "pulls": dict(self.pulls)})

    # ------------------------------------------------------------------------------------------------

    def _find(self, request: web.Request) -> _Live:
        live = self._live.get(request.match_info["channel"])
        if live is None:
            raise web.HTTPNotFound
        return live

    def _stock(self, live: _Live, request: web.Request) -> Stock:
        name = request.match_info["rendition"]
        if name.startswith("text-") and live.channel.subtitles:
            if name.removeprefix("text-") in window.LANGUAGES:
                return live.main
        elif name in live.stocks:
            return live.stocks[name]
        raise web.HTTPNotFound


async def _serve(origin: DemoOrigin) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with origin.running():
        print(f"origin: {origin.base}", flush=True)  # noqa: T201 - told to whoever started us
        await stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve made material until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m headend.demo.origin", description="The demo's head-end.")
    parser.add_argument("--state", type=Path, default=Path("state"), help="folder of the demo's state")
    parser.add_argument("--port", type=int, default=8082, help="port to listen on (0: any)")
    parser.add_argument(
        "--repository", type=Path, help="folder of the signed repository, served below /repo/"
    )
    parser.add_argument("--extent", type=Extent, default=Extent.FULL, help="full, small or quick")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    material = options.state / "demo" / options.extent.folder
    origin = DemoOrigin(material, options.extent.channels, repository=options.repository, port=options.port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(origin))
    except GatewayError as error:
        print(error.line(), file=sys.stderr)  # noqa: T201 - the command's answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
