"""A house without a daemon: the API and the events of one, for the page's tests.

One rule: it speaks in the structs of `gateway.ui.documents` only, so it cannot
say what the real one could not.
"""

import asyncio
import contextlib
import json
import secrets
import sys
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
from aiohttp import WSMsgType, web

from gateway.ui import documents as doc
from gateway.ui import documents_events as news
from gateway.ui import documents_rules as rules_doc
from tests.ui.web import fake_documents, fake_material
from tests.ui.web.fake_pairing import Joining
from tests.ui.web.fake_watching import STEP_S, Watching

WEB = Path(__file__).parents[3] / "gateway" / "ui" / "web"
APP = Path(__file__).parent / "fake_app.html"
COOKIE = "gateway_session"
DIGITS_S = 1.2
OPEN = frozenset({"/api/v1/session", "/api/v1/pairing/claim"})
PAGE_KEYS = frozenset({"up", "down", "left", "right", "ok", "back", "home", "menu", "info", "guide"})
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SEEN = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAJCAAAAAAeQfPuAAAAHUlEQVR4nGNg"
    "EFAwcAhIKGiYsGDDgQsPPjAMEgEAbjZDgXlPfzEAAAAASUVORK5CYII="
)
"""A picture of sixteen by nine."""


class FakeHouse:
    """One box with twelve channels, four apps and a small home.

    Attributes:
        is_shut: Whether it takes nobody in, as while it starts.
        odd: Channels whose list names a codec that no browser has.
        lamp: How the lamp takes commands: ``answers``, ``is silent`` or ``refuses``.
        keys: Every key the page sent here.
        taken: The keys that the page wants for itself.
        reports: Every report of the page about its picture.
        calls: Every call that an app made.
        activated: Every scene that was activated.
        answers: Every answer to a question.
        token: What opens it.
    """

    def __init__(self, material: Path, *, channels: int = 12) -> None:
        self._material = material
        self._sockets: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._digits = ""
        self._apps_origin = ""
        self._stream = 0
        self._cookie = secrets.token_hex(8)
        self.token = "t" * 40
        self.lamp = "answers"
        self.is_shut = False
        self.odd: set[str] = set()
        self._told = asyncio.Event()
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self.expires_s = 0.8
        self.plane = "inpage"
        self.broken: dict[str, str] = {}
        self.keys: list[str] = []
        self.taken = doc.KeysTaken()
        self.reports: list[doc.PictureReport] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.tuned: list[str] = []
        self.services = {"tv": "running", "relay": "running", "iot": "running", "apps": "running"}
        self.channels = [fake_documents.channel(i) for i in range(channels)]
        self.entities = {
            entity.id: entity for entity in fake_documents.home() + fake_documents.air_conditioner()
        }
        self.commands: dict[str, doc.Command] = {}
        self.scenes: list[rules_doc.Scene] = []
        self.questions: dict[str, doc.Question] = {}
        self.messages: list[doc.Message] = []
        self.activated: list[str] = []
        self.answers: list[tuple[str, bool]] = []
        self.apps = fake_documents.apps()
        self.tv = doc.Tv(
            channel=None, number=None, name=None, picture="idle", first_frame_ms=None, mode="live",
            position=None, paused=False, window=None, recording=None, zap=None, tracks=[],
            volume_percent=60, muted=False, plane="inpage", stream=None, stream_id=None, code=None,
        )  # fmt: skip
        self.watching = Watching(self)
        self.joining = Joining(self)
        if self.channels:
            self._show(self.channels[min(6, channels - 1)])

    @contextlib.asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[str]:
        """Serve; yields the address that signs the page in."""
        house = web.AppRunner(self._application(), shutdown_timeout=0.2)
        frames = web.Application()
        frames.router.add_get("/{app}/{name}", self._app_page)
        others = web.AppRunner(frames, shutdown_timeout=0.2)
        await house.setup()
        await others.setup()
        try:
            await (site := web.TCPSite(others, "127.0.0.1", 0)).start()
            self._apps_origin = f"http://127.0.0.1:{_port(others)}"
            await (site := web.TCPSite(house, "127.0.0.1", port)).start()
            del site
            yield f"http://127.0.0.1:{_port(house)}/#t={self.token}"
        finally:
            for task in self._tasks:
                task.cancel()
            await house.cleanup()
            await others.cleanup()

    async def tell(self, event: news.Event) -> None:
        """Send an event to every page."""
        self._told.set()
        text = msgspec.json.encode(event).decode()
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.send_str(text)

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until `fact` holds; it is looked at whenever something was told."""
        while not fact():
            self._told.clear()
            await self._told.wait()

    async def hang_up(self) -> None:
        """End every WebSocket, as a restart of the daemon does."""
        for socket in list(self._sockets):
            await socket.close()

    def hold(self) -> None:
        """Let the devices think for as long as a test looks at the screen."""
        self._may_go_on.clear()

    def go_on(self) -> None:
        """Let them answer."""
        self._may_go_on.set()

    @staticmethod
    def tracks(tracks: list[dict[str, Any]]) -> list[doc.Track]:
        """Return `tracks` as the television names them."""
        return msgspec.convert(tracks, list[doc.Track])

    async def press(self, key: doc.Key) -> None:
        """Press a key of the remote."""
        await self._press(key)

    async def report(self, entity: str, **change: object) -> None:
        """Let a device report."""
        change.setdefault("reported_at", datetime.now(UTC))
        self.entities[entity] = msgspec.structs.replace(self.entities[entity], **change)
        await self.tell(news.EntityEvent(entity=self.entities[entity]))

    async def change_tv(self, **change: object) -> None:
        """Let the television change."""
        self.tv = msgspec.structs.replace(self.tv, **change)
        await self.tell(news.TvEvent(tv=self.tv))

    async def show_channel(self, name: str) -> None:
        """Tune to the channel of that id."""
        await self._tune_to(next(channel for channel in self.channels if channel.id == name))

    def admit(self, answer: web.Response) -> None:
        """Give the one who asks the cookie of the house."""
        answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict")

    async def set_services(self, **states: str) -> None:
        """Let services come and go."""
        self.services = {**self.services, **states}
        await self.tell(news.ServicesEvent(services=self.services))

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        routes = application.router
        routes.add_post("/api/v1/session", self._session)
        routes.add_get("/api/v1/events", self._events)
        routes.add_get("/api/v1/tv", self._get_tv)
        routes.add_post("/api/v1/tv/tune", self._tune)
        routes.add_post("/api/v1/tv/tracks", self._track)
        routes.add_post("/api/v1/tv/picture", self._picture)
        routes.add_post("/api/v1/keys", self._key)
        routes.add_put("/api/v1/keys/taken", self._take_keys)
        routes.add_get("/api/v1/guide", self._guide)
        routes.add_post("/api/v1/entities/{id}/commands", self._command)
        routes.add_get("/api/v1/messages", self._messages)
        routes.add_post("/api/v1/scenes/{id}/activate", self._activate)
        routes.add_post("/api/v1/questions/{id}/answer", self._answer)
        routes.add_post("/api/v1/apps/{id}/{verb}", self._app)
        self.watching.add(routes)
        self.joining.add(routes)
        routes.add_get("/live/{channel}/{name}", self._live)
        routes.add_get("/api/v1/entities/{id}/image", self._image)
        routes.add_get("/", self._page)
        routes.add_get("/r", self._phone_page)
        routes.add_static("/", WEB)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.is_shut:
            return _problem(503, "UI-112")
        is_private = request.path.startswith(("/api/", "/live/")) and request.path not in OPEN
        if is_private and request.cookies.get(COOKIE) != self._cookie:
            return _problem(401, "UI-105")
        if request.method not in ("GET", "HEAD") and request.headers.get("X-Gateway") != "1":
            return _problem(403, "UI-106")
        answer = await handler(request)
        if not request.path.startswith("/api/"):
            answer.headers["Content-Security-Policy"] = (
                f"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                f"connect-src 'self' ws://{request.host}; media-src 'self' blob:; worker-src 'self' blob:; "
                f"frame-src {self._apps_origin}; object-src 'none'; base-uri 'none'"
            )
        return answer

    async def _phone_page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "r.html")

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "index.html")

    async def _session(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _problem(401, "UI-105")
        answer = web.Response(status=204)
        answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict")
        return answer

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        snapshot = news.Snapshot(
            box="box-1", tv=self.tv, channels=self.channels, entities=list(self.entities.values()),
            commands=list(self.commands.values()), apps=self.apps, services=self.services, notices=[],
            screen="tv", waiting=self.joining.waiting, scenes=self.scenes,
            questions=list(self.questions.values()),
        )  # fmt: skip
        await socket.send_str(msgspec.json.encode(snapshot).decode())
        self._sockets.add(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._sockets.discard(socket)
        return socket

    async def ask(self, *questions: doc.Question) -> None:
        """Let these be the open questions."""
        self.questions = {question.id: question for question in questions}
        await self.tell(news.QuestionsEvent(questions=list(questions)))

    async def _messages(self, _request: web.Request) -> web.Response:
        return _json(self.messages)

    async def _activate(self, request: web.Request) -> web.Response:
        scene = next(one for one in self.scenes if one.id == request.match_info["id"])
        self.activated.append(str(scene.id))
        self._told.set()
        orders = [
            rules_doc.SceneOrder(entity=step.entity, value=step.value, command=None, code="IOT-203")
            for step in scene.do
            if step.entity not in self.entities
        ]
        return _json(orders)

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.questions:
            return _problem(404, "UI-301")
        self.answers.append((name, msgspec.json.decode(await request.read(), type=doc.Answer).yes))
        await self.ask(*(one for one in self.questions.values() if one.id != name))
        return web.Response(status=204)

    async def _image(self, _request: web.Request) -> web.Response:
        return web.Response(body=b64decode(SEEN), content_type="image/png")

    async def _get_tv(self, _request: web.Request) -> web.Response:
        return _json(self.tv)

    async def _tune(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=doc.Tune)
        for channel in self.channels:
            if wanted.channel == channel.id or wanted.number == channel.number:
                await self._tune_to(channel)
                return _json(self.tv, 202)
        return _problem(404, "TV-208")

    async def _tune_to(self, channel: doc.Channel) -> None:
        self.tuned.append(channel.id)
        self._show(channel)
        await self.tell(news.TvEvent(tv=self.tv))

    def _show(self, channel: doc.Channel) -> None:
        self._stream += 1
        inpage = self.plane == "inpage"
        code = self.broken.get(channel.id)
        self.tv = msgspec.structs.replace(
            self.tv, channel=channel.id, number=channel.number, name=channel.name, code=code,
            plane=cast("Any", self.plane), picture="failed" if code else "tuning" if inpage else "playing",
            first_frame_ms=None, tracks=[], mode="live", position=None, paused=False, recording=None,
            stream=f"/live/{channel.id}/index.m3u8" if inpage and not code else None,
            stream_id=f"s{self._stream}" if inpage and not code else None,
        )  # fmt: skip

    async def _track(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=doc.SelectTrack)
        kind = next(track.kind for track in self.tv.tracks if track.id == wanted.id)
        tracks = [
            msgspec.structs.replace(track, selected=track.id == wanted.id) if track.kind == kind else track
            for track in self.tv.tracks
        ]
        await self.change_tv(tracks=tracks)
        return _json(self.tv, 202)

    async def _picture(self, request: web.Request) -> web.Response:
        report = msgspec.json.decode(await request.read(), type=doc.PictureReport)
        self.reports.append(report)
        if report.stream_id != self.tv.stream_id:
            return _problem(409, "UI-112")
        match report.picture:
            case "first_frame":
                await self.change_tv(picture="playing", first_frame_ms=420, tracks=report.tracks or [])
            case "stalled" | "failed":
                await self.change_tv(picture=report.picture, code=report.code)
            case "resumed":
                await self.change_tv(picture="playing")
        return web.Response(status=204)

    async def _key(self, request: web.Request) -> web.Response:
        press = msgspec.json.decode(await request.read(), type=doc.KeyPress)
        self.keys.append(press.key)
        await self._press(press.key)
        return web.Response(status=202)

    async def _take_keys(self, request: web.Request) -> web.Response:
        self.taken = msgspec.json.decode(await request.read(), type=doc.KeysTaken)
        return web.Response(status=204)

    async def _press(self, key: doc.Key) -> None:
        channels = self.taken.channels and key in ("channel_up", "channel_down")
        if key in PAGE_KEYS or channels or (self.taken.digits and key.isdigit()):
            await self.tell(news.KeyEvent(key=key))
        elif key.isdigit():
            self._digits += key
            await self.tell(news.KeyEvent(key=key))
            await self._tell_digits()
            if len(self._digits) == 1:
                self._start(self._take_digits())
        elif key in ("channel_up", "channel_down") and self.channels:
            at = next((i for i, c in enumerate(self.channels) if c.id == self.tv.channel), 0)
            step = 1 if key == "channel_up" else -1
            await self._tune_to(self.channels[(at + step) % len(self.channels)])
        elif key in STEP_S:
            await self.watching.travel("seek", {"step_s": STEP_S[key]})
        elif key in ("play", "pause"):
            await self.watching.travel("resume" if self.tv.paused else "pause", None)
        elif key == "stop":
            await self.watching.travel("live", None)
        elif key in ("volume_up", "volume_down"):
            step = 5 if key == "volume_up" else -5
            await self.change_tv(volume_percent=max(0, min(100, self.tv.volume_percent + step)))
        elif key == "mute":
            await self.change_tv(muted=not self.tv.muted)

    async def _take_digits(self) -> None:
        await asyncio.sleep(DIGITS_S)
        number, self._digits = int(self._digits), ""
        await self._tell_digits()
        for channel in self.channels:
            if channel.number == number:
                await self._tune_to(channel)

    async def _tell_digits(self) -> None:
        found = next((c.id for c in self.channels if self._digits and c.number == int(self._digits)), None)
        await self.tell(news.NumberEvent(digits=self._digits, channel=found))

    async def _guide(self, request: web.Request) -> web.Response:
        start = datetime.fromisoformat(request.query["from"])
        stop = datetime.fromisoformat(request.query["to"])
        wanted = request.query.get("channel")
        found: list[doc.Programme] = []
        for i, channel in enumerate(self.channels):
            if wanted in (None, channel.id):
                found += fake_documents.programmes(i, channel.id, start, stop)
        return _json(found)

    async def _command(self, request: web.Request) -> web.Response:
        order = msgspec.json.decode(await request.read(), type=doc.Order)
        now = datetime.now(UTC)
        command = doc.Command(
            id=secrets.token_hex(4), entity=request.match_info["id"], value=order.value, state="sent",
            code=None, created_at=now, changed_at=now, expires_at=now + timedelta(seconds=self.expires_s),
        )  # fmt: skip
        self.commands[command.entity] = command
        await self.tell(news.CommandEvent(command=command))
        self._start(self._live_through(command))
        return _json({"id": command.id, "state": command.state}, 202)

    async def _live_through(self, command: doc.Command) -> None:
        async def becomes(state: str, code: str | None = None) -> None:
            now = datetime.now(UTC)
            changed = msgspec.structs.replace(command, state=cast("Any", state), code=code, changed_at=now)
            self.commands[command.entity] = changed
            await self.tell(news.CommandEvent(command=changed))

        if self.lamp == "is silent":
            await asyncio.sleep(self.expires_s)
            await becomes("expired", "IOT-207")
        elif self.lamp == "refuses":
            await becomes("failed", "IOT-201")
        else:
            await becomes("acknowledged")
            await self._may_go_on.wait()
            await self.report(command.entity, value=command.value)
            await becomes("confirmed")

    async def _app(self, request: web.Request) -> web.Response:
        app, verb = request.match_info["id"], request.match_info["verb"]
        if app not in {each.id for each in self.apps}:
            return _problem(404, "APP-201")
        if verb == "open":
            return _json(doc.AppOpened(id=app, entry=f"{self._apps_origin}/{app}/index.html"))
        if verb == "rpc":
            call = await request.json()
            self.calls.append((app, call["method"], call["params"]))
            return _json({"now": "2026-11-21T11:12:00Z"})
        if verb == "uninstall":
            self.apps = [each for each in self.apps if each.id != app]
            await self.tell(news.AppsEvent(apps=self.apps))
        return web.Response(status=204)

    async def _app_page(self, _request: web.Request) -> web.Response:
        policy = (
            "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
        )
        page = APP.read_text()
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "index.m3u8" and request.match_info["channel"] in self.odd:
            text = fake_material.master("hvc1.2.4.L153.B0")
            return web.Response(text=text, content_type="application/vnd.apple.mpegurl")
        if name in ("index.m3u8", "media.m3u8"):
            return web.Response(text=fake_material.playlist(), content_type="application/vnd.apple.mpegurl")
        at = next(i for i, channel in enumerate(self.channels) if channel.id == request.match_info["channel"])
        return web.FileResponse(self._material / f"look{at % len(fake_material.LOOKS)}" / name)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _problem(status: int, code: str) -> web.Response:
    body = json.dumps({"status": status, "title": code, "code": code, "detail": code})
    return web.Response(text=body, status=status, content_type="application/problem+json")


def _port(runner: web.AppRunner) -> int:
    return cast("tuple[str, int]", runner.addresses[0])[1]


async def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        fake_material.make(Path(folder))
        async with FakeHouse(Path(folder)).open() as address:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
