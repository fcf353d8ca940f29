"""The relay: each channel is pulled once, for everyone in the house.

One rule: demand decides.  The first reader starts a pull, all readers share
it, and it ends a little while after the last one has gone.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import quote

from gateway.media.lineup import ChannelId, LineUp, Source
from gateway.media.relay_claims import Claims, weakest
from gateway.media.relay_continuous import continuous, follow
from gateway.media.relay_facts import (
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
    Weight,
)
from gateway.media.relay_fetch import Learnt, client_session
from gateway.media.relay_hosts import Allowed, anywhere
from gateway.media.relay_offer import PICTURE
from gateway.media.relay_pull import ChannelPull, House
from gateway.media.relay_remux import Remuxer
from gateway.media.relay_remux_shelf import TransportShelf
from gateway.media.relay_shelf import Deep, Piece
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
FULL_START_S = 0.4
INDEX = "index.m3u8"
FINISH_S = 3.0
"""So long may take what is on its way to a channel that nobody reads any more."""

LOOK_EVERY_S = 0.05


class LineUpOwner(Protocol):
    """Who knows the channels; `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class Relay:
    """Serves ``/live/…`` from one upstream pull per channel.

    Attributes:
        facts: Sources failing and recovering.
    """

    def __init__(  # noqa: PLR0913 - collaborators of one service, given by name
        self,
        book: LineUpOwner,
        config: RelayConfig,
        *,
        base_url: str,
        ticket: str = "",
        deep: Deep | None = None,
        allowed: Allowed = anywhere,
    ) -> None:
        """Describe a relay.

        Args:
            book: Owner of the line-up.
            config: Limits and times.
            base_url: Where the box itself reaches ``/live/``, such as ``http://127.0.0.1:8080``.
            ticket: What lets the local player in; put into its addresses.
            deep: Where pieces are found that have left memory, for a reader that fell behind.
            allowed: Which hosts a channel may lead to: told one in lower case, without a port.
        """
        self.facts: Publisher[RelayFact] = Publisher()
        self._book = book
        self._config = config
        self._base_url = base_url.rstrip("/")
        self._ticket = ticket
        self._deep = deep
        self._allowed = allowed
        self._learnt = Learnt()
        self._numbers: dict[ChannelId, int] = {}
        self._remuxer = Remuxer()
        self._warm: tuple[ChannelId, ...] = ()
        self._watched: dict[ChannelId, _Watched] = {}
        self._as_playlist: set[ChannelId] = set()
        self._on_screen: ChannelId | None = None
        self._group: asyncio.TaskGroup | None = None
        self._house: House | None = None

    @property
    def state(self) -> Mapping[ChannelId, PullState]:
        """Every pull there is, in numbers."""
        return {
            channel: w.pull.state(w.claims.reader_count(self._config.idle_s))
            for channel, w in self._watched.items()
        }

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay")
        async with client_session(self._config) as session:
            with worker:
                try:
                    async with asyncio.TaskGroup() as group:
                        self._group = group
                        self._house = House(
                            session, self.facts, worker, self._allowed, self._learnt, self._remuxer.wake
                        )
                        group.create_task(self._remuxer.run(), name="remuxer")
                        self._keep_warm()
                        ready()
                        await asyncio.get_running_loop().create_future()
                finally:
                    self._house = self._group = None
                    self._watched.clear()

    def address(self, channel: ChannelId) -> str:
        """Return what the local player opens for `channel`, as far as is known now."""
        name = f"{channel}/{INDEX}" if channel in self._as_playlist else f"{channel}.ts"
        return f"{self._base_url}/live/{name}" + _query(self._ticket)

    def warm(self, channels: Sequence[ChannelId]) -> None:
        """Keep exactly `channels` pulled though nobody reads them, the most likely first.

        Returns at once.  Takes only room that nobody uses.
        """
        self._warm = tuple(dict.fromkeys(channels))
        for channel, watched in self._watched.items():
            if watched.claims.warm and channel not in self._warm:
                watched.claims.warm = False
                watched.look_again.set()
        self._keep_warm()

    def temperature(self, channel: ChannelId) -> Literal["warm", "cold"]:
        """Return ``warm`` if fresh media of `channel` is here, so that a reader starts at once."""
        watched = self._watched.get(channel)
        return "warm" if watched is not None and watched.pull.is_fresh() else "cold"

    async def open(self, channel: ChannelId, *, weight: Weight = Weight.TV) -> str:
        """Start the pull, wait for media, and return the best address for the local player.

        Raises:
            UnknownChannelError: not in the line-up.
            SourceError, PlaylistError: no source works, or not within `RelayConfig.open_timeout_s`.
            RelayDownError: not running, or no room for a claim of this `weight`.
        """
        if weight is Weight.TV:
            self._show(channel)
        watched = self._watch(channel, weight)
        watched.pull.try_again()
        with watched.claims.reading(weight):
            await self._until_playing(watched.pull)
        if watched.pull.has_subtitles:
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
        watched = self._watch(channel, Weight.PHONE)
        watched.claims.used_by(reader, Weight.PHONE)
        pull = watched.pull
        await self._until_playing(pull, fresh=False)
        if name == INDEX and pull.has_renditions:
            return Resource(PLAYLIST_TYPE, pull.master(_query(ticket)))
        shelf = pull.shelves.get(PICTURE if name == INDEX else name.removesuffix(".m3u8"))
        if shelf is None:
            raise NoSuchPieceError(f"There is no {name[:40]} here")
        await pull.until_full_start(shelf, FULL_START_S)
        return Resource(PLAYLIST_TYPE, shelf.playlist(ticket))

    async def continuous(
        self, channel: ChannelId, *, weight: Weight = Weight.TV
    ) -> AsyncGenerator[bytes, None]:
        """Yield the channel as one transport stream, from now on; close it when done.

        What the television's player reads (`Weight.TV`) while another channel was opened is
        prepared for a guess, and counts as one until that channel is opened.

        Raises:
            NotContinuousError: this channel has no such stream; use its playlist.
            UnknownChannelError, RelayDownError, SourceError, PlaylistError: as in `open`.
        """
        of_player = weight is Weight.TV
        guessed = of_player and self._on_screen not in (None, channel)
        watched = self._watch(channel, Weight.WARM if guessed else weight)
        claims = watched.claims
        with claims.playing() if of_player else claims.reading(weight):
            await self._until_playing(watched.pull)
            async with aclosing(continuous(watched.transport, deep=self._deep)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def follow(
        self, channel: ChannelId, *, weight: Weight = Weight.RECORDING, since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]:
        """Yield transport stream pieces as they arrive; close it when done.

        Args:
            channel: Of the line-up.
            weight: How strong the claim is.
            since: Begin with what was on from then on, as far as it is still here; without, the newest.

        Raises:
            UnknownChannelError, RelayDownError, SourceError, PlaylistError: as in `open`.
        """
        watched = self._watch(channel, weight)
        with watched.claims.reading(weight):
            await self._until_playing(watched.pull)
            async with aclosing(follow(watched.transport, since=since)) as pieces:
                async for piece in pieces:
                    yield piece

    def _piece(self, channel: ChannelId, name: str, reader: str) -> Resource:
        watched = self._watched.get(channel)
        shelf = watched.pull.shelves.get(name.partition("-")[0]) if watched else None
        found = shelf.resource(name) if shelf else None
        if watched is None or found is None:
            raise NoSuchPieceError(f"There is no {name[:40]} here, or not any more")
        watched.claims.used_by(reader, Weight.PHONE)
        return found

    async def _until_playing(self, pull: ChannelPull, *, fresh: bool = True) -> None:
        try:
            async with asyncio.timeout(self._config.open_timeout_s):
                await pull.until_playing(fresh=fresh)
        except TimeoutError as error:
            raise SlowSourceError("No media came in time from any source") from error

    def _show(self, channel: ChannelId) -> None:
        self._on_screen = channel
        for each, watched in self._watched.items():
            watched.claims.on_screen = each == channel

    def _watch(self, channel: ChannelId, weight: Weight) -> "_Watched":
        if self._group is None or self._house is None:
            raise RelayDownError("The relay is not running")
        if self._book.state.by_id(channel) is None and channel not in self._watched:
            raise UnknownChannelError("There is no such channel")
        watched = self._watched.get(channel)
        if watched is None:
            self._make_room(weight)
            watched = self._begin(channel, self._group, self._house)
        watched.claims.used_by("", weight)
        if weight is not Weight.PHONE:  # phones take the segments as they are
            watched.transport.want()
        return watched

    def _begin(self, channel: ChannelId, group: asyncio.TaskGroup, house: House) -> "_Watched":
        # A phone that slept meanwhile must not see the same numbers with other media.
        first = self._numbers.get(channel, 0)
        claims = Claims(asyncio.get_running_loop().time)
        pull = ChannelPull(
            channel,
            lambda: self._sources(channel),
            self._config,
            house,
            first,
            awaited=lambda: claims.is_awaited,
            is_guess=lambda: claims.is_guess,
        )
        transport = TransportShelf(pull, self._remuxer, self._config)
        watched = _Watched(pull, transport, claims)
        self._watched[channel] = watched
        watched.claims.warm = channel in self._warm
        watched.claims.on_screen = self._on_screen in (None, channel)
        if watched.claims.warm:
            transport.want()
        watched.task = group.create_task(self._while_watched(watched), name=f"relay {channel}")
        return watched

    def _keep_warm(self) -> None:
        if self._group is None or self._house is None:
            return
        for channel in self._warm:
            watched = self._watched.get(channel)
            if watched is not None:
                watched.claims.warm = True
                watched.transport.want()
            elif self._book.state.by_id(channel) is not None:
                try:
                    self._make_room(Weight.WARM)
                except RelayDownError:
                    return
                self._begin(channel, self._group, self._house)

    def _sources(self, channel: ChannelId) -> tuple[Source, ...]:
        known = self._book.state.by_id(channel)
        return known.sources if known is not None else ()

    def _make_room(self, weight: Weight) -> None:
        if len(self._watched) < self._config.max_channels:
            return
        claims = ((watched, watched.claims) for watched in self._watched.values())
        leaving = weakest(claims, weight, self._config.idle_s)
        if leaving is None:
            raise RelayDownError(f"{len(self._watched)} channels are being watched or recorded already")
        del self._watched[leaving.pull.channel]
        if leaving.task is not None:
            leaving.task.cancel()

    async def _while_watched(self, watched: "_Watched") -> None:
        """Keep a pull going for as long as anybody reads from it."""
        channel = watched.pull.channel
        log.info("relay: pull begins (%d running)", len(self._watched))
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(watched.pull.run(), name=f"pull {channel}")
                repacking = group.create_task(watched.transport.run(), name=f"transport {channel}")
                while (left_s := watched.claims.left_s(self._config.idle_s)) > -FINISH_S:
                    if left_s <= 0 and not watched.pull.is_fetching:
                        break
                    # What is broken off costs its connection, and the next channel a round trip.
                    await watched.changed_within(max(left_s, LOOK_EVERY_S))
                work.cancel()
                repacking.cancel()
        except ExceptionGroup as failures:
            # A defect met on one channel must not take the others, nor the whole box, with it.
            log.exception("relay: a pull ended by a defect", exc_info=failures)
            self._warm = tuple(each for each in self._warm if each != channel)
            watched.pull.end(SourceError("The relay has a defect with this channel"))
        finally:
            if self._watched.get(channel) is watched:
                del self._watched[channel]
            self._numbers[channel] = watched.pull.following_number + 1
            self.facts.publish(PullEnded(channel))
            log.info("relay: pull ended (%d running)", len(self._watched))
        self._keep_warm()


class _Watched:
    """A pull and who is at it."""

    def __init__(self, pull: ChannelPull, transport: TransportShelf, claims: Claims) -> None:
        self.pull = pull
        self.transport = transport
        self.claims = claims
        self.task: asyncio.Task[None] | None = None
        self.look_again = asyncio.Event()

    async def changed_within(self, within_s: float) -> None:
        """Wait until told to look again at the claims, but no longer than `within_s`."""
        self.look_again.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.look_again.wait()


def _query(ticket: str) -> str:
    return f"?ticket={quote(ticket, safe='')}" if ticket else ""
