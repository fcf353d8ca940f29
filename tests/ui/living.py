"""A small house that is really lived in: parts that keep state and tell of it.

One rule: a part here behaves like the one it stands for, as seen through the
ports of `gateway.ui.house`; where the real one needs no network, it is used.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from gateway.apps.bridge import Bridge, Capabilities
from gateway.apps.catalog import Catalog
from gateway.apps.host import AppHost, AppsConfig
from gateway.apps.installer import Installer
from gateway.broker_certificate import Certificate
from gateway.focus import Focus
from gateway.iot import coap_directory, commands_table, device_accounts, history, household_link, rules
from gateway.iot.coap_admission import Admission
from gateway.iot.coap_keys import CoapKeys
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.device_accounts import DeviceAccounts
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, Value
from gateway.iot.firmware_attempt import NoAttemptError
from gateway.iot.firmware_facts import FirmwareRecord
from gateway.iot.found import FoundDevices
from gateway.iot.history import Historian
from gateway.iot.homie import HomieLink
from gateway.iot.household_link import HouseholdLink
from gateway.iot.link import Found, LinkEvent, Lost
from gateway.iot.mqtt import MqttLink
from gateway.iot.pictures import Pictures
from gateway.iot.registry import Registry
from gateway.iot.rules import Rules
from gateway.iot.rules_runs import Action
from gateway.iot.scenes import Scenes
from gateway.iot.troubles import Troubles
from gateway.media import household, lock_memory, recordings_table, reminders, tv_memory, viewing_log
from gateway.media.child_lock import ChildLock, LockService
from gateway.media.epg import NowNext, Programme
from gateway.media.guide_renewal import Loaded
from gateway.media.household import Household
from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.lineup_book import LineUpRecord
from gateway.media.lock_memory import LockMemory
from gateway.media.past import Allowed, Window
from gateway.media.recorder import Recorder
from gateway.media.recorder_agenda import Programmes
from gateway.media.recorder_capture import Sources
from gateway.media.recordings import Recordings
from gateway.media.recordings_facts import RecorderConfig
from gateway.media.recordings_library import Library
from gateway.media.recordings_table import RecordingTable
from gateway.media.relay_facts import (
    Kind,
    NoSuchPieceError,
    PullState,
    RelayFact,
    Resource,
    UnknownChannelError,
    Weight,
)
from gateway.media.relay_shelf import Piece
from gateway.media.reminders import Reminders, RemindersConfig
from gateway.media.streams import Door, Streams
from gateway.media.tv import Tv
from gateway.media.tv_facts import Surroundings, TvConfig
from gateway.media.tv_memory import TvMemory
from gateway.media.viewing_log import ViewingLog
from gateway.mqtt import BrokerAddress
from gateway.mqtt_client import MqttClient
from gateway.pubsub import Publisher
from gateway.store import Store
from gateway.trust.manifest import AppId
from gateway.ui import messages, phones
from gateway.ui.auth import Access
from gateway.ui.events import Events
from gateway.ui.house import House
from gateway.ui.keys import Keys, KeysConfig
from gateway.ui.messages import Messages
from gateway.ui.notices import NoticeBoard
from gateway.ui.pairing import Pairing
from gateway.ui.phones import Phones
from gateway.ui.questions import Questions
from gateway.ui.screen import AppScreen
from gateway.ui.server import Desk
from headend import bundle

NEWS = Channel(
    id=ChannelId("news"),
    number=1,
    name="新闻",
    group="央视",
    sources=(Source(url="http://127.0.0.1:1/n.m3u8"),),
)
SPORT = Channel(
    id=ChannelId("sport"), number=2, name="体育", sources=(Source(url="http://127.0.0.1:1/s.m3u8"),)
)
OPERA = Channel(
    id=ChannelId("opera"), number=12, name="戏曲", sources=(Source(url="http://127.0.0.1:1/o.m3u8"),)
)
LAMP = Entity(
    id=EntityId("mqtt.lamp"),
    device=Device(id=DeviceId("mqtt.lamp-1"), name="客厅灯", link="mqtt"),
    name="灯",
    capability=Capability.LIGHT,
)
TEMPERATURE = Entity(
    id=EntityId("mqtt.thermometer"),
    device=Device(id=DeviceId("mqtt.thermometer-1"), name="温度计", link="mqtt", manufacturer="Demo"),
    name="温度",
    capability=Capability.SENSOR,
    device_class="temperature",
    unit="°C",
)


HELLO = AppId("com.example.hello")
HELLO_MANIFEST = """\
schema: 1
id: com.example.hello
version: 1.0.0
name: {zh-CN: 你好, en: Hello}
icon: icon.svg
color: "#1676a8"
entry: {tv: index.html}
permissions:
  - name: sensors
    args: {device_class: [temperature]}
    sensitivity: sensitive
    reason: {zh-CN: 显示温度, en: Shows the temperature}
