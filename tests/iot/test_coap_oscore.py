"""Secured CoAP: the box and a device that is not ours, which lose what they know in turn."""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import aiocoap
import pytest

from gateway.child import running
from gateway.iot import coap_directory, commands_table
from gateway.iot.coap_admission import Verdict
from gateway.iot.coap_endpoint import CoapConfig, HomeTuning, StaticDevice
from gateway.iot.coap_keys import BOX_ID, MAX_REFUSED_PER_S, Credentials
from gateway.iot.coap_observe import Interest, ask, observe
from gateway.iot.coap_server import CoapServer
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.entity import EntityId
from gateway.iot.link import LinkDownError
from gateway.iot.oscore import Header, Keys, Place, Secret, number_bytes, parse_header
from tests.conftest import Serve
from tests.iot.coap_box import Rig, box
from tests.iot.coap_peers import Value, peer
from tests.iot.conftest import until, value
from tests.iot.oscore_device import LINKS

ROOT = Path(__file__).parents[2]
TEMPERATURE, FAN = "coap.ep1.3303.0.5700", EntityId("coap.ep1.3306.0.5850")
REGISTER = ("POST", "rd?ep=ep1&lt=60", LINKS.decode(), 40)


class Device:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.location = ""
        self._process = process

    async def tell(self, *request: object) -> object:
        """Return what it answers to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(30):
            line = await self._process.stdout.readline()
        assert line, "the device died"
        return json.loads(line)

    async def ask(self, *request: object) -> tuple[str, str]:
        """Return code and payload of the box's answer."""
        answer = await self.tell("ask", *request)
        assert isinstance(answer, list)
        self.location = answer[2] or self.location
        return answer[0], answer[1]

    async def register(self) -> None:
        code, payload = await self.ask(*REGISTER)
        assert code.startswith("2.01"), (code, payload)


def install(folder: Path, given: Credentials) -> None:
    """Write credentials as the device keeps them."""
    folder.mkdir(exist_ok=True)
    settings = {
        "secret_hex": given.master_secret.hex(),
        "salt_hex": given.master_salt.hex(),
        "sender-id_hex": given.sender_id.hex(),
        "recipient-id_hex": given.recipient_id.hex(),
    }
    (folder / "settings.json").write_text(json.dumps(settings))


@asynccontextmanager
async def device(folder: Path, box_port: int) -> AsyncIterator[Device]:
    """A device with the credentials in `folder`, if there are some; it ends without saying so."""
    folder.mkdir(exist_ok=True)
    argv: Sequence[str | Path] = (
        sys.executable,
        "-m",
        "tests.iot.oscore_device",
        folder,
        str(box_port),
    )
    async with running(argv, cwd=ROOT, stdin=PIPE, stdout=PIPE) as process:
        yield Device(process)


async def test_a_device_registers_is_watched_and_commanded_sealed(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "Cellar")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            await ep1.register()
            # Nobody was asked: who made the credentials has answered already.
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            await ep1.tell("become", "temperature", "21.5")
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 21.5)
            assert await rig.link.command(FAN, value=True)
            await until(rig.registry, lambda: value(rig.registry, FAN) is True)
            assert await ep1.tell("value", "fan") == "1"
            assert await ep1.tell("unsealed") == 0
        assert not rig.keys.refused


async def test_after_a_restart_of_the_box_a_device_shows_that_it_is_there_now(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        port = rig.endpoint.port
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            await ep1.register()
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
    async with box(tmp_path, serve, CoapConfig(port=port, longest_pause_s=1)) as rig:
        # The device restarts, too: both have numbers in reserve that they lost.
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            await ep1.register()
            await ep1.tell("become", "temperature", "22")
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 22)
            assert await rig.link.command(FAN, value=True)
        assert not rig.keys.refused
    assert given.master_secret.hex() not in caplog.text


