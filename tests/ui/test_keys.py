import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.focus import Priority
from gateway.media.lineup import LineUp
from gateway.media.lock_rules import CHANNEL_LOCKED, LockSettings
from gateway.pubsub import Publisher
from gateway.ui.events import Events
from gateway.ui.keys import Keys, KeysConfig
from tests.ui.conftest import Box
from tests.ui.living import NEWS, OPERA, SPORT, LivingHouse, running
from tests.ui.test_events import heard


async def press(box: Box, *keys: str) -> None:
    for key in keys:
        async with box.client.post(box.at("keys"), json={"key": key}) as answer:
            assert answer.status == 204


async def test_channel_keys_change_the_channel_without_the_page(box: Box) -> None:
    await press(box, "channel_up")
    assert box.living.tv.state.channel == NEWS
    await press(box, "channel_up")
    assert box.living.tv.state.channel == SPORT
    await press(box, "channel_down")
    assert box.living.tv.state.channel == NEWS
    await press(box, "last")
    assert box.living.tv.state.channel == SPORT


async def test_a_number_tunes_after_a_pause(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await press(box, "1", "2")
        assert (await heard(socket, "number"))["digits"] == "1"
        assert await heard(socket, "number") == {"type": "number", "digits": "12", "channel": "opera"}
        assert (await heard(socket, "number"))["digits"] == ""
        await heard(socket, "tv")
    assert box.living.tv.state.channel == OPERA


async def test_ok_ends_a_number_and_back_gives_it_up(box: Box) -> None:
    await press(box, "2", "ok")
    assert box.living.tv.state.channel == SPORT
    await press(box, "1", "back", "ok")
    assert box.living.tv.state.channel == SPORT


async def test_the_page_takes_digits_and_channel_keys_while_a_list_is_open(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await press(box, "channel_up")
        await take(box, digits=True, channels=True)
        await press(box, "channel_up", "7")
        assert (await heard(socket, "key"))["key"] == "channel_up"
        assert (await heard(socket, "key"))["key"] == "7"
        assert box.living.tv.state.channel == NEWS
        await take(box)
        await press(box, "channel_up")
        assert box.living.tv.state.channel == SPORT


async def take(box: Box, **taken: bool) -> None:
    async with box.client.put(box.at("keys/taken"), json=taken) as answer:
        assert answer.status == 204


async def test_loudness_and_power_work_whoever_has_the_screen(box: Box) -> None:
    await press(box, "channel_up")
    async with box.living.focus.claim("cn.example.app", Priority.APP):
        await press(box, "volume_up", "mute")
        assert box.living.tv.state.volume_percent == 55
        assert box.living.tv.state.muted
        await press(box, "power")
        assert box.living.tv.state.channel is None
        await press(box, "power")
    assert box.living.tv.state.channel == NEWS


@pytest.mark.parametrize("key", ["up", "ok", "home", "red", "sos", "info"])
async def test_other_keys_go_to_the_page(box: Box, key: str) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        await press(box, key)
        assert await heard(socket, "key") == {"type": "key", "key": key}


async def test_an_app_gets_the_channel_keys_while_it_has_the_screen(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket, box.living.focus.claim("app", Priority.APP):
        await press(box, "channel_up")
        assert (await heard(socket, "key"))["key"] == "channel_up"
    assert box.living.tv.state.channel is None


async def test_the_remote_is_read_and_unknown_keys_are_ignored(tmp_path: Path) -> None:
    async def remote() -> AsyncIterator[str]:
        for key in ("teletext", "channel_up", "channel_up"):
            yield key

    living = LivingHouse(tmp_path)
    pressed: Publisher[str] = Publisher()
    keys = Keys(KeysConfig(), living.house, Events(living.house), remote, pressed)
    async with living.lived_in():
        with living.tv.changes.subscribe() as changes, pressed.subscribe() as heard_by_rules:
            async with running(keys.run), asyncio.timeout(5):
                while (await anext(changes)).channel != SPORT:
                    pass
            assert [await anext(heard_by_rules) for _ in range(2)] == ["channel_up"] * 2


async def test_a_key_that_cannot_be_obeyed_is_not_the_last_one(tmp_path: Path) -> None:
    async def remote() -> AsyncIterator[str]:
        for key in ("channel_up", "volume_up"):
            yield key

    living = LivingHouse(tmp_path)
    living.book.become(LineUp())
    keys = Keys(KeysConfig(), living.house, Events(living.house), remote)
    async with living.lived_in():
        with living.tv.changes.subscribe() as changes:
            async with running(keys.run), asyncio.timeout(5):
                assert (await anext(changes)).volume_percent == 55


async def test_digits_are_the_pins_while_the_lock_holds_the_picture_back(box: Box) -> None:
    await box.living.lock.put(LockSettings(channels=frozenset({NEWS.id})), pin="1234")
    with box.living.tv.changes.subscribe() as changes:
        await box.living.tv.tune(NEWS.id)
        while box.living.tv.state.code != CHANNEL_LOCKED:
            await anext(changes)
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        for key in ("2", "ok", "back"):
            await press(box, key)
            assert (await heard(socket, "key"))["key"] == key
    assert box.living.tv.state.channel == NEWS
    await press(box, "channel_up")
    assert box.living.tv.state.channel == SPORT
