"""Keys from another remote: a phone, a keyboard, a test."""

from litestar import post, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody

from gateway.ui import documents as doc
from gateway.ui.api.body import Body
from gateway.ui.keys import Keys
from gateway.ui.problems import answers


def handlers(keys: Keys) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/keys``."""

    @post("/api/v1/keys", status_code=204, dto=Body[doc.KeyPress], return_dto=None, responses=answers(409))
    async def press_key(data: JSONBody[doc.KeyPress]) -> None:
        """Press a logical key of the remote."""
        await keys.press(data.key)

    @put(
        "/api/v1/keys/taken",
        status_code=204,
        dto=Body[doc.KeysTaken],
        return_dto=None,
        responses=answers(),
    )
    async def take_keys(data: JSONBody[doc.KeysTaken]) -> None:
        """Let digits or channel keys come to the page for a minute: a list is open, a PIN is asked."""
        keys.let_page_take(data)

    return [press_key, take_keys]
