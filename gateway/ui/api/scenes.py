"""The house's scenes."""

import msgspec
from litestar import delete, get, post, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody

from gateway.iot.rules_file import decode_scene
from gateway.ui import documents_rules as rules_doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.api.rules import RuleName
from gateway.ui.house import House
from gateway.ui.problems import ConflictError, answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/scenes``."""

    @get("/api/v1/scenes", responses=answers())
    async def list_scenes() -> list[rules_doc.Scene]:
        """All scenes, the file's and those put here."""
        return [views.scene(one) for one in house.scenes.scenes]

    @get("/api/v1/scenes/{scene:str}", responses=answers())
    async def get_scene(scene: RuleName) -> rules_doc.Scene:
        """One scene."""
        return views.scene(house.scenes.get(scene))

    @put(
        "/api/v1/scenes/{scene:str}",
        status_code=200,
        dto=Body[rules_doc.Scene],
        return_dto=None,
        responses=answers(409),
    )
    async def put_scene(scene: RuleName, data: JSONBody[rules_doc.Scene]) -> rules_doc.Scene:
        """Keep a scene in place of the one with its id."""
        if isinstance(data.id, str) and data.id != scene:
            raise ConflictError("The scene's id is not the one in the address")
        wanted = decode_scene({**msgspec.to_builtins(data), "id": scene})
        await house.scenes.put(wanted)
        return views.scene(wanted)

    @delete("/api/v1/scenes/{scene:str}", status_code=204, responses=answers())
    async def delete_scene(scene: RuleName) -> None:
        """Forget a scene."""
        await house.scenes.delete(scene)

    @post("/api/v1/scenes/{scene:str}/activate", status_code=200, responses=answers())
    async def activate_scene(scene: RuleName) -> list[rules_doc.SceneOrder]:
        """Order what the scene says; what becomes of each command is the command's to tell."""
        return [views.scene_order(one) for one in await house.scenes.activate(scene)]

    return [list_scenes, get_scene, put_scene, delete_scene, activate_scene]
