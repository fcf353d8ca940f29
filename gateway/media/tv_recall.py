"""Writes down what the television must still know tomorrow.

One rule: flash wears out by writing, so that a walk through fifty channels is one
write; and a disk that is full takes nothing from the picture.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from gateway.errors import GatewayError
from gateway.media.streams import Recorded
from gateway.media.tv_facts import TvConfig, TvState
from gateway.media.tv_memory import Kept
from gateway.media.tv_stage import Stage
from gateway.media.tv_tracks import Languages

log = logging.getLogger(__name__)

LAST_WRITE_S = 2.0
PLACE_EVERY_S = 60.0


class Memory(Protocol):
    """See `gateway.media.tv_memory.TvMemory`."""

    async def load(self) -> Kept: ...

    async def save(self, kept: Kept) -> None: ...


class Bookmarks(Protocol):
    """See `gateway.media.streams.Streams`."""

    async def left_at(self, recorded: Recorded, position: datetime) -> None: ...


class Recall:
    """Keeps channel, loudness and languages in `Memory`, and the place in each recording."""

    def __init__(
        self, config: TvConfig, stage: Stage, languages: Languages, memory: Memory, bookmarks: Bookmarks
    ) -> None:
        self._config = config
        self._stage = stage
        self._languages = languages
        self._memory = memory
        self._bookmarks = bookmarks
        self._kept = Kept()
        self._place: tuple[Recorded, datetime] | None = None

    async def restore(self) -> None:
        """Give the stage what was kept.

        Raises:
            StoreError: the store cannot be read.
        """
        self._kept = kept = await self._memory.load()
        self._languages.restore(kept.languages)
        if self._stage.untouched:
            self._stage.home = kept.channel
        self._stage.become(volume_percent=kept.volume_percent, muted=kept.muted)

    async def keep(self) -> None:
        """Write what changes until cancelled, and then once more."""
        with self._stage.changes.subscribe(backlog=1) as changes:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._keep_places(), name="tv: places in recordings")
                    group.create_task(self._keep_changes(changes), name="tv: changes")
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WRITE_S):
                        await self._save()
                        await self._save_place()

    async def _keep_changes(self, changes: AsyncIterator[TvState]) -> None:
        async for _ in changes:
            await asyncio.sleep(self._config.remember_after_s)
            await self._save()

    async def _keep_places(self) -> None:
        """Note the place every minute, and when a recording is left."""
        with self._stage.leaving.subscribe() as leaving:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PLACE_EVERY_S):
                        self._place = await anext(leaving)
                await self._save_place()

    async def _save_place(self) -> None:
        place, self._place = self._place or self._stage.place, None
        if place is not None:
            try:
                await self._bookmarks.left_at(*place)
            except GatewayError as error:
                log.warning("the place in a recording will not be remembered: %s", error)

    async def _save(self) -> None:
        state = self._stage.state
        kept = Kept(
            channel=self._stage.home,
            volume_percent=state.volume_percent,
            muted=state.muted,
            languages=self._languages.choices,
        )
        if kept == self._kept:
            return
        try:
            await self._memory.save(kept)
        except GatewayError as error:
            log.warning("the channel will not be remembered: %s", error)
        self._kept = kept
