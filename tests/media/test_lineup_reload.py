"""A new line-up under a channel that is being watched: the household must not see that there was one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from gateway.focus import Focus
from gateway.media.lineup import ChannelId
from gateway.media.lineup_book import LineUpBook, LineUpConfig
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayFact
from gateway.media.simulated import SimulatedPlayer
from gateway.media.streams import Door, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import Picture, TvConfig, TvState
from gateway.media.tv_memory import MIGRATIONS, TvMemory
from gateway.store import Store
from tests.conftest import Serve
from tests.media.head_end import HeadEnd
from tests.media.relay_fixtures import BOX, QUICK

NEWS = ChannelId("news")
OFTEN = LineUpConfig(file_every_s=0.02, address_every_s=0.02, retry_every_s=0.02)


def entry(name: str, *urls: str, title: str = "", group: str = "G") -> str:
    lines = "\n".join(urls or (f"http://origin.example/{name}",))
    return f'#EXTINF:-1 tvg-id="{name}" group-title="{group}",{title or name}\n{lines}\n'


BEFORE = (entry("news"), entry("sport"))


@dataclass
class Room:
    """A television in front of a list in a file."""

    file: Path
    book: LineUpBook
    tv: Tv
    player: SimulatedPlayer

    async def write(self, *entries: str) -> None:
        """Put another list into the file; return when the television knows."""
        with self.book.changes.subscribe() as changes:
            self.file.write_text("#EXTM3U\n" + "".join(entries), encoding="utf-8")
            async with asyncio.timeout(5):
                await anext(changes)
        # What the television makes of it, it has made when others have had their turn.
        for _ in range(20):
            await asyncio.sleep(0)

    async def until(self, what: Callable[[TvState], bool]) -> TvState:
        with self.tv.changes.subscribe() as changes:
            async with asyncio.timeout(5):
                while not what(self.tv.state):
                    await anext(changes)
        return self.tv.state


class Plain:
    """A relay that has every channel warm."""

    def address(self, channel: ChannelId) -> str:
        return str(channel)

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        return "warm" if channel else "cold"

    async def open(self, channel: ChannelId) -> str:
        return str(channel)


@pytest.fixture
async def room(tmp_path: Path, serve: Serve) -> AsyncIterator[Room]:
    """A television that shows the news."""
    file = tmp_path / "list.m3u"
    file.write_text("#EXTM3U\n" + "".join(BEFORE), encoding="utf-8")
    store = Store(tmp_path / "gateway.db", {"tv": MIGRATIONS}, durable=False)
    book, player = LineUpBook(str(file), tmp_path / "state", OFTEN), SimulatedPlayer()
    tv = Tv(
        TvConfig(),
        player=player,
        source=Streams(Plain(), Door(base_url=BOX, ticket="t")),
        line_up=book,
        focus=Focus(),
        memory=TvMemory(store),
    )
    async with serve(store), serve(book), serve(player), serve(tv):
        room = Room(file, book, tv, player)
        await room.until(lambda state: state.picture is Picture.PLAYING)
        yield room


@pytest.mark.parametrize(
    "after",
    [
        (*BEFORE, entry("film")),
        tuple(reversed(BEFORE)),
        (entry("news"),),
        (entry("news", "http://other.example/news", "http://third.example/news"), entry("sport")),
        (entry("news", "udp://@239.1.1.1:5000", "http://origin.example/news"), entry("sport")),
        (entry("news", title="新闻", group="H"), entry("sport")),
    ],
    ids=["another channel", "another order", "a channel less", "other sources", "multicast first", "renamed"],
)
async def test_whatever_is_new_the_picture_goes_on(room: Room, after: tuple[str, ...]) -> None:
    seen: set[Picture] = set()
    with room.tv.changes.subscribe() as changes:
        await room.write(*after)
        await room.tv.set_volume(7)  # the last thing that can be seen of this test
        while (state := await anext(changes)).volume_percent != 7:
            seen.add(state.picture)
    assert seen <= {Picture.PLAYING}
    assert room.player.opened == ["news"]
    assert (state.picture, state.channel) == (Picture.PLAYING, room.book.state.by_id(NEWS))


async def test_a_spoilt_list_does_not_touch_the_picture(room: Room) -> None:
    with room.book.problems.subscribe() as problems:
        room.file.write_text("<html>")
        async with asyncio.timeout(5):
            await anext(problems)
    assert room.player.opened == ["news"]
    assert room.tv.state.picture is Picture.PLAYING


async def test_a_channel_that_is_gone_gives_way_to_another(room: Room) -> None:
    await room.write(entry("sport"))
    await room.until(lambda state: state.channel is not None and state.channel.id == "sport")
    assert room.player.opened[0] == "news"


async def test_the_stream_of_a_playing_channel_goes_on_when_its_sources_change(
    tmp_path: Path, serve: Serve, head_end: HeadEnd
) -> None:
    file = tmp_path / "list.m3u"
    good = head_end.url("plain/index.m3u8")
    file.write_text("#EXTM3U\n" + entry("news", good))
    book = LineUpBook(str(file), tmp_path / "state", OFTEN)
    relay = Relay(book, QUICK, base_url=BOX)
    async with serve(book), serve(relay), asyncio.timeout(30):
        with relay.facts.subscribe() as facts:
            stream = relay.continuous(NEWS)
            async with aclosing(stream):
                await anext(stream)
                with book.changes.subscribe() as changes:
                    file.write_text("#EXTM3U\n" + entry("news", "http://127.0.0.1:9/gone", good))
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
