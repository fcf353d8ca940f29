import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.store import Store
from gateway.ui import phones
from gateway.ui.auth import PHONE_COOKIE_NAME
from gateway.ui.pairing import HOUR_S, OFFER_S, NoOfferError, Pairing, TooManyTriesError
from gateway.ui.phones import MAX_PHONES, Phones, TooManyPhonesError, UnknownPhoneError
from gateway.ui.roles import Role, may
from tests.ui.conftest import Box
from tests.ui.living import TEMPERATURE, running


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Hall:
    """Where phones are admitted, with what the television has shown."""

    def __init__(self, store: Store) -> None:
        self.clock = Clock()
        self.shown: list[str] = []
        self.phones = Phones(store)
        self.pairing = Pairing(self.phones, lambda text: self.shown.append(text["en"]), self.clock)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Hall]:
    store = Store(folder / "phones.db", {"phones": phones.MIGRATIONS})
    async with running(store.run):
        hall = Hall(store)
        async with running(hall.phones.run):
            yield hall


async def test_a_phone_joins_by_its_code_and_is_known_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        phone, secret = await hall.pairing.claim(code=hall.pairing.offer().code, name="妈妈")
        assert hall.shown == ["The phone “妈妈” has joined."]
    async with opened(tmp_path) as hall:
        known = hall.phones.recognise(secret)
        assert known is not None
        assert (known.id, known.name, known.role) == (phone.id, "妈妈", Role.MEMBER)
    assert secret.encode() not in (tmp_path / "phones.db").read_bytes()


