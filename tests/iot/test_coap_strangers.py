"""What somebody who is not part of the home gets from the box over CoAP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiocoap
import pytest

from gateway.iot import coap_directory, commands_table
from gateway.iot.coap import CoapLink
from gateway.iot.coap_admission import Verdict
from gateway.iot.coap_endpoint import MAX_BEHIND, CoapConfig, CoapEndpoint, StaticDevice
from gateway.iot.coap_links import parse_links
from gateway.iot.coap_repeats import Repeats
from gateway.iot.coap_server import MAX_OBSERVATIONS_OF_ONE, CoapServer
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.entity import EntityId, Reading
from gateway.iot.registry import Registry
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.coap_peers import Peer, Value, peer
from tests.iot.conftest import until

LAMP = "coap.lamp.3306.0.5850"
HOME, ELSEWHERE = "127.0.0.1", "127.0.0.2"


@dataclass
class Rig:
    """A home with a lamp; `members` are the addresses at which its devices are."""

    endpoint: CoapEndpoint
    link: CoapLink
    registry: Registry
    lamp: Value
    members: set[str] = field(default_factory=lambda: {HOME})

    @property
    def url(self) -> str:
        return f"coap://{HOME}:{self.endpoint.port}"

    async def told(self, who: Peer, code: aiocoap.Code, path: str, payload: bytes = b"") -> aiocoap.Message:
        async with asyncio.timeout(10):
            return await who.ask(code, f"{self.url}/{path}", payload, accept=None)


@pytest.fixture
async def rig(tmp_path: Path, serve: Serve) -> AsyncIterator[Rig]:
    store = Store(
        tmp_path / "gateway.db", {"coap": coap_directory.MIGRATIONS, "commands": commands_table.MIGRATIONS}
    )
    lamp = Value("0")
    async with peer({"/3306/0/5850": lamp}) as device, AsyncExitStack() as stack:
        config = CoapConfig(port=0, admitted=("lamp",))
        endpoint = CoapEndpoint(config)
        link = CoapLink(config, endpoint, store)
        registry = Registry([link])
        orders = Commands(store, registry, [link], CommandsConfig(deadline_s=2))
        rig = Rig(endpoint, link, registry, lamp)
        # Every address of this machine is the box's own, so membership is said here.
        server = CoapServer(endpoint, registry, orders, lambda host: host in rig.members)
        for service in (store, endpoint, registry, orders, link, server):
            await stack.enter_async_context(serve(service))
        await device.register(endpoint.port, "</3306/0/5850>;obs", name="lamp")
        await until(registry, lambda: any(state.value is False for state in registry.states.values()))
        yield rig


async def test_a_stranger_reads_and_orders_nothing(rig: Rig) -> None:
    async with peer(host=ELSEWHERE) as stranger, peer() as friend:
        assert (await rig.told(stranger, aiocoap.GET, f"e/{LAMP}")).code == aiocoap.UNAUTHORIZED
        assert (await rig.told(stranger, aiocoap.PUT, f"e/{LAMP}", b"1")).code == aiocoap.UNAUTHORIZED
        assert (await rig.told(stranger, aiocoap.GET, "e/nothing")).code == aiocoap.UNAUTHORIZED
        assert rig.lamp.text == "0"
        assert (await rig.told(friend, aiocoap.GET, f"e/{LAMP}")).code == aiocoap.CONTENT


async def test_a_stranger_is_listed_where_to_register_and_no_more(rig: Rig) -> None:
    async with peer(host=ELSEWHERE) as stranger, peer() as friend:
        for who, listed in ((stranger, ["/rd"]), (friend, ["/rd", f"/e/{LAMP}"])):
            core = await rig.told(who, aiocoap.GET, ".well-known/core")
            assert [link.target for link in parse_links(core.payload.decode())] == listed


async def test_whoever_is_sent_away_hears_no_more_of_what_it_observed(rig: Rig) -> None:
    rig.members.add(ELSEWHERE)
    async with peer(host=ELSEWHERE) as device:
        asked = aiocoap.Message(code=aiocoap.GET, uri=f"{rig.url}/e/{LAMP}", observe=0)
        request = device.request(asked)
        async with asyncio.timeout(10):
            assert (await request.response).code == aiocoap.CONTENT
            rig.members.discard(ELSEWHERE)
            rig.lamp.become("1")
            async for told in request.observation:
                assert told.code == aiocoap.UNAUTHORIZED
                break


async def test_who_observes_what_is_not_there_is_told_so(rig: Rig) -> None:
    async with peer() as friend, asyncio.timeout(10):
        asked = aiocoap.Message(code=aiocoap.GET, uri=f"{rig.url}/e/nothing", observe=0)
        assert (await friend.request(asked).response).code == aiocoap.NOT_FOUND


async def test_an_observer_that_acknowledges_nothing_costs_a_bounded_piece_of_memory(rig: Rig) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as silent:
        silent.setblocking(False)
        silent.connect((HOME, rig.endpoint.port))
        accepted = 0
        for i in range(MAX_OBSERVATIONS_OF_ONE + 5):
            asked = aiocoap.Message(code=aiocoap.GET, observe=0)
            asked.opt.uri_path = ("e", LAMP)
            asked.mid, asked.mtype, asked.token = i, aiocoap.CON, i.to_bytes(2)
            silent.send(asked.encode())
            async with asyncio.timeout(10):
                answer = aiocoap.Message.decode(await asyncio.get_running_loop().sock_recv(silent, 2048))
            assert answer.code == aiocoap.CONTENT
            accepted += answer.opt.observe is not None
        assert accepted == MAX_OBSERVATIONS_OF_ONE

        manager = rig.endpoint.context.request_interfaces[-1].token_interface
        lit = False
        for _ in range(2 + (MAX_BEHIND + MAX_OBSERVATIONS_OF_ONE) // MAX_OBSERVATIONS_OF_ONE):
            lit = not lit
            rig.link.events.publish(Reading(EntityId(LAMP), lit, datetime.now(UTC)))
            await until(rig.registry, partial(_is, rig, lit))
            for _ in range(20):
                await asyncio.sleep(0)
        (behind,) = manager._backlogs.values()
        assert MAX_BEHIND <= len(behind) <= MAX_BEHIND + MAX_OBSERVATIONS_OF_ONE


def _is(rig: Rig, lit: bool) -> bool:
    return rig.registry.states[EntityId(LAMP)].value is lit


def test_the_newest_requests_are_remembered_and_the_oldest_forgotten() -> None:
    repeats = Repeats(2)
    for key in ("a", "b", "b", "c"):
        repeats[key] = key
    assert list(repeats) == ["b", "c"]
    assert repeats.pop("a") is None
    assert repeats.pop("b") == "b"


async def test_the_box_remembers_a_bounded_number_of_requests(rig: Rig) -> None:
    assert isinstance(rig.endpoint.context.request_interfaces[-1].token_interface._recent_messages, Repeats)


async def test_devices_of_the_home_are_known_by_where_they_registered(tmp_path: Path, serve: Serve) -> None:
    config = CoapConfig(port=0, devices=(StaticDevice(endpoint="cellar", url="coap://192.0.2.9"),))
    store = Store(tmp_path / "gateway.db", {"coap": coap_directory.MIGRATIONS})
    directory_row = ("id1", "ep1", "coap://[2001:db8::7]:61616", 60, "", "", "", 4e9)
    async with AsyncExitStack() as stack:
        endpoint = CoapEndpoint(config)
        link = CoapLink(config, endpoint, store)
        await stack.enter_async_context(serve(store))
        await store.write(
            lambda db: (
                db.execute(
                    "INSERT INTO coap_registration"
                    " (id, endpoint, base, lifetime_s, links, model, name, expires_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    directory_row,
                )
                and None
            )
        )
        for service in (endpoint, link):
            await stack.enter_async_context(serve(service))
        hosts = ("127.0.0.1", "::1", "192.0.2.9", "192.0.2.10", "2001:db8::7", "", "lan")
        assert [host for host in hosts if link.knows(host)] == ["127.0.0.1", "::1", "192.0.2.9"]
        await link.admission.decide("ep1", Verdict.ADMITTED)
        assert link.knows("2001:db8::7")
        await link.admission.decide("ep1", Verdict.REFUSED)
        assert not link.knows("2001:db8::7")
    assert CoapLink(CoapConfig(admission="open"), endpoint, store).knows("192.0.2.10")
