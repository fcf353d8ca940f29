"""A device that is a CoAP server and registers at the box's resource directory.

One rule: it registers anew whenever the box does not know it, and updates its
registration well before it runs out.
"""

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import aiocoap
from aiocoap import error, resource

from headend.demo.devices.running import RETRY_S

log = logging.getLogger(__name__)

LINK_FORMAT, TEXT, SENML_JSON = 40, 0, 110
_LIFETIME_S = 60
_UPDATE_S = 20.0
_ANSWER_S = 5.0
_MAX_AGE_S = 15

Value = bool | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where the box listens, and how the device calls itself there."""

    host: str
    port: int
    endpoint: str
    title: str
    model: str


class Measured(resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """A value that the device measures: readable and observable, as SenML or plain text."""

    ct = f"{SENML_JSON} {TEXT}"

    def __init__(self, value: Value, *, unit: str = "", **attributes: str) -> None:
        """Describe a value.

        Args:
            value: What it is at first.
            unit: SenML unit; empty if none.
            attributes: Link attributes, as ``rt`` and ``title``; ``if_`` for ``if``.
        """
        super().__init__()
        self.value = value
        self.measured_at = time.time()
        self._unit = unit
        self._attributes = {name.rstrip("_"): text for name, text in attributes.items()}

    def get_link_description(self) -> dict[str, str | None]:
        """Return the attributes of its link."""
        return {**self._attributes, "ct": self.ct, "obs": None}

    def become(self, value: Value) -> None:
        """Take a new value, measured now, and tell the observers."""
        self.value = value
        self.measured_at = time.time()
        self.updated_state()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer with the value."""
        accepted = request.opt.accept
        if accepted == TEXT:
            text = str(int(self.value)) if isinstance(self.value, bool) else str(self.value)
            return aiocoap.Message(payload=text.encode(), content_format=TEXT, max_age=_MAX_AGE_S)
        if accepted not in (None, SENML_JSON):
            raise error.NotAcceptable
        record: dict[str, object] = {"vb" if isinstance(self.value, bool) else "v": self.value}
        if self._unit:
            record["u"] = self._unit
        record["t"] = round(self.measured_at, 3)
        pack = json.dumps([record]).encode()
        return aiocoap.Message(payload=pack, content_format=SENML_JSON, max_age=_MAX_AGE_S)


class Settable(Measured):
    """A value that others may set, by PUT in the same formats."""

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take the value in the request."""
        try:
            if request.opt.content_format == SENML_JSON:
                record = json.loads(request.payload)[0]
                value = record["vb"] if "vb" in record else record["v"]
            else:
                value = float(request.payload)
            self.become(bool(value) if isinstance(self.value, bool) else float(value))
        except (ValueError, LookupError, TypeError) as bad:
            raise error.BadRequest from bad
        return aiocoap.Message(code=aiocoap.CHANGED)


class Instrument(Protocol):
    """What differs from device to device."""

    def resources(self) -> dict[str, Measured]:
        """Return its resources by path; those at ``/demo`` are not registered."""

    async def live(self) -> None:
        """Measure, until cancelled."""


async def live_on_coap(instrument: Instrument, box: Box) -> None:
    """Be `instrument` until cancelled."""
    site = resource.Site()
    for path, each in instrument.resources().items():
        site.add_resource(path.strip("/").split("/"), each)
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader, None))
    links = ",".join(
        _link(path, each) for path, each in instrument.resources().items() if not path.startswith("/demo")
    )
    context = await aiocoap.Context.create_server_context(site, bind=(box.host, 0), transports=["udp6"])
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(instrument.live(), name="measuring")
            group.create_task(_stay_registered(context, box, links), name="registering")
    finally:
        await context.shutdown()


async def _stay_registered(context: aiocoap.Context, box: Box, links: str) -> None:
    location: str | None = None
    while True:
        try:
            async with asyncio.timeout(_ANSWER_S):
                if location is None:
                    location = await _register(context, box, links)
                else:
                    answer = await context.request(_post(box, location)).response
                    location = location if answer.code.is_successful() else None
        except (TimeoutError, error.Error, OSError) as failed:
            # The next attempt is the handling: a device has nobody to tell.
            log.info("%s: no box (%s), trying again", box.endpoint, type(failed).__name__)
            location = None
        await asyncio.sleep(_UPDATE_S if location else RETRY_S)


async def _register(context: aiocoap.Context, box: Box, links: str) -> str | None:
    query = [f"ep={box.endpoint}", f"lt={_LIFETIME_S}", f"et={box.model}", f"title={box.title}"]
    request = _post(box, "rd?" + "&".join(quote(item, safe="=") for item in query))
    request.payload = links.encode()
    request.opt.content_format = LINK_FORMAT
    answer = await context.request(request).response
    if answer.code != aiocoap.CREATED:
        log.info("%s: the box answered %s", box.endpoint, answer.code)
        return None
    return "/".join(answer.opt.location_path)


def _post(box: Box, path: str) -> aiocoap.Message:
    return aiocoap.Message(code=aiocoap.POST, uri=f"coap://{box.host}:{box.port}/{path}")


def _link(path: str, each: Measured) -> str:
    pairs = (
        name if text is None else f'{name}="{text}"' for name, text in each.get_link_description().items()
    )
    return ";".join([f"<{path}>", *pairs])
