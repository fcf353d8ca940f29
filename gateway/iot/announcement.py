"""What the box says of itself on the home's network (DNS-SD, RFC 6763).

One rule: only what others can reach is announced, and nothing of the household
is in it: the box's own name, ports and the way to its interface, no more.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import ClassVar

from gateway.errors import GatewayError
from gateway.iot.lan import Attachment
from gateway.schema import FieldError

MAX_FOUND = 1000
MAX_INTERFACES = 16

PAGE = "_gateway._tcp.local."
MQTT = "_mqtt._tcp.local."
COAP = "_coap._udp.local."

_INTERFACE = re.compile(r"[^\s/]{1,15}")
_LONGEST_LABEL = 63
"""Bytes of one label of a name (RFC 1035, section 2.3.4)."""


class MulticastError(GatewayError):
    """The home's network cannot be spoken to by multicast DNS."""

    code: ClassVar[str] = "IOT-901"
    hint = "If another mDNS program runs here, let it share port 5353 (avahi: disallow-other-stacks=no)."


class NamesTakenError(GatewayError):
    """Others on the network claim every name that the box could have."""

    code: ClassVar[str] = "IOT-902"
    hint = "Give the box another box.id, and look for the device that answers to every name."


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryConfig:
    """The ``iot.discovery`` section.

    Attributes:
        announce: Whether the box says that it is there.
        browse: Whether it looks for devices that nobody admitted yet.
        interfaces: Networks to do so on, by the kernel's name; empty for all of them.
        max_found: Devices listed; more are counted and left out.
        keep_s: A device not heard of for so long is forgotten.
    """

    announce: bool = True
    browse: bool = True
    interfaces: tuple[str, ...] = ()
    max_found: int = 100
    keep_s: float = 9000.0

    def __post_init__(self) -> None:
        if len(self.interfaces) > MAX_INTERFACES:
            raise FieldError("interfaces", f"has more than {MAX_INTERFACES} names")
        for i, name in enumerate(self.interfaces):
            if not _INTERFACE.fullmatch(name):
                raise FieldError(f"interfaces[{i}]", f"{name!r} is not the name of a network interface")
        if not 1 <= self.max_found <= MAX_FOUND:
            raise FieldError("max_found", f"{self.max_found} is outside 1..{MAX_FOUND}")
        if not 1 <= self.keep_s <= 86_400:  # noqa: PLR2004 - the range is the message
            raise FieldError("keep_s", f"{self.keep_s} is outside 1..86400")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Offer:
    """A service of the box; equal to nothing but itself.

    Attributes:
        kind: Its type, ``_coap._udp.local.``.
        host: Where it listens: an address, a name of this machine, or every address.
        port: Looked up when it is announced; 0 while there is none.
        facts: Said with it (RFC 6763, section 6).
    """

    kind: str
    host: str
    port: Callable[[], int]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def leaves_the_box(self) -> bool:
        """Whether others can reach it at all."""
        return leaves_the_box(self.host)

    def addresses(self, here: Sequence[Attachment]) -> tuple[str, ...]:
        """Return those of `here` where it can be reached, IPv4 first."""
        ipv4 = [address for each in here for address in each.ipv4]
        ipv6 = [address for each in here for address in each.ipv6]
        try:
            listens = ipaddress.ip_address(self.host)
        except ValueError:
            return (*ipv4, *ipv6)
        if listens.is_unspecified:
            # Linux hands an IPv4 caller to a socket on `::` (ipv6(7), IPV6_V6ONLY off).
            return (*ipv4, *ipv6) if listens.version == 6 else tuple(ipv4)  # noqa: PLR2004 - IPv6
        return tuple(each for each in (*ipv4, *ipv6) if ipaddress.ip_address(each) == listens)


def leaves_the_box(host: str) -> bool:
    """Return whether what listens on `host`, an address or a name, is reached from outside."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def offers_of(page: Offer, coap: Offer, mqtt: Offer | None = None) -> tuple[Offer, ...]:
    """Return what is worth announcing of a box with these services; `mqtt` only beside another one."""
    shown = tuple(each for each in (page, coap) if each.leaves_the_box)
    return (*shown, mqtt) if shown and mqtt is not None and mqtt.leaves_the_box else shown


def instance_name(box: str, number: int) -> str:
    """Return the `number`-th name to try for `box`, from 1 (RFC 6763, appendix D)."""
    suffix = "" if number == 1 else f" ({number})"
    return f"{box[: _LONGEST_LABEL - len(suffix)]}{suffix}"


def host_names(box: str, number: int, offers: Sequence[Offer]) -> Mapping[str, str]:
    """Return the host name that each `Offer.host` gets with the `number`-th name for `box`.

    Addresses belong to a host name, not to a service: what listens on IPv4 only must not share its name
    with what listens on both families.  Letters, digits and dashes (RFC 1123, section 2.1).
    """
    label = re.sub(r"[^a-z0-9]+", "-", box.lower()).strip("-") or "gateway"
    names: dict[str, str] = {}
    for offer in offers:
        letter = "" if not names else f"-{ascii_lowercase[len(names)]}"
        suffix = letter if number == 1 else f"-{number}{letter}"
        short = label[: _LONGEST_LABEL - len(suffix)].strip("-")
        names.setdefault(offer.host, f"{short}{suffix}.local.")
    return names
