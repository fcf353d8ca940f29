"""The phone's page on a real server, touched by a finger: joining, the remote, watching, handing over."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import NoSuchPieceError, Resource
from gateway.ui.auth import Access
from gateway.ui.keys import KeysConfig
from gateway.ui.server import Desk, UiConfig, UiServer
from tests.ui.living import NEWS, SPORT, LivingHouse, Upstream, Yesterday, running
from tests.ui.web import fake_material
from tests.ui.web.fake_house import WEB, FakeHouse
from tests.ui.web.fake_watching import TOKEN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FOLDER = Path(__file__).parents[3] / "build" / "screenshots"
SIZES = {"phone": (390, 844), "landscape": (844, 390)}
WIDE = "document.documentElement.scrollWidth > innerWidth"
SMALL = """[...document.querySelectorAll("button, input")].filter((each) => each.checkVisibility())
    .map((each) => [each.innerText, each.getBoundingClientRect().height]).filter(([, high]) => high < 44)"""
HOUR = timedelta(hours=1)
Allowed = Callable[[datetime], Awaitable[bool]]


class Moving(Upstream):
    """A relay with moving pictures on every channel."""

    def __init__(self, material: Path) -> None:
        super().__init__()
        self._material = material

    async def resource(
        self, channel: ChannelId, name: str, *, ticket: str = "", reader: str = ""
    ) -> Resource:
        assert channel
        assert reader
        assert not ticket
        if name == "index.m3u8":
            return Resource("application/vnd.apple.mpegurl", fake_material.playlist().encode())
        piece = self._material / "look0" / name
        if not await asyncio.to_thread(piece.is_file):
            raise NoSuchPieceError(f"There is no {name} here")
        return Resource("video/mp2t", await asyncio.to_thread(piece.read_bytes))


@dataclass
class Earlier(Yesterday):
    """The past of it, with every instant that was asked for."""

    asked: list[tuple[ChannelId, datetime]] = field(default_factory=list)

    async def begin(
        self, channel: ChannelId, at: datetime, *, ticket: str = "", allowed: Allowed | None = None
    ) -> Resource:
        del allowed
        assert not ticket
        self.asked.append((channel, at))
        return Resource("application/vnd.apple.mpegurl", fake_material.playlist().encode())


@dataclass(frozen=True, kw_only=True)
class Home:
    """A box, and the phones that come to it."""

    living: LivingHouse
    desk: Desk
    earlier: Earlier
    browser: Browser
    owner: aiohttp.ClientSession
    root: str
    complaints: list[str]

    async def phone(self, address: str = "/r", size: str = "phone", locale: str = "zh-CN") -> Page:
        """Return a phone that has opened `address`."""
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, has_touch=True, is_mobile=True, locale=locale
        )
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(address if address.startswith("http") else self.root + address)
        return page

    async def offer(self) -> dict[str, Any]:
        """Let the television show a code."""
        async with self.owner.post(f"{self.root}/api/v1/pairing") as answer:
            shown: dict[str, Any] = await answer.json()
        return shown

    async def paired(self, size: str = "phone") -> Page:
        """Return a phone of the house."""
        page = await self.phone((await self.offer())["address"], size)
        await page.locator("form .big").tap()
        await expect(page.locator(".on-tv")).to_be_visible()
        return page


@pytest_asyncio.fixture(loop_scope="session")
async def home(browser: Browser, material: Path, tmp_path: Path) -> AsyncIterator[Home]:
    living = LivingHouse(tmp_path)
    earlier = Earlier()
    living.house = replace(living.house, relay=Moving(material), past_pages=earlier)
    access = Access(tmp_path / "state" / "token")
    desk = living.desk(access, KeysConfig(digits_pause_s=0.3))
    server = UiServer(UiConfig(port=0), desk, WEB)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(living.lived_in())
        for part in (desk.phones, desk.events, desk.keys, server):
            await stack.enter_async_context(running(part.run))
        headers = {"Authorization": f"Bearer {access.token()}"}
        owner = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        root = f"http://127.0.0.1:{server.port}"
        home = Home(
            living=living,
            desk=desk,
            earlier=earlier,
            browser=browser,
            owner=owner,
            root=root,
            complaints=[],
        )
        yield home
        for context in browser.contexts:
            await context.close()
    assert home.complaints == []


async def until_shown(home: Home, channel: ChannelId) -> None:
    """Wait until the television has that channel."""
    with home.living.tv.changes.subscribe() as changes:
        async with asyncio.timeout(10):
            on = home.living.tv.state.channel
            while on is None or on.id != channel:
                await anext(changes)
                on = home.living.tv.state.channel


async def until_moving(page: Page) -> None:
    """Wait until frames follow each other on the phone's screen."""
    await expect(page.locator(".screen[data-picture=playing]")).to_be_visible()
    moved = "new Promise((done) => { const v = document.querySelector('video'), from = v.currentTime;"
    moved += "const look = () => v.currentTime > from + 0.4 && v.videoWidth ? done(true)"
    moved += ": requestAnimationFrame(look); look(); })"
    async with asyncio.timeout(20):
        assert await page.evaluate(moved)


