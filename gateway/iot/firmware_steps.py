"""The next step of an update over LwM2M object 5.  Pure.

One rule: what the device says now counts, not what was asked of it; it may have
lost power, and so may the box.

Source: OMA-TS-LightweightM2M_Core 1.1.1, appendix E.6, figure E.6-1.
"""

from enum import StrEnum

from gateway.iot.firmware_attempt import FirmwareFailedError, Stage
from gateway.iot.lwm2m_firmware import FirmwareDelivery, FirmwareObject, FirmwareProtocol, FirmwareResult
from gateway.iot.lwm2m_firmware import FirmwareState as Is

MAX_TRIES = 8
"""Deliveries begun anew for one image; a device that forgets it more often is broken."""


class Step(StrEnum):
    """What to do next."""

    RESET = "reset"
    DELIVER = "deliver"
    WAIT = "wait"
    EXECUTE = "execute"
    DONE = "done"


def next_step(stage: Stage, seen: FirmwareObject, version: str, wanted: str, *, pushes: bool) -> Step:
    """Return what to do with a device that is `seen` so.

    Args:
        stage: What was written down last.
        seen: Object 5 now.
        version: What it reports to run.
        wanted: What it shall run.
        pushes: Whether the box moves the image.

    Raises:
        FirmwareFailedError: the device has refused it, or fails with it.
    """
    if seen.state is None:
        return _untold(stage, version, wanted)
    if seen.state is Is.UPDATING:
        return Step.WAIT
    if stage is Stage.IDLE:
        return _first(seen, version, wanted)
    if seen.state is Is.DOWNLOADED:
        return _holding(seen, wanted)
    if seen.state is Is.DOWNLOADING:
        return Step.DELIVER if pushes else Step.WAIT
    return _at_rest(stage, seen, version, wanted)


def _untold(stage: Stage, version: str, wanted: str) -> Step:
    if stage is not Stage.UPDATING:
        raise FirmwareFailedError("the device does not say how far its update is")
    # One that has become silent about it is judged by what it runs.
    return Step.DONE if version == wanted else Step.WAIT


def _first(seen: FirmwareObject, version: str, wanted: str) -> Step:
    if version == wanted:
        return Step.DONE
    fresh = seen.state is Is.IDLE and seen.result in (None, FirmwareResult.INITIAL)
    return Step.DELIVER if fresh else Step.RESET


def _holding(seen: FirmwareObject, wanted: str) -> Step:
    if seen.package_version and seen.package_version != wanted:
        # Somebody else's, or an earlier one that the device has kept.
        return Step.RESET
    return Step.WAIT if seen.result is FirmwareResult.DEFERRED else Step.EXECUTE


def _at_rest(stage: Stage, seen: FirmwareObject, version: str, wanted: str) -> Step:
    if version == wanted and stage is Stage.UPDATING:
        return Step.DONE
    if seen.result is not None and seen.result.failed and seen.result is not FirmwareResult.CONNECTION_LOST:
        raise FirmwareFailedError(f"the device says {seen.result.name.lower().replace('_', ' ')}")
    if stage is Stage.UPDATING and seen.result is FirmwareResult.UPDATED:
        raise FirmwareFailedError(
            f"the device says that it is updated, but runs {version or 'it does not say what'}"
        )
    # It has forgotten what it had.
    return Step.DELIVER


def pushes(seen: FirmwareObject) -> bool:
    """Tell whether the box moves the image; a device that can do both fetches it.

    Raises:
        FirmwareFailedError: it can neither be sent nor fetch anything by CoAP.
    """
    by_coap = FirmwareProtocol.COAP in seen.protocols or not seen.protocols
    if seen.delivery is FirmwareDelivery.PUSH:
        return True
    if seen.delivery is None:
        return FirmwareProtocol.COAP not in seen.protocols
    if seen.delivery is FirmwareDelivery.BOTH:
        return not by_coap
    if not by_coap:
        raise FirmwareFailedError("the device fetches images, but not by CoAP")
    return False
