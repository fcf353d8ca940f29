"""The relay: each channel is pulled once, for everyone in the house.

One rule: demand decides.  The first reader starts a pull, all readers share
it, and it ends a little while after the last one has gone.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol
from urllib.parse import quote

from gateway.media.lineup import ChannelId, LineUp, Source
from gateway.media.relay_continuous import continuous
from gateway.media.relay_facts import (
    Kind,
    NoSuchPieceError,
    PullEnded,
    PullState,
    RelayConfig,
    RelayDownError,
    RelayFact,
    Resource,
    SlowSourceError,
    SourceError,
    UnknownChannelError,
)
from gateway.media.relay_pull import PICTURE, ChannelPull
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
FULL_START_S = 0.4
INDEX = "index.m3u8"


class LineUpOwner(Protocol):
    """Who knows the channels; `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class Relay:
    """Serves ``/live/…`` from one upstream pull per channel.

    Attributes:
        facts: Sources failing and recovering.
    """

    def __init__(self, book: LineUpOwner, config: RelayConfig, *, base_url: str, ticket: str = "") -> None:
        """Describe a relay.

        Args:
            book: Owner of the line-up.
            config: Limits and times.
            base_url: Where the box itself reaches ``/live/``, such as ``http://127.0.0.1:8080``.
            ticket: What lets the local player in; put into its addresses.
        """
        self.facts: Publisher[RelayFact] = Publisher()
        self._book = book
        self._config = config
        self._base_url = base_url.rstrip("/")
        self._ticket = ticket
        self._watched: dict[ChannelId, _Watched] = {}
        self._as_playlist: set[ChannelId] = set()
        self._group: asyncio.TaskGroup | None = None
        self._worker: Executor | None = None

    @property
    def state(self) -> Mapping[ChannelId, PullState]:
        """Every pull there is, in numbers."""
        return {
            channel: w.pull.state(w.reader_count(self._config.idle_s)) for channel, w in self._watched.items()
        }

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay") as worker:
            try:
                async with asyncio.TaskGroup() as group:
                    self._worker, self._group = worker, group
                    ready()
                    await asyncio.get_running_loop().create_future()
            finally:
                self._worker = self._group = None
                self._watched.clear()

    def address(self, channel: ChannelId) -> str:
        """Return what the local player opens for `channel`, as far as is known now."""
        name = f"{channel}/{INDEX}" if channel in self._as_playlist else f"{channel}.ts"
        return f"{self._base_url}/live/{name}" + _query(self._ticket)

    async def open(self, channel: ChannelId) -> str:
        """Start the pull, wait for media, and return the best address for the local player.

        Raises:
            UnknownChannelError: not in the line-up.
            SourceError, PlaylistError: no source works, or not within `RelayConfig.open_timeout_s`.
            RelayDownError: not running.
        """
        watched = self._watch(channel)
        watched.pull.try_again()
        with watched.reading():
            await self._until_playing(watched.pull)
        if watched.pull.kind is not Kind.TS or watched.pull.has_renditions:
            self._as_playlist.add(channel)
        else:
            self._as_playlist.discard(channel)
        return self.address(channel)

    async def resource(
        self, channel: ChannelId, name: str, *, ticket: str = "", reader: str = ""
    ) -> Resource:
        """Return what ``/live/{channel}/{name}`` is: a playlist, a segment or an init section.

        Args:
            channel: Of the line-up.
            name: Last part of the address.
            ticket: Put into every address of a playlist, if the request came with one.
            reader: Who asks, for counting; any stable string.

        Raises:
            NoSuchPieceError: there is no such name, or not any more.
            UnknownChannelError, RelayDownError, SourceError, PlaylistError: as in `open`.
        """
        if not name.endswith(".m3u8"):
            return self._piece(channel, name, reader)
        watched = self._watch(channel)
        watched.used_by(reader)
        pull = watched.pull
        await self._until_playing(pull, fresh=False)
        if name == INDEX and pull.has_renditions:
            return Resource(PLAYLIST_TYPE, pull.master(_query(ticket)))
        shelf = pull.shelves.get(PICTURE if name == INDEX else name.removesuffix(".m3u8"))
        if shelf is None:
            raise NoSuchPieceError(f"There is no {name[:40]} here")
        await pull.until_full_start(shelf, FULL_START_S)
        return Resource(PLAYLIST_TYPE, shelf.playlist(ticket))

    async def continuous(self, channel: ChannelId) -> AsyncGenerator[bytes, None]:
        """Yield the channel as one transport stream, from now on; close it when done.

        Raises:
            NotContinuousError: this channel has no such stream; use its playlist.
            UnknownChannelError, RelayDownError, SourceError, PlaylistError: as in `open`.
        """
        watched = self._watch(channel)
        with watched.reading():
            await self._until_playing(watched.pull)
            async for chunk in continuous(watched.pull):
                yield chunk

    def _piece(self, channel: ChannelId, name: str, reader: str) -> Resource:
        watched = self._watched.get(channel)
        shelf = watched.pull.shelves.get(name.partition("-")[0]) if watched else None
        found = shelf.resource(name) if shelf else None
        if watched is None or found is None:
            raise NoSuchPieceError(f"There is no {name[:40]} here, or not any more")
        watched.used_by(reader)
        return found

    async def _until_playing(self, pull: ChannelPull, *, fresh: bool = True) -> None:
        try:
            async with asyncio.timeout(self._config.open_timeout_s):
                await pull.until_playing(fresh=fresh)
        except TimeoutError as error:
            raise SlowSourceError("No media came in time from any source") from error

    def _watch(self, channel: ChannelId) -> "_Watched":
        if self._group is None or self._worker is None:
            raise RelayDownError("The relay is not running")
        if self._book.state.by_id(channel) is None and channel not in self._watched:
            raise UnknownChannelError("There is no such channel")
        watched = self._watched.get(channel)
        if watched is None:
            self._make_room()
            pull = ChannelPull(
                channel, lambda: self._sources(channel), self._config, self.facts, self._worker
            )
            watched = self._watched[channel] = _Watched(pull)
            watched.task = self._group.create_task(self._while_watched(watched), name=f"relay {channel}")
        watched.used_by("")
        return watched

    def _sources(self, channel: ChannelId) -> tuple[Source, ...]:
        known = self._book.state.by_id(channel)
        return known.sources if known is not None else ()

    def _make_room(self) -> None:
        if len(self._watched) < self._config.max_channels:
            return
        spare = [watched for watched in self._watched.values() if not watched.streams]
        if not spare:
            raise RelayDownError(f"{self._config.max_channels} channels are being watched already")
        oldest = min(spare, key=lambda watched: watched.used_at)
        del self._watched[oldest.pull.channel]
        if oldest.task is not None:
            oldest.task.cancel()

    async def _while_watched(self, watched: "_Watched") -> None:
        """Keep a pull going for as long as anybody reads from it."""
        channel = watched.pull.channel
        log.info("relay: pull begins (%d running)", len(self._watched))
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(watched.pull.run(), name=f"pull {channel}")
                while True:
                    left_s = watched.left_s(self._config.idle_s)
                    if left_s <= 0:
                        break
                    await asyncio.sleep(left_s)
                work.cancel()
        except ExceptionGroup as failures:
            # A defect met on one channel must not take the others, nor the whole box, with it.
            log.exception("relay: a pull ended by a defect", exc_info=failures)
            watched.pull.end(SourceError("The relay has a defect with this channel"))
        finally:
            if self._watched.get(channel) is watched:
                del self._watched[channel]
            self.facts.publish(PullEnded(channel))
            log.info("relay: pull ended (%d running)", len(self._watched))


class _Watched:
    """A pull and who is at it."""

    def __init__(self, pull: ChannelPull) -> None:
        self.pull = pull
        self.task: asyncio.Task[None] | None = None
        self.streams = 0
        self.used_at = _now()
        self._readers: dict[str, float] = {}

    def used_by(self, reader: str) -> None:
        self.used_at = _now()
        if reader:
            self._readers[reader] = self.used_at

    def reading(self) -> "_Reading":
        return _Reading(self)

    def reader_count(self, idle_s: float) -> int:
        self._readers = {who: at for who, at in self._readers.items() if _now() - at < idle_s}
        return self.streams + len(self._readers)

    def left_s(self, idle_s: float) -> float:
        """Return how long the pull may go on without another request."""
        return idle_s if self.streams else self.used_at + idle_s - _now()


class _Reading:
    """Counts a reader that stays, for as long as the block lasts."""

    def __init__(self, watched: _Watched) -> None:
        self._watched = watched

    def __enter__(self) -> None:
        self._watched.streams += 1

    def __exit__(self, *_: object) -> None:
        self._watched.streams -= 1
        self._watched.used_by("")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _query(ticket: str) -> str:
    return f"?ticket={quote(ticket, safe='')}" if ticket else ""
