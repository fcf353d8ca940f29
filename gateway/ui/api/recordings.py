"""Recordings: the list, what shall be recorded, and their media."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

from litestar import Request, Response, delete, get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import UNSET, UnsetType

from gateway.media.lineup import ChannelId
from gateway.media.recordings_facts import Recording, SeriesRule, Space
from gateway.media.relay_facts import Resource
from gateway.schema import Problem as Fault
from gateway.ui import documents_watching as doc
from gateway.ui.api.body import Body
from gateway.ui.api.endless import after, until
from gateway.ui.api.locked import Lock, PhoneLock
from gateway.ui.guard import PHONE
from gateway.ui.problems import MalformedError, UnknownError, answers

_TS = "video/mp2t"
LOOK_EVERY = timedelta(minutes=10)
"""Through a recording, for whom its programmes are."""

Ticket = Annotated[str, QueryParameter(name="ticket", max_length=200)]
FromSecond = Annotated[float, QueryParameter(name="from_s")]


class Recorder(Protocol):
    """See `gateway.media.recorder.Recorder`."""

    @property
    def all(self) -> Sequence[Recording]: ...
    async def record_programme(self, programme: str) -> Recording: ...
    async def record_time(
        self, channel: ChannelId, start: datetime, stop: datetime, title: str = ""
    ) -> Recording: ...
    async def stop(self, recording: str) -> Recording: ...
    async def delete(self, recording: str) -> None: ...
    async def add_series(self, title: str, channel: ChannelId | None, keep_last: int) -> SeriesRule: ...
    async def remove_series(self, rule: str) -> None: ...


class Library(Protocol):
    """See `gateway.media.recordings_library.Library`."""

    @property
    def series(self) -> Mapping[str, SeriesRule]: ...
    @property
    def space(self) -> Space: ...


class Recordings(Protocol):
    """See `gateway.media.recordings.Recordings`."""

    def continuous(self, recording: str, from_s: float = 0.0) -> AsyncIterator[bytes]: ...
    async def resource(
        self, recording: str, name: str, *, from_s: float = 0.0, ticket: str = ""
    ) -> Resource: ...


def handlers(recorder: Recorder, library: Library) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/recordings``."""

    @get("/api/v1/recordings", responses=answers())
    async def list_recordings() -> doc.Recordings:
        """What was recorded, is being recorded and will be; the rules; the space."""
        space = library.space
        return doc.Recordings(
            recordings=[_recording(one) for one in recorder.all],
            series=[_series(one) for one in library.series.values()],
            space=doc.RecordingSpace(
                used_bytes=space.used_bytes, quota_bytes=space.quota_bytes, free_bytes=space.free_bytes
            ),
        )

    @post(
        "/api/v1/recordings",
        status_code=201,
        dto=Body[doc.NewRecording],
        return_dto=None,
        responses=answers(409),
    )
    async def record(data: JSONBody[doc.NewRecording]) -> doc.Recording:
        """Record a programme of the guide, or a channel from `start` to `stop`."""
        if data.programme is not UNSET:
            if any(each is not UNSET for each in (data.channel, data.start, data.stop)):
                raise MalformedError([Fault("programme", "is enough; leave out channel, start and stop")])
            return _recording(await recorder.record_programme(data.programme))
        if data.channel is UNSET:
            raise MalformedError([Fault("programme", "or channel, start and stop are required")])
        start, stop = _moment("start", data.start), _moment("stop", data.stop)
        return _recording(await recorder.record_time(ChannelId(data.channel), start, stop, data.title))

    @delete("/api/v1/recordings/{recording:str}", status_code=204, responses=answers())
    async def delete_recording(recording: FromPath[str]) -> None:
        """Delete a recording, or do not make it."""
        await recorder.delete(recording)

    @post("/api/v1/recordings/{recording:str}/stop", status_code=202, responses=answers(409))
    async def stop_recording(recording: FromPath[str]) -> doc.Recording:
        """End a recording that is being made; what there is stays."""
        return _recording(await recorder.stop(recording))

    @post(
        "/api/v1/recordings/series",
        status_code=201,
        dto=Body[doc.NewSeries],
        return_dto=None,
        responses=answers(409),
    )
    async def record_series(data: JSONBody[doc.NewSeries]) -> doc.Series:
        """Record every episode of a series; an episode's title will do."""
        channel = ChannelId(data.channel) if data.channel is not None else None
        return _series(await recorder.add_series(data.title, channel, data.keep_last))

    @delete("/api/v1/recordings/series/{rule:str}", status_code=204, responses=answers())
    async def delete_series(rule: FromPath[str]) -> None:
        """Record no more of a series; what there is stays."""
        await recorder.remove_series(rule)

    return [list_recordings, record, delete_recording, stop_recording, record_series, delete_series]


