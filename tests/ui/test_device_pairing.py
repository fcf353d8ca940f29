"""Devices that join the home, as the television and the phones of the house see it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from gateway.iot.coap_admission import Applicant
from gateway.ui.roles import Role
from tests.ui.conftest import Box
from tests.ui.test_events import heard

PAIRING = "iot/pairing"


def knock(box: Box, endpoint: str = "ep1", name: str = "卧室温度计") -> None:
    applicant = Applicant(
        endpoint=endpoint, name=name, model="T1", address="coap://192.0.2.7", since=datetime.now(UTC)
    )
    box.living.admission.knock(applicant)


async def listed(box: Box) -> dict[str, Any]:
    async with box.client.get(box.at(PAIRING)) as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def asked(box: Box, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with box.client.request(method, box.at(f"{PAIRING}/{path}"), json=body) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status != 204 else None


async def test_every_page_hears_who_waits_until_somebody_decides(box: Box) -> None:
    knock(box)
    async with box.client.ws_connect(box.at("events")) as socket, asyncio.timeout(10):
        (waiting,) = (await heard(socket, "snapshot"))["waiting"]
        assert (waiting["endpoint"], waiting["name"], waiting["model"]) == ("ep1", "卧室温度计", "T1")
        knock(box, "ep2", "")
        assert [one["endpoint"] for one in (await heard(socket, "waiting"))["waiting"]] == ["ep1", "ep2"]

        assert await asked(box, "POST", "devices/ep1/admit") == (204, None)

        assert [one["endpoint"] for one in (await heard(socket, "waiting"))["waiting"]] == ["ep2"]
        notice = (await heard(socket, "notice"))["notice"]
        assert notice["text"]["zh-CN"] == "设备“卧室温度计”已加入。"
    assert box.living.admission.admits("ep1")
    found = await listed(box)
    assert [(one["endpoint"], one["verdict"]) for one in found["devices"]] == [("ep1", "admitted")]
    assert [one["endpoint"] for one in found["waiting"]] == ["ep2"]


async def test_a_device_is_refused_and_may_be_forgotten_or_allowed_after_all(box: Box) -> None:
    knock(box)
    assert (await asked(box, "POST", "devices/ep1/refuse"))[0] == 204
    assert [one["verdict"] for one in (await listed(box))["devices"]] == ["refused"]
    assert (await asked(box, "POST", "devices/ep1/admit"))[0] == 204
    assert box.living.admission.admits("ep1")
    assert (await asked(box, "DELETE", "devices/ep1"))[0] == 204
    assert (await listed(box))["devices"] == []
    status, problem = await asked(box, "DELETE", "devices/ep1")
    assert (status, problem["code"]) == (404, "IOT-707")


async def test_an_account_comes_with_all_that_the_device_must_be_told_once(box: Box) -> None:
    status, made = await asked(box, "POST", "accounts", {"name": "lamp", "label": "客厅灯"})
    assert status == 201
    assert (made["account"]["name"], made["account"]["label"]) == ("lamp", "客厅灯")
    assert len(made["secret"]) >= 32
    assert made["broker"] == {
        "host": made["broker"]["host"],
        "port": 8883,
        "tls": True,
        "ca": "-----BEGIN CERTIFICATE-----",
        "ca_sha256": "ab" * 32,
    }
    assert not made["broker"]["host"].startswith("127.")
    assert box.living.doorstep.let == {"lamp"}
    found = await listed(box)
    assert [one["name"] for one in found["accounts"]] == ["lamp"]
    assert made["secret"] not in str(found)


async def test_an_account_is_taken_away_at_once(box: Box) -> None:
    await asked(box, "POST", "accounts", {"name": "lamp"})
    assert (await asked(box, "DELETE", "accounts/lamp"))[0] == 204
    assert (box.living.doorstep.let, (await listed(box))["accounts"]) == (set(), [])
    status, problem = await asked(box, "DELETE", "accounts/lamp")
    assert (status, problem["code"]) == (404, "IOT-703")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "lamp"}, 409, "IOT-701"),
        ({"name": "homeassistant"}, 409, "IOT-701"),
        ({"name": "Lamp"}, 400, "UI-103"),
        ({"name": "a\ntopic readwrite #"}, 400, "UI-103"),
        ({"name": "b", "label": "x" * 65}, 400, "UI-103"),
        ({"name": "b", "topics": ["#"]}, 400, "UI-103"),
    ],
)
async def test_an_account_that_cannot_be_is_refused(box: Box, body: object, status: int, code: str) -> None:
    await asked(box, "POST", "accounts", {"name": "lamp"})
    answered, problem = await asked(box, "POST", "accounts", body)
    assert (answered, problem["code"]) == (status, code)


async def test_credentials_come_with_all_that_the_device_must_be_told_once(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    status, made = await asked(box, "POST", "keys", {"endpoint": "ep1", "label": "地窖温度计"})
    assert status == 201
    lengths = {name: len(bytes.fromhex(made[name])) for name in ("master_secret", "master_salt")}
    assert lengths == {"master_secret": 16, "master_salt": 8}
    assert made["sender_id"] != made["recipient_id"] == "01"
    assert (made["aead"], made["hkdf"]) == ("AES-CCM-16-64-128", "SHA-256")
    assert box.living.admission.admits("ep1")
    found = await listed(box)
    assert [(one["endpoint"], one["label"]) for one in found["keys"]] == [("ep1", "地窖温度计")]
    assert made["master_secret"] not in str(found) + caplog.text
    again = await asked(box, "POST", "keys", {"endpoint": "ep1"})
    assert (again[0], again[1]["code"]) == (409, "IOT-711")


async def test_credentials_are_taken_away_at_once(box: Box) -> None:
    await asked(box, "POST", "keys", {"endpoint": "ep1"})
    assert (await asked(box, "DELETE", "keys/ep1"))[0] == 204
    assert ((await listed(box))["keys"], box.living.admission.admits("ep1")) == ([], False)
    status, problem = await asked(box, "DELETE", "keys/ep1")
    assert (status, problem["code"]) == (404, "IOT-713")


@pytest.mark.parametrize("endpoint", ["", "a/b", "客厅", "x" * 64, "...", "a b"])
async def test_credentials_for_no_endpoints_name_are_refused(box: Box, endpoint: str) -> None:
    status, problem = await asked(box, "POST", "keys", {"endpoint": endpoint})
    assert (status, problem["code"]) == (400, "UI-103")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", "/devices/ep1/admit"),
        ("POST", "/devices/ep1/refuse"),
        ("DELETE", "/devices/ep1"),
        ("POST", "/keys"),
        ("DELETE", "/keys/ep1"),
        ("POST", "/accounts"),
        ("DELETE", "/accounts/lamp"),
    ],
)
async def test_only_who_lives_here_sees_or_changes_it(box: Box, method: str, path: str) -> None:
    knock(box)
    _, guest = await box.desk.phones.admit("客人", Role.VIEWER)
    _, member = await box.desk.phones.admit("妈妈", Role.MEMBER)
    answered = []
    async with aiohttp.ClientSession() as anybody:
        for secret in ("", "wrong", guest, member):
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            body = {"/accounts": {"name": "door"}, "/keys": {"endpoint": "door"}}.get(path)
            async with anybody.request(method, box.at(PAIRING) + path, headers=headers, json=body) as answer:
                answered.append(answer.status)
            if secret != member:
                assert [one.endpoint for one in box.living.admission.waiting] == ["ep1"]
                assert box.living.doorstep.let == set()
                assert box.living.coap_keys.all == ()
    assert answered[:3] == [401, 401, 403]
    assert answered[3] not in (401, 403)
