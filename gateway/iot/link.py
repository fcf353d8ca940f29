"""The link port: how one world of devices reaches the registry, and commands it.

One rule: facts rise as `LinkEvent`s; a command goes down as an awaited call
that says only whether the device took it, never whether it did it.
"""

from asyncio import Future
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from gateway.errors import BadInputError, GatewayError
from gateway.iot.entity import Entity, EntityId, Reading, Value
from gateway.pubsub import Publisher


@dataclass(frozen=True, slots=True)
class Found:
    """A device announced an entity, or announced it anew with other properties."""

    entity: Entity


@dataclass(frozen=True, slots=True)
class Lost:
    """A device took back an entity; it is no longer part of the home."""

    entity: EntityId


@dataclass(frozen=True, slots=True)
class Availability:
    """A device can or cannot be reached."""

    entity: EntityId
    available: bool


LinkEvent = Found | Lost | Availability | Reading


class AnnouncementError(BadInputError):
    """A device announced something that we do not understand or must not believe."""

    code: ClassVar[str] = "IOT-105"
    hint = "Look at the device's MQTT settings; the other devices are not affected."


class DeviceRefusedError(GatewayError):
    """The device answered that it will not do this."""

    code: ClassVar[str] = "IOT-201"
    hint = "Check the device itself; it refused the command."


class LinkDownError(GatewayError):
    """The command could not be handed to the device."""

    code: ClassVar[str] = "IOT-202"
    hint = "Check that the device has power and is near enough, then try again."


class Link(Protocol):
    """One world of devices.

    Implementations: `gateway.iot.mqtt`, `gateway.iot.coap`.
    """

    name: str
    """``mqtt`` or ``coap``; the first part of every entity id of this link."""

    @property
    def events(self) -> Publisher[LinkEvent]: ...

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""

    async def command(self, entity: EntityId, value: Value) -> bool:
        """Hand `value` to the device.

        Returns:
            Whether the device itself acknowledged.  MQTT devices do not: the
            broker's acknowledgement says nothing about the lamp.

        Raises:
            DeviceRefusedError: it answered no.
            LinkDownError: it could not be reached.
        """


@runtime_checkable
class PromptLink(Link, Protocol):
    """A link that can hand over without waiting."""

    def begin(self, entity: EntityId, value: Value) -> Future[None] | None:
        """Hand `value` over now; what comes back is done when its carrier has it.

        Returns:
            `None` if it has to wait: nothing was handed over; `command` waits.

        Raises:
            GatewayError: it cannot be; `command` says why.
        """
