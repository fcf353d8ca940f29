"""The box's side of a cable: the real `Neighbourhood`, told what to do by lines of JSON."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from functools import partial

from gateway.iot.announcement import COAP, MQTT, PAGE, DiscoveryConfig, Offer
from gateway.iot.neighbourhood import Neighbourhood
from gateway.schema import decode
from gateway.supervisor import Supervisor, Unit


def say(**what: object) -> None:
    print(json.dumps(what, default=str), flush=True)  # noqa: T201 - how it is asked


async def main() -> None:
    """Serve until standard input ends."""
    wish = json.loads(sys.argv[1])
    config = decode(wish.get("config", {}), DiscoveryConfig)
    kinds = {"page": PAGE, "mqtt": MQTT, "coap": COAP}
    offers = tuple(
        Offer(kind=kinds[name], host=host, port=partial(int, port), facts={"id": wish["box"]})
        for name, (host, port) in wish["offers"].items()
    )
    offers = tuple(each for each in offers if each.leaves_the_box)
    neighbourhood = Neighbourhood(config, wish["box"], offers)
    supervisor = Supervisor([Unit(name="neighbourhood", service=neighbourhood, essential=False)])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    serving = asyncio.create_task(supervisor.run(lambda: say(to="start")), name="box")
    while line := await reader.readline():
        order = json.loads(line)
        found = [asdict(each) for each in neighbourhood.found.devices()]
        say(
            to=order["do"],
            found=found,
            refused=neighbourhood.found.refused,
            state=supervisor.states["neighbourhood"],
            cpu_s=time.process_time(),
        )
    serving.cancel()
    await asyncio.wait({serving})


if __name__ == "__main__":
    asyncio.run(main())
