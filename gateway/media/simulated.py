"""A player with no screen: for tests, and for a box that is tried without one.

One rule: it says only what a real player could say, in an order a real player
could say it; the contract test holds it to that.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from gateway.media.player import (
    Failed,
    FirstFrame,
    Plane,
    PlayerEvent,
    Restarted,
    Resumed,
    Stalled,
    Track,
    TracksFound,
)
from gateway.pubsub import Publisher


class SimulatedPlayer:
    """See `gateway.media.player.Player`.  A player with no screen.

    Shows a first frame at once, unless told that a stream is dead, slow or silent.

    Attributes:
        url: What is shown, or about to be; `None` when the screen is black.
        opened: Every address that was opened, in order.
        volume_percent: The last volume that was set.
        selected: Ids of the tracks that were chosen for this stream.
        prepared: The address that is decoded out of sight; empty if none is.
        paused: Whether the picture is held.
        levelling: Whether loudness is evened out.
    """

    def __init__(
        self,
        *,
        dead: Collection[str] = (),
        silent: Collection[str] = (),
        slow_s: Mapping[str, float] | None = None,
        tracks: tuple[Track, ...] = (),
    ) -> None:
        """Describe a player.

        Args:
            dead: Addresses that fail.
            silent: Addresses from which nothing ever comes.
            slow_s: Time to the first frame by address; the others need none.
            tracks: What every stream offers.
        """
        self.plane = Plane.OSD
        self.events: Publisher[PlayerEvent] = Publisher()
        self.url: str | None = None
        self.opened: list[str] = []
        self.volume_percent: int | None = None
        self.selected: tuple[str, ...] = ()
        self.prepared = ""
        self.paused = False
        self.levelling = False
        self.dead = set(dead)
        self.silent = set(silent)
        self._slow_s = dict(slow_s or {})
        self._tracks = tracks
        self._ready = ""
        self._changed = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Show first frames when their time has come."""
        ready()
        while True:
            await self._changed.wait()
            self._changed.clear()
            url = self.url
            if url is None or url in self.silent:
                continue
            delay_s = self._slow_s.get(url, 0.0) if url != self._ready else 0.0
            try:
                async with asyncio.timeout(delay_s):
                    await self._changed.wait()
            except TimeoutError:
                self._settle(url, delay_s)

    async def open(self, url: str) -> None:
        self.url = url
        self.opened.append(url)
        self.selected = ()
        self.paused = False
        self._ready, self.prepared = self.prepared, ""
        self._changed.set()

    async def prepare(self, url: str) -> None:
        self.prepared = "" if url in self.dead or url in self.silent else url

    async def set_paused(self, paused: bool) -> None:
        self.paused = paused

    async def set_levelling(self, on: bool) -> None:
        self.levelling = on

    async def attended(self) -> None:
        """The screen is the box's own."""

    async def close(self) -> None:
        self.url = None
        self._changed.set()

    async def select(self, track: Track) -> None:
        if self.url is None or track not in self._tracks:
            return
        others = (
            known.id for known in self._tracks if known.kind != track.kind and known.id in self.selected
        )
        self.selected = (*others, track.id)
        self.events.publish(TracksFound(self.url, self._tracks, self.selected))

    async def set_volume(self, level_percent: int) -> None:
        self.volume_percent = level_percent

    def stall(self) -> None:
        """Let the picture stand still."""
        if self.url is not None:
            self.events.publish(Stalled(self.url))

    def resume(self) -> None:
        """Let it move again."""
        if self.url is not None:
            self.events.publish(Resumed(self.url))

    def fail(self) -> None:
        """Let the stream break off."""
        if self.url is not None:
            self.events.publish(Failed(self.url))

    def crash(self) -> None:
        """Die and be replaced by a player that shows nothing."""
        self.url = None
        self._changed.set()
        self.events.publish(Restarted())

    def _settle(self, url: str, delay_s: float) -> None:
        if url in self.dead:
            self.events.publish(Failed(url))
            return
        self.events.publish(FirstFrame(url, round(delay_s * 1000)))
        if self._tracks:
            first = {track.kind: track.id for track in reversed(self._tracks)}
            self.selected = tuple(first.values())
            self.events.publish(TracksFound(url, self._tracks, self.selected))
