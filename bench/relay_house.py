"""The relay for its bench, in a process of its own, serving as the box does.

One rule: nothing else runs here, so that the process's figures are the relay's.
``relay_house.py BASE PATH…`` serves channel ``c0``, ``c1``… of the paths below
BASE; ``/warm/{count}`` keeps so many of them pulled, ``/state`` says how they are.
"""

import asyncio
import sys
from contextlib import aclosing, suppress
from dataclasses import dataclass

from aiohttp import web

from gateway.media.lineup import ChannelId, LineUp
from gateway.media.lineup_read import parse
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig

MOST_CHANNELS = 24


@dataclass
class Book:
    """A line-up that stays."""

    state: LineUp


class House:
    """Answers players and the bench."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send a channel as one transport stream."""
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        async with aclosing(self._relay.continuous(ChannelId(request.match_info["channel"]))) as chunks:
            with suppress(ConnectionError):
                async for chunk in chunks:
                    await response.write(chunk)
        return response

    async def warm(self, request: web.Request) -> web.Response:
        """Keep the first channels pulled."""
        count = int(request.match_info["count"])
        self._relay.warm([ChannelId(f"c{at}") for at in range(count)])
        return web.Response()

    async def state(self, _request: web.Request) -> web.Response:
        """Say which channels are warm, and what is held."""
        held = {name: state.bytes_held for name, state in self._relay.state.items()}
        received = sum(state.bytes_received for state in self._relay.state.values())
        segments = sum(state.segments for state in self._relay.state.values())
        warm = [name for name in held if self._relay.temperature(name) == "warm"]
        return web.json_response(
            {"warm": len(warm), "held": sum(held.values()), "received": received, "segments": segments}
        )


async def main() -> None:
    """Serve until killed; prints the port."""
    base, paths = sys.argv[1], sys.argv[2:]
    lines = [f'#EXTINF:-1 tvg-id="c{at}",c{at}\n{base}/{path}/index.m3u8' for at, path in enumerate(paths)]
    book = Book(parse("#EXTM3U\n" + "\n".join(lines) + "\n"))
    relay = Relay(book, RelayConfig(max_channels=MOST_CHANNELS), base_url="http://127.0.0.1")
    house = House(relay)
    app = web.Application()
    app.router.add_get("/live/{channel}.ts", house.stream)
    app.router.add_get("/warm/{count}", house.warm)
    app.router.add_get("/state", house.state)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    def ready() -> None:
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()

    await relay.run(ready)


if __name__ == "__main__":
    asyncio.run(main())
