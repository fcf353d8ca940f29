"""The port between the firmware service and the ways an image gets to a device.

One rule: a way moves exactly the bytes it is given, and ends only when the
device itself has said how it went.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.iot.firmware_attempt import Attempt
from gateway.iot.firmware_choice import Candidate
from gateway.trust.firmware import Kind


@dataclass(frozen=True, slots=True)
class Carrying:
    """What a way may use while it carries one image.

    Attributes:
        image: Checked against the manifest just now.
        keep: Writes the attempt down; called before each step.
        cleared: Returns when nothing in the house must not be disturbed.
    """

    image: bytes
    keep: Callable[[Attempt], Awaitable[None]]
    cleared: Callable[[], Awaitable[None]]


class Way(Protocol):
    """How images get to devices of one link.

    Implementations: `gateway.iot.firmware_lwm2m.Lwm2mWay`, `gateway.iot.firmware_tasmota.TasmotaWay`; a
    dummy in the service's tests.

    Attributes:
        link: What manifests call it.
    """

    link: Kind

    async def survey(self) -> Sequence[Candidate]:
        """Return the devices that can be reached, as they tell of themselves now."""

    def settle(self) -> None:
        """Know that nothing was under way when the box started."""

    async def carry(self, attempt: Attempt, carrying: Carrying) -> Attempt:
        """Bring the device to the image, from wherever `attempt` stands; return how it ended.

        A device that is silent is waited for.

        Raises:
            FirmwareFailedError: the device has not taken it and will not.
        """
