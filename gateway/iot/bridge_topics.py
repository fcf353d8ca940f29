"""How an entity of another world looks in MQTT: topics, announcement, values.  Pure.

One rule: everything the box announces has topics below ``gateway/{box}/`` and
nothing else, which is how its own ear knows not to believe them.
"""

import hashlib
import json
import re
from dataclasses import dataclass

from gateway.iot.entity import Capability, Entity, EntityId, State, Value

_PLAIN = re.compile(r"[A-Za-z0-9.]+")
_WIDE = 1e9
"""The bound of a number that has none: without one, Home Assistant assumes 100."""
_COMPONENTS = {Capability.ALARM: "alarm_control_panel"}
"""Home Assistant's names of components where they are not those of our capabilities."""
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
        fields: dict[str, object] = {
            "name": entity.name,
            "unique_id": f"{self._node}_{name}",
            "object_id": name,
            "state_topic": self.below(name, "state"),
            "command_topic": self.below(name, "set") if entity.writable else "",
            "availability": [
                {"topic": f"gateway/{self.box}/status"},
                {"topic": self.below(name, "availability")},
            ],
            "availability_mode": "all",
            **_bounds(entity),
            "device_class": entity.device_class,
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
    """Return the component as which `entity` is announced."""
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
            wanted = float(word)
        except ValueError:
            wanted = None
    elif not entity.capability.is_switched:
        wanted = word
    return wanted if wanted is not None and entity.takes(wanted) else None


def _bounds(entity: Entity) -> dict[str, object]:
    """Return what Home Assistant must know of what the entity can become."""
    if entity.capability is Capability.SELECT:
        return {"options": list(entity.choices)}
    if entity.capability is Capability.ALARM:
        # Home Assistant says ARM_AWAY where the state is armed_away.
        words = {
            "payload_disarm": "disarmed",
            "payload_arm_home": "armed_home",
            "payload_arm_away": "armed_away",
        }
        offered = {key: word for key, word in words.items() if word in entity.choices}
        can = [key.removeprefix("payload_") for key in offered if key != "payload_disarm"]
        return {**offered, "supported_features": can, "code_arm_required": False} if offered else {}
    if entity.capability is not Capability.NUMBER:
        return {}
    wide = {"min": -_WIDE, "max": _WIDE, "step": 1.0}
    said = {"min": entity.minimum, "max": entity.maximum, "step": entity.step or None}
    return {**wide, **{key: value for key, value in said.items() if value is not None}}
