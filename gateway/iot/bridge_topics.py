"""How an entity of another world looks in MQTT: topics, announcement, values.  Pure.

One rule: everything the box announces has topics below ``gateway/{box}/`` and
nothing else, which is how its own ear knows not to believe them.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass

from gateway.iot.entity import Capability, Entity, EntityId, State, Value

_PLAIN = re.compile(r"[A-Za-z0-9.]+")
_WIDE = 1e9
"""The bound of a number that has none: without one, Home Assistant assumes 100."""
_FINEST = 1e-3
"""The smallest step between two numbers that Home Assistant knows."""
_COMPONENTS = {
    Capability.ALARM: "alarm_control_panel",
    # Home Assistant's own components for these want more than is known of them here.
    Capability.EVENT: "sensor",
    Capability.UPDATE: "sensor",
}
"""Home Assistant's names of components where they are not those of our capabilities."""
_ENUMERATED = (Capability.SELECT, Capability.CLIMATE, Capability.COVER, Capability.LOCK, Capability.ALARM)
_LOCK_STATES = ("locked", "locking", "unlocked", "unlocking", "jammed")
_PRESS = "PRESS"
_NOTHING = b"None"
"""What is not known, to Home Assistant, which takes any other word for a number amiss."""
_NUMERIC_CLASSES = frozenset(
    {
        *("apparent_power", "aqi", "atmospheric_pressure", "battery", "carbon_dioxide", "carbon_monoxide"),
        *("current", "data_rate", "data_size", "distance", "duration", "energy", "energy_storage"),
        *("frequency", "gas", "humidity", "illuminance", "irradiance", "moisture", "monetary"),
        *("nitrogen_dioxide", "nitrogen_monoxide", "nitrous_oxide", "ozone", "ph", "pm1", "pm10", "pm25"),
        *("power", "power_factor", "precipitation", "precipitation_intensity", "pressure"),
        *("reactive_power", "signal_strength", "sound_pressure", "speed", "sulphur_dioxide", "temperature"),
        *("volatile_organic_compounds", "volatile_organic_compounds_parts", "voltage", "volume"),
        *("volume_flow_rate", "volume_storage", "water", "weight", "wind_speed"),
    }
)
"""Of its sensors.  It refuses the announcement of a device that has a word of its own for that."""
_UNTIDY = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Topics:
    """The box's own topics.

    Attributes:
        box: The box's id, one level of a topic.
        prefix: First level of Home Assistant's discovery topics.
    """

    box: str
    prefix: str = "homeassistant"

    @property
    def orders(self) -> str:
        """Filter of all topics that take commands."""
        return f"gateway/{self.box}/+/set"

    @property
    def announcements(self) -> str:
        """Filter of all announcements the box ever made."""
        return f"{self.prefix}/+/{self._node}/+/config"

    def announcement(self, component: str, object_id: str) -> str:
        """Topic on which the object is announced."""
        return f"{self.prefix}/{component}/{self._node}/{object_id}/config"

    def below(self, object_id: str, leaf: str) -> str:
        """Topic of the object's ``state``, ``set`` or ``availability``."""
        return f"gateway/{self.box}/{object_id}/{leaf}"

    def document(self, entity: Entity) -> bytes:
        """Return the announcement of `entity` as Home Assistant's MQTT discovery has it."""
        name = object_id(entity.id)
        device = {
            "identifiers": [f"{self._node}_{entity.device.id}"],
            "name": entity.device.name,
            "manufacturer": entity.device.manufacturer,
            "model": entity.device.model,
            "sw_version": entity.device.firmware,
        }
        component = component_of(entity)
        is_told = entity.writable and component != "sensor"
        side = "mode_" if component == "climate" else ""
        state = self.below(name, "state") if entity.capability is not Capability.BUTTON else ""
        fields: dict[str, object] = {
            "name": _name(entity),
            "unique_id": f"{self._node}_{name}",
            "object_id": name,
            f"{side}state_topic": state,
            f"{side}command_topic": self.below(name, "set") if is_told else "",
            "availability": [
                {"topic": f"gateway/{self.box}/status"},
                {"topic": self.below(name, "availability")},
            ],
            "availability_mode": "all",
            **(_particulars(entity) if is_told else {}),
            "device_class": _device_class(entity),
            "unit_of_measurement": entity.unit,
            "device": {key: value for key, value in device.items() if value},
            "origin": {"name": "gateway"},
        }
        kept = {key: value for key, value in fields.items() if value not in ("", (), [], {})}
        return json.dumps(kept, ensure_ascii=False, sort_keys=True).encode()

    @property
    def _node(self) -> str:
        return f"gateway_{_UNTIDY.sub('_', self.box)}"


