from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.media import household
from gateway.media.household import Household, HouseholdState, Member, MemberError, UnknownMemberError
from gateway.media.lineup import ChannelId
from gateway.store import Store
from tests.ui.living import running

NEWS, OPERA = ChannelId("news"), ChannelId("opera")
GRANDMA = Member(id="grandma", name="奶奶", favourites=(OPERA, NEWS))
CHILD = Member(id="child", name="小明", child=True)


@asynccontextmanager
async def lived_in(folder: Path) -> AsyncIterator[Household]:
    store = Store(folder / "gateway.db", {"household": household.MIGRATIONS}, durable=False)
    async with running(store.run):
        home = Household(store)
        async with running(home.run):
            yield home


async def test_members_and_what_they_like_are_there_after_a_restart(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        await home.put(GRANDMA)
        await home.put(CHILD)
        await home.set(current="grandma", levelling=True)
        before = home.state
    async with lived_in(tmp_path) as home:
        assert home.state == before
        assert home.state == HouseholdState(members=(GRANDMA, CHILD), current="grandma", levelling=True)


async def test_favourites_keep_their_order_and_come_once(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        await home.put(Member(id="a", name=" 甲 ", favourites=(OPERA, NEWS, OPERA)))
        assert home.state.members == (Member(id="a", name="甲", favourites=(OPERA, NEWS)),)


async def test_who_is_watching_becomes_everybody_when_they_leave(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        await home.put(GRANDMA)
        await home.set(current="grandma")
        await home.remove("grandma")
        assert home.state == HouseholdState()


async def test_what_is_left_out_stays(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        await home.set(current=None, levelling=True, share_viewing=True)
        await home.set(current=None)
        assert home.state == HouseholdState(levelling=True, share_viewing=True)


@pytest.mark.parametrize(
    "member",
    [
        Member(id="", name="a"),
        Member(id="../x", name="a"),
        Member(id="a", name="  "),
        Member(id="a", name="a", favourites=tuple(ChannelId(str(n)) for n in range(1001))),
    ],
)
async def test_an_impossible_member_is_refused(tmp_path: Path, member: Member) -> None:
    async with lived_in(tmp_path) as home:
        with pytest.raises(MemberError):
            await home.put(member)
        assert home.state == HouseholdState()


async def test_a_house_has_twelve_members_at_most(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        for number in range(12):
            await home.put(Member(id=str(number), name="x"))
        with pytest.raises(MemberError):
            await home.put(Member(id="13", name="x"))
        await home.put(Member(id="0", name="y"))


async def test_nobody_can_be_watching_who_does_not_live_here(tmp_path: Path) -> None:
    async with lived_in(tmp_path) as home:
        with pytest.raises(UnknownMemberError):
            await home.set(current="ghost")
        with pytest.raises(UnknownMemberError):
            await home.remove("ghost")
