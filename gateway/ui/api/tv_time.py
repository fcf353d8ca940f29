"""The television's past: pause, seek, programmes that are over, recordings."""

from datetime import datetime

from litestar import post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from gateway.schema import Problem as Fault
from gateway.ui import documents as doc
from gateway.ui import documents_watching as watching
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.house import House
from gateway.ui.problems import MalformedError, answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers below ``/api/v1/tv`` that go back in time."""

    @post("/api/v1/tv/pause", status_code=202, responses=answers(409))
    async def pause() -> doc.Tv:
        """Hold the picture; live becomes the past by that."""
        await house.tv.pause()
        return views.tv(house)

    @post("/api/v1/tv/resume", status_code=202, responses=answers(409))
    async def resume() -> doc.Tv:
        """Let the picture go on, as near to where it was as is kept."""
        await house.tv.resume()
        return views.tv(house)

    @post(
        "/api/v1/tv/seek", status_code=202, dto=Body[watching.Seek], return_dto=None, responses=answers(409)
    )
    async def seek(data: JSONBody[watching.Seek]) -> doc.Tv:
        """Go to an instant, or some seconds on or back from here; beyond live is live."""
        position = instant(data.position)
        if (position is None) == (data.step_s is UNSET):
            raise MalformedError([Fault("", "give exactly one of position and step_s")])
        await house.tv.seek(position=position, step_s=data.step_s or 0.0)
        return views.tv(house)

    @post("/api/v1/tv/live", status_code=202, responses=answers(409))
    async def live() -> doc.Tv:
        """Show the present of what is on."""
        await house.tv.live()
        return views.tv(house)

    @post(
        "/api/v1/tv/catchup",
        status_code=202,
        dto=Body[watching.WatchProgramme],
        return_dto=None,
        responses=answers(409),
    )
    async def watch_programme(data: JSONBody[watching.WatchProgramme]) -> doc.Tv:
        """Show a programme of the guide from its beginning, and what follows it."""
        await house.tv.watch_programme(data.programme)
        return views.tv(house)

    @post(
        "/api/v1/tv/recording",
        status_code=202,
        dto=Body[watching.WatchRecording],
        return_dto=None,
        responses=answers(409),
    )
    async def watch_recording(data: JSONBody[watching.WatchRecording]) -> doc.Tv:
        """Show a recording from where it was left, or from its start."""
        await house.tv.watch_recording(data.recording, from_start=data.from_start)
        return views.tv(house)

    return [pause, resume, seek, live, watch_programme, watch_recording]


def instant(said: datetime | UnsetType) -> datetime | None:
    """Return the instant that was said, or None.

    Raises:
        MalformedError: it has no time zone.
    """
    if said is UNSET:
        return None
    if said.tzinfo is None:
        raise MalformedError([Fault("position", "needs a time zone, such as 2026-01-31T20:00:00Z")])
    return said