async def shoot(page: Page, name: str) -> None:
    """Keep a picture; nothing may be wider than the phone, or too small for a thumb."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    await page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished))")
    await page.screenshot(path=FOLDER / f"{name}.png")
    assert not await page.evaluate(WIDE), name
    assert await page.evaluate(SMALL) == [], name


async def test_a_scanned_code_makes_a_remote_of_the_phone(home: Home) -> None:
    page = await home.phone((await home.offer())["address"])
    await expect(page.locator("h1")).to_have_text("把手机连到电视")
    assert "#" not in page.url
    await shoot(page, "phone-join")
    await page.locator("input[name=name]").fill("妈妈的手机")
    await page.locator("form .big").tap()
    await expect(page.locator(".on-tv")).to_be_visible()
    assert [(phone.name, phone.role) for phone in home.desk.phones.all] == [("妈妈的手机", "member")]

    await home.living.tv.tune(NEWS.id)
    await until_shown(home, NEWS.id)
    await expect(page.locator(".on-tv strong")).to_have_text("1 新闻")
    await shoot(page, "phone-remote")
    await page.locator("[data-key=channel_up]").tap()
    await until_shown(home, SPORT.id)
    await page.locator("[data-key=last]").tap()
    await until_shown(home, NEWS.id)
    loud = home.living.tv.state.volume_percent
    await page.locator("[data-key=volume_down]").tap()
    await expect(page.locator(".loud b")).to_have_text(str(loud - 5))
    await page.locator("[data-key=mute]").tap()
    await expect(page.locator(".loud b")).to_have_text("静音")

    async with home.owner.ws_connect(f"{home.root}/api/v1/events") as events:
        await events.receive()
        await page.locator("[data-key=ok]").tap()
        async with asyncio.timeout(10):
            while (heard := json.loads((await events.receive()).data))["type"] != "key":
                pass
        assert heard["key"] == "ok"
    await page.locator(".digits-too").tap()
    await shoot(page, "phone-digits")
    await page.locator("[data-key='1']").tap()
    await page.locator("[data-key='2']").tap()
    await until_shown(home, ChannelId("opera"))

    await page.reload()
    await expect(page.locator(".on-tv strong")).to_have_text("12 戏曲")


async def test_six_digits_do_as_well_and_every_dead_end_says_the_way_on(home: Home) -> None:
    page = await home.phone("/r#t=" + "x" * 22, locale="en-GB")
    await page.locator("form .big").tap()
    await expect(page.locator(".refused")).to_contain_text("code")
    await shoot(page, "phone-expired-english")
    await page.locator("input[name=code]").fill((await home.offer())["code"])
    await page.locator("form .big").tap()
    await expect(page.locator(".on-tv")).to_be_visible()
    await page.locator("[data-tab=channels]").tap()
    await page.locator("[data-channel=news]").tap()
    await page.locator(".sheet .main").tap()
    await until_moving(page)
    (phone,) = home.desk.phones.all
    await home.desk.phones.dismiss(phone.id)
    await expect(page.locator("h1")).to_have_text("This phone was removed")
    await expect(page.locator("video")).to_have_count(0)
    await page.reload()
    await expect(page.locator("h1")).to_have_text("This phone was removed")
    await shoot(page, "phone-removed-english")


async def test_what_the_phone_shows_is_handed_over_both_ways_at_its_instant(home: Home) -> None:
    page = await home.paired()
    await page.locator("[data-tab=channels]").tap()
    await expect(page.locator(".row")).to_have_count(3)
    await shoot(page, "phone-channels")
    await page.locator("[data-channel=news]").tap()
    await shoot(page, "phone-sheet")
    await page.locator(".sheet .main").tap()
    await until_moving(page)
    await shoot(page, "phone-watching")
    await page.locator(".give").tap()
    await until_shown(home, NEWS.id)
    assert home.living.tv.state.mode == "live"
    await expect(page.locator(".screen")).to_have_count(0)

    at = datetime.now(UTC).replace(microsecond=0) - HOUR
    await home.living.tv.tune(NEWS.id, at)
    await page.locator("[data-tab=remote]").tap()
    await expect(page.locator(".on-tv small").first).to_contain_text("时移")
    await page.locator(".take").tap()
    await until_moving(page)
    ((channel, asked),) = home.earlier.asked
    assert channel == NEWS.id
    assert timedelta() <= asked - at < timedelta(minutes=1)

    await home.living.tv.tune(SPORT.id)
    await page.locator(".give").tap()
    await until_shown(home, NEWS.id)
    position = home.living.tv.state.position
    assert position is not None
    assert timedelta() <= position - asked < timedelta(minutes=1)


async def test_a_search_finds_programmes_and_channels_for_the_television(home: Home) -> None:
    page = await home.paired("landscape")
    await home.living.tv.tune(NEWS.id)
    await expect(page.locator(".on-tv strong")).to_have_text("1 新闻")
    await shoot(page, "phone-remote-landscape")
    await page.locator("[data-tab=channels]").tap()
    await page.locator("input[type=search]").fill("体育")
    await expect(page.locator(".hit").first).to_contain_text("体育")
    await shoot(page, "phone-search-landscape")
    await page.locator("[data-channel=sport]").tap()
    await page.locator(".sheet .big", has_text="在电视看").tap()
    await until_shown(home, SPORT.id)
    await page.locator("[data-tab=recordings]").tap()
    await expect(page.locator("main")).to_contain_text("还没有录像")


async def test_recordings_play_on_the_television_and_go_on_in_the_hand(
    browser: Browser, material: Path
) -> None:
    house = FakeHouse(material)
    async with house.open() as address:
        page = await browser.new_page(viewport={"width": 390, "height": 844}, locale="zh-CN")
        page.set_default_timeout(15_000)
        await page.goto(address.partition("#")[0] + f"r#t={TOKEN}")
        await page.locator("form .big").click()
        await page.locator("[data-tab=recordings]").click()
        kept = page.locator(".recording", has_text="一颗橙子")
        await expect(page.locator(".recording")).to_have_count(5)
        await expect(page.locator(".recording", has_text="乡村大舞台").locator(".key")).to_have_count(0)
        await shoot(page, "phone-recordings")
        await kept.locator(".key", has_text="在电视看").click()
        await page.locator("[data-tab=remote]").click()
        await expect(page.locator(".on-tv")).to_contain_text("录像")
        assert [verb for verb, _ in house.watching.asked] == ["recording"]
        async with page.expect_request("**/recordings/*/index.m3u8*") as asked:
            await page.locator(".take").click()
        assert (await asked.value).url.endswith(f"{house.tv.recording}/index.m3u8?from_s=1500.0")
        await page.close()


async def test_a_locked_channel_opens_with_the_pin(home: Home) -> None:
    lock = {"pin": "2580", "channels": ["news"]}
    async with home.owner.put(f"{home.root}/api/v1/lock", json=lock) as answer:
        assert answer.status == 200
    page = await home.paired()
    await page.locator("[data-tab=channels]").tap()
    await page.locator("[data-channel=news]").tap()
    await page.locator(".sheet .main").tap()
    await expect(page.locator(".screen .over")).to_contain_text("此频道已加锁")
    await shoot(page, "phone-locked")
    await page.locator("input[name=pin]").fill("1111")
    await page.locator(".pin .big").tap()
    await expect(page.locator(".told.bad")).to_contain_text("密码错误")
    await page.locator("input[name=pin]").fill("2580")
    await page.locator(".pin .big").tap()
    await until_moving(page)


async def test_a_message_of_the_house_waits_on_the_phone_until_it_was_seen(home: Home) -> None:
    await home.living.messages.notify({"zh": "家里安防报警", "en": "Alarm"})
    page = await home.paired()
    await expect(page.locator(".messages")).to_contain_text("家里安防报警")
    await shoot(page, "phone-message")
    await page.locator(".messages .key").tap()
    await expect(page.locator(".messages")).to_have_count(0)
    await home.living.messages.notify({"zh": "请回电话", "en": "Please call"})
    await page.reload()
    await expect(page.locator(".messages strong")).to_have_text("请回电话")


async def test_a_guests_phone_watches_and_changes_nothing(home: Home) -> None:
    page = await home.paired()
    (phone,) = home.desk.phones.all
    async with home.owner.put(
        f"{home.root}/api/v1/pairing/phones/{phone.id}", json={"role": "viewer"}
    ) as answer:
        assert answer.status == 200
    await page.reload()
    await expect(page.locator(".row")).to_have_count(3)
    await expect(page.locator(".tabs")).to_have_count(0)
    await page.locator("[data-channel=sport]").tap()
    await expect(page.locator(".sheet .big")).to_have_text(["在手机看", "关闭"])
    await page.locator(".sheet .main").tap()
    await until_moving(page)
    await expect(page.locator(".give")).to_have_count(0)
    await shoot(page, "phone-guest-watching")
    await page.locator(".screen .round").tap()
    await page.locator(".top .round").tap()
    await page.locator(".sheet .danger").tap()
    await expect(page.locator("h1")).to_have_text("把手机连到电视")
    assert home.desk.phones.all == ()
