"""Going back in time over the API and by the keys of the remote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.media.tv_facts import Focused, Picture, Typed
from gateway.ui.keys import QUICKLY_S, Wind
from tests.ui.conftest import Box
from tests.ui.living import NEWS, SPORT
from tests.ui.test_api import ask
from tests.ui.test_events import heard
from tests.ui.test_keys import press


async def shown(box: Box, **wanted: object) -> dict[str, Any]:
    """Wait until the television's document has these values."""
    async with box.client.ws_connect(box.at("events")) as socket:
        tv: dict[str, Any] = (await heard(socket, "snapshot"))["tv"]
        while any(tv[name] != value for name, value in wanted.items()):
            tv = (await heard(socket, "tv"))["tv"]
    return tv


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_pause_makes_the_past_of_the_present(box: Box) -> None:
    await ask(box, "POST", "tv/tune", {"channel": NEWS.id}, status=202)
    live = await shown(box, picture="playing", zap="warm")
    assert (live["mode"], live["position"], live["paused"]) == ("live", None, False)
    assert live["window"] is not None
    held = await ask(box, "POST", "tv/pause", status=202)
    assert (held["mode"], held["paused"]) == ("timeshift", True)
    assert datetime.now(UTC) - instant(held["position"]) < timedelta(seconds=20)
    assert (await ask(box, "POST", "tv/resume", status=202))["paused"] is False
    assert (await ask(box, "POST", "tv/live", status=202))["mode"] == "live"


async def test_seeking_goes_where_it_is_told(box: Box) -> None:
    await ask(box, "POST", "tv/tune", {"channel": NEWS.id}, status=202)
    await shown(box, picture="playing")
    there = datetime.now(UTC) - timedelta(minutes=30)
    tv = await ask(box, "POST", "tv/seek", {"position": there.isoformat()}, status=202)
    assert (tv["mode"], instant(tv["position"])) == ("timeshift", there)
    assert tv["stream"] is None or "at=" not in tv["stream"]
    tv = await shown(box, picture="playing", mode="timeshift")
    assert tv["stream"].startswith("/live/news/index.m3u8?at=")
    tv = await ask(box, "POST", "tv/seek", {"step_s": -60}, status=202)
    assert abs(instant(tv["position"]) - there) < timedelta(seconds=90)
    assert (await ask(box, "POST", "tv/seek", {"step_s": 7200}, status=202))["mode"] == "live"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"step_s": 10, "position": "2026-01-01T00:00:00Z"},
        {"position": "2026-01-01T00:00:00"},
        {"step_s": 1e9},
    ],
    ids=["nothing", "both", "no time zone", "too far"],
)
async def test_a_senseless_seek_is_refused(box: Box, body: dict[str, Any]) -> None:
    assert (await ask(box, "POST", "tv/seek", body, status=400))["code"] == "UI-103"


async def test_without_a_picture_there_is_nothing_to_hold(box: Box) -> None:
    for call in ("pause", "resume", "live"):
        assert (await ask(box, "POST", f"tv/{call}", status=409))["code"] == "TV-404"
    assert (await ask(box, "POST", "tv/seek", {"step_s": -30}, status=409))["code"] == "TV-404"


async def test_what_nobody_keeps_is_said(box: Box) -> None:
    await ask(box, "POST", "tv/tune", {"channel": SPORT.id}, status=202)
    await shown(box, picture="playing", channel=SPORT.id)
    assert (await ask(box, "POST", "tv/seek", {"step_s": -600}, status=409))["code"] == "TV-541"
    assert (await ask(box, "POST", "tv/catchup", {"programme": "x"}, status=404))["code"] == "TV-542"
    assert (await ask(box, "POST", "tv/recording", {"recording": "x"}, status=404))["code"] == "TV-544"
    yesterday = {"channel": SPORT.id, "position": "2026-01-01T00:00:00Z"}
    assert (await ask(box, "POST", "tv/tune", yesterday, status=409))["code"] == "TV-541"


async def test_hand_over_brings_the_position_along(box: Box) -> None:
    there = datetime.now(UTC) - timedelta(minutes=10)
    tv = await ask(box, "POST", "tv/tune", {"number": 1, "position": there.isoformat()}, status=202)
    assert (tv["channel"], tv["mode"], instant(tv["position"])) == (NEWS.id, "timeshift", there)


async def test_the_page_says_where_its_focus_rests(box: Box) -> None:
    with box.living.tv.hints.subscribe() as hints:
        await ask(box, "POST", "tv/focus", {"channel": SPORT.id}, status=204)
        assert await anext(hints) == Focused(SPORT.id)
        await ask(box, "POST", "tv/focus", {"channel": None}, status=204)
        assert await anext(hints) == Focused(None)
        await press(box, "1", "back")
        assert [await anext(hints), await anext(hints)] == [Typed("1"), Typed("")]
    assert (await ask(box, "POST", "tv/focus", {"channel": "pirate"}, status=404))["code"] == "UI-104"


async def test_the_keys_of_the_tape_recorder(box: Box) -> None:
    await press(box, "channel_up")
    await shown(box, picture="playing")
    tv = box.living.tv
    await press(box, "pause")
    assert tv.state.paused
    await press(box, "pause")
    assert not tv.state.paused
    await press(box, "rewind")
    assert tv.state.mode == "timeshift"
    await press(box, "stop")
    assert tv.state.mode == "live"


async def test_a_key_that_cannot_be_obeyed_says_why_on_the_screen(box: Box) -> None:
    await press(box, "2", "ok")
    await shown(box, picture="playing")
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        await press(box, "rewind")
        assert (await heard(socket, "notice"))["notice"]["code"] == "TV-541"


async def test_without_a_picture_the_keys_are_the_page_s(box: Box) -> None:
    async with box.client.ws_connect(box.at("events")) as socket:
        await heard(socket, "snapshot")
        await press(box, "pause")
        assert await heard(socket, "key") == {"type": "key", "key": "pause"}


async def test_standby_keeps_the_channel_before(box: Box) -> None:
    await press(box, "channel_up", "channel_up", "power")
    assert box.living.tv.state.picture is Picture.IDLE
    await press(box, "power")
    assert box.living.tv.state.channel == SPORT
    await press(box, "last")
    assert box.living.tv.state.channel == NEWS


def test_the_step_grows_while_the_key_is_pressed_fast() -> None:
    now_s = [0.0]
    wind = Wind(lambda: now_s[0])

    def pressed(key: str, after_s: float) -> float:
        now_s[0] += after_s
        return wind.step_s(key)

    assert [pressed("rewind", 0.3) for _ in range(9)] == [30, 30, 60, 60, 120, 120, 300, 300, 300]
    assert pressed("forward", 0.3) == 30
    assert pressed("forward", QUICKLY_S + 0.1) == 30


async def test_support_sees_how_long_the_zaps_took(box: Box) -> None:
    await press(box, "channel_up")
    await shown(box, picture="playing")
    await press(box, "channel_up")
    await shown(box, picture="playing", channel=SPORT.id)
    seen = await ask(box, "GET", "support/television")
    assert [(zap["channel"], zap["how"]) for zap in seen["zaps"]] == [(SPORT.id, "cold"), (NEWS.id, "warm")]
    assert seen["shared"] is False
    assert seen["median_first_frame_ms"] is not None
    assert seen["predicted_share"] == 0
