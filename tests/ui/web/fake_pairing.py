"""The part of the fake house where devices ask to join.

One rule: the same as the fake house's: only the structs of the documents go out.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from gateway.ui import documents_events as news
from gateway.ui import documents_pairing as pairing

if TYPE_CHECKING:
    from tests.ui.web.fake_house import FakeHouse

SECRET = "abcdefghijkmnpqrstuvwxyz23456789"
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Joining:
    """Who waits, of whom was decided, accounts and credentials.

    Attributes:
        decided: What was asked for, by method and path, in order.
    """

    def __init__(self, house: "FakeHouse") -> None:
        self._house = house
        self.waiting: list[pairing.WaitingDevice] = []
        self.devices: list[pairing.JudgedDevice] = []
        self.accounts: list[pairing.DeviceAccount] = []
        self.keys: list[pairing.CoapKey] = []
        self.decided: list[str] = []

    def add(self, routes: web.UrlDispatcher) -> None:
        """Answer below ``/api/v1/iot/pairing``."""
        routes.add_get("/api/v1/iot/pairing", self._list)
        routes.add_post("/api/v1/iot/pairing/devices/{endpoint}/{verb}", self._decide)
        routes.add_delete("/api/v1/iot/pairing/devices/{endpoint}", self._forget)
        routes.add_post("/api/v1/iot/pairing/accounts", self._make)
        routes.add_delete("/api/v1/iot/pairing/accounts/{name}", self._remove)
        routes.add_delete("/api/v1/iot/pairing/keys/{name}", self._remove)

    async def knock(self, endpoint: str, name: str, model: str = "T1") -> None:
        """Let a device ask."""
        self.waiting.append(
            pairing.WaitingDevice(
                endpoint=endpoint, name=name, model=model, address="coap://192.0.2.7", since=WHEN
            )
        )
        await self._tell()

    async def leave(self, endpoint: str) -> None:
        """Let a device ask no more."""
        self.waiting = [one for one in self.waiting if one.endpoint != endpoint]
        await self._tell()

    async def _tell(self) -> None:
        await self._house.tell(news.WaitingEvent(waiting=self.waiting))

    async def _list(self, _request: web.Request) -> web.Response:
        found = pairing.DevicePairing(
            waiting=self.waiting, devices=self.devices, accounts=self.accounts, keys=self.keys, broker=None
        )
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def _decide(self, request: web.Request) -> web.Response:
        endpoint, verb = request.match_info["endpoint"], request.match_info["verb"]
        self.decided.append(f"{verb} {endpoint}")
        asked: list[pairing.WaitingDevice | pairing.JudgedDevice] = [*self.waiting, *self.devices]
        (known,) = [one for one in asked if one.endpoint == endpoint]
        self.devices = [one for one in self.devices if one.endpoint != endpoint]
        self.devices.append(
            pairing.JudgedDevice(
                endpoint=endpoint,
                name=known.name,
                model=known.model,
                verdict="admitted" if verb == "admit" else "refused",
                at=WHEN,
            )
        )
        await self.leave(endpoint)
        return web.Response(status=204)

    async def _forget(self, request: web.Request) -> web.Response:
        endpoint = request.match_info["endpoint"]
        self.decided.append(f"forget {endpoint}")
        self.devices = [one for one in self.devices if one.endpoint != endpoint]
        return web.Response(status=204)

    async def _make(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=pairing.MakeDeviceAccount)
        account = pairing.DeviceAccount(name=wanted.name, label=wanted.label, made_at=WHEN)
        self.accounts.append(account)
        door = pairing.DeviceBroker(host="192.0.2.1", port=8883, tls=True, ca="PEM", ca_sha256="ab" * 32)
        made = pairing.DeviceCredentials(account=account, secret=SECRET, broker=door)
        return web.Response(status=201, body=msgspec.json.encode(made), content_type="application/json")

    async def _remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.decided.append(f"remove {name}")
        self.accounts = [one for one in self.accounts if one.name != name]
        self.keys = [one for one in self.keys if one.endpoint != name]
        return web.Response(status=204)
