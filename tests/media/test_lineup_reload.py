"""A new line-up under a channel that is being pulled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.media.lineup import ChannelId
from gateway.media.lineup_book import LineUpBook, LineUpConfig
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayFact
from tests.conftest import Serve
from tests.media.head_end import HeadEnd
from tests.media.relay_fixtures import BOX, QUICK

NEWS = ChannelId("news")
OFTEN = LineUpConfig(file_every_s=0.02, retry_every_s=0.02)


def listed(*urls: str) -> str:
    return "#EXTM3U\n#EXTINF:-1,news\n" + "\n".join(urls)


async def test_the_stream_of_a_playing_channel_goes_on_when_its_sources_change(
    tmp_path: Path, serve: Serve, head_end: HeadEnd
) -> None:
    file = tmp_path / "list.m3u"
    good = head_end.url("plain/index.m3u8")
    file.write_text(listed(good))
    book = LineUpBook(str(file), tmp_path / "state", OFTEN)
    relay = Relay(book, QUICK, base_url=BOX)
    async with serve(book), serve(relay), asyncio.timeout(30):
        with relay.facts.subscribe() as facts:
            stream = relay.continuous(NEWS)
            async with aclosing(stream):
                await anext(stream)
                with book.changes.subscribe() as changes:
                    fresh = tmp_path / "fresh.m3u"
                    fresh.write_text(listed("http://127.0.0.1:9/gone", good))
                    fresh.replace(file)
                    await anext(changes)
                before = relay.state[NEWS].segments
                while relay.state[NEWS].segments < before + 3:
                    await anext(stream)
                assert relay.state[NEWS].code is None
            await no_more(facts)


async def no_more(facts: AsyncIterator[RelayFact]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await anext(facts)
