import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.media import ts
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.relay import Relay
from gateway.media.relay_cut import Cutter
from gateway.media.relay_facts import SourceError, UnsupportedSourceError
from gateway.media.relay_multicast import Group, NoMulticastError, group_of
from gateway.media.relay_rtp import WINDOW, Datagrams
from tests.conftest import Serve
from tests.media.head_end import SEGMENT_S, HeadEnd, line_up_text
from tests.media.relay_fixtures import BOX, QUICK, FixedBook, bodies_until, some_of, until_listed

NEWS = ChannelId("news")
DATAGRAM = 7 * ts.PACKET


def rtp(number: int, payload: bytes, *, extended: bool = False, padded: bool = False) -> bytes:
    """Return an RTP datagram of a transport stream."""
    first = 0x80 | (0x10 if extended else 0) | (0x20 if padded else 0)
    head = struct.pack("!BBHII", first, 33, number % 65536, 0, 7)
    head += b"\xbe\xde\x00\x01abcd" if extended else b""
    return head + payload + (b"\0\0\0\x04" if padded else b"")


@dataclass
class Sender:
    """Sends a channel to a group at its own speed; nothing leaves this machine."""

    head_end: HeadEnd
    group: str
    port: int
    with_rtp: bool = True
    shuffled: bool = False
    lose_every: int = 0
    on: str = "lo"

    @property
    def url(self) -> str:
        host = f"[{self.group}]" if ":" in self.group else self.group
        return f"{'rtp' if self.with_rtp else 'udp'}://@{host}:{self.port}"

    @asynccontextmanager
    async def sending(self) -> AsyncIterator["Sender"]:
        """Send for the length of the block."""
        work = asyncio.ensure_future(self._run())
        try:
            yield self
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _run(self) -> None:
        v6 = ":" in self.group
        with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as out:
            if v6:
                out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(self.on))
                out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 0)
            else:
                out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            chance = random.Random(5)  # noqa: S311 - weather, not secrets
            batch: list[bytes] = []
            for number, payload in enumerate(self._payloads()):
                if self.lose_every and number % self.lose_every == self.lose_every - 1:
                    continue
                batch.append(rtp(65_500 + number, payload) if self.with_rtp else payload)
                if len(batch) < 8:
                    continue
                if self.shuffled:
                    chance.shuffle(batch)
                for datagram in batch:
                    out.sendto(datagram, (self.group, self.port))
                batch = []
                await asyncio.sleep(self._pace_s)

    def _payloads(self) -> Iterator[bytes]:
        data = b"".join(self.head_end.media("plain", at) for at in range(40))
        self._pace_s = 8 * DATAGRAM / (len(data) / (40 * SEGMENT_S))
        for _round in range(3):
            yield from (data[at : at + DATAGRAM] for at in range(0, len(data), DATAGRAM))


