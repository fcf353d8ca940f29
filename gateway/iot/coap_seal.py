"""CoAP messages as OSCORE seals them (RFC 8613, sections 4, 5 and 8), and who proved his name by it.

One rule: nothing of what was inside is taken from outside: code, options and
payload of an opened message are what the other peer sealed.
"""

from typing import Final
from urllib.parse import urlsplit

import aiocoap
from aiocoap import error, interfaces
from aiocoap.numbers.optionnumbers import OptionNumber

from gateway.iot.coap_sealed import Sealed
from gateway.iot.oscore import Header, Place, SealError, number_bytes, parse_header

# Section 4.1, figure 5: what stays outside, where who forwards the message needs it.
_OUTSIDE_ONLY: Final = frozenset(
    {
        OptionNumber.URI_HOST,
        OptionNumber.URI_PORT,
        OptionNumber.PROXY_URI,
        OptionNumber.PROXY_SCHEME,
        OptionNumber.OSCORE,
    }
)
_PAYLOAD_MARKER = b"\xff"


class SealedAddress(interfaces.EndpointAddress):  # type: ignore[misc]  # aiocoap has no types
    """A peer at an address that speaks sealed; see `aiocoap.interfaces.EndpointAddress`."""

    is_multicast = False
    is_multicast_locally = False
    maximum_payload_size = 1024
    maximum_block_size_exp = 6

    def __init__(self, sealed: Sealed, plain: interfaces.EndpointAddress) -> None:
        self.sealed = sealed
        self.plain = plain

    def __hash__(self) -> int:
        return hash((self.sealed.endpoint, self.plain))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SealedAddress) and (self.sealed, self.plain) == (other.sealed, other.plain)

    @property
    def hostinfo(self) -> str:
        return str(self.plain.hostinfo)

    @property
    def hostinfo_local(self) -> str:
        return str(self.plain.hostinfo_local)

    @property
    def uri_base(self) -> str:
        return str(self.plain.uri_base)

    @property
    def uri_base_local(self) -> str:
        return str(self.plain.uri_base_local)

    @property
    def scheme(self) -> str:
        return str(self.plain.scheme)

    @property
    def blockwise_key(self) -> tuple[str, object]:
        """What holds the blocks of one body together."""
        return (self.sealed.endpoint, self.plain.blockwise_key)


def speaker(request: aiocoap.Message) -> str | None:
    """Return the endpoint that sealed `request`; `None` if nobody did."""
    return request.remote.sealed.endpoint if isinstance(request.remote, SealedAddress) else None


def caller(request: aiocoap.Message) -> str:
    """Return who asks: ``@endpoint`` if he proved that name, or else the host he is at, in figures."""
    endpoint = speaker(request)
    return urlsplit(request.remote.uri_base).hostname or "" if endpoint is None else f"@{endpoint}"


def seal_request(sealed: Sealed, message: aiocoap.Message, number: int) -> tuple[aiocoap.Message, Place]:
    """Return `message` as it goes out, and the place that answers to it are bound to."""
    keys = sealed.keys
    place = Place(keys.sender_id, number_bytes(number))
    observes = message.opt.observe is not None
    outer = _outer(message, aiocoap.FETCH if observes else aiocoap.POST)
    if observes:
        outer.opt.observe = message.opt.observe
    outer.opt.oscore = Header(number=place.number, kid=place.kid).encode()
    outer.payload = keys.seal(_inside(message), place, place)
    return outer, place


def seal_answer(
    sealed: Sealed, message: aiocoap.Message, request: Place, number: int | None
) -> aiocoap.Message:
    """Return `message` as it answers `request`.

    Args:
        sealed: The device.
        message: The answer.
        request: What it answers.
        number: One of our own; `None` takes the request's nonce, which one answer may do.
    """
    keys = sealed.keys
    nonce = request if number is None else Place(keys.sender_id, number_bytes(number))
    observes = message.opt.observe is not None
    outer = _outer(message, aiocoap.CONTENT if observes else aiocoap.CHANGED)
    if observes and number is not None:
        # The number that orders them; it counts on over observations.
        outer.opt.observe = number & 0xFFFFFF
        message.opt.observe = 0
    outer.opt.oscore = Header(number=b"" if number is None else nonce.number).encode()
    outer.payload = keys.seal(_inside(message), nonce, request)
    return outer


def open_request(sealed: Sealed, message: aiocoap.Message, header: Header) -> tuple[aiocoap.Message, Place]:
    """Return what a device asked, and the place that answers to it are bound to; whether new is not checked.

    Raises:
        SealError: it is not from this device, or not as it sealed it.
    """
    if header.kid is None or not header.number:
        raise SealError("a request without id or number")
    place = Place(header.kid, header.number)
    opened = _opened(sealed.keys.open(message.payload, place, place))
    if not opened.code.is_request():
        raise SealError("not a request inside")
    return opened, place


def open_answer(sealed: Sealed, message: aiocoap.Message, request: Place) -> tuple[aiocoap.Message, int]:
    """Return what a device answered to `request`, and its number, -1 if it took the request's nonce.

    Raises:
        SealError: it is not from this device, not as it sealed it, or not sealed at all.
    """
    value: bytes | None = message.opt.oscore
    if value is None:
        raise SealError(f"an answer that is not sealed: {message.code}")
    header = parse_header(value)
    nonce = Place(sealed.keys.recipient_id, header.number) if header.number else request
    opened = _opened(sealed.keys.open(message.payload, nonce, request))
    if not opened.code.is_response():
        raise SealError("not an answer inside")
    return opened, int.from_bytes(header.number) if header.number else -1


def _outer(message: aiocoap.Message, code: aiocoap.Code) -> aiocoap.Message:
    outer = aiocoap.Message(code=code, transport_tuning=message.transport_tuning)
    outer.mtype = message.mtype
    if message.code.is_request():
        for option in message.opt.option_list():
            if option.number in (OptionNumber.URI_HOST, OptionNumber.URI_PORT):
                outer.opt.add_option(option)
    return outer


def _inside(message: aiocoap.Message) -> bytes:
    inner = aiocoap.Message(code=message.code)
    for option in message.opt.option_list():
        if option.number not in _OUTSIDE_ONLY:
            inner.opt.add_option(option)
    body = _PAYLOAD_MARKER + message.payload if message.payload else b""
    return bytes([message.code]) + bytes(inner.opt.encode()) + body


def _opened(plaintext: bytes) -> aiocoap.Message:
    if not plaintext:
        raise SealError("nothing inside")
    try:
        message = aiocoap.Message(code=aiocoap.Code(plaintext[0]))
        message.payload = message.opt.decode(plaintext[1:])
    except (ValueError, LookupError, ArithmeticError, error.Error) as bad:
        # A device of ours that writes nonsense; the decoder is not careful.
        raise SealError("what is inside is not a CoAP message") from bad
    for number in _OUTSIDE_ONLY:
        message.opt.delete_option(number)
    return message
