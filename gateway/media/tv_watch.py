"""Keeps one thing on the screen, whatever its streams and the player do.

One rule: watching is one coroutine, from the order until another order cancels
it; so the newest order wins, and nothing of an older one can still change the state.

What fails is tried again for as long as nobody zaps away, at growing pauses; the
household sees the reason meanwhile.  The past goes on where it was, live is live.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media.lineup import ChannelId
from gateway.media.past import Window
from gateway.media.player import (
    Failed,
    FirstFrame,
    Player,
    PlayerEvent,
    Restarted,
    Resumed,
    Stalled,
    TracksFound,
)
from gateway.media.streams import Recorded, Stream, Wanted
from gateway.media.tv_facts import Gate, NoPictureError, Picture, StreamFailedError, TvConfig
from gateway.media.tv_stage import Stage
from gateway.media.tv_tracks import Languages

log = logging.getLogger(__name__)

ENDED = "TV-304"
NEARLY = timedelta(seconds=20)
"""A recording that ends so near its end has been watched."""


class StreamSource(Protocol):
    """Where pictures come from; `gateway.media.streams.Streams` in a box."""

    @property
    def keeps_past(self) -> bool: ...

    async def open(self, wanted: Wanted) -> Stream:
        """Return what the player opens.

        Raises:
            GatewayError: there is nothing to open; its code is shown.
        """

    def expected(self, channel: ChannelId) -> str: ...

    def window(self, channel: ChannelId) -> Window | None: ...

    async def recorded(self, recording: str) -> Recorded: ...

    async def left_at(self, recorded: Recorded, position: datetime) -> None: ...


class Watch:
    """Shows what is wanted.

    Attributes:
        shut: The code by which the gate shut off what is wanted, or None.
    """

    def __init__(
        self,
        config: TvConfig,
        stage: Stage,
        player: Player,
        source: StreamSource,
        languages: Languages,
    ) -> None:
        self.shut: str | None = None
        self._config = config
        self._stage = stage
        self._player = player
        self._source = source
        self._languages = languages

    async def obey(self, gate: Gate | None, ended: Callable[[], None]) -> None:
        """Show whatever is ordered until cancelled; `ended` is called at the end of a recording."""
        stage = self._stage
        while True:
            stage.ordered.clear()
            async with asyncio.TaskGroup() as group:
                self.shut = await locked(gate, stage.wanted)
                dark = stage.wanted is None or self.shut is not None
                doing = self._dark(self.shut) if dark else self._keep(ended)
                task = group.create_task(doing, name="tv: watch")
                await stage.ordered.wait()
                task.cancel()

    async def _dark(self, code: str | None) -> None:
        """Show nothing, because nothing is wanted or because of `code`."""
        if code is not None:
            self._stage.failed(code)
            log.info("not shown: %s", code)
        await self._player.close()

    async def _keep(self, ended: Callable[[], None]) -> None:
        """Keep what is wanted on the screen until cancelled or ended."""
        failures = 0
        while (wanted := self._stage.where_left()) is not None:
            # Listening begins anew each time: what came during the pause is about the last attempt.
            with self._player.events.subscribe() as events:
                try:
                    await self._await_screen()
                    url = await self._begin(wanted, events)
                    failures = 0
                    await self._go_on(url, events)
                    pause_s = 0.0
                except GatewayError as error:
                    code = error.said if isinstance(error, StreamFailedError) else error.code
                    if code == ENDED and self._is_over(wanted):
                        ended()
                        return
                    if code == ENDED and failures == 0 and self._stage.state.picture is not Picture.TUNING:
                        # A stream ends where another codec begins; the next one follows at once.
                        self._stage.become(picture=Picture.TUNING)
                        self._stage.ordered_at_s = time.monotonic()
                        failures += 1
                        continue
                    failures += 1
                    # Neither the older channel's picture nor a late one belongs beside this code.
                    await self._player.close()
                    self._stage.failed(code)
                    log.warning("no picture: %s", code)
                    pause_s = min(self._config.retry_max_s, self._config.retry_s * 2 ** min(failures - 1, 16))
            await asyncio.sleep(pause_s)
            self._stage.ordered_at_s = time.monotonic()

    async def _await_screen(self) -> None:
        """Wait until somebody could see the picture; time in an empty room is nobody's zap."""
        before_s = time.monotonic()
        await self._player.attended()
        self._stage.ordered_at_s += time.monotonic() - before_s

    async def _begin(self, wanted: Wanted, events: AsyncIterator[PlayerEvent]) -> str:
        """Open `wanted` and return its address when the picture is there."""
        stage = self._stage
        try:
            async with asyncio.timeout(self._config.zap_timeout_s):
                stream = self._decoded(wanted) or await self._source.open(wanted)
                url = stream.url
                how = "predicted" if self._player.prepared == url else stream.how
                self._languages.began()
                asked_ms = (time.monotonic() - stage.ordered_at_s) * 1000
                await self._player.open(url)
                stage.become(zap=how)
                async for event in events:
                    match event:
                        case FirstFrame(of, after_ms) if of == url:
                            if stage.state.paused:
                                await self._player.set_paused(True)
                            stage.opened(round(asked_ms) + after_ms, after_ms)
                            log.info("picture after %d ms", stage.state.first_frame_ms)
                            return url
                        case Failed(of, code) if of == url:
                            raise StreamFailedError(code)
                        case TracksFound(of) if of == url:
                            await self._choose(event)
                        case Restarted():
                            await self._player.open(url)
        except TimeoutError as error:
            raise NoPictureError(f"No picture within {self._config.zap_timeout_s:g} s") from error
        raise StreamFailedError(StreamFailedError.code)

    def _decoded(self, wanted: Wanted) -> Stream | None:
        """Return the stream that is wanted if its picture is ready: then nobody need be asked."""
        prepared = self._player.prepared
        if not prepared or wanted.channel is None or wanted.mode != "live":
            return None
        return Stream(prepared) if prepared == self._source.expected(wanted.channel.id) else None

    async def _go_on(self, url: str, events: AsyncIterator[PlayerEvent]) -> None:
        """Watch over the picture; returns when it should be opened anew at once."""
        stage = self._stage
        while True:
            stalled = stage.state.picture is Picture.STALLED
            patient = stage.state.paused or not stalled
            try:
                async with asyncio.timeout(None if patient else self._config.stall_timeout_s):
                    event = await anext(events)
            except TimeoutError:
                if stage.state.paused:
                    continue
                log.warning("the picture stood still for %g s, opening anew", self._config.stall_timeout_s)
                stage.lost()
                return
            match event:
                case Stalled(of) if of == url and not stalled:
                    stage.stalled()
                case Resumed(of) if of == url:
                    stage.resumed()
                case TracksFound(of) if of == url:
                    await self._choose(event)
                case Failed(of, code) if of == url:
                    raise StreamFailedError(code)
                case Restarted():
                    stage.lost()
                    return

    async def _choose(self, found: TracksFound) -> None:
        """Take in what can be chosen, and choose what the household chose before."""
        self._stage.become(tracks=found.tracks, selected=found.selected)
        channel = self._stage.state.channel
        for track in self._languages.to_select(channel.id if channel else None, found):
            await self._player.select(track)

    def _is_over(self, wanted: Wanted) -> bool:
        recorded = wanted.recorded
        return recorded is not None and self._stage.position >= recorded.stop - NEARLY


async def locked(gate: Gate | None, wanted: Wanted | None) -> str | None:
    """Return the code of the reason why `wanted` may not be shown, or None."""
    if gate is None or wanted is None:
        return None
    if (tape := wanted.recorded) is not None:
        return await gate.verdict_recorded(tape.channel, tape.start, tape.age)
    return await gate.verdict(wanted.channel, wanted.at) if wanted.channel is not None else None
