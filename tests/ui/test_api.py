from tests.ui.conftest import Box
from tests.ui.living import NEWS


async def test_the_line_up_is_in_operator_order(box: Box) -> None:
    async with box.client.get(box.at("channels")) as answer:
        listed = await answer.json()
    assert [(one["number"], one["name"]) for one in listed] == [(1, "新闻"), (2, "体育"), (12, "戏曲")]


async def test_tuning_answers_at_once_and_the_state_follows(box: Box) -> None:
    async with box.client.post(box.at("tv/tune"), json={"number": 1}) as answer:
        assert answer.status == 202
    async with box.client.get(box.at("tv")) as answer:
        tv = await answer.json()
    assert (tv["channel"], tv["number"], tv["picture"]) == (NEWS.id, 1, "playing")
    assert tv["stream"] == "/live/news/index.m3u8"


async def test_health_needs_no_token(box: Box) -> None:
    async with box.client.get(f"{box.root}/healthz", headers={"Authorization": ""}) as answer:
        assert await answer.json() == {"status": "ok", "services": {"tv": "running", "ui": "running"}}
    box.living.keeper.become(tv="failed")
    async with box.client.get(f"{box.root}/healthz") as answer:
        assert (await answer.json())["status"] == "degraded"
