"""What becomes of what strangers on the network say."""

from collections.abc import Mapping

import pytest

from gateway.iot.entity import Device, DeviceId
from gateway.iot.found import MAX_NAME, MAX_PER_ADDRESS, FoundDevices, Heard, printable

COAP, HTTP, ESPHOME = "_coap._udp.local.", "_http._tcp.local.", "_esphomelib._tcp.local."


def heard(
    instance: str,
    service: str = COAP,
    *addresses: str,
    port: int = 5683,
    facts: Mapping[bytes, bytes | None] | None = None,
) -> Heard:
    return Heard(
        service=service,
        instance=instance,
        addresses=addresses or ("192.168.1.7",),
        port=port,
        facts=facts or {},
    )


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Cellar", "Cellar"),
        ("  a\r\n\tb\x00c ", "a b c"),
        ("\x1b[31mred", "[31mred"),
        ("evil\u202egpj.exe", "evil gpj.exe"),
        ("\u2066\u200b\ufeff", ""),
        ("灯" * 1000, "灯" * MAX_NAME),
        ("a" + "\u0301" * 5000, "\xe1" + "\u0301" * (MAX_NAME - 1)),
    ],
    ids=["plain", "white space", "terminal", "right to left", "nothing to see", "long", "piled up"],
)
def test_a_name_is_short_and_printable(said: str, shown: str) -> None:
    assert printable(said) == shown


@pytest.mark.parametrize(
    ("told", "kind", "name"),
    [
        (heard("lamp"), "coap", "lamp"),
        (heard("x", ESPHOME, facts={b"friendly_name": "书房".encode()}), "esphome", "书房"),
        (heard("x", ESPHOME, facts={b"friendly_name": b"\xff\xfe"}), "esphome", "\ufffd\ufffd"),
        (heard("\u202e", ESPHOME), "esphome", "esphome"),
        (heard("shellyht-4C11AE", HTTP), "shelly", "shellyht-4C11AE"),
        (heard("Tasmota-1234", HTTP), "tasmota", "Tasmota-1234"),
    ],
    ids=["coap", "friendly name", "not UTF-8", "no name left", "shelly", "tasmota"],
)
def test_a_device_is_known_by_its_kind(told: Heard, kind: str, name: str) -> None:
    found = FoundDevices(10, 60)
    found.hear(told)
    assert [(each.kind, each.name) for each in found.devices()] == [(kind, name)]


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        (heard("Laser printer", HTTP), 0),
        (heard("x", "_ssh._tcp.local."), 0),
        (heard("x", COAP, "127.0.0.1", "::1"), 1),
        (heard("x", COAP, "0.0.0.0", "224.0.0.251", "ff02::fb"), 1),  # noqa: S104 - said by a stranger
        (heard("x", COAP, "nonsense", "300.1.1.1"), 1),
        (heard("x", port=0), 1),
        (heard("x", port=70_000), 1),
    ],
    ids=["a printer", "no kind of ours", "loopback", "everybody", "no address", "no port", "no such port"],
)
def test_what_is_no_device_is_not_listed(told: Heard, refused: int) -> None:
    found = FoundDevices(10, 60)
    found.hear(told)
    assert (found.devices(), found.refused) == ([], refused)


def test_the_first_address_that_can_be_a_device_is_taken() -> None:
    found = FoundDevices(10, 60)
    found.hear(heard("x", COAP, "127.0.0.1", "fe80::1%eth0", "192.168.1.9"))
    assert [each.address for each in found.devices()] == ["fe80::1%eth0"]


def test_one_sender_does_not_fill_the_list() -> None:
    found = FoundDevices(100, 60)
    for number in range(500):
        found.hear(heard(f"fake{number}"))
    found.hear(heard("lamp", COAP, "192.168.1.8"))
    names = [each.name for each in found.devices()]
    assert len(names) == MAX_PER_ADDRESS + 1
    assert "lamp" in names
    assert found.refused == 500 - MAX_PER_ADDRESS


def test_a_full_list_still_renews_and_makes_room() -> None:
    found = FoundDevices(3, 60)
    for number in range(5):
        found.hear(heard(f"d{number}", COAP, f"10.0.0.{number + 1}"))
    found.hear(heard("d0", COAP, "10.0.0.1", port=61616))
    assert [(each.name, each.port) for each in found.devices()] == [("d0", 61616), ("d1", 5683), ("d2", 5683)]
    found.lose(COAP, "d1")
    found.hear(heard("d4", COAP, "10.0.0.5"))
    assert [each.name for each in found.devices()] == ["d0", "d2", "d4"]


def test_a_device_that_is_silent_is_forgotten() -> None:
    clock = Clock()
    found = FoundDevices(10, 60, clock)
    found.hear(heard("lamp"))
    found.hear(heard("plug"))
    clock.now_s = 50
    found.renew(COAP, "lamp")
    clock.now_s = 100
    assert [each.name for each in found.devices()] == ["lamp"]
    clock.now_s = 111
    assert found.devices() == []


def test_what_belongs_to_the_home_is_not_found_again() -> None:
    found = FoundDevices(10, 60)
    found.hear(heard("cellar"))
    found.hear(heard("x", ESPHOME, facts={b"mac": b"A0:B1:C2:D3:E4:F5"}))
    found.hear(heard("shellyplus1-a8032abe54dc", HTTP))
    found.hear(heard("tasmota-54DC12", HTTP))
    home = [
        Device(id=DeviceId(each), name="", link="")
        for each in ("coap.cellar", "mqtt.a0b1c2d3e4f5", "mqtt.shelly_A8032ABE54DC")
    ]
    assert [each.name for each in found.devices(home)] == ["tasmota-54DC12"]
    assert len(found.devices()) == 4
