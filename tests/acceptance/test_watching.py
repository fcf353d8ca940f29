"""What a household does with television beside zapping: yesterday, pause, record, lock, phones.

All of it with one box, one head-end and one screen, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from headend.demo.channels import Extent
from tests.acceptance.box import Answer, Box, Document, box_at
from tests.acceptance.pictures import Album, look_at, shown
from tests.acceptance.started import children_named
from tests.acceptance.watching import (
    FILM,
    NEWS,
    REMEMBERED_S,
    SCIENCE,
    Evening,
    Show,
    evening,
    minutes,
    programme,
    second_shown,
    seconds_apart,
    shows_second_of,
    timeline,
    whole_second,
)
from tests.media.player_fixtures import Framebuffer, framebuffer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NUMBERS = {channel.id: channel.number for channel in Extent.QUICK.channels}
PIN = "2580"
PICTURE_S = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def screen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Framebuffer]:
    """The television's screen."""
    async with framebuffer(tmp_path_factory.mktemp("screen")) as lit:
        yield lit


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, quick_material: Path, screen: Framebuffer
) -> Iterator[Evening]:
    """The household's box."""
    with evening(tmp_path_factory.mktemp("evening"), quick_material, screen.display) as running:
        yield running


@pytest.fixture(scope="module")
def album(quick_material: Path) -> Album:
    """How the channels look."""
    return Album(quick_material, Extent.QUICK.channels)


@pytest.fixture
async def tv(night: Evening) -> AsyncIterator[Box]:
    """The household's way to the box."""
    async with box_at(night.parts.ports.page, night.parts.token) as box:
        await box.well()
        await box.until("channels", len)
        yield box


async def ordered(box: Box, path: str, body: object = None) -> Document:
    """Give an order about the picture that must be taken."""
    answer = await box.call("POST", f"tv/{path}", body)
    assert answer.status == 202, answer
    return dict(answer.document)


async def playing(box: Box, channel: str, mode: str = "live") -> Document:
    """Return the television's state when it shows that."""
    return await box.tv(
        lambda tv: (tv["channel"], tv["picture"], tv["mode"]) == (channel, "playing", mode), PICTURE_S
    )


async def ids(box: Box) -> dict[str, str]:
    """Return what the box calls the demo's channels."""
    by_number = {one["number"]: one["id"] for one in await box.get("channels")}
    return {name: by_number[number] for name, number in NUMBERS.items()}


