"""What the CoAP socket knows of addresses without asking anybody."""

import socket

import pytest
from aiocoap.transports.udp6 import UDP6EndpointAddress

from gateway.iot.coap_ear import Peer, literal


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
