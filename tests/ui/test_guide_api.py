from typing import Any

from tests.ui.conftest import Box

EVENING = "guide?from=2026-01-31T20:00:00Z&to=2026-01-31T22:00:00Z"


async def ask(box: Box, call: str) -> Any:  # noqa: ANN401 - any document of the API
    async with box.client.get(box.at(call)) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_a_page_that_has_the_grid_is_not_sent_it_again(box: Box) -> None:
    async with box.client.get(box.at(EVENING)) as first:
        tag = first.headers["ETag"]
    async with box.client.get(box.at(EVENING), headers={"If-None-Match": tag}) as second:
        assert (second.status, await second.read()) == (304, b"")
    async with box.client.get(box.at(EVENING + "&channel=news"), headers={"If-None-Match": tag}) as other:
        assert other.status == 200


async def test_now_and_next_of_every_channel_come_in_the_order_of_the_line_up(box: Box) -> None:
    found = await ask(box, "guide/now")

    assert [one["channel"] for one in found] == [one["id"] for one in await ask(box, "channels")]
    assert found[0]["now"]["stop"] == found[0]["next"]["start"]


async def test_programmes_are_found_by_their_title(box: Box) -> None:
    found = await ask(box, "guide/search?q=新闻&limit=1")

    assert [one["channel"] for one in found] == ["news"]
    async with box.client.get(box.at("guide/search?q=")) as empty:
        assert empty.status == 400
