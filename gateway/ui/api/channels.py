"""The line-up."""

from litestar import get
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.house import House
from gateway.ui.problems import answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/channels``."""

    @get("/api/v1/channels", responses=answers())
    async def list_channels() -> list[doc.Channel]:
        """The line-up in operator order."""
        return views.channels(house.line_up.state)

    return [list_channels]
