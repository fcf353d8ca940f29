"""What the API says about devices that join the home, as JSON documents.

One rule: the same as `gateway.ui.documents`: a name here is a promise to the outside.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec


class WaitingDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A CoAP device that waits to be allowed; all but `since` is its own word."""

    endpoint: str
    name: str
    model: str
    address: str
    since: datetime


class JudgedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A CoAP device of which somebody has decided."""

    endpoint: str
    name: str
    model: str
    verdict: Literal["admitted", "refused"]
    at: datetime


class DeviceAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An MQTT device's account; `label` is what the household calls the device."""

    name: str
    label: str
    made_at: datetime


class DeviceBroker(msgspec.Struct, frozen=True, kw_only=True):
    """Where MQTT devices find the box's broker.

    Without `tls` it is reached from the box itself only.  `ca` is the certificate (PEM) that a device must
    be given to know this box from another; `ca_sha256` its fingerprint, in hexadecimal digits.
    """

    host: str
    port: int
    tls: bool
    ca: str | None
    ca_sha256: str | None


class DevicePairing(msgspec.Struct, frozen=True, kw_only=True):
    """Who belongs to the home, and who wants to; `broker` is null where the box runs none."""

    waiting: list[WaitingDevice]
    devices: list[JudgedDevice]
    accounts: list[DeviceAccount]
    broker: DeviceBroker | None


class MakeDeviceAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new MQTT device's account.  Its topics begin with its name."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""


class DeviceCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """What the device must be told; `secret` is said this once and kept nowhere."""

    account: DeviceAccount
    secret: str
    broker: DeviceBroker | None


class FoundDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that announces itself on the home's network and is not part of the home.

    All of it is the device's own word; nobody has asked at `address`.
    """

    name: str
    kind: Literal["coap", "mqtt", "esphome", "shelly", "tasmota"]
    address: str
    port: int
    model: str
    seen_at: datetime
