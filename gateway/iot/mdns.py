"""Speaking multicast DNS (RFC 6762): our names are claimed, kept, defended and given back.

One rule: of the box only this module and `gateway.iot.mdns_browser` import
zeroconf, and both are loaded only on a box that has something to say to its
network, for the library's memory is a tenth of an idle daemon's.
"""

import asyncio
import ipaddress
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from zeroconf import (
    AddressResolver,
    DNSAddress,
    DNSService,
    IPVersion,
    NonUniqueNameException,
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
)
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.errors import ungrouped
from gateway.iot.announcement import MulticastError, NamesTakenError, Offer, host_names, instance_name
from gateway.iot.lan import Attachment

log = logging.getLogger(__name__)

MAX_NAMES = 20
"""Tried before we give up: a neighbour who claims every name does not keep us busy."""

_HOST_WAIT_MS = 600
"""Three questions fit into it, as into a probe (RFC 6762, section 8.1)."""
_FLUSH_S = 1.1
"""RFC 6762, section 10.2."""
_GOODBYE_TIMEOUT_S = 1.5
_LONGEST_PAUSE_S = 64.0
"""A neighbour who contests every name is answered ever more slowly (RFC 6762, section 8.1)."""


class Responder:
    """Answers for the box on the networks it was given; an async context, which says goodbye at its end.

    Attributes:
        zeroconf: The open sockets.
        name: What the box is called there; empty before `claim`.
        is_contested: Whether somebody else uses a name of ours.
    """

    def __init__(
        self, box: str, offers: Sequence[Offer], here: Sequence[Attachment], alarm: Callable[[], None]
    ) -> None:
        """Open the sockets.

        Args:
            box: What the box would like to be called.
            offers: What it announces.
            here: The networks to do so on; not empty.
            alarm: Called when the name is contested.

        Raises:
            MulticastError: the port is not shared, or the network not there.
        """
        self.name = ""
        self._box = box
        self._here = tuple(here)
        self._offers = tuple(offers)
        self._claimed: dict[Offer, AsyncServiceInfo] = {}
        self._renamed = 0
        self._watch = _Watch(alarm)
        try:
            self._responder = AsyncZeroconf(interfaces=_sockets(here), ip_version=_family(here))
        except (OSError, RuntimeError) as error:
            raise MulticastError(f"multicast DNS does not work on this network: {error}") from error
        self.zeroconf: Zeroconf = self._responder.zeroconf
        self.zeroconf.async_add_listener(self._watch, None)

    @property
    def is_contested(self) -> bool:
        return self._watch.is_contested

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
                await self._responder.async_close()

    async def claim(self) -> None:
        """Announce the offers, if there are any, under the first name for the box that is free.

        Raises:
            NamesTakenError: none is.
            MulticastError: the network went away meanwhile.
        """
        if not self._offers:
            return
        try:
            for number in range(1, MAX_NAMES + 1):
                if await self._has_claimed(number):
                    return
        except (OSError, ZeroconfError) as error:
            raise MulticastError(f"the box cannot be announced: {error}") from error
        raise NamesTakenError(f"{MAX_NAMES} names for the box are taken on this network")

    async def rename(self) -> None:
        """Give back the contested name and take another; raises as `claim` does."""
        await self._give_back()
        # Both sides of a conflict are told at once: whoever asks first keeps the name.
        self._renamed += 1
        longest_s = min(2.0 ** (self._renamed - 1), _LONGEST_PAUSE_S)
        await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - no secret
        self._watch.is_contested = False
        await self.claim()

    async def move(self, here: Sequence[Attachment]) -> None:
        """Go on under the same name with the networks of now, not empty; raises as `claim` does."""
        self._here = tuple(here)
        self._watch.ours |= _all_addresses(here)
        possible = {offer for offer in self._offers if offer.addresses(here) and offer.port()}
        try:
            if possible == self._claimed.keys():
                await self._tell_addresses()
                return
            await self._give_back()
            await self._responder.async_update_interfaces(_sockets(here), _family(here))
        except (OSError, ZeroconfError) as error:
            raise MulticastError(f"the box cannot be announced: {error}") from error
        await self.claim()

    async def _tell_addresses(self) -> None:
        told: list[Awaitable[None]] = []
        for offer, old in self._claimed.items():
            if new := self._info(offer, old.name, old.server or ""):
                self._claimed[offer] = new
                told.append(await self._responder.async_update_service(new))
        # The addresses come first: a new network is told at once, and must not hear the old ones.
        await self._responder.async_update_interfaces(_sockets(self._here), _family(self._here))
        for each in told:
            await each
        # An address that others heard of less than a second ago outlives the first announcement without it.
        await asyncio.sleep(_FLUSH_S)
        told = [await self._responder.async_update_service(info) for info in self._claimed.values()]
        for each in told:
            await each

    async def _has_claimed(self, number: int) -> bool:
        hosts = host_names(self._box, number, self._offers)
        self._watch.guard((), _all_addresses(self._here))
        self.name = instance_name(self._box, number)
        infos = {
            offer: info
            for offer in self._offers
            if (info := self._info(offer, f"{self.name}.{offer.kind}", hosts[offer.host])) is not None
        }
        # Nothing is announced before all of it may be: an announcement on its way cannot be called back.
        if await _any_of(
            *(self._is_taken(host) for host in hosts.values()),
            *(self._is_known(info) for info in infos.values()),
        ):
            return False
        self._claimed = infos
        self._watch.guard(hosts.values(), _all_addresses(self._here))
        self._watch.names = {info.name.lower(): hosts[offer.host] for offer, info in infos.items()}
        told = [
            await self._responder.async_register_service(info, cooperating_responders=True, strict=False)
            for info in infos.values()
        ]
        for announced in told:
            await announced
        kinds = ", ".join(offer.kind.removesuffix(".local.") for offer in infos)
        log.info("announced on the network as %s: %s", self.name, kinds or "nothing")
        return True

    async def _is_taken(self, host: str) -> bool:
        """Ask whether somebody else has this host name."""
        resolver = AddressResolver(host)
        try:
            await resolver.async_request(self.zeroconf, _HOST_WAIT_MS)
        except (OSError, ZeroconfError) as error:
            raise MulticastError(f"nobody can be asked for {host}: {error}") from error
        return not self._watch.ours.issuperset(resolver.parsed_addresses())

    async def _is_known(self, info: AsyncServiceInfo) -> bool:
        """Probe for the name of a service (RFC 6762, section 8.1)."""
        try:
            # RFC 6763 (section 4.1.1) allows any character here; the library's strict check does not.
            await self.zeroconf.async_check_service(info, allow_name_change=False, strict=False)
        except NonUniqueNameException:
            return True
        except (OSError, ZeroconfError) as error:
            raise MulticastError(f"{info.name} cannot be claimed: {error}") from error
        return False

    async def _give_back(self) -> None:
        self._watch.guard((), set())
        await self._responder.async_unregister_all_services()
        self._claimed.clear()

    def _info(self, offer: Offer, name: str, host: str) -> AsyncServiceInfo | None:
        addresses, port = offer.addresses(self._here), offer.port()
        if not addresses or not port:
            return None
        return AsyncServiceInfo(
            offer.kind,
            name,
            port=port,
            properties=dict(offer.facts),
            server=host,
            parsed_addresses=list(addresses),
        )


