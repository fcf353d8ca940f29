"""Records what the household wants: programmes, times, series.

One rule: the guide is asked again and again.  A programme that moves is
followed until it is over, and a plan is a guess until it is carried out.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import GatewayError
from gateway.media import recorder_wishes as wishes
from gateway.media.guide_words import series_of
from gateway.media.lineup import ChannelId
from gateway.media.recorder_agenda import Agenda, Programmes
from gateway.media.recorder_capture import Capture, Sources, missing_s
from gateway.media.recorder_plan import Limits, Slot, plan
from gateway.media.recordings_facts import (
    MISSED,
    TO_COME,
    NotRecordingError,
    RecorderConfig,
    Recording,
    RecordingState,
    RecordingTimeError,
    SeriesRule,
    TooManyError,
    UnknownSeriesError,
)
from gateway.media.recordings_library import Library
from gateway.media.relay_facts import UnknownChannelError
from gateway.media.tv_facts import NoRecordingsError, NoSuchProgrammeError
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
SOON_S = 0.05
LONGEST = timedelta(hours=12)
FURTHEST = timedelta(days=366)
MAX_RECORDINGS = 2000
MAX_SERIES = 100


class Recorder:
    """See the module; a service."""

    def __init__(
        self,
        library: Library,
        sources: Sources,
        programmes: Programmes,
        config: RecorderConfig,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Describe it.

        Args:
            library: Where recordings are put; loaded and closed here.
            sources: Where they come from.
            programmes: What there is.
            config: How much, how long.
            clock: Wall time.
        """
        self._library = library
        self._sources = sources
        self._programmes = programmes
        self._config = config
        self._clock = clock
        self._agenda = Agenda(library, programmes, clock)
        self._next: datetime | None = None
        self._running: dict[str, tuple[Capture, asyncio.Task[None]]] = {}
        self._look_again = asyncio.Event()
        self._looking = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None

    @property
    def changes(self) -> Publisher[None]:
        """The list, or something in it, is different now."""
        return self._library.changes

    @property
    def all(self) -> Sequence[Recording]:
        """Everything recorded, being recorded and to be recorded; the newest first."""
        every = {**self._library.recordings, **self._agenda.upcoming}
        return sorted(every.values(), key=lambda one: (one.start, one.id), reverse=True)

    async def run(self, ready: Callable[[], None]) -> None:
        """Record until cancelled; what was being recorded when the box went off goes on.

        Raises:
            StoreError, ReelError: rows or files cannot be read.
        """
        await self._library.load()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                there_is = self._programmes
                group.create_task(self._hear(there_is.changed), name="recorder: hear the guide")
                group.create_task(self._hear(there_is.line_up.changes), name="recorder: hear the line-up")
                await self._look()
                ready()
                while True:
                    # Before looking: what changes meanwhile is looked at again.
                    self._look_again.clear()
                    await self._look()
                    await self._until_next()
        finally:
            self._group = None
            self._running.clear()
            await self._library.close()

    async def record_programme(self, programme: str) -> Recording:
        """Record a programme of the guide; one that is planned already is returned as it is.

        Raises:
            NoSuchProgrammeError: the guide has none with that id.
            RecordingTimeError: it is over.
            NoRoomError, TooManyError, StoreError: not possible now.
        """
        found = await self._programmes.guide.programme(programme)
        if found is None:
            raise NoSuchProgrammeError("The guide has no such programme")
        for one in self.all:
            if one.programme == programme and one.state in (*TO_COME, RecordingState.RECORDING):
                return one
        wanted = wishes.of_programme(_new_id(), found, self._programmes.line_up.state, self._clock())
        return await self._take(wanted)

    async def record_time(
        self, channel: ChannelId, start: datetime, stop: datetime, title: str = ""
    ) -> Recording:
        """Record a channel from `start` to `stop`.

        Raises:
            UnknownChannelError: the line-up has no such channel.
            RecordingTimeError: that is over, or too long.
            NoRoomError, TooManyError, StoreError: not possible now.
        """
        known = self._programmes.line_up.state.by_id(channel)
        if known is None:
            raise UnknownChannelError("There is no such channel")
        wanted = Recording(
            id=_new_id(),
            channel=channel,
            channel_name=known.name,
            title=title or known.name,
            start=start,
            stop=stop,
            asked_at=self._clock(),
        )
        return await self._take(wanted)

    async def stop(self, recording: str) -> Recording:
        """End a recording that is being made; it is done with what there is.

        Raises:
            NoRecordingsError: there is none of that id.
            NotRecordingError: it is not being recorded.
        """
        one = self._known(recording)
        running = self._running.get(recording)
        if running is None or one.state is not RecordingState.RECORDING:
            raise NotRecordingError("It is not being recorded")
        reel = await self._library.reel(recording)
        end = reel.entries[-1].until if reel.entries else self._clock()
        await self._library.put(replace(self._known(recording), stop=max(one.start, min(one.stop, end))))
        running[0].stop()
        await asyncio.wait({running[1]})
        return self._library.recordings.get(recording, one)

    async def delete(self, recording: str) -> None:
        """Delete a recording with its files, or do not make it; an episode is not wanted again.

        Raises:
            NoRecordingsError: there is none of that id.
            StoreError: it could not be removed.
        """
        one = self._known(recording)
        if one.series is not None:
            await self._library.note_had(one.series, one.episode)
        running = self._running.get(recording)
        if running is not None:
            running[0].stop()
            await asyncio.wait({running[1]})
        if recording in self._library.recordings:
            await self._library.delete(recording)
        await self._look_now()

    async def add_series(self, title: str, channel: ChannelId | None, keep_last: int) -> SeriesRule:
        """Record every episode of a series; the same wish again changes how many are kept.

        Raises:
            UnknownChannelError: the line-up has no such channel.
            TooManyError, StoreError: not possible.
        """
        if channel is not None and self._programmes.line_up.state.by_id(channel) is None:
            raise UnknownChannelError("There is no such channel")
        key, known = series_of(title), self._library.series
        same = next((each for each in known.values() if (each.key, each.channel) == (key, channel)), None)
        if same is None and len(known) >= MAX_SERIES:
            raise TooManyError("There are too many rules for series")
        rule = SeriesRule(
            id=same.id if same else _new_id(), title=title, key=key, channel=channel, keep_last=keep_last
        )
        await self._library.put_series(rule)
        self._agenda.changed()
        await self._look_now()
        return rule

    async def remove_series(self, rule: str) -> None:
        """Record no more of a series; what there is stays.

        Raises:
            UnknownSeriesError: there is no such rule.
            StoreError: it could not be removed.
        """
        if rule not in self._library.series:
            raise UnknownSeriesError("There is no such rule")
        await self._library.delete_series(rule)
        self._agenda.changed()
        await self._look_now()

    async def _take(self, wanted: Recording) -> Recording:
        now = self._clock()
        if wanted.stop <= max(now, wanted.start) or wanted.stop - wanted.start > LONGEST:
            raise RecordingTimeError("That time is over, or too long")
        if wanted.start - now > FURTHEST:
            raise RecordingTimeError("That is too far ahead")
        if len(self._library.recordings) >= MAX_RECORDINGS:
            raise TooManyError("There are too many recordings")
        await self._library.make_room()
        await self._library.put(wanted)
        await self._look_now()
        return self._library.recordings.get(wanted.id, wanted)

    def _known(self, recording: str) -> Recording:
        one = self._agenda.upcoming.get(recording) or self._library.recordings.get(recording)
        if one is None:
            raise NoRecordingsError("There is no such recording")
        return one

    async def _hear(self, publisher: Publisher[Any]) -> None:
        """Look again when there may be other programmes."""
        with publisher.subscribe(backlog=1) as changes:
            async for _ in changes:
                self._agenda.changed()
                self._look_again.set()

    async def _until_next(self) -> None:
        """Wait until something may have to begin; the clock may be set meanwhile."""
        wait_s = (self._next - self._clock()).total_seconds() if self._next else LOOK_EVERY_S
        with suppress(TimeoutError):
            async with asyncio.timeout(max(SOON_S, min(wait_s, LOOK_EVERY_S))):
                await self._look_again.wait()

    async def _look_now(self) -> None:
        await self._look()
        self._look_again.set()  # there may be something sooner to wait for

    async def _look(self) -> None:
        """Plan anew, begin what is due, and end what is over."""
        async with self._looking:
            if self._group is None:
                return
            try:
                slots = plan(await self._agenda.wishes(self._running), self._limits)
                await self._agenda.note(slots)
                await self._begin_due(slots)
                for rule in self._library.series.values():
                    for old in wishes.surplus(self._library.recordings, rule):
                        if old.id not in self._running:
                            await self._library.delete(old.id)
                await self._library.write_positions()
                await self._library.look_at_disk()
            except GatewayError as error:
                # The next look is soon; what is being recorded goes on by itself.
                log.warning("the recorder cannot plan: %s", error.line())

    @property
    def _limits(self) -> Limits:
        return Limits(self._config.max_at_once, self._config.before, self._config.after)

    async def _begin_due(self, slots: Mapping[str, Slot | None]) -> None:
        now = self._clock()
        to_come = [slot.begin for slot in slots.values() if slot is not None and slot.begin > now]
        self._next = min(to_come, default=None)
        for name, slot in slots.items():
            if slot is None:
                continue
            if (running := self._running.get(name)) is not None:
                running[0].extend(slot.end)
            elif slot.begin <= now < slot.end:
                await self._begin(name, slot, now)
        for one in list(self._library.recordings.values()):
            # Cut by power, and over before the box was back.
            if one.state is RecordingState.RECORDING and one.id not in self._running and now >= one.stop:
                await self._settle(one.id, None)

    async def _begin(self, name: str, slot: Slot, now: datetime) -> None:
        one = self._agenda.upcoming.get(name) or self._library.recordings.get(name)
        if one is None or self._group is None:
            return
        await self._library.put(replace(one, state=RecordingState.RECORDING, code=None))
        self._agenda.take(name)
        capture = Capture(one, self._library, self._sources, self._config)
        task = self._group.create_task(self._capture(capture, slot, now), name="recorder: capture")
        self._running[name] = (capture, task)
        log.info("a recording begins (%d running)", len(self._running))

    async def _capture(self, capture: Capture, slot: Slot, now: datetime) -> None:
        try:
            await capture.run(slot.begin, now, slot.end)
        except GatewayError as error:
            capture.code = error.code
            log.warning("a recording cannot be made: %s", error.line())
        try:
            await self._settle(capture.recording, capture.code, stopped=capture.stopped)
        except GatewayError as error:
            log.warning("a recording's end could not be noted: %s", error.line())
        del self._running[capture.recording]
        self._look_again.set()
        log.info("a recording ended (%d running)", len(self._running))

    async def _settle(self, recording: str, code: str | None, *, stopped: bool = False) -> None:
        """Say what became of a recording that is over; one `stopped` by the household missed nothing."""
        reel = await self._library.reel(recording)
        await self._library.do(reel.close)
        self._library.grow(recording, reel)
        one = self._library.recordings.get(recording)
        if one is None:
            return
        wanted_from = min(max(one.start, one.asked_at), one.stop)
        lost_s = missing_s(reel.entries, wanted_from, one.stop)
        if not reel.entries:
            state = RecordingState.FAILED
            if stopped:
                await self._library.put(replace(one, state=state, code=code))
                return
        elif lost_s > self._config.shortest_loss_s:
            state = RecordingState.PARTIAL
        else:
            state, code = RecordingState.DONE, None
        if state is not RecordingState.DONE:
            code = code or MISSED
        await self._library.put(replace(one, state=state, code=code))
        if one.series is not None and state is RecordingState.DONE:
            await self._library.note_had(one.series, one.episode)
        self._library.progress.publish(recording)


def _new_id() -> str:
    return secrets.token_hex(8)