Guarded = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


def media_handlers(
    recordings: Recordings, recorder: Recorder, lock: Lock, closing: asyncio.Event
) -> list[BaseRouteHandler]:
    """Return the handlers of ``/recordings``; streams end when `closing` is set."""

    async def check(request: Request[Any, Any, Any], recording: str) -> Guarded:
        """Refuse a phone what is locked; return what guards the stream from then on."""
        if PHONE not in request.scope:
            return lambda chunks: chunks
        one = next((each for each in recorder.all if each.id == recording), None)
        if one is None:
            return lambda chunks: chunks
        phone, at = PhoneLock(lock, request.scope, one.channel, age=one.age), one.start
        await phone.check(at)
        # Of several programmes each counts.
        while one.programme is None and (at := at + LOOK_EVERY) < one.stop:
            await phone.check(at)
        return lambda chunks: phone.while_open(chunks, one.start)

    @get("/recordings/{file:str}", include_in_schema=False)
    async def continuous(
        request: Request[Any, Any, Any], file: FromPath[str], from_s: FromSecond = 0.0
    ) -> Stream:
        if not file.endswith(".ts"):
            raise UnknownError("There is no such stream; try .ts or /index.m3u8")
        recording = file.removesuffix(".ts")
        guarded = await check(request, recording)
        chunks = until(closing, guarded(recordings.continuous(recording, _second(from_s))))
        # The first piece is waited for, so that a refusal is an answer and not a torn stream.
        first = await anext(chunks, b"")
        return Stream(after(first, chunks), media_type=_TS)

    @get("/recordings/{recording:str}/{name:str}", include_in_schema=False)
    async def piece(
        request: Request[Any, Any, Any],
        recording: FromPath[str],
        name: FromPath[str],
        ticket: Ticket = "",
        from_s: FromSecond = 0.0,
    ) -> Response[bytes]:
        await check(request, recording)
        found = await recordings.resource(recording, name, from_s=_second(from_s), ticket=ticket)
        return Response(found.body, media_type=found.content_type)

    return [continuous, piece]


def _second(from_s: float) -> float:
    if not math.isfinite(from_s) or from_s < 0:
        raise MalformedError([Fault("from_s", "is not a number of seconds")])
    return from_s


def _moment(name: str, said: datetime | UnsetType) -> datetime:
    if said is UNSET:
        raise MalformedError([Fault(name, "is required")])
    if said.tzinfo is None:
        raise MalformedError([Fault(name, "does not say its time zone")])
    try:
        return said.astimezone(UTC)
    except OverflowError:
        raise MalformedError([Fault(name, "is not in the calendar")]) from None


def _recording(one: Recording) -> doc.Recording:
    return doc.Recording(
        id=one.id,
        channel=one.channel,
        channel_name=one.channel_name,
        title=one.title,
        subtitle=one.subtitle,
        description=one.description,
        start=one.start,
        stop=one.stop,
        state=one.state.value,
        size_bytes=one.size_bytes,
        duration_s=one.duration_s,
        position_s=one.position_s,
        series=one.series,
        code=one.code,
    )


def _series(rule: SeriesRule) -> doc.Series:
    return doc.Series(id=rule.id, title=rule.title, channel=rule.channel, keep_last=rule.keep_last)
