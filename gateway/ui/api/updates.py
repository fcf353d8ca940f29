"""What is installed, what is offered, and why something was refused."""

import asyncio
from typing import Annotated

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.handlers.base import BaseRouteHandler
from litestar.params import PathParameter

from gateway.iot.entity import DeviceId
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.house import House
from gateway.ui.problems import answers

DeviceName = Annotated[
    str,
    PathParameter(
        description="Id of a device in `GET updates`", pattern=r"^[a-z0-9]+\.[A-Za-z0-9._:-]+$", max_length=80
    ),
]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/updates``."""
    checking = asyncio.Lock()

    def known() -> list[doc.Update]:
        of_line_up = house.line_up.record
        apps = [views.update(record) for record in house.installer.updates]
        line_up = [views.line_up_update(of_line_up)] if of_line_up else []
        return [*apps, *line_up, *(views.firmware_update(record) for record in house.firmware.records)]

    async def check_now() -> None:
        house.line_up.look()
        house.firmware.look()
        # Whoever asks during a check gets that one's outcome.
        if not checking.locked():
            async with checking:
                await house.installer.check()

    @get("/api/v1/updates", responses=answers())
    async def list_updates() -> list[doc.Update]:
        """What is here, what the repository offers, and the last refusal."""
        return known()

    @post("/api/v1/updates/check", status_code=202, responses=answers())
    async def check_updates() -> Response[list[doc.Update]]:
        """Begin to look at the repository now; the outcome is in `GET updates`."""
        return Response(known(), status_code=202, background=BackgroundTask(check_now))

    @post("/api/v1/updates/firmware/{device:str}/retry", status_code=204, responses=answers())
    async def retry_firmware(device: DeviceName) -> None:
        """Try again, at once, what failed with a device."""
        await house.firmware.retry(DeviceId(device))

    @post("/api/v1/updates/firmware/{device:str}/skip", status_code=204, responses=answers())
    async def skip_firmware(device: DeviceName) -> None:
        """Leave a device alone with the image that failed; the others do not wait for it any more."""
        await house.firmware.skip(DeviceId(device))

    return [list_updates, check_updates, retry_firmware, skip_firmware]
