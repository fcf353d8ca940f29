"""The part of the fake house that goes back in time and remembers what the household keeps.

One rule: the same as the fake house's: only the structs of the documents go out.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from aiohttp import web

from gateway.ui import documents as doc
from gateway.ui import documents_watching as watching
from tests.ui.web import fake_documents

if TYPE_CHECKING:
    from tests.ui.web.fake_house import FakeHouse

PIN = "2580"
TOKEN = "k" * 22
CODE = "482915"
QR = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'%3E"
    "%3Cpath fill='%23fff' d='M0 0h9v9H0z'/%3E%3Cpath d='M1 1h3v3H1zM5 1h3v3H5zM1 5h3v3H1z"
    "M5 5h1v2h2v1H5z'/%3E%3C/svg%3E"
)
WINDOW = timedelta(hours=2)
STEP_S = {"rewind": -10.0, "forward": 10.0}
Answered = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Watching:
    """Time travel and what the household keeps.

    Attributes:
        asked: What was asked of the television in time, by name.
        role: Of the phone that pairs.
        offered: Whether a phone may join.
        pin: Of the child lock.
        broken: Whether recordings cannot be read.
    """

    def __init__(self, house: "FakeHouse") -> None:
        self._house = house
        self.asked: list[tuple[str, Any]] = []
        self.role = watching.Phone(id="", name="", role="member", paired_at=_now(), seen_at=None).role
        self.phones: list[watching.Phone] = []
        self.offered = False
        self.pin = PIN
        self.broken = False
        self.reminders: list[watching.Reminder] = []
        self.series: list[watching.Series] = []
        self.recordings = _recordings()
        self.household = watching.Household(members=[], current=None, levelling=False, share_viewing=False)
        self.lock = watching.Lock(
            has_pin=True, max_age=12, channels=[], hours=None, minutes_a_day=None, minutes_left=None,
            open_until=None,
        )  # fmt: skip

    def add(self, routes: web.UrlDispatcher) -> None:
        """Answer below ``/api/v1``."""
        for verb in ("pause", "resume", "seek", "live", "catchup", "recording", "focus"):
            routes.add_post(f"/api/v1/tv/{verb}", self._travelled(verb))
        routes.add_get("/api/v1/guide/now", self._now_on)
        routes.add_get("/api/v1/guide/search", self._search)
        routes.add_get("/api/v1/recordings", self._list_recordings)
        routes.add_post("/api/v1/recordings", self._record)
        routes.add_post("/api/v1/recordings/{id}/stop", self._stop_recording)
        routes.add_post("/api/v1/recordings/series", self._add_series)
        routes.add_delete("/api/v1/recordings/series/{id}", self._remove_series)
        routes.add_delete("/api/v1/recordings/{id}", self._delete_recording)
        routes.add_get("/api/v1/reminders", self._list_reminders)
        routes.add_post("/api/v1/reminders", self._remind)
        routes.add_delete("/api/v1/reminders/{id}", self._forget_reminder)
        routes.add_get("/api/v1/household", self._get_household)
        routes.add_put("/api/v1/household", self._put_household)
        routes.add_put("/api/v1/household/members/{id}", self._put_member)
        routes.add_delete("/api/v1/household/members/{id}", self._remove_member)
        routes.add_get("/api/v1/lock", self._get_lock)
        routes.add_put("/api/v1/lock", self._put_lock)
        routes.add_post("/api/v1/lock/open", self._open_lock)
        routes.add_post("/api/v1/lock/close", self._close_lock)
        routes.add_post("/api/v1/pairing", self._offer)
        routes.add_delete("/api/v1/pairing", self._withdraw)
        routes.add_post("/api/v1/pairing/claim", self._claim)
        routes.add_put("/api/v1/pairing/phones/{id}", self._change_phone)
        routes.add_delete("/api/v1/pairing/phones/{id}", self._dismiss_phone)
        routes.add_get("/api/v1/pairing/me", self._me)
        routes.add_delete("/api/v1/pairing/me", self._leave)
        routes.add_get("/api/v1/pairing/phones", self._list_phones)
        routes.add_get("/api/v1/channels", self._channels)

    async def travel(self, verb: str, body: Any) -> None:  # noqa: ANN401 - a JSON document
        """Go where `verb` says."""
        house, now = self._house, _now()
        at = house.tv.position or now
        window = doc.TvWindow(start=now - WINDOW, end=now)
        if verb == "pause":
            mode = "timeshift" if house.tv.mode == "live" else house.tv.mode
            await house.change_tv(paused=True, mode=mode, position=at, window=window)
        elif verb == "resume":
            await house.change_tv(paused=False)
        elif verb == "seek":
            wanted = at + timedelta(seconds=body["step_s"])
            if wanted >= now:
                await house.change_tv(mode="live", position=None, window=window)
            else:
                await house.change_tv(mode="timeshift", position=wanted, window=window)
        elif verb == "live":
            await house.change_tv(mode="live", paused=False, position=None, recording=None, window=window)
        elif verb == "catchup":
            one = self.programme(body["programme"])
            await house.show_channel(one.channel)
            week = doc.TvWindow(start=now - timedelta(days=7), end=now)
            await house.change_tv(mode="catchup", position=one.start, window=week)
        elif verb == "recording":
            one_kept = next(each for each in self.recordings if each.id == body["recording"])
            end = one_kept.start + timedelta(seconds=one_kept.duration_s)
            begin = timedelta(seconds=0 if body.get("from_start") else one_kept.position_s)
            await house.change_tv(
                mode="recording", recording=one_kept.id, position=one_kept.start + begin,
                window=doc.TvWindow(start=one_kept.start, end=end),
            )  # fmt: skip

    def programme(self, name: str) -> doc.Programme:
        """Return the programme called `name`."""
        now = _now()
        for index, channel in enumerate(self._house.channels):
            span = timedelta(days=8)
            for one in fake_documents.programmes(index, channel.id, now - span, now + span):
                if one.id == name:
                    return one
        raise web.HTTPNotFound

    def _travelled(self, verb: str) -> Answered:
        async def answer(request: web.Request) -> web.StreamResponse:
            body = json.loads(await request.read() or b"null")
            self.asked.append((verb, body))
            await self.travel(verb, body)
            return _json(self._house.tv, 202)

        return answer

    async def _now_on(self, _request: web.Request) -> web.Response:
        now, found = _now(), []
        for index, channel in enumerate(self._house.channels):
            two = fake_documents.programmes(index, channel.id, now, now + timedelta(hours=3))
            found.append(watching.NowOn(channel=channel.id, now=two[0], next=two[1]))
        return _json(found)

    async def _search(self, request: web.Request) -> web.Response:
        initials = {"x": "新闻", "m": "名医", "j": "健康"}
        text, now = request.query["q"].lower(), _now()
        wanted = initials.get(text[0], text)
        found = [
            one
            for index, channel in enumerate(self._house.channels)
            for one in fake_documents.programmes(
                index, channel.id, now - timedelta(hours=3), now + timedelta(hours=12)
            )
            if wanted in one.title
        ]
        return _json(found[:50])

    async def _channels(self, _request: web.Request) -> web.Response:
        return _json(self._house.channels)

    async def _list_recordings(self, _request: web.Request) -> web.Response:
        if self.broken:
            return problem(500, "GW-001")
        space = watching.RecordingSpace(
            used_bytes=34_000_000_000, quota_bytes=50_000_000_000, free_bytes=90_000_000_000
        )
        return _json(watching.Recordings(recordings=self.recordings, series=self.series, space=space))

    async def _record(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.NewRecording)
        one = self.programme(cast("str", wanted.programme))
        kept = _recording(
            one.title,
            "recording" if one.start <= _now() else "planned",
            one.start,
            one.stop,
            channel=one.channel,
        )
        self.recordings.insert(0, kept)
        return _json(kept, 201)

    async def _stop_recording(self, request: web.Request) -> web.Response:
        one = next(each for each in self.recordings if each.id == request.match_info["id"])
        stopped = msgspec.structs.replace(one, state="partial", stop=_now())
        self.recordings = [stopped if each is one else each for each in self.recordings]
        return _json(stopped)

    async def _delete_recording(self, request: web.Request) -> web.Response:
        self.recordings = [each for each in self.recordings if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _add_series(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.NewSeries)
        rule = watching.Series(
            id=secrets.token_hex(3), title=wanted.title, channel=wanted.channel, keep_last=wanted.keep_last
        )
        self.series.append(rule)
        return _json(rule, 201)

    async def _remove_series(self, request: web.Request) -> web.Response:
        self.series = [each for each in self.series if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _list_reminders(self, _request: web.Request) -> web.Response:
        return _json(self.reminders)

    async def _remind(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.NewReminder)
        kept = watching.Reminder(id=str(len(self.reminders) + 1), programme=self.programme(wanted.programme))
        self.reminders.append(kept)
        return _json(kept, 201)

    async def _forget_reminder(self, request: web.Request) -> web.Response:
        self.reminders = [each for each in self.reminders if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _get_household(self, _request: web.Request) -> web.Response:
        return _json(self.household)

    async def _put_household(self, request: web.Request) -> web.Response:
        change = msgspec.json.decode(await request.read(), type=watching.PutHousehold)
        said = {
            name: value
            for name, value in msgspec.structs.asdict(change).items()
            if value is not msgspec.UNSET
        }
        self.household = msgspec.structs.replace(self.household, **said)
        return _json(self.household)

    async def _put_member(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.PutMember)
        known = next((each for each in self.household.members if each.id == request.match_info["id"]), None)
        if self._holds() and (known is None or known.child != wanted.child):
            return problem(409, "TV-608")
        kept = known.favourites if known else []
        liked = kept if wanted.favourites is msgspec.UNSET else wanted.favourites
        member = watching.Member(
            id=request.match_info["id"], name=wanted.name, child=wanted.child, favourites=liked
        )
        others = [each for each in self.household.members if each.id != member.id]
        self.household = msgspec.structs.replace(self.household, members=[*others, member])
        return _json(member)

    async def _remove_member(self, request: web.Request) -> web.Response:
        if self._holds():
            return problem(409, "TV-608")
        gone = request.match_info["id"]
        left = [each for each in self.household.members if each.id != gone]
        current = None if self.household.current == gone else self.household.current
        self.household = msgspec.structs.replace(self.household, members=left, current=current)
        return web.Response(status=204)

    async def _get_lock(self, _request: web.Request) -> web.Response:
        return _json(self.lock)

    async def _put_lock(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.PutLock)
        if self.lock.has_pin and wanted.pin != self.pin:
            return problem(409, "TV-605")
        self.pin = wanted.pin if wanted.new_pin is msgspec.UNSET else wanted.new_pin
        self.lock = msgspec.structs.replace(
            self.lock, has_pin=True, max_age=wanted.max_age, channels=wanted.channels, hours=wanted.hours,
            minutes_a_day=wanted.minutes_a_day,
        )  # fmt: skip
        return _json(self.lock)

    async def _open_lock(self, request: web.Request) -> web.Response:
        if msgspec.json.decode(await request.read(), type=watching.OpenLock).pin != self.pin:
            return problem(409, "TV-605")
        house = self._house
        self.lock = msgspec.structs.replace(self.lock, open_until=_now() + timedelta(hours=2))
        house.broken.clear()
        await house.show_channel(house.tv.channel or "")
        return _json(self.lock)

    async def _close_lock(self, _request: web.Request) -> web.Response:
        self.lock = msgspec.structs.replace(self.lock, open_until=None)
        return _json(self.lock)

    def _holds(self) -> bool:
        """As the daemon's: for children, and for everybody while nobody is chosen."""
        chosen = next((each for each in self.household.members if each.id == self.household.current), None)
        return self.lock.has_pin and self.lock.open_until is None and (chosen is None or chosen.child)

    async def _offer(self, request: web.Request) -> web.Response:
        self.offered = True
        address = f"http://{request.host}/r#t={TOKEN}"
        expires_at = _now() + timedelta(minutes=2)
        return _json(watching.PairingOffer(address=address, qr=QR, code=CODE, expires_at=expires_at), 201)

    async def _claim(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.PairingClaim)
        if wanted.code != CODE and wanted.token != TOKEN:
            return problem(409, "UI-203")
        phone = watching.Phone(id="p1", name=wanted.name, role=self.role, paired_at=_now(), seen_at=_now())
        self.phones.append(phone)
        answer = _json(watching.Paired(phone=phone, secret="s" * 32), 201)
        self._house.admit(answer)
        return answer

    async def _me(self, _request: web.Request) -> web.Response:
        return _json(self.phones[-1]) if self.phones else problem(404, "UI-104")

    async def _leave(self, _request: web.Request) -> web.Response:
        self.phones.clear()
        return web.Response(status=204)

    async def _list_phones(self, _request: web.Request) -> web.Response:
        return _json(self.phones)

    async def _change_phone(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=watching.PutPhone)
        changed = [msgspec.structs.replace(each, role=wanted.role) if each.id == request.match_info["id"]
                   else each for each in self.phones]  # fmt: skip
        self.phones[:] = changed
        return _json(next(each for each in changed if each.id == request.match_info["id"]))

    async def _dismiss_phone(self, request: web.Request) -> web.Response:
        self.phones[:] = [each for each in self.phones if each.id != request.match_info["id"]]
        return web.Response(status=204)

    async def _withdraw(self, _request: web.Request) -> web.Response:
        self.offered = False
        return web.Response(status=204)