async def test_a_name_with_credentials_is_nobody_elses(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with box(tmp_path, serve) as rig, peer({"/3303/0/5700": Value("99")}) as stranger:
        _, given = await rig.keys.make("ep1", "")
        _, other = await rig.keys.make("ep2", "")
        install(tmp_path / "ep1", given)
        install(tmp_path / "ep2", other)
        url = f"coap://127.0.0.1:{rig.endpoint.port}"
        async with (
            device(tmp_path / "ep1", rig.endpoint.port) as ep1,
            device(tmp_path / "ep2", rig.endpoint.port) as ep2,
        ):
            await ep1.register()
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            location = ep1.location
            for _ in range(5):
                taken = await stranger.ask(aiocoap.POST, f"{url}/rd?ep=ep1", LINKS, content_format=40)
                assert taken.code == aiocoap.UNAUTHORIZED
            for code in (aiocoap.POST, aiocoap.DELETE):
                assert (await stranger.ask(code, f"{url}/{location}")).code == aiocoap.UNAUTHORIZED
            assert (await ep2.ask(*REGISTER))[0].startswith("4.01")
            assert (await ep2.ask("DELETE", location, "", None))[0].startswith("4.01")
            await ep1.tell("become", "temperature", "21")
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 21)
        assert rig.keys.refused.total() == 9
    said = [line for line in caplog.messages if "without the credentials" in line]
    assert len(said) == 1
    assert "ep1 at 127.0.0.1" in said[0]


