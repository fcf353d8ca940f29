"""What support asks for."""

from litestar import get
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents_watching as doc
from gateway.ui.house import Viewing
from gateway.ui.problems import answers


def handlers(viewing: Viewing) -> list[BaseRouteHandler]:
    """Return the handler of ``/api/v1/support/television``; for the owner only, see `gateway.ui.roles`."""

    @get("/api/v1/support/television", responses=answers())
    async def get_support_television() -> doc.Television:
        """How long the newest channel changes took and why; kept in the house."""
        seen = await viewing.summary()
        return doc.Television(
            shared=seen.shared,
            zaps=[
                doc.Zap(
                    at=zap.at,
                    channel=zap.channel,
                    first_frame_ms=zap.first_frame_ms,
                    how=zap.how,
                    player_ms=zap.player_ms,
                    source=zap.source,
                    stalls=zap.stalls,
                    stalled_ms=zap.stalled_ms,
                    source_changes=zap.source_changes,
                    watched_s=zap.watched_s,
                    code=zap.code,
                )
                for zap in seen.zaps
            ],
            median_first_frame_ms=seen.median_first_frame_ms,
            predicted_share=seen.predicted_share,
        )

    return [get_support_television]
