"""The composition root: the one file that knows everybody.

One rule: objects are made here in dependency order and given what they need;
nothing is started, and nobody imports this module but the command line.
"""

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import life
from gateway.apps.bridge import Bridge, Capabilities, SensorReading
from gateway.apps.catalog import Catalog
from gateway.apps.host import AppHost
from gateway.apps.installer import Installer
from gateway.apps.repository import SignedRepository
from gateway.config import BOARDS, GatewayConfig
from gateway.daemon_home import HOME_TABLES, Home, Voice, compose_home
from gateway.daemon_neighbourhood import compose_neighbourhood
from gateway.daemon_television import TELEVISION_TABLES, Kit, Television, compose_television
from gateway.focus import Focus
from gateway.iot import (
    coap_keys,
)
from gateway.iot.registry import Registry
from gateway.media.inpage import InPagePlayer
from gateway.pubsub import Publisher
from gateway.store import DamagedStoreError, Store
from gateway.supervisor import Service, Supervisor, Unit
from gateway.trust.manifest import AppId
from gateway.ui import documents as doc
from gateway.ui import messages, phones
from gateway.ui.auth import Access
from gateway.ui.error_words import ErrorWords
from gateway.ui.events import Events
from gateway.ui.house import House
from gateway.ui.keys import Keys
from gateway.ui.messages import Messages
from gateway.ui.notices import NoticeBoard
from gateway.ui.pairing import Pairing
from gateway.ui.phones import Phones
from gateway.ui.questions import Questions
from gateway.ui.reminder_notices import ReminderNotices
from gateway.ui.screen import AppScreen
from gateway.ui.server import Desk, UiServer
from gateway.ui.television_notices import (
    RecordingNotices,
    TimeShiftNotices,
    missed_recordings,
    refused_line_up,
)
from hw.board import Board, load_board
from hw.display import x_display
from hw.remote import RemoteReader

log = logging.getLogger(__name__)

WEB = Path(__file__).parent / "ui/web"
TICKET_BYTES = 24
TABLES = {
    **TELEVISION_TABLES,
    **HOME_TABLES,
    "messages": messages.MIGRATIONS,
    "phones": phones.MIGRATIONS,
}


