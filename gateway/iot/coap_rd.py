"""The resource directory on the wire: ``/rd`` of RFC 9176, the part for simple devices.

One rule: a device speaks for its own address only; nobody can register
another's, so the box cannot be sent after a stranger.

Register ``POST /rd?ep=NAME&lt=SECONDS[&base=…][&et=MODEL][&title=NAME]``, update
``POST /rd/{id}``, leave ``DELETE /rd/{id}``.  OMA LwM2M 1.x registers in the same way with other
parameters: ``POST /rd?ep=NAME&lwm2m=1.1&b=U[&Q][&lt=SECONDS]``, and an update may bring a new list.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import aiocoap
from aiocoap import error, resource

from gateway.errors import BadInputError
from gateway.iot.coap_admission import NotAdmittedError, TooManyStrangersError
from gateway.iot.coap_blocks import Answers, Bodies
from gateway.iot.coap_directory import Directory, DirectoryFullError, Registration
from gateway.iot.coap_endpoint import is_endpoint_name
from gateway.iot.coap_keys import CoapKeys, NotProvedError
from gateway.iot.coap_links import parse_links
from gateway.iot.coap_resources import printable
from gateway.iot.coap_seal import speaker
from gateway.iot.lwm2m_objects import version_of

LINK_FORMAT = 40
MAX_BODY_BYTES = 16_384
_DEFAULT_LIFETIME_S = 90_000
# OMA-TS-LightweightM2M_Core 1.1.1, section 6.2.1.
_LWM2M_LIFETIME_S = 86_400
_MAX_LIFETIME_S = 2**32 - 1
_LIFETIME_DIGITS = 10
_MAX_TEXT_CHARS = 64
# The clock's range ends before the field's: what is longer than this is for ever.
_LONGEST = timedelta(days=365 * 20)


class BoundedResource(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """A resource that refuses a body over `max_body_bytes` before it is assembled, and too many of them."""

    max_body_bytes = MAX_BODY_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._block1, self._block2 = Bodies(), Answers()

    async def render_to_pipe(self, pipe: aiocoap.pipe.Pipe) -> None:
        block = pipe.request.opt.block1
        size = len(pipe.request.payload) + (block.start if block is not None else 0)
        if size > self.max_body_bytes:
            raise error.RequestEntityTooLarge
        await super().render_to_pipe(pipe)


class RegistrationDirectory(BoundedResource, resource.PathCapable):  # type: ignore[misc]  # aiocoap has no types
    """Answers for ``/rd`` and everything below it."""

    def __init__(self, directory: Directory, keys: CoapKeys) -> None:
        super().__init__()
        self._directory = directory
        self._keys = keys

    async def render(self, request: aiocoap.Message) -> aiocoap.Message:
        # Site keeps PathCapable resources for what is below a path, so /rd itself comes through `Register`.
        known = self._directory.by_id("/".join(request.opt.uri_path))
        if known is None:
            raise error.NotFound
        _check_speaker(self._keys, known.endpoint, request)
        if request.code == aiocoap.DELETE:
            await self._directory.remove(known.id)
            return aiocoap.Message(code=aiocoap.DELETED)
        if request.code != aiocoap.POST:
            raise error.UnallowedMethod
        if request.payload and not known.lwm2m:
            raise error.BadRequest("an update has no body")
        query = _query(request)
        lifetime_s = _lifetime(query, known.lifetime_s)
        after = replace(
            known,
            lifetime_s=lifetime_s,
            base=_base(query, request),
            expires_at=_expiry(lifetime_s),
            links=_text(request.payload) if request.payload else known.links,
            sleeps=_sleeps(query) if known.lwm2m and "b" in query else known.sleeps,
        )
        try:
            await self._directory.update(after)
        except BadInputError as bad:
            raise error.BadRequest(str(bad)) from bad
        return aiocoap.Message(code=aiocoap.CHANGED)


class Register(BoundedResource):
    """Answers for ``/rd`` itself."""

    rt = "core.rd"
    ct = str(LINK_FORMAT)

    def __init__(self, directory: Directory, keys: CoapKeys) -> None:
        super().__init__()
        self._directory = directory
        self._keys = keys

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take a registration."""
        if request.opt.content_format not in (None, LINK_FORMAT):
            raise error.UnsupportedContentFormat
        query = _query(request)
        endpoint = query.get("ep", "")
        if not is_endpoint_name(endpoint):
            raise error.BadRequest("ep must be 1 to 63 letters, digits, dots, dashes or underscores")
        _check_speaker(self._keys, endpoint, request)
        links = _text(request.payload)
        version = _version(query, links)
        lifetime_s = _lifetime(query, _LWM2M_LIFETIME_S if version else _DEFAULT_LIFETIME_S)
        try:
            kept = await self._directory.register(
                Registration(
                    id="",
                    endpoint=endpoint,
                    base=_base(query, request),
                    lifetime_s=lifetime_s,
                    links=links,
                    model=printable(query.get("et", ""))[:_MAX_TEXT_CHARS],
                    name=printable(query.get("title", ""))[:_MAX_TEXT_CHARS],
                    expires_at=_expiry(lifetime_s),
                    lwm2m=version,
                    sleeps=bool(version) and _sleeps(query),
                )
            )
        except NotAdmittedError as refused:
            raise error.Forbidden(str(refused)) from refused
        except (DirectoryFullError, TooManyStrangersError) as full:
            raise error.ServiceUnavailable(str(full)) from full
        except BadInputError as bad:
            raise error.BadRequest(str(bad)) from bad
        return aiocoap.Message(code=aiocoap.CREATED, location_path=("rd", kept.id))


