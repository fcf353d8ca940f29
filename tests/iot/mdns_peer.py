"""Another device on the cable: python-zeroconf by itself, told what to do by lines of JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

from zeroconf import DNSOutgoing, IPVersion, ServiceStateChange, Zeroconf, const
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - how it is asked


async def main() -> None:
    """Serve until standard input ends; the only argument is the family, 4, 6 or 46."""
    family = {"4": IPVersion.V4Only, "6": IPVersion.V6Only, "46": IPVersion.All}[sys.argv[1]]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with AsyncZeroconf(ip_version=family) as zero, asyncio.TaskGroup() as tasks:
        browsers: list[AsyncServiceBrowser] = []
        while line := await reader.readline():
            order = json.loads(line)
            match order["do"]:
                case "browse":
                    browsers.append(browse(zero, order["kinds"], tasks))
                case "announce":
                    tasks.create_task(announced(await announce(zero, order)))
                case "look":
                    await look(zero.zeroconf, order["kind"], f"{order['name']}.{order['kind']}")
                case "withdraw":
                    await zero.async_unregister_all_services()
                case "flood":
                    await flood(zero.zeroconf, order["count"])
            say(to=order["do"])
        for browser in browsers:
            await browser.async_cancel()


def browse(zero: AsyncZeroconf, kinds: list[str], tasks: asyncio.TaskGroup) -> AsyncServiceBrowser:
    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            say(gone=name)
        else:
            tasks.create_task(look(zeroconf, service_type, name))

    return AsyncServiceBrowser(zero.zeroconf, kinds, handlers=[changed])


async def look(zeroconf: Zeroconf, kind: str, name: str) -> None:
    info = AsyncServiceInfo(kind, name)
    if await info.async_request(zeroconf, 3000):
        say(
            seen=name,
            host=info.server,
            port=info.port,
            addresses=info.parsed_addresses(),
            facts=info.decoded_properties,
        )


async def announced(sent: Awaitable[None]) -> None:
    await sent


async def announce(zero: AsyncZeroconf, order: dict[str, Any]) -> Awaitable[None]:
    info = AsyncServiceInfo(
        order["kind"],
        f"{order['name']}.{order['kind']}",
        port=order["port"],
        properties=order.get("facts", {}),
        server=order["host"],
        parsed_addresses=order["addresses"],
    )
    # `rude` speaks without asking first whether the name is free.
    rude = order.get("rude", False)
    return await zero.async_register_service(info, cooperating_responders=rude, strict=False)


async def flood(zeroconf: Zeroconf, count: int) -> None:
    """Announce `count` devices, each in a packet with everything that it takes to be listed."""
    for number in range(count):
        name = f"shelly\u202e{'x' * 30}\u0085{number}"
        kind = "_http._tcp.local." if number % 2 else "_coap._udp.local."
        info = AsyncServiceInfo(
            kind,
            f"{name}.{kind}",
            port=80,
            properties={"app": "\x1b[2J" + "y" * 200},
            server=f"h{number}.local.",
            parsed_addresses=[f"10.9.{number // 250}.{number % 250 + 1}"],
            host_ttl=4_000_000,
            other_ttl=4_000_000,
        )
        out = DNSOutgoing(const._FLAGS_QR_RESPONSE | const._FLAGS_AA)
        for record in (info.dns_pointer(), info.dns_service(), info.dns_text(), *info.dns_addresses()):
            out.add_answer_at_time(record, 0)
        zeroconf.async_send(out)
        if number % 20 == 0:
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
