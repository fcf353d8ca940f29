"""How the CoAP socket hears, and what it knows of addresses without asking anybody."""

import asyncio
import socket
import struct

import aiocoap
import pytest
from aiocoap.transports.udp6 import UDP6EndpointAddress

from gateway.iot.coap_ear import MOST_AT_ONCE, Peer, literal
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, HomeTuning
from gateway.iot.coap_observe import ask
from gateway.iot.link import LinkDownError
from tests.conftest import Serve

PING, RESET = 0x40, 0x70
"""First byte of an empty message that wants an answer, and of that answer (RFC 7252, section 4.3)."""


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "192.0.2.7", "::1", "2001:db8::1:0:0:9", "2001:DB8:0:0:1::1", "::ffff:192.0.2.7"]
)
def test_an_address_is_what_the_system_makes_of_it(host: str) -> None:
    found = socket.getaddrinfo(host, 5684, socket.AF_INET6, socket.SOCK_DGRAM, 0, socket.AI_V4MAPPED)
    assert literal(host, 5684) == found[0][4]


def test_a_port_that_is_not_named_is_coaps_own() -> None:
    assert literal("192.0.2.7", None) == ("::ffff:192.0.2.7", 5683, 0, 0)


@pytest.mark.parametrize("host", ["lamp.local", "fe80::1", "fe80::1%1", "", None])
def test_who_has_a_name_or_a_zone_is_looked_up(host: str | None) -> None:
    assert literal(host, 5683) is None


@pytest.mark.parametrize(
    "host",
    ["192.0.2.7", "223.255.255.255", "224.0.1.187", "239.1.2.3", "240.0.0.1", "fe80::1", "ff02::fd", "::1"],
)
def test_many_are_told_from_one_as_the_library_does(host: str) -> None:
    address = host if ":" in host else f"::ffff:{host}"
    # The interface is the caller's; an address only refers to it.
    pktinfo, interface = socket.inet_pton(socket.AF_INET6, address) + bytes(4), literal
    ours, theirs = (
        kind((address, 5683, 0, 0), interface, pktinfo=pktinfo) for kind in (Peer, UDP6EndpointAddress)
    )
    assert ours.is_multicast is theirs.is_multicast
    assert ours.is_multicast_locally is theirs.is_multicast_locally
    assert ours.is_multicast is (host.startswith("ff") or host in ("224.0.1.187", "239.1.2.3"))
    assert ours == theirs


async def test_what_came_together_is_heard_together(serve: Serve) -> None:
    endpoint = CoapEndpoint(CoapConfig(host="127.0.0.1", port=0))
    many, turns = 4 * MOST_AT_ONCE, 12
    async with serve(endpoint):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.connect(("127.0.0.1", endpoint.port))
            peer.setblocking(False)
            for number in range(many):
                peer.send(struct.pack(">BBH", PING, 0, number))
            for _ in range(turns):
                await asyncio.sleep(0)
            answers = [peer.recv(64) for _ in range(many)]
    assert answers == [struct.pack(">BBH", RESET, 0, number) for number in range(many)]


async def test_a_port_that_nobody_has_is_known_at_once_and_the_others_are_heard_all_the_same(
    serve: Serve,
) -> None:
    endpoint, peer = CoapEndpoint(CoapConfig(port=0)), CoapEndpoint(CoapConfig(port=0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = nobody.getsockname()[1]
    async with serve(endpoint), serve(peer):

        def asked(port: int) -> aiocoap.Message:
            uri = f"coap://127.0.0.1:{port}/.well-known/core"
            return aiocoap.Message(code=aiocoap.GET, uri=uri, transport_tuning=HomeTuning())

        for _ in range(3):
            with pytest.raises(LinkDownError, match="Network error"):
                await ask(endpoint.context, asked(gone), 5)
            # It has no such resource; but it answers.
            assert (await ask(endpoint.context, asked(peer.port), 5)).code is aiocoap.NOT_FOUND
