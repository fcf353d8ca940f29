"""What is announced of a box, where, and under which names."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.iot.announcement import (
    COAP,
    MQTT,
    PAGE,
    DiscoveryConfig,
    Offer,
    host_names,
    instance_name,
    offers_of,
)
from gateway.iot.lan import Attachment
from gateway.schema import FieldError

HERE = (
    Attachment(name="eth0", ipv4=("192.168.1.5",), ipv6=("fe80::5", "fd00::5")),
    Attachment(name="wlan0", ipv4=("192.168.2.5",)),
)
EVERY_IPV4 = ("192.168.1.5", "192.168.2.5")


def offer(kind: str, host: str) -> Offer:
    return Offer(kind=kind, host=host, port=lambda: 1)


@pytest.mark.parametrize(
    ("page", "coap", "mqtt", "kinds"),
    [
        ("127.0.0.1", "127.0.0.1", "::", []),
        ("localhost", "::1", "::", []),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1", [PAGE]),  # noqa: S104 - as on a real box
        ("127.0.0.1", "::", None, [COAP]),
        ("192.168.1.5", "::", "::", [PAGE, COAP, MQTT]),
    ],
    ids=["only the broker listens", "loopback by name", "page", "coap", "all"],
)
def test_only_what_leaves_the_box_is_announced(
    page: str, coap: str, mqtt: str | None, kinds: list[str]
) -> None:
    offers = offers_of(offer(PAGE, page), offer(COAP, coap), offer(MQTT, mqtt) if mqtt else None)
    assert [each.kind for each in offers] == kinds


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("0.0.0.0", EVERY_IPV4),  # noqa: S104 - as on a real box
        ("::", (*EVERY_IPV4, "fe80::5", "fd00::5")),
        ("192.168.2.5", ("192.168.2.5",)),
        ("FD00:0::5", ("fd00::5",)),
        ("10.0.0.1", ()),
        ("box.lan", (*EVERY_IPV4, "fe80::5", "fd00::5")),
    ],
    ids=["IPv4", "both", "one", "one of IPv6", "not here", "a name"],
)
def test_a_service_is_announced_where_it_listens(host: str, addresses: Sequence[str]) -> None:
    assert offer(PAGE, host).addresses(HERE) == tuple(addresses)


def test_names_are_numbered_and_never_too_long() -> None:
    assert [instance_name("box-1", number) for number in (1, 2, 20)] == ["box-1", "box-1 (2)", "box-1 (20)"]
    longest = instance_name("b" * 64, 12)
    assert (len(longest), longest[-5:]) == (63, " (12)")


@pytest.mark.parametrize(
    ("box", "number", "names"),
    [
        ("box-1", 1, ["box-1.local.", "box-1-b.local."]),
        ("box-1", 3, ["box-1-3.local.", "box-1-3-b.local."]),
        ("Flat_2.left", 1, ["flat-2-left.local.", "flat-2-left-b.local."]),
        ("_", 1, ["gateway.local.", "gateway-b.local."]),
    ],
    ids=["first", "third", "not a host name", "nothing left"],
)
def test_each_set_of_addresses_has_a_host_name(box: str, number: int, names: list[str]) -> None:
    offers = [offer(PAGE, "0.0.0.0"), offer(COAP, "::"), offer(MQTT, "0.0.0.0")]  # noqa: S104 - as on a real box
    assert list(host_names(box, number, offers).values()) == names


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"interfaces": ("eth0", "a b")}, "interfaces[1]"),
        ({"interfaces": ("",)}, "interfaces[0]"),
        ({"interfaces": ("x" * 16,)}, "interfaces[0]"),
        ({"interfaces": ("e",) * 17}, "interfaces"),
        ({"max_found": 0}, "max_found"),
        ({"max_found": 1001}, "max_found"),
        ({"keep_s": 0.5}, "keep_s"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], path: str) -> None:
    with pytest.raises(FieldError) as refused:
        DiscoveryConfig(**wrong)
    assert refused.value.field == path


def test_a_box_that_keeps_to_itself_does_not_load_the_library() -> None:
    program = "import gateway.daemon, sys; print('zeroconf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
