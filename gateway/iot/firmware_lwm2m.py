"""Firmware over LwM2M object 5: the device fetches the image from the box, or the box sends it.

One rule: nothing is remembered but what `Attempt` holds; each step begins with
asking the device.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from gateway.errors import GatewayError
from gateway.iot.coap import CoapLink
from gateway.iot.coap_announced import device_id
from gateway.iot.coap_endpoint import CoapEndpoint
from gateway.iot.coap_firmware import PATH, Images, Parcel, new_token, push
from gateway.iot.coap_links import LinkFormatError
from gateway.iot.coap_lwm2m import Lwm2mSession
from gateway.iot.coap_senml import PayloadError
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_address import own_address
from gateway.iot.firmware_attempt import Attempt, FirmwareFailedError, Stage
from gateway.iot.firmware_choice import Candidate
from gateway.iot.firmware_delivery import Carrying
from gateway.iot.firmware_facts import FirmwareConfig
from gateway.iot.firmware_steps import MAX_TRIES, Step, next_step, pushes
from gateway.iot.link import DeviceRefusedError, LinkDownError
from gateway.iot.lwm2m_firmware import (
    OBJECT,
    PACKAGE,
    PACKAGE_URI,
    RESULT,
    STATE,
    UPDATE,
    FirmwareObject,
    FirmwareState,
    firmware_of,
)
from gateway.iot.lwm2m_objects import DeviceFacts
from gateway.iot.lwm2m_paths import path_text
from gateway.trust.firmware import Kind, SignedFirmware

log = logging.getLogger(__name__)

_KEEP_EVERY_BYTES = 8 * 1024
"""What a device gets again after the box lost power; a write to flash for each block would wear it out."""
_BLOCK_TIMEOUT_S = 15.0
_ASKED_AT_ONCE = 8
_PREFIX = device_id("")


class Lwm2mWay:
    """See `gateway.iot.firmware_delivery.Way`."""

    link: Kind = "lwm2m"

    def __init__(self, coap: CoapLink, endpoint: CoapEndpoint, config: FirmwareConfig) -> None:
        """Describe it.

        Args:
            coap: Knows the devices.
            endpoint: The box's own socket; devices fetch from there, so its site gets `PATH` before it opens.
            config: How patient to be.
        """
        self._coap = coap
        self._endpoint = endpoint
        self._poll_s = config.poll_s
        self._deadline = timedelta(seconds=config.deadline_s)
        self._images = Images()
        endpoint.site.add_resource([PATH], self._images)
        self._known: dict[str, tuple[Lwm2mSession, Candidate]] = {}

    async def survey(self) -> Sequence[Candidate]:
        found: dict[str, tuple[Lwm2mSession, Candidate]] = {}
        room = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def ask(name: str) -> None:
            async with room:
                with contextlib.suppress(GatewayError):
                    session = self._coap.lwm2m(name)
                    known = self._known.get(name)
                    # A device that restarts registers anew, with whatever it runs then.
                    same = known is not None and known[0] is session
                    candidate = known[1] if known and same else await _described(name, session)
                    found[name] = session, candidate

        async with asyncio.TaskGroup() as group:
            for name in self._coap.lwm2m_endpoints(OBJECT):
                group.create_task(ask(name), name=f"label of {name}")
        self._known = found
        return [candidate for _, candidate in found.values()]

    def settle(self) -> None:
        self._images.withdraw()

    async def carry(self, attempt: Attempt, carrying: Carrying) -> Attempt:
        name = attempt.device.removeprefix(_PREFIX)
        self._known.pop(name, None)
        until = datetime.now(UTC) + self._deadline
        journey = _Journey(attempt if attempt.token else replace(attempt, token=new_token()), carrying, until)
        try:
            while not journey.attempt.stage.over:
                try:
                    await self._advance(self._coap.lwm2m(name), journey)
                except LinkDownError as away:
                    log.debug("Firmware of %s: %s", name, away)
                    await asyncio.sleep(self._poll_s)
                except (DeviceRefusedError, PayloadError, LinkFormatError) as no:
                    raise FirmwareFailedError(str(no)) from no
        finally:
            self._images.withdraw()
        return journey.attempt

    async def _advance(self, session: Lwm2mSession, journey: "_Journey") -> None:
        """Ask, and take one step."""
        # Before anything is asked: the device may be in the middle of fetching.
        self._images.offer(journey.parcel(_host(session.base)))
        seen = await _look(session)
        label = await session.label()
        version = label.firmware
        by_push, attempt = pushes(seen), journey.attempt
        step = next_step(attempt.stage, seen, version, attempt.manifest.version, pushes=by_push)
        if step is Step.DONE:
            journey.attempt = attempt.now(Stage.UPDATED)
            return
        if step is Step.RESET and journey.was_reset and seen.state is FirmwareState.IDLE:
            # It does not forget how its last update ended; there is nothing else to clear.
            step = Step.DELIVER
        if step in (Step.DELIVER, Step.EXECUTE):
            _check_same(label, attempt.manifest)
        if step is Step.RESET:
            journey.was_reset = True
            await _reset(session)
        elif step is Step.EXECUTE:
            await journey.carrying.cleared()
            await journey.keep(attempt.now(Stage.UPDATING))
            # It may restart before it answers.
            with contextlib.suppress(LinkDownError):
                await session.execute(UPDATE)
        elif step is Step.DELIVER:
            await journey.carrying.cleared()
            await journey.begin(anew=seen.state is not FirmwareState.DOWNLOADING)
            if by_push:
                await self._push(session, journey)
                return
            await session.write(PACKAGE_URI, self._address(session, journey.attempt.token))
        await asyncio.sleep(self._poll_s)

    def _address(self, session: Lwm2mSession, token: str) -> str:
        own = own_address(_host(session.base))
        host = f"[{own}]" if ":" in own else own
        return f"coap://{host}:{self._endpoint.port}/{PATH}/{token}"

    async def _push(self, session: Lwm2mSession, journey: "_Journey") -> None:
        url, image = session.base + path_text(PACKAGE), journey.carrying.image
        blocks = push(lambda: self._endpoint.context, url, image, journey.attempt.block, _BLOCK_TIMEOUT_S)
        written = journey.attempt.block
        async with contextlib.aclosing(blocks):
            async for sent in blocks:
                journey.attempt = replace(journey.attempt, block=sent if sent < len(image) else 0)
                if not written <= sent < written + _KEEP_EVERY_BYTES:
                    await journey.keep(journey.attempt)
                    written = sent
                await journey.carrying.cleared()


@dataclass(slots=True)
class _Journey:
    """An attempt while it is carried."""

    attempt: Attempt
    carrying: Carrying
    until: datetime
    was_reset: bool = False

    async def keep(self, attempt: Attempt) -> None:
        await self.carrying.keep(attempt)
        self.attempt = attempt

    async def begin(self, *, anew: bool) -> None:
        """Write down that the image is on its way.

        Raises:
            FirmwareFailedError: the device has forgotten it too often.
        """
        if anew and self.attempt.tries >= MAX_TRIES:
            raise FirmwareFailedError(f"the device lost the image {MAX_TRIES} times")
        tries, block = (self.attempt.tries + 1, 0) if anew else (self.attempt.tries, self.attempt.block)
        if anew or self.attempt.stage is not Stage.DOWNLOADING:
            await self.keep(replace(self.attempt.now(Stage.DOWNLOADING), tries=tries, block=block))

    def parcel(self, host: str) -> Parcel:
        return Parcel(
            token=self.attempt.token,
            image=self.carrying.image,
            sha256=self.attempt.manifest.sha256,
            host=host,
            until=self.until,
        )


async def _described(name: str, session: Lwm2mSession) -> Candidate:
    label = await session.label()
    return Candidate(
        device=DeviceId(device_id(name)),
        vendor=label.manufacturer,
        model=label.model,
        hardware=label.hardware,
        version=label.firmware,
        link="lwm2m",
    )


def _check_same(label: DeviceFacts, manifest: SignedFirmware) -> None:
    """Refuse a device that is another than the one that was chosen: names are given anew with new devices."""
    said = (label.manufacturer, label.model, label.hardware)
    if said[:2] != (manifest.vendor, manifest.model) or label.hardware not in manifest.hardware:
        raise FirmwareFailedError(f"the device is now {' '.join(said)}, for which the image is not")


async def _look(session: Lwm2mSession) -> FirmwareObject:
    try:
        return firmware_of(await session.read((OBJECT, 0)))
    except (DeviceRefusedError, PayloadError):
        # Some answer only for single resources.
        said = dict(await session.read(STATE))
        with contextlib.suppress(DeviceRefusedError, PayloadError):
            said |= await session.read(RESULT)
        return firmware_of(said)


async def _reset(session: Lwm2mSession) -> None:
    """Let the device forget what it holds (appendix E.6: an empty address does that)."""
    try:
        await session.write(PACKAGE_URI, "")
    except DeviceRefusedError:
        await session.write(PACKAGE, "\0")


def _host(base: str) -> str:
    return urlsplit(base).hostname or ""
