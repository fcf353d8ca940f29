"""A lamp with firmware, as a process that can lose power: its flash is a folder.

One rule: what is not in the folder is gone when the process is; a bank counts only
if the digest at the end of the image in it fits.

Run as ``python -m tests.iot.firmware_device FOLDER BOX_PORT NAME push|pull``.  It says on its
output what it does, a line for each: ``running VERSION``, ``block N``, ``downloaded``, ``updating``.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiocoap
from aiocoap import error, resource

from gateway.disk import LocalDisk, replace_file

MAGIC = b"LAMP"
DIGEST_BYTES = 32
RESTARTS = 42
SENML_JSON = 110
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)
UPDATED, CONNECTION_LOST, INTEGRITY_FAILED, INVALID_ADDRESS = 1, 4, 5, 7


def make_image(version: str, size: int) -> bytes:
    """Return an image of `size` bytes that the lamp can run."""
    head = MAGIC + version.encode().ljust(16, b"\0")
    body = head + hashlib.shake_128(version.encode()).digest(size - len(head) - DIGEST_BYTES)
    return body + hashlib.sha256(body).digest()


def version_in(image: bytes) -> str | None:
    """Return which version `image` is, `None` if it is not whole."""
    body, digest = image[:-DIGEST_BYTES], image[-DIGEST_BYTES:]
    if not body.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    return body[4:20].rstrip(b"\0").decode()


@dataclass
class Flash:
    """Two banks, and a page of settings that is replaced as a whole."""

    folder: Path
    _disk: LocalDisk = field(default_factory=LocalDisk)

    @property
    def settings(self) -> dict[str, object]:
        """What is remembered."""
        page = self.folder / "settings.json"
        return json.loads(page.read_bytes()) if page.exists() else {"active": 0, "result": 0}

    def remember(self, **changes: object) -> None:
        """Replace some settings, all at once."""
        page = {**self.settings, **changes}
        replace_file(self._disk, self.folder / "settings.json", json.dumps(page).encode())

    def bank(self, *, spare: bool) -> Path:
        """Return the file of the bank that runs, or of the other one."""
        active = self.settings["active"] == 1
        return self.folder / f"bank{int(active is not spare)}"

    def write(self, begin: int, block: bytes) -> None:
        """Write into the spare bank, which need not be whole."""
        file = self.bank(spare=True)
        with file.open("r+b" if file.exists() and begin else "wb") as bank:
            bank.seek(begin)
            bank.write(block)
            bank.flush()
            os.fsync(bank.fileno())


class Lamp:
    """Objects 3 and 5 over one flash."""

    def __init__(self, flash: Flash) -> None:
        self.flash = flash
        self.state = IDLE
        self.have = 0
        self.fetching = asyncio.Event()
        kept = flash.settings
        if kept.get("complete"):
            self.state = DOWNLOADED
        elif kept.get("address"):
            self.state, self.have = DOWNLOADING, flash.bank(spare=True).stat().st_size if self._spare() else 0
            self.fetching.set()

    def _spare(self) -> bool:
        return self.flash.bank(spare=True).exists()

    def forget(self, result: int = 0) -> None:
        """Be as if nothing had been sent."""
        self.flash.remember(address=None, complete=False, result=result)
        self.state, self.have = IDLE, 0
        self.fetching.clear()

    def take(self, begin: int, block: bytes) -> None:
        """Write one block down."""
        self.flash.write(begin, block)
        self.have = begin + len(block)
        say(f"block {self.have}")

    def finish(self) -> None:
        """Look at the whole image."""
        self.fetching.clear()
        if version_in(self.flash.bank(spare=True).read_bytes()) is None:
            self.forget(INTEGRITY_FAILED)
            return
        self.flash.remember(complete=True, address=None)
        self.state = DOWNLOADED
        say("downloaded")

    def update(self) -> None:
        """Swap the banks and start again."""
        self.state = UPDATING
        say("updating")
        spare = self.flash.bank(spare=True)
        if version_in(spare.read_bytes()) is None:
            self.forget(INTEGRITY_FAILED)
            return
        active = 1 - int(str(self.flash.settings["active"]))
        self.flash.remember(active=active, complete=False, address=None, result=UPDATED)
        os._exit(RESTARTS)


class Said(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """An instance that can be read."""

    def __init__(self, path: str, values: "Values") -> None:
        super().__init__()
        self._path, self._values = path, values

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        """Answer in SenML JSON and nothing else."""
        if request.opt.accept not in (None, SENML_JSON):
            raise error.NotAcceptable
        records = [
            {"n": f"{self._path}/{number}", ("v" if isinstance(value, int) else "vs"): value}
            for number, value in self._values().items()
        ]
        return aiocoap.Message(payload=json.dumps(records).encode(), content_format=SENML_JSON)


class Values:
    """What an instance says, asked for anew each time."""

    def __init__(self, lamp: Lamp, number: int, version: str, delivery: int) -> None:
        self._lamp, self._number, self._version, self._delivery = lamp, number, version, delivery

    def __call__(self) -> Mapping[int, int | str]:
        if self._number == 3:
            return {0: "ACME", 1: "L1", 3: self._version, 18: "B"}
        result = int(str(self._lamp.flash.settings["result"]))
        return {3: self._lamp.state, 5: result, 9: self._delivery}


class Package(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Resource 5/0/0: takes an image block by block."""

    def __init__(self, lamp: Lamp) -> None:
        super().__init__()
        self._lamp = lamp

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        """No: an image is larger than its memory."""
        del request
        return False

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Take a block."""
        number, more, exponent = request.opt.block1
        begin = number << (exponent + 4)
        if begin == 0:
            self._lamp.forget()
            self._lamp.state = DOWNLOADING
        if begin > self._lamp.have or self._lamp.state != DOWNLOADING:
            return aiocoap.Message(code=aiocoap.REQUEST_ENTITY_INCOMPLETE)
        self._lamp.take(begin, request.payload)
        if not more:
            self._lamp.finish()
        answer = aiocoap.Message(code=aiocoap.CONTINUE if more else aiocoap.CHANGED)
        answer.opt.block1 = request.opt.block1
        return answer


class Address(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Resource 5/0/1: where to fetch an image."""

    def __init__(self, lamp: Lamp) -> None:
        super().__init__()
        self._lamp = lamp

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        """Begin to fetch, or forget."""
        text = request.payload.decode()
        address = json.loads(text)[0]["vs"] if request.opt.content_format == SENML_JSON else text
        self._lamp.forget()
        if address:
            self._lamp.flash.write(0, b"")
            self._lamp.flash.remember(address=address)
            self._lamp.state = DOWNLOADING
            self._lamp.fetching.set()
        return aiocoap.Message(code=aiocoap.CHANGED)


