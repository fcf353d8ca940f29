"""Asking an LwM2M device: read, discover, write and execute, in a format that it takes.

One rule: what the device refuses is an error; only a refused format is tried
again in another, because that says nothing about the request.

Source: OMA-TS-LightweightM2M_Core 1.1.1, section 6.3.
"""

import contextlib
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

import aiocoap

from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, HomeTuning
from gateway.iot.coap_links import LinkFormatError, parse_links
from gateway.iot.coap_observe import Answer, ask
from gateway.iot.coap_rd import LINK_FORMAT
from gateway.iot.coap_senml import TEXT, PayloadError, Record
from gateway.iot.entity import Value
from gateway.iot.link import DeviceRefusedError, LinkDownError
from gateway.iot.lwm2m_objects import DEVICE, DeviceFacts, Explored, Inventory, facts_of
from gateway.iot.lwm2m_paths import RESOURCE_DEPTH, Path, parse_path, path_text
from gateway.iot.lwm2m_values import WRITABLE, read, write

log = logging.getLogger(__name__)

# The option is critical: who does not know a format may answer either (RFC 7252, sections 5.4.1 and 5.10.4).
NOT_THIS_FORMAT = (aiocoap.NOT_ACCEPTABLE, aiocoap.BAD_OPTION)
_NOT_THIS_BODY = (aiocoap.UNSUPPORTED_CONTENT_FORMAT, aiocoap.NOT_ACCEPTABLE)
_OF_INSTANCE: Final = (5701, 5750)
_OF_DEVICE: Final = (0, 1, 2, 3, 9, 18)


class Lwm2mSession:
    """One device as its registration describes it; it holds nothing open.

    Attributes:
        base: Where its tree begins, ``coap://address[:port][/root]``.
        inventory: What its registration says.
    """

    def __init__(self, endpoint: CoapEndpoint, base: str, inventory: Inventory, config: CoapConfig) -> None:
        self.base = base + inventory.root
        self._endpoint = endpoint
        self.inventory = inventory
        self._config = config
        self._formats = list(inventory.formats)
        self._spoken: int | None = None

    @property
    def accept(self) -> int | None:
        """The format to ask for; `None` when it refused all of them and may choose."""
        return self._formats[0] if self._formats else None

    async def read(self, path: Path) -> Mapping[Path, Record]:
        """Return what the device says at `path` and below.

        Raises:
            DeviceRefusedError: it does not say it.
            PayloadError: what it says cannot be read.
            LinkDownError: it could not be reached.
        """
        answer = await self._get(path, asked := self.accept)
        while answer.code in NOT_THIS_FORMAT and asked is not None:
            # Another read may have learnt the same meanwhile.
            self._formats = [each for each in self._formats if each != asked]
            answer = await self._get(path, asked := self.accept)
        self._check(path, answer)
        said = read(answer.payload, answer.opt.content_format, path, now=datetime.now(UTC))
        self.learn(answer)
        return said

    def learn(self, answer: Answer) -> None:
        """Take note of the format of an answer that could be read: the device is written to in it."""
        self._spoken = TEXT if answer.opt.content_format is None else int(answer.opt.content_format)

    async def discover(self, path: Path) -> tuple[Path, ...]:
        """Return which resources are below `path`.

        Raises:
            DeviceRefusedError: it does not say.
            LinkFormatError: what it says cannot be read.
            LinkDownError: it could not be reached.
        """
        answer = await self._get(path, LINK_FORMAT)
        self._check(path, answer)
        links = parse_links(answer.payload.decode(errors="replace"))
        root = self.inventory.root
        found = (parse_path(link.target.removeprefix(root)) for link in links)
        return tuple(each for each in found if each is not None and each[: len(path)] == path)

    async def write(self, path: Path, value: Value) -> None:
        """Make the resource at `path` be `value`.

        Raises:
            DeviceRefusedError: it will not.
            PayloadError: the resource cannot have this value.
            LinkDownError: it could not be reached.
        """
        # What it speaks it understands, more surely than what it says that it does.
        wanted = (self._spoken, *self._formats, TEXT)
        formats = dict.fromkeys(each for each in wanted if each is not None and each in WRITABLE)
        for content_format in formats:
            request = aiocoap.Message(
                code=aiocoap.PUT,
                uri=self.base + path_text(path),
                payload=write(value, content_format, path),
                content_format=content_format,
                transport_tuning=HomeTuning(),
            )
            answer = await ask(self._endpoint.context, request, self._config.command_timeout_s)
            if answer.code not in _NOT_THIS_BODY:
                break
        self._check(path, answer)

    async def execute(self, path: Path, arguments: str = "") -> None:
        """Do what the resource at `path` stands for: `REBOOT`, or a firmware's update.

        Raises:
            DeviceRefusedError: it will not.
            LinkDownError: it could not be reached.
        """
        request = aiocoap.Message(
            code=aiocoap.POST, uri=self.base + path_text(path), transport_tuning=HomeTuning()
        )
        if arguments:
            request.payload, request.opt.content_format = arguments.encode(), TEXT
        answer = await ask(self._endpoint.context, request, self._config.command_timeout_s)
        self._check(path, answer)

    async def label(self) -> DeviceFacts:
        """Return what the device says that it is, now.

        Raises:
            DeviceRefusedError, PayloadError, LinkFormatError: it does not say it in a way that can be read.
            LinkDownError: it could not be reached.
        """
        said = await self._instance(DEVICE)
        return facts_of({path: record.value for path, record in said.items()})

    async def explore(self) -> Explored:
        """Ask what its instances have.

        Instances that it does not describe are left out.

        Raises:
            LinkDownError: it could not be reached.
        """
        values: dict[Path, Value] = {}
        present: dict[Path, frozenset[Path]] = {}
        for instance in self.inventory.instances:
            try:
                said = await self._instance(instance)
            except (DeviceRefusedError, PayloadError, LinkFormatError) as untold:
                log.debug("%s of %s: %s", path_text(instance), self.base, untold)
                continue
            present[instance] = frozenset(path[:RESOURCE_DEPTH] for path in said)
            # Nothing else is kept: a device can say more than a box has room for.
            values |= {path: said[path].value for path in _told(instance) if path in said}
        return Explored(values, present)

    async def _instance(self, instance: Path) -> Mapping[Path, Record]:
        try:
            return await self.read(instance)
        except (DeviceRefusedError, PayloadError):
            listed = await self.discover(instance)
        except LinkDownError:
            # It may be there and drop what asks for a format that it does not know, as node-coap does:
            # from now on it may choose.
            self._formats.clear()
            listed = await self.discover(instance)
        said = dict.fromkeys(listed, Record(""))
        for path in set(listed).intersection(_told(instance)):
            with contextlib.suppress(DeviceRefusedError, PayloadError):
                said |= await self.read(path)
        return said

    async def _get(self, path: Path, accept: int | None) -> Answer:
        request = aiocoap.Message(
            code=aiocoap.GET, uri=self.base + path_text(path), accept=accept, transport_tuning=HomeTuning()
        )
        return await ask(self._endpoint.context, request, self._config.request_timeout_s)

    def _check(self, path: Path, answer: Answer) -> None:
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{self.base}{path_text(path)} answered {answer.code}")


def _told(instance: Path) -> Collection[Path]:
    return [(*instance, resource) for resource in (_OF_DEVICE if instance == DEVICE else _OF_INSTANCE)]
