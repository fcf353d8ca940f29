"""The box on a network of its own: announced, heard, contested, moved and taken leave of.

The other device is python-zeroconf in a process and a network of its own; see `tests.iot.cable`.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.iot import cable
from tests.iot.cable import Host, Program

PAGE, MQTT, COAP = "_gateway._tcp.local.", "_mqtt._tcp.local.", "_coap._udp.local."
EVERYWHERE = {"page": ["0.0.0.0", 8080], "coap": ["::", 5683], "mqtt": ["0.0.0.0", 8883]}  # noqa: S104 - as on a real box


@pytest.fixture
def ends() -> Iterator[tuple[Host, Host]]:
    """A cable with both ends plugged in and no address but the link-local ones."""
    with cable.laid() as (box, peer):
        box.ip("link set box0 up")
        peer.ip("link set peer0 up")
        yield box, peer


@pytest.fixture
def ipv4(ends: tuple[Host, Host]) -> tuple[Host, Host]:
    box, peer = ends
    box.ip("addr add 10.9.0.1/16 dev box0")
    peer.ip("addr add 10.9.0.2/16 dev peer0")
    return ends


@asynccontextmanager
async def living(host: Host, offers: object = None, **config: object) -> AsyncIterator[Program]:
    wish = {"box": "box-1", "offers": EVERYWHERE if offers is None else offers, "config": config}
    async with host.running("mdns_box.py", json.dumps(wish)) as box:
        await box.says(lambda said: said.get("to") == "start")
        yield box


@asynccontextmanager
async def listening(host: Host, family: str, *kinds: str) -> AsyncIterator[Program]:
    async with host.running("mdns_peer.py", family) as peer:
        await peer.answer(do="browse", kinds=kinds or (PAGE,))
        yield peer


def seen(name: str, address: str = "") -> Callable[[dict[str, Any]], bool]:
    return lambda said: said.get("seen") == name and (not address or address in said["addresses"])


async def found(box: Program, is_enough: Callable[[list[dict[str, Any]]], object]) -> dict[str, Any]:
    """Return what the box says once its list is as wanted."""
    async with cable.patience():
        while not is_enough((said := await box.answer(do="look"))["found"]):
            await cable.moment()
    return said


async def test_a_phone_finds_page_broker_and_coap_of_the_box_by_ipv4(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with listening(peer, "4", PAGE, MQTT, COAP) as phone, living(box):
        heard = [await phone.says(lambda said: "seen" in said) for _ in range(3)]

    # What listens on IPv4 only does not share a host name, and so its addresses, with what hears both.
    assert {each["seen"]: (each["port"], each["host"], each["addresses"][0]) for each in heard} == {
        f"box-1.{PAGE}": (8080, "box-1.local.", "10.9.0.1"),
        f"box-1.{MQTT}": (8883, "box-1.local.", "10.9.0.1"),
        f"box-1.{COAP}": (5683, "box-1-b.local.", "10.9.0.1"),
    }
    assert [len(each["addresses"]) for each in heard if each["port"] != 5683] == [1, 1]
    assert [each["facts"] for each in heard] == [{"id": "box-1"}] * 3


async def test_a_home_with_ipv6_only_is_spoken_to_and_heard(ends: tuple[Host, Host]) -> None:
    box, peer = ends
    box.ip("addr add fd00:9::1/64 dev box0")
    peer.ip("addr add fd00:9::2/64 dev peer0")
    async with listening(peer, "6") as phone, living(box, {"page": ["::", 8080]}) as ours:
        there = await phone.says(seen(f"box-1.{PAGE}"))
        lamp = {"kind": COAP, "name": "lamp", "port": 5683, "host": "lamp.local.", "addresses": ["fd00:9::2"]}
        await phone.answer(do="announce", **lamp)
        said = await found(ours, lambda devices: devices)

    assert "fd00:9::1" in there["addresses"]
    assert not [each for each in there["addresses"] if "." in each]
    assert [(each["name"], each["kind"], each["address"]) for each in said["found"]] == [
        ("lamp", "coap", "fd00:9::2")
    ]


async def test_the_second_box_of_a_name_calls_itself_otherwise(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with listening(peer, "4") as other:
        first = {"kind": PAGE, "name": "box-1", "port": 80, "host": "elder.local.", "addresses": ["10.9.0.2"]}
        await other.answer(do="announce", **first)
        async with living(box, {"page": ["10.9.0.1", 8080]}):
            ours = await other.says(seen(f"box-1 (2).{PAGE}"))

    assert (ours["host"], ours["addresses"]) == ("box-1-2.local.", ["10.9.0.1"])
    assert not [each for each in other.heard if each.get("seen") == f"box-1.{PAGE}" and each["port"] == 8080]


async def test_a_host_name_that_is_taken_is_left_to_its_owner(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with listening(peer, "4") as other:
        nas = {"kind": "_smb._tcp.local.", "name": "nas", "port": 445, "host": "box-1.local."}
        await other.answer(do="announce", addresses=["10.9.0.2"], **nas)
        async with living(box):
            ours = await other.says(lambda said: "seen" in said)

    assert (ours["seen"], ours["host"]) == (f"box-1 (2).{PAGE}", "box-1-2.local.")


@pytest.mark.slow
async def test_a_name_that_is_contested_later_is_given_up(ipv4: tuple[Host, Host]) -> None:
    """Two networks become one, and both have a box-1."""
    box, peer = ipv4
    async with listening(peer, "4") as other, living(box):
        await other.says(seen(f"box-1.{PAGE}"))
        same = {"kind": PAGE, "name": "box-1", "port": 80, "host": "elder.local.", "addresses": ["10.9.0.2"]}
        await other.answer(do="announce", rude=True, **same)
        ours = await other.says(seen(f"box-1 (2).{PAGE}"))

    assert (ours["port"], ours["addresses"]) == (8080, ["10.9.0.1"])


@pytest.mark.slow
async def test_a_neighbour_who_has_every_name_costs_the_box_its_own_and_nothing_else(
    ipv4: tuple[Host, Host],
) -> None:
    box, peer = ipv4
    async with listening(peer, "4") as greedy:
        for number in range(1, 31):
            name = "box-1" if number == 1 else f"box-1 ({number})"
            taken = {"kind": PAGE, "name": name, "port": 1, "host": "g.local.", "addresses": ["10.9.0.2"]}
            greedy.tell(do="announce", rude=True, **taken)
        await greedy.answer(do="look", kind=PAGE, name="box-1")
        async with living(box) as ours, cable.patience():
            while (await ours.answer(do="look"))["state"] == "running":
                await cable.moment()

    assert not [each for each in greedy.heard if each.get("port") == 8080]


async def test_a_box_that_only_listens_is_not_announced(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with living(box, announce=False) as ours, listening(peer, "4") as other:
        hub = {"kind": MQTT, "name": "hub", "port": 1883, "host": "hub.local.", "addresses": ["10.9.0.2"]}
        await other.answer(do="announce", **hub)
        said = await found(ours, lambda devices: devices)

    assert [each["name"] for each in said["found"]] == ["hub"]
    assert not [each for each in other.heard if "seen" in each]


async def test_the_box_says_goodbye(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with listening(peer, "4", PAGE, COAP) as phone:
        async with living(box):
            for _ in range(2):
                await phone.says(lambda said: "seen" in said)
        gone = {(await phone.says(lambda said: "gone" in said))["gone"] for _ in range(2)}

    assert gone == {f"box-1.{PAGE}", f"box-1.{COAP}"}


async def test_a_new_address_is_announced_and_the_old_one_forgotten(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with listening(peer, "4") as phone, living(box):
        await phone.says(seen(f"box-1.{PAGE}", "10.9.0.1"))
        box.ip("addr del 10.9.0.1/16 dev box0")
        box.ip("addr add 10.9.0.77/16 dev box0")
        moved = await phone.says(seen(f"box-1.{PAGE}", "10.9.0.77"))
        # What was announced of old is forgotten a second later (RFC 6762, section 10.2).
        async with cable.patience():
            while moved["addresses"] != ["10.9.0.77"]:
                await cable.moment()
                phone.tell(do="look", kind=PAGE, name="box-1")
                moved = await phone.says(seen(f"box-1.{PAGE}"))

    assert moved["host"] == "box-1.local."
    assert not [each for each in phone.heard if "(2)" in each.get("seen", "")]


@pytest.mark.slow
async def test_a_cable_plugged_in_late_is_noticed_and_one_pulled_out_forgets_the_devices() -> None:
    with cable.laid() as (box, peer):
        async with living(box) as ours:
            peer.ip("link set peer0 up")
            peer.ip("addr add 10.9.0.2/16 dev peer0")
            box.ip("addr add 10.9.0.1/16 dev box0")
            box.ip("link set box0 up")
            async with listening(peer, "4") as phone:
                await phone.says(seen(f"box-1.{PAGE}"))
                tv = {"kind": MQTT, "name": "hub", "port": 1883, "host": "hub.local."}
                await phone.answer(do="announce", addresses=["10.9.0.2"], **tv)
                before = await found(ours, lambda devices: devices)
                box.ip("link set box0 down")
                after = await found(ours, lambda devices: not devices)
                box.ip("link set box0 up")
                again = await found(ours, lambda devices: devices)

    assert [each["name"] for each in before["found"]] == ["hub"]
    assert (after["found"], after["state"]) == ([], "running")
    assert [each["name"] for each in again["found"]] == ["hub"]


async def test_devices_of_known_kinds_are_listed_until_they_leave(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    at = {"addresses": ["10.9.0.2"], "host": "things.local."}
    esphome = {"friendly_name": "Cellar\u202e\x1b", "mac": "a0b1c2d3e4f5", "board": "esp32"}
    async with living(box) as ours, listening(peer, "4") as others:
        for kind, name, port, facts in (
            ("_esphomelib._tcp.local.", "cellar", 6053, esphome),
            ("_http._tcp.local.", "ShellyPlus1-a8032abe54dc", 80, {"app": "Plus1", "gen": "2"}),
            ("_http._tcp.local.", "tasmota-54DC12-4636", 80, {}),
            ("_http._tcp.local.", "Laser printer", 80, {}),
            (MQTT, "hub", 1883, {}),
        ):
            others.tell(do="announce", kind=kind, name=name, port=port, facts=facts, rude=True, **at)
        there = await found(ours, lambda devices: len(devices) == 4)
        await others.answer(do="withdraw")
        left = await found(ours, lambda devices: not devices)

    listed = [
        (each["kind"], each["name"], each["port"], each["model"], each["mac"]) for each in there["found"]
    ]
    assert listed == [
        ("esphome", "Cellar", 6053, "esp32", "a0b1c2d3e4f5"),
        ("mqtt", "hub", 1883, "", ""),
        ("shelly", "ShellyPlus1-a8032abe54dc", 80, "Plus1", "a8032abe54dc"),
        ("tasmota", "tasmota-54DC12-4636", 80, "", ""),
    ]
    assert left["refused"] == 0


@pytest.mark.slow
async def test_two_thousand_hostile_announcements_fill_no_more_than_the_list(ipv4: tuple[Host, Host]) -> None:
    box, peer = ipv4
    async with living(box, max_found=50) as ours, listening(peer, "4") as hostile:
        await hostile.says(seen(f"box-1.{PAGE}"))
        await hostile.answer(do="flood", count=2000)
        said = await found(ours, lambda devices: len(devices) == 50)

        assert said["refused"] > 0
        assert all(len(each["name"]) <= 64 and each["name"].isprintable() for each in said["found"])
        assert all(len(each["model"]) <= 64 and each["model"].isprintable() for each in said["found"])
        # The box is still there for others.
        async with listening(peer, "4") as phone:
            await phone.says(seen(f"box-1.{PAGE}"))


@pytest.mark.parametrize(
    "offers",
    [{}, {"page": ["127.0.0.1", 8080], "coap": ["::1", 5683], "mqtt": ["localhost", 8883]}],
    ids=["nothing to offer", "everything on loopback"],
)
async def test_a_box_that_keeps_to_itself_keeps_silent(
    ipv4: tuple[Host, Host], offers: dict[str, object]
) -> None:
    box, peer = ipv4
    async with living(box, offers) as ours, listening(peer, "4") as other:
        hub = {"kind": MQTT, "name": "hub", "port": 1883, "host": "hub.local.", "addresses": ["10.9.0.2"]}
        await other.answer(do="announce", **hub)
        said = await ours.answer(do="look")
        sockets = box.output("ss -Hlun")

    assert (said["state"], said["found"]) == ("running", [])
    assert "5353" not in sockets
    assert not [each for each in other.heard if "seen" in each and "box-1" in each["seen"]]


@pytest.mark.slow
async def test_the_whole_box_is_found_once_its_page_is_open_to_the_house(
    ipv4: tuple[Host, Host], tmp_path: Path
) -> None:
    box, peer = ipv4
    file = tmp_path / "gateway.yaml"
    file.write_text("box: {id: flat-7}\nui: {host: 0.0.0.0}\nbroker: {port: 0, tls_port: 0}\n")
    whole = ("run", "--config", str(file), "--state", str(tmp_path / "state"))
    async with listening(peer, "4", PAGE, MQTT, COAP) as phone, box.gateway(*whole):
        heard = [await phone.says(lambda said: "seen" in said) for _ in range(2)]
    page, broker = sorted(heard, key=lambda said: str(said["seen"]))

    assert (page["seen"], page["port"], page["addresses"]) == (f"flat-7.{PAGE}", 8080, ["10.9.0.1"])
    assert page["facts"] == {"id": "flat-7", "path": "/api/v1", "version": "0.1.0"}
    assert (broker["seen"], broker["facts"]) == (f"flat-7.{MQTT}", {"id": "flat-7", "tls": "1"})
    assert broker["port"] not in {0, 1883}
