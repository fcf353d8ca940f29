"""Devices that the home's network speaks of and nobody has admitted yet."""

from litestar import get
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents_pairing as doc
from gateway.ui.house import House
from gateway.ui.problems import answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/iot/found``."""

    @get("/api/v1/iot/found", responses=answers())
    async def list_found() -> list[doc.FoundDevice]:
        """What announces itself on the network; empty for a box that keeps to itself."""
        admitted = (state.entity.device for state in house.registry.states.values())
        return [
            doc.FoundDevice(
                name=each.name,
                kind=each.kind.value,
                address=each.address,
                port=each.port,
                model=each.model,
                seen_at=each.seen_at,
            )
            for each in house.found.devices(admitted)
        ]

    return [list_found]
