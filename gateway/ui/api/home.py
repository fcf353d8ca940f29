"""The home's devices and what they report."""

from typing import Annotated

from litestar import Response, get
from litestar.handlers.base import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter

from gateway.iot.entity import EntityId, State
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.api.moment import TIME, moment
from gateway.ui.house import House
from gateway.ui.problems import UnknownError, answers

# What a device sent is never more than a picture, and is nobody's to keep.
_IMAGE_POLICY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
EntityName = Annotated[str, PathParameter(description="Entity id such as mqtt.lamp", max_length=512)]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of devices and entities."""

    @get("/api/v1/devices", responses=answers())
    async def list_devices() -> list[doc.Device]:
        """The things in the home."""
        return views.devices(list(house.registry.states.values()))

    @get("/api/v1/entities", responses=answers())
    async def list_entities() -> list[doc.Entity]:
        """Every ability of every thing, with what it last reported."""
        return [views.entity(state, house.registry.body) for state in house.registry.states.values()]

    @get("/api/v1/entities/{entity:str}", responses=answers())
    async def get_entity(entity: EntityName) -> doc.Entity:
        """One ability, with what it last reported."""
        return views.entity(known_entity(house, entity), house.registry.body)

    @get("/api/v1/entities/{entity:str}/history", responses=answers())
    async def get_history(
        entity: EntityName,
        since: Annotated[str, QueryParameter(name="from", schema_extra=TIME, max_length=40)],
        until: Annotated[str, QueryParameter(name="to", schema_extra=TIME, max_length=40)],
    ) -> doc.EntityHistory:
        """What it reported from `from` to before `to`: each report, or sums of 5 minutes or an hour."""
        state = known_entity(house, entity)
        history = await house.historian.of(state.entity.id, moment("from", since), moment("to", until))
        return views.history(state.entity, history)

    @get(
        "/api/v1/entities/{entity:str}/image",
        responses=answers(),
        media_type="image/jpeg",
    )
    async def get_image(entity: EntityName) -> Response[bytes]:
        """The newest picture of a camera, JPEG or PNG; kept nowhere."""
        picture = house.pictures.newest.get(known_entity(house, entity).entity.id)
        if picture is None:
            raise UnknownError("There is no picture of it")
        return Response(picture.data, media_type=picture.kind, headers=_IMAGE_POLICY)

    return [list_devices, list_entities, get_entity, get_history, get_image]


def known_entity(house: House, entity: str) -> State:
    """Return the state of `entity`.

    Raises:
        UnknownError: it is not part of the home.
    """
    state = house.registry.states.get(EntityId(entity))
    if state is None:
        raise UnknownError("There is no such entity in the home")
    return state
