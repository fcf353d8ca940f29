"""From the token to the page's cookie, and back to nothing."""

from typing import Any

from litestar import Response, delete, post
from litestar.datastructures import Cookie
from litestar.handlers.base import BaseRouteHandler

from gateway.ui.auth import COOKIE_AGE_S, COOKIE_NAME, Access
from gateway.ui.problems import answers


def handlers(access: Access) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/session``."""

    @post("/api/v1/session", status_code=204, responses=answers())
    async def open_session() -> Response[None]:
        """Give the page a cookie for the token it sent, so that the token need not be kept."""
        return Response(None, status_code=204, cookies=[_cookie(access.cookie(), COOKIE_AGE_S)])

    @delete("/api/v1/session", status_code=204, responses=answers())
    async def close_session() -> Response[None]:
        """Take the cookie back."""
        return Response(None, status_code=204, cookies=[_cookie("", 0)])

    return [open_session, close_session]


def _cookie(value: str, max_age: int) -> Cookie:
    # Not `secure`: the page is served over plain HTTP inside the house.
    settings: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": False, "path": "/"}
    return Cookie(key=COOKIE_NAME, value=value, max_age=max_age, **settings)