def _check_speaker(keys: CoapKeys, endpoint: str, request: aiocoap.Message) -> None:
    try:
        keys.check(endpoint, speaker(request), request.remote.hostinfo)
    except NotProvedError as bad:
        raise error.Unauthorized(str(bad)) from bad


def _query(request: aiocoap.Message) -> Mapping[str, str]:
    pairs = [item.partition("=") for item in request.opt.uri_query]
    names = [name for name, _, _ in pairs]
    if len(names) != len(set(names)):
        raise error.BadRequest("a parameter is given twice")
    if "d" in names or "con" in names:
        raise error.BadRequest("sectors are not kept here")
    return {name: value for name, _, value in pairs}


def _lifetime(query: Mapping[str, str], default: int) -> int:
    text = query.get("lt", str(default))
    plain = text.isascii() and text.isdecimal() and len(text) <= _LIFETIME_DIGITS
    if not (plain and 1 <= int(text) <= _MAX_LIFETIME_S):
        raise error.BadRequest("lt must be 1 to 4294967295 seconds")
    return int(text)


def _version(query: Mapping[str, str], links: str) -> str:
    try:
        version = version_of(query.get("lwm2m"), parse_links(links))
    except BadInputError as bad:
        raise error.BadRequest(str(bad)) from bad
    if version is None:
        raise error.PreconditionFailed("LwM2M 1 is spoken here")
    return version


def _sleeps(query: Mapping[str, str]) -> bool:
    binding = query.get("b", "U")
    if "U" not in binding:
        raise error.BadRequest("only UDP is spoken here")
    # Version 1.0 has it as a letter of the binding, 1.1 as a parameter of its own.
    return "Q" in binding or "Q" in query


def _expiry(lifetime_s: int) -> datetime:
    return datetime.now(UTC) + min(timedelta(seconds=lifetime_s), _LONGEST)


def _base(query: Mapping[str, str], request: aiocoap.Message) -> str:
    sender: str = request.remote.uri_base
    base = query.get("base", sender)
    try:
        parts = urlsplit(base)
        own = parts.scheme == "coap" and parts.hostname == urlsplit(sender).hostname and parts.port != 0
    except ValueError as bad:
        raise error.BadRequest("base is not an address") from bad
    if not own or parts.path not in ("", "/") or parts.query or parts.username is not None:
        raise error.BadRequest("base must be coap:// and the sender's own address")
    return base.rstrip("/")


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as bad:
        raise error.BadRequest("the links are not UTF-8") from bad