def free_port() -> int:
    """Return a UDP port nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def interface_of(group: str) -> str:
    """Return an interface that carries such a group: Linux gives loopback no route for IPv6 groups."""
    if ":" not in group:
        return "lo"
    names = [line.split()[-1] for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    found = next((name for name in names if name != "lo"), None)
    return found or pytest.skip("this machine has no IPv6")


def relay_of(*urls: str, interface: str = "lo") -> Relay:
    """Return a relay with one channel of these sources."""
    channel = Channel(id=NEWS, number=1, name="news", sources=tuple(Source(url=url) for url in urls))
    config = replace(QUICK, multicast_interface=interface)
    return Relay(FixedBook(LineUp([channel])), config, base_url=BOX)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "with_rtp", "shuffled"),
    [
        ("239.255.7.1", True, False), ("239.255.7.2", False, False), ("239.255.7.3", True, True),
        ("ff15::7", True, False),
    ],
    ids=["RTP", "UDP", "out of order", "IPv6"],
)  # fmt: skip
async def test_multicast_comes_out_like_any_channel(
    serve: Serve, head_end: HeadEnd, group: str, with_rtp: bool, shuffled: bool
) -> None:
    sender = Sender(head_end, group, free_port(), with_rtp, shuffled, on=interface_of(group))
    relay = relay_of(sender.url, interface=sender.on)
    async with sender.sending(), serve(relay), asyncio.timeout(20):
        await relay.open(NEWS)
        bodies, breaks = await bodies_until(relay, "news", 5)
        data = await some_of(relay, "news", 200_000)

    made = b"".join(head_end.media("plain", at) for at in range(40))
    packets = {made[at : at + ts.PACKET] for at in range(0, len(made), ts.PACKET)}
    seen = b"".join(bodies)
    assert not any(breaks)
    assert {seen[at : at + ts.PACKET] for at in range(0, len(seen), ts.PACKET)} <= packets
    assert all(ts.tables(body[: 4 * ts.PACKET]) is not None for body in bodies)
    assert all(ts.key_frames(body[: 8 * ts.PACKET]) for body in bodies[3:])
    times = [ts.pcr(data, at) for at in ts.pcr_positions(data)]
    assert all(0 < ts.difference(after, before) < ts.CLOCK_HZ for before, after in pairwise(times))


@pytest.mark.slow
async def test_lost_datagrams_are_marked_and_lead_to_the_other_source(
    serve: Serve, head_end: HeadEnd
) -> None:
    sender = Sender(head_end, "239.255.7.4", free_port(), lose_every=30)
    relay = relay_of(sender.url, line_up_text(head_end, news="plain/index.m3u8").splitlines()[-1])
    async with sender.sending(), serve(relay), asyncio.timeout(30):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            listed = await until_listed(relay, "news", 3)
            stream = relay.continuous(NEWS)
            async with aclosing(stream):
                await anext(stream)
                assert getattr(await anext(facts), "code", "") == "TV-215"
                await anext(facts)
                assert relay.state[NEWS].source == 1

    assert any(segment.discontinuity for segment in listed.segments)


async def test_a_group_nobody_sends_to_says_so(serve: Serve) -> None:
    relay = relay_of(f"rtp://239.255.7.5:{free_port()}")
    async with serve(relay), asyncio.timeout(15):
        with pytest.raises(NoMulticastError):
            await relay.open(NEWS)


@pytest.mark.parametrize("url", ["rtsp://10.0.0.1/live", "mms://10.0.0.1/live"])
async def test_an_address_the_relay_does_not_speak_is_refused(serve: Serve, url: str) -> None:
    relay = relay_of(url)
    async with serve(relay), asyncio.timeout(15):
        with pytest.raises(UnsupportedSourceError):
            await relay.open(NEWS)


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("udp://@239.1.1.1:5000", Group(IPv4Address("239.1.1.1"), 5000)),
        ("rtp://239.1.1.1:5000", Group(IPv4Address("239.1.1.1"), 5000)),
        ("igmp://239.1.1.1:5000", Group(IPv4Address("239.1.1.1"), 5000)),
        ("udp://10.0.0.9@232.1.1.1:5000", Group(IPv4Address("232.1.1.1"), 5000, IPv4Address("10.0.0.9"))),
        ("udp://@[ff15::1]:5000", Group(IPv6Address("ff15::1"), 5000)),
        ("udp://@:5000", Group(IPv4Address(0), 5000)),
    ],
)
def test_an_address_means_a_group(url: str, group: Group) -> None:
    assert group_of(url) == group


@pytest.mark.parametrize(
    "url", ["udp://@239.1.1.1", "rtp://television.example:5000", "udp://@239.1.1.1:x", "udp://[x:5"]
)
def test_an_address_that_means_no_group_is_refused(url: str) -> None:
    with pytest.raises(SourceError):
        group_of(url)


def payload(number: int) -> bytes:
    """Return a datagram's worth of packets."""
    return (bytes([ts.SYNC]) + number.to_bytes(4)).ljust(ts.PACKET, b"\0")


@pytest.mark.parametrize(
    ("order", "due", "lost"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], 0),
        ([0, 2, 1, 3], [0, 1, 2, 3], 0),
        ([0, 1, 1, 2, 0], [0, 1, 2], 0),
        ([0, *range(2, WINDOW + 4)], [0, *range(2, WINDOW + 4)], 1),
        ([0, 40_000, 40_001], [0, 40_000, 40_001], 1),
    ],
    ids=["in order", "swapped", "doubled", "one lost", "sender began anew"],
)
def test_datagrams_are_put_in_order(order: list[int], due: list[int], lost: int) -> None:
    datagrams = Datagrams()
    came = [each for number in order for each in datagrams.add(rtp(65_530 + number, payload(number)))]

    assert came == [payload(number) for number in due]
    assert datagrams.lost == lost


def test_whatever_rtp_carries_beside_the_stream_is_taken_off() -> None:
    datagrams = Datagrams()
    came = datagrams.add(rtp(1, payload(1), extended=True)) + datagrams.add(rtp(2, payload(2), padded=True))

    assert came == [payload(1), payload(2)]
    assert Datagrams().add(b"\x80") == []
    assert Datagrams().add(rtp(1, b"not a stream")) == []
    assert Datagrams().add(payload(3)) == [payload(3)]


def test_a_torn_stream_is_cut_again_from_the_next_whole_packet(live_material: object) -> None:
    assert live_material
    cutter = Cutter()
    assert cutter.feed(b"\x00" * 500, 0.0) == []
    assert cutter.feed(b"", 1.0) == []
