"""Pictures from a host that the line-up does not list are never asked for, on no hop."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import ForeignHostError, HostRefused, SourceError, SourceFailed
from gateway.media.relay_hosts import Hosts, headers_for, is_private
from tests.conftest import Serve
from tests.media.head_end import Answer, HeadEnd, Regular, rewritten
from tests.media.relay_fixtures import QUICK, playlist, relaying, until_listed

NEWS = ChannelId("news")


def listed(host: str) -> bool:
    """Allow the numeric loopback address only; ``localhost`` is the stranger."""
    return host == "127.0.0.1"


def elsewhere(head_end: HeadEnd, path: str) -> str:
    """Return an address of the same origin under the stranger's name."""
    return head_end.url(path).replace("127.0.0.1", "localhost")


def inserted(mark: bytes, path: str) -> Callable[[HeadEnd], Answer]:
    """Put an address of the stranger at every line that begins with `mark`."""

    def answer(head_end: HeadEnd) -> Answer:
        return rewritten(lambda body: body.replace(mark, elsewhere(head_end, path).encode()))

    return answer


def led_away(path: str) -> Callable[[HeadEnd], Answer]:
    """Redirect to the stranger."""

    def answer(head_end: HeadEnd) -> Answer:
        async def redirect(_request: web.Request, _regular: Regular) -> web.StreamResponse:
            raise web.HTTPFound(elsewhere(head_end, path))

        return redirect

    return answer


@pytest.mark.parametrize(
    ("channel", "beginning", "insertion"),
    [
        ("plain", "plain/index", inserted(b"plain-", "foreign/plain-")),
        ("aes", "aes/index", inserted(b'URI="key', "foreign/key")),
        ("fmp4", "fmp4/index", inserted(b"fmp4-init", "foreign/fmp4-init")),
        ("abr", "abr/index", inserted(b"plain.m3u8", "foreign/plain.m3u8")),
        ("plain", "plain/index", led_away("foreign/plain/index.m3u8")),
        ("plain", "plain/plain-", led_away("foreign/plain-100.ts")),
    ],
    ids=["segment", "key", "init section", "variant", "redirected playlist", "redirected segment"],
)
async def test_a_stranger_is_refused_wherever_it_comes_in(
    serve: Serve, head_end: HeadEnd, channel: str, beginning: str, insertion: Callable[[HeadEnd], Answer]
) -> None:
    answer = insertion(head_end)
    if channel == "aes":
        answer = rewritten(
            lambda body: body.replace(b'URI="key', b'URI="' + elsewhere(head_end, "foreign/key").encode())
        )
    head_end.interfere(beginning, answer)
    path = f"{channel}/index.m3u8"
    async with relaying(serve, head_end, QUICK, listed, news=path) as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            with pytest.raises(ForeignHostError):
                await relay.open(NEWS)
            assert await anext(facts) == HostRefused(NEWS, 0, "localhost")
            assert await anext(facts) == SourceFailed(NEWS, 0, "TV-705")

    assert not [asked for asked in head_end.asked if asked.startswith("foreign/")]


async def test_an_insertion_in_mid_stream_changes_to_the_next_source(serve: Serve, head_end: HeadEnd) -> None:
    sources = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
    async with relaying(serve, head_end, QUICK, listed, news=sources) as relay, asyncio.timeout(15):
        with relay.facts.subscribe() as facts:
            await until_listed(relay, "news", 3)
            head_end.interfere("one/plain/index", inserted(b"plain-", "foreign/plain-")(head_end))
            assert await anext(facts) == HostRefused(NEWS, 0, "localhost")
            await anext(facts)
            await anext(facts)
        assert relay.state[NEWS].source == 1
        assert len((await playlist(relay, "news")).segments) > 3

    assert not [asked for asked in head_end.asked if asked.startswith("foreign/")]


@pytest.mark.parametrize(
    ("before", "location", "error"),
    [
        ("http://93.184.215.14/a", "http://192.168.1.1/b", ForeignHostError),
        ("http://93.184.215.14/a", "http://[::1]/b", ForeignHostError),
        ("http://93.184.215.14/a", "http://169.254.169.254/b", ForeignHostError),
        ("http://93.184.215.14/a", "file:///etc/passwd", SourceError),
        ("http://93.184.215.14/a", "ftp://93.184.215.14/b", SourceError),
        ("http://93.184.215.14/a", "http://forbidden.example/b", ForeignHostError),
    ],
)
async def test_a_public_origin_never_leads_into_the_house(
    before: str, location: str, error: type[SourceError]
) -> None:
    hosts = Hosts(lambda host: host != "forbidden.example")
    with pytest.raises(error):
        await hosts.redirected(before, location)


async def test_other_redirects_are_followed() -> None:
    hosts = Hosts(lambda _: True)
    assert await hosts.redirected("http://10.0.0.1/a/b", "../c?d") == "http://10.0.0.1/c?d"
    assert await hosts.redirected("http://10.0.0.1/a", "http://127.0.0.1/b") == "http://127.0.0.1/b"
    assert await hosts.redirected("http://10.0.0.1/a", "https://1.1.1.1/b") == "https://1.1.1.1/b"


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("10.1.2.3", True),
        ("100.64.0.1", True), ("127.0.0.1", True), ("fe80::1%eth0", True), ("fd00::1", True),
        ("::ffff:192.168.0.1", True), ("1.1.1.1", False), ("2400:3200::1", False), ("no address", False),
    ],
)  # fmt: skip
def test_addresses_of_the_house_are_known(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_another_host_learns_no_secret() -> None:
    headers = {"User-Agent": "box", "Cookie": "s=1", "authorization": "x"}

    assert headers_for("http://a/2", "http://a/1", headers) == headers
    assert headers_for("http://b/2", "http://a/1", headers) == {"User-Agent": "box"}
