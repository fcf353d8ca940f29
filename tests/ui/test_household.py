from tests.ui.conftest import Box


async def put(box: Box, call: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    async with box.client.put(box.at(call), json=body) as answer:
        return answer.status, await answer.json()


async def post(box: Box, call: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
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
