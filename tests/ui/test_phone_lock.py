"""The child lock on the screens of the house that are not the television."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway.media.lineup import ChannelId
from gateway.media.recordings_facts import RecordingState
from gateway.media.relay_facts import Weight
from gateway.ui.api.locked import LOOK_EVERY_S, PhoneLock
from gateway.ui.guard import PHONE
from gateway.ui.roles import Role
from tests.ui.conftest import Box
from tests.ui.living import FOR_ADULTS_AT

LATE = (FOR_ADULTS_AT + timedelta(minutes=20)).isoformat()
EARLY = (FOR_ADULTS_AT - timedelta(minutes=20)).isoformat()


async def lock(box: Box, **settings: object) -> None:
    async with box.client.put(box.at("lock"), json={"pin": "1234", **settings}) as answer:
        assert answer.status == 200, await answer.text()


@pytest.fixture(params=list(Role))
async def phone(request: pytest.FixtureRequest, box: Box) -> AsyncIterator[aiohttp.ClientSession]:
    """A paired phone of each role."""
    _, secret = await box.desk.phones.admit("phone", request.param)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as session:
        yield session


async def code(session: aiohttp.ClientSession, url: str, **query: str) -> tuple[int, str]:
    """Return the status and the code of a refusal, or nothing."""
    async with asyncio.timeout(10), session.get(url, params=query) as answer:
        if answer.status == 200:
            return 200, ""
        assert answer.content_type == "application/problem+json"
        return answer.status, (await answer.json())["code"]


@pytest.mark.parametrize("path", ["news.ts", "news/index.m3u8", "news/1.ts"])
async def test_a_locked_channel_is_locked_on_every_phone(
    box: Box, phone: aiohttp.ClientSession, path: str
) -> None:
    await lock(box, channels=["news"])
    assert await code(phone, f"{box.root}/live/{path}") == (403, "TV-601")
    async with box.client.post(box.at("lock/open"), json={"pin": "1234"}) as answer:
        assert answer.status == 200
    assert (await code(phone, f"{box.root}/live/{path}"))[1] != "TV-601"


@pytest.mark.parametrize("path", ["news.ts", "news/index.m3u8"])
async def test_the_past_is_measured_by_what_was_on_then(
    box: Box, phone: aiohttp.ClientSession, path: str
) -> None:
    await lock(box, max_age=12)
    assert await code(phone, f"{box.root}/live/{path}", at=LATE) == (403, "TV-602")
    assert await code(phone, f"{box.root}/live/{path}", at=EARLY) == (200, "")


async def test_an_adult_before_the_television_does_not_open_the_phones(
    box: Box, phone: aiohttp.ClientSession
) -> None:
    async with box.client.put(box.at("household/members/mum"), json={"name": "妈妈"}) as answer:
        assert answer.status == 200
    async with box.client.put(box.at("household"), json={"current": "mum"}) as answer:
        assert answer.status == 200
    await lock(box, channels=["news"])
    assert await code(phone, f"{box.root}/live/news.ts") == (403, "TV-601")


async def test_the_boxs_own_player_has_been_asked_already(box: Box) -> None:
    """The television asks the lock before it opens anything; its ticket is enough."""
    await lock(box, channels=["news"])
    async with aiohttp.ClientSession() as player:
        assert await code(player, f"{box.root}/live/news.ts", ticket="secret") == (200, "")
    assert box.living.upstream.weights == [Weight.TV]


async def test_a_recording_that_is_being_watched_ends_when_the_lock_closes() -> None:
    seen = 0

    async def tape() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    shut = asyncio.Event()

    class Lock:
        async def verdict_elsewhere(
            self, channel: ChannelId, at: datetime | None = None, *, age: int = 0
        ) -> str | None:
            assert (channel, at, age) == ("news", FOR_ADULTS_AT, 18)
            return "TV-603" if shut.is_set() else None

    phone = PhoneLock(Lock(), {PHONE: object()}, "news", age=18)
    async with asyncio.timeout(2 * LOOK_EVERY_S):
        async for _ in phone.while_open(tape(), FOR_ADULTS_AT):
            seen += 1
            if seen == 2:
                shut.set()
            await asyncio.sleep(0.01)
    assert seen > 2


async def test_a_phone_is_no_television(box: Box, phone: aiohttp.ClientSession) -> None:
    assert await code(phone, f"{box.root}/live/news.ts") == (200, "")
    assert await code(phone, f"{box.root}/live/news.ts", ticket="wrong") == (200, "")
    assert box.living.upstream.weights == [Weight.PHONE, Weight.PHONE]


async def test_a_recording_is_as_locked_as_its_channel(box: Box, phone: aiohttp.ClientSession) -> None:
    now = datetime.now(UTC)
    body = {
        "channel": "news",
        "start": (now - timedelta(seconds=1)).isoformat(),
        "stop": (now + timedelta(minutes=5)).isoformat(),
    }
    async with box.client.post(box.at("recordings"), json=body) as answer:
        assert answer.status == 201, await answer.text()
        recording = (await answer.json())["id"]
    async with asyncio.timeout(10):
        while box.living.recorder.all[0].state is RecordingState.PLANNED:  # noqa: ASYNC110 - told to nobody
            await asyncio.sleep(0.02)
    await lock(box, channels=["news"])
    for path in (f"{recording}.ts", f"{recording}/index.m3u8", f"{recording}/0.ts"):
        assert await code(phone, f"{box.root}/recordings/{path}") == (403, "TV-601")
