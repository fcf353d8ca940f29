"""The broker on the box: mosquitto as a child, with an account per device.

One rule: nobody speaks without a name.  Each account reaches its own topics
and nothing else, and no secret is in an argument list, a log or the
configuration that mosquitto reads.

What mosquitto reads is written anew at each start, so a power cut between the
list of accounts and these files mends itself.  While it runs it is told of a
change by SIGHUP: mosquitto 2.0 then reads the password and ACL files and
disconnects whoever could not log in any more.

The broker runs as whoever the daemon runs as: a change of user would make the
kernel forget to end it with the daemon (see `gateway.child`).

When mosquitto dies, `ManagedBroker.run` raises and whoever supervises runs it
again; it comes back on the same port with the same accounts.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from gateway.broker_accounts import (
    GATEWAY,
    MAX_DEVICES,
    PROBE,
    acl_file,
    hashed,
    is_device_name,
    password_file,
)
from gateway.broker_certificate import Certificate, certificate
from gateway.broker_login import HOST, accepts_login
from gateway.child import running
from gateway.disk import replace_private_file
from gateway.errors import BadInputError, GatewayError, ungrouped
from gateway.mqtt import BrokerAddress
from gateway.schema import FieldError

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0
RELOAD_TIMEOUT_S = 5.0
SEARCH_PATH = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
"""Debian keeps mosquitto where a user's PATH does not look."""

_SECRET_BYTES = 24
_LOGIN_PAUSE_S = 0.02
_EXPECTED = "should not be run as root"
"""Mosquitto's warning about what is explained above."""
_LEVELS = {"Error": logging.ERROR, "Warning": logging.WARNING}

_CONFIGURATION = """\
per_listener_settings false
listener {port} {host}
socket_domain ipv4
max_connections 600
{tls}user {user}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
persistence true
persistence_location {folder}/data/
autosave_interval 300
set_tcp_nodelay true
allow_duplicate_messages false
message_size_limit 1048576
max_packet_size 1114112
max_inflight_messages 100
max_queued_messages 100000
max_queued_bytes 67108864
persistent_client_expiration 7d
sys_interval 0
log_dest stderr
log_timestamp false
log_type error
log_type warning
log_type notice
"""

_TLS = """\
listener {port}{host}
max_connections 600
use_username_as_clientid true
certfile {certificate}
keyfile {certificate}
tls_version tlsv1.2
"""
"""From this version of TLS on; by default mosquitto listens by IPv4 and IPv6.

Whoever takes another's client id takes its session (MQTT 3.1.1, section 3.1.4): here it is the account's
name, whatever a device says.
"""


class BrokerMissingError(GatewayError):
    """There is no mosquitto on this machine."""

    code: ClassVar[str] = "IOT-102"
    hint = "Install it: sudo apt install mosquitto."


class BrokerPortError(GatewayError):
    """Another program holds the broker's port."""

    code: ClassVar[str] = "IOT-103"
    hint = (
        "If it is Debian's own broker: sudo systemctl disable --now mosquitto. Or choose another broker.port."
    )


class BrokerDownError(GatewayError):
    """Mosquitto did not start, or ended by itself."""

    code: ClassVar[str] = "IOT-104"
    hint = "The log lines of gateway.broker above say why."


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerConfig:
    """The ``broker`` section.

    Attributes:
        mode: ``managed`` runs mosquitto here; ``external`` uses the one at `url`.
        url: Of an external broker, ``mqtt://user:password@host:port``.
        port: Of the managed broker, for the box itself; 0 takes a free one.
        tls: Whether it listens for devices of the house, too, encrypted.
        tls_port: Where; 0 takes a free one.
        tls_host: Address to listen on; empty for every one, IPv4 and IPv6.
        devices: Accounts of the managed broker besides our own.
    """

    mode: Literal["managed", "external"] = "managed"
    url: str = ""
    port: int = 1883
    tls: bool = True
    tls_port: int = 8883
    tls_host: str = ""
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode == "external":
            try:
                BrokerAddress.parse(self.url)
            except BadInputError as error:
                raise FieldError("url", str(error)) from error
        self._check_listeners()
        if len(self.devices) > MAX_DEVICES:
            raise FieldError("devices", f"has more than {MAX_DEVICES} accounts")
        for i, name in enumerate(self.devices):
            if not is_device_name(name):
                raise FieldError(f"devices[{i}]", "is not a free name of small letters, digits, - and _")
            if name in self.devices[:i]:
                raise FieldError(f"devices[{i}]", f"{name} is there twice")

    def _check_listeners(self) -> None:
        for name in ("port", "tls_port"):
            if not 0 <= getattr(self, name) <= 65_535:  # noqa: PLR2004 - the largest port there is
                raise FieldError(name, f"{getattr(self, name)} is outside 0..65535")
        if self.tls and self.port == self.tls_port != 0:
            raise FieldError("tls_port", f"{self.tls_port} is broker.port, too")
        if self.tls_host and not _is_address(self.tls_host):
            raise FieldError("tls_host", f"{self.tls_host} is not an IP address")


