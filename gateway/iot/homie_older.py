"""The devices that speak Homie 3 or 4, while they say what they are.

One rule: a device is put together when the broker has repeated all that we asked for
because of it; what it says first is not taken for all there is.

Each attribute has its own topic and tells where the next ones are.  They are listened
to by name: a filter with a wildcard for each device would be compared with every
message in the house.
"""

from collections.abc import Iterator

from gateway.iot.homie_attributes import Attributes
from gateway.iot.homie_description import HomieProperty
from gateway.iot.link import AnnouncementError
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
        self._renamed: set[str] = set()

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
        self._renamed.add(device)

    def remove(self, device: str, devices: TopicSubscription[Message]) -> None:
        """Know `device` no more; nothing happens if it is not known."""
        if device in self:
            devices.remove(*self._topics(device, self._paths.pop(device)))
            del self._attributes[device]
            self._incomplete.pop(device, None)
            self._renamed.discard(device)

    def hear(self, device: str, path: str, payload: bytes) -> None:
        """Take what a known `device` says on `path`.

        Raises:
            AnnouncementError: it cannot be read.
        """
        attributes = self._attributes[device]
        if attributes.put(path, payload):
            if attributes.names_more(path):
                self._renamed.add(device)
            self._incomplete.setdefault(device, self._echo.ask())

    def complete(self, echo: int, devices: TopicSubscription[Message]) -> Iterator[str | None]:
        """Yield who has said all that the broker keeps, now that the echo of that number is heard.

        Who named further topics meanwhile is listened to there with `devices`, and waited for once
        more; `None` stands for each of them.  That is done here and not at once so that a device
        cannot have the broker busy with filters faster than the broker can follow.
        """
        for device in [each for each, due in self._incomplete.items() if due <= echo]:
            if self._incomplete.pop(device, None) is None:
                continue
            if device in self._renamed and self._follow(device, devices):
                self._incomplete[device] = self._echo.ask()
                yield None
            else:
                yield device

    def properties(self, device: str) -> tuple[HomieProperty, ...]:
        """Return what a known `device` consists of.

        Raises:
            AnnouncementError: with the reason.
        """
        return self._attributes[device].properties()

    def _follow(self, device: str, devices: TopicSubscription[Message]) -> bool:
        """Listen where `device` speaks now; return whether that is any different."""
        self._renamed.discard(device)
        before = self._paths[device]
        try:
            after = self._attributes[device].paths()
        except AnnouncementError:
            # Whoever puts it together is told why.
            return False
        self._paths[device] = after
        devices.remove(*self._topics(device, before - after))
        devices.add(*self._topics(device, after - before))
        return before != after

    def _topics(self, device: str, paths: frozenset[str]) -> list[str]:
        return [f"{self._domain}{device}/{path}" for path in paths if path != EVERYBODYS]
