"""The home's part of the composition: links to its devices, commands, history, rules, firmware.

One rule: as in `gateway.daemon`: objects are made in dependency order and given what they need.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.broker import ManagedBroker
from gateway.config import GatewayConfig
from gateway.daemon_television import Kit, Television
from gateway.focus import Focus, Priority
from gateway.iot import (
    coap_directory,
    commands_table,
    device_accounts,
    firmware_attempt,
    history,
    household_link,
    rules,
    television,
)
from gateway.iot.bridge import BridgeOut
from gateway.iot.bridge_topics import Topics
from gateway.iot.coap import CoapLink
from gateway.iot.coap_admission import Admission
from gateway.iot.coap_endpoint import CoapEndpoint
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.coap_server import CoapServer
from gateway.iot.commands import Commands
from gateway.iot.device_accounts import DeviceAccounts
from gateway.iot.entity import EntityId, Value
from gateway.iot.firmware import Firmware
from gateway.iot.firmware_facts import Peace, Supply
from gateway.iot.firmware_lwm2m import Lwm2mWay
from gateway.iot.firmware_source import SignedFirmwareSource
from gateway.iot.firmware_tasmota import TasmotaWay
from gateway.iot.history import Historian
from gateway.iot.homie import HomieLink
from gateway.iot.household_link import HouseholdLink
from gateway.iot.link import Link
from gateway.iot.mqtt import MqttLink
from gateway.iot.pictures import Pictures
from gateway.iot.registry import Registry
from gateway.iot.rules import Rules, Senses
from gateway.iot.rules_runs import Action
from gateway.iot.scenes import Scenes
from gateway.iot.television import TelevisionLink
from gateway.iot.troubles import Troubles
from gateway.media.lineup import ChannelId
from gateway.media.tv import Tv
from gateway.mqtt import BrokerAddress, Message
from gateway.mqtt_client import MqttClient
from gateway.pubsub import Publisher
from gateway.store import Store
from gateway.supervisor import Service, Unit
from gateway.ui.messages import Messages
from gateway.ui.notices import NoticeBoard
from gateway.ui.questions import Questions

FULL_LINE_HEIGHT = 2160
HOME_TABLES = {
    "commands": commands_table.MIGRATIONS,
    "coap": coap_directory.MIGRATIONS,
    "device accounts": device_accounts.MIGRATIONS,
    "firmware": firmware_attempt.MIGRATIONS,
    "rules": rules.MIGRATIONS,
    "home": household_link.MIGRATIONS,
}


@dataclass(frozen=True, slots=True)
class Home:
    """Devices, commands and rules."""

    registry: Registry
    historian: Historian
    commands: Commands
    rules: Rules
    admission: Admission
    coap_keys: CoapKeys
    device_accounts: DeviceAccounts
    firmware: Firmware
    broker: ManagedBroker | None
    coap: CoapEndpoint
    scenes: Scenes
    household: HouseholdLink
    pictures: Pictures
    troubles: Troubles
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """How the box speaks with the household, and how it is answered."""

    notices: NoticeBoard
    messages: Messages
    questions: Questions
    pressed: Publisher[str]


def compose_home(config: GatewayConfig, state: Path, kit: Kit, television: Television, voice: Voice) -> Home:
    """Return the home of the box; nothing of it runs yet."""
    box, iot, store = config.box.id, config.iot, kit.store
    broker = (
        ManagedBroker(config.broker, state / "broker", box=box) if config.broker.mode == "managed" else None
    )
    status = f"gateway/{box}/status"
    client = MqttClient(
        (lambda: BrokerAddress.parse(broker.url())) if broker else BrokerAddress.parse(config.broker.url),
        f"gateway-{box}",
        will=Message(status, b"offline", retain=True),
        birth=Message(status, b"online", retain=True),
    )
    topics = Topics(box, iot.mqtt.prefix)
    endpoint = CoapEndpoint(iot.coap)
    accounts = DeviceAccounts(store, broker, client, configured=config.broker.devices)
    pictures = Pictures()
    mqtt = MqttLink(client, iot.mqtt, accounts=accounts.names, body=iot.body, pictures=pictures)
    homie = HomieLink(client, iot.homie)
    coap = CoapLink(iot.coap, endpoint, store)
    tv = TelevisionLink(_television_set(television.tv))
    household = HouseholdLink(iot.rules, store)
    links: list[Link] = [mqtt, homie, coap, tv, household]
    registry = Registry(links, body=iot.body)
    commands = Commands(store, registry, links, iot.commands)
    # What was reported a few seconds before the plug was pulled is worth no waiting for the disk.
    past = Store(state / "history.db", {"history": history.MIGRATIONS}, durable=False)
    historian = Historian(past, registry, iot.history)
    scenes = Scenes(iot.rules, store, commands.order, commands.tell)
    actions = _rule_actions(television.tv, commands, scenes, voice)
    senses = Senses(keys=voice.pressed, of_scene=scenes.entities, sky=config.box.place)
    rules = Rules(iot.rules, registry, store, actions, senses)
    tasmota = TasmotaWay(client, iot.firmware, accounts.names)
    firmware = Firmware(
        iot.firmware,
        _supply(config, state),
        store,
        [Lwm2mWay(coap, endpoint, iot.firmware), tasmota],
        Peace(
            may_start=lambda: _is_quiet(television.tv, kit.focus),
            changes=(television.tv.changes, kit.focus.changes),
        ),
    )
    troubles = Troubles(
        client=client,
        mqtt=mqtt,
        homie=homie,
        registry=registry,
        historian=historian,
        pictures=pictures,
        keys=coap.keys,
        admission=coap.admission,
    )
    services: dict[str, Service] = {
        "registry": registry,
        "history store": past,
        "history": historian,
        "commands": commands,
        "scenes": scenes,
        "rules": rules,
        "device accounts": accounts,
        "household": household,
        **({"broker": broker} if broker else {}),
        "mqtt": client,
        "coap": endpoint,
        "bridge": BridgeOut(topics, client, registry, commands, iot.bridge),
        "mqtt devices": mqtt,
        "homie devices": homie,
        "coap devices": coap,
        # After the devices: it asks who they are.
        "coap server": CoapServer(endpoint, registry, commands, coap.knows, body=iot.bridge.body),
        "tv in the home": tv,
        "tasmota firmware": tasmota,
        "device firmware": firmware,
    }
    units = tuple(
        # A large history takes its time to be checked; nobody waits for it.
        Unit(name=name, service=service, essential=False, alongside=service is past)
        for name, service in services.items()
    )
    return Home(
        registry,
        historian,
        commands,
        rules,
        coap.admission,
        coap.keys,
        accounts,
        firmware,
        broker,
        endpoint,
        scenes,
        household,
        pictures,
        troubles,
        units,
    )


def _supply(config: GatewayConfig, state: Path) -> Supply:
    updates = config.updates
    source = (
        SignedFirmwareSource(updates.repository, updates.root, state / "firmware")
        if updates.repository
        else None
    )
    return Supply(source=source, check_every_s=updates.check_every_s)


def _is_quiet(tv: Tv, focus: Focus) -> bool:
    """Whether a device's update disturbs nobody: no alert, and no picture that needs the whole line."""
    holder, channel = focus.holder, tv.state.channel
    if holder is not None and holder.priority >= Priority.DOORBELL:
        return False
    return not tv.state.is_on or channel is None or channel.height < FULL_LINE_HEIGHT


def _television_set(tv: Tv) -> television.Television:
    async def switch(on: bool) -> None:
        await (tv.wake() if on else tv.standby())

    async def hold(still: bool) -> None:
        await (tv.pause() if still else tv.resume())

    return television.Television(
        changes=tv.changes,
        is_on=lambda: tv.state.is_on,
        number=lambda: tv.state.channel.number if tv.state.channel else None,
        is_paused=lambda: tv.state.paused,
        switch=switch,
        hold=hold,
    )


def _rule_actions(tv: Tv, commands: Commands, scenes: Scenes, voice: Voice) -> Mapping[str, Action]:
    def command(*, entity: EntityId, value: Value) -> None:
        commands.tell(entity, value)

    def notice(*, text: Mapping[str, str], camera: EntityId | None = None) -> None:
        voice.notices.put(text, camera=camera)

    async def tune(*, number: int | None = None, channel: str | None = None) -> None:
        if number is not None:
            await tv.tune_number(number)
        elif channel is not None:
            await tv.tune(ChannelId(channel))

    return {
        "command": command,
        "notice": notice,
        "notify": voice.messages.notify,
        "tune": tune,
        "scene": scenes.tell,
        "ask": voice.questions.ask,
    }
