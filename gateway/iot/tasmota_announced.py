"""The two messages in which a Tasmota device announces itself.

One rule: each half is checked when it comes, so that one that cannot be read does not
take the other with it.

A device keeps both at the broker: ``tasmota/discovery/<MAC>/config`` says what it is and
where it speaks, ``…/sensors`` shows a sample of its telemetry (``xdrv_12_discovery.ino``
of the firmware).  An empty one is taken back.
"""

import re
from dataclasses import dataclass

import msgspec

from gateway.iot.link import AnnouncementError
from gateway.iot.tasmota_sensors import Measurement, measurements

FILTERS = ("tasmota/discovery/+/config", "tasmota/discovery/+/sensors")

MAX_HALF_BYTES = 8 * 1024
"""Four times the firmware's own limit of an MQTT message."""
MAX_DEVICES = 500
MAX_CHANNELS = 64

_TOPIC = re.compile(r"tasmota/discovery/([^/]+)/(config|sensors)")
_MAC = re.compile(r"[0-9A-F]{12}")


class Config(
    msgspec.Struct,
    frozen=True,
    rename={
        "topic": "t",
        "full_topic": "ft",
        "prefixes": "tp",
        "words": "state",
        "online": "onln",
        "offline": "ofln",
        "name": "dn",
        "model": "md",
        "firmware": "sw",
        "host": "hn",
        "address": "ip",
        "relays": "rl",
        "relay_names": "fn",
        "switches": "swc",
        "switch_names": "swn",
        "options": "so",
        "sleeps": "dslp",
        "light": "lt_st",
        "linked": "lk",
        "tuya": "ty",
        "fan": "if",
        "shutters": "sho",
    },
):
    """What is read of the first half; the firmware's keys are two letters long."""

    mac: str
    topic: str
    full_topic: str
    prefixes: tuple[str, str, str]
    words: list[str]
    online: str
    offline: str
    ver: int
    name: str = ""
    model: str = ""
    firmware: str = ""
    host: str = ""
    address: str = ""
    relays: list[int] = []
    relay_names: list[str | None] = []
    switches: list[int] = []
    switch_names: list[str | None] = []
    options: dict[str, int] = {}
    sleeps: int = 0
    light: int = 0
    linked: int = 0
    tuya: int = 0
    fan: int = 0
    shutters: list[int] = []


class _Sensors(msgspec.Struct, frozen=True):
    sn: dict[str, object]


_config_decoder = msgspec.json.Decoder(Config)
_sensors_decoder = msgspec.json.Decoder(_Sensors)


@dataclass(frozen=True, slots=True)
class Announced:
    """Both messages of one device, as they are kept.

    Attributes:
        mac: As it stands in their topics.
        config: Empty before the first one, and when it was taken back.
        sensors: Likewise.
    """

    mac: str
    config: bytes = b""
    sensors: bytes = b""

    @property
    def key(self) -> str:
        """The topic of `config`, which stands for the device."""
        return f"tasmota/discovery/{self.mac}/config"

    @property
    def payload(self) -> bytes:
        """Both as one; JSON holds no NUL.  Empty when there is no device."""
        return self.config + b"\0" + self.sensors if self.config else b""


class Halves:
    """Puts the two messages of each device together."""

    def __init__(self) -> None:
        self._known: dict[str, Announced] = {}

    def join(self, topic: str, payload: bytes) -> Announced:
        """Return all that the device that speaks on `topic` announces, `payload` included.

        Raises:
            AnnouncementError: it is too large, there are too many devices, or `topic` has no address.
        """
        match = _TOPIC.fullmatch(topic)
        if match is None or not _MAC.fullmatch(match[1]):
            raise AnnouncementError("the topic does not name a MAC address")
        if len(payload) > MAX_HALF_BYTES:
            raise AnnouncementError(f"is larger than {MAX_HALF_BYTES} bytes")
        mac = match[1]
        # A half that cannot be read must not take the other one with it.
        if match[2] == "config":
            read_config(mac, payload)
        else:
            read_sensors(payload)
        known = self._known.get(mac)
        if known is None and payload and len(self._known) >= MAX_DEVICES:
            raise AnnouncementError(f"there are {MAX_DEVICES} Tasmota devices already")
        known = known or Announced(mac)
        if match[2] == "config":
            joined = Announced(mac, payload, known.sensors)
        else:
            joined = Announced(mac, known.config, payload)
        if joined.config or joined.sensors:
            self._known[mac] = joined
        else:
            self._known.pop(mac, None)
        return joined


def is_tasmota(topic: str) -> bool:
    """Return whether announcements on `topic` are of this kind."""
    return topic.startswith("tasmota/discovery/")


def read_config(mac: str, payload: bytes) -> Config | None:
    """Return what the device of that address says of itself; `None` if it takes it back.

    Raises:
        AnnouncementError: with the reason.
    """
    if not payload:
        return None
    try:
        config = _config_decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise AnnouncementError(f"is not an announcement of Tasmota: {error}") from error
    if config.mac != mac:
        raise AnnouncementError("names another address than its topic")
    if config.ver != 1:
        raise AnnouncementError(f"is version {config.ver}, not 1")
    if len(config.words) < 2:  # noqa: PLR2004 - off and on
        raise AnnouncementError("does not say its words for off and on")
    if max(map(len, (config.relays, config.switches, config.shutters))) > MAX_CHANNELS:
        raise AnnouncementError(f"has more than {MAX_CHANNELS} relays, switches or shutters")
    return config


def read_sensors(payload: bytes) -> tuple[Measurement, ...]:
    """Return what a device measures; raises as `read_config`."""
    if not payload:
        return ()
    try:
        sample = _sensors_decoder.decode(payload).sn
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise AnnouncementError(f"is not an announcement of Tasmota: {error}") from error
    return measurements(sample)
