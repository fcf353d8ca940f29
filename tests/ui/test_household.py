import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tests.ui.conftest import Box


async def put(box: Box, call: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    async with box.client.put(box.at(call), json=body) as answer:
        return answer.status, await answer.json()


async def post(box: Box, call: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    async with box.client.post(box.at(call), json=body) as answer:
        return answer.status, await answer.json() if answer.status != 204 else {}


async def test_a_member_keeps_favourites_that_are_not_mentioned(box: Box) -> None:
    await put(box, "household/members/mum", {"name": "妈妈", "favourites": ["opera", "news"]})
    assert await put(box, "household/members/mum", {"name": "妈"}) == (
        200,
        {"id": "mum", "name": "妈", "child": False, "favourites": ["opera", "news"]},
    )


async def test_a_child_cannot_get_out_of_the_lock_by_being_somebody_else(box: Box) -> None:
    await put(box, "household/members/kid", {"name": "小明", "child": True})
    await put(box, "household/members/mum", {"name": "妈妈"})
    await put(box, "household", {"current": "kid"})
    status, lock = await put(box, "lock", {"pin": "1234", "channels": ["news"]})
    assert (status, lock["has_pin"], lock["channels"]) == (200, True, ["news"])
    attempts: tuple[tuple[str, dict[str, object]], ...] = (
        ("household", {"current": "mum"}),
        ("household", {"current": None}),
        ("household/members/kid", {"name": "小明", "child": False}),
        ("household/members/new", {"name": "新"}),
    )
    for call, body in attempts:
        refused, problem = await put(box, call, body)
        assert (refused, problem["code"]) == (403, "TV-608")
    async with box.client.delete(box.at("household/members/kid")) as answer:
        assert answer.status == 403
    assert (await post(box, "lock/open", {"pin": "0000"}))[1]["code"] == "TV-605"
    assert (await post(box, "lock/open", {"pin": "1234"}))[0] == 200
    assert (await put(box, "household", {"current": "mum"}))[0] == 200


async def test_a_locked_channel_is_not_shown_until_the_pin_is_typed(box: Box) -> None:
    await put(box, "lock", {"pin": "1234", "channels": ["news"]})
    with box.living.tv.changes.subscribe() as changes:
        await post(box, "tv/tune", {"channel": "news"})
        while box.living.tv.state.picture != "failed":
            await anext(changes)
    assert box.living.tv.state.code == "TV-601"
    assert box.living.player.state.stream is None
    with box.living.player.page(), box.living.tv.changes.subscribe() as changes:
        await post(box, "lock/open", {"pin": "1234"})
        while box.living.tv.state.picture != "playing":
            await anext(changes)


async def test_a_reminder_is_kept_and_taken_back(box: Box) -> None:
    async with box.client.get(box.at("guide/now")) as answer:
        upcoming = (await answer.json())[0]["next"]
    status, kept = await post(box, "reminders", {"programme": upcoming["id"]})
    assert (status, kept["programme"]) == (201, upcoming)
    async with box.client.delete(box.at(f"reminders/{kept['id']}")) as answer:
        assert answer.status == 204
    async with box.client.get(box.at("reminders")) as answer:
        assert await answer.json() == []


async def test_a_time_is_recorded_and_played_and_deleted(box: Box) -> None:
    now = datetime.now(UTC)
    wanted = {
        "channel": "news",
        "start": (now - timedelta(seconds=1)).isoformat(),
        "stop": (now + timedelta(hours=1)).isoformat(),
        "title": "试录",
    }
    status, one = await post(box, "recordings", wanted)
    assert (status, one["title"]) == (201, "试录")
    async with asyncio.timeout(30):
        while True:
            async with box.client.get(box.at("recordings")) as answer:
                listed = (await answer.json())["recordings"]
            if listed[0]["duration_s"] >= 2:
                break
            await asyncio.sleep(0.2)
    assert (listed[0]["id"], listed[0]["state"]) == (one["id"], "recording")
    async with box.client.get(f"{box.root}/recordings/{one['id']}.ts") as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp2t")
        assert (await answer.content.readexactly(188))[0] == 0x47
    async with box.client.get(f"{box.root}/recordings/{one['id']}/index.m3u8") as answer:
        assert (await answer.text()).startswith("#EXTM3U")
    async with box.client.post(box.at(f"recordings/{one['id']}/stop")) as answer:
        assert answer.status < 300
    async with box.client.delete(box.at(f"recordings/{one['id']}")) as answer:
        assert answer.status == 204
    async with box.client.get(f"{box.root}/recordings/{one['id']}.ts") as answer:
        assert answer.status == 404
