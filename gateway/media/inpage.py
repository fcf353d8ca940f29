"""The player that lives in the page: used when the box has no display.

One rule: the page does the playing and reports what it saw; this side only
says what to play, and believes no report about anything but the newest stream.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gateway.media.player import (
    Failed,
    FirstFrame,
    Plane,
    PlayerEvent,
    Resumed,
    Stalled,
    Track,
    TracksFound,
)
from gateway.pubsub import Publisher

MAX_TRACKS = 64

_CODE = re.compile(r"TV-\d{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the page's video element must be like.

    Attributes:
        stream: Address to play; `None` shows nothing.
        stream_id: Names this opening in the page's reports; new with each one.
        selected: Ids of the tracks the household chose; the others as the stream says.
        volume_percent: Loudness 0..100.
        paused: Whether the picture is held where it is.
        levelling: Whether loudness is evened out.
    """

    stream: str | None = None
    stream_id: str | None = None
    selected: tuple[str, ...] = ()
    volume_percent: int = 100
    paused: bool = False
    levelling: bool = False


class InPagePlayer:
    """See `gateway.media.player.Player`.

    Several pages may play at once; the first of them to show a picture says so.
    """

    def __init__(self) -> None:
        self.plane = Plane.INPAGE
        self.events: Publisher[PlayerEvent] = Publisher()
        self.changes: Publisher[Screen] = Publisher()
        self._state = Screen()
        self._opened_at_s = 0.0
        self._shown = False
        self._tracks: tuple[Track, ...] = ()
        # Not guessable from an earlier run: a page that missed a restart must not be believed.
        self._run = secrets.token_hex(4)
        self._count = 0
        self._pages = 0
        self._page_came = asyncio.Event()

    @property
    def state(self) -> Screen:
        """What every page must show now."""
        return self._state

    async def run(self, ready: Callable[[], None]) -> None:
        """There is nothing to keep alive here."""
        ready()
        await asyncio.Event().wait()

    @contextmanager
    def page(self) -> Iterator[None]:
        """Say that a page is there for as long as the block lasts."""
        self._pages += 1
        self._page_came.set()
        try:
            yield
        finally:
            self._pages -= 1
            if not self._pages:
                self._page_came.clear()

    async def attended(self) -> None:
        await self._page_came.wait()

    async def open(self, url: str) -> None:
        self._count += 1
        self._opened_at_s = time.monotonic()
        self._shown = False
        self._tracks = ()
        name = f"{self._run}-{self._count}"
        self._become(replace(self._state, stream=url, stream_id=name, selected=(), paused=False))

    async def close(self) -> None:
        self._tracks = ()
        self._become(replace(self._state, stream=None, stream_id=None, selected=(), paused=False))

    async def select(self, track: Track) -> None:
        if track not in self._tracks or self._state.stream is None:
            return
        self._choose((track.id,))
        self.events.publish(TracksFound(self._state.stream, self._tracks, self._state.selected))

    async def set_volume(self, level_percent: int) -> None:
        self._become(replace(self._state, volume_percent=level_percent))

    @property
    def prepared(self) -> str:
        return ""

    async def prepare(self, url: str) -> None:
        """A page has one video element."""

    async def set_paused(self, paused: bool) -> None:
        self._become(replace(self._state, paused=paused and self._state.stream is not None))

    async def set_levelling(self, on: bool) -> None:
        self._become(replace(self._state, levelling=on))

    def first_frame(self, stream_id: str) -> bool:
        """Believe that a page shows the picture; returns whether `stream_id` is the newest.

        The time counts until this report arrives: the page's clock is not ours.
        """
        if not self._is_newest(stream_id):
            return False
        if not self._shown:
            self._shown = True
            after_ms = round((time.monotonic() - self._opened_at_s) * 1000)
            self.events.publish(FirstFrame(self._url, after_ms))
        return True

    def stalled(self, stream_id: str) -> bool:
        """Believe that the picture stands still; see `first_frame`."""
        return self._say(stream_id, Stalled)

    def resumed(self, stream_id: str) -> bool:
        """Believe that it moves again; see `first_frame`."""
        return self._say(stream_id, Resumed)

    def failed(self, stream_id: str, code: str | None = None) -> bool:
        """Believe that the page cannot play this, because of `code` if it is one of television's."""
        return self._say(stream_id, Failed, *((code,) if code and _CODE.fullmatch(code) else ()))

    def tracks(self, stream_id: str, tracks: tuple[Track, ...], selected: tuple[str, ...]) -> bool:
        """Believe what can be chosen, of which at most `MAX_TRACKS`; see `first_frame`."""
        if not self._is_newest(stream_id):
            return False
        self._tracks = tracks[:MAX_TRACKS]
        self._choose(selected)
        self.events.publish(TracksFound(self._url, self._tracks, self._state.selected))
        return True

    @property
    def _url(self) -> str:
        return self._state.stream or ""

    def _is_newest(self, stream_id: str) -> bool:
        return self._state.stream_id is not None and stream_id == self._state.stream_id

    def _say(self, stream_id: str, fact: Callable[..., PlayerEvent], *details: str) -> bool:
        if not self._is_newest(stream_id):
            return False
        self.events.publish(fact(self._url, *details))
        return True

    def _choose(self, wanted: tuple[str, ...]) -> None:
        """Take `wanted` over what was chosen before, one track of each kind."""
        kind_of = {track.id: track.kind for track in self._tracks}
        chosen = {kind_of[each]: each for each in (*self._state.selected, *wanted) if each in kind_of}
        self._become(replace(self._state, selected=tuple(chosen.values())))

    def _become(self, state: Screen) -> None:
        if state != self._state:
            self._state = state
            self.changes.publish(state)
