import asyncio

import pytest

from gateway.media.inpage import MAX_TRACKS, InPagePlayer, Screen
from gateway.media.player import Failed, FirstFrame, Plane, Resumed, Stalled, Track, TracksFound

A, B = "/live/a/index.m3u8", "/live/b/index.m3u8"
CHINESE = Track("1", "audio", "zh", "")
ENGLISH = Track("2", "audio", "en", "")
TEXT = Track("s", "subtitle", "zh", "")


def stream_id(player: InPagePlayer) -> str:
    assert player.state.stream_id is not None
    return player.state.stream_id


async def test_the_page_is_told_what_to_play_under_a_new_name_each_time() -> None:
    player = InPagePlayer()
    with player.changes.subscribe() as changes:
        await player.open(A)
        first = await anext(changes)
        await player.open(A)
        again = await anext(changes)
    assert player.plane is Plane.INPAGE
    assert first.stream == again.stream == A
    assert first.stream_id != again.stream_id


async def test_what_the_page_saw_becomes_a_fact() -> None:
    player = InPagePlayer()
    await player.open(A)
    name = stream_id(player)
    with player.events.subscribe() as events:
        assert player.first_frame(name)
        assert player.stalled(name)
        assert player.resumed(name)
        assert player.failed(name, "TV-304")
        async with asyncio.timeout(1):
            shown = await anext(events)
            rest = [await anext(events) for _ in range(3)]
    assert isinstance(shown, FirstFrame)
    assert shown.url == A
    assert rest == [Stalled(A), Resumed(A), Failed(A, "TV-304")]


async def test_a_second_page_is_no_second_first_frame() -> None:
    player = InPagePlayer()
    await player.open(A)
    name = stream_id(player)
    with player.events.subscribe() as events:
        assert player.first_frame(name)
        assert player.first_frame(name)
        assert player.stalled(name)
        assert isinstance(await anext(events), FirstFrame)
        assert await anext(events) == Stalled(A)


async def test_a_report_about_an_older_stream_is_not_believed() -> None:
    player = InPagePlayer()
    await player.open(A)
    old = stream_id(player)
    await player.open(B)
    with player.events.subscribe() as events:
        for report in (player.first_frame, player.stalled, player.resumed, player.failed):
            assert not report(old)
        assert not player.tracks(old, (CHINESE,), ())
        assert player.stalled(stream_id(player))
        assert await anext(events) == Stalled(B)


async def test_nothing_is_believed_of_a_dark_screen() -> None:
    player = InPagePlayer()
    assert not player.first_frame("")
    await player.open(A)
    old = stream_id(player)
    await player.close()
    assert player.state == Screen()
    assert not player.first_frame(old)


async def test_a_page_from_before_a_restart_is_not_believed() -> None:
    before, after = InPagePlayer(), InPagePlayer()
    await before.open(A)
    await after.open(A)
    assert not after.first_frame(stream_id(before))


@pytest.mark.parametrize("code", [None, "", "TRUST-001", "TV-1<script>", "TV-1234"])
async def test_a_reason_that_is_none_of_ours_is_the_general_one(code: str | None) -> None:
    player = InPagePlayer()
    await player.open(A)
    with player.events.subscribe() as events:
        assert player.failed(stream_id(player), code)
        assert await anext(events) == Failed(A, "TV-301")


async def test_the_household_chooses_one_track_of_each_kind() -> None:
    player = InPagePlayer()
    await player.open(A)
    with player.events.subscribe() as events:
        player.tracks(stream_id(player), (CHINESE, ENGLISH, TEXT), ("1",))
        assert await anext(events) == TracksFound(A, (CHINESE, ENGLISH, TEXT), ("1",))
        await player.select(TEXT)
        await player.select(ENGLISH)
    assert set(player.state.selected) == {"2", "s"}


async def test_a_page_cannot_fill_the_memory_with_tracks() -> None:
    player = InPagePlayer()
    await player.open(A)
    many = tuple(Track(str(number), "audio", "", "") for number in range(MAX_TRACKS + 10))
    with player.events.subscribe() as events:
        player.tracks(stream_id(player), many, ())
        found = await anext(events)
    assert isinstance(found, TracksFound)
    assert len(found.tracks) == MAX_TRACKS


async def test_loudness_is_the_page_s_to_apply() -> None:
    player = InPagePlayer()
    await player.set_volume(30)
    await player.open(A)
    assert player.state.volume_percent == 30


async def test_the_page_is_told_to_hold_the_picture_until_another_stream_begins() -> None:
    player = InPagePlayer()
    await player.set_paused(True)
    assert not player.state.paused
    await player.open(A)
    await player.set_paused(True)
    assert player.state.paused
    await player.open(B)
    assert not player.state.paused


async def test_levelling_is_the_page_s_to_apply_for_every_stream() -> None:
    player = InPagePlayer()
    await player.set_levelling(True)
    await player.open(A)
    assert player.state.levelling


async def test_it_is_attended_while_a_page_is_there() -> None:
    player = InPagePlayer()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await player.attended()
    with player.page(), player.page():
        await player.attended()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await player.attended()
