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
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
from aiohttp import WSMsgType, web

from gateway.ui import documents as doc

sys.path.insert(0, str(Path(__file__).parent))
import fake_material

WEB = Path(__file__).parents[3] / "gateway" / "ui" / "web"
COOKIE = "gateway_session"
DIGITS_S = 1.2
PAGE_KEYS = frozenset({"up", "down", "left", "right", "ok", "back", "home", "menu", "info", "guide"})

CHANNELS = (
    ("综合", "央视", "1080p"), ("财经", "央视", "1080p"), ("综艺", "央视", None), ("国防军事", "央视", None),
    ("体育", "央视", "4K"), ("电影", "央视", None), ("农林卫视", "卫视", "1080p"), ("科教", "央视", None),
    ("戏曲", "央视", None), ("社会与法", "央视", None), ("农业农村", "央视", "4K"), ("县融媒", "本地", None),
)  # fmt: skip
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 17, 21)
TITLES = (
    "新闻联播", "致富经：一颗橙子的旅行", "梯田里的四季", "戏曲空间", "名医在线", "乡村大舞台", "健康之路：秋冬护关节",
    "自然传奇：雪线之上", "讲武堂", "三农问诊：霜冻来了怎么办", "海上灯火", "村口调解室",
)  # fmt: skip
TEXT = "哈尼族老人和返乡的孙子，用一年时间守住一片山。今晚：秋收与开镰。"  # noqa: RUF001 - Chinese punctuation
APPS = (
    ("cn.example.party", "党员之家", "Party", "flag", "#c2253b"),
    ("cn.example.village", "村务公开", "Village", "village", "#2d7d46"),
    ("cn.example.doctor", "看医生", "Doctor", "health", "#1676a8"),
    ("cn.example.market", "乡味集市", "Market", "shop", "#b8631b"),
)
APP_PAGE = """<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#123;color:#fff;font:60px sans-serif;
display:grid;place-items:center;height:100vh}</style><p id="said">…</p><script>
addEventListener("message", ({data, ports}) => { if (data.type !== "gateway.port") return; const port = ports[0];
  let asked = false; const say = (text) => { document.getElementById("said").textContent = text; };
  port.onmessage = ({data}) => { if (data.method === "key") {
      const mine = data.params.key === "back" && asked; if (mine) asked = false;
      if (data.params.key === "ok") { asked = true; port.postMessage({jsonrpc: "2.0", id: 7, method: "clock.now", params: {}}); }
      else say(data.params.key);
      port.postMessage({jsonrpc: "2.0", id: data.id, result: {handled: mine}}); }
    else if (data.id === 7) say(JSON.stringify(data.result ?? data.error)); };
  say("hello"); });
</script>"""


