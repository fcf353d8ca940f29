"""What every request must pass before a handler sees it.

One rule: being reached is not being trusted.  Any web page in the house can
send requests here, so the host name, the sender's page and the secret are
checked for every address but the page's own files and the health report.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from litestar.exceptions import WebSocketDisconnect

from gateway.ui.asgi import (
    ALWAYS_HEADERS,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    headers_of,
    refusal_answer,
    respond,
)
from gateway.ui.auth import COOKIE_NAME, PHONE_COOKIE_NAME, Access, Attempts
from gateway.ui.phones import Phone, Phones
from gateway.ui.problems import (
    ForeignError,
    NotSignedInError,
    RequestError,
    RoleError,
    TooLargeError,
    TooManyError,
    WrongHostError,
    WrongTypeError,
)
from gateway.ui.roles import SAFE_METHODS, may

MAX_BODY_BYTES = 256 * 1024
OPEN_ADDRESSES = frozenset({"/healthz", "/api/v1/openapi.json"})
MEDIA_PREFIXES = ("/live/", "/recordings/")
PRIVATE_PREFIXES = ("/api/", *MEDIA_PREFIXES)
CLAIM_ADDRESS = "/api/v1/pairing/claim"
PHONE = "gateway.phone"
"""Where handlers find, in the ASGI scope, the `Phone` that asks; absent for the box's own page."""

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>\d{1,5}))?")


class Guard:
    """An ASGI application in front of another one."""

    def __init__(  # noqa: PLR0913 - all that a stranger is measured by
        self,
        inner: Application,
        access: Access,
        phones: Phones,
        attempts: Attempts,
        *,
        names: Iterable[str],
        ticket: str,
    ) -> None:
        self._inner = inner
        self._access = access
        self._phones = phones
        self._attempts = attempts
        self._names = frozenset(name.lower() for name in (*_LOOPBACK_NAMES, *names))
        self._ticket = ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        headers = headers_of(scope)
        send = _hardened(send, private=scope["path"].startswith(PRIVATE_PREFIXES))
        try:
            self._check_host(scope, headers)
            if scope["path"].startswith(PRIVATE_PREFIXES) and scope["path"] not in OPEN_ADDRESSES:
                if scope["path"] == CLAIM_ADDRESS:
                    # Whoever claims has no secret yet; the code is one, and is counted where it is checked.
                    _check_origin(headers, needed=False)
                else:
                    send = self._check_sender(scope, headers, send)
                _check_body(headers)
        except RequestError as refusal:
            await respond(scope, send, refusal_answer(refusal))
            return
        await self._inner(scope, _bounded(receive), send)

    def _check_host(self, scope: Scope, headers: Mapping[str, str]) -> None:
        asked = headers.get("host", "").lower()
        named = _HOST.fullmatch(asked)
        if named is None:
            raise WrongHostError("The Host header is not readable")
        shown, port = named["name"], int(named["port"] or 80)
        server = scope["server"] or ("", 0)
        # An address in figures cannot be re-bound by a foreign name server.
        ours = shown in self._names or _is_address(shown.strip("[]"), server[0])
        if not ours or port != server[1]:
            raise WrongHostError("This box does not answer to that host name")

    def _check_sender(self, scope: Scope, headers: Mapping[str, str], send: Send) -> Send:
        """Return how to answer whoever sent this; refuse those who may not ask it."""
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        bearer = presented.strip() if scheme.lower() == "bearer" else ""
        if bearer and self._access.is_token(bearer):
            _check_origin(headers, needed=False)
            return send
        if bearer and (phone := self._phones.recognise(bearer)):
            _check_origin(headers, needed=False)
            return self._let_in(phone, scope, send)
        if self._access.is_cookie(_cookie(headers, COOKIE_NAME)):
            _check_cookie_use(scope, headers)
            return send
        if phone := self._phones.recognise(_cookie(headers, PHONE_COOKIE_NAME)):
            _check_cookie_use(scope, headers)
            return self._let_in(phone, scope, send)
        if self._may_watch(scope):
            return send
        wait_s = self._attempts.failed((scope["client"] or ("", 0))[0]) if _presents_secret(headers) else 0.0
        if wait_s:
            raise TooManyError("Too many wrong tokens", headers={"Retry-After": str(round(wait_s))})
        raise NotSignedInError("This call needs the box's token", headers={"WWW-Authenticate": "Bearer"})

    def _let_in(self, phone: Phone, scope: Scope, send: Send) -> Send:
        if not may(phone.role, scope.get("method", "GET"), scope["path"]):
            raise RoleError(f"A {phone.role} may not do that")
        scope[PHONE] = phone
        return _while_welcome(self._phones, phone, send)

    def _may_watch(self, scope: Scope) -> bool:
        if not scope["path"].startswith(MEDIA_PREFIXES) or not self._ticket:
            return False
        presented = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        return Access.same(presented, self._ticket)


def _check_origin(headers: Mapping[str, str], *, needed: bool) -> None:
    """Refuse what another page sent.  Browsers always say so; other programs need not."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise ForeignError("The request comes from another page")
    if site not in (None, "same-origin", "none"):
        raise ForeignError("The request comes from another page")
    if needed and origin is None and site != "same-origin":
        raise ForeignError("The request does not say which page it comes from")


def _check_cookie_use(scope: Scope, headers: Mapping[str, str]) -> None:
    writes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
    _check_origin(headers, needed=writes)
    if scope["type"] == "http" and writes and headers.get("x-gateway") != "1":
        raise ForeignError("A call with a cookie must carry the header X-Gateway: 1")


def _while_welcome(phones: Phones, phone: Phone, send: Send) -> Send:
    """End an answer that goes on and on when the phone is sent away meanwhile."""

    async def send_if_welcome(message: Message) -> None:
        # A short answer is finished: to "let me leave", it is the answer.
        goes_on = message["type"] == "websocket.send" or message.get("more_body", False)
        if not goes_on or any(known.id == phone.id for known in phones.all):
            await send(message)
            return
        # What the server does when the other side hangs up; handlers know it.
        raise WebSocketDisconnect(detail="this phone was sent away")

    return send_if_welcome


def _check_body(headers: Mapping[str, str]) -> None:
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise TooLargeError(f"The body is larger than {MAX_BODY_BYTES} bytes")
    has_body = length != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if has_body and kind != "application/json":
        raise WrongTypeError("The body is not application/json")


def _bounded(receive: Receive) -> Receive:
    """Count what really arrives: a chunked body has no length in front."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise TooLargeError(f"The body is larger than {MAX_BODY_BYTES} bytes")
        return message

    return counted


def _hardened(send: Send, *, private: bool) -> Send:
    """Add the headers every answer has; what only this household may see is kept by no cache."""

    async def with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = [*message.get("headers", ()), *ALWAYS_HEADERS]
            if private and not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers
        await send(message)

    return with_headers


def _cookie(headers: Mapping[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _presents_secret(headers: Mapping[str, str]) -> bool:
    return "authorization" in headers or any(
        _cookie(headers, name) for name in (COOKIE_NAME, PHONE_COOKIE_NAME)
    )


def _is_address(name: str, own: str) -> bool:
    """Whether `name` is in figures, and the address the request came in on."""
    try:
        ours = ipaddress.ip_address(own)
        # A socket for both families says of an IPv4 caller ::ffff:192.0.2.1 (RFC 4291, section 2.5.5.2).
        mapped = ours.ipv4_mapped if isinstance(ours, ipaddress.IPv6Address) else None
        return ipaddress.ip_address(name) == (mapped or ours)
    except ValueError:
        return False
