"""The installed apps."""

import asyncio
from typing import Annotated

from litestar import Response, get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.trust.manifest import AppId
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.house import House
from gateway.ui.problems import UnknownError, answers

AppName = Annotated[str, PathParameter(description="App id such as cn.example.news", max_length=100)]

_SVG = "image/svg+xml"
_ICON_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""An icon is shown as an image; opened by itself it must not be a page."""


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/apps``."""

    @get("/api/v1/apps", responses=answers())
    async def list_apps() -> list[doc.App]:
        """The installed apps."""
        return views.apps(house)

    @get("/api/v1/apps/{app:str}/icon", media_type=_SVG, responses=answers())
    async def get_icon(app: AppName) -> Response[bytes]:
        """The app's icon, SVG."""
        installed = house.catalog.get(AppId(app))
        try:
            picture = await asyncio.to_thread((installed.folder / installed.manifest.icon).read_bytes)
        except OSError as error:
            raise UnknownError("The app has no icon any more") from error
        return Response(picture, media_type=_SVG, headers=_ICON_POLICY)

    @get("/api/v1/apps/{app:str}/permissions", responses=answers())
    async def list_permissions(app: AppName) -> list[doc.Permission]:
        """What the app may do, and why it says it must."""
        return [views.permission(one) for one in house.catalog.get(AppId(app)).manifest.permissions]

    @post("/api/v1/apps/{app:str}/open", status_code=200, responses=answers())
    async def open_app(app: AppName) -> doc.AppOpened:
        """Open an app; its page is good until it is closed or opened again."""
        return doc.AppOpened(id=app, entry=await house.app_host.open(AppId(app)))

    @post("/api/v1/apps/{app:str}/close", status_code=204, responses=answers())
    async def close_app(app: AppName) -> None:
        """Close an app."""
        await house.app_host.close(house.catalog.get(AppId(app)).id)

    @post("/api/v1/apps/{app:str}/uninstall", status_code=204, responses=answers())
    async def uninstall_app(app: AppName) -> None:
        """Remove every trace of an app."""
        await house.installer.uninstall(AppId(app))

    @post(
        "/api/v1/apps/{app:str}/rpc",
        status_code=200,
        dto=Body[doc.AppCall],
        return_dto=None,
        responses=answers(409),
    )
    async def call(app: AppName, data: JSONBody[doc.AppCall]) -> object:
        """Make the call an app asked for over its port; its signed manifest decides."""
        return await house.app_bridge.call(AppId(app), data.method, data.params)

    return [list_apps, get_icon, list_permissions, open_app, close_app, uninstall_app, call]
