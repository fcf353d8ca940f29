"""Whether the box is well; the one call that needs no token."""

from litestar import get
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents as doc
from gateway.ui.house import House
from gateway.ui.problems import answers

_WELL = frozenset({"running"})


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handler of ``/healthz``."""

    @get("/healthz", responses=answers(), security=[{}])
    async def health() -> doc.Health:
        """Say whether each service runs; ``degraded`` when one does not."""
        states = dict(house.services().states)
        return doc.Health(status="ok" if _WELL.issuperset(states.values()) else "degraded", services=states)

    return [health]
