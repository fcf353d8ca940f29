"""The house's rules."""

from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.iot.rules_file import decode_rule
from gateway.iot.rules_model import RuleId
from gateway.ui import documents_rules as rules_doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.house import House
from gateway.ui.problems import ConflictError, answers

RuleName = Annotated[
    str,
    PathParameter(
        description="Letters, digits, dots, dashes, underscores",
        pattern=r"^[A-Za-z0-9._-]*[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=64,
    ),
]


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/rules``."""

    @get("/api/v1/rules", responses=answers())
    async def list_rules() -> list[rules_doc.Rule]:
        """All rules, the file's and those put here."""
        return [views.rule(one) for one in house.rules.rules]

    @put(
        "/api/v1/rules/{rule:str}",
        status_code=200,
        dto=Body[rules_doc.Rule],
        return_dto=None,
        responses=answers(409),
    )
    async def put_rule(rule: RuleName, data: JSONBody[rules_doc.Rule]) -> rules_doc.Rule:
        """Keep a rule in place of the one with its id, and let it work from now on."""
        if isinstance(data.id, str) and data.id != rule:
            raise ConflictError("The rule's id is not the one in the address")
        wanted = decode_rule({**msgspec.to_builtins(data), "id": rule})
        await house.rules.put(wanted)
        return views.rule(wanted)

    @delete("/api/v1/rules/{rule:str}", status_code=204, responses=answers())
    async def delete_rule(rule: RuleName) -> None:
        """Forget a rule."""
        await house.rules.delete(RuleId(rule))

    return [list_rules, put_rule, delete_rule]
