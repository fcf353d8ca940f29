"""Phones joining the house, and being sent away."""

import ipaddress
import socket
from typing import Any

import segno
from litestar import Request, Response, delete, get, post, put
from litestar.datastructures import Cookie
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from gateway.schema import Problem as Fault
from gateway.ui import documents_watching as doc
from gateway.ui.api.body import Body
from gateway.ui.auth import COOKIE_AGE_S, PHONE_COOKIE_NAME
from gateway.ui.guard import PHONE
from gateway.ui.pairing import Pairing
from gateway.ui.phones import Phone, Phones
from gateway.ui.problems import MalformedError, UnknownError, answers
from gateway.ui.roles import Role

QR_MARGIN = 2
# TEST-NET-1 (RFC 5737): asking for the way there sends nothing.
_ELSEWHERE = ("192.0.2.1", 9)


def handlers(pairing: Pairing, phones: Phones, *, in_network: bool) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/pairing``.

    Args:
        pairing: Makes and honours offers.
        phones: Of the house.
        in_network: Whether the box is reached from the house's network, and not from itself alone.
    """
    reached_as = as_seen_in_network if in_network else str

    @post("/api/v1/pairing", status_code=201, responses=answers())
    async def make_offer(request: Request[Any, Any, Any]) -> doc.PairingOffer:
        """Make a QR code and six digits for one phone; those before are void."""
        offer = pairing.offer()
        address = f"http://{reached_as(request.headers.get('host', ''))}/r#t={offer.token}"
        picture = segno.make(address, error="m", micro=False).svg_data_uri(border=QR_MARGIN, scale=8)
        return doc.PairingOffer(address=address, qr=picture, code=offer.code, expires_at=offer.expires_at)

    @delete("/api/v1/pairing", status_code=204, responses=answers())
    async def withdraw_offer() -> None:
        """End the offer; the screen shows it no longer."""
        pairing.withdraw()

    @post(
        "/api/v1/pairing/claim",
        status_code=201,
        dto=Body[doc.PairingClaim],
        return_dto=None,
        responses=answers(409),
        security=[{}],
    )
    async def claim(data: JSONBody[doc.PairingClaim]) -> Response[doc.Paired]:
        """Join with what the television shows; needs no other secret."""
        if (data.token is UNSET) == (data.code is UNSET):
            raise MalformedError([Fault("", "give exactly one of token and code")])
        phone, secret = await pairing.claim(
            token=data.token if isinstance(data.token, str) else "",
            code=data.code if isinstance(data.code, str) else "",
            name=data.name,
        )
        return Response(
            doc.Paired(phone=_document(phone), secret=secret),
            status_code=201,
            cookies=[_cookie(secret, COOKIE_AGE_S)],
        )

    @get("/api/v1/pairing/phones", responses=answers())
    async def list_phones() -> list[doc.Phone]:
        """Every phone of the house."""
        return [_document(phone) for phone in phones.all]

    @put(
        "/api/v1/pairing/phones/{phone:str}", dto=Body[doc.PutPhone], return_dto=None, responses=answers(409)
    )
    async def change_phone(phone: FromPath[str], data: JSONBody[doc.PutPhone]) -> doc.Phone:
        """Give a phone another role."""
        return _document(await phones.change(phone, Role(data.role)))

    @delete("/api/v1/pairing/phones/{phone:str}", status_code=204, responses=answers())
    async def dismiss_phone(phone: FromPath[str]) -> None:
        """Send a phone away; it is out at once."""
        await phones.dismiss(phone)

    @get("/api/v1/pairing/me", responses=answers())
    async def who_am_i(request: Request[Any, Any, Any]) -> doc.Phone:
        """The phone that asks; 404 for the television's own page."""
        return _document(_own(request))

    @delete("/api/v1/pairing/me", status_code=204, responses=answers())
    async def leave(request: Request[Any, Any, Any]) -> Response[None]:
        """Leave the house: the phone that asks is forgotten."""
        await phones.dismiss(_own(request).id)
        return Response(None, status_code=204, cookies=[_cookie("", 0)])

    return [make_offer, withdraw_offer, claim, list_phones, change_phone, dismiss_phone, who_am_i, leave]


def as_seen_in_network(host: str) -> str:
    """Return host and port as a phone must write them: the television asks by a name that is only its own."""
    name, colon, port = host.rpartition(":")
    if not colon or name.endswith(":"):
        name, port = host, ""
    if name.strip("[]") != "localhost" and not _is_loopback(name.strip("[]")):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:  # no network at all: nobody could come anyway
            return host
        return f"{probe.getsockname()[0]}:{port}" if port else str(probe.getsockname()[0])


def _own(request: Request[Any, Any, Any]) -> Phone:
    phone = request.scope.get(PHONE)
    if not isinstance(phone, Phone):
        raise UnknownError("This is not a phone")
    return phone


def _document(phone: Phone) -> doc.Phone:
    return doc.Phone(
        id=phone.id, name=phone.name, role=phone.role.value, paired_at=phone.paired_at, seen_at=phone.seen_at
    )


def _cookie(value: str, max_age: int) -> Cookie:
    # Not `secure`: the page is served over plain HTTP inside the house.
    settings: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": False, "path": "/"}
    return Cookie(key=PHONE_COOKIE_NAME, value=value, max_age=max_age, **settings)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
