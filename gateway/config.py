"""The whole of ``gateway.yaml``, composed of each module's own section.

One rule: everything is checked before anything starts, and every default is
usable: no file at all is a working box.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from gateway.apps.host import AppsConfig
from gateway.apps.installer import UpdatesConfig
from gateway.broker import BrokerConfig
from gateway.errors import BadInputError
from gateway.iot.announcement import DiscoveryConfig
from gateway.iot.body import BodyConfig
from gateway.iot.bridge import BridgeConfig
from gateway.iot.coap_endpoint import CoapConfig
from gateway.iot.commands import CommandsConfig
from gateway.iot.firmware_facts import FirmwareConfig
from gateway.iot.history_tidy import HistoryConfig
from gateway.iot.homie import HomieConfig
from gateway.iot.mqtt import MqttLinkConfig
from gateway.iot.rules_book import RulesFileError, read_file
from gateway.iot.sun import Place
from gateway.media.guide_renewal import GuideConfig
from gateway.media.lineup_book import FROM_REPOSITORY, LineUpConfig
from gateway.media.recordings_facts import RecorderConfig
from gateway.media.relay_facts import RelayConfig
from gateway.media.reminders import RemindersConfig
from gateway.media.timeshift_facts import TimeShiftConfig
from gateway.media.tv_facts import TvConfig
from gateway.media.warming_facts import WarmingConfig
from gateway.schema import FieldError, Problem, SchemaError, decode, parse_yaml
from gateway.ui.server import UiConfig
from hw.board import Board, BoardError, load_board

BOARDS = Path(__file__).parents[1] / "board_configs"
AREA_DIGITS = 12


class ConfigFileError(BadInputError):
    """The configuration file cannot be read."""

    code: ClassVar[str] = "CFG-002"
    hint = "Check the path given with --config."


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxConfig:
    """The ``box`` section.

    Attributes:
        id: This box's own name; part of MQTT topics.
        area: 12-digit administrative division, empty if unknown.
        latitude: Where the box stands, in degrees north; for rules that wait for the sun.
        longitude: In degrees east.
    """

    id: str = "box-1"
    area: str = ""
    latitude: float | None = None
    longitude: float | None = None

    @property
    def place(self) -> Place | None:
        """Where the box stands; `None` if nobody said."""
        if self.latitude is None or self.longitude is None:
            return None
        return Place(self.latitude, self.longitude)

    def __post_init__(self) -> None:
        """Refuse names that would not fit into a topic, and places that are nowhere."""
        for name, most in (("latitude", 90), ("longitude", 180)):
            if not -most <= (getattr(self, name) or 0) <= most:
                raise FieldError(name, f"{getattr(self, name)} is outside -{most}..{most}")
        if (self.latitude is None) != (self.longitude is None):
            raise FieldError("latitude", "goes only together with longitude")
        allowed = self.id and len(self.id) <= 64 and all(c.isalnum() or c in "-_." for c in self.id)  # noqa: PLR2004
        if not (allowed and self.id.isascii()):
            raise FieldError("id", "must be 1 to 64 letters, digits, dots, dashes or underscores")
        if self.area and not (len(self.area) == AREA_DIGITS and self.area.isdecimal()):
            raise FieldError("area", f"must be {AREA_DIGITS} digits")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardConfig:
    """The ``board`` section.

    Attributes:
        name: One of ``board_configs/``, or the path of a board file.
    """

    name: str = "simulated"


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaConfig:
    """The ``media`` section.

    Attributes:
        line_up: M3U file or http(s) address; ``repository`` for the signed one; empty for no channels.
        guide: XMLTV file or http(s) address, plain, gz or xz; empty for none.
        player: Who shows the picture; ``board`` is what the board names.  ``vlc`` and ``mpv`` need a
            display and leave the picture to the page without.
    """

    line_up: str = ""
    guide: str = ""
    player: Literal["board", "vlc", "mpv", "simulated", "inpage"] = "board"
    line_up_reload: LineUpConfig = field(default_factory=LineUpConfig)
    guide_reload: GuideConfig = field(default_factory=GuideConfig)
    relay: RelayConfig = field(default_factory=RelayConfig)
    tv: TvConfig = field(default_factory=TvConfig)
    warming: WarmingConfig = field(default_factory=WarmingConfig)
    timeshift: TimeShiftConfig = field(default_factory=TimeShiftConfig)
    recordings: RecorderConfig = field(default_factory=RecorderConfig)
    reminders: RemindersConfig = field(default_factory=RemindersConfig)

    def player_on(self, board: Board) -> Literal["vlc", "mpv", "simulated", "inpage"]:
        """Return who shows the picture on `board`, if it has a display."""
        return board.video.player if self.player == "board" else self.player


@dataclass(frozen=True, kw_only=True, slots=True)
class IotConfig:
    """The ``iot`` section.

    Attributes:
        rules: The rules file, absolute; none without.
    """

    rules: Path | None = None
    mqtt: MqttLinkConfig = field(default_factory=MqttLinkConfig)
    homie: HomieConfig = field(default_factory=HomieConfig)
    coap: CoapConfig = field(default_factory=CoapConfig)
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    bridge: BridgeConfig = field(default_factory=BridgeConfig)
    firmware: FirmwareConfig = field(default_factory=FirmwareConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    body: BodyConfig = field(default_factory=BodyConfig)
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreConfig:
    """The ``store`` section.

    Attributes:
        durable: Whether every promise waits for the disk; off only for trials on slow flash.
    """

    durable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewayConfig:
    """All of ``gateway.yaml``."""

    box: BoxConfig = field(default_factory=BoxConfig)
    board: BoardConfig = field(default_factory=BoardConfig)
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    iot: IotConfig = field(default_factory=IotConfig)
    apps: AppsConfig = field(default_factory=AppsConfig)
    ui: UiConfig = field(default_factory=UiConfig)
    updates: UpdatesConfig = field(default_factory=UpdatesConfig)
    store: StoreConfig = field(default_factory=StoreConfig)

    def __post_init__(self) -> None:
        """Refuse a signed line-up from nowhere."""
        if self.media.line_up == FROM_REPOSITORY and not self.updates.repository:
            raise FieldError("media.line_up", "is `repository`, but updates.repository is empty")


def load(file: Path) -> GatewayConfig:
    """Return the configuration in `file`.

    Raises:
        ConfigFileError: it cannot be read.
        SchemaError: with every problem in it.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigFileError(f"{file}: {error.strerror}") from error
    data = parse_yaml(text)
    return decode({} if data is None else data, GatewayConfig)


def problems_of(file: Path) -> tuple[Problem, ...]:
    """Return everything wrong with the configuration in `file`, its board and its rules file.

    Raises:
        ConfigFileError: `file` cannot be read.
    """
    try:
        config = load(file)
    except SchemaError as error:
        return error.problems
    return (*_board_problems(config), *_rules_problems(config))


def _board_problems(config: GatewayConfig) -> Iterator[Problem]:
    try:
        load_board(config.board.name, BOARDS)
    except BoardError as error:
        yield Problem("board.name", str(error))


def _rules_problems(config: GatewayConfig) -> Iterator[Problem]:
    if config.iot.rules is None:
        return
    try:
        said = read_file(config.iot.rules)
        for i, rule in enumerate(said.rules):
            if config.box.place is None and rule.needs_place:
                where = ["when.sun"] if rule.when.sun else []
                where += [f"if[{j}].between" for j, one in enumerate(rule.conditions) if one.needs_place]
                for each in where:
                    yield Problem("iot.rules", f"rules[{i}].{each}: needs box.latitude and box.longitude")
    except RulesFileError as error:
        yield Problem("iot.rules", str(error))
    except SchemaError as error:
        yield from (Problem("iot.rules", str(problem)) for problem in error.problems)
