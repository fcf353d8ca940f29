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


async def main(folder: Path, box_port: int) -> None:
    """Serve a thermometer and a switch, sealed and not, and do what the input says."""
    site = aiocoap.resource.Site()
    well_known = aiocoap.resource.WKCResource(site.get_resources_as_linkheader)
    site.add_resource([".well-known", "core"], well_known)
    values = {"temperature": Value("20"), "fan": Value("0")}
    site.add_resource(["3303", "0", "5700"], values["temperature"])
    site.add_resource(["3306", "0", "5850"], values["fan"])
    seen: list[bool] = []
    credentials = CredentialsMap()
    guarded = _Watched(site, credentials, seen)
    context = await aiocoap.Context.create_server_context(
        guarded, bind=("127.0.0.1", 0), transports=["oscore", "udp6"]
    )
    box = f"coap://127.0.0.1:{box_port}"
    if (folder / "settings.json").exists():
        sealed = FilesystemSecurityContext(str(folder))
        sealed.authenticated_claims = [":box"]
        credentials[":box"] = sealed
        context.client_credentials[f"{box}/*"] = sealed
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        what, *rest = json.loads(line)
        said: object = None
        if what == "ask":
            method, path, payload, content_format = rest
            request = aiocoap.Message(
                code=getattr(aiocoap, method),
                uri=f"{box}/{path}",
                payload=payload.encode(),
                content_format=content_format,
            )
            try:
                async with asyncio.timeout(20):
                    answer = await context.request(request).response
                location = "/".join(answer.opt.location_path)
                said = [str(answer.code), answer.payload.decode(errors="replace"), location]
            except NotAProtectedMessage as bare:
                # Errors about the seal are not sealed; a device may heed them as a hint.
                said = [str(bare.plain_message.code), bare.plain_message.payload.decode(), ""]
            except (aiocoap.error.Error, TimeoutError) as failed:
                said = [type(failed).__name__, str(failed), ""]
        elif what == "become":
            values[rest[0]].become(rest[1])
        elif what == "value":
            said = values[rest[0]].text
        elif what == "url":
            own = context.request_interfaces[-1].token_interface.message_interface.transport
            said = "coap://127.0.0.1:{}".format(own.get_extra_info("socket").getsockname()[1])
        elif what == "unsealed":
            said = seen.count(False)
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
