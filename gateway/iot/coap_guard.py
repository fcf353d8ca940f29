"""What comes in sealed is opened here, before the box's resources see it, and answered sealed.

One rule: a sealed request is done once: a repeated one is refused, and after
a restart, when nobody knows what came before, a device must first show that
it is there now (RFC 8613, section 7.4 and appendix B.1.2).
"""

import logging

import aiocoap
from aiocoap import error, interfaces, resource
from aiocoap.pipe import IterablePipe, Pipe, error_to_message, run_driving_pipe

from gateway.errors import GatewayError
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.coap_seal import SealedAddress, open_request, seal_answer
from gateway.iot.coap_sealed import Sealed
from gateway.iot.oscore import Header, Place, SealError, parse_header

log = logging.getLogger(__name__)


class Guard(interfaces.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Stands before `site`, which learns of each request who proved his name (`coap_seal.speaker`)."""

    def __init__(self, site: resource.Site, keys: CoapKeys) -> None:
        super().__init__()
        self._site = site
        self._keys = keys

    def takes(self, request: aiocoap.Message) -> bool:
        """Whether to take up `request`: in a flood, sealed ones only if they are from our devices, and new.

        To open one costs a tenth of answering it.
        """
        if request.opt.oscore is None or not self._keys.is_flooded:
            return True
        try:
            sealed, _, place = self._open(request)
        except error.RenderableError:
            return False
        return not sealed.window.is_known or sealed.window.is_fresh(int.from_bytes(place.number))

    async def render(self, _request: aiocoap.Message) -> aiocoap.Message:
        raise error.UnallowedMethod  # never called: see `render_to_pipe`

    async def needs_blockwise_assembly(self, _request: aiocoap.Message) -> bool:
        return False  # what is inside has blocks of its own

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """Answer a request."""
        request = pipe.request
        if request.opt.oscore is None:
            await self._site.render_to_pipe(pipe)
            return
        if request.code not in (aiocoap.POST, aiocoap.FETCH):
            raise error.UnallowedMethod
        if not self._keys.is_loaded:
            raise error.ServiceUnavailable
        sealed, opened, place = self._open(request)
        try:
            await self._answer(pipe, sealed, opened, place)
        except GatewayError as failed:
            log.warning("%s is not answered: %s", sealed.endpoint, failed.line())
            raise error.ServiceUnavailable from failed

    def _open(self, request: aiocoap.Message) -> tuple[Sealed, aiocoap.Message, Place]:
        who = request.remote.hostinfo
        try:
            header: Header = parse_header(request.opt.oscore)
            sealed = None if header.kid is None else self._keys.by_id(header.kid)
            if sealed is None or header.kid_context is not None:
                self._keys.refuse("a message of unknown credentials", who)
                raise error.Unauthorized("Security context not found")
            opened, place = open_request(sealed, request, header)
        except SealError as bad:
            self._keys.refuse("a sealed message that cannot be opened", who)
            raise error.BadRequest("Decryption failed") from bad
        opened.remote = SealedAddress(sealed, request.remote)
        opened.mtype = request.mtype
        opened.transport_tuning = request.transport_tuning
        opened.direction = request.direction
        return sealed, opened, place

    async def _answer(self, pipe: Pipe, sealed: Sealed, opened: aiocoap.Message, place: Place) -> None:
        number = int.from_bytes(place.number)
        if not sealed.window.is_known:
            if not sealed.answers(opened.opt.echo):
                await self._challenge(pipe, sealed, place)
                return
            sealed.window.begin(number)
        elif sealed.window.is_fresh(number):
            sealed.window.note(number)
        else:
            self._keys.refuse(f"{sealed.endpoint} used a number again", pipe.request.remote.hostinfo)
            raise error.Unauthorized("Replay detected")
        opened.opt.echo = None
        inner = IterablePipe(opened)
        run_driving_pipe(
            error_to_message(inner, log),
            self._site.render_to_pipe(inner),
            name=f"sealed answer to {sealed.endpoint}",
        )
        async for event in inner:
            answer, is_last = event.message, event.is_last
            if answer is None:
                answer, is_last = aiocoap.Message(code=aiocoap.INTERNAL_SERVER_ERROR), True
            # What is last may use the request's nonce, unless of an observation: it may not be the only one.
            alone = is_last and opened.opt.observe is None
            own = None if alone else await sealed.number()
            if is_last:
                answer.opt.observe = None
            elif answer.opt.observe is None:
                answer.opt.observe = 0
            pipe.add_response(seal_answer(sealed, answer, place, own), is_last=is_last)
            if is_last:
                break

    async def _challenge(self, pipe: Pipe, sealed: Sealed, place: Place) -> None:
        challenge = sealed.challenge()
        if challenge is None:
            raise error.ServiceUnavailable("try again")
        # The request may be an old one that was answered already: its nonce is not to be had.
        answer = aiocoap.Message(code=aiocoap.UNAUTHORIZED, echo=challenge)
        pipe.add_response(seal_answer(sealed, answer, place, await sealed.number()), is_last=True)