class ManagedBroker:
    """Runs mosquitto; a service, ready when it accepts our login.

    Attributes:
        port: Where it listens; chosen at the first start when the configuration says 0.
        tls_port: Where it listens for the house; `None` if it does not.
        tls_host: The one address on which it does; empty for every one.
        certificate: What it presents there; `None` before the first start, or if it does not.
    """

    def __init__(
        self, config: BrokerConfig, folder: Path, *, box: str = "box-1", search_path: str | None = None
    ) -> None:
        """Describe a broker; nothing is written or started before `run`.

        Args:
            config: The ``broker`` section.
            folder: Ours alone, made with mode 0700: accounts, rights and kept messages.
            box: The box's own name.
            search_path: Where to look for mosquitto; `None` means PATH and Debian's place.
        """
        self.port = config.port
        self.tls_port: int | None = None
        self.certificate: Certificate | None = None
        self.tls_host = config.tls_host
        self._tls_wanted = config.tls_port if config.tls else None
        self._box = box
        self._process: Process | None = None
        self._is_up = False
        self._is_stale = False
        self._writing = asyncio.Lock()
        self._admitted: Mapping[str, str] = {}
        self._devices = config.devices
        self._folder = folder.absolute()
        self._search_path = (
            search_path if search_path is not None else f"{os.environ.get('PATH', '')}:{SEARCH_PATH}"
        )
        self._secrets: dict[str, str] = {}
        self._probe = ""

    def url(self, account: str = GATEWAY) -> str:
        """Return the address with the credentials of `account`, for its owner only.

        Raises:
            BrokerDownError: there is no such account, or the broker has not started yet.
        """
        if account not in self._secrets:
            raise BrokerDownError(f"the broker has no account {account} yet")
        return f"mqtt://{account}:{self._secrets[account]}@{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the running broker; `None` when it does not run."""
        return self._process.pid if self._process else None

    async def let_in(self, hashes: Mapping[str, str]) -> None:
        """Let in exactly these devices, besides those of the configuration.

        When this returns they can log in, and who is no longer among them is out: disconnected,
        and refused.  Before the broker runs it is remembered for its start.

        Args:
            hashes: By name; see `gateway.broker_accounts.hashed`.
        """
        async with self._writing:
            self._admitted = dict(hashes)
            if self._is_up:
                try:
                    await asyncio.to_thread(self._write_accounts)
                except OSError as error:
                    self._is_stale = True
                    raise BrokerDownError(f"the accounts cannot be written: {error.strerror}") from error
                await self._reload()
            else:
                self._is_stale = True

    async def run(self, ready: Callable[[], None]) -> None:
        """Run mosquitto until cancelled.

        Raises:
            BrokerMissingError: it is not installed.
            BrokerPortError: its port is taken.
            BrokerDownError: it did not start, or ended by itself.
        """
        program = self._find("mosquitto")
        self.port = _free_port(HOST, self.port)
        await self._prepare()
        argv = [program, "-c", str(self._folder / "mosquitto.conf")]
        async with running(argv, cwd=self._folder, stdout=DEVNULL, stderr=PIPE) as process:
            self._process = process
            try:
                code = await self._serve(process, ready)
            finally:
                self._process, self._is_up = None, False
        raise BrokerDownError(f"mosquitto ended by itself with code {code}")

    async def _serve(self, process: Process, ready: Callable[[], None]) -> int:
        with ungrouped():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(process.stderr), name="broker-log")
                login = tasks.create_task(self._announce(ready), name="broker-login")
                code = await process.wait()
                login.cancel()
        return code

    async def _announce(self, ready: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await accepts_login(self.port, GATEWAY, self._secrets[GATEWAY]):  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(_LOGIN_PAUSE_S)
        except TimeoutError:
            raise BrokerDownError(f"mosquitto accepts no login on port {self.port}") from None
        async with self._writing:
            # Before it listens a SIGHUP would end it, so who came meanwhile is told of only now.
            if self._is_stale:
                await asyncio.to_thread(self._write_accounts)
                await self._reload()
            self._is_up = True
        count = len(self._secrets.keys() | self._admitted.keys()) - 1
        log.info("The broker listens on %s:%d for %d devices", HOST, self.port, count)
        ready()

    async def _reload(self) -> None:
        """Make mosquitto read the accounts, or end it: `run`'s next start reads them in any case."""
        self._is_stale = False
        process, probe = self._process, self._probe
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT_S):
                # If it has ended meanwhile, its next start reads them.
                while process.returncode is None:
                    if await accepts_login(self.port, PROBE, probe):
                        break
                    await asyncio.sleep(_LOGIN_PAUSE_S)
        except TimeoutError:
            log.warning("mosquitto does not read its new accounts and is started anew")
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _find(self, program: str) -> str:
        found = shutil.which(program, path=self._search_path)
        if found is None:
            raise BrokerMissingError(f"the program {program} is not installed")
        return found

    async def _prepare(self) -> None:
        """Write everything that mosquitto reads at its start."""
        for folder in (self._folder, self._folder / "data", self._folder / "accounts"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
        names = (GATEWAY, *self._devices)
        self._secrets = {name: _secret(self._folder / "accounts" / name) for name in names}
        async with self._writing:
            self._is_stale = False
            await asyncio.to_thread(self._write_accounts)
        user = pwd.getpwuid(os.geteuid()).pw_name
        tls = await asyncio.to_thread(self._tls_listener)
        text = _CONFIGURATION.format(port=self.port, host=HOST, user=user, folder=self._folder, tls=tls)
        replace_private_file(self._folder / "mosquitto.conf", text.encode())

    def _tls_listener(self) -> str:
        """Return the lines for the house's listener; none if it is not wanted, or cannot be had."""
        self.tls_port, self.certificate = None, None
        if self._tls_wanted is None:
            return ""
        try:
            self.tls_port = self._tls_wanted = _free_port(self.tls_host, self._tls_wanted)
        except BrokerPortError as error:
            # The box itself and its television need no such port.
            log.warning("MQTT over TLS is off: %s", error.line())
            return ""
        self.certificate = certificate(self._folder / "tls", self._box)
        host = f" {self.tls_host}" if self.tls_host else ""
        return _TLS.format(port=self.tls_port, host=host, certificate=self.certificate.file)

    def _write_accounts(self) -> None:
        self._probe = secrets.token_urlsafe(_SECRET_BYTES)
        own = {name: hashed(secret) for name, secret in self._secrets.items()}
        hashes = {**self._admitted, **own, PROBE: hashed(self._probe)}
        replace_private_file(self._folder / "passwords", password_file(hashes))
        devices = [name for name in hashes if name not in (GATEWAY, PROBE)]
        replace_private_file(self._folder / "acl", acl_file(devices))


def _free_port(host: str, port: int) -> int:
    """Return `port`, or a free one for 0.

    Raises:
        BrokerPortError: it cannot be had at `host`; an empty one means every address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BrokerPortError(
                f"port {port} for the MQTT broker cannot be used: {error.strerror}"
            ) from error
        return int(probe.getsockname()[1])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _secret(path: Path) -> str:
    """Return the secret in `path`, made now if there is none."""
    if path.is_file() and (kept := path.read_text().strip()):
        return kept
    fresh = secrets.token_urlsafe(_SECRET_BYTES)
    replace_private_file(path, fresh.encode())
    return fresh


async def _pass_on(lines: asyncio.StreamReader | None) -> None:
    """Turn mosquitto's words into log lines; it never says a payload."""
    while lines is not None and (line := await lines.readline()):
        text = line.decode("utf-8", "replace").strip()
        level = logging.DEBUG if _EXPECTED in text else _LEVELS.get(text.partition(":")[0], logging.DEBUG)
        log.log(level, "mosquitto: %s", text)
