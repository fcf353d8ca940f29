import asyncio
from collections.abc import Sequence
from contextlib import ExitStack, aclosing
from dataclasses import replace

import pytest

from gateway.media.lineup import ChannelId
from gateway.media.relay_claims import GRACE_S, PHONE_PAUSE_S, Claims, weakest
from gateway.media.relay_facts import RelayDownError, Weight
from tests.conftest import Serve
from tests.media.head_end import HeadEnd
from tests.media.relay_fixtures import QUICK, relaying

A, B, C = ChannelId("a"), ChannelId("b"), ChannelId("c")
CHANNELS = {"a": "plain/index.m3u8", "b": "aes/index.m3u8", "c": "multi/video.m3u8"}


@pytest.mark.parametrize(
    ("readers", "newcomer", "leaves"),
    [
        ([[Weight.TV], [Weight.WARM]], Weight.PHONE, 1),
        ([[Weight.TV], [Weight.WARM]], Weight.TV, 1),
        ([[Weight.TV], [Weight.RECORDING]], Weight.TV, 0),
        ([[Weight.TV, Weight.RECORDING], [Weight.PHONE]], Weight.TV, 1),
        ([[Weight.SHIFT], [Weight.PHONE]], Weight.RECORDING, 0),
        ([[Weight.RECORDING], [Weight.TV]], Weight.RECORDING, None),
        ([[Weight.PHONE], [Weight.TV]], Weight.PHONE, None),
        ([[Weight.WARM], [Weight.WARM]], Weight.WARM, None),
        ([[Weight.WARM], []], Weight.WARM, 1),
        ([[]], Weight.WARM, 0),
    ],
    ids=[
        "a guess goes first", "also for television", "television leaves its own, not a recording",
        "its own that is recorded stays", "time-shift before a phone", "a recording waits for a recording",
        "phones are equal", "guesses are equal", "what nobody reads goes first", "a guess takes free room",
    ],
)  # fmt: skip
def test_who_goes_when_there_are_too_many(
    readers: Sequence[Sequence[Weight]], newcomer: Weight, leaves: int | None
) -> None:
    with ExitStack() as stack:
        claims = [Claims(lambda: 0.0) for _ in readers]
        for each, weights in zip(claims, readers, strict=True):
            each.warm = Weight.WARM in weights
            for weight in weights:
                if weight is not Weight.WARM:
                    stack.enter_context(each.reading(weight))
        assert weakest(enumerate(claims), newcomer, 20.0) == leaves


def test_a_request_counts_until_the_player_has_had_time_to_connect() -> None:
    now_s = 0.0
    claims = Claims(lambda: now_s)
    claims.used_by("", Weight.RECORDING)
    claims.used_by("phone", Weight.PHONE)

    assert claims.strength(Weight.WARM, 20.0) == Weight.RECORDING
    now_s = GRACE_S + 1
    assert claims.strength(Weight.WARM, 20.0) == Weight.PHONE
    now_s = 21.0
    assert (claims.strength(Weight.WARM, 20.0), claims.reader_count(20.0)) == (0, 0)


async def test_a_warm_channel_is_pulled_though_nobody_reads_and_starts_at_once(
    serve: Serve, head_end: HeadEnd
) -> None:
    brief = replace(QUICK, idle_s=0.3)
    async with relaying(serve, head_end, brief, **CHANNELS) as relay, asyncio.timeout(20):
        assert relay.temperature(A) == "cold"
        relay.warm([A, B])
        while "cold" in (relay.temperature(A), relay.temperature(B)):
            await head_end.broadcast(1)
        relay.warm([B])
        with relay.facts.subscribe() as facts:
            assert (await anext(facts)).channel == A
        await head_end.broadcast(2)
        assert (set(relay.state), relay.temperature(A), relay.temperature(B)) == ({B}, "cold", "warm")


async def test_a_guess_makes_room_and_never_takes_it(serve: Serve, head_end: HeadEnd) -> None:
    two = replace(QUICK, max_channels=2)
    async with relaying(serve, head_end, two, **CHANNELS) as relay, asyncio.timeout(20):
        recorded = relay.follow(A)
        async with aclosing(recorded):
            await anext(recorded)
            relay.warm([B, C])
            assert set(relay.state) == {A, B}
            await relay.open(C, weight=Weight.PHONE)
            assert set(relay.state) == {A, C}
            with pytest.raises(RelayDownError):
                await relay.open(B, weight=Weight.SHIFT)
            relay.warm([B])
            assert set(relay.state) == {A, C}


def test_what_the_hidden_player_reads_is_a_guess_until_it_is_shown() -> None:
    claims = Claims(lambda: 0.0)
    with claims.playing():
        claims.on_screen = False
        assert claims.strength(Weight.PHONE, 20.0) == Weight.WARM
        assert claims.strength(Weight.TV, 20.0) == Weight.WARM
        claims.on_screen = True
        assert claims.strength(Weight.PHONE, 20.0) == Weight.TV
        assert (claims.reader_count(20.0), claims.left_s(20.0)) == (1, 20.0)
    assert claims.strength(Weight.PHONE, 20.0) == 0


def test_a_pull_is_a_guess_while_nobody_reads_it_nor_is_about_to() -> None:
    now_s = 0.0
    claims = Claims(lambda: now_s)
    claims.warm = True
    claims.used_by("", Weight.WARM)
    assert claims.is_guess
    for weight in (Weight.SHIFT, Weight.PHONE, Weight.RECORDING, Weight.TV):
        with claims.reading(weight):
            assert not claims.is_guess
        assert claims.is_guess
    claims.on_screen = False
    with claims.playing():
        assert not claims.is_guess, "the hidden player's"
    claims.used_by("", Weight.TV)
    claims.used_by("phone", Weight.PHONE)
    assert not claims.is_guess
    now_s = GRACE_S + 1
    assert not claims.is_guess, "a phone between two playlists"
    now_s = PHONE_PAUSE_S + 1
    assert claims.is_guess


async def test_a_prepared_channel_gives_way_to_a_phone_and_a_shown_one_does_not(
    serve: Serve, head_end: HeadEnd
) -> None:
    two = replace(QUICK, max_channels=2)
    async with relaying(serve, head_end, two, **CHANNELS) as relay, asyncio.timeout(20):
        await relay.open(A)
        seen, prepared = relay.continuous(A), relay.continuous(B)
        async with aclosing(seen), aclosing(prepared):
            await anext(seen)
            await anext(prepared)
            await relay.open(C, weight=Weight.PHONE)
            assert set(relay.state) == {A, C}, "the guess went, not the picture"
        await relay.open(B)
        shown = relay.continuous(B)
        async with aclosing(shown):
            await anext(shown)
            with pytest.raises(RelayDownError):
                await relay.open(A if A not in relay.state else C, weight=Weight.WARM)
            assert B in relay.state


async def test_phones_share_what_is_pulled_and_never_pull_more_than_is_configured(
    serve: Serve, head_end: HeadEnd
) -> None:
    two = replace(QUICK, max_channels=2)
    async with relaying(serve, head_end, two, **CHANNELS) as relay, asyncio.timeout(20):
        await relay.open(A)
        phone = relay.continuous(B, weight=Weight.PHONE)
        async with aclosing(phone):
            await anext(phone)
            await relay.resource(A, "index.m3u8", reader="another phone")
            with pytest.raises(RelayDownError):
                await relay.resource(C, "index.m3u8", reader="a third")
            with pytest.raises(RelayDownError):
                await anext(relay.continuous(C, weight=Weight.PHONE))
            assert set(relay.state) == {A, B}
