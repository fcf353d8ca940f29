"""What support asks for."""

from litestar import get
from litestar.handlers.base import BaseRouteHandler

from gateway.ui import documents_support as home_doc
from gateway.ui import documents_watching as doc
from gateway.ui.house import House
from gateway.ui.problems import answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers below ``/api/v1/support``; for the owner only, see `gateway.ui.roles`."""

    @get("/api/v1/support/television", responses=answers())
    async def get_support_television() -> doc.Television:
        """How long the newest channel changes took and why; kept in the house."""
        seen = await house.viewing.summary()
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

    @get("/api/v1/support/home", responses=answers())
    async def get_support_home() -> home_doc.HomeTroubles:
        """What the home's devices said that was not taken: who is named, and the rest counted."""
        seen = house.troubles.seen
        return home_doc.HomeTroubles(
            refused=[home_doc.RefusedAnnouncement(topic=each, why=why) for each, why in seen.refused.items()],
            floods=[home_doc.Flood(topic=topic, passed_over=count) for topic, count in seen.floods.items()],
            announcements=seen.announcements,
            reports=seen.reports,
            oversized=seen.oversized,
            late=seen.late,
            unkept=seen.unkept,
            pictures=seen.pictures,
            sealed=seen.sealed,
            strangers=seen.strangers,
        )

    return [get_support_television, get_support_home]
