"""Firmware for devices with Tasmota: they fetch the image by HTTP when they are told to.

One rule: what a device runs is what it answers to ``STATUS 2``; that it has fetched
an image proves nothing.

The device must be one that announces itself; its vendor is ``Tasmota``, its model the module's
name, its hardware the chip (``ESP8266EX``), its version the numbers of its own.

Source: tasmota.github.io/docs, Commands (OtaUrl, Upgrade, Status) and Upgrading.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import msgspec

from gateway.iot.coap_firmware import new_token
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_address import own_address
from gateway.iot.firmware_attempt import Attempt, FirmwareFailedError, Stage
from gateway.iot.firmware_choice import Candidate
from gateway.iot.firmware_delivery import Carrying
from gateway.iot.firmware_facts import FirmwareConfig
from gateway.iot.firmware_http import ImageServer
from gateway.iot.firmware_steps import MAX_TRIES
from gateway.iot.link import AnnouncementError, LinkDownError
from gateway.iot.tasmota_announced import MAX_DEVICES, Config, read_config
from gateway.iot.tasmota_discovery import check_base, topic_base
from gateway.mqtt import Broker, BrokerError, Message
from gateway.trust.firmware import Kind, version_numbers

log = logging.getLogger(__name__)

ANNOUNCED = "tasmota/discovery/+/config"
VENDOR = "Tasmota"
ANSWER_S = 5.0
RESTART_S = 180.0
"""From the order, or from the last byte of the image, until the device must be back."""


class _Firmware(msgspec.Struct, frozen=True, rename={"version": "Version", "hardware": "Hardware"}):
    version: str
    hardware: str = ""


class _Status(msgspec.Struct, frozen=True, rename={"firmware": "StatusFWR"}):
    firmware: _Firmware


@dataclass(frozen=True, slots=True)
class _Plug:
    """A device, and where it is told and tells."""

    config: Config
    orders: str
    answers: str

    @property
    def device(self) -> DeviceId:
        return DeviceId(f"mqtt.tasmota_{self.config.mac}")


class TasmotaWay:
    """See `gateway.iot.firmware_delivery.Way`.  A service, too: it hears who is there."""

    link: Kind = "tasmota"

    def __init__(self, broker: Broker, config: FirmwareConfig, accounts: Collection[str] = ()) -> None:
        """Describe it.

        Args:
            broker: Where devices speak.
            config: How patient to be.
            accounts: Names of accounts at our own broker; see `tasmota_discovery.parse_device`.
        """
        self._broker = broker
        self._poll_s = config.poll_s
        self._accounts = accounts
        self._plugs: dict[DeviceId, _Plug] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        """Hear announcements until cancelled."""
        with self._broker.subscribe(ANNOUNCED) as announcements:
            ready()
            async for message in announcements:
                self._hear(message)

    def settle(self) -> None:
        """Nothing waits for that: a device that finds nobody gives up by itself."""

    async def survey(self) -> Sequence[Candidate]:
        found = []
        for plug in tuple(self._plugs.values()):
            try:
                said = await self._ask(plug)
            except LinkDownError as away:
                log.debug("%s: %s", plug.device, away)
                continue
            found.append(
                Candidate(
                    device=plug.device,
                    vendor=VENDOR,
                    model=plug.config.model,
                    hardware=said.hardware,
                    version=_plain(said.version),
                    link="tasmota",
                )
            )
        return found

    async def carry(self, attempt: Attempt, carrying: Carrying) -> Attempt:
        if not attempt.token:
            attempt = replace(attempt, token=new_token())
        while not attempt.stage.over:
            try:
                attempt = await self._advance(self._plug(attempt.device), attempt, carrying)
            except LinkDownError as away:
                log.debug("Firmware of %s: %s", attempt.device, away)
                await asyncio.sleep(self._poll_s)
        return attempt

    async def _advance(self, plug: _Plug, attempt: Attempt, carrying: Carrying) -> Attempt:
        wanted = version_numbers(attempt.manifest.version)
        said = await self._ask(plug)
        if version_numbers(said.version) == wanted:
            return attempt.now(Stage.UPDATED)
        manifest = attempt.manifest
        if plug.config.model != manifest.model or said.hardware not in manifest.hardware:
            raise FirmwareFailedError(f"the device is now a {plug.config.model}, for which the image is not")
        if attempt.tries >= MAX_TRIES:
            raise FirmwareFailedError(f"the device did not change in {MAX_TRIES} tries")
        await carrying.cleared()
        attempt = replace(attempt.now(Stage.DOWNLOADING), tries=attempt.tries + 1)
        await carrying.keep(attempt)
        fetched = asyncio.Event()
        own, host = own_address(plug.config.address), plug.config.address
        server = ImageServer(carrying.image, attempt.token, host, fetched.set)
        with self._broker.subscribe(f"{plug.answers}UPGRADE") as upgrades:
            async with server.serving(own) as port:
                await self._tell(plug, "OtaUrl", f"http://{own}:{port}{server.path}")
                await self._tell(plug, "Upgrade", "1")
                end_s = time.monotonic() + RESTART_S
                while time.monotonic() < end_s:
                    if fetched.is_set() and attempt.stage is Stage.DOWNLOADING:
                        attempt = attempt.now(Stage.UPDATING)
                        await carrying.keep(attempt)
                        end_s = time.monotonic() + RESTART_S
                    try:
                        async with asyncio.timeout(self._poll_s):
                            _judge(await anext(upgrades))
                    except TimeoutError:
                        pass
                    try:
                        if version_numbers((await self._ask(plug)).version) == wanted:
                            return attempt.now(Stage.UPDATED)
                    except LinkDownError:
                        # It restarts; that it is away is what should be.
                        continue
        if attempt.stage is Stage.UPDATING:
            raise FirmwareFailedError("the device fetched the image, but does not run it")
        return attempt

    def _plug(self, device: DeviceId) -> _Plug:
        plug = self._plugs.get(device)
        if plug is None:
            raise LinkDownError(f"{device} has not announced itself")
        return plug

    async def _ask(self, plug: _Plug) -> _Firmware:
        """Return what the device runs, by its own word.

        Raises:
            LinkDownError: it does not say.
        """
        with self._broker.subscribe(f"{plug.answers}STATUS2") as answers:
            await self._tell(plug, "STATUS", "2")
            try:
                async with asyncio.timeout(ANSWER_S):
                    return msgspec.json.decode((await anext(answers)).payload, type=_Status).firmware
            except TimeoutError as late:
                raise LinkDownError(f"no answer within {ANSWER_S:g} s") from late
            except (msgspec.DecodeError, ValueError) as error:
                raise LinkDownError(f"its answer cannot be read: {error}") from error

    async def _tell(self, plug: _Plug, command: str, payload: str) -> None:
        try:
            await self._broker.publish(Message(f"{plug.orders}{command}", payload.encode()))
        except BrokerError as error:
            raise LinkDownError(f"{plug.device} was not told: {error}") from error

    def _hear(self, message: Message) -> None:
        mac = message.topic.split("/")[2]
        device = DeviceId(f"mqtt.tasmota_{mac}")
        self._plugs.pop(device, None)
        try:
            config = read_config(mac, message.payload)
            if config is None or not config.address or len(self._plugs) >= MAX_DEVICES:
                return
            account = mac.lower() if mac.lower() in self._accounts else None
            command, status, _ = config.prefixes
            orders = topic_base(config, command, always="%prefix%" in config.full_topic)
            answers = topic_base(config, status)
            for base in (orders, answers):
                check_base(base, account)
        except AnnouncementError as error:
            log.debug("%s: %s", message.topic, error)
            return
        self._plugs[device] = _Plug(config, orders, answers)


def _judge(message: Message) -> None:
    """Raise if the device says that it has not taken the image."""
    if b"fail" in message.payload[:200].lower():
        text = "".join(each for each in message.payload[:80].decode(errors="replace") if each.isprintable())
        raise FirmwareFailedError(f"the device says {text}")


def _plain(version: str) -> str:
    """Return ``14.2.0`` for ``14.2.0(release-tasmota)``."""
    return version.partition("(")[0].strip()
