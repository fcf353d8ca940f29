"""Orders to the home's devices."""

from typing import Annotated

from litestar import get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.iot.entity import EntityId
from gateway.ui import documents as doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.api.home import EntityName
from gateway.ui.house import House
from gateway.ui.problems import UnknownError, answers

CommandName = Annotated[str, PathParameter(description="As `POST …/commands` answered", max_length=64)]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of commands."""

    @get("/api/v1/commands", responses=answers())
    async def list_commands() -> list[doc.Command]:
        """The newest commands and how they ended."""
        return [views.command(one) for one in house.commands.recent]

    @get("/api/v1/commands/{command:str}", responses=answers())
    async def get_command(command: CommandName) -> doc.Command:
        """The life of one command so far."""
        known = house.commands.get(command)
        if known is None:
            raise UnknownError("There is no such command, or not any more")
        return views.command(known)

    @post(
        "/api/v1/entities/{entity:str}/commands",
        status_code=202,
        dto=Body[doc.Order],
        return_dto=None,
        responses=answers(409),
    )
    async def order(entity: EntityName, data: JSONBody[doc.Order]) -> doc.Command:
        """Order an entity to become a value; only its own report makes the command `confirmed`."""
        return views.command(await house.commands.order(EntityId(entity), data.value))

    return [list_commands, get_command, order]
