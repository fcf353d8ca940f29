"""The part of a box that updates devices, as a process that can lose power.

Run as ``python -m tests.iot.firmware_box FOLDER PORT REPOSITORY ROOT``.  It says ``ready``, then a
JSON document a line whenever a record changed.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from gateway.iot import coap_directory, firmware_attempt
from gateway.iot.coap import CoapLink
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint
from gateway.iot.firmware import Firmware
from gateway.iot.firmware_facts import FirmwareConfig, Peace, Supply
from gateway.iot.firmware_lwm2m import Lwm2mWay
from gateway.iot.firmware_source import SignedFirmwareSource
from gateway.store import Store
from gateway.supervisor import Service, Supervisor, Unit


async def main(folder: Path, port: int, repository: str, root: Path) -> None:
    """Be a box until the power goes."""
    migrations = {"coap": coap_directory.MIGRATIONS, "firmware": firmware_attempt.MIGRATIONS}
    store = Store(folder / "gateway.db", migrations)
    coap = CoapConfig(
        port=port, admission="open", request_timeout_s=2, command_timeout_s=2, longest_pause_s=0.5
    )
    endpoint = CoapEndpoint(coap)
    link = CoapLink(coap, endpoint, store)
    config = FirmwareConfig(from_hour=0, until_hour=0, canary_s=0, poll_s=0.05, survey_s=0.1)
    source = SignedFirmwareSource(repository, root, folder / "firmware")
    firmware = Firmware(
        config,
        Supply(source=source, check_every_s=1),
        store,
        [Lwm2mWay(link, endpoint, config)],
        Peace(may_start=lambda: not (folder / "busy").exists(), changes=()),
    )
    services: dict[str, Service] = {
        "store": store,
        "coap": endpoint,
        "coap devices": link,
        "firmware": firmware,
    }
    supervisor = Supervisor([Unit(name=name, service=service) for name, service in services.items()])

    def ready() -> None:
        say("ready")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run(ready))
        with firmware.changes.subscribe() as changes:
            said = ""
            async for _ in changes:
                records = [
                    {
                        "id": each.id,
                        "runs": each.installed,
                        "stage": each.stage,
                        "code": each.code,
                        "available": each.available,
                    }
                    for each in firmware.records
                ]
                if (text := json.dumps(records)) != said:
                    said = text
                    say(text)


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "-v" in sys.argv else logging.WARNING, stream=sys.stderr)
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
