"""A CoAP device that is not ours and speaks OSCORE: stock aiocoap with its own files, in its own process.

Run as ``python -m tests.iot.oscore_device FOLDER BOX_PORT``.  Each line on its input is a request as
JSON, ``[what, …]``; each line on its output the answer.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

import aiocoap
from aiocoap.credentials import CredentialsMap
from aiocoap.oscore import FilesystemSecurityContext, NotAProtectedMessage
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from tests.iot.coap_peers import Value

LINKS: Final = b"</3303/0/5700>;obs,</3306/0/5850>;obs"


class Device:
    """A thermometer and a switch, served sealed and not."""

    def __init__(self, folder: Path, box_port: int) -> None:
        self._folder = folder
        self._box = f"coap://127.0.0.1:{box_port}"
        self._values = {"temperature": Value("20"), "fan": Value("0")}
        self._came_sealed: list[bool] = []
        self._context: aiocoap.Context

    async def open(self) -> None:
        """Serve, with the credentials in the folder if there are some."""
        site = aiocoap.resource.Site()
        well_known = aiocoap.resource.WKCResource(site.get_resources_as_linkheader)
        site.add_resource([".well-known", "core"], well_known)
        site.add_resource(["3303", "0", "5700"], self._values["temperature"])
        site.add_resource(["3306", "0", "5850"], self._values["fan"])
        credentials = CredentialsMap()
        self._context = await aiocoap.Context.create_server_context(
            _Watched(site, credentials, self._came_sealed),
            bind=("127.0.0.1", 0),
            transports=["oscore", "udp6"],
        )
        if (self._folder / "settings.json").exists():
            sealed = FilesystemSecurityContext(str(self._folder))
            sealed.authenticated_claims = [":box"]
            credentials[":box"] = sealed
            self._context.client_credentials[f"{self._box}/*"] = sealed

    async def ask(
        self, method: str, path: str, payload: str, content_format: int | None
    ) -> tuple[str, str, str]:
        """Return code, payload and location of the box's answer; of an error its name and text."""
        request = aiocoap.Message(
            code=getattr(aiocoap, method),
            uri=f"{self._box}/{path}",
            payload=payload.encode(),
            content_format=content_format,
        )
        try:
            async with asyncio.timeout(20):
                answer = await self._context.request(request).response
        except NotAProtectedMessage as bare:
            # Errors about the seal are not sealed; a device may heed them as a hint.
            answer = bare.plain_message
        except (aiocoap.error.Error, TimeoutError) as failed:
            return type(failed).__name__, str(failed), ""
        return str(answer.code), answer.payload.decode(errors="replace"), "/".join(answer.opt.location_path)

    async def observe(self, path: str, count: int) -> list[str]:
        """Return the first `count` payloads."""
        observing = self._context.request(
            aiocoap.Message(code=aiocoap.GET, uri=f"{self._box}/{path}", observe=0)
        )
        texts = [(await observing.response).payload.decode()]
        async with asyncio.timeout(20):
            async for notification in observing.observation:
                texts.append(notification.payload.decode())
                if len(texts) >= count:
                    break
        return texts

    async def become(self, name: str, text: str) -> None:
        """Change a value."""
        self._values[name].become(text)

    async def value(self, name: str) -> str:
        """Return a value."""
        return self._values[name].text

    async def url(self) -> str:
        """Return where it answers."""
        transport = self._context.request_interfaces[-1].token_interface.message_interface.transport
        return f"coap://127.0.0.1:{transport.get_extra_info('socket').getsockname()[1]}"

    async def unsealed(self) -> int:
        """Return how many requests came that were not sealed."""
        return self._came_sealed.count(False)


async def main(folder: Path, box_port: int) -> None:
    """Do what the input says until it ends."""
    device = Device(folder, box_port)
    await device.open()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        what, *rest = json.loads(line)
        said = await getattr(device, what)(*rest)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


class _Watched(OscoreSiteWrapper):  # type: ignore[misc]  # aiocoap has no types
    """Notes of each request whether it came sealed."""

    def __init__(self, site: aiocoap.resource.Site, credentials: CredentialsMap, seen: list[bool]) -> None:
        super().__init__(site, credentials)
        self._seen = seen

    async def render_to_pipe(self, pipe: aiocoap.pipe.Pipe) -> None:
        self._seen.append(pipe.request.opt.oscore is not None)
        await super().render_to_pipe(pipe)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
