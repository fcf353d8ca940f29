"""One channel, pulled once: its picture, all its sound and subtitles, from the best source that works.

One rule: one source at a time.  Another is tried only when this one has been
given up, and who reads from the shelves never notices more than a discontinuity.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from gateway.errors import GatewayError, ungrouped
from gateway.media import relay_multicast, relay_probe
from gateway.media.hls import PlaylistError
from gateway.media.lineup import ChannelId, Source
from gateway.media.relay_cursor import Cursor
from gateway.media.relay_facts import (
    ChannelFailed,
    ForeignHostError,
    HostRefused,
    Kind,
    LowQualityError,
    PullState,
    Recovered,
    RelayConfig,
    RelayFact,
    SourceChanged,
    SourceError,
    SourceFailed,
    SourceMissingError,
    UnsupportedSourceError,
)
from gateway.media.relay_fetch import Learnt, Meter, Upstream
from gateway.media.relay_hosts import Allowed, Hosts, anywhere
from gateway.media.relay_keys import KeyRing
from gateway.media.relay_multicast import Sink
from gateway.media.relay_offer import PICTURE, Offer, Wanted
from gateway.media.relay_quality import Quality, Report
from gateway.media.relay_shelf import Shelf
from gateway.media.relay_source import Hooks, SourcePull
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

MAX_PAUSE_S = 8.0
FRESH_TARGETS = 2.5
BETTER_BY = 0.1
"""A source left for its quality is returned to only for one that is worse by this."""

MAX_PROBE_FACTOR = 32
NO_OFFER = Offer(())
Trouble = SourceError | PlaylistError


class BetterSourceError(GatewayError):
    """Not a failure: an earlier source works again.  Never leaves this module."""

    def __init__(self, place: int) -> None:
        super().__init__("A better source works again")
        self.place = place


@dataclass(frozen=True, slots=True)
class House:
    """What all pulls of a house share.

    Attributes:
        session: From `relay_fetch.client_session`: connections outlive a change of channel.
        facts: Where failures and changes are told.
        worker: For decrypting large segments.
        allowed: Which hosts may be asked.
        learnt: What pulls learn from each other.
        repacks: Told that media is on its way that will have to be repacked.
    """

    session: aiohttp.ClientSession
    facts: Publisher[RelayFact]
    worker: Executor
    allowed: Allowed = anywhere
    learnt: Learnt = field(default_factory=Learnt)
    repacks: Callable[[], None] = lambda: None


class ChannelPull:
    """Pulls a channel until cancelled.

    Attributes:
        number: Its name in `Piece.pull`, at random.
        shelves: By track name; `PICTURE` always exists.
        progress: Something changed: a piece arrived, or a source failed.
        trouble: Why no source works, or None.
    """

    def __init__(  # noqa: PLR0913 - what it pulls, what from, and who for
        self,
        channel: ChannelId,
        sources: Callable[[], tuple[Source, ...]],
        config: RelayConfig,
        house: House,
        first: int = 0,
        *,
        awaited: Callable[[], bool] = lambda: True,
        is_guess: Callable[[], bool] = lambda: False,
    ) -> None:
        """Describe a pull.

        Args:
            channel: Named in facts.
            sources: The channel's sources as the line-up has them now.
            config: Limits and times.
            house: What all pulls share.
            first: Number of its first piece.
            awaited: Whether somebody wants to see it now; a guess takes no more of the line than
                it must.
            is_guess: Whether nobody reads it, nor is about to.
        """
        self.channel = channel
        self.number = secrets.randbelow(1 << 48)
        self.shelves: dict[str, Shelf] = {}
        self.progress: Publisher[None] = Publisher()
        self.trouble: Trouble | None = None
        self._sources = sources
        self._config = config
        self._house = house
        self._first = first
        self._awaited = awaited
        self._is_guess = is_guess
        self._meter = Meter(house.learnt)
        self._offer = NO_OFFER
        self._source = 0
        self._shown: int | None = None
        self._left_for: str | None = None
        self._left_scores: dict[int, tuple[float, float]] = {}
        self._quality = Quality()
        self._following: SourcePull | None = None
        self._reason: Trouble | None = None
        self._told = False
        self._again = asyncio.Event()
        self._shelf(PICTURE)

    @property
    def kind(self) -> Kind | None:
        """How the pictures are packed, None before the first."""
        pieces = self.shelves[PICTURE].pieces
        return pieces[-1].kind if pieces else None

    @property
    def is_fetching(self) -> bool:
        """Whether something is on its way from the origin."""
        return self._meter.under_way > 0

    def is_fresh(self) -> bool:
        """Tell whether what a reader would get now is of now."""
        shelf = self.shelves[PICTURE]
        if not shelf.pieces or self._reason is not None or self.trouble is not None:
            return False
        age_s = asyncio.get_running_loop().time() - shelf.pieces[-1].arrived_s
        return age_s < FRESH_TARGETS * max(shelf.target_s, shelf.pieces[-1].duration_s)

    @property
    def has_renditions(self) -> bool:
        """Whether sound or subtitles come beside the picture."""
        return self._offer.master is not None

    @property
    def has_separate_sound(self) -> bool:
        """Whether the picture's segments alone would be silent."""
        return self._offer.has_separate_sound

    @property
    def sounds(self) -> tuple[tuple[str, str], ...]:
        """Shelf and language tag of each sound beside the picture, the main one first."""
        return self._offer.sounds

    @property
    def has_subtitles(self) -> bool:
        """Whether subtitles come beside the picture."""
        return self._offer.has_subtitles

    @property
    def following_number(self) -> int:
        """The number its next piece would have."""
        return max(shelf.following for shelf in self.shelves.values())

    async def run(self) -> None:
        """Pull, source after source, round after round."""
        pause_s, place, barren = 1.0, 0, 0
        while True:
            sources = self._sources()
            place %= max(len(sources), 1)
            segments = self._meter.segments
            better = await self._stay_with(sources, place)
            if self._meter.segments > segments:
                barren, pause_s = 0, 1.0
            barren += better is None
            place = better if better is not None else place + 1
            if barren >= len(sources):
                place = barren = 0
                self._all_failed()
                await self._pause(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)

    def end(self, error: Trouble) -> None:
        """Tell whoever waits that nothing will come any more."""
        self._reason = error
        self._all_failed()

    def try_again(self) -> None:
        """Forget that all sources failed and begin the next round now."""
        if self.trouble is not None:
            self.trouble = None
            self._again.set()

    async def until_playing(self, *, fresh: bool = True) -> Shelf:
        """Wait for the first piece of the picture and return its shelf.

        Args:
            fresh: While the next source is tried, wait for it instead of taking what is left.

        Raises:
            SourceError, PlaylistError: no source works.
        """
        shelf = self.shelves[PICTURE]
        with self.progress.subscribe(backlog=1) as news:
            while True:
                if self.trouble is not None:
                    raise type(self.trouble)(str(self.trouble))
                if shelf.pieces and not (fresh and self._reason is not None):
                    return shelf
                await anext(news)

    async def until_full_start(self, shelf: Shelf, within_s: float) -> None:
        """Wait until `shelf` has what a player likes to begin with, but not for long."""
        try:
            async with asyncio.timeout(within_s):
                with self.progress.subscribe(backlog=1) as news:
                    while len(shelf.pieces) < self._config.start_segments:
                        await anext(news)
        except TimeoutError:
            return

    def master(self, ticket_query: str) -> bytes:
        """Return the playlist of playlists for the players in the house."""
        return self._offer.playlist(ticket_query)

    def state(self, readers: int) -> PullState:
        """Return the pull in numbers."""
        held = sum(shelf.bytes_held for shelf in self.shelves.values())
        media_s = sum(piece.duration_s for piece in self.shelves[PICTURE].pieces)
        return PullState(
            kind=self.kind,
            source=self._source,
            tracks=len(self._offer.wanted),
            readers=readers,
            playlists=self._meter.playlists,
            segments=self._meter.segments,
            bytes_received=self._meter.bytes_received,
            bytes_held=held,
            bitrate_bps=int(held * 8 / media_s) if media_s else 0,
            score=round(self._quality.score, 3),
            height=self._following.height if self._following else 0,
            code=self.trouble.code if self.trouble else None,
        )

    async def _stay_with(self, sources: tuple[Source, ...], place: int) -> int | None:
        """Pull from one source until it is given up; return a better one's place, or None for the next."""
        self._source, self._quality = place, Quality()
        try:
            with ungrouped():
                async with asyncio.TaskGroup() as group:
                    if place:
                        group.create_task(self._look_back(sources[:place]), name="look for better")
                    await self._pull_from(sources[place] if sources else None)
        except BetterSourceError as better:
            self._left_for = None
            return better.place
        except (SourceError, PlaylistError) as error:
            self._give_up(error)
        return None

    async def _pull_from(self, source: Source | None) -> None:
        if source is None:
            raise SourceMissingError("The channel has no source any more")
        scheme = source.url.partition(":")[0].lower()
        if scheme in relay_multicast.SCHEMES:
            Hosts(self._house.allowed).check(source.url)
            self._offered(Offer((Wanted(PICTURE, source.url),)))
            sink = Sink(self._shelf(PICTURE), self._meter, self._flows, self._watch)
            group = relay_multicast.group_of(source.url)
            await relay_multicast.receive(group, self._config.multicast_interface, sink)
        if scheme not in ("http", "https"):
            raise UnsupportedSourceError(f"The relay cannot fetch by {scheme[:20]}")
        upstream = Upstream(
            self._house.session, self._config, self._meter, self._house.allowed, is_guess=self._is_guess
        )
        hooks = Hooks(self._offered, self._flows, self._watch, self._shelf, self._awaited)
        keys = KeyRing(upstream, source.headers, self._house.worker)
        self._following = SourcePull(source, upstream, keys, self._config, hooks)
        await self._following.run(self._meter, self._cursor())

    def _cursor(self) -> Cursor:
        """Return a place in the programme that another source of it can be joined at by date."""
        cursor = Cursor()
        pieces = self.shelves[PICTURE].pieces
        if pieces and pieces[-1].program_date is not None:
            cursor.after(pieces[-1].program_date, pieces[-1].duration_s)
        return cursor

    async def _look_back(self, better: tuple[Source, ...]) -> None:
        """Wait until an earlier source works again."""
        factor = 1
        while True:
            await asyncio.sleep(self._config.probe_after_s * factor)
            factor = min(factor * 2, MAX_PROBE_FACTOR)
            for place, source in enumerate(better):
                meter = Meter()
                upstream = Upstream(self._house.session, self._config, meter, self._house.allowed)
                good = await relay_probe.is_good(source, upstream, self._config)
                self._meter.received(meter.bytes_received)
                if good:
                    raise BetterSourceError(place)

    def _shelf(self, name: str) -> Shelf:
        return self.shelves.setdefault(name, Shelf(name, self._config, self.number, self._first))

    def _offered(self, offer: Offer) -> None:
        self._offer = offer
        for wanted in offer.wanted:
            self._shelf(wanted.name)
        if offer.needs_repacking and self._awaited():
            self._house.repacks()

    def _watch(self, report: Report) -> None:
        """Judge the source by every segment; leave it when another is likely to be better."""
        self._quality.add(report)
        score = self._quality.score
        if score >= self._config.min_score or not self._quality.proven:
            return
        now = asyncio.get_running_loop().time()
        for place in range(len(self._sources())):
            left_score, left_at = self._left_scores.get(place, (1.0, -1e9))
            recent = now - left_at < self._config.probe_after_s
            if place != self._source and (not recent or left_score > score + BETTER_BY):
                raise LowQualityError("Its segments come too late, or not at all")

    def _give_up(self, error: Trouble) -> None:
        if not self._told:  # without the channel: the log is no viewing history
            log.warning("source %d of a watched channel failed: %s", self._source + 1, error.line())
        self._reason, self._left_for = error, error.code
        self._left_scores[self._source] = (self._quality.score, asyncio.get_running_loop().time())
        self._offer = Offer((), self._offer.master)
        if isinstance(error, ForeignHostError):
            self._house.facts.publish(HostRefused(self.channel, self._source, error.host))
        self._house.facts.publish(SourceFailed(self.channel, self._source, error.code))

    def _all_failed(self) -> None:
        self.trouble = self._reason
        self.progress.publish(None)
        if self.trouble is not None and not self._told:
            self._told = True
            self._house.facts.publish(ChannelFailed(self.channel, self.trouble.code))

    def _flows(self) -> None:
        self.trouble = None
        facts = self._house.facts
        if self._reason is not None:
            self._reason, self._told = None, False
            facts.publish(Recovered(self.channel, self._source))
        if self._shown != self._source:
            if self._shown is not None:
                score = self._left_scores.get(self._shown, (1.0, 0.0))[0]
                facts.publish(SourceChanged(self.channel, self._shown, self._source, self._left_for, score))
            self._shown = self._source
        self.progress.publish(None)

    async def _pause(self, pause_s: float) -> None:
        self._again.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._again.wait()
