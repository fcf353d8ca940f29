"""Two players of which one is seen: the other decodes what is likely wanted next.

One rule: whoever holds this sees one player.  What the hidden one does, its
death included, never touches the picture; and when the one that is seen dies,
the other, which is alive, takes its place.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.media.player import Plane, PlayerEvent, Restarted, Track
from gateway.media.player_process import ProcessPlayer
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)


class PreparedPlayer:
    """See `gateway.media.player.Player`."""

    def __init__(self, one: ProcessPlayer, other: ProcessPlayer) -> None:
        """Describe a pair.

        Args:
            one: Seen first.
            other: The same kind, on the same display.
        """
        self.events: Publisher[PlayerEvent] = Publisher()
        self._seen = one
        self._hidden = other
        self._wanted = ""
        self._leaving = False

    @property
    def plane(self) -> Plane:
        return self._seen.plane

    @property
    def prepared(self) -> str:
        return self._hidden.prepared

    @property
    def pid(self) -> int | None:
        """Process id of the worker that is seen; `None` while there is none."""
        return self._seen.pid

    @property
    def hidden_pid(self) -> int | None:
        """Process id of the other worker."""
        return self._hidden.pid

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep both alive until cancelled; ready with the first, the other may come later."""
        async with asyncio.TaskGroup() as group:
            for player in (self._seen, self._hidden):
                group.create_task(self._forward(player), name="player: facts")
                group.create_task(self._replace(player), name="player: losses")
            await self._start(group, self._seen)
            ready()
            await self._start(group, self._hidden)

    async def attended(self) -> None:
        """The screen is the box's own."""

    async def open(self, url: str) -> None:
        if url and url == self._hidden.prepared:
            await self._change_places()
        else:
            await self._seen.open(url)

    async def prepare(self, url: str) -> None:
        if url == self._wanted:
            return
        self._wanted = url
        self._leaving = False
        if url:
            self._hidden.open_hidden(url)
        else:
            await self._hidden.close()

    async def close(self) -> None:
        await self._leave()
        await self._seen.close()

    async def set_paused(self, paused: bool) -> None:
        await self._seen.set_paused(paused)

    async def select(self, track: Track) -> None:
        await self._seen.select(track)

    async def set_volume(self, level_percent: int) -> None:
        for player in (self._seen, self._hidden):
            await player.set_volume(level_percent)

    async def set_levelling(self, on: bool) -> None:
        for player in (self._seen, self._hidden):
            await player.set_levelling(on)

    async def _change_places(self) -> None:
        before, self._seen = self._seen, self._hidden
        self._hidden, self._wanted = before, ""
        # It goes dark when it is covered, not sooner: that would be seen.
        self._leaving = True
        self._seen.come_forward(before.window)

    async def _replace(self, player: ProcessPlayer) -> None:
        with player.losses.subscribe() as losses:
            async for _ in losses:
                if player is not self._seen or self._hidden.pid is None:
                    continue
                log.info("the player that was seen is gone; the other one goes on")
                self._seen, self._hidden = self._hidden, player
                self._wanted, self._leaving = "", False
                await self._seen.close()
                self.events.publish(Restarted())

    async def _leave(self) -> None:
        if self._leaving:
            self._leaving = False
            await self._hidden.close()

    async def _start(self, group: asyncio.TaskGroup, player: ProcessPlayer) -> None:
        started = asyncio.Event()
        group.create_task(player.run(started.set), name="player: one of two")
        await started.wait()

    async def _forward(self, player: ProcessPlayer) -> None:
        with player.events.subscribe() as events:
            async for event in events:
                if isinstance(event, Restarted):
                    # Whichever came back: the order in which they say so is not that of their windows.
                    self._seen.lie_above(self._hidden.window)
                if player is self._seen:
                    self.events.publish(event)
                    await self._leave()
                elif isinstance(event, Restarted) and self._wanted:
                    log.info("the prepared player was replaced; preparing again")
                    player.open_hidden(self._wanted)