async def test_an_offer_is_for_one_phone(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        offer = hall.pairing.offer()
        both = [hall.pairing.claim(token=offer.token, name=name) for name in ("a", "b")]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [tuple, NoOfferError]


async def test_an_offer_ends_after_two_minutes_or_when_withdrawn(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        late = hall.pairing.offer()
        hall.clock.now_s += OFFER_S
        with pytest.raises(NoOfferError):
            await hall.pairing.claim(token=late.token, name="a")
        gone = hall.pairing.offer()
        hall.pairing.withdraw()
        with pytest.raises(NoOfferError):
            await hall.pairing.claim(code=gone.code, name="a")


async def test_a_code_dies_of_three_wrong_tries_and_the_television_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        offer = hall.pairing.offer()
        wrong = "000000" if offer.code != "000000" else "111111"
        for _ in range(3):
            with pytest.raises(NoOfferError):
                await hall.pairing.claim(code=wrong, name="a")
        with pytest.raises(NoOfferError):
            await hall.pairing.claim(code=offer.code, name="a")
        assert hall.shown == ["Somebody typed a wrong pairing code."] * 3


async def test_ten_wrong_codes_an_hour_are_enough_but_the_qr_code_still_works(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        for _ in range(10):
            with pytest.raises(NoOfferError):
                await hall.pairing.claim(code="x", name="a")
        with pytest.raises(TooManyTriesError):
            await hall.pairing.claim(code=hall.pairing.offer().code, name="a")
        await hall.pairing.claim(token=hall.pairing.offer().token, name="a")
        hall.clock.now_s += HOUR_S
        await hall.pairing.claim(code=hall.pairing.offer().code, name="b")


async def test_a_dismissed_phone_is_out_and_stays_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        phone, secret = await hall.phones.admit("a", Role.MEMBER)
        await hall.phones.dismiss(phone.id)
        assert hall.phones.recognise(secret) is None
        with pytest.raises(UnknownPhoneError):
            await hall.phones.dismiss(phone.id)
    async with opened(tmp_path) as hall:
        assert hall.phones.all == ()


async def test_a_house_has_only_so_many_phones(tmp_path: Path) -> None:
    async with opened(tmp_path) as hall:
        for number in range(MAX_PHONES):
            await hall.phones.admit(str(number), Role.VIEWER)
        with pytest.raises(TooManyPhonesError):
            await hall.phones.admit("one more", Role.VIEWER)


@pytest.mark.parametrize(
    ("role", "method", "path", "allowed"),
    [
        (Role.OWNER, "POST", "/api/v1/apps/x/uninstall", True),
        (Role.MEMBER, "POST", "/api/v1/tv/tune", True),
        (Role.MEMBER, "POST", "/api/v1/entities/mqtt.lamp/commands", True),
        (Role.MEMBER, "GET", "/api/v1/entities", True),
        (Role.MEMBER, "POST", "/api/v1/apps/x/uninstall", False),
        (Role.MEMBER, "PUT", "/api/v1/rules/x", False),
        (Role.MEMBER, "GET", "/api/v1/support/television", False),
        (Role.MEMBER, "GET", "/api/v1/support/home", False),
        (Role.MEMBER, "POST", "/api/v1/pairing", False),
        (Role.MEMBER, "GET", "/api/v1/pairing/phones", False),
        (Role.MEMBER, "DELETE", "/api/v1/pairing/me", True),
        (Role.VIEWER, "GET", "/live/news/index.m3u8", True),
        (Role.VIEWER, "GET", "/api/v1/channels", True),
        (Role.VIEWER, "GET", "/api/v1/guide", True),
        (Role.VIEWER, "GET", "/api/v1/entities", False),
        (Role.VIEWER, "GET", "/api/v1/events", False),
        (Role.VIEWER, "POST", "/api/v1/tv/tune", False),
        (Role.VIEWER, "POST", "/api/v1/keys", False),
    ],
)
def test_what_a_role_may_do(role: Role, method: str, path: str, *, allowed: bool) -> None:
    assert may(role, method, path) is allowed


async def _pair(box: Box, stranger: aiohttp.ClientSession) -> dict[str, Any]:
    async with box.client.post(box.at("pairing")) as answer:
        assert answer.status == 201
        offer = await answer.json()
    assert offer["qr"].startswith("data:image/svg+xml")
    assert offer["address"].startswith(f"{box.root}/r#t=")
    token = offer["address"].partition("#t=")[2]
    async with stranger.post(box.at("pairing/claim"), json={"token": token, "name": "手机"}) as answer:
        assert answer.status == 201
        paired: dict[str, Any] = await answer.json()
    return paired


async def test_a_paired_browser_watches_and_zaps_but_owns_nothing(box: Box) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        await _pair(box, browser)
        assert PHONE_COOKIE_NAME in {cookie.key for cookie in jar}
        async with browser.get(f"{box.root}/live/news/index.m3u8") as answer:
            assert answer.status == 200
        ours = {"Origin": box.root, "X-Gateway": "1"}
        async with browser.post(box.at("tv/tune"), json={"number": 2}, headers=ours) as answer:
            assert answer.status == 202
        async with browser.post(box.at("tv/tune"), json={"number": 2}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "UI-106")
        async with browser.post(box.at("pairing"), headers=ours) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "UI-205")


async def test_a_dismissed_phone_loses_what_it_was_watching(box: Box) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as stranger:
        paired = await _pair(box, stranger)
        bearer = {"Authorization": f"Bearer {paired['secret']}"}
        async with (
            stranger.get(f"{box.root}/live/news.ts", headers=bearer) as watching,
            stranger.ws_connect(box.at("events"), headers=bearer) as events,
        ):
            assert await watching.content.readexactly(188)
            assert (await events.receive()).type is aiohttp.WSMsgType.TEXT
            async with box.client.delete(box.at(f"pairing/phones/{paired['phone']['id']}")) as answer:
                assert answer.status == 204
            box.living.things.report(TEMPERATURE.id, 22.5)
            async with asyncio.timeout(10):
                with pytest.raises(aiohttp.ClientPayloadError):
                    await watching.content.read(-1)
                while (await events.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        async with stranger.get(box.at("tv"), headers=bearer) as answer:
            assert answer.status == 401


async def test_a_phone_that_leaves_is_told_so_and_forgotten(box: Box) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        await _pair(box, browser)
        ours = {"Origin": box.root, "X-Gateway": "1"}
        async with browser.delete(box.at("pairing/me"), headers=ours) as answer:
            assert answer.status == 204
        assert not [cookie for cookie in jar if cookie.value]
        async with browser.get(box.at("tv")) as answer:
            assert answer.status == 401
    assert box.desk.phones.all == ()


async def test_a_foreign_page_cannot_claim(box: Box) -> None:
    foreign = {"Origin": "http://evil.example"}
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(box.at("pairing/claim"), json={"code": "123456"}, headers=foreign) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (403, "UI-106")
