"""The broker's listener for the house, tried with mosquitto's own clients."""

import asyncio
import socket
import ssl
import stat
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.broker import BrokerConfig, ManagedBroker
from gateway.broker_accounts import hashed
from gateway.broker_certificate import VALID, Certificate, certificate
from gateway.child import running
from gateway.mqtt import BrokerAddress, Message
from gateway.mqtt_client import MqttClient
from gateway.schema import SchemaError, decode
from tests.conftest import Serve

LAMP, DOOR = "lamp-secret", "door-secret"


@pytest.fixture
async def broker(serve: Serve, tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    managed = ManagedBroker(
        BrokerConfig(port=0, tls_port=0, tls_host="127.0.0.1"), tmp_path / "broker", box="box-7"
    )
    await managed.let_in({"lamp": hashed(LAMP), "door": hashed(DOOR)})
    async with serve(managed):
        yield managed


@pytest.fixture
def ca(broker: ManagedBroker, tmp_path: Path) -> Path:
    assert broker.certificate is not None
    file = tmp_path / "ca.crt"
    file.write_text(broker.certificate.ca_pem)
    return file


async def mosquitto(
    program: str,
    broker: ManagedBroker,
    *options: str | Path,
    login: tuple[str, str] | None = ("lamp", LAMP),
    host: str = "127.0.0.1",
) -> tuple[int | None, str]:
    """Run one of mosquitto's clients; return its exit code and what it wrote."""
    named = ("-u", login[0], "-P", login[1]) if login else ()
    argv = ["-h", host, "-p", str(broker.tls_port), *named, *map(str, options)]
    process = await asyncio.create_subprocess_exec(
        f"mosquitto_{program}", *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(15):
        told, _ = await process.communicate()
    return process.returncode, told.decode()


async def test_a_device_of_the_house_talks_to_the_box_over_tls(
    broker: ManagedBroker, ca: Path, serve: Serve
) -> None:
    ours = MqttClient(BrokerAddress.parse(broker.url()), "gateway-test")
    async with serve(ours), asyncio.timeout(15):
        with ours.subscribe("#") as heard:
            await ours.publish(Message("lamp/set", b"ON", retain=True))
            assert (await anext(heard)).payload == b"ON"
            told = await mosquitto("pub", broker, "--cafile", ca, "-t", "lamp/state", "-m", "ON", "-q", "1")
            assert told == (0, "")
            assert (await anext(heard)).topic == "lamp/state"
    seen = await mosquitto("sub", broker, "--cafile", ca, "-t", "lamp/set", "-C", "1", "-W", "5")
    assert seen == (0, "ON\n")


async def test_it_sees_and_says_nothing_of_another(broker: ManagedBroker, ca: Path, serve: Serve) -> None:
    ours = MqttClient(BrokerAddress.parse(broker.url()), "gateway-test")
    async with serve(ours), asyncio.timeout(30):
        with ours.subscribe("#") as heard:
            await ours.publish(Message("door/state", b"open", retain=True))
            assert (await anext(heard)).topic == "door/state"
            for topic in ("door/state", "gateway/box-7/status", "homeassistant/light/door/config"):
                await mosquitto(
                    "pub", broker, "--cafile", ca, "-t", topic, "-m", "a lie", "-q", "1", "-V", "mqttv311"
                )
            await ours.publish(Message("gateway/end", b""))
            assert (await anext(heard)).topic == "gateway/end"
    code, seen = await mosquitto(
        "sub", broker, "--cafile", ca, "-t", "#", "-t", "door/#", "-W", "1", "-V", "mqttv311"
    )
    assert (code, "open" in seen) == (27, False)


async def test_it_cannot_take_the_session_of_another(broker: ManagedBroker, ca: Path, serve: Serve) -> None:
    retained = ("-t", "lamp/set", "-m", "ON", "-r", "-q", "1")
    assert await mosquitto("pub", broker, "--cafile", ca, *retained) == (0, "")
    ours = MqttClient(BrokerAddress.parse(broker.url()), "gateway-test")
    async with listening(broker, ca, "-i", "the-lamp") as lamp, serve(ours), asyncio.timeout(15):
        assert lamp.stdout is not None
        assert await lamp.stdout.readline() == b"ON\n"
        thief = ("-i", "the-lamp", "-t", "door/x", "-m", "x", "-q", "1")
        assert await mosquitto("pub", broker, "--cafile", ca, *thief, login=("door", DOOR)) == (0, "")
        await ours.publish(Message("lamp/set", b"OFF"))
        # Had it been sent away and come back, it would hear again what is retained.
        assert await lamp.stdout.readline() == b"OFF\n"


@pytest.mark.parametrize("login", [None, ("lamp", "wrong"), ("nobody", LAMP), ("door", LAMP)], ids=str)
async def test_without_name_and_secret_nobody_gets_in(
    broker: ManagedBroker, ca: Path, login: tuple[str, str] | None
) -> None:
    code, told = await mosquitto("pub", broker, "--cafile", ca, "-t", "lamp/x", "-m", "x", login=login)
    assert code == 5, told


async def test_a_device_with_another_authority_says_nothing(broker: ManagedBroker, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(certificate(tmp_path / "other", "box-8").ca_pem)
    code, told = await mosquitto("pub", broker, "--cafile", other, "-t", "lamp/x", "-m", "x")
    # Depending on who hangs up first it says that it lost the connection, or that TLS failed.
    assert code != 0, told


async def test_nobody_is_answered_without_tls(broker: ManagedBroker) -> None:
    code, _ = await mosquitto("pub", broker, "-t", "lamp/x", "-m", "x")
    assert code != 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "good"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
    ids=str,
)
async def test_only_present_day_tls_is_spoken(
    broker: ManagedBroker, ca: Path, version: ssl.TLSVersion, good: bool
) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", broker.tls_port, ssl=context, server_hostname="gateway.local"
            )
        writer.close()
        spoken = True
    except (ssl.SSLError, OSError):
        spoken = False
    assert spoken is good


async def test_a_device_that_was_sent_away_is_disconnected_over_tls_too(
    broker: ManagedBroker, ca: Path
) -> None:
    retained = ("-t", "lamp/set", "-m", "ON", "-r", "-q", "1")
    assert await mosquitto("pub", broker, "--cafile", ca, *retained) == (0, "")
    async with listening(broker, ca) as lamp, asyncio.timeout(15):
        assert lamp.stdout is not None
        assert await lamp.stdout.readline() == b"ON\n"

        await broker.let_in({"door": hashed(DOOR)})

        # Disconnected, it tries to come back and is refused.
        assert await lamp.wait() == 5


@asynccontextmanager
async def listening(broker: ManagedBroker, ca: Path, *options: str) -> AsyncIterator[Process]:
    """The lamp as a mosquitto_sub that tells what it hears."""
    argv: list[str | Path] = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.tls_port), "--cafile", ca]
    argv += ["-u", "lamp", "-P", LAMP, "-t", "lamp/#", *options]
    async with running(argv, stdout=PIPE, stderr=DEVNULL) as process:
        yield process


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_by_default_it_listens_by_ipv4_and_ipv6_and_plain_mqtt_stays_inside(
    tmp_path: Path, serve: Serve
) -> None:
    managed = ManagedBroker(BrokerConfig(port=0, tls_port=0), tmp_path / "broker")
    await managed.let_in({"lamp": hashed(LAMP)})
    async with serve(managed):
        assert managed.certificate is not None
        file = tmp_path / "ca.crt"
        file.write_text(managed.certificate.ca_pem)
        for host in ("127.0.0.1", "::1"):
            message = ("-t", "lamp/state", "-m", "ON", "-q", "1")
            assert await mosquitto("pub", managed, "--cafile", file, *message, host=host) == (0, "")
        listening = await _listening()
    assert listening[str(managed.port)] == {"127.0.0.1"}


