import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from litestar import Litestar

from gateway.media.lineup import ChannelId
from gateway.ui.api import endless
from gateway.ui.api import recordings as api
from gateway.ui.problems import answer_error
from tests.conftest import Serve
from tests.media.recorder_fixtures import Parts, Studio, programme
from tests.media.reel_fixtures import NEWS, STEP, piece, until


@dataclass
class House:
    """A recorder and its address."""

    studio: Studio
    url: str
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, json=body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


class Unlocked:
    """A house without a child lock."""

    async def verdict_elsewhere(
        self, channel: ChannelId, at: datetime | None = None, *, age: int = 0
    ) -> None:
        del channel, at, age


@pytest.fixture(name="house")
async def one_house(tmp_path: Path, serve: Serve) -> AsyncIterator[House]:
    parts = Parts(folder=tmp_path)
    closing = asyncio.Event()
    async with parts.studio(serve) as studio:
        routes = [
            *api.handlers(studio.recorder, studio.library),
            *api.media_handlers(studio.recordings, studio.recorder, Unlocked(), closing),
        ]
        app = Litestar(
            routes, openapi_config=None, logging_config=None, exception_handlers={Exception: answer_error}
        )
        config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield House(studio, f"http://127.0.0.1:{port}", session)
        closing.set()
        await server.shutdown()


async def recorded(house: House) -> str:
    now = datetime.now(UTC)
    _, one = await house.ask(
        "POST",
        "/api/v1/recordings",
        {"channel": NEWS, "start": now.isoformat(), "stop": (now + timedelta(hours=1)).isoformat()},
    )
    studio = house.studio
    await until(lambda: bool(studio.air.following))
    await studio.air.broadcast(NEWS, *(piece(number, at=now + number * STEP) for number in range(3)))
    await until(lambda: studio.library.recordings[one["id"]].duration_s == 6.0)
    return str(one["id"])


async def test_a_programme_is_recorded_listed_and_deleted(house: House) -> None:
    film = programme("电影", 600, 3600)
    house.studio.guide.become(film)
    status, one = await house.ask("POST", "/api/v1/recordings", {"programme": film.id})
    assert (status, one["state"], one["title"], one["code"]) == (201, "planned", "电影", None)
    status, listed = await house.ask("GET", "/api/v1/recordings")
    assert (status, listed["recordings"], listed["series"]) == (200, [one], [])
    assert set(listed["space"]) == {"used_bytes", "quota_bytes", "free_bytes"}
    assert await house.ask("DELETE", f"/api/v1/recordings/{one['id']}") == (204, None)
    status, problem = await house.ask("DELETE", f"/api/v1/recordings/{one['id']}")
    assert (status, problem["code"]) == (404, "TV-544")


async def test_a_recording_is_stopped_and_watched(house: House) -> None:
    one = await recorded(house)
    status, done = await house.ask("POST", f"/api/v1/recordings/{one}/stop")
    assert (status, done["state"], done["duration_s"]) == (202, "done", 6.0)
    status, problem = await house.ask("POST", f"/api/v1/recordings/{one}/stop")
    assert (status, problem["code"]) == (409, "TV-515")
    async with house.session.get(f"{house.url}/recordings/{one}.ts?from_s=2.5") as answer:
        assert answer.content_type == "video/mp2t"
        assert (await answer.read()).count(piece(1).data[:12]) == 1
    async with house.session.get(f"{house.url}/recordings/{one}/index.m3u8?from_s=2&ticket=t") as answer:
        assert answer.content_type == "application/vnd.apple.mpegurl"
        assert "piece-2.ts?ticket=t" in await answer.text()
    async with house.session.get(f"{house.url}/recordings/{one}/piece-2.ts?ticket=t") as answer:
        assert await answer.read() == piece(2).data


async def test_a_series_is_wanted_and_given_up(house: House) -> None:
    house.studio.guide.become(programme("甄嬛传(3)", 600, 60))
    status, rule = await house.ask(
        "POST", "/api/v1/recordings/series", {"title": "甄嬛传(2)", "keep_last": 5}
    )
    assert (status, rule["keep_last"], rule["channel"]) == (201, 5, None)
    _, listed = await house.ask("GET", "/api/v1/recordings")
    assert [one["title"] for one in listed["recordings"]] == ["甄嬛传(3)"]
    assert listed["series"] == [rule]
    assert (await house.ask("DELETE", f"/api/v1/recordings/series/{rule['id']}"))[0] == 204
    assert (await house.ask("DELETE", f"/api/v1/recordings/series/{rule['id']}"))[0] == 404


LATER = "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/v1/recordings", {}, 400, "UI-103"),
        ("POST", "/api/v1/recordings", {"programme": "p", "channel": "news"}, 400, "UI-103"),
        ("POST", "/api/v1/recordings", {"programme": "p"}, 404, "TV-542"),
        ("POST", "/api/v1/recordings", {"channel": "news"}, 400, "UI-103"),
        ("POST", "/api/v1/recordings", {"channel": "x", "start": LATER, "stop": LATER}, 404, "TV-208"),
        ("POST", "/api/v1/recordings", {"channel": "news", "start": LATER, "stop": LATER}, 400, "TV-514"),
        (
            "POST",
            "/api/v1/recordings",
            {"channel": "news", "start": LATER, "stop": "2099-01-01T01:00:00Z"},
            400,
            "TV-514",
        ),
        (
            "POST",
            "/api/v1/recordings",
            {"channel": "news", "start": "2026-01-01T00:00:00", "stop": LATER},
            400,
            "UI-103",
        ),
        (
            "POST",
            "/api/v1/recordings",
            {"channel": "news", "start": "0001-01-01T00:00:00+14:00", "stop": LATER},
            400,
            "UI-103",
        ),
        ("POST", "/api/v1/recordings/series", {"title": ""}, 400, "UI-103"),
        ("POST", "/api/v1/recordings/series", {"title": "x", "channel": "none"}, 404, "TV-208"),
        ("POST", "/api/v1/recordings/none/stop", None, 404, "TV-544"),
        ("GET", "/recordings/none.ts", None, 404, "TV-544"),
        ("GET", "/recordings/none", None, 404, "UI-104"),
        ("GET", "/recordings/none.ts?from_s=nan", None, 400, "UI-103"),
        ("GET", "/recordings/none/index.m3u8", None, 404, "TV-544"),
    ],
)
async def test_what_is_not_possible_is_refused(
    house: House, method: str, path: str, body: object, status: int, code: str
) -> None:
    answered, problem = await house.ask(method, path, body)
    assert (answered, problem["code"]) == (status, code)


async def test_the_end_of_the_daemon_is_not_held_up(tmp_path: Path, serve: Serve) -> None:
    closing = asyncio.Event()
    async with Parts(folder=tmp_path).studio(serve) as studio:
        now = datetime.now(UTC)
        one = await studio.recorder.record_time(NEWS, now, now + timedelta(hours=1))
        await until(lambda: bool(studio.air.following))
        await studio.air.broadcast(NEWS, piece(1, at=now))
        await until(lambda: studio.library.recordings[one.id].duration_s > 0)
        chunks = endless.until(closing, studio.recordings.continuous(one.id))
        async with asyncio.timeout(5):
            assert await anext(chunks)
            asyncio.get_running_loop().call_later(0.05, closing.set)
            assert [chunk async for chunk in chunks] == []
