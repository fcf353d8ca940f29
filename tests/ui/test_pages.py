import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.ui.server import UiConfig
from tests.ui.conftest import Box, lived_in

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(name="box", scope="module", loop_scope="module")
async def one_box_for_all(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Box]:
    """Reading changes nothing."""
    async with lived_in(tmp_path_factory.mktemp("box"), UiConfig(port=0)) as box:
        yield box


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/js/..%2f..%2fsecret.txt",
        "/js",
        "/.git/config",
        "/node_modules/x.js",
        "/js/main.js%00",
        "/nothing.html",
        "//etc/passwd",
        "/" + "a" * 5000,
    ],
)
async def test_only_the_pages_own_files_are_sent(box: Box, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", box.server.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{box.server.port}\r\nConnection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b" 404 " in answer.partition(b"\r\n")[0]


async def test_the_page_is_told_to_run_nothing_else(box: Box) -> None:
    async with box.client.get(box.root) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
        tag = answer.headers["ETag"]
    assert "电视" in page
    assert "default-src 'self'" in policy
    assert f"frame-src {' '.join(box.living.house.app_host.origins)};" in policy
    assert "frame-ancestors 'none'" in policy
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == (
        "nosniff",
        "no-cache",
    )
    async with box.client.get(box.root, headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with box.client.get(f"{box.root}/js/main.js") as answer:
        assert answer.content_type == "text/javascript"
    async with box.client.head(box.root) as answer:
        assert answer.headers["ETag"] == tag


async def test_the_address_of_the_pairing_code_is_the_page_for_phones(box: Box) -> None:
    (box.web / "r.html").write_text("<!doctype html><title>phone</title>")
    async with box.client.get(f"{box.root}/r") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "phone" in await answer.text()
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
