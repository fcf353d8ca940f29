"""What goes out to a device with credentials is sealed here, and its answers are opened.

One rule: nothing goes out unsealed but to an address at which a device without
credentials is known to be, and of others nothing unsealed that comes back is believed.
A device that has moved or left since somebody began to speak with it is not spoken with.
"""

import asyncio
import weakref
from collections.abc import Callable

import aiocoap
from aiocoap import error, interfaces
from aiocoap.message import UndecidedRemote
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager

from gateway.errors import GatewayError
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.coap_seal import SealedAddress, open_answer, seal_request
from gateway.iot.coap_sealed import Sealed
from gateway.iot.oscore import Place, SealError

Find = Callable[[str], Sealed | None]


class NobodyThereError(error.NetworkError):  # type: ignore[misc]  # aiocoap has no types
    """No device of the home is known to be at an address, so it is not known either how to speak with it."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self._origin = origin

    def __str__(self) -> str:
        return f"no device is known to be at {self._origin} now"


class Sealing(interfaces.RequestInterface):  # type: ignore[misc]  # aiocoap has no types
    """Seals requests and sends them through `wire`; see `aiocoap.interfaces.RequestInterface`."""

    def __init__(self, wire: TokenManager, keys: CoapKeys, find: Find) -> None:
        """Describe it.

        Args:
            wire: What sends.
            keys: Where refusals are counted.
            find: Who is at an address, ``coap://host[:port]``; `None` for a device that is spoken with
                plain.  Raises `NobodyThereError`.
        """
        self._wire = wire
        self._keys = keys
        self._find = find
        self._exchanges: weakref.WeakKeyDictionary[Pipe, _Exchange] = weakref.WeakKeyDictionary()

    @property
    def token_interface(self) -> interfaces.TokenInterface:
        """The socket's."""
        return self._wire.token_interface

    async def fill_or_recognize_remote(self, message: aiocoap.Message) -> bool:
        """Whether `message` goes to a device that is spoken with sealed."""
        if isinstance(message.remote, SealedAddress):
            return True
        if not isinstance(message.remote, UndecidedRemote):
            return False
        sealed = self._find(f"{message.remote.scheme}://{message.remote.hostinfo}")
        if sealed is None or not await self._wire.fill_or_recognize_remote(message):
            return False
        message.remote = SealedAddress(sealed, message.remote)
        return True

    def request(self, pipe: Pipe) -> None:
        """Send the request of `pipe`."""
        exchange = self._exchanges[pipe] = _Exchange(pipe, self._wire, self._keys)
        exchange.begin()

    async def leave(self, pipe: Pipe) -> None:
        """Tell the device that the observation of `pipe` is over (RFC 7641, section 3.6).

        Raises:
            GatewayError: it cannot be sealed.
        """
        if (exchange := self._exchanges.get(pipe)) is not None:
            await exchange.leave()

    async def shutdown(self) -> None:
        """Nothing is held open here; what is under way ends with the socket."""


class _Exchange:
    """One request and what comes back."""

    def __init__(self, pipe: Pipe, wire: TokenManager, keys: CoapKeys) -> None:
        self._pipe = pipe
        self._wire = wire
        self._keys = keys
        self._address: SealedAddress = pipe.request.remote
        self._sealed: Sealed = self._address.sealed
        self._place: Place | None = None
        self._stream: Pipe | None = None
        self._forget: Callable[[], None] = lambda: None
        self._sending: asyncio.Task[None] | None = None
        self._newest = -2
        self._heard = 0
        self._leaving = False

    def begin(self, echo: bytes | None = None) -> None:
        self._sending = asyncio.create_task(self._send(echo), name=f"sealed to {self._sealed.endpoint}")
        if echo is None:
            self._pipe.on_interest_end(self._end)

    async def leave(self) -> None:
        if self._stream is None or self._wire.outgoing_requests is None:
            return
        self._leaving = True
        farewell = self._pipe.request.copy(observe=1)
        message, _ = seal_request(self._sealed, farewell, await self._sealed.number())
        message.token, message.remote = self._stream.request.token, self._address.plain
        self._wire.token_interface.send_message(message, lambda: None)

    async def _send(self, echo: bytes | None) -> None:
        request = self._pipe.request if echo is None else self._pipe.request.copy(echo=echo)
        try:
            message, self._place = seal_request(self._sealed, request, await self._sealed.number())
        except GatewayError as failed:
            self._pipe.add_exception(error.NetworkError(failed.line()))
            return
        message.remote = self._address.plain
        self._stream = Pipe(message, self._wire.log)
        self._forget = self._stream.on_event(self._on_event)
        self._wire.request(self._stream)

    def _end(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._forget()

    def _on_event(self, event: Pipe.Event) -> bool:
        if event.exception is not None:
            self._pipe.add_exception(event.exception)
            return False
        if event.message is None or self._place is None:
            return not event.is_last
        if self._leaving:
            # What the farewell is answered is of no interest, but that it is over.
            if event.is_last:
                self._pipe.add_response(aiocoap.Message(code=aiocoap.EMPTY), is_last=True)
            return not event.is_last
        try:
            opened, number = open_answer(self._sealed, event.message, self._place)
        except SealError as bad:
            self._keys.refuse(f"{self._sealed.endpoint} answered what cannot be opened", bad.line())
            if event.is_last:
                self._pipe.add_exception(error.NetworkError(str(bad)))
            return not event.is_last
        return self._take(opened, number, event)

    def _take(self, opened: aiocoap.Message, number: int, event: Pipe.Event) -> bool:
        if opened.code == aiocoap.UNAUTHORIZED and opened.opt.echo is not None and not self._heard:
            # It restarted, and asks whether we are there now (appendix B.1.2); once is enough.
            self._heard = 1
            self._forget()
            self.begin(opened.opt.echo)
            return False
        if number <= self._newest:
            # Repeated, or overtaken by a newer one (section 7.4.1).
            self._keys.refuse(f"{self._sealed.endpoint} notified out of order", event.message.remote.hostinfo)
            return not event.is_last
        self._newest = number
        self._heard += 1
        opened.remote = SealedAddress(self._sealed, event.message.remote)
        # Numbers outside are anybody's word; those inside are in order here.
        opened.opt.observe = None if event.is_last else self._heard
        self._pipe.add_response(opened, is_last=event.is_last)
        return not event.is_last
