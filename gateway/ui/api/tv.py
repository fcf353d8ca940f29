"""The television."""

from litestar import get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET

from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import ChannelId
from gateway.media.player import Track
from gateway.media.tv_facts import Focused
from gateway.schema import Problem as Fault
from gateway.ui import documents as doc
from gateway.ui import documents_watching as watching
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.api.tv_time import instant
from gateway.ui.house import House
from gateway.ui.problems import ConflictError, MalformedError, UnknownError, answers


def handlers(house: House) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/tv``."""

    @get("/api/v1/tv", responses=answers())
    async def get_tv() -> doc.Tv:
        """The television now."""
        return views.tv(house)

    @post("/api/v1/tv/tune", status_code=202, dto=Body[doc.Tune], return_dto=None, responses=answers(409))
    async def tune(data: JSONBody[doc.Tune]) -> doc.Tv:
        """Begin to show a channel, from `position` on or live; `GET tv` and the events tell the outcome."""
        await house.tv.tune(_channel_id(house, data), instant(data.position))
        return views.tv(house)

    @post("/api/v1/tv/stop", status_code=202, responses=answers())
    async def stop() -> doc.Tv:
        """Show nothing."""
        await house.tv.stop()
        return views.tv(house)

    @post(
        "/api/v1/tv/tracks", status_code=202, dto=Body[doc.SelectTrack], return_dto=None, responses=answers()
    )
    async def select_track(data: JSONBody[doc.SelectTrack]) -> doc.Tv:
        """Choose sound or subtitles among the tracks of `GET tv`."""
        await house.tv.select(data.id)
        return views.tv(house)

    @post(
        "/api/v1/tv/picture",
        status_code=204,
        dto=Body[doc.PictureReport],
        return_dto=None,
        responses=answers(409),
    )
    async def report_picture(data: JSONBody[doc.PictureReport]) -> None:
        """Take in what the page saw in its own video element (plane `inpage`)."""
        if house.inpage is None:
            raise ConflictError("The picture is not in the page")
        if not _believe(house.inpage, data):
            raise ConflictError("This stream is no longer the one to show")

    @post(
        "/api/v1/tv/focus",
        status_code=204,
        dto=Body[watching.GuideFocus],
        return_dto=None,
        responses=answers(),
    )
    async def rest_focus(data: JSONBody[watching.GuideFocus]) -> None:
        """Say where the focus of a guide or a list rests, so that the channel may be there at once.

        Only the newest counts, after a short rest; it holds until another channel is shown.
        """
        house.tv.hint(_focused(house, data.channel))

    return [get_tv, tune, stop, select_track, report_picture, rest_focus]


def _believe(player: InPagePlayer, report: doc.PictureReport) -> bool:
    """Hand the report to the player; return whether it was about the newest stream."""
    if report.tracks is not None:
        tracks = tuple(Track(one.id, one.kind, one.language, one.name) for one in report.tracks)
        chosen = tuple(one.id for one in report.tracks if one.selected)
        player.tracks(report.stream_id, tracks, chosen)
    match report.picture:
        case "first_frame":
            return player.first_frame(report.stream_id)
        case "stalled":
            return player.stalled(report.stream_id)
        case "resumed":
            return player.resumed(report.stream_id)
        case "failed":
            return player.failed(report.stream_id, report.code)


def _focused(house: House, channel: str | None) -> Focused:
    found = house.line_up.state.by_id(ChannelId(channel)) if channel is not None else None
    if channel is not None and found is None:
        raise UnknownError("There is no such channel on the line-up")
    return Focused(found.id if found is not None else None)


def _channel_id(house: House, wanted: doc.Tune) -> ChannelId:
    line_up = house.line_up.state
    if isinstance(wanted.channel, str) and wanted.number is UNSET:
        channel = line_up.by_id(ChannelId(wanted.channel))
    elif isinstance(wanted.number, int) and wanted.channel is UNSET:
        channel = line_up.by_number(wanted.number)
    else:
        raise MalformedError([Fault("", "give exactly one of channel and number")])
    if channel is None:
        raise UnknownError("There is no such channel on the line-up")
    return channel.id