async def _listening() -> dict[str, set[str]]:
    process = await asyncio.create_subprocess_exec("ss", "-Htln", stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    found: dict[str, set[str]] = {}
    for line in told.decode().splitlines():
        host, _, port = line.split()[3].rpartition(":")
        found.setdefault(port, set()).add(host)
    return found


async def test_a_taken_port_costs_the_house_and_not_the_box(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        managed = ManagedBroker(
            BrokerConfig(port=0, tls_port=taken, tls_host="127.0.0.1"), tmp_path / "broker"
        )
        async with serve(managed):
            assert (managed.tls_port, managed.certificate) == (None, None)
            assert managed.pid is not None
    assert f"port {taken}" in caplog.text


async def test_switched_off_there_is_no_listener_and_no_certificate(tmp_path: Path, serve: Serve) -> None:
    managed = ManagedBroker(BrokerConfig(port=0, tls=False), tmp_path / "broker")
    async with serve(managed):
        assert managed.tls_port is None
    assert not (tmp_path / "broker/tls").exists()


def shown(found: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(found.file.read_bytes())


def test_a_certificate_is_kept_for_its_owner_and_stays_the_same(tmp_path: Path) -> None:
    first = certificate(tmp_path / "tls", "box-7")
    before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}

    again = certificate(tmp_path / "tls", "box-7")

    assert again == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()} == {0o600}
    assert "PRIVATE" not in first.ca_pem
    names = shown(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"box-7", "gateway.local"} <= set(names.get_values_for_type(x509.DNSName))


def test_a_box_with_another_name_gets_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    first = certificate(tmp_path / "tls", "box-7")
    serial = shown(first).serial_number
    other = certificate(tmp_path / "tls", "box-8")
    assert other.ca_sha256 == first.ca_sha256
    assert shown(other).serial_number != serial


def test_it_is_renewed_before_it_ends(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = certificate(tmp_path / "tls", "box-7", now=now)
    later = certificate(tmp_path / "tls", "box-7", now=now + VALID - timedelta(days=200))
    assert later.ca_sha256 != first.ca_sha256
    assert shown(later).not_valid_after_utc > now + VALID


@pytest.mark.parametrize("name", ["ca.pem", "server.pem"])
@pytest.mark.parametrize("damage", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA"], ids=["empty", "half"])
def test_a_damaged_one_is_made_anew(tmp_path: Path, name: str, damage: bytes) -> None:
    certificate(tmp_path / "tls", "box-7")
    (tmp_path / "tls" / name).write_bytes(damage)
    mended = certificate(tmp_path / "tls", "box-7")
    authority = x509.load_pem_x509_certificate(mended.ca_pem.encode())
    shown(mended).verify_directly_issued_by(authority)


def test_a_box_that_thinks_it_is_1970_makes_one_that_holds(tmp_path: Path) -> None:
    found = certificate(tmp_path / "tls", "box-7", now=datetime(1970, 1, 1, tzinfo=UTC))
    assert shown(found).not_valid_after_utc > datetime(2035, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"tls_port": 70000}, "broker.tls_port: 70000 is outside"),
        ({"port": 1883, "tls_port": 1883}, "broker.tls_port: 1883 is broker.port, too"),
        ({"tls_host": "lan"}, "broker.tls_host: lan is not an IP address"),
    ],
)
def test_a_wrong_section_is_named_by_its_path(section: dict[str, object], problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        decode(section, BrokerConfig, at="broker")
    assert str(refused.value).startswith(problem)