class Update(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Resource 5/0/2."""

    def __init__(self, lamp: Lamp) -> None:
        super().__init__()
        self._lamp = lamp

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        """Begin with the update, after the answer."""
        del request
        if self._lamp.state != DOWNLOADED:
            raise error.MethodNotAllowed
        asyncio.get_running_loop().call_later(0.02, self._lamp.update)
        return aiocoap.Message(code=aiocoap.CHANGED)


async def fetch(lamp: Lamp, context: aiocoap.Context) -> None:
    """Fetch whatever it is told to, block by block, over every trouble of the line."""
    while True:
        await lamp.fetching.wait()
        address = str(lamp.flash.settings["address"])
        # A block that was cut by a loss of power is fetched again.
        begin = lamp.have - lamp.have % 1024
        request = aiocoap.Message(code=aiocoap.GET, uri=address)
        request.opt.block2 = (begin // 1024, False, 6)
        try:
            async with asyncio.timeout(2):
                answer = await context.request(request, handle_blockwise=False).response
        except (TimeoutError, error.Error, OSError):
            continue
        if answer.code == aiocoap.SERVICE_UNAVAILABLE:
            await asyncio.sleep(0.1)
        elif not answer.code.is_successful():
            lamp.forget(INVALID_ADDRESS)
        elif lamp.fetching.is_set():
            lamp.take(begin, answer.payload)
            if not answer.opt.block2.more:
                lamp.finish()


async def register(context: aiocoap.Context, box_port: int, name: str) -> None:
    """Tell the box that it is there, until it hears."""
    address = f"coap://127.0.0.1:{box_port}/rd?ep={name}&lwm2m=1.1&b=U&lt=3600"
    while True:
        links = b'</>;rt="oma.lwm2m";ct=110,</3/0>,</5/0>'
        request = aiocoap.Message(code=aiocoap.POST, uri=address, payload=links, content_format=40)
        try:
            async with asyncio.timeout(3):
                answer = await context.request(request).response
            if answer.code.is_successful():
                return
        except (TimeoutError, error.Error, OSError):
            pass
        await asyncio.sleep(0.1)


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(folder: Path, box_port: int, name: str, delivery: int) -> None:
    """Be a lamp until the power goes."""
    flash = Flash(folder)
    version = version_in(flash.bank(spare=False).read_bytes())
    if version is None:
        say("bricked")
        return
    lamp = Lamp(flash)
    site = resource.Site()
    site.add_resource(["3", "0"], Said("/3/0", Values(lamp, 3, version, delivery)))
    site.add_resource(["5", "0"], Said("/5/0", Values(lamp, 5, version, delivery)))
    site.add_resource(["5", "0", "0"], Package(lamp))
    site.add_resource(["5", "0", "1"], Address(lamp))
    site.add_resource(["5", "0", "2"], Update(lamp))
    port = int(str(flash.settings.get("port", 0)))
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    (interface,) = context.request_interfaces
    bound = interface.token_interface.message_interface.transport.get_extra_info("socket")
    flash.remember(port=bound.getsockname()[1])
    say(f"running {version}")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fetch(lamp, context))
        await register(context, box_port, name)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], ("pull", "push").index(sys.argv[4])))
