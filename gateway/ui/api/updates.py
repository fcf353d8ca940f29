"""What is installed, what is offered, and why something was refused."""

import asyncio

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.house import House
from gateway.ui.problems import answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/updates``."""
    checking = asyncio.Lock()

    def known() -> list[doc.Update]:
        of_line_up = house.line_up.record
        apps = [views.update(record) for record in house.installer.updates]
        return [*apps, views.line_up_update(of_line_up)] if of_line_up else apps

    async def check_now() -> None:
        house.line_up.look()
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

    return [list_updates, check_updates]
