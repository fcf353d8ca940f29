"""Devices joining the home, and being sent away."""

from typing import Annotated, Any

from litestar import Request, delete, get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.iot.coap_admission import Judged, Verdict
from gateway.iot.coap_keys import CoapKey
from gateway.iot.device_accounts import DeviceAccount
from gateway.ui import documents_pairing as doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.api.pairing import as_seen_in_network
from gateway.ui.house import House
from gateway.ui.problems import answers

# Not ".": an address ends there.
Endpoint = Annotated[
    str,
    PathParameter(
        description="Name under which a CoAP device registers",
        pattern=r"^[A-Za-z0-9._:-]*[A-Za-z0-9][A-Za-z0-9._:-]*$",
        max_length=63,
    ),
]
AccountName = Annotated[
    str, PathParameter(description="Name of an MQTT account", pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)
]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/iot/pairing``."""

    @get("/api/v1/iot/pairing", responses=answers())
    async def list_pairing(request: Request[Any, Any, Any]) -> doc.DevicePairing:
        """Who waits, of whom was decided, the accounts of MQTT devices, and where these connect."""
        return doc.DevicePairing(
            waiting=views.waiting(house),
            devices=[_judged(one) for one in house.admission.judged],
            accounts=[_account(one) for one in house.device_accounts.all],
            keys=[_key(one) for one in house.coap_keys.all],
            broker=_broker(house, request),
        )

    @post("/api/v1/iot/pairing/devices/{endpoint:str}/admit", status_code=204, responses=answers(409))
    async def admit_device(endpoint: Endpoint) -> None:
        """Let a CoAP device into the home; the television says so."""
        await house.admission.decide(endpoint, Verdict.ADMITTED)
        name = _name(house, endpoint)
        house.notices.put({"zh-CN": f"设备“{name}”已加入。", "en": f"The device “{name}” has joined."})

    @post("/api/v1/iot/pairing/devices/{endpoint:str}/refuse", status_code=204, responses=answers())
    async def refuse_device(endpoint: Endpoint) -> None:
        """Refuse a CoAP device: it is out, and nobody is asked about it again."""
        await house.admission.decide(endpoint, Verdict.REFUSED)
        name = _name(house, endpoint)
        house.notices.put({"zh-CN": f"设备“{name}”已被拒绝。", "en": f"The device “{name}” was refused."})

    @delete("/api/v1/iot/pairing/devices/{endpoint:str}", status_code=204, responses=answers())
    async def forget_device(endpoint: Endpoint) -> None:
        """Take back what was decided of a CoAP device: it is out, and may ask again."""
        await house.admission.forget(endpoint)

    @post(
        "/api/v1/iot/pairing/accounts",
        status_code=201,
        dto=Body[doc.MakeDeviceAccount],
        return_dto=None,
        responses=answers(409),
    )
    async def make_account(
        request: Request[Any, Any, Any], data: JSONBody[doc.MakeDeviceAccount]
    ) -> doc.DeviceCredentials:
        """Make an account for an MQTT device; the television says so, and the secret is said this once."""
        account, secret = await house.device_accounts.add(data.name, data.label)
        name = account.label or account.name
        house.notices.put(
            {"zh-CN": f"已为设备“{name}”创建账号。", "en": f"An account was made for the device “{name}”."}
        )
        return doc.DeviceCredentials(account=_account(account), secret=secret, broker=_broker(house, request))

    @delete("/api/v1/iot/pairing/accounts/{account:str}", status_code=204, responses=answers())
    async def remove_account(account: AccountName) -> None:
        """Send an MQTT device away: it is disconnected, and its secret opens nothing any more."""
        await house.device_accounts.remove(account)

    @post(
        "/api/v1/iot/pairing/keys",
        status_code=201,
        dto=Body[doc.MakeCoapKey],
        return_dto=None,
        responses=answers(409),
    )
    async def make_key(data: JSONBody[doc.MakeCoapKey]) -> doc.CoapCredentials:
        """Make OSCORE credentials for a CoAP device; the television says so, and they are said this once."""
        key, given = await house.coap_keys.make(data.endpoint, data.label)
        name = key.label or key.endpoint
        house.notices.put(
            {"zh-CN": f"已为设备“{name}”创建凭据。", "en": f"Credentials were made for the device “{name}”."}
        )
        return doc.CoapCredentials(
            key=_key(key),
            master_secret=given.master_secret.hex(),
            master_salt=given.master_salt.hex(),
            sender_id=given.sender_id.hex(),
            recipient_id=given.recipient_id.hex(),
        )

    @delete("/api/v1/iot/pairing/keys/{endpoint:str}", status_code=204, responses=answers())
    async def remove_key(endpoint: Endpoint) -> None:
        """Take away a CoAP device's credentials: it is out, and nothing sealed with them is heard."""
        await house.coap_keys.revoke(endpoint)

    return [
        list_pairing,
        admit_device,
        refuse_device,
        forget_device,
        make_account,
        remove_account,
        make_key,
        remove_key,
    ]


def _name(house: House, endpoint: str) -> str:
    return next((one.name for one in house.admission.judged if one.endpoint == endpoint), "") or endpoint


def _judged(one: Judged) -> doc.JudgedDevice:
    return doc.JudgedDevice(
        endpoint=one.endpoint, name=one.name, model=one.model, verdict=one.verdict.value, at=one.at
    )


def _account(one: DeviceAccount) -> doc.DeviceAccount:
    return doc.DeviceAccount(name=one.name, label=one.label, made_at=one.made_at)


def _key(one: CoapKey) -> doc.CoapKey:
    return doc.CoapKey(endpoint=one.endpoint, label=one.label, made_at=one.made_at)


def _broker(house: House, request: Request[Any, Any, Any]) -> doc.DeviceBroker | None:
    broker = house.broker
    if broker is None:
        return None
    if broker.tls_port is None or broker.certificate is None:
        return doc.DeviceBroker(host="127.0.0.1", port=broker.port, tls=False, ca=None, ca_sha256=None)
    # The box's own address, as whoever asks reaches it, unless the broker listens on one alone.
    shown = as_seen_in_network(request.headers.get("host", ""))
    host, colon, port = shown.rpartition(":")
    return doc.DeviceBroker(
        host=broker.tls_host or (host if colon and port.isdecimal() else shown).strip("[]"),
        port=broker.tls_port,
        tls=True,
        ca=broker.certificate.ca_pem,
        ca_sha256=broker.certificate.ca_sha256,
    )
