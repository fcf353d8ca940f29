"""The box's one CoAP socket: it answers devices and asks them from the same port.

One rule: only the `gateway.iot.coap*` modules that speak on the wire import
aiocoap, and all of them go through this socket, because a device tells its
peers apart by address and port.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol
from urllib.parse import urlsplit

import aiocoap
from aiocoap import interfaces, resource
from aiocoap.numbers.constants import TransportTuning
from aiocoap.tokenmanager import TokenManager

from gateway.errors import GatewayError
from gateway.iot.coap_ear import Ear
from gateway.iot.coap_repeats import Repeats
from gateway.iot.link import LinkDownError
from gateway.pubsub import Publisher
from gateway.schema import FieldError

COAP_PORT = 5683
MAX_BEHIND = 1000
_MAX_PORT = 65_535


class CoapPortError(GatewayError):
    """The CoAP address and port cannot be had."""

    code: ClassVar[str] = "IOT-301"
    hint = "Stop the other program on that port, or set iot.coap.port to another one."


class CoapDownError(LinkDownError):
    """The CoAP socket is not open now."""

    code: ClassVar[str] = "IOT-302"
    hint = "Wait some seconds; the box opens it again by itself."


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticDevice:
    """A device that does not register by itself; it is read through its ``/.well-known/core``.

    Attributes:
        endpoint: The name it gets in entity ids.
        url: Where it is, ``coap://host[:port]``.
    """

    endpoint: str
    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "coap" or not parts.hostname or parts.path not in ("", "/"):
            raise FieldError("url", "must be coap://host or coap://host:port")
        if not is_endpoint_name(self.endpoint):
            raise FieldError("endpoint", "must be 1 to 63 letters, digits, dots, dashes or underscores")


@dataclass(frozen=True, kw_only=True, slots=True)
class CoapConfig:
    """The ``iot.coap`` section.

    Attributes:
        host: Address to listen on; ``::`` for the whole house, IPv4 and IPv6.
        port: UDP port; 0 takes any free one.
        admission: ``ask`` lets a device that registers wait until a person allows it; ``open`` lets in
            everybody who can reach the port.
        security: ``any`` takes devices without credentials too; ``oscore`` speaks with none but those that
            were given some.
        admitted: Endpoints that need not ask.
        devices: Devices that do not register by themselves; naming them here admits them.
        max_devices: Registrations kept; more are refused.
        request_timeout_s: Give up on a question to a device after this long.
        command_timeout_s: Give up on a command to a device after this long.
        longest_pause_s: Longest pause between two attempts to reach a silent device.
        margin_s: How long after its Max-Age a value is asked for anew (RFC 7641, section 3.3.1).
    """

    host: str = "127.0.0.1"
    port: int = COAP_PORT
    admission: Literal["ask", "open"] = "ask"
    security: Literal["any", "oscore"] = "any"
    admitted: tuple[str, ...] = ()
    devices: tuple[StaticDevice, ...] = ()
    max_devices: int = 200
    request_timeout_s: float = 10.0
    command_timeout_s: float = 5.0
    longest_pause_s: float = 60.0
    margin_s: float = 10.0

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as error:
            raise FieldError("host", f"{self.host} is not an IP address") from error
        if not 0 <= self.port <= _MAX_PORT:
            raise FieldError("port", f"{self.port} is outside 0..65535")
        if not 1 <= self.max_devices <= 10_000:  # noqa: PLR2004 - the range is the message
            raise FieldError("max_devices", f"{self.max_devices} is outside 1..10000")
        for i, endpoint in enumerate(self.admitted):
            if not is_endpoint_name(endpoint):
                raise FieldError(f"admitted[{i}]", "is not the name of an endpoint")
        for name in ("request_timeout_s", "command_timeout_s", "longest_pause_s", "margin_s"):
            if not 0.1 <= getattr(self, name) <= 3600:  # noqa: PLR2004 - the range is the message
                raise FieldError(name, f"{getattr(self, name)} is outside 0.1..3600")


class HomeTuning(TransportTuning):  # type: ignore[misc]  # aiocoap has no types
    """Give up on a silent device within 11 s (RFC 7252, section 4.8 allows it), not 93 s."""

    ACK_TIMEOUT = 1.0
    MAX_RETRANSMIT = 2


class Screen(Protocol):
    """A resource that stands before all others; see `gateway.iot.coap_guard.Guard`."""

    def takes(self, request: aiocoap.Message) -> bool: ...
    async def render_to_pipe(self, pipe: aiocoap.pipe.Pipe) -> None: ...


class CoapEndpoint:
    """The socket and the site behind it: a service.

    Attributes:
        site: Where the other modules put their resources.
        changes: True after the socket opened, False after it closed.
    """

    def __init__(self, config: CoapConfig) -> None:
        self.site = resource.Site()
        self.changes: Publisher[bool] = Publisher()
        self._config = config
        self._context: aiocoap.Context | None = None
        self._guard: Callable[[resource.Site], Screen] | None = None
        self._sealing: Callable[[TokenManager], interfaces.RequestInterface] | None = None

    def secure(
        self,
        guard: Callable[[resource.Site], Screen],
        sealing: Callable[[TokenManager], interfaces.RequestInterface],
    ) -> None:
        """From the next opening on let `guard` stand before the site, and `sealing` before what is sent."""
        self._guard, self._sealing = guard, sealing

    @property
    def context(self) -> aiocoap.Context:
        """The open socket.

        Raises:
            CoapDownError: it is not open.
        """
        if self._context is None:
            raise CoapDownError("the CoAP socket is not open")
        return self._context

    @property
    def is_open(self) -> bool:
        """Whether `context` can be used."""
        return self._context is not None

    def is_behind(self, remote: interfaces.EndpointAddress) -> bool:
        """Whether so much waits for `remote` to acknowledge what went before that more would be too much."""
        if self._context is None:
            return False
        messages = self._context.request_interfaces[-1].token_interface
        waiting = messages._backlogs.get(getattr(remote, "plain", remote), ())  # noqa: SLF001 - nobody else knows
        return len(waiting) >= MAX_BEHIND

    @property
    def port(self) -> int:
        """The UDP port in use."""
        interface = self.context.request_interfaces[-1]
        bound = interface.token_interface.message_interface.transport.get_extra_info("socket")
        return int(bound.getsockname()[1])

    async def run(self, ready: Callable[[], None]) -> None:
        """Listen until cancelled.

        Raises:
            CoapPortError: the port is taken or the address is not ours.
        """
        self._probe()
        self._context = await self._open()
        try:
            self.changes.publish(True)
            ready()
            await asyncio.Event().wait()
        finally:
            context, self._context = self._context, None
            self.changes.publish(False)
            await context.shutdown()

    async def _open(self) -> aiocoap.Context:
        guard = None if self._guard is None else self._guard(self.site)
        context = aiocoap.Context(serversite=guard or self.site, loggername="gateway.coap.wire")
        # Its warnings are about malformed datagrams: a stranger must not fill the log.
        context.log.setLevel(logging.ERROR)
        await context._append_tokenmanaged_messagemanaged_transport(  # noqa: SLF001 - the only way to `Ear`
            lambda manager: Ear.create_server_transport_endpoint(
                manager,
                log=context.log,
                loop=asyncio.get_running_loop(),
                bind=(self._config.host, self._config.port),
                multicast=[],
            )
        )
        messages = context.request_interfaces[0].token_interface
        messages._recent_messages = Repeats()  # noqa: SLF001 - aiocoap lets nobody bound it
        if guard is not None:
            messages.message_interface.takes = guard.takes
        if self._sealing is not None:
            # First: it takes what is for devices with credentials, and leaves the rest.
            context.request_interfaces.insert(0, self._sealing(context.request_interfaces[0]))
        return context

    def _probe(self) -> None:
        # aiocoap sets SO_REUSEPORT, so a second daemon would silently share the port: ask without it first.
        family = socket.AF_INET6 if ":" in self._config.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self._config.host, self._config.port))
            except OSError as error:
                why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
                raise CoapPortError(f"CoAP port {self._config.host}:{self._config.port} {why}") from error


def is_endpoint_name(name: str) -> bool:
    """Whether `name` can stand in an entity id: it goes into MQTT topics and addresses."""
    allowed = name.replace("-", "").replace("_", "").replace(".", "").replace(":", "")
    return 0 < len(name) <= 63 and allowed.isalnum() and name.isascii()  # noqa: PLR2004 - RFC 9176, section 5
