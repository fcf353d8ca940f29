"""What a Tasmota light or shutter has beside on and off.

One rule: pure.  Which commands a light listens to follows from four numbers of its
announcement, as Home Assistant's own reader of it has it (hatasmota).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.iot.entity import Capability, Value
from gateway.iot.tasmota_announced import Config
from gateway.iot.tasmota_sensors import Path

LIGHT, SHUTTER = 2, 3
"""Kinds of relays."""

_COLD_WARM, _RGBW, _RGBCW = 2, 4, 5
_EACH_CHANNEL = "68"
_FEWER_COLOURS = "82"
"""Numbers of ``SetOption``."""
_INVERTED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One value of a thing.

    Attributes:
        name: As `gateway.iot.entity.Entity.part`; empty for the thing itself.
        path: Where it stands in a report.
        command: The last level of the topic on which it is told.
        words: What it is told for each value; numbers are told as numbers.
        ends: As `gateway.iot.mqtt_entity.Report.ends`.
        unit, choices, minimum, maximum, step: As in `gateway.iot.entity.Entity`.
    """

    name: str
    capability: Capability
    path: Path
    command: str
    words: Mapping[Value, str] = field(default_factory=dict)
    ends: tuple[float, float] | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float = 0.0


def light_sides(config: Config, number: int) -> tuple[Side, ...]:
    """Return the brightness and colour temperature of the light that is relay `number`, if it has them."""
    if config.relays[number - 1] != LIGHT or config.fan or not config.light:
        return ()
    key = command = "Dimmer"
    tinted = config.light in (_COLD_WARM, _RGBCW)
    if config.options.get(_EACH_CHANNEL):
        key = command = f"Channel{number}"
        tinted = False
    elif not config.linked and config.light >= _RGBW:
        # Colour and white are two lights, one behind the other.
        which = number - config.relays.index(LIGHT)
        if which > 2:  # noqa: PLR2004 - two lights
            return ()
        key = command = f"Dimmer{which}"
        tinted = which == 2 and config.light == _RGBCW  # noqa: PLR2004 - the second one
    if config.tuya:
        command = "Dimmer3"
    brightness = Side(
        name="brightness",
        capability=Capability.NUMBER,
        path=(key,),
        command=command,
        unit="%",
        minimum=1,
        maximum=100,
        step=1,
    )
    if not tinted:
        return (brightness,)
    coldest, warmest = (200, 380) if config.options.get(_FEWER_COLOURS) else (153, 500)
    tint = Side(
        name="color_temp",
        capability=Capability.NUMBER,
        path=("CT",),
        command="CT",
        unit="mired",
        minimum=coldest,
        maximum=warmest,
        step=1,
    )
    return (brightness, tint)


def shutter_count(config: Config) -> int:
    """Return how many shutters there are; each has two relays."""
    return config.relays.count(SHUTTER) // 2


def shutter_sides(config: Config, number: int) -> tuple[Side, ...]:
    """Return the shutter of that number itself, and its position."""
    options = config.shutters[number - 1] if number <= len(config.shutters) else 0
    inverted = bool(options & _INVERTED)
    path = (f"Shutter{number}", "Position")
    itself = Side(
        name="",
        capability=Capability.COVER,
        path=path,
        # Opening and closing are different topics, but any command may be told on this one.
        command="Backlog",
        words={
            "open": f"ShutterOpen{number}",
            "closed": f"ShutterClose{number}",
            "stopped": f"ShutterStop{number}",
        },
        ends=(100.0, 0.0) if inverted else (0.0, 100.0),
        choices=("open", "closed", "stopped"),
    )
    if inverted:
        # It counts the other way round, and a number cannot be told so.
        return (itself,)
    position = Side(
        name="position",
        capability=Capability.NUMBER,
        path=path,
        command=f"ShutterPosition{number}",
        unit="%",
        minimum=0,
        maximum=100,
        step=1,
    )
    return (itself, position)