"""
START_TIMEOUT_S = 10.0


@dataclass
class Book:
    """See `gateway.ui.house.LineUps`."""

    state: LineUp = field(default_factory=lambda: LineUp((NEWS, SPORT, OPERA)))
    changes: Publisher[LineUp] = field(default_factory=Publisher)
    record: LineUpRecord | None = None
    looked: int = 0

    def look(self) -> None:
        self.looked += 1

    def become(self, line_up: LineUp) -> None:
        self.state = line_up
        self.changes.publish(line_up)


FOR_ADULTS_AT = datetime(2026, 3, 1, 15, tzinfo=UTC)
"""On every channel, for an hour."""


class Evening:
    """A guide with one programme an hour on every channel."""

    def __init__(self, book: Book) -> None:
        self.changes: Publisher[Loaded] = Publisher()
        self._book = book

    async def programme(self, programme: str) -> Programme | None:
        _, _, hour = programme.rpartition("-")
        try:
            start = datetime.strptime(hour, "%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        listed = await self.programmes(start, start + timedelta(minutes=1))
        return next((one for one in listed if one.id == programme), None)

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = 1000
    ) -> Sequence[Programme]:
        first = start.replace(minute=0, second=0, microsecond=0)
        found = [
            Programme(
                id=f"{one.id}-{at:%Y%m%d%H}",
                channel=one.id,
                start=at,
                stop=at + timedelta(hours=1),
                title=f"{one.name} {at:%H}",
                age=18 if at == FOR_ADULTS_AT else 0,
            )
            for one in self._book.state.channels
            if channel in (None, one.id)
            for hour in range(24)
            if (at := first + timedelta(hours=hour)) < stop
        ]
        return found[:limit]

    @property
    def version(self) -> str:
        return "evening"

    async def now(
        self, channels: Iterable[ChannelId], at: datetime | None = None
    ) -> dict[ChannelId, NowNext]:
        at = at or datetime.now(UTC)
        found = {one: await self.programmes(at, at + timedelta(hours=2), one) for one in channels}
        return {one: NowNext(listed[0], listed[1]) for one, listed in found.items() if len(listed) > 1}

    async def upcoming(
        self, series: str, channel: ChannelId | None = None, limit: int = 100
    ) -> Sequence[Programme]:
        at = datetime.now(UTC)
        listed = await self.programmes(at, at + timedelta(days=1), channel)
        return [one for one in listed if one.series == series][:limit]

    async def search(self, text: str, limit: int) -> Sequence[Programme]:
        at = datetime.now(UTC)
        listed = await self.programmes(at, at + timedelta(hours=2))
        return [one for one in listed if text.casefold() in one.title.casefold()][:limit]


class Sender:
    """A relay with every channel in it."""

    async def open(self, channel: ChannelId) -> str:
        return self.address(channel)

    def address(self, channel: ChannelId) -> str:
        return f"http://127.0.0.1:1/live/{channel}/index.m3u8?ticket=secret"

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        return "warm" if channel == NEWS.id else "cold"

    async def follow(
        self, channel: ChannelId, *, weight: Weight = Weight.RECORDING, since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]:
        at = since or datetime.now(UTC)
        assert weight is Weight.RECORDING
        for number in itertools.count():
            yield Piece(
                pull=1,
                number=number,
                kind=Kind.TS,
                data=b"\x47\x1f\xff\x10".ljust(188, channel[:1].encode()),
                duration_s=1.0,
                discontinuity=False,
                init=None,
                program_date=None,
                at=at + timedelta(seconds=number),
                arrived_s=float(number),
            )
            await asyncio.sleep(1)


class Onlooker:
    """A page that plays whatever it is given, and says so; a service."""

    def __init__(self, player: InPagePlayer) -> None:
        self._player = player

    async def run(self, ready: Callable[[], None]) -> None:
        with self._player.changes.subscribe() as screens:
            ready()
            async for screen in screens:
                if screen.stream_id is not None:
                    self._player.first_frame(screen.stream_id)


class Lamp:
    """A link with two devices: a lamp that obeys and reports, and a thermometer.

    Attributes:
        broken: A broken lamp takes commands and stays as it is.
    """

    name = "mqtt"

    def __init__(self) -> None:
        self.events: Publisher[LinkEvent] = Publisher()
        self.broken = False

    async def run(self, ready: Callable[[], None]) -> None:
        for found in (LAMP, TEMPERATURE):
            self.events.publish(Found(found))
        self.report(TEMPERATURE.id, 21.5)
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: Value) -> bool:
        if not self.broken:
            self.report(entity, value)
        return False

    def report(self, entity: EntityId, value: Value) -> None:
        """Let the device say what it is now."""
        self.events.publish(Reading(entity, value, datetime.now(UTC)))

    def forget(self, entity: EntityId) -> None:
        """Let the device take the entity back."""
        self.events.publish(Lost(entity))


class Upstream:
    """A relay with one endless stream.

    Attributes:
        weights: Of whoever read it, in order.
    """

    def __init__(self) -> None:
        self.weights: list[Weight] = []
        self.facts: Publisher[RelayFact] = Publisher()
        self.state: Mapping[ChannelId, PullState] = {}

    async def resource(
        self, channel: ChannelId, name: str, *, ticket: str = "", reader: str = ""
    ) -> Resource:
        assert reader
        if channel != NEWS.id or name != "index.m3u8":
            raise NoSuchPieceError(f"There is no {name} here")
        query = f"?ticket={ticket}" if ticket else ""
        return Resource("application/vnd.apple.mpegurl", f"#EXTM3U\n1.ts{query}\n".encode())

    async def continuous(self, channel: ChannelId, *, weight: Weight = Weight.TV) -> AsyncIterator[bytes]:
        self.weights.append(weight)
        if channel != NEWS.id:
            raise UnknownChannelError("There is no such channel")
        while True:
            yield b"\x47" + bytes(187)
            await asyncio.sleep(0.01)


class Yesterday:
    """The past of the same stream; see `gateway.ui.house.Past` and `PastPages`."""

    def window(self, channel: ChannelId) -> Window | None:
        now = datetime.now(UTC)
        return Window(now - timedelta(days=1), now) if channel == NEWS.id else None

    async def continuous(
        self, channel: ChannelId, at: datetime, *, allowed: Allowed | None = None
    ) -> AsyncIterator[bytes]:
        del allowed
        if channel != NEWS.id:
            raise UnknownChannelError("There is no such channel")
        yield b"\x47" + at.isoformat().encode().ljust(187)

    async def begin(
        self, channel: ChannelId, at: datetime, *, ticket: str = "", allowed: Allowed | None = None
    ) -> Resource:
        del allowed
        assert channel == NEWS.id
        return Resource(
            "application/vnd.apple.mpegurl", f"#EXTM3U\npast-{at:%H}.m3u8?ticket={ticket}\n".encode()
        )

    async def resource(self, name: str, *, ticket: str = "") -> Resource:
        return Resource("application/vnd.apple.mpegurl", f"#EXTM3U\n{name}?{ticket}\n".encode())


@dataclass
class Keeper:
    """See `gateway.ui.house.Services`."""

    states: Mapping[str, str] = field(default_factory=lambda: {"tv": "running", "ui": "running"})
    changes: Publisher[Mapping[str, str]] = field(default_factory=Publisher)

    def become(self, **states: str) -> None:
        self.states = {**self.states, **states}
        self.changes.publish(self.states)


class Doorstep:
    """A broker that keeps its door as told, and carries nothing; see `gateway.iot.device_accounts.Door`.

    Attributes:
        let: Who may come in.
    """

    port = 1883
    tls_port: int | None = 8883
    tls_host = ""
    certificate: Certificate | None = Certificate(
        Path("server.pem"), "-----BEGIN CERTIFICATE-----", "ab" * 32
    )

    def __init__(self) -> None:
        self.let: set[str] = set()

    async def let_in(self, hashes: Mapping[str, str]) -> None:
        self.let = set(hashes)


class Workshop:
    """A device's firmware as the API asks for it; see `gateway.ui.house.DeviceFirmware`.

    Attributes:
        records: What it tells.
        looked: How often it was sent to the repository.
        failed: Devices with something to try again or to skip.
    """

    def __init__(self) -> None:
        self.records: Sequence[FirmwareRecord] = ()
        self.looked = 0
        self.failed: list[str] = []

    def look(self) -> None:
        self.looked += 1

    async def retry(self, device: DeviceId) -> None:
        if device not in self.failed:
            raise NoAttemptError(f"{device} has no update that failed")
        self.failed.remove(device)

    async def skip(self, device: DeviceId) -> None:
        await self.retry(device)


class LivingHouse:
    """The parts of one house, to act on, and the `house` the API is given."""

    def __init__(self, state: Path) -> None:
        self.book = Book()
        self.player = InPagePlayer()
        self.things = Lamp()
        self.upstream = Upstream()
        self.focus = Focus()
        self.keeper = Keeper()
        self._state = state
        migrations = {
            "commands": commands_table.MIGRATIONS,
            "rules": rules.MIGRATIONS,
            "home": household_link.MIGRATIONS,
            "messages": messages.MIGRATIONS,
            "history": history.MIGRATIONS,
            "coap": coap_directory.MIGRATIONS,
            "device accounts": device_accounts.MIGRATIONS,
            "tv": tv_memory.MIGRATIONS,
            "viewing": viewing_log.MIGRATIONS,
            "phones": phones.MIGRATIONS,
            "household": household.MIGRATIONS,
            "lock": lock_memory.MIGRATIONS,
            "reminders": reminders.MIGRATIONS,
            "recordings": recordings_table.MIGRATIONS,
        }
        self.store = Store(state / "gateway.db", migrations)
        evening = Evening(self.book)
        self.household = Household(self.store)
        self.lock = ChildLock(LockMemory(self.store), self.household, evening)
        self.reminders = Reminders(self.store, evening, RemindersConfig())
        config = RecorderConfig(min_free_bytes=0)
        self.library = Library(RecordingTable(self.store), state / "recordings", config)
        self.recordings = Recordings(self.library)
        programmes = Programmes(evening, self.book, evening.changes)
        self.recorder = Recorder(self.library, Sources(Sender()), programmes, config)
        self.tv = Tv(
            TvConfig(boot="none"),
            player=self.player,
            source=Streams(
                Sender(),
                Door(base_url="http://127.0.0.1:1", in_page=True),
                past=Yesterday(),
                recordings=self.recordings,
            ),
            line_up=self.book,
            focus=self.focus,
            memory=TvMemory(self.store),
            around=Surroundings(guide=evening, gate=self.lock),
        )
        self.viewing = ViewingLog(self.store, self.tv, Upstream())
        self._own = HouseholdLink(None, self.store)
        self._registry = Registry([self.things, self._own])
        self.pictures = Pictures()
        self.historian = Historian(self.store, self._registry)
        self._commands = Commands(
            self.store, self._registry, [self.things, self._own], CommandsConfig(deadline_s=1.0)
        )
        self._scenes = Scenes(None, self.store, self._commands.order, self._commands.tell)
        self.notices = NoticeBoard()
        self.messages = Messages(self.store, self.notices)
        self.questions = Questions()
        actions: dict[str, Action] = {"command": self._order, "ask": self.questions.ask}
        self._rules = Rules(None, self._registry, self.store, actions)
        self.coap_keys = CoapKeys(self.store)
        self.admission = Admission(self.store, keys=self.coap_keys)
        self.doorstep = Doorstep()
        unplugged = MqttClient(BrokerAddress("127.0.0.1", 9), "nobody")
        self.device_accounts = DeviceAccounts(self.store, self.doorstep, unplugged)
        self.troubles = Troubles(
            client=unplugged,
            mqtt=MqttLink(unplugged),
            homie=HomieLink(unplugged),
            registry=self._registry,
            historian=self.historian,
            pictures=self.pictures,
            keys=self.coap_keys,
            admission=self.admission,
        )
        self.catalog = Catalog(state / "apps")
        self._installer = Installer(self.catalog, None, check_every_s=3600)
        self._host = AppHost(self.catalog, AppsConfig(port=0), pages=())
        self._screen = AppScreen(self._host, self.focus)
        self.workshop = Workshop()
        self.found = FoundDevices(limit=10, keep_s=3600)
        self.house = House(
            box="box-1",
            live_ticket="secret",
            line_up=self.book,
            guide=evening,
            tv=self.tv,
            viewing=self.viewing,
            screen=self.player,
            inpage=self.player,
            focus=self.focus,
            relay=self.upstream,
            past=Yesterday(),
            past_pages=Yesterday(),
            registry=self._registry,
            historian=self.historian,
            pictures=self.pictures,
            troubles=self.troubles,
            commands=self._commands,
            rules=self._rules,
            admission=self.admission,
            coap_keys=self.coap_keys,
            device_accounts=self.device_accounts,
            firmware=self.workshop,
            broker=self.doorstep,
            found=self.found,
            scenes=self._scenes,
            household=self._own,
            catalog=self.catalog,
            installer=self._installer,
            app_host=self._host,
            notices=self.notices,
            messages=self.messages,
            questions=self.questions,
            app_bridge=Bridge(
                self.catalog,
                lambda: self._host.opened,
                Capabilities(sensors=lambda: (), notices=lambda *_: None, close=self._host.close),
            ),
            services=lambda: self.keeper,
        )

    def desk(self, access: Access, keys: KeysConfig) -> Desk:
        """Return what a server needs to answer for this house."""
        events = Events(self.house)
        known = Phones(self.store)
        return Desk(
            house=self.house,
            access=access,
            phones=known,
            pairing=Pairing(known, self.house.notices.put),
            household=self.household,
            lock=self.lock,
            reminders=self.reminders,
            recorder=self.recorder,
            library=self.library,
            recordings=self.recordings,
            events=events,
            keys=Keys(keys, self.house, events),
        )

    @asynccontextmanager
    async def lived_in(self) -> AsyncIterator[None]:
        """Let every part live for as long as the block lasts."""
        parts = (
            self.store,
            self.household,
            LockService(self.lock, self.tv),
            self.reminders,
            self.recorder,
            self.player,
            Onlooker(self.player),
            self.tv,
            self.viewing,
            self._registry,
            self.historian,
            self.things,
            self._commands,
            self._own,
            self._scenes,
            self.messages,
            self._rules,
            self.device_accounts,
            self.catalog,
            self._installer,
            self._host,
            self._screen,
        )
        async with AsyncExitStack() as stack:
            for part in parts:
                await stack.enter_async_context(running(part.run))
            await self._install_hello()
            yield

    async def wander(self) -> None:
        """Let the temperature wander, for ever."""
        for tenths in itertools.cycle((*range(205, 260), *range(260, 205, -1))):
            self.things.report(TEMPERATURE.id, tenths / 10)
            await asyncio.sleep(3)

    async def _order(self, entity: EntityId, value: Value) -> None:
        await self._commands.order(entity, value)

    async def _install_hello(self) -> None:
        source = self._state / "hello"
        await asyncio.to_thread(_write_hello, source)
        archive = self._state / "hello.zip"
        await asyncio.to_thread(bundle.build, source, archive)
        await self.catalog.install(archive, HELLO, "1.0.0")


@asynccontextmanager
async def running(run: Callable[[Callable[[], None]], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep a service alive for the length of the block."""
    ready = asyncio.Event()

    async def live() -> None:
        await run(ready.set)

    task = asyncio.create_task(live(), name="service under test")
    waiting = asyncio.create_task(ready.wait(), name="readiness")
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error


def _write_hello(source: Path) -> None:
    source.mkdir()
    (source / "manifest.yaml").write_text(HELLO_MANIFEST)
    (source / "index.html").write_text("<!doctype html><title>hello</title>")
    (source / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