class _Watch(RecordUpdateListener):
    """Notices that somebody else speaks under our names (RFC 6762, section 9).

    Attributes:
        names: Names of our services, in small letters, and the host that each is on.
        hosts: Ours, in small letters.
        ours: Every address that we ever had; others may still remember an old one.
        is_contested: Whether it happened.
    """

    def __init__(self, alarm: Callable[[], None]) -> None:
        self.names: dict[str, str] = {}
        self.hosts: frozenset[str] = frozenset()
        self.ours: set[str] = set()
        self.is_contested = False
        self._alarm = alarm

    def guard(self, hosts: Iterable[str], addresses: set[str]) -> None:
        self.names.clear()
        self.hosts = frozenset(hosts)
        self.ours |= addresses

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        del zc
        for update in records:
            record = update.new
            if record.is_expired(now):
                continue
            if isinstance(record, DNSService):
                host = self.names.get(record.key)
                contested = host is not None and record.server_key != host
            elif isinstance(record, DNSAddress) and record.key in self.hosts:
                contested = _text(record.address) not in self.ours
            else:
                continue
            if contested:
                self.is_contested = True
                self._alarm()


async def _any_of(*questions: Coroutine[None, None, bool]) -> bool:
    """Ask all at once until one says yes; raise the first `GatewayError` by itself."""
    with ungrouped():
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(question) for question in questions]
            for answer in asyncio.as_completed(asked):
                if await answer:
                    for each in asked:
                        each.cancel()
                    return True
    return False


def _sockets(here: Sequence[Attachment]) -> list[str | int | tuple[tuple[str, int, int], int]]:
    """Return one address per interface and family: a socket each."""
    return [each[0] for attachment in here for each in (attachment.ipv4, attachment.ipv6) if each]


def _family(here: Sequence[Attachment]) -> IPVersion:
    if not any(each.ipv6 for each in here):
        return IPVersion.V4Only
    return IPVersion.All if any(each.ipv4 for each in here) else IPVersion.V6Only


def _all_addresses(here: Sequence[Attachment]) -> set[str]:
    return {address for each in here for address in (*each.ipv4, *each.ipv6)}


def _text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))