def main(config: GatewayConfig, state: Path) -> int:
    """Run the daemon until it is told to stop; return the exit code.

    Raises:
        GatewayError: it could not start, or an essential service was given up.
    """
    logging.basicConfig(format="%(levelname)-7s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    board = load_board(config.board.name, BOARDS)
    # Whatever is written below the state folder is nobody else's to read.
    os.umask(0o077)
    with life.only_one(state):
        asyncio.run(_run(config, state, board))
    return 0


async def _run(config: GatewayConfig, state: Path, board: Board) -> None:
    await life.live(compose(config, state, board, os.environ), os.environ)


def compose(
    config: GatewayConfig,
    state: Path,
    board: Board,
    environment: Mapping[str, str],
    *,
    devices: Path = Path("/"),
) -> Supervisor:
    """Return everything a box runs, in start order, not started.

    Television and page come first: a home whose broker is broken still has television.

    Args:
        config: What the installer wants.
        state: Where everything is kept.
        board: What the hardware is.
        environment: Where there is a display, if there is one.
        devices: Where the kernel's ``sys`` and ``dev`` are, for the remote control.
    """
    store = Store(
        state / "gateway.db", TABLES, durable=config.store.durable, on_restore=(coap_keys.ON_RESTORE,)
    )
    focus = Focus()
    ticket = secrets.token_urlsafe(TICKET_BYTES)
    words = ErrorWords(WEB / "strings")
    television: Television
    # Asked by pages, when there is a television.
    started = datetime.now(UTC)
    notices = NoticeBoard(
        lambda: (
            *_recovery(store),
            *refused_line_up(television.line_up, words),
            *missed_recordings(television.recorder, words, started),
        )
    )
    kit = Kit(
        store,
        focus,
        ticket,
        x_display(environment),
        tell=lambda error: notices.put(words.of(error.code), code=error.code),
        is_open=asyncio.Event(),
    )
    television = compose_television(config, state, board, kit)
    pressed: Publisher[str] = Publisher()
    voice = Voice(notices, Messages(store, notices), Questions(), pressed)
    home = compose_home(config, state, kit, television, voice)
    apps = _apps(config, state, home, notices)
    supervisor: Supervisor
    server: UiServer
    neighbourhood = compose_neighbourhood(config, lambda: server.port, home.coap, home.broker)
    house = House(
        box=config.box.id,
        live_ticket=ticket,
        line_up=television.line_up,
        guide=television.guide,
        tv=television.tv,
        viewing=television.viewing,
        screen=television.player,
        inpage=television.player if isinstance(television.player, InPagePlayer) else None,
        focus=focus,
        relay=television.relay,
        past=television.past,
        past_pages=television.past_pages,
        registry=home.registry,
        historian=home.historian,
        pictures=home.pictures,
        troubles=home.troubles,
        commands=home.commands,
        rules=home.rules,
        admission=home.admission,
        coap_keys=home.coap_keys,
        device_accounts=home.device_accounts,
        firmware=home.firmware,
        broker=home.broker,
        found=neighbourhood.found,
        scenes=home.scenes,
        household=home.household,
        catalog=apps.catalog,
        installer=apps.installer,
        app_host=apps.host,
        app_bridge=apps.bridge,
        notices=notices,
        messages=voice.messages,
        questions=voice.questions,
        services=lambda: supervisor,
    )
    events = Events(house)
    remote = RemoteReader(board.remote, root=devices)
    keys = Keys(config.ui.keys, house, events, lambda: _keys_of(remote), pressed)
    known_phones = Phones(store)
    desk = Desk(
        house=house,
        access=Access(state / "token"),
        phones=known_phones,
        pairing=Pairing(known_phones, notices.put),
        household=television.household,
        lock=television.lock,
        reminders=television.reminders,
        recorder=television.recorder,
        library=television.library,
        recordings=television.recordings,
        events=events,
        keys=keys,
    )
    server = UiServer(config.ui, desk, WEB, kit.is_open)
    page = (
        Unit(name="phones", service=known_phones, essential=False),
        Unit(name="messages", service=voice.messages, essential=False),
        Unit(name="events", service=events),
        Unit(name="keys", service=keys),
        Unit(name="remote", service=remote, essential=False),
        Unit(name="page", service=server),
        Unit(
            name="reminders on screen",
            service=ReminderNotices(television.reminders, television.line_up, notices.put),
            essential=False,
        ),
        Unit(
            name="recordings on screen",
            service=RecordingNotices(television.recorder, words, notices),
            essential=False,
        ),
        Unit(
            name="time-shift on screen",
            service=TimeShiftNotices(television.shift.facts, words, notices),
            essential=False,
        ),
    )
    # After page, CoAP and broker: what they have opened is what is announced.
    around = Unit(name="neighbourhood", service=neighbourhood, essential=False)
    screen = Unit(name="app screen", service=AppScreen(apps.host, focus), essential=False)
    supervisor = Supervisor(
        [
            Unit(name="store", service=store),
            *television.units,
            *page,
            *home.units,
            around,
            *apps.units,
            screen,
        ]
    )
    return supervisor


@dataclass(frozen=True, slots=True)
class Apps:
    """Installed apps and where they come from."""

    catalog: Catalog
    installer: Installer
    host: AppHost
    bridge: Bridge
    units: tuple[Unit, ...]


def _apps(config: GatewayConfig, state: Path, home: Home, notices: NoticeBoard) -> Apps:
    updates = config.updates
    repository = (
        SignedRepository(updates.repository, updates.root, state / "trust") if updates.repository else None
    )
    catalog = Catalog(state / "apps")
    installer = Installer(catalog, repository, check_every_s=updates.check_every_s, box=config.box.id)
    pages = [f"http://{name}:{config.ui.port}" for name in ("127.0.0.1", "localhost", *config.ui.known_as)]
    host = AppHost(catalog, config.apps, pages=pages)

    def notice(app: AppId, text: Mapping[str, str]) -> None:
        # The household sees who speaks: an app cannot pass for the box.
        name = catalog.get(app).manifest.name
        signed = {locale: f"{name.get(locale, app)}：{words}" for locale, words in text.items()}
        notices.put(signed)

    can = Capabilities(sensors=lambda: _sensors(home.registry), notices=notice, close=host.close)
    bridge = Bridge(catalog, lambda: host.opened, can)
    services: dict[str, Service] = {"apps": catalog, "app pages": host, "updates": installer}
    units = tuple(Unit(name=name, service=service, essential=False) for name, service in services.items())
    return Apps(catalog, installer, host, bridge, units)


def _recovery(store: Store) -> Iterable[doc.Notice]:
    if store.recovered is not None:
        begun = "已用最近的备份恢复" if store.recovered.restored_from else "且没有可用的备份，已重新开始"
        text = {"zh-CN": f"盒子的数据曾损坏，{begun}。", "en": f"Attention: {store.recovered}."}
        yield doc.Notice(text=text, code=DamagedStoreError.code, at=store.recovered.at)


async def _keys_of(remote: RemoteReader) -> AsyncIterator[str]:
    with remote.presses.subscribe() as presses:
        async for press in presses:
            yield press.key


def _sensors(registry: Registry) -> Iterable[SensorReading]:
    for state in registry.states.values():
        entity = state.entity
        if not entity.writable:
            yield SensorReading(
                entity=entity.id,
                name=entity.name,
                device=entity.device.name,
                device_class=entity.device_class,
                unit=entity.unit,
                value=state.value,
                measured_at=state.reported_at,
                available=state.available,
                body=entity.body or "",
                quality=state.quality,
            )