async def test_credentials_taken_away_end_it_and_give_the_name_to_nobody(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig, peer({"/3303/0/5700": Value("99")}) as stranger:
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            await ep1.register()
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            await rig.keys.revoke("ep1")
            await until(rig.registry, lambda: not rig.registry.states)
            assert await ep1.ask(*REGISTER) == ("4.01 Unauthorized", "Security context not found")
            await stranger.register(rig.endpoint.port, "</3303/0/5700>", name="ep1")
            assert not rig.link.admission.admits("ep1")


async def test_who_was_known_by_name_alone_must_come_back_with_the_credentials(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig, device(tmp_path / "bare", rig.endpoint.port) as bare:
        await bare.register()
        async with asyncio.timeout(10):
            with rig.link.admission.changes.subscribe() as changes:
                while not rig.link.admission.waiting:
                    await anext(changes)
        await rig.link.admission.decide("ep1", Verdict.ADMITTED)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
        await rig.keys.make("ep1", "")
        await until(rig.registry, lambda: not rig.registry.states)
        assert (await bare.ask(*REGISTER))[0].startswith("4.01")


async def test_a_refused_device_stays_out_with_its_credentials(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig, device(tmp_path / "ep1", rig.endpoint.port) as bare:
        await bare.register()
        async with asyncio.timeout(10):
            with rig.link.admission.changes.subscribe() as changes:
                while not rig.link.admission.waiting:
                    await anext(changes)
        await rig.link.admission.decide("ep1", Verdict.REFUSED)
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            assert (await ep1.ask(*REGISTER))[0].startswith("4.03")


async def test_with_oscore_demanded_nobody_else_is_spoken_with(tmp_path: Path, serve: Serve) -> None:
    async with peer({"/3303/0/5700": Value("5")}) as bare:
        config = CoapConfig(
            port=0,
            security="oscore",
            admission="open",
            admitted=("lamp",),
            devices=(StaticDevice(endpoint="cellar", url=bare.url),),
        )
        async with box(tmp_path, serve, config) as rig:
            url = f"coap://127.0.0.1:{rig.endpoint.port}/rd?ep="
            for name in ("lamp", "ep9", "cellar"):
                assert (await bare.ask(aiocoap.POST, url + name)).code == aiocoap.UNAUTHORIZED
            assert not rig.link.admission.admits("cellar")
            assert not rig.link.knows("192.0.2.10")
            _, given = await rig.keys.make("ep1", "")
            install(tmp_path / "ep1", given)
            async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
                await ep1.register()
                await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            assert {str(each) for each in rig.registry.states} == {TEMPERATURE, str(FAN)}


async def test_a_device_that_does_not_register_is_read_sealed(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        port = rig.endpoint.port
    install(tmp_path / "ep1", given)
    async with device(tmp_path / "ep1", port) as ep1:
        cellar = StaticDevice(endpoint="ep1", url=str(await ep1.tell("url")))
        async with box(tmp_path, serve, CoapConfig(port=port, devices=(cellar,))) as rig:
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            assert await rig.link.command(FAN, value=True)
        assert (await ep1.tell("value", "fan"), await ep1.tell("unsealed")) == ("1", 0)


async def test_a_device_that_forgot_its_numbers_is_refused_and_named(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            await ep1.register()
        (tmp_path / "ep1/sequence.json").unlink()
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            assert await ep1.ask(*REGISTER) == ("4.01 Unauthorized", "Replay detected")
        assert rig.keys.refused == {"ep1 used a number again": 1}
    assert "ep1 used a number again" in caplog.text


async def test_a_device_sees_and_orders_the_home_sealed(tmp_path: Path, serve: Serve) -> None:
    migrations = {"coap": coap_directory.MIGRATIONS, "commands": commands_table.MIGRATIONS}
    async with box(tmp_path, serve, migrations=migrations) as rig:
        orders = Commands(rig.store, rig.registry, [rig.link], CommandsConfig(deadline_s=5))
        server = CoapServer(rig.endpoint, rig.registry, orders, lambda who: who == "@ep2")
        async with serve(orders), serve(server):
            for name in ("ep1", "ep2", "ep3"):
                install(tmp_path / name, (await rig.keys.make(name, ""))[1])
            port = rig.endpoint.port
            async with (
                device(tmp_path / "ep1", port) as lamp,
                device(tmp_path / "ep2", port) as panel,
                device(tmp_path / "ep3", port) as other,
            ):
                await lamp.register()
                await until(rig.registry, lambda: value(rig.registry, FAN) is False)
                path = f"e/{FAN}"
                watching = asyncio.create_task(panel.tell("observe", path, 3))
                await rig.link.command(FAN, value=True)
                await until(rig.registry, lambda: value(rig.registry, FAN) is True)
                while not watching.done():
                    await rig.link.command(FAN, value=value(rig.registry, FAN) is not True)
                texts = await watching
                assert isinstance(texts, list)
                assert len(texts) == 3
                assert all(text.startswith("[") for text in texts)
                assert await panel.ask("PUT", path, "0", 0) == ("2.04 Changed", "")
                assert (await panel.ask("GET", path, "", None))[0].startswith("2.05")
                assert (await other.ask("GET", path, "", None))[0].startswith("4.01")


async def test_a_device_with_credentials_that_has_left_is_told_nothing_in_plain(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            url = await ep1.tell("url")

            def order() -> aiocoap.Message:
                return aiocoap.Message(code=aiocoap.PUT, uri=f"{url}/3306/0/5850", payload=b"1")

            await ep1.register()
            await until(rig.registry, lambda: value(rig.registry, FAN) is False)
            assert (await ask(rig.endpoint.context, order(), 10)).code == aiocoap.CHANGED
            assert (await ep1.ask("DELETE", ep1.location, "", None))[0].startswith("2.02")
            await until(rig.registry, lambda: not rig.registry.states)
            # Whoever began to speak with it before, as an update of its firmware, goes on with this address.
            with pytest.raises(LinkDownError, match="no device is known"):
                await ask(rig.endpoint.context, order(), 10)
            interest = Interest(
                url=f"{url}/3306/0/5850", accept=None, timeout_s=10, margin_s=1, tuning=HomeTuning()
            )
            with pytest.raises(LinkDownError, match="no device is known"):
                await anext(observe(rig.endpoint.context, interest))
            assert await ep1.tell("unsealed") == 0


async def test_a_body_of_many_blocks_comes_sealed(tmp_path: Path, serve: Serve) -> None:
    links = ",".join(f'</3303/{i}/5700>;title="{"x" * 40}"' for i in range(60))
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        install(tmp_path / "ep1", given)
        async with device(tmp_path / "ep1", rig.endpoint.port) as ep1:
            code, _ = await ep1.ask("POST", "rd?ep=ep1", links, 40)
            assert code.startswith("2.01")
            await until(rig.registry, lambda: len(rig.registry.states) == 60)
        assert not rig.keys.refused


async def test_a_device_with_credentials_is_not_known_by_its_address(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig:
        row = ("id1", "ep1", "coap://192.0.2.7", 60, "", "", "", 4e9, "", 0)
        sql = "INSERT INTO coap_registration VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        await rig.store.write(lambda db: db.execute(sql, row).rowcount)
        await rig.keys.make("ep1", "")
    async with box(tmp_path, serve) as rig:
        assert [who for who in ("192.0.2.7", "@ep1", "@ep2") if rig.link.knows(who)] == ["@ep1"]


class Wire:
    """Bare datagrams, as whoever is in the network can send them."""

    def __init__(self, box_port: int, given: Credentials) -> None:
        self._box = ("127.0.0.1", box_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._keys = Keys(
            Secret(
                master_secret=given.master_secret,
                master_salt=given.master_salt,
                sender_id=given.sender_id,
                recipient_id=BOX_ID,
            )
        )
        self._mid = 0

    def sealed(self, number: int, inside: bytes, option: bytes | None = None) -> aiocoap.Message:
        """Return a request of the device."""
        place = Place(self._keys.sender_id, number_bytes(number))
        header = Header(number=place.number, kid=place.kid).encode()
        message = aiocoap.Message(code=aiocoap.POST, oscore=header if option is None else option)
        message.payload = self._keys.seal(inside, place, place)
        return message

    def send(self, message: aiocoap.Message) -> None:
        self._mid += 1
        message.mtype, message.mid, message.token = aiocoap.CON, self._mid, self._mid.to_bytes(2)
        self._socket.sendto(message.encode(), self._box)

    async def told(self, message: aiocoap.Message) -> aiocoap.Message:
        """Return the answer to `message`; those to others are passed over."""
        self.send(message)
        async with asyncio.timeout(20):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 2000)
                answer = aiocoap.Message.decode(data)
                if answer.token == self._mid.to_bytes(2):
                    return answer

    async def asked(self) -> aiocoap.Message:
        """Return the first request of the box, acknowledged."""
        async with asyncio.timeout(20):
            while True:
                message = aiocoap.Message.decode(
                    await asyncio.get_running_loop().sock_recv(self._socket, 2000)
                )
                if message.code.is_request():
                    acknowledged = aiocoap.Message(code=aiocoap.EMPTY)
                    acknowledged.mtype, acknowledged.mid = aiocoap.ACK, message.mid
                    self._socket.sendto(acknowledged.encode(), self._box)
                    return message

    def report(self, request: aiocoap.Message, number: int, text: str) -> aiocoap.Message:
        """Return an answer to an observation."""
        header = parse_header(request.opt.oscore)
        assert header.kid == BOX_ID
        nonce = Place(self._keys.sender_id, number_bytes(number))
        inside = bytes([aiocoap.CONTENT]) + b"\x60\x60\xff" + text.encode()
        message = aiocoap.Message(code=aiocoap.CONTENT, observe=number)
        message.opt.oscore = Header(number=nonce.number).encode()
        message.payload = self._keys.seal(inside, nonce, Place(BOX_ID, header.number))
        return message

    def send_as(self, token: bytes, message: aiocoap.Message) -> None:
        self._mid += 1
        message.mtype, message.mid, message.token = aiocoap.NON, self._mid, token
        self._socket.sendto(message.encode(), self._box)

    def answers(self) -> int:
        """Return how many messages with an answer in them have come and were not looked at."""
        count = 0
        while True:
            try:
                count += aiocoap.Message.decode(self._socket.recv(2000)).code.is_response()
            except BlockingIOError:
                return count

    def close(self) -> None:
        self._socket.close()


GET_HOME = bytes([aiocoap.GET]) + b"\xbb.well-known\x04core"


@asynccontextmanager
async def wire(rig: Rig, given: Credentials) -> AsyncIterator[Wire]:
    with contextlib.closing(Wire(rig.endpoint.port, given)) as open_wire:
        yield open_wire


async def test_a_message_sent_again_does_nothing(tmp_path: Path, serve: Serve) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        register = bytes([aiocoap.POST]) + b"\xb2rd\x46ep=ep1" + b"\xff" + b"</3303/0/5700>"
        async with wire(rig, given) as device_, wire(rig, given) as thief:
            recorded = device_.sealed(0, register)
            assert (await device_.told(recorded)).code == aiocoap.CHANGED
            again = aiocoap.Message(code=aiocoap.POST, oscore=recorded.opt.oscore, payload=recorded.payload)
            answer = await thief.told(again)
            assert (answer.code, answer.payload) == (aiocoap.UNAUTHORIZED, b"Replay detected")


async def test_after_a_restart_an_old_message_is_asked_about_and_never_done(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
    async with box(tmp_path, serve) as rig, wire(rig, given) as thief:
        old = thief.sealed(3, bytes([aiocoap.POST]) + b"\xb2rd\x46ep=ep1" + b"\xff" + b"</3303/0/5700>")
        challenge = await thief.told(old)
        # It carries a number of the box's own: the nonce of an old request may have been used.
        assert challenge.opt.oscore[0] & 0x07
        challenges = 1
        for _ in range(200):
            again = aiocoap.Message(code=aiocoap.POST, oscore=old.opt.oscore, payload=old.payload)
            answer = await thief.told(again)
            challenges += answer.opt.oscore is not None
        reserved = await rig.store.read(lambda db: db.execute("SELECT reserved FROM coap_key").fetchone()[0])
        first = int.from_bytes(challenge.opt.oscore[1 : 1 + (challenge.opt.oscore[0] & 0x07)])
        assert (rig.registry.states, reserved - first <= 64) == ({}, challenges <= 64)
        assert challenges < 100


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (b"", aiocoap.UNAUTHORIZED),
        (b"\x09", aiocoap.BAD_REQUEST),
        (b"\x19\x01\x40", aiocoap.BAD_REQUEST),
        (b"\x0f\x01", aiocoap.BAD_REQUEST),
        (b"\xff" * 40, aiocoap.BAD_REQUEST),
        (b"\x09\x01unknown", aiocoap.UNAUTHORIZED),
    ],
)
async def test_an_option_that_is_cut_short_or_unknown_is_refused(
    tmp_path: Path, serve: Serve, option: bytes, code: aiocoap.Code
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        async with wire(rig, given) as stranger:
            assert (await stranger.told(stranger.sealed(1, GET_HOME, option))).code == code
            assert (await stranger.told(stranger.sealed(2, GET_HOME))).code == aiocoap.CHANGED
        assert rig.keys.refused.total() == 1


@pytest.mark.parametrize("inside", [b"", b"\x45", b"\x01\xd0", b"\xe1" * 30, b"\x01\xb2rd\xff"])
async def test_nonsense_sealed_by_a_device_of_ours_hurts_nobody(
    tmp_path: Path, serve: Serve, inside: bytes
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        async with wire(rig, given) as device_:
            assert (await device_.told(device_.sealed(1, inside))).opt.oscore in (None, b"")
            assert (await device_.told(device_.sealed(2, GET_HOME))).code == aiocoap.CHANGED


async def test_a_flood_that_cannot_be_opened_costs_little_and_fills_no_log(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        forged = replace(given, master_secret=bytes(16))
        async with wire(rig, forged) as stranger, wire(rig, given) as device_:
            answer = await stranger.told(stranger.sealed(0, GET_HOME))
            assert answer.code == aiocoap.BAD_REQUEST
            for burst in range(40):
                for number in range(MAX_REFUSED_PER_S):
                    stranger.send(stranger.sealed(number, GET_HOME))
                assert (await device_.told(device_.sealed(burst, GET_HOME))).code == aiocoap.CHANGED
            answered = stranger.answers()
        # The kernel's buffer holds less than a burst, perhaps; what it holds is refused, mostly in silence.
        refused = rig.keys.refused.total()
        assert refused > 10 * MAX_REFUSED_PER_S
        assert answered < refused / 2
        assert rig.keys.refused.keys() == {"a sealed message that cannot be opened"}
    assert len([line for line in caplog.messages if "cannot be opened" in line]) == 1


async def test_a_report_that_is_repeated_overtaken_or_not_sealed_is_no_report(
    tmp_path: Path, serve: Serve
) -> None:
    async with box(tmp_path, serve) as rig:
        _, given = await rig.keys.make("ep1", "")
        async with wire(rig, given) as device_:
            register = bytes([aiocoap.POST]) + b"\xb2rd\x46ep=ep1" + b"\xff" + b"</3303/0/5700>;obs"
            assert (await device_.told(device_.sealed(0, register))).code == aiocoap.CHANGED
            request = await device_.asked()
            fresh = {number: device_.report(request, number, str(20 + number)) for number in (5, 6, 7)}
            device_.send_as(request.token, fresh[5])
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 25)
            device_.send_as(request.token, fresh[7])
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 27)
            with rig.registry.changes.subscribe() as changes:
                device_.send_as(request.token, fresh[5])
                device_.send_as(request.token, fresh[6])
                bare = aiocoap.Message(code=aiocoap.CONTENT, observe=900, payload=b"99")
                device_.send_as(request.token, bare)
                device_.send_as(request.token, device_.report(request, 8, "28"))
                await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 28)
                change = await anext(changes)
                assert change.after is not None
                assert change.after.value == 28
        assert rig.keys.refused == {
            "ep1 notified out of order": 2,
            "ep1 answered what cannot be opened": 1,
        }
