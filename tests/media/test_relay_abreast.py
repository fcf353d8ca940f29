"""The beginning of a cold channel comes over several connections, where its origin sends parts."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import RelayConfig
from tests.conftest import Serve
from tests.media.head_end import HeadEnd, Regular, regular_body
from tests.media.relay_fixtures import bodies_until, relaying

Spoil = Callable[[web.Request, web.Response], web.StreamResponse]
PADDING = 40
"""So many times the small pictures of the tests are made longer, by packets that say nothing."""


def padded(body: bytes) -> bytes:
    """Return `body` with null packets (ISO 13818-1 section 2.4.3.3) behind each of its own."""
    null = b"\x47\x1f\xff\x10" + b"\xff" * 184
    return b"".join(body[at : at + 188] + null * PADDING for at in range(0, len(body), 188))


class Parts:
    """An origin of long segments that sends parts.

    Attributes:
        asked: The ``Range`` of each request for a segment, empty for none, by segment.
    """

    def __init__(
        self,
        head_end: HeadEnd,
        spoil: Spoil | None = None,
        *,
        says: str = "bytes",
        before: Callable[[web.Request], Awaitable[None]] | None = None,
        track: str = "long",
    ) -> None:
        self.asked: dict[str, list[str]] = {}
        self._spoil = spoil
        self._says = says
        self._before = before
        head_end.offset = 104
        self._pads = track == "long"
        head_end.interfere(f"{track}/", self.answer)

    async def answer(self, request: web.Request, regular: Regular) -> web.StreamResponse:
        if request.path.endswith(".m3u8"):
            response = await regular()
            response.headers["Accept-Ranges"] = self._says
            return response
        body = await regular_body(regular)
        body = padded(body) if self._pads else body
        asked = request.headers.get("Range", "")
        self.asked.setdefault(request.path, []).append(asked)
        if not asked:
            return web.Response(body=body, headers={"Accept-Ranges": self._says})
        if self._before is not None and not asked.startswith("bytes=0-"):
            await self._before(request)
        begin, _, last = asked.removeprefix("bytes=").partition("-")
        if int(begin) >= len(body):
            return web.Response(status=416)
        part = body[int(begin) : int(last) + 1 if last else len(body)]
        place = f"bytes {begin}-{int(begin) + len(part) - 1}/{len(body)}"
        regular_part = web.Response(status=206, body=part, headers={"Content-Range": place})
        return self._spoil(request, regular_part) if self._spoil else regular_part

    @property
    def parts_asked(self) -> int:
        """How many parts were asked for."""
        return sum(1 for asked in self.asked.values() for each in asked if each)

    @property
    def first(self) -> list[str]:
        """What was asked of the first segment."""
        return next(iter(self.asked.values()))


async def pulled(serve: Serve, head_end: HeadEnd, segments: int = 4) -> bytes:
    """Return the first pieces of the channel, together."""
    async with relaying(serve, head_end, RelayConfig(), news="long/index.m3u8") as relay, asyncio.timeout(20):
        bodies, breaks = await bodies_until(relay, "news", segments)
    assert not any(breaks)
    return b"".join(bodies)


def is_of(head_end: HeadEnd, whole: bytes) -> bool:
    """Tell whether `whole` begins with a segment as the origin has it."""
    return any(whole.startswith(padded(head_end.media("long", at))) for at in range(90, 130))


async def test_the_first_segment_comes_in_shares_and_is_whole(serve: Serve, head_end: HeadEnd) -> None:
    origin = Parts(head_end)

    assert is_of(head_end, await pulled(serve, head_end))
    assert len(origin.first) > 6
    assert all(origin.first)
    later = list(origin.asked.values())[1:]
    assert later
    assert all(asked == [""] for asked in later)


async def test_who_does_not_say_it_sends_parts_is_asked_for_none(serve: Serve, head_end: HeadEnd) -> None:
    origin = Parts(head_end, says="none")

    assert is_of(head_end, await pulled(serve, head_end))
    assert origin.first == [""]


async def hangs_up(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.close()


async def waits_for_ever(_request: web.Request) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("does", [hangs_up, waits_for_ever])
async def test_an_origin_that_serves_one_at_a_time_is_asked_for_the_whole(
    serve: Serve, head_end: HeadEnd, does: Callable[[web.Request], Awaitable[None]]
) -> None:
    origin = Parts(head_end, before=does)

    assert is_of(head_end, await pulled(serve, head_end))
    assert origin.first[-1] == ""


async def test_a_second_visit_does_not_try_again_what_failed(serve: Serve, head_end: HeadEnd) -> None:
    origin = Parts(head_end, of_unknown_size)
    config = RelayConfig(idle_s=0.2)
    async with relaying(serve, head_end, config, news="long/index.m3u8") as relay, asyncio.timeout(20):
        await relay.open(ChannelId("news"))
        while relay.state:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
        tried = origin.parts_asked
        await relay.open(ChannelId("news"))

    assert tried > 1
    assert origin.parts_asked == tried


async def test_a_guess_takes_no_more_of_the_line_than_it_must(serve: Serve, head_end: HeadEnd) -> None:
    origin = Parts(head_end)
    news, other = ChannelId("news"), ChannelId("other")
    channels = {"news": "long/index.m3u8", "other": "plain/index.m3u8"}
    async with relaying(serve, head_end, RelayConfig(), **channels) as relay, asyncio.timeout(20):
        await relay.open(other)
        relay.warm([news])
        while news not in relay.state or relay.temperature(news) == "cold":  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)

    assert origin.first == [""]


def refused(_request: web.Request, _part: web.Response) -> web.StreamResponse:
    return web.Response(status=403)


def the_whole(_request: web.Request, _part: web.Response) -> web.StreamResponse:
    return web.Response(body=b"G" * 1000)


def elsewhere(_request: web.Request, part: web.Response) -> web.StreamResponse:
    part.headers["Content-Range"] = "bytes 7-9/5000000"
    return part


def of_unknown_size(_request: web.Request, part: web.Response) -> web.StreamResponse:
    part.headers["Content-Range"] = part.headers["Content-Range"].rpartition("/")[0] + "/*"
    return part


def too_short(request: web.Request, part: web.Response) -> web.StreamResponse:
    begins = request.headers["Range"].removeprefix("bytes=").partition("-")[0]
    if begins != "0":
        assert isinstance(part.body, bytes)
        part.body = part.body[:-188]
    return part


def too_long(request: web.Request, part: web.Response) -> web.StreamResponse:
    if not request.headers["Range"].startswith("bytes=0-"):
        assert isinstance(part.body, bytes)
        part.body += b"G" * 1000
    return part


def of_another_size(request: web.Request, part: web.Response) -> web.StreamResponse:
    if not request.headers["Range"].startswith("bytes=0-"):
        part.headers["Content-Range"] = part.headers["Content-Range"].rpartition("/")[0] + "/99999999"
    return part


@pytest.mark.parametrize(
    "spoil", [refused, the_whole, elsewhere, of_unknown_size, too_short, too_long, of_another_size]
)
async def test_an_origin_whose_parts_are_wrong_is_asked_for_the_whole(
    serve: Serve, head_end: HeadEnd, spoil: Spoil
) -> None:
    origin = Parts(head_end, spoil)

    assert is_of(head_end, await pulled(serve, head_end))
    assert origin.first[-1] == ""


async def test_a_short_segment_has_fewer_shares(serve: Serve, head_end: HeadEnd) -> None:
    async def said(_request: web.Request, regular: Regular) -> web.StreamResponse:
        response = await regular()
        response.headers["Accept-Ranges"] = "bytes"
        return response

    head_end.offset = 104
    head_end.interfere("long/", said)
    async with relaying(serve, head_end, RelayConfig(), news="long/index.m3u8") as relay, asyncio.timeout(20):
        bodies, _ = await bodies_until(relay, "news", 1)

    assert any(b"".join(bodies).startswith(head_end.media("long", at)) for at in range(90, 130))


async def after(event: asyncio.Event, regular: Regular) -> web.StreamResponse:
    """Answer with a list of a host that sends parts, but not before `event`."""
    await event.wait()
    response = await regular()
    response.headers["Accept-Ranges"] = "bytes"
    return response


@pytest.mark.parametrize(
    ("track", "share"), [("long", "bytes=0-65535"), ("fmp4", "bytes=0-262143")], ids=["parts", "whole"]
)
async def test_a_guess_comes_so_too(serve: Serve, head_end: HeadEnd, track: str, share: str) -> None:
    asked = asyncio.Event()
    origin = Parts(head_end, track=track)
    config = RelayConfig(idle_s=0.2)
    async with (
        relaying(serve, head_end, config, news=f"{track}/index.m3u8") as relay,
        asyncio.timeout(20),
    ):
        await relay.open(ChannelId("news"))
        while relay.state:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
        origin.asked.clear()

        async def segment(request: web.Request, regular: Regular) -> web.StreamResponse:
            asked.set()
            return await origin.answer(request, regular)

        head_end.interfere(f"{track}/{track}-", segment)
        head_end.interfere(f"{track}/index.m3u8", lambda _request, regular: after(asked, regular))
        await relay.open(ChannelId("news"))

    shares = next(iter(parts for name, parts in origin.asked.items() if "init" not in name))
    assert share in shares
    assert len(shares) == len(set(shares)) >= 6


async def test_a_wrong_guess_does_not_end_it(serve: Serve, head_end: HeadEnd) -> None:
    oldest = 0

    def only_newer(request: web.Request, part: web.Response) -> web.StreamResponse:
        number = int(request.path.rpartition("-")[2].removesuffix(".ts"))
        return part if number >= oldest else web.Response(status=404)

    origin = Parts(head_end, only_newer)
    config = RelayConfig(idle_s=0.2)
    async with relaying(serve, head_end, config, news="long/index.m3u8") as relay, asyncio.timeout(20):
        await relay.open(ChannelId("news"))
        while relay.state:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
        origin.asked.clear()
        head_end.offset += 50
        oldest = head_end.newest("long") - 5
        await relay.open(ChannelId("news"))

    guessed, named = list(origin.asked.values())[:2]
    assert len(guessed) == 6
    assert len(named) > 1
    assert all(named)
