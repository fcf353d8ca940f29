"""What the household itself can say of its home."""

import msgspec
from litestar import delete, get, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody

from gateway.iot.rules_file import decode_helper
from gateway.ui import documents_rules as rules_doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.api.rules import RuleName
from gateway.ui.house import House
from gateway.ui.problems import ConflictError, answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/helpers``."""

    @get("/api/v1/helpers", responses=answers())
    async def list_helpers() -> list[rules_doc.Helper]:
        """All helpers, the file's and those put here; what is said of them is the entity's value."""
        return [views.helper(one) for one in house.household.helpers.entries]

    @put(
        "/api/v1/helpers/{helper:str}",
        status_code=200,
        dto=Body[rules_doc.Helper],
        return_dto=None,
        responses=answers(409),
    )
    async def put_helper(helper: RuleName, data: JSONBody[rules_doc.Helper]) -> rules_doc.Helper:
        """Keep a helper in place of the one with its id; what was said stays if it can."""
        if isinstance(data.id, str) and data.id != helper:
            raise ConflictError("The helper's id is not the one in the address")
        wanted = decode_helper({**msgspec.to_builtins(data), "id": helper})
        await house.household.put(wanted)
        return views.helper(wanted)

    @delete("/api/v1/helpers/{helper:str}", status_code=204, responses=answers())
    async def delete_helper(helper: RuleName) -> None:
        """Forget a helper, and what was said of it."""
        await house.household.delete(helper)

    return [list_helpers, put_helper, delete_helper]
