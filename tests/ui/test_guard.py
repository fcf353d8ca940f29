import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gateway.ui.auth import COOKIE_NAME
from gateway.ui.server import UiConfig
from tests.ui.conftest import Box, lived_in


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as somebody in the house might send it; ``{…}`` stands for what the box gave out."""

    method: str = "GET"
    path: str = "/api/v1/tv"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


pytestmark = pytest.mark.asyncio(loop_scope="module")
BEARER = {"Authorization": "Bearer {token}"}
COOKIE = {"Cookie": COOKIE_NAME + "={cookie}"}
OURS = {"Origin": "{root}", "X-Gateway": "1"}
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture(name="box", scope="module", loop_scope="module")
async def one_box_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Box]:
    """These tests leave the house as it was."""
    ui = UiConfig(port=0, wrong_tokens_per_minute=1000)
    async with lived_in(tmp_path_factory.mktemp("box"), ui) as box:
        yield box


async def status_and_code(box: Box, request: Request) -> tuple[int, str | None]:
    given = {
        "token": box.access.token(),
        "cookie": box.access.cookie(),
        "root": box.root,
        "port": str(box.server.port),
    }
    headers = {name: value.format_map(given) for name, value in request.headers.items()}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.request(
            request.method,
            f"{box.root}{request.path}",
            headers=headers,
            data=request.body,
            allow_redirects=False,
        ) as answer,
    ):
        if answer.content_type != "application/problem+json":
            return answer.status, None
        problem = await answer.json()
        assert problem["status"] == answer.status
        assert problem["hint"]
        return answer.status, problem["code"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request(headers=BEARER), (200, None)),
        (Request(), (401, "UI-105")),
        (Request(headers={"Authorization": "Bearer wrong"}), (401, "UI-105")),
        (Request(headers={"Authorization": "Bearer ÿ"}), (401, "UI-105")),
        (Request(headers={"Authorization": "Basic {token}"}), (401, "UI-105")),
        (Request(headers=COOKIE), (200, None)),
        (Request(headers={"Cookie": f"{COOKIE_NAME}=wrong"}), (401, "UI-105")),
        (Request(headers=COOKIE | {"Sec-Fetch-Site": "cross-site"}), (403, "UI-106")),
        (Request(headers=COOKIE | {"Sec-Fetch-Site": "same-site"}), (403, "UI-106")),
        (Request(headers=COOKIE | {"Sec-Fetch-Site": "none"}), (200, None)),
        (Request(path="/healthz"), (200, None)),
        (Request(path="/api/v1/openapi.json"), (200, None)),
        (Request(path="/"), (200, None)),
        (Request(path="/api/v1/events"), (401, "UI-105")),
        (Request(path="/api/v1/nothing"), (401, "UI-105")),
        (Request(path="/api/v1/nothing", headers=BEARER), (404, "UI-104")),
        (Request(path="/api/../api/v1/tv"), (401, "UI-105")),
        (Request(path="/live/news.ts"), (401, "UI-105")),
        (Request(path="/live/news.ts?ticket=wrong"), (401, "UI-105")),
        (Request(path="/api/v1/tv?ticket=secret"), (401, "UI-105")),
    ],
    ids=str,
)
async def test_reading_needs_a_secret(box: Box, request_: Request, expected: tuple[int, str | None]) -> None:
    assert await status_and_code(box, request_) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (BEARER, (202, None)),
        (BEARER | {"Origin": "http://evil.example"}, (403, "UI-106")),
        (COOKIE | OURS, (202, None)),
        (COOKIE | {"X-Gateway": "1", "Sec-Fetch-Site": "same-origin"}, (202, None)),
        (COOKIE | {"X-Gateway": "1"}, (403, "UI-106")),
        (COOKIE | {"Origin": "{root}"}, (403, "UI-106")),
        (COOKIE | OURS | {"Origin": "http://127.0.0.1:1"}, (403, "UI-106")),
        (COOKIE | OURS | {"Origin": "null"}, (403, "UI-106")),
        (COOKIE | OURS | {"Sec-Fetch-Site": "same-site"}, (403, "UI-106")),
    ],
    ids=[
        "bearer",
        "bearer elsewhere",
        "page",
        "page by fetch site",
        "no origin",
        "no header",
        "port",
        "null",
        "site",
    ],
)
async def test_the_cookie_writes_only_from_our_own_page(
    box: Box, headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    assert (
        await status_and_code(box, Request(method="POST", path="/api/v1/tv/stop", headers=headers))
        == expected
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST:{port}", 200),
        ("[::1]:{port}", 200),
        ("evil.example:{port}", 421),
        ("127.0.0.1", 421),
        ("127.0.0.1:1", 421),
        ("192.168.1.2:{port}", 421),
        ("localhost.evil.example:{port}", 421),
        ("[::1:{port}", 421),
        ("a@127.0.0.1:{port}", 421),
    ],
)
async def test_only_our_own_host_names_are_answered(box: Box, host: str, status: int) -> None:
    for path in ("/", "/healthz", "/api/v1/tv"):
        request = Request(path=path, headers=BEARER | {"Host": host})
        assert (await status_and_code(box, request))[0] == status


async def test_a_phone_reaches_the_box_by_its_address_and_by_its_name(tmp_path: Path) -> None:
    everywhere = UiConfig(port=0, host="0.0.0.0", names=("box.lan",))  # noqa: S104 - as on a real box
    async with lived_in(tmp_path, everywhere) as box:
        there = f"http://127.0.0.2:{box.server.port}/healthz"
        statuses = []
        for host in ("127.0.0.2", "127.0.0.3", "box.lan", everywhere.host, "evil.example"):
            async with box.client.get(there, headers={"Host": f"{host}:{box.server.port}"}) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 421, 200, 421, 421]


async def test_a_phone_reaches_by_ipv4_a_box_that_listens_to_both_families(tmp_path: Path) -> None:
    async with lived_in(tmp_path, UiConfig(port=0, host="::")) as box:
        there = f"http://127.0.0.2:{box.server.port}/healthz"
        async with box.client.get(there) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"number": 1}', JSON, (202, None)),
        (b'{"number": 1}', {"Content-Type": "application/json; charset=utf-8"}, (202, None)),
        (b'{"number": 1}', {"Content-Type": "text/plain"}, (415, "UI-110")),
        (b'{"number": 1', JSON, (400, "UI-103")),
        (b'{"number": "1"}', JSON, (400, "UI-103")),
        (b'{"number": 1, "channel": "news"}', JSON, (400, "UI-103")),
        (b"{}", JSON, (400, "UI-103")),
        (b"", JSON, (400, "UI-103")),
        (b"[" * 100_000, JSON, (400, "UI-103")),
        (b'{"number": 77}', JSON, (404, "UI-104")),
        (b'{"channel": "\xff"}', JSON, (400, "UI-103")),
        (b" " * (256 * 1024 + 1), JSON, (413, "UI-109")),
    ],
    ids=[
        "ok",
        "charset",
        "text",
        "torn",
        "word",
        "both",
        "neither",
        "empty",
        "deep",
        "unknown",
        "latin",
        "large",
    ],
)
async def test_a_bad_body_is_a_clear_problem(
    box: Box, body: bytes, headers: dict[str, str], expected: tuple[int, str | None]
) -> None:
    request = Request(method="POST", path="/api/v1/tv/tune", headers=BEARER | headers, body=body)
    assert await status_and_code(box, request) == expected


async def test_a_body_without_length_is_bounded_too(box: Box) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65536

    async with box.client.post(box.at("tv/tune"), data=endless(), headers=JSON) as answer:
        assert answer.status == 413


async def test_an_unknown_key_is_named(box: Box) -> None:
    async with box.client.post(box.at("tv/tune"), json={"numbr": 1}) as answer:
        problem = await answer.json()
    assert problem["problems"] == ["numbr: is not a known key"]
    report = {"stream_id": "1", "picture": "stalled", "tracks": [{"id": 1}]}
    async with box.client.post(box.at("tv/picture"), json=report) as answer:
        problem = await answer.json()
    assert problem["problems"] == ["tracks[0].id: expected str, got int"]


async def test_the_wrong_method_says_which_are_right(box: Box) -> None:
    async with box.client.delete(box.at("tv")) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, OPTIONS")
    async with box.client.post(box.root) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_many_wrong_tokens_are_slowed_and_the_right_one_is_not(tmp_path: Path) -> None:
    wrong = Request(headers={"Authorization": "Bearer wrong"})
    async with lived_in(tmp_path, UiConfig(port=0, wrong_tokens_per_minute=5)) as box:
        statuses = [(await status_and_code(box, wrong))[0] for _ in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        assert (await status_and_code(box, Request(headers=BEARER)))[0] == 200


async def test_a_session_is_a_cookie_that_scripts_cannot_read(box: Box) -> None:
    async with box.client.post(box.at("session"), headers={"Origin": box.root}) as answer:
        assert answer.status == 204
        cookie = answer.cookies[COOKIE_NAME]
    assert cookie.value == box.access.cookie()
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    async with box.client.delete(box.at("session")) as answer:
        assert answer.cookies[COOKIE_NAME].value == ""


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", None])
async def test_events_are_not_for_other_pages(box: Box, origin: str | None) -> None:
    headers = {"Cookie": f"{COOKIE_NAME}={box.access.cookie()}"} | ({"Origin": origin} if origin else {})
    async with aiohttp.ClientSession() as page:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await page.ws_connect(box.at("events"), headers=headers)
    assert refused.value.status == 403


async def test_events_open_with_the_cookie_from_our_page(box: Box) -> None:
    headers = {"Cookie": f"{COOKIE_NAME}={box.access.cookie()}", "Origin": box.root}
    async with (
        aiohttp.ClientSession() as page,
        page.ws_connect(box.at("events"), headers=headers) as socket,
        asyncio.timeout(5),
    ):
        assert '"snapshot"' in await socket.receive_str()