def component_of(entity: Entity) -> str:
    """Return the component as which `entity` is announced.

    What could be told words or numbers but has no choice only tells, which its own component
    does not know.
    """
    if entity.capability in _ENUMERATED and not entity.choices:
        return "sensor"
    if entity.capability is Capability.NUMBER and _lowest(entity) >= _highest(entity):
        return "sensor"
    return _COMPONENTS.get(entity.capability, entity.capability.value)


def object_id(entity: EntityId) -> str:
    """Return a name for `entity` that can stand in a topic; different for different entities."""
    tidy = _UNTIDY.sub("_", entity.replace(".", "_"))
    if _PLAIN.fullmatch(entity):
        return tidy
    # Replacing more than dots could make two ids the same.
    return f"{tidy[:100]}_{hashlib.sha256(entity.encode()).hexdigest()[:8]}"


def state_text(state: State) -> bytes:
    """Return the value of `state` as its announcement says; empty when there is none yet."""
    if state.value is None:
        return b""
    if _is_numeric(state.entity) and not _is_number(state.value):
        return _NOTHING
    if isinstance(state.value, bool):
        on, off = ("ON", "OFF") if state.entity.capability.is_switched else ("true", "false")
        return (on if state.value else off).encode()
    return str(state.value).encode()


def ordered(entity: Entity, payload: bytes) -> Value | None:
    """Return the value that `payload` on the entity's command topic asks for; `None` if none."""
    word = payload.decode(errors="replace").strip()
    wanted: Value | None = {"ON": True, "OFF": False}.get(word.upper())
    if entity.capability is Capability.NUMBER:
        try:
            number = float(word)
        except ValueError:
            return None
        # Many a device takes 75 and not 75.0.
        wanted = int(number) if number.is_integer() else number
    elif entity.capability is Capability.BUTTON:
        wanted = word == _PRESS
    elif not entity.capability.is_switched:
        wanted = word
    return wanted if wanted is not None and entity.takes(wanted) else None


def _name(entity: Entity) -> str | None:
    """Return its name after that of its device, which Home Assistant puts first; `None` if it has none."""
    own = "" if entity.name == entity.device.name else entity.name
    return f"{own} {entity.part.replace('_', ' ')}".strip() or None


def _lowest(entity: Entity) -> float:
    return -_WIDE if entity.minimum is None else entity.minimum


def _highest(entity: Entity) -> float:
    return _WIDE if entity.maximum is None else entity.maximum


def _device_class(entity: Entity) -> str:
    if component_of(entity) != "sensor":
        return entity.device_class
    return entity.device_class if _is_numeric(entity) and entity.device_class in _NUMERIC_CLASSES else ""


def _is_numeric(entity: Entity) -> bool:
    """Return whether Home Assistant takes nothing but numbers for it."""
    is_measured = bool(entity.unit) or entity.device_class in _NUMERIC_CLASSES
    return entity.capability is Capability.NUMBER or (entity.capability is Capability.SENSOR and is_measured)


def _is_number(value: Value) -> bool:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return False
    return not isinstance(value, bool) and math.isfinite(value)


def _particulars(entity: Entity) -> dict[str, object]:
    """Return what Home Assistant must know of what the entity can become, and our words for it."""
    said: dict[str, object] = {}
    match entity.capability:
        case Capability.SELECT:
            said = {"options": list(entity.choices)}
        case Capability.CLIMATE:
            said = {"modes": list(entity.choices)}
        case Capability.LOCK:
            # Home Assistant says LOCK for both, the order and what becomes of it in capitals.
            said = {f"state_{each}": each for each in _LOCK_STATES}
            said |= {"payload_lock": "locked", "payload_unlock": "unlocked"}
        case Capability.COVER:
            words = {"payload_open": "open", "payload_close": "closed", "payload_stop": "stopped"}
            said = {key: word if word in entity.choices else None for key, word in words.items()}
        case Capability.BUTTON:
            said = {"payload_press": _PRESS}
        case Capability.ALARM:
            # Home Assistant says ARM_AWAY where the state is armed_away.
            words = {
                "payload_disarm": "disarmed",
                "payload_arm_home": "armed_home",
                "payload_arm_away": "armed_away",
            }
            offered = {key: word for key, word in words.items() if word in entity.choices}
            can = [key.removeprefix("payload_") for key in offered if key != "payload_disarm"]
            said = {**offered, "supported_features": can, "code_arm_required": False} if offered else {}
        case Capability.NUMBER:
            said = {
                "min": _lowest(entity),
                "max": _highest(entity),
                "step": max(entity.step, _FINEST) if entity.step > 0 else 1.0,
            }
    return said