def problem(status: int, code: str) -> web.Response:
    """Refuse as the daemon does."""
    body = json.dumps({"status": status, "title": code, "code": code, "detail": code})
    return web.Response(text=body, status=status, content_type="application/problem+json")


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _now() -> datetime:
    return datetime.now(UTC)


def _recordings() -> list[watching.Recording]:
    now, hour = _now(), timedelta(hours=1)
    return [
        _recording("乡村大舞台", "planned", now + 3 * hour, now + 4 * hour),
        _recording("名医在线", "recording", now - hour / 2, now + hour / 2, duration_s=1800),
        _recording(
            "致富经：一颗橙子的旅行", "done", now - 5 * hour, now - 4 * hour, duration_s=3600, position_s=1500
        ),
        _recording("豫剧全本：花木兰", "partial", now - 30 * hour, now - 28 * hour, duration_s=5400),
        _recording("讲武堂", "conflict", now + 5 * hour, now + 6 * hour, code="TV-511"),
    ]


def _recording(
    title: str, state: str, start: datetime, stop: datetime, *,
    duration_s: float = 0, position_s: float = 0,
    channel: str = "c17", code: str | None = None,
) -> watching.Recording:  # fmt: skip
    return watching.Recording(
        id=f"r{abs(hash((title, start))) % 10_000}", channel=channel, channel_name="农业农村",
        title=title, subtitle="",
        description="", start=start, stop=stop, state=cast("Any", state),
        size_bytes=int(duration_s * 900_000),
        duration_s=duration_s, position_s=position_s, series=None, code=code,
    )  # fmt: skip
