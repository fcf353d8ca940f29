import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from gateway.media.lineup import LineUp, LineUpError
from gateway.media.lineup_book import LineUpBook, LineUpConfig
from gateway.media.published import MissingDocumentError, UnreachableDocumentError
from tests.conftest import Serve

QUICK = LineUpConfig(file_every_s=0.02, address_every_s=0.02, retry_every_s=0.02, timeout_s=2.0)
ONE = "#EXTM3U\n#EXTINF:-1,One\nlive/one.m3u8\n".replace("live", "http://a.example/live")
TWO = ONE + "#EXTINF:-1,Two\nhttp://a.example/two.m3u8\n"

Publish = Callable[[str | int], str]


@pytest.fixture
async def publish() -> AsyncIterator[Publish]:
    """Publish a text, or a status instead, under an address."""
    now: list[str | int] = [404]

    async def answer(request: web.Request) -> web.Response:
        said = now[-1]
        if isinstance(said, int):
            return web.Response(status=said)
        tag = f'"{len(now)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(text=said, headers={"ETag": tag})

    app = web.Application()
    app.router.add_get("/tv/list.m3u", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/tv/list.m3u"

    def say(what: str | int) -> str:
        now.append(what)
        return address

    yield say
    await runner.cleanup()


def names(line_up: LineUp) -> list[str]:
    return [channel.name for channel in line_up.channels]


async def test_a_new_file_replaces_the_line_up_while_television_goes_on(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "list.m3u"
    file.write_text(ONE)
    book = LineUpBook(str(file), tmp_path / "state", QUICK)
    async with serve(book), asyncio.timeout(5):
        assert names(book.state) == ["One"]
        with book.changes.subscribe() as changes:
            file.write_text(TWO)
            assert names(await anext(changes)) == ["One", "Two"]
        assert book.problem is None


@pytest.mark.parametrize(
    "spoilt", ["", "<html>sorry</html>", "#EXTM3U\n"], ids=["empty", "page", "no channels"]
)
async def test_a_spoilt_file_leaves_the_channels_there_were(
    serve: Serve, tmp_path: Path, spoilt: str
) -> None:
    file = tmp_path / "list.m3u"
    file.write_text(ONE)
    book = LineUpBook(str(file), tmp_path / "state", QUICK)
    async with serve(book), asyncio.timeout(5):
        with book.problems.subscribe() as problems:
            file.write_text(spoilt)
            await anext(problems)
        assert names(book.state) == ["One"]
        assert isinstance(book.problem, LineUpError)

    again = LineUpBook(str(file), tmp_path / "state", QUICK)
    async with serve(again):
        assert names(again.state) == ["One"]

    file.unlink()
    async with serve(again):
        assert names(again.state) == ["One"]
        assert isinstance(again.problem, MissingDocumentError)


async def test_a_missing_file_is_named(serve: Serve, tmp_path: Path) -> None:
    book = LineUpBook(str(tmp_path / "nowhere.m3u"), tmp_path / "state", QUICK)
    with pytest.raises(MissingDocumentError, match=r"nowhere\.m3u"):
        async with serve(book):
            pass


async def test_a_box_without_television_starts(serve: Serve, tmp_path: Path) -> None:
    book = LineUpBook("", tmp_path / "state", QUICK)
    async with serve(book):
        assert book.state == LineUp()


async def test_an_operators_address_is_followed(serve: Serve, tmp_path: Path, publish: Publish) -> None:
    address = publish(ONE)
    book = LineUpBook(address, tmp_path / "state", QUICK)
    async with serve(book), asyncio.timeout(5):
        assert names(book.state) == ["One"]
        with book.changes.subscribe() as changes:
            with book.problems.subscribe() as problems:
                publish(503)
                assert isinstance(await anext(problems), UnreachableDocumentError)
            publish(TWO.replace("http://a.example/live", "../live"))
            changed = await anext(changes)
        base = address.removesuffix("/tv/list.m3u")
        assert changed.channels[0].sources[0].url == f"{base}/live/one.m3u8"


async def test_a_box_that_starts_before_its_network_gets_its_channels_later(
    serve: Serve, tmp_path: Path, publish: Publish
) -> None:
    book = LineUpBook(publish(503), tmp_path / "state", QUICK)
    async with serve(book), asyncio.timeout(5):
        assert book.state == LineUp()
        with book.changes.subscribe() as changes:
            publish(ONE)
            assert names(await anext(changes)) == ["One"]

    publish(503)
    later = LineUpBook(publish(503), tmp_path / "state", QUICK)
    async with serve(later):
        assert names(later.state) == ["One"]
