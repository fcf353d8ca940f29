"""What a Tasmota device announces about itself in the firmware's own way.

One rule: pure and wary, as `gateway.iot.ha_discovery` is.  An announcement yields
entities, or one `AnnouncementError` with the reason, and nothing else.

Understood are relays, lights with their brightness and colour temperature, shutters,
measurements, and switches of the two-way kind; colours, fans and buttons are passed over.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId
from gateway.iot.ha_discovery import MAX_NAME_CHARS, tidy_id
from gateway.iot.ha_template import Filter, Template
from gateway.iot.link import AnnouncementError
from gateway.iot.mqtt_entity import AvailabilitySource, Instruction, MqttEntity, Report, switched
from gateway.iot.tasmota_announced import Announced, Config, read_config, read_sensors
from gateway.iot.tasmota_sensors import Measurement, Path
from gateway.iot.tasmota_sides import LIGHT, Side, light_sides, shutter_count, shutter_sides
from gateway.topics import is_topic

MAX_TOPIC_CHARS = 256

_RELAY = 1
_BOTH_WAYS = frozenset({1, 2, 3, 4, 5, 6, 9, 10, 15, 16})
"""Values of ``SwitchMode`` with which a switch reports on and off, not only that it was touched."""
_RESULT_BY_NAME = "4"
_RELAYS_ARE_LIGHTS = "30"
"""Numbers of ``SetOption``."""
_ABSENT = (Filter("default", ("",)),)
"""The firmware reports many things on one topic; what does not speak of an entity says nothing of it."""


def parse_device(announced: Announced, *, accounts: Collection[str] = ()) -> tuple[MqttEntity, ...]:
    """Return the entities of the device, none if it is taken back.

    Args:
        announced: From `Halves.join`.
        accounts: Names of accounts at our own broker.  One whose name is a MAC address in small
            letters may announce that address and no other; it must not lead us to speak for it
            elsewhere, so its topics are to have its name as the topic that the firmware asks for.

    Raises:
        AnnouncementError: with the reason; no entity of the device is to be believed.
    """
    config = read_config(announced.mac, announced.config)
    if config is None:
        return ()
    name = announced.mac.lower()
    device = _Device(config, account=name if name in accounts else None)
    found = (
        *device.relays(),
        *device.shutters(),
        *device.switches(),
        *device.sensors(read_sensors(announced.sensors)),
    )
    if len({each.entity.id for each in found}) < len(found):
        raise AnnouncementError("two of its measurements have the same name")
    return found


class _Device:
    """One device, and where it speaks."""

    def __init__(self, config: Config, account: str | None) -> None:
        self._config = config
        command, status, telemetry = config.prefixes
        self._command = topic_base(config, command, always="%prefix%" in config.full_topic)
        self._status = topic_base(config, status)
        self._telemetry = topic_base(config, telemetry)
        for base in (self._command, self._status, self._telemetry):
            check_base(base, account)
        self._samples: Mapping[str, Path] = {
            f"{self._telemetry}SENSOR": (),
            f"{self._status}STATUS10": ("StatusSNS",),
        }
        self._ask_sample = ((f"{self._command}STATUS", b"10"),)
        self._off, self._on = (_word(each) for each in config.words[:2])
        self._device = Device(
            id=DeviceId(f"mqtt.tasmota_{config.mac}"),
            name=_name(config.name) or config.mac,
            link="mqtt",
            manufacturer="Tasmota",
            model=_name(config.model),
            firmware=_name(config.firmware),
        )
        self._sources = (
            # One that sleeps is away most of the time, and says so each time.
            ()
            if config.sleeps
            else (
                AvailabilitySource(
                    topic=f"{self._telemetry}LWT", yes=_word(config.online), no=_word(config.offline)
                ),
            )
        )

    def relays(self) -> list[MqttEntity]:
        kinds = {_RELAY: Capability.SWITCH, LIGHT: Capability.LIGHT}
        if self._config.options.get(_RELAYS_ARE_LIGHTS):
            kinds[_RELAY] = Capability.LIGHT
        found = []
        for number, kind in enumerate(self._config.relays, start=1):
            if kind in kinds:
                relay = self._relay(number, kinds[kind])
                found.append(relay)
                topics = {f"{self._status}RESULT": (), f"{self._telemetry}STATE": ()}
                found += [
                    self._side(f"POWER{number}", relay.entity.name, side, topics, relay.asks)
                    for side in light_sides(self._config, number)
                ]
        return found

    def shutters(self) -> list[MqttEntity]:
        count = shutter_count(self._config)
        topics = {f"{self._status}RESULT": (), **self._samples}
        return [
            self._side(
                f"Shutter{number}",
                self._device.name if count == 1 else f"{self._device.name} {number}",
                side,
                topics,
                self._ask_sample,
            )
            for number in range(1, count + 1)
            for side in shutter_sides(self._config, number)
        ]

    def switches(self) -> list[MqttEntity]:
        names = self._config.switch_names
        found = []
        for i, mode in enumerate(self._config.switches):
            if mode in _BOTH_WAYS:
                key = _name((names[i] if i < len(names) else None) or "") or f"Switch{i + 1}"
                found.append(self._switch(i + 1, key))
        return found

    def sensors(self, found: Sequence[Measurement]) -> list[MqttEntity]:
        return [self._sensor(each) for each in found]

    def _relay(self, number: int, capability: Capability) -> MqttEntity:
        # The first of one or more relays is POWER or POWER1, as SetOption26 has it.
        keys = ("POWER1", "POWER") if number == 1 else (f"POWER{number}",)
        topics: tuple[str, ...] = (f"{self._status}RESULT", f"{self._telemetry}STATE")
        if self._config.options.get(_RESULT_BY_NAME):
            topics += tuple(f"{self._status}{key}" for key in keys)
        reports = [self._switched(topic, (key,)) for topic in topics for key in keys]
        # The same in plain, unless SetOption90 forbids it.
        reports += [Report(topic=f"{self._status}{key}", words=switched(self._on, self._off)) for key in keys]
        names = self._config.relay_names
        said = _name((names[number - 1] if number <= len(names) else None) or "")
        return self._entity(
            f"POWER{number}",
            capability,
            said or f"{self._device.name} {number}",
            reports,
            instruction=Instruction(
                topic=f"{self._command}POWER{number}", words={True: self._on, False: self._off}
            ),
            asks=((f"{self._command}STATE", b""),),
        )

    def _switch(self, number: int, key: str) -> MqttEntity:
        reports = [
            self._switched(f"{self._status}RESULT", (key, "Action")),
            self._switched(f"{self._telemetry}SENSOR", (key,)),
            self._switched(f"{self._status}STATUS10", ("StatusSNS", key)),
        ]
        return self._entity(
            f"Switch{number}",
            Capability.BINARY_SENSOR,
            key,
            reports,
            asks=self._ask_sample,
        )

    def _sensor(self, found: Measurement) -> MqttEntity:
        reports = [
            Report(topic=topic, template=_at((*outside, *found.path)), numeric=found.numeric)
            for topic, outside in self._samples.items()
        ]
        words = [str(each + 1) if isinstance(each, int) else each for each in found.path]
        return self._entity(
            "_".join(words),
            Capability.SENSOR,
            _name(" ".join(words)),
            reports,
            device_class=found.device_class,
            unit=found.unit,
            asks=self._ask_sample,
        )

    def _side(
        self,
        place: str,
        name: str,
        side: Side,
        topics: Mapping[str, Path],
        asks: tuple[tuple[str, bytes], ...],
    ) -> MqttEntity:
        reports = [
            Report(topic=topic, template=_at((*outside, *side.path)), numeric=True, ends=side.ends)
            for topic, outside in topics.items()
        ]
        spec = self._entity(
            place,
            side.capability,
            name,
            reports,
            unit=side.unit,
            instruction=Instruction(topic=f"{self._command}{side.command}", words=side.words),
            asks=asks,
        )
        entity = replace(
            spec.entity,
            id=EntityId(f"{spec.entity.id}.{side.name}" if side.name else spec.entity.id),
            part=side.name,
            choices=side.choices,
            minimum=side.minimum,
            maximum=side.maximum,
            step=side.step,
        )
        return replace(spec, entity=entity)

    def _switched(self, topic: str, steps: Path) -> Report:
        return Report(topic=topic, template=_at(steps), words=switched(self._on, self._off))

    def _entity(  # noqa: PLR0913 - the parts of one entity
        self,
        place: str,
        capability: Capability,
        name: str,
        reports: Sequence[Report],
        *,
        asks: tuple[tuple[str, bytes], ...],
        instruction: Instruction | None = None,
        device_class: str = "",
        unit: str = "",
    ) -> MqttEntity:
        entity = Entity(
            id=EntityId(f"mqtt.{tidy_id(f'tasmota_{self._config.mac}_{place}')}"),
            device=self._device,
            name=name,
            capability=capability,
            device_class=device_class,
            unit=unit,
        )
        return MqttEntity(
            entity=entity,
            report=reports[0],
            also=tuple(reports[1:]),
            instruction=instruction,
            sources=self._sources,
            asks=asks,
        )


def _at(steps: Path) -> Template:
    return Template(json=True, steps=steps, filters=_ABSENT)


def topic_base(config: Config, prefix: str, *, always: bool = True) -> str:
    """Return the topic below which the device speaks, as the firmware builds it (``GetTopic_P``)."""
    pattern = config.full_topic if always else f"{config.full_topic}/%prefix%"
    for hole, content in (
        ("%prefix%", prefix),
        ("%topic%", config.topic),
        ("%hostname%", config.host),
        ("%id%", config.mac[-6:]),
    ):
        pattern = pattern.replace(hole, content)
    topic = pattern.replace("#", "")[: MAX_TOPIC_CHARS + 1]
    return re.sub("/{2,}", "/", f"{topic}/")


def check_base(base: str, account: str | None) -> None:
    """Refuse `base` if it is no device's own, or not that of `account` if there is one.

    Raises:
        AnnouncementError: with the reason.
    """
    topic = f"{base}RESULT"
    if len(base) > MAX_TOPIC_CHARS or not is_topic(topic):
        raise AnnouncementError("its full topic is none")
    if topic.startswith(("$", "/", "homeassistant/", "tasmota/discovery/", "gateway/")):
        raise AnnouncementError(f"the topic {base[:80]} is not a device's own")
    if account is not None:
        own = (f"{account}/", *(f"{prefix}/{account}/" for prefix in ("cmnd", "stat", "tele")))
        if not topic.startswith(own):
            raise AnnouncementError(f"the topic {base[:80]} is not {account}'s own")


def _word(text: str) -> str:
    if not text or len(text) > MAX_NAME_CHARS:
        raise AnnouncementError("has a word of no reasonable length")
    return text


def _name(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:MAX_NAME_CHARS]
