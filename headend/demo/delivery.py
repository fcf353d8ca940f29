"""How the origin's answers go out: whole, in ranges, slowly, broken.

One rule: whatever is wrong with an answer was ordered (see `misbehave`).
"""

import asyncio
import gzip
import ipaddress

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from headend.demo.misbehave import Fault, Misbehaviour
from headend.demo.stock import Moment

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
TYPES = {"ts": "video/mp2t", "m4s": "video/iso.segment", "mp4": "video/mp4", "vtt": "text/vtt"}
_PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please sign in.</body></html>"


class HtmlPage(web.HTTPOk):
    """A page where media should be, as captive portals and filters send."""

    def __init__(self) -> None:
        super().__init__(text=_PAGE, content_type="text/html")


def encrypt(body: bytes, key: bytes, number: int) -> bytes:
    """Return `body` encrypted as AES-128 of HLS: CBC, PKCS7, the sequence number as IV (RFC 8216 5.2)."""
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES128(key), modes.CBC(number.to_bytes(16))).encryptor()
    return encryptor.update(padder.update(body) + padder.finalize()) + encryptor.finalize()


def query(request: web.Request) -> str:
    """Return what goes behind every address of an answer to `request`: its token."""
    return f"?token={request.query['token']}" if "token" in request.query else ""


def playlist(text: str, trouble: Misbehaviour | None) -> web.Response:
    """Return `text` as a playlist, compressed without a word if that is the fault."""
    body = text.encode()
    if trouble and trouble.fault is Fault.GZIP_NO_HEADER:
        body = gzip.compress(body)
    return web.Response(body=body, content_type=PLAYLIST_TYPE, headers={"Cache-Control": "no-store"})


async def send(
    request: web.Request, body: bytes, kind: str, moment: Moment, trouble: Misbehaviour | None
) -> web.StreamResponse:
    """Send a segment or the wanted range of it, slowly or not whole if that is the fault."""
    headers = {"Accept-Ranges": "bytes", "Content-Type": kind, "Cache-Control": "max-age=60"}
    status, part = 200, body
    if "Range" in request.headers:
        try:
            wanted = request.http_range
        except ValueError as error:
            raise web.HTTPRequestRangeNotSatisfiable from error
        start, stop, _ = wanted.indices(len(body))
        if start >= stop:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{len(body)}"})
        status, part = 206, body[start:stop]
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(part)
    await response.prepare(request)
    if trouble and trouble.fault is Fault.SHORT and status == 200:  # noqa: PLR2004 - OK
        await response.write(part[: len(part) // 2])
        if request.transport:
            request.transport.close()
        return response
    if trouble and trouble.fault is Fault.SLOW:
        rate = trouble.order.bytes_per_s or max(1, int(len(body) / moment.duration_s / 2))
        for at in range(0, len(part), max(1, rate // 10)):
            await response.write(part[at : at + max(1, rate // 10)])
            await asyncio.sleep(0.1)
    else:
        await response.write(part)
    await response.write_eof()
    return response


def only_from_here(request: web.Request) -> None:
    """Refuse other machines, and web pages on this one."""
    try:
        here = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        here = False
    if not here or "Origin" in request.headers:
        raise web.HTTPForbidden(text="only from this machine, and not from a web page")