async def stream_of(night: Evening, path: str, *, until: datetime | None = None) -> bytes:
    """Return a stream of the box, all of it or what comes until the time `until`."""
    headers = {"Authorization": f"Bearer {night.parts.token}"}
    body = b""
    base = f"http://127.0.0.1:{night.parts.ports.page}"
    async with (
        asyncio.timeout(30),
        aiohttp.ClientSession(base, headers=headers) as session,
        session.get(path) as answer,
    ):
        assert answer.status == 200, await answer.text()
        async for chunk in answer.content.iter_any():
            body += chunk
            if until is not None and datetime.now(UTC) > until:
                break
    return body[: len(body) // 188 * 188]


async def test_a_programme_of_the_past_is_shown_from_its_beginning(
    night: Evening, tv: Box, screen: Framebuffer
) -> None:
    # Three hours and half a minute ago: the clock in the picture then stood on the other side.
    start = whole_second(datetime.now(UTC)) - timedelta(hours=3, seconds=30)
    show = night.broadcast(Show(NEWS, start, start + minutes(40), "晨光旧闻"))

    await ordered(tv, "catchup", {"programme": await programme(tv, show)})

    state = await playing(tv, (await ids(tv))[NEWS], "catchup")
    await shows_second_of(screen, start, slack_s=6)
    assert abs(datetime.fromisoformat(state["position"]) - start) < timedelta(seconds=8)


async def test_the_past_goes_on_over_programmes_into_live_without_a_gap(night: Evening, tv: Box) -> None:
    """Of a channel that is asked in local times, and of an encrypted one that is asked in Unix time."""
    names, now = await ids(tv), whole_second(datetime.now(UTC))
    over = now - timedelta(seconds=30)
    for channel in (NEWS, SCIENCE):
        night.broadcast(Show(channel, now - minutes(3), over, f"前一个{channel}"))
        await programme(tv, night.broadcast(Show(channel, over, now + minutes(5), f"正在播{channel}")))
    at, until = over - timedelta(seconds=11), now + timedelta(seconds=9)

    async with asyncio.TaskGroup() as group:
        streams = [
            group.create_task(
                stream_of(night, f"/live/{names[channel]}.ts?at={quote(at.isoformat())}", until=until)
            )
            for channel in (NEWS, SCIENCE)
        ]

    for stream in streams:
        seen = timeline(stream.result())
        assert at - timedelta(seconds=2.1) <= seen.start <= at
        assert seen.end > now + timedelta(seconds=1), "it did not arrive at live"
        assert seen.longest_gap_s <= (0.1, 0.033)
        assert not seen.goes_back
        assert not seen.repeats


async def test_live_is_held_gone_on_with_gone_back_in_and_live_again(
    tv: Box, screen: Framebuffer, album: Album
) -> None:
    await tv.tune(NUMBERS[NEWS])
    name = (await ids(tv))[NEWS]
    await playing(tv, name)
    await shown(screen, album, NUMBERS[NEWS], PICTURE_S)
    live_delay_s = _behind(screen)

    await ordered(tv, "pause")
    await tv.tv(lambda state: state["paused"])
    await tv.entity("tv.paused", lambda one: one["value"] is True)
    await asyncio.sleep(0.3)  # what was in the pipe of the screen is drawn
    held = second_shown(screen)
    await asyncio.sleep(3)  # the pause itself
    assert seconds_apart(second_shown(screen), held) < 0.7

    assert (await tv.end_of(await tv.order("tv.paused", False)))["state"] == "confirmed"
    await playing(tv, name, "timeshift")
    async with asyncio.timeout(PICTURE_S):
        while (second_shown(screen) - held) % 60 < 1:  # noqa: ASYNC110 - light
            await asyncio.sleep(0.05)
    assert 2 < _behind(screen) - live_delay_s < 20

    await ordered(tv, "seek", {"step_s": -20})
    await playing(tv, name, "timeshift")
    async with asyncio.timeout(PICTURE_S):
        while not 16 < _behind(screen) - live_delay_s < 50:  # noqa: ASYNC110 - light
            await asyncio.sleep(0.05)

    await ordered(tv, "live")
    await playing(tv, name)
    async with asyncio.timeout(PICTURE_S):
        while _behind(screen) - live_delay_s > 2:  # noqa: ASYNC110 - light
            await asyncio.sleep(0.05)


async def test_what_is_on_is_recorded_and_played_back(night: Evening, tv: Box, screen: Framebuffer) -> None:
    name, now = (await ids(tv))[NEWS], datetime.now(UTC)
    wish = {"channel": name, "start": now.isoformat(), "stop": (now + timedelta(seconds=6)).isoformat()}
    made = await tv.call("POST", "recordings", wish)
    assert made.status == 201, made

    done = await _recording(tv, lambda one: one["id"] == made.document["id"] and one["state"] == "done")

    seen = timeline(await stream_of(night, f"/recordings/{done['id']}.ts"))
    assert seen.start <= now + timedelta(seconds=2)
    assert seen.end >= now + timedelta(seconds=3)
    assert seen.longest_gap_s <= (0.1, 0.033)
    await ordered(tv, "recording", {"recording": done["id"], "from_start": True})
    await playing(tv, name, "recording")
    await shows_second_of(screen, seen.start, slack_s=6)


async def test_a_series_is_recorded_by_its_rule(night: Evening, tv: Box) -> None:
    now = datetime.now(UTC)
    rule = await tv.call("POST", "recordings/series", {"title": "茶马人家"})
    assert rule.status == 201, rule
    begun_at = whole_second(now) - timedelta(seconds=4)
    episode = night.broadcast(Show(SCIENCE, begun_at, now + minutes(20), "茶马人家 第3集"))

    begun = await _recording(tv, lambda one: one["title"] == episode.title and one["size_bytes"] > 0)

    assert begun["state"] == "recording"
    assert begun["series"] == rule.document["id"]
    stopped = await tv.call("POST", f"recordings/{begun['id']}/stop")
    assert stopped.status == 202
    kept = await _recording(tv, lambda one: one["id"] == begun["id"] and one["state"] != "recording")
    assert len(timeline(await stream_of(night, f"/recordings/{kept['id']}.ts")).video) > 10


async def test_a_programme_is_found_by_the_initials_of_its_title(night: Evening, tv: Box) -> None:
    now = datetime.now(UTC)
    show = night.broadcast(Show(FILM, now + minutes(60), now + minutes(90), "月下船歌"))
    await programme(tv, show)

    found = await tv.get("guide/search?q=yxcg")

    assert [one["title"] for one in found] == [show.title]


async def test_a_phone_of_the_house_takes_the_picture_along_and_a_stranger_gets_none(
    night: Evening, tv: Box
) -> None:
    name = (await ids(tv))[NEWS]
    offer = await tv.call("POST", "pairing")
    async with box_at(night.parts.ports.page, "") as stranger:
        assert (await stranger.call("GET", f"/live/{name}/index.m3u8")).status == 401
        joined = await stranger.call(
            "POST", "pairing/claim", {"code": offer.document["code"], "name": "妈妈"}
        )
    assert joined.status == 201, joined
    secret = joined.document["secret"]

    assert (await _pages(night, name, secret))[-1] > datetime.now(UTC) - timedelta(seconds=20)
    watched = datetime.now(UTC) - timedelta(minutes=50)
    await ordered(tv, "tune", {"channel": name, "position": watched.isoformat()})
    async with box_at(night.parts.ports.page, secret) as phone:
        position = (await phone.tv(lambda state: _at(state) < watched + minutes(1) and _plays(state)))[
            "position"
        ]
        taken = await _pages(night, name, secret, at=position)
        left = datetime.fromisoformat(position)
        assert timedelta() <= left - taken[0] < timedelta(seconds=2.1)
        # And back: the phone says where it is.
        further = left + timedelta(minutes=5)
        await ordered(phone, "tune", {"channel": name, "position": further.isoformat()})
        given = await tv.tv(lambda state: _plays(state) and _at(state) >= further, PICTURE_S)
        assert _at(given) < further + timedelta(seconds=10)
        assert (await tv.call("DELETE", f"pairing/phones/{joined.document['phone']['id']}")).status == 204
        assert (await phone.call("GET", f"/live/{name}/index.m3u8")).status == 401


async def test_a_new_line_up_leaves_the_picture_alone(
    night: Evening, tv: Box, screen: Framebuffer, album: Album
) -> None:
    await tv.tune(NUMBERS[NEWS])
    name = (await ids(tv))[NEWS]
    await playing(tv, name)
    await shown(screen, album, NUMBERS[NEWS], PICTURE_S)
    delay_s, players = _behind(screen), _players(night)
    states: list[Document] = []
    renamed = replace(Extent.QUICK.channels[-1], name="科学与教育")

    async with _watched(tv, states):
        night.announce((renamed, *Extent.QUICK.channels[-2::-1]))
        await tv.until("channels", lambda listed: renamed.name in [one["name"] for one in listed])
        await asyncio.sleep(1.5)  # long enough for a picture to be lost
    night.announce(Extent.QUICK.channels)

    assert {(one["channel"], one["picture"]) for one in states} == {(name, "playing")}
    assert _players(night) == players
    assert abs(_behind(screen) - delay_s) < 1.5


async def test_after_the_plug_was_pulled_the_channel_and_its_sound_are_as_before(
    night: Evening, tv: Box, screen: Framebuffer, album: Album
) -> None:
    await tv.tune(NUMBERS[FILM])
    found = await tv.tv(lambda state: len(_sounds(state)) > 1 and state["picture"] == "playing", PICTURE_S)
    english = next(track["id"] for track in found["tracks"] if track["language"] in ("en", "eng"))
    await ordered(tv, "tracks", {"id": english})
    await tv.tv(lambda state: _heard(state) == ["en"])
    await asyncio.sleep(REMEMBERED_S)

    night.pull_the_plug()

    await shown(screen, album, NUMBERS[FILM], PICTURE_S)
    async with box_at(night.parts.ports.page, night.parts.token) as box:
        await box.tv(lambda state: state["number"] == NUMBERS[FILM] and _heard(state) == ["en"], PICTURE_S)


async def test_the_child_lock_holds_after_a_restart_and_opens_with_the_pin(
    night: Evening, tv: Box, screen: Framebuffer, album: Album
) -> None:
    name = (await ids(tv))[NEWS]
    put = await tv.call("PUT", "lock", {"pin": PIN, "channels": [name]})
    assert put.status == 200, put
    await tv.tune(NUMBERS[NEWS])
    await tv.tv(_is_locked(name))

    night.pull_the_plug()

    async with box_at(night.parts.ports.page, night.parts.token) as box:
        await box.tune(NUMBERS[NEWS])
        await box.tv(_is_locked(name))
        seen = album.recognise(look_at(screen))
        assert not (seen.number == NUMBERS[NEWS] and seen.sure)
        wrong = await box.call("POST", "lock/open", {"pin": "0000"})
        assert _code(wrong) == "TV-605"
        right = await box.call("POST", "lock/open", {"pin": PIN})
        assert right.status == 200, right
        await playing(box, name)
        await shown(screen, album, NUMBERS[NEWS], PICTURE_S)


def _behind(screen: Framebuffer) -> float:
    """Return by how much the clock in the picture is behind the wall's, -30..30 seconds or so."""
    return (datetime.now(UTC).timestamp() - second_shown(screen) + 2) % 60 - 2


def _at(state: Document) -> datetime:
    said = state["position"]
    return datetime.fromisoformat(said) if said else datetime.now(UTC)


def _plays(state: Document) -> bool:
    return bool(state["picture"] == "playing")


def _is_locked(channel: str) -> Callable[[Document], bool]:
    return lambda state: (state["channel"], state["picture"], state["code"]) == (channel, "failed", "TV-601")


def _sounds(state: Document) -> list[Document]:
    return [track for track in state["tracks"] if track["kind"] == "audio"]


def _heard(state: Document) -> list[str]:
    return [track["language"][:2] for track in _sounds(state) if track["selected"]]


def _players(night: Evening) -> list[int]:
    return children_named(night.box, "gateway.media.vlc_worker")


async def _recording(tv: Box, good: Callable[[Document], bool]) -> Document:
    """Return the first recording that is `good`."""
    listed = await tv.until("recordings", lambda found: any(map(good, found["recordings"])))
    return next(dict(one) for one in listed["recordings"] if good(one))


async def _pages(night: Evening, channel: str, secret: str, *, at: str = "") -> list[datetime]:
    """Return from when to when a phone's playlist goes, whose last segment can be had."""
    base = f"http://127.0.0.1:{night.parts.ports.page}/live/{channel}/index.m3u8"
    headers = {"Authorization": f"Bearer {secret}"}
    limit = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(headers=headers, timeout=limit) as phone:
        address = URL(base).with_query({"at": at} if at else {})
        lines = await _lines(phone, address)
        while not any(line.startswith("#EXTINF") for line in lines):
            address = address.join(URL(next(line for line in lines if not line.startswith("#"))))
            lines = await _lines(phone, address)
        async with phone.get(address.join(URL(lines[-1]))) as segment:
            assert segment.status == 200
            assert (await segment.read())[:1] == b"G"
    dates = [line.partition(":")[2] for line in lines if line.startswith("#EXT-X-PROGRAM-DATE-TIME")]
    return [datetime.fromisoformat(date) for date in dates]


async def _lines(phone: aiohttp.ClientSession, address: URL) -> list[str]:
    async with phone.get(address) as answer:
        assert answer.status == 200, address
        return (await answer.text()).splitlines()


@asynccontextmanager
async def _watched(tv: Box, states: list[Document]) -> AsyncIterator[None]:
    """Note every state of the television during the block."""

    async def note() -> None:
        await tv.tv(states.append, within_s=120)

    noting = asyncio.create_task(note(), name="note states")
    try:
        yield
    finally:
        noting.cancel()
        await asyncio.wait({noting})


def _code(answer: Answer) -> str:
    return str(answer.document["code"])
