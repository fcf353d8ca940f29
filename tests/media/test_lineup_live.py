"""A line-up that changes under a running television."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from gateway.focus import Focus
from gateway.media.lineup import ChannelId, LineUp
from gateway.media.lineup_book import LineUpBook, LineUpConfig
from gateway.media.simulated import SimulatedPlayer
from gateway.media.streams import Door, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import Picture, TvConfig
from gateway.media.tv_memory import MIGRATIONS, TvMemory
from gateway.store import Store
from gateway.supervisor import Service

Serve = Callable[[Service], AbstractAsyncContextManager[None]]

ONE = '#EXTINF:-1 tvg-id="one" tvg-chno="1",One\nhttp://a.example/one\n'
TWO = '#EXTINF:-1 tvg-id="two" tvg-chno="2",Two\nhttp://a.example/two\n'
SIX = '#EXTINF:-1 tvg-id="six" tvg-chno="6",Six\nhttp://a.example/six\n'
QUICK = LineUpConfig(file_every_s=0.05, retry_every_s=0.05)


class Straight:
    """A relay that gives every channel its own name as an address."""

    def address(self, channel: ChannelId) -> str:
        return str(channel)

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:  # noqa: ARG002 - all are alike
        return "cold"

    async def open(self, channel: ChannelId) -> str:
        return str(channel)


@dataclass
class Room:
    """A television that shows channel One of a list in a file."""

    tv: Tv
    player: SimulatedPlayer
    book: LineUpBook
    file: Path

    async def announce(self, text: str) -> LineUp:
        """Publish the list `text` and return once the box has it."""
        with self.book.changes.subscribe() as changes:
            fresh = self.file.with_suffix(".new")
            fresh.write_text(f"#EXTM3U\n{text}")
            fresh.replace(self.file)
            async with asyncio.timeout(10):
                return await anext(changes)

    async def until_on(self, number: int) -> None:
        with self.tv.changes.subscribe() as changes:
            async with asyncio.timeout(10):
                while not (
                    self.tv.state.picture is Picture.PLAYING
                    and self.tv.state.channel
                    and self.tv.state.channel.number == number
                ):
                    await anext(changes)


Furnish = Callable[[], AbstractAsyncContextManager[Room]]


@pytest.fixture
def furnish(tmp_path: Path, serve: Serve) -> Furnish:
    @asynccontextmanager
    async def furnishing() -> AsyncIterator[Room]:
        file = tmp_path / "list.m3u"
        file.write_text(f"#EXTM3U\n{ONE}{TWO}")
        book = LineUpBook(str(file), tmp_path / "media", QUICK)
        store = Store(tmp_path / "gateway.db", {"tv": MIGRATIONS}, durable=False)
        player = SimulatedPlayer()
        tv = Tv(
            TvConfig(),
            player=player,
            source=Streams(Straight(), Door(base_url="http://box", ticket="secret")),
            line_up=book,
            focus=Focus(),
            memory=TvMemory(store),
        )
        async with serve(store), serve(book), serve(player), serve(tv):
            room = Room(tv, player, book, file)
            await room.until_on(1)
            yield room

    return furnishing


@pytest.mark.parametrize(
    "text",
    [
        ONE + TWO + SIX,
        ONE,
        ONE + "http://b.example/one\n" + TWO,
        ONE.replace("a.example", "b.example") + TWO,
        ONE.replace(",One", ' group-title="News",One') + TWO,
        ONE.replace("http://", "udp://@239.1.1.1:5000\nhttp://") + TWO,
        ONE.replace(",One", ",第一") + TWO,
    ],
    ids=["added", "removed", "source added", "source changed", "group", "multicast first", "name"],
)
async def test_a_new_line_up_does_not_touch_the_picture(furnish: Furnish, text: str) -> None:
    async with furnish() as room:
        opened = list(room.player.opened)
        await room.announce(text)
        # Whatever the set does about a list it has done before it answers the next key.
        await room.tv.set_volume(31)
        assert room.player.opened == opened
        assert room.tv.state.picture is Picture.PLAYING
        assert room.tv.state.channel == room.book.state.by_number(1)


async def test_a_spoilt_list_does_not_touch_the_picture(furnish: Furnish) -> None:
    async with furnish() as room:
        opened = list(room.player.opened)
        with room.book.problems.subscribe() as problems:
            room.file.write_text("<html>")
            async with asyncio.timeout(5):
                await anext(problems)
        assert room.player.opened == opened
        assert room.tv.state.picture is Picture.PLAYING


async def test_a_channel_that_is_gone_gives_way_to_another(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.announce(TWO)
        await room.until_on(2)


async def test_channels_come_and_go_live(furnish: Furnish) -> None:
    async with furnish() as room:
        await room.announce(ONE + SIX)
        await room.tv.zap(1)
        await room.until_on(6)
        await room.announce(ONE + TWO + SIX)
        await room.tv.zap(-1)
        await room.until_on(2)
