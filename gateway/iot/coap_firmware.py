"""Images over CoAP, block by block (RFC 7959): fetched by a device, or sent to it.

One rule: only the bytes that were checked against the manifest are here, and
only the device they are for gets them.
"""

import hmac
import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import aiocoap
from aiocoap import error, resource

from gateway.iot.coap_endpoint import HomeTuning
from gateway.iot.coap_observe import ask
from gateway.iot.coap_rd import BoundedResource
from gateway.iot.link import DeviceRefusedError

PATH = "fw"
OCTETS: Final = 42
LARGEST_BLOCK: Final = 6
"""Exponent of RFC 7959: 1024 bytes."""
TOKEN_BYTES = 24
MAX_RESTARTS = 3
_COME_AGAIN_S = 5
_ETAG_BYTES = 8


def new_token() -> str:
    """Return a name under which an image can be fetched and that nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An image that one device may fetch.

    Attributes:
        token: See `new_token`.
        image: Checked.
        sha256: Of it; names this very image to the device.
        host: In figures; nobody else gets it.
        until: Nor anybody later.
    """

    token: str
    image: bytes
    sha256: str
    host: str
    until: datetime


class Images(BoundedResource, resource.PathCapable):  # type: ignore[misc]  # aiocoap has no types
    """Answers for ``/fw/{token}``."""

    def __init__(self) -> None:
        super().__init__()
        self._parcel: Parcel | None = None
        self._unsettled = True

    def offer(self, parcel: Parcel) -> None:
        """Let the device fetch `parcel`, and nothing else."""
        self._parcel, self._unsettled = parcel, False

    def withdraw(self) -> None:
        """Offer nothing from now on.

        Until this or `offer` is called for the first time, everybody is asked to come again: a
        device in the middle of an image shall not lose it because the box has just started.
        """
        self._parcel, self._unsettled = None, False

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        """Whether aiocoap shall cut the answer: no, or a device could not go on after the box restarts."""
        del request
        return False

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer with one block."""
        parcel, token = self._parcel, "/".join(request.opt.uri_path)
        if self._unsettled:
            return aiocoap.Message(code=aiocoap.SERVICE_UNAVAILABLE, max_age=_COME_AGAIN_S)
        # Whoever has no right to it learns nothing, not even that it is there.
        if (
            parcel is None
            or not hmac.compare_digest(token.encode(), parcel.token.encode())
            or urlsplit(request.remote.uri_base).hostname != parcel.host
            or datetime.now(UTC) >= parcel.until
        ):
            raise error.NotFound
        wanted = request.opt.block2
        exponent = min(wanted.size_exponent if wanted else LARGEST_BLOCK, LARGEST_BLOCK)
        size = 1 << (exponent + 4)
        number = wanted.block_number if wanted else 0
        begin = number * size
        if begin >= len(parcel.image):
            raise error.BadRequest("there is no such block")
        end = min(begin + size, len(parcel.image))
        answer = aiocoap.Message(payload=parcel.image[begin:end], content_format=OCTETS)
        answer.opt.block2 = (number, end < len(parcel.image), exponent)
        answer.opt.etag = bytes.fromhex(parcel.sha256)[:_ETAG_BYTES]
        if number == 0:
            answer.opt.size2 = len(parcel.image)
        return answer


async def push(
    context: Callable[[], aiocoap.Context], url: str, image: bytes, begin: int, timeout_s: float
) -> AsyncGenerator[int, None]:
    """Send `image` to `url` from the byte `begin` on; yield how many bytes the device has.

    A device that has forgotten the beginning says so (4.08) and gets it again.

    Raises:
        DeviceRefusedError: it does not take it.
        LinkDownError: it could not be reached.
    """
    exponent, sent, restarts = LARGEST_BLOCK, begin - begin % (1 << (LARGEST_BLOCK + 4)), 0
    while True:
        size = 1 << (exponent + 4)
        end = min(sent + size, len(image))
        request = aiocoap.Message(
            code=aiocoap.PUT,
            uri=url,
            payload=image[sent:end],
            content_format=OCTETS,
            transport_tuning=HomeTuning(),
        )
        request.opt.block1 = (sent // size, end < len(image), exponent)
        if sent == 0:
            request.opt.size1 = len(image)
        answer = await ask(context(), request, timeout_s, whole=False)
        wished = answer.opt.block1.size_exponent if answer.opt.block1 is not None else exponent
        if answer.code == aiocoap.REQUEST_ENTITY_INCOMPLETE and restarts < MAX_RESTARTS and sent:
            sent, restarts = 0, restarts + 1
            continue
        if answer.code == aiocoap.REQUEST_ENTITY_TOO_LARGE and sent == 0 and wished < exponent:
            exponent = wished
            continue
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{url} answered {answer.code} to the image")
        exponent = min(exponent, wished)
        sent = end
        yield sent
        if sent == len(image):
            return
