"""Everything the API and the events may touch, as narrow ports.

One rule: this package decides nothing about television, home or apps; it asks
whoever is behind these ports.  `gateway.daemon` fills them with the real ones.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.apps.installer import UpdateRecord
from gateway.apps.shelf import InstalledApp
from gateway.broker_certificate import Certificate
from gateway.focus import Holder
from gateway.iot.body import BodyConfig
from gateway.iot.coap_admission import Applicant, Judged, Verdict
from gateway.iot.coap_keys import CoapKey, Credentials
from gateway.iot.commands_model import Command
from gateway.iot.device_accounts import DeviceAccount
from gateway.iot.entity import Device, DeviceId, EntityId, State, StateChanged, Value
from gateway.iot.firmware_facts import FirmwareRecord
from gateway.iot.found import FoundDevice
from gateway.iot.history import History
from gateway.iot.household import Helper
from gateway.iot.pictures import Picture
from gateway.iot.rules_book import Book
from gateway.iot.rules_model import Rule, RuleId
from gateway.iot.scenes import Ordered
from gateway.iot.scenes_model import Scene
from gateway.iot.troubles import Seen
from gateway.media.epg import NowNext, Programme
from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import ChannelId, LineUp
from gateway.media.lineup_book import LineUpRecord
from gateway.media.past import Allowed, Window
from gateway.media.player import Plane
from gateway.media.relay_facts import Resource, Weight
from gateway.media.tv_facts import Hint, TvState
from gateway.media.viewing_log import Summary
from gateway.pubsub import Publisher
from gateway.trust.manifest import AppId
from gateway.ui.messages import Messages
from gateway.ui.notices import NoticeBoard
from gateway.ui.questions import Questions


class LineUps(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...
    @property
    def changes(self) -> Publisher[LineUp]: ...
    @property
    def record(self) -> LineUpRecord | None: ...
    def look(self) -> None: ...


class Guide(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def programmes(
        self, start: datetime, stop: datetime, channel: ChannelId | None = None, limit: int = ...
    ) -> Sequence[Programme]: ...
    @property
    def version(self) -> str: ...
    async def now(self, channels: Iterable[ChannelId]) -> Mapping[ChannelId, NowNext]: ...
    async def search(self, text: str, limit: int) -> Sequence[Programme]: ...


class Tv(Protocol):
    """See `gateway.media.tv.Tv`."""

    @property
    def state(self) -> TvState: ...
    @property
    def changes(self) -> Publisher[TvState]: ...
    @property
    def window(self) -> Window | None: ...
    def hint(self, hint: Hint) -> None: ...
    async def tune(self, channel: ChannelId, at: datetime | None = None) -> None: ...
    async def zap(self, step: int) -> None: ...
    async def last(self) -> None: ...
    async def stop(self) -> None: ...
    async def standby(self) -> None: ...
    async def wake(self) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def seek(self, *, position: datetime | None = ..., step_s: float = ...) -> None: ...
    async def live(self) -> None: ...
    async def watch_programme(self, programme: str) -> None: ...
    async def watch_recording(self, recording: str, *, from_start: bool = ...) -> None: ...
    async def select(self, track: str) -> None: ...
    async def set_volume(self, level_percent: int) -> None: ...
    async def set_muted(self, muted: bool) -> None: ...


class Viewing(Protocol):
    """See `gateway.media.viewing_log.ViewingLog`."""

    async def summary(self) -> Summary: ...


class Screen(Protocol):
    """See `gateway.media.player.Player`: where the picture is."""

    @property
    def plane(self) -> Plane: ...


class Focus(Protocol):
    """See `gateway.focus.Focus`."""

    @property
    def holder(self) -> Holder | None: ...
    @property
    def changes(self) -> Publisher[Holder | None]: ...


class Relay(Protocol):
    """See `gateway.media.relay.Relay`."""

    async def resource(
        self, channel: ChannelId, name: str, *, ticket: str = "", reader: str = ""
    ) -> Resource: ...
    def continuous(self, channel: ChannelId, *, weight: Weight = ...) -> AsyncIterator[bytes]: ...


class Past(Protocol):
    """See `gateway.media.past.Past`."""

    def window(self, channel: ChannelId) -> Window | None: ...
    def continuous(
        self, channel: ChannelId, at: datetime, *, allowed: Allowed | None = ...
    ) -> AsyncIterator[bytes]: ...


class PastPages(Protocol):
    """See `gateway.media.past_pages.PastPages`."""

    async def begin(
        self, channel: ChannelId, at: datetime, *, ticket: str = "", allowed: Allowed | None = ...
    ) -> Resource: ...
    async def resource(self, name: str, *, ticket: str = "") -> Resource: ...


class Commands(Protocol):
    """See `gateway.iot.commands.Commands`."""

    @property
    def recent(self) -> Sequence[Command]: ...
    @property
    def changes(self) -> Publisher[Command]: ...
    async def order(self, entity: EntityId, value: Value) -> Command: ...
    def get(self, command_id: str) -> Command | None: ...


class Rules(Protocol):
    """See `gateway.iot.rules.Rules`."""

    @property
    def rules(self) -> Sequence[Rule]: ...
    async def put(self, rule: Rule) -> None: ...
    async def delete(self, rule: RuleId) -> None: ...


class Scenes(Protocol):
    """See `gateway.iot.scenes.Scenes`."""

    @property
    def scenes(self) -> Sequence[Scene]: ...
    @property
    def changes(self) -> Publisher[tuple[Scene, ...]]: ...
    def get(self, scene: str) -> Scene: ...
    async def put(self, scene: Scene) -> None: ...
    async def delete(self, scene: str) -> None: ...
    async def activate(self, scene: str) -> Sequence[Ordered]: ...


class Household(Protocol):
    """See `gateway.iot.household_link.HouseholdLink`."""

    @property
    def helpers(self) -> Book[Helper]: ...
    async def put(self, helper: Helper) -> None: ...
    async def delete(self, helper: str) -> None: ...


class Catalog(Protocol):
    """See `gateway.apps.catalog.Catalog`."""

    @property
    def apps(self) -> Mapping[AppId, InstalledApp]: ...
    @property
    def changes(self) -> Publisher[Mapping[AppId, InstalledApp]]: ...
    def get(self, app: AppId) -> InstalledApp: ...


class AppHost(Protocol):
    """See `gateway.apps.host.AppHost`."""

    @property
    def origins(self) -> Sequence[str]: ...
    @property
    def opened(self) -> frozenset[AppId]: ...
    @property
    def changes(self) -> Publisher[frozenset[AppId]]: ...
    async def open(self, app: AppId) -> str: ...
    async def close(self, app: AppId) -> None: ...


class AppBridge(Protocol):
    """See `gateway.apps.bridge.Bridge`."""

    async def call(self, app: AppId, method: str, params: object) -> object: ...


class Installer(Protocol):
    """See `gateway.apps.installer.Installer`."""

    @property
    def updates(self) -> Sequence[UpdateRecord]: ...
    async def check(self) -> bool: ...
    async def uninstall(self, app: AppId) -> None: ...


class Services(Protocol):
    """See `gateway.supervisor.Supervisor`."""

    @property
    def states(self) -> Mapping[str, str]: ...
    @property
    def changes(self) -> Publisher[Mapping[str, str]]: ...


class Registry(Protocol):
    """See `gateway.iot.registry.Registry`."""

    @property
    def body(self) -> BodyConfig: ...
    @property
    def states(self) -> Mapping[EntityId, State]: ...
    @property
    def changes(self) -> Publisher[StateChanged]: ...


class Pictures(Protocol):
    """See `gateway.iot.pictures.Pictures`."""

    @property
    def newest(self) -> Mapping[EntityId, Picture]: ...


class Troubles(Protocol):
    """See `gateway.iot.troubles.Troubles`."""

    @property
    def seen(self) -> Seen: ...


class Historian(Protocol):
    """See `gateway.iot.history.Historian`."""

    async def of(self, entity: EntityId, since: datetime, until: datetime) -> History: ...


class Admission(Protocol):
    """See `gateway.iot.coap_admission.Admission`."""

    @property
    def waiting(self) -> Sequence[Applicant]: ...
    @property
    def judged(self) -> Sequence[Judged]: ...
    @property
    def changes(self) -> Publisher[str]: ...
    async def decide(self, endpoint: str, verdict: Verdict) -> None: ...
    async def forget(self, endpoint: str) -> None: ...


class CoapKeys(Protocol):
    """See `gateway.iot.coap_keys.CoapKeys`."""

    @property
    def all(self) -> Sequence[CoapKey]: ...
    async def make(self, endpoint: str, label: str) -> tuple[CoapKey, Credentials]: ...
    async def revoke(self, endpoint: str) -> None: ...


class DeviceAccounts(Protocol):
    """See `gateway.iot.device_accounts.DeviceAccounts`."""

    @property
    def all(self) -> Sequence[DeviceAccount]: ...
    async def add(self, name: str, label: str) -> tuple[DeviceAccount, str]: ...
    async def remove(self, name: str) -> None: ...


class DeviceFirmware(Protocol):
    """See `gateway.iot.firmware.Firmware`."""

    @property
    def records(self) -> Sequence[FirmwareRecord]: ...
    def look(self) -> None: ...
    async def retry(self, device: DeviceId) -> None: ...
    async def skip(self, device: DeviceId) -> None: ...


class Broker(Protocol):
    """See `gateway.broker.ManagedBroker`."""

    @property
    def port(self) -> int: ...
    @property
    def tls_port(self) -> int | None: ...
    @property
    def tls_host(self) -> str: ...
    @property
    def certificate(self) -> Certificate | None: ...


class FoundDevices(Protocol):
    """See `gateway.iot.found.FoundDevices`."""

    def devices(self, admitted: Iterable[Device] = ()) -> Sequence[FoundDevice]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What `gateway.ui` was given.

    Attributes:
        box: The box's own id.
        live_ticket: Opens ``/live`` for the local player; the relay's addresses carry it.
        services: Looked up at each use, because the supervisor is made after the server.
        inpage: Set when the page itself shows the picture.
        broker: The box's own; `None` where it uses another.
        found: What the network speaks of.
    """

    box: str
    live_ticket: str
    line_up: LineUps
    guide: Guide
    tv: Tv
    viewing: Viewing
    screen: Screen
    inpage: InPagePlayer | None
    focus: Focus
    relay: Relay
    past: Past
    past_pages: PastPages
    registry: Registry
    historian: Historian
    pictures: Pictures
    troubles: Troubles
    commands: Commands
    rules: Rules
    admission: Admission
    coap_keys: CoapKeys
    device_accounts: DeviceAccounts
    firmware: DeviceFirmware
    broker: Broker | None
    found: FoundDevices
    scenes: Scenes
    household: Household
    catalog: Catalog
    installer: Installer
    app_host: AppHost
    app_bridge: AppBridge
    notices: NoticeBoard
    messages: Messages
    questions: Questions
    services: Callable[[], Services]
