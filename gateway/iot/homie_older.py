"""The devices that speak Homie 3 or 4, while they say what they are.

One rule: a device is put together when the broker has repeated all that we asked for
because of it; what it says first is not taken for all there is.

Each attribute has its own topic and tells where the next ones are.  They are listened
to by name: a filter with a wildcard for each device would be compared with every
message in the house.
"""

from gateway.iot.homie_attributes import Attributes
from gateway.iot.homie_description import HomieProperty
from gateway.iot.mqtt_echo import Echo
from gateway.mqtt import Message
from gateway.topics import TopicSubscription

EVERYBODYS = "$homie"
"""The attribute that is listened to without knowing the device."""


class OlderDevices:
    """What devices of the older versions said of themselves."""

    def __init__(self, domain: str, echo: Echo) -> None:
        """Know nobody yet.

        Args:
            domain: What their topics begin with, its slash included.
            echo: Tells when the broker has repeated what it keeps.
        """
        self._domain = domain
        self._echo = echo
        self._attributes: dict[str, Attributes] = {}
        self._paths: dict[str, frozenset[str]] = {}
        self._incomplete: dict[str, int] = {}

    def __contains__(self, device: str) -> bool:
        return device in self._attributes

    def listen(self, devices: TopicSubscription[Message]) -> None:
        """Listen with `devices` to everybody known."""
        for device, paths in self._paths.items():
            devices.add(*self._topics(device, paths))

    def add(self, device: str) -> None:
        """Know `device` from now on."""
        self._attributes[device] = Attributes(device)
        self._paths[device] = frozenset()

    def remove(self, device: str, devices: TopicSubscription[Message]) -> None:
        """Know `device` no more; nothing happens if it is not known."""
        if device in self:
            devices.remove(*self._topics(device, self._paths.pop(device)))
            del self._attributes[device]
            self._incomplete.pop(device, None)

    def hear(self, device: str, path: str, payload: bytes, devices: TopicSubscription[Message]) -> None:
        """Take what a known `device` says on `path`, and listen to what follows from it.

        Raises:
            AnnouncementError: with the reason; what it said before holds.
        """
        attributes = self._attributes[device]
        if not attributes.put(path, payload):
            return
        before = self._paths[device]
        if not before or attributes.names_more(path):
            after = self._paths[device] = attributes.paths()
            devices.remove(*self._topics(device, before - after))
            devices.add(*self._topics(device, after - before))
        self._incomplete[device] = self._echo.ask()

    def complete(self, echo: int) -> list[str]:
        """Return who has said all that the broker keeps, now that the echo of that number is heard."""
        found = [device for device, due in self._incomplete.items() if due <= echo]
        for device in found:
            del self._incomplete[device]
        return found

    def properties(self, device: str) -> tuple[HomieProperty, ...]:
        """Return what a known `device` consists of.

        Raises:
            AnnouncementError: with the reason.
        """
        return self._attributes[device].properties()

    def _topics(self, device: str, paths: frozenset[str]) -> list[str]:
        return [f"{self._domain}{device}/{path}" for path in paths if path != EVERYBODYS]