class FakeHouse:
    """One box with twelve channels, four apps and a small home.

    Attributes:
        lamp: How the lamp takes commands: ``answers``, ``is silent`` or ``refuses``.
        keys: Every key the page sent here.
        reports: Every report of the page about its picture.
        calls: Every call that an app made.
        token: What opens it.
    """

    def __init__(self, material: Path, *, channels: int = len(CHANNELS)) -> None:
        self._material = material
        self._sockets: set[web.WebSocketResponse] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._digits = ""
        self._apps_origin = ""
        self._stream = 0
        self._cookie = secrets.token_hex(8)
        self.token = "t" * 40
        self.lamp = "answers"
        self.expires_s = 0.8
        self.plane = "inpage"
        self.broken: dict[str, str] = {}
        self.keys: list[str] = []
        self.reports: list[doc.PictureReport] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.tuned: list[str] = []
        self.services = {"tv": "running", "relay": "running", "iot": "running", "apps": "running"}
        self.channels = [_channel(i) for i in range(channels)]
        self.entities = {entity.id: entity for entity in _home()}
        self.commands: dict[str, doc.Command] = {}
        self.apps = [
            doc.App(
                id=i, version="1.2.0", name={"zh-CN": zh, "en": en}, icon=icon, color=color, state="installed"
            )
            for i, zh, en, icon, color in APPS
        ]
        self.tv = doc.Tv(
            channel=None, number=None, name=None, picture="idle", first_frame_ms=None, mode="live", position=None,
            tracks=[], volume_percent=60, muted=False, plane="inpage", stream=None, stream_id=None, code=None,
        )  # fmt: skip
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

    async def tell(self, event: doc.Event) -> None:
        """Send an event to every page."""
        text = msgspec.json.encode(event).decode()
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError, RuntimeError):
                await socket.send_str(text)

    async def hang_up(self) -> None:
        """End every WebSocket, as a restart of the daemon does."""
        for socket in list(self._sockets):
            await socket.close()

    async def press(self, key: doc.Key) -> None:
        """Press a key of the remote."""
        await self._press(key)

    async def report(self, entity: str, **change: Any) -> None:
        """Let a device report."""
        now = datetime.now(UTC)
        self.entities[entity] = msgspec.structs.replace(self.entities[entity], reported_at=now, **change)
        await self.tell(doc.EntityEvent(entity=self.entities[entity]))

    async def change_tv(self, **change: Any) -> None:
        """Let the television change."""
        self.tv = msgspec.structs.replace(self.tv, **change)
        await self.tell(doc.TvEvent(tv=self.tv))

    async def set_services(self, **states: str) -> None:
        """Let services come and go."""
        self.services = {**self.services, **states}
        await self.tell(doc.ServicesEvent(services=self.services))

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
        routes.add_get("/api/v1/guide", self._guide)
        routes.add_post("/api/v1/entities/{id}/commands", self._command)
        routes.add_post("/api/v1/apps/{id}/{verb}", self._app)
        routes.add_get("/live/{channel}/{name}", self._live)
        routes.add_get("/", self._page)
        routes.add_static("/", WEB)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        is_private = request.path.startswith(("/api/", "/live/")) and request.path != "/api/v1/session"
        if is_private and request.cookies.get(COOKIE) != self._cookie:
            return _problem(401, "UI-401")
        if request.method == "POST" and request.headers.get("X-Gateway") != "1":
            return _problem(403, "UI-403")
        answer: web.StreamResponse = await handler(request)
        if not request.path.startswith("/api/"):
            answer.headers["Content-Security-Policy"] = (
                f"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                f"connect-src 'self' ws://{request.host}; media-src 'self' blob:; worker-src 'self' blob:; "
                f"frame-src {self._apps_origin}; object-src 'none'; base-uri 'none'"
            )
        return answer

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(WEB / "index.html")

    async def _session(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _problem(401, "UI-401")
        answer = web.Response(status=204)
        answer.set_cookie(COOKIE, self._cookie, httponly=True, samesite="Strict")
        return answer

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        snapshot = doc.Snapshot(
            box="box-1", tv=self.tv, channels=self.channels, entities=list(self.entities.values()),
            commands=list(self.commands.values()), apps=self.apps, services=self.services, screen="tv",
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
        await self.tell(doc.TvEvent(tv=self.tv))

    def _show(self, channel: doc.Channel) -> None:
        self._stream += 1
        inpage = self.plane == "inpage"
        code = self.broken.get(channel.id)
        self.tv = msgspec.structs.replace(
            self.tv, channel=channel.id, number=channel.number, name=channel.name, plane=cast("Any", self.plane),
            picture="failed" if code else "tuning" if inpage else "playing", code=code, first_frame_ms=None, tracks=[],
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
            return _problem(409, "UI-409")
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

    async def _press(self, key: doc.Key) -> None:
        if key in PAGE_KEYS:
            await self.tell(doc.KeyEvent(key=key))
        elif key.isdigit():
            self._digits += key
            await self.tell(doc.KeyEvent(key=key))
            if len(self._digits) == 1:
                self._start(self._take_digits())
        elif key in ("channel_up", "channel_down") and self.channels:
            at = next((i for i, c in enumerate(self.channels) if c.id == self.tv.channel), 0)
            step = 1 if key == "channel_up" else -1
            await self._tune_to(self.channels[(at + step) % len(self.channels)])
        elif key in ("volume_up", "volume_down"):
            step = 5 if key == "volume_up" else -5
            await self.change_tv(volume_percent=max(0, min(100, self.tv.volume_percent + step)))
        elif key == "mute":
            await self.change_tv(muted=not self.tv.muted)

    async def _take_digits(self) -> None:
        await asyncio.sleep(DIGITS_S)
        number, self._digits = int(self._digits), ""
        for channel in self.channels:
            if channel.number == number:
                await self._tune_to(channel)

    async def _guide(self, request: web.Request) -> web.Response:
        start = datetime.fromisoformat(request.query["from"])
        stop = datetime.fromisoformat(request.query["to"])
        wanted = request.query.get("channel")
        found: list[doc.Programme] = []
        for i, channel in enumerate(self.channels):
            if wanted in (None, channel.id):
                found += _programmes(i, channel.id, start, stop)
        return _json(found)

    async def _command(self, request: web.Request) -> web.Response:
        order = msgspec.json.decode(await request.read(), type=doc.Order)
        now = datetime.now(UTC)
        command = doc.Command(
            id=secrets.token_hex(4), entity=request.match_info["id"], value=order.value, state="sent", code=None,
            created_at=now, changed_at=now, expires_at=now + timedelta(seconds=self.expires_s),
        )  # fmt: skip
        self.commands[command.entity] = command
        await self.tell(doc.CommandEvent(command=command))
        self._start(self._live_through(command))
        return _json({"id": command.id, "state": command.state}, 202)

    async def _live_through(self, command: doc.Command) -> None:
        async def becomes(state: str, code: str | None = None) -> None:
            now = datetime.now(UTC)
            changed = msgspec.structs.replace(command, state=cast("Any", state), code=code, changed_at=now)
            self.commands[command.entity] = changed
            await self.tell(doc.CommandEvent(command=changed))

        if self.lamp == "is silent":
            await asyncio.sleep(self.expires_s)
            await becomes("expired", "IOT-202")
        elif self.lamp == "refuses":
            await becomes("failed", "IOT-201")
        else:
            await asyncio.sleep(0.3)
            await becomes("acknowledged")
            await self.report(command.entity, value=command.value)
            await becomes("confirmed")

    async def _app(self, request: web.Request) -> web.Response:
        app, verb = request.match_info["id"], request.match_info["verb"]
        if app not in {each.id for each in self.apps}:
            return _problem(404, "APP-404")
        if verb == "open":
            return _json(doc.AppOpened(id=app, entry=f"{self._apps_origin}/{app}/index.html"))
        if verb == "rpc":
            call = await request.json()
            self.calls.append((app, call["method"], call["params"]))
            return _json({"now": "2026-11-21T11:12:00Z"})
        if verb == "uninstall":
            self.apps = [each for each in self.apps if each.id != app]
            await self.tell(doc.AppsEvent(apps=self.apps))
        return web.Response(status=204)

    async def _app_page(self, _request: web.Request) -> web.Response:
        policy = (
            "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
        )
        return web.Response(
            text=APP_PAGE, content_type="text/html", headers={"Content-Security-Policy": policy}
        )

    async def _live(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "index.m3u8":
            return web.Response(text=fake_material.playlist(), content_type="application/vnd.apple.mpegurl")
        at = next(i for i, channel in enumerate(self.channels) if channel.id == request.match_info["channel"])
        return web.FileResponse(self._material / f"look{at % len(fake_material.LOOKS)}" / name)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _channel(index: int) -> doc.Channel:
    if index < len(CHANNELS):
        name, group, resolution = CHANNELS[index]
        number = NUMBERS[index]
    else:
        name, group, resolution, number = f"地方台 {index + 100}", "地方", None, index + 100
    catchup = doc.Catchup(days=7) if index % 2 else None
    return doc.Channel(
        id=f"c{number}", number=number, name=name, group=group, resolution=resolution, catchup=catchup
    )


def _programmes(index: int, channel: str, start: datetime, stop: datetime) -> list[doc.Programme]:
    length = timedelta(minutes=(30, 40, 45, 60, 90)[index % 5])
    origin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * (index % 4))
    number = int((start - origin) / length)
    found = []
    while (begins := origin + number * length) < stop:
        title = TITLES[(number + index * 5) % len(TITLES)]
        found.append(
            doc.Programme(id=f"{channel}-{number}", channel=channel, start=begins, stop=begins + length, title=title,
                          description=TEXT)
        )  # fmt: skip
        number += 1
    return found


def _home() -> list[doc.Entity]:
    now = datetime.now(UTC)

    def entity(
        key: str, device: str, name: str, capability: str, kind: str, unit: str, value: Any, **more: Any
    ) -> doc.Entity:
        link = "coap" if key.startswith("coap") else "mqtt"
        return doc.Entity(
            id=key, name=name, device=f"{link}.{device}", device_name=device, capability=capability, device_class=kind,
            unit=unit, value=value, source=link, **{"available": True, "reported_at": now, **more},
        )  # fmt: skip

    ago = now - timedelta(minutes=12)
    return [
        entity("mqtt.lamp", "客厅灯", "灯", "light", "", "", False),  # noqa: FBT003 - a lamp that is off
        entity("mqtt.plug", "热水壶插座", "插座", "switch", "outlet", "", True),  # noqa: FBT003 - a plug that is on
        entity(
            "coap.ep1.3303.0.5700", "卧室温度计", "温度", "sensor", "temperature", "°C", 23.4, reported_at=ago
        ),
        entity("coap.ep1.3304.0.5700", "卧室温度计", "湿度", "sensor", "humidity", "%", 51, reported_at=ago),
        entity("mqtt.door", "大门", "门磁", "binary_sensor", "door", "", False),  # noqa: FBT003 - closed
        entity("mqtt.bp_sys", "血压计", "收缩压", "sensor", "blood_pressure", "mmHg", 128),
        entity("mqtt.bp_dia", "血压计", "舒张压", "sensor", "blood_pressure", "mmHg", 82),
        entity(
            "mqtt.soil", "菜棚湿度", "湿度", "sensor", "humidity", "%", 37, available=False, reported_at=ago
        ),
    ]


def _json(value: Any, status: int = 200) -> web.Response:
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
    assert "up" in get_args(doc.Key)
    asyncio.run(_main())
