"""Keys from another remote: a phone, a keyboard, a test."""

from litestar import post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody

from gateway.ui import documents as doc
from gateway.ui.api.body import Body
from gateway.ui.keys import Keys
from gateway.ui.problems import answers


def handlers(keys: Keys) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/keys``."""

    @post("/api/v1/keys", status_code=204, dto=Body[doc.KeyPress], return_dto=None, responses=answers(409))
    async def press_key(data: JSONBody[doc.KeyPress]) -> None:
        """Press a logical key of the remote."""
        await keys.press(data.key)

    return [press_key]
