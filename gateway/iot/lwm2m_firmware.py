"""A device's firmware object (OMA LwM2M object 5), as it tells of itself.  Pure.

One rule: only reads.  What is not there or is out of range is unknown, never
taken for idle or done.

Source: OMA-TS-LightweightM2M_Core 1.1.1, appendix E.6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from gateway.iot.coap_senml import Record
from gateway.iot.lwm2m_paths import Path

OBJECT = 5
PACKAGE: Path = (OBJECT, 0, 0)
PACKAGE_URI: Path = (OBJECT, 0, 1)
UPDATE: Path = (OBJECT, 0, 2)
STATE: Path = (OBJECT, 0, 3)
RESULT: Path = (OBJECT, 0, 5)
NAME: Path = (OBJECT, 0, 6)
VERSION: Path = (OBJECT, 0, 7)
PROTOCOLS: Path = (OBJECT, 0, 8)
DELIVERY: Path = (OBJECT, 0, 9)

Closed = TypeVar("Closed", bound=IntEnum)


class FirmwareState(IntEnum):
    """Resource 3: how far the device is."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class FirmwareResult(IntEnum):
    """Resource 5: how the last update ended."""

    INITIAL = 0
    UPDATED = 1
    NOT_ENOUGH_FLASH = 2
    OUT_OF_MEMORY = 3
    CONNECTION_LOST = 4
    INTEGRITY_FAILED = 5
    UNSUPPORTED_PACKAGE = 6
    INVALID_ADDRESS = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9
    CANCELLED = 10
    DEFERRED = 11

    @property
    def failed(self) -> bool:
        """Whether the update did not happen and will not by itself."""
        return self not in (FirmwareResult.INITIAL, FirmwareResult.UPDATED, FirmwareResult.DEFERRED)


class FirmwareProtocol(IntEnum):
    """Resource 8: what the device can fetch an image by."""

    COAP = 0
    COAPS = 1
    HTTP = 2
    HTTPS = 3
    COAP_TCP = 4
    COAP_TLS = 5


class FirmwareDelivery(IntEnum):
    """Resource 9: who moves the image."""

    PULL = 0
    PUSH = 1
    BOTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareObject:
    """What a device says of its firmware.

    Attributes:
        state: `None` if it does not say, or nothing we know.
        result: Likewise.
        package_name: Of the image it holds, empty if not said.
        package_version: Likewise.
        protocols: What it can pull by, empty if not said: a device that leaves the resource out
            and can pull at all pulls by CoAP.
        delivery: `None` if it does not say, or nothing we know.
    """

    state: FirmwareState | None = None
    result: FirmwareResult | None = None
    package_name: str = ""
    package_version: str = ""
    protocols: frozenset[FirmwareProtocol] = frozenset()
    delivery: FirmwareDelivery | None = None


def firmware_of(said: Mapping[Path, Record]) -> FirmwareObject:
    """Return what `said` tells of object 5, instance 0.

    Args:
        said: Values by path, as `gateway.iot.lwm2m_values.read` gives them.
    """
    protocols = (
        _known(FirmwareProtocol, record)
        for path, record in said.items()
        if path[: len(PROTOCOLS)] == PROTOCOLS
    )
    return FirmwareObject(
        state=_known(FirmwareState, said.get(STATE)),
        result=_known(FirmwareResult, said.get(RESULT)),
        package_name=_text(said.get(NAME)),
        package_version=_text(said.get(VERSION)),
        protocols=frozenset(each for each in protocols if each is not None),
        delivery=_known(FirmwareDelivery, said.get(DELIVERY)),
    )


def _known(kind: type[Closed], record: Record | None) -> Closed | None:
    value = None if record is None else record.value
    if isinstance(value, bool) or not isinstance(value, int) or value not in set(kind):
        return None
    return kind(value)


def _text(record: Record | None) -> str:
    return str(record.value) if record is not None else ""
