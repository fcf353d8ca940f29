"""Devices that the network speaks of and nobody has admitted yet.

One rule: what is heard here is hearsay.  It is made short and printable,
counted and forgotten, and nothing is ever asked of an address in it.
"""

import ipaddress
import re
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from gateway.iot.entity import Device

MAX_NAME = 64
MAX_PER_ADDRESS = 16
"""A device that claims to be hundreds of them leaves room for the others."""

_NOT_PLAIN = re.compile(r"[^0-9a-z]")
_MAC = re.compile(r"[0-9a-f]{12}")
_PORTS = range(1, 65_536)


class Kind(StrEnum):
    """What a found device speaks, or whose it is."""

    COAP = "coap"
    MQTT = "mqtt"
    ESPHOME = "esphome"
    SHELLY = "shelly"
    TASMOTA = "tasmota"


SERVICES: Mapping[str, Kind | None] = {
    "_coap._udp.local.": Kind.COAP,
    "_mqtt._tcp.local.": Kind.MQTT,
    "_esphomelib._tcp.local.": Kind.ESPHOME,
    "_http._tcp.local.": None,
}
"""What is looked for; what a web page belongs to is told by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A service as it was announced; every field is a stranger's word.

    Attributes:
        service: Its type, one of `SERVICES`.
        instance: Its name within the type, before the type.
        addresses: Where it says that it is.
        port: Likewise.
        facts: What it says of itself (RFC 6763, section 6), as bytes.
    """

    service: str
    instance: str
    addresses: tuple[str, ...]
    port: int
    facts: Mapping[bytes, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device on the network.

    Attributes:
        name: What it calls itself, printable, at most `MAX_NAME` characters.
        kind: What it is.
        address: IPv4 or IPv6 address, where it says that it is.
        port: Likewise.
        model: What it says of its make; empty if nothing.
        mac: Its hardware address, 12 hexadecimal digits; empty if not said.
        seen_at: When it was last heard of; UTC.
    """

    name: str
    kind: Kind
    address: str
    port: int
    model: str = ""
    mac: str = ""
    seen_at: datetime


class FoundDevices:
    """What was found, by service and name.

    Attributes:
        refused: Announcements that were left out: nonsense, or more than fit.
    """

    def __init__(self, limit: int, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none.

        Args:
            limit: Devices kept.
            keep_s: One not heard of for so long is forgotten.
            clock: In seconds; steady, for a box learns the time of day after its neighbours' names.
        """
        self.refused = 0
        self._limit = limit
        self._keep_s = keep_s
        self._clock = clock
        self._found: dict[tuple[str, str], FoundDevice] = {}
        self._heard_s: dict[tuple[str, str], float] = {}

    @property
    def is_full(self) -> bool:
        """Whether another device would be left out."""
        self._forget()
        return len(self._found) >= self._limit

    def devices(self, admitted: Iterable[Device] = ()) -> Sequence[FoundDevice]:
        """Return what is not among the `admitted`, by kind and name."""
        self._forget()
        ids = {device.id for device in admitted}
        plain = [_NOT_PLAIN.sub("", each.lower()) for each in ids]
        return sorted(
            (each for key, each in self._found.items() if not _is_one_of(key[1], each, ids, plain)),
            key=lambda each: (each.kind, each.name, each.address, each.port),
        )

    def hear(self, heard: Heard) -> None:
        """Take in what was announced; what is of no known kind is no business of ours."""
        device = recognise(heard, datetime.now(UTC))
        if device is None:
            return
        key = (heard.service, heard.instance)
        others = sum(each.address == device.address for at, each in self._found.items() if at != key)
        crowded = key not in self._found and (self.is_full or others >= MAX_PER_ADDRESS)
        if crowded or not device.address or device.port not in _PORTS:
            self.refused += 1
            return
        self._found[key], self._heard_s[key] = device, self._clock()

    def renew(self, service: str, instance: str) -> None:
        """Note that it was heard of again."""
        key = (service, instance)
        if known := self._found.get(key):
            self._found[key], self._heard_s[key] = replace(known, seen_at=datetime.now(UTC)), self._clock()

    def lose(self, service: str, instance: str) -> None:
        """Forget it: it said goodbye, or its announcement ran out."""
        self._found.pop((service, instance), None)
        self._heard_s.pop((service, instance), None)

    def clear(self) -> None:
        """Forget all of them: the network is another one."""
        self._found.clear()
        self._heard_s.clear()

    def _forget(self) -> None:
        long_ago = self._clock() - self._keep_s
        for key in [key for key, heard_s in self._heard_s.items() if heard_s < long_ago]:
            self.lose(*key)


def recognise(heard: Heard, at: datetime) -> FoundDevice | None:
    """Return what `heard` is, with an empty address if it names none to believe; `None`: nothing we know."""
    kind = SERVICES.get(heard.service) or _maker(heard)
    if kind is None or heard.service not in SERVICES:
        return None
    name = printable(_fact(heard, b"friendly_name") or heard.instance)
    return FoundDevice(
        name=name or kind.value,
        kind=kind,
        address=next(filter(_is_believable, heard.addresses), ""),
        port=heard.port,
        model=printable(_fact(heard, b"app") or _fact(heard, b"board") or _fact(heard, b"et")),
        mac=_mac(heard),
        seen_at=at,
    )


def _is_one_of(instance: str, found: FoundDevice, ids: Collection[str], plain: Sequence[str]) -> bool:
    """Return whether it is part of the home: by its name with CoAP, by its hardware address else."""
    if found.kind is Kind.COAP:
        return f"coap.{instance}" in ids
    return bool(found.mac) and any(found.mac in each for each in plain)


def printable(text: str) -> str:
    """Return `text` on one line of at most `MAX_NAME`, without what does not show or turns the direction."""
    # Cut first: normal forms of hostile text can be many times as long.
    composed = unicodedata.normalize("NFC", text[: 4 * MAX_NAME])
    shown = "".join(c if c.isprintable() else " " for c in composed)
    return " ".join(shown.split())[:MAX_NAME].strip()


def _maker(heard: Heard) -> Kind | None:
    """Return whose web page it is: Shelly and Tasmota name their devices after themselves."""
    instance = heard.instance.lower()
    if instance.startswith("shelly"):
        return Kind.SHELLY
    return Kind.TASMOTA if instance.startswith("tasmota") else None


def _fact(heard: Heard, key: bytes) -> str:
    return (heard.facts.get(key) or b"")[: 4 * MAX_NAME].decode("utf-8", "replace")


def _mac(heard: Heard) -> str:
    """Return the hardware address, which ESPHome says by itself and Shelly puts at its name's end."""
    said = _fact(heard, b"mac") or heard.instance.rpartition("-")[2]
    plain = said.lower().replace(":", "")
    return plain if _MAC.fullmatch(plain) else ""


def _is_believable(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved)
