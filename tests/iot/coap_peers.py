"""Foreign CoAP devices and clients for tests: real aiocoap peers on sockets of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiocoap
from aiocoap import error, resource

from gateway.pubsub import Publisher


class Value(resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """A resource with a plain text; it can be mute, and refuse to be set.

    Attributes:
        observers: How many there are, whenever that changes.
        max_age_s: How long what it says is good for.
    """

    def __init__(self, text: str, *, max_age_s: int = 60, refuses: bool = False) -> None:
        super().__init__()
        self.observers: Publisher[int] = Publisher()
        self.text = text
        self.max_age_s = max_age_s
        self._refuses = refuses

    def become(self, text: str) -> None:
        """Change, and say so."""
        self.text = text
        self.updated_state()

    def update_observation_count(self, newcount: int) -> None:
        """Publish the number of observers."""
        self.observers.publish(newcount)

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        """Answer with the text."""
        return aiocoap.Message(payload=self.text.encode(), content_format=0, max_age=self.max_age_s)

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take the text, or refuse it."""
        if self._refuses:
            raise error.Forbidden
        self.become(request.payload.decode())
        return aiocoap.Message(code=aiocoap.CHANGED)


class Peer:
    """A CoAP endpoint that is not ours."""

    def __init__(self, context: aiocoap.Context) -> None:
        self._context = context

    @property
    def context(self) -> aiocoap.Context:
        """Its socket."""
        return self._context

    @property
    def url(self) -> str:
        """Where it answers."""
        (interface,) = self._context.request_interfaces
        transport = interface.token_interface.message_interface.transport
        return f"coap://127.0.0.1:{transport.get_extra_info('socket').getsockname()[1]}"

    def request(self, message: aiocoap.Message) -> aiocoap.protocol.BlockwiseRequest:
        """Send `message` and return what follows."""
        return self._context.request(message)

    async def ask(
        self, code: aiocoap.Code, url: str, payload: bytes = b"", **options: object
    ) -> aiocoap.Message:
        """Return the answer to one request."""
        request = aiocoap.Message(code=code, uri=url, payload=payload, **options)
        return await self._context.request(request).response

    async def once(self, message: aiocoap.Message) -> aiocoap.Message:
        """Return the answer to `message` as it is, one block of it."""
        return await self._context.request(message, handle_blockwise=False).response

    async def register(self, box_port: int, links: str, *, name: str = "ep1", lifetime_s: int = 60) -> str:
        """Register at the box; returns the location's address."""
        url = f"coap://127.0.0.1:{box_port}/rd?ep={name}&lt={lifetime_s}"
        answer = await self.ask(aiocoap.POST, url, links.encode(), content_format=40)
        assert answer.code == aiocoap.CREATED, answer
        return f"coap://127.0.0.1:{box_port}/" + "/".join(answer.opt.location_path)


@asynccontextmanager
async def peer(
    resources: dict[str, resource.Resource] | None = None, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Peer]:
    """A peer at `host` for the length of a block, with `resources` by path."""
    site = resource.Site()
    for path, each in (resources or {}).items():
        site.add_resource(path.strip("/").split("/"), each)
    context = await aiocoap.Context.create_server_context(site, bind=(host, port), transports=["udp6"])
    try:
        yield Peer(context)
    finally:
        # What has come is answered first: aiocoap drops it half begun, and says so long after.
        (interface,) = context.request_interfaces
        transport = interface.token_interface.message_interface.transport
        asyncio.get_running_loop().remove_reader(transport.get_extra_info("socket").fileno())
        for _ in range(5):
            await asyncio.sleep(0)
        await context.shutdown()
