"""One channel, pulled once: its picture, all its sound and subtitles, from the first source that works.

One rule: one source at a time.  The next is tried only when this one has been
given up, and who reads from the shelves never notices more than a discontinuity.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import aiohttp

from gateway.media import hls
from gateway.media.hls import MasterPlaylist, MediaPlaylist, PlaylistError, Rendition, Variant
from gateway.media.hls_write import write_master
from gateway.media.lineup import ChannelId, Source
from gateway.media.relay_facts import (
    ChannelFailed,
    Kind,
    PullState,
    Recovered,
    RelayConfig,
    RelayFact,
    SlowSourceError,
    SourceError,
    SourceFailed,
    SourceRefusedError,
)
from gateway.media.relay_fetch import Meter, Upstream, client_session
from gateway.media.relay_shelf import Shelf
from gateway.media.relay_track import Cursor, KeyRing, TrackPull
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

PICTURE = "v"
MAX_RENDITIONS = 8
MAX_PAUSE_S = 8.0
OPTIONAL_PAUSE_S = 4.0
FRESH_TARGETS = 2.5
Trouble = SourceError | PlaylistError


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A playlist to follow.

    Attributes:
        essential: Without it the channel is not worth watching from this source.
    """

    name: str
    url: str
    first: MediaPlaylist | None = None
    essential: bool = True


class ChannelPull:
    """Pulls a channel until cancelled.

    Attributes:
        number: Its name in `Piece.pull`, at random.
        shelves: By track name; `PICTURE` always exists.
        progress: Something changed: a piece arrived, or a source failed.
        trouble: Why no source works, or None.
    """

    def __init__(
        self,
        channel: ChannelId,
        sources: Callable[[], tuple[Source, ...]],
        config: RelayConfig,
        facts: Publisher[RelayFact],
        worker: Executor,
    ) -> None:
        """Describe a pull.

        Args:
            channel: Named in facts.
            sources: The channel's sources as the line-up has them now.
            config: Limits and times.
            facts: Where failures are told.
            worker: For decrypting large segments.
        """
        self.channel = channel
        self.number = secrets.randbelow(1 << 48)
        self.shelves = {PICTURE: Shelf(PICTURE, config, self.number)}
        self.progress: Publisher[None] = Publisher()
        self.trouble: Trouble | None = None
        self._sources = sources
        self._config = config
        self._facts = facts
        self._worker = worker
        self._meter = Meter()
        self._offer: MasterPlaylist | None = None
        self._source = 0
        self._tracks = 0
        self._reason: Trouble | None = None
        self._told = False
        self._rungs_bps: tuple[int, ...] = ()
        self._rung_bps = 0
        self._again = asyncio.Event()

    @property
    def kind(self) -> Kind | None:
        """How the pictures are packed, None before the first."""
        pieces = self.shelves[PICTURE].pieces
        return pieces[-1].kind if pieces else None

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
        return self._offer is not None

    @property
    def has_separate_sound(self) -> bool:
        """Whether the picture's segments alone would be silent."""
        offer = self._offer
        return offer is not None and any(r.kind == "AUDIO" and r.uri is not None for r in offer.renditions)

    async def run(self) -> None:
        """Pull, source after source, round after round."""
        pause_s = 1.0
        async with client_session(self._config) as session:
            while True:
                segments = self._meter.segments
                for place, source in enumerate(self._sources()):
                    self._source = place
                    await self._stay_with(session, source)
                if self._meter.segments > segments:
                    pause_s = 1.0
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
        offer = self._offer or MasterPlaylist(variants=(Variant(uri=f"{PICTURE}.m3u8"),))
        variants = tuple(replace(variant, uri=variant.uri + ticket_query) for variant in offer.variants)
        renditions = tuple(
            replace(r, uri=r.uri + ticket_query if r.uri is not None else None) for r in offer.renditions
        )
        return write_master(MasterPlaylist(variants=variants, renditions=renditions)).encode()

    def state(self, readers: int) -> PullState:
        """Return the pull in numbers."""
        held = sum(shelf.bytes_held for shelf in self.shelves.values())
        media_s = sum(piece.duration_s for piece in self.shelves[PICTURE].pieces)
        return PullState(
            kind=self.kind,
            source=self._source,
            tracks=self._tracks,
            readers=readers,
            playlists=self._meter.playlists,
            segments=self._meter.segments,
            bytes_received=self._meter.bytes_received,
            bytes_held=held,
            bitrate_bps=int(held * 8 / media_s) if media_s else 0,
            code=self.trouble.code if self.trouble else None,
        )

    async def _stay_with(self, session: aiohttp.ClientSession, source: Source) -> None:
        """Pull from one source until it is given up, and tell why."""
        upstream = Upstream(session, self._config, self._meter)
        keys = KeyRing(upstream, source.headers, self._worker)
        cursors: dict[str, Cursor] = {}
        resumed = False
        while True:
            segments = self._meter.segments
            try:
                await self._follow(upstream, keys, source, cursors, resumed=resumed)
            except (SourceError, PlaylistError) as error:
                if isinstance(error, SourceRefusedError) and self._meter.segments > segments:
                    resumed = True  # its token ran out: the original address leads to a new one
                elif isinstance(error, SlowSourceError) and self._step_down():
                    resumed = False
                else:
                    self._give_up(error)
                    return

    def _step_down(self) -> bool:
        """Make the next choice a smaller variant; False if there is none."""
        smaller = any(0 < rung < self._rung_bps for rung in self._rungs_bps)
        if smaller:
            self._meter.throughput_bps = min(self._meter.throughput_bps or self._rung_bps, self._rung_bps)
        return smaller

    def _give_up(self, error: Trouble) -> None:
        if not self._told:  # without the channel: the log is no viewing history
            log.warning("source %d of a watched channel failed: %s", self._source + 1, error.line())
        self._reason = error
        self._tracks = 0
        self._facts.publish(SourceFailed(self.channel, self._source, error.code))

    def _all_failed(self) -> None:
        self.trouble = self._reason
        self.progress.publish(None)
        if self.trouble is not None and not self._told:
            self._told = True
            self._facts.publish(ChannelFailed(self.channel, self.trouble.code))

    async def _follow(
        self, upstream: Upstream, keys: KeyRing, source: Source, cursors: dict[str, Cursor], *, resumed: bool
    ) -> None:
        wanted = await self._resolve(upstream, source)
        self._tracks = len(wanted)
        for track in wanted:
            self.shelves.setdefault(track.name, Shelf(track.name, self._config, self.number))
        try:
            async with asyncio.TaskGroup() as group:
                for track in wanted:
                    pull = TrackPull(upstream, keys, self.shelves[track.name], self._config, self._flows)
                    cursor = cursors.setdefault(track.name, Cursor())
                    run = self._insist if not track.essential else self._once
                    group.create_task(
                        run(pull, track, source.headers, cursor, resumed=resumed),
                        name=f"{self.channel} {track.name}",
                    )
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _once(
        self, pull: TrackPull, track: _Wanted, headers: Mapping[str, str], cursor: Cursor, *, resumed: bool
    ) -> None:
        await pull.run(track.url, headers, cursor, track.first, resumed=resumed)

    async def _insist(
        self, pull: TrackPull, track: _Wanted, headers: Mapping[str, str], cursor: Cursor, *, resumed: bool
    ) -> None:
        """Follow a track the channel can do without: its failure costs only itself."""
        while True:
            try:
                await pull.run(track.url, headers, cursor, None, resumed=resumed)
            except SourceRefusedError:
                raise
            except (SourceError, PlaylistError) as error:
                log.info("a sound or subtitle track is missing: %s", error.code)
            resumed = False
            await asyncio.sleep(OPTIONAL_PAUSE_S)

    async def _resolve(self, upstream: Upstream, source: Source) -> list[_Wanted]:
        fetched = await upstream.playlist(source.url, source.headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if isinstance(playlist, MediaPlaylist):
            self._offer, self._rungs_bps = None, ()
            return [_Wanted(PICTURE, fetched.url, playlist)]
        variant = hls.choose_variant(
            playlist.variants,
            max_height=self._config.max_height,
            codecs=self._config.codecs or None,
            throughput_bps=self._meter.throughput_bps,
        )
        self._rungs_bps = tuple(each.bandwidth_bps for each in playlist.variants)
        self._rung_bps = variant.bandwidth_bps
        beside = [
            rendition
            for rendition in playlist.renditions
            if (rendition.kind, rendition.group)
            in (("AUDIO", variant.audio), ("SUBTITLES", variant.subtitles))
        ][:MAX_RENDITIONS]
        return self._choose(variant, beside)

    def _choose(self, variant: Variant, beside: list[Rendition]) -> list[_Wanted]:
        """Say what to follow for `variant`, and keep what to offer the house for it."""
        wanted = [_Wanted(PICTURE, variant.uri)]
        offered: list[Rendition] = []
        sounds = [rendition for rendition in beside if rendition.kind == "AUDIO"]
        main = next((rendition for rendition in sounds if rendition.default), sounds[0] if sounds else None)
        for at, rendition in enumerate(beside):
            if rendition.uri is None:
                offered.append(rendition)
                continue
            name = f"{'a' if rendition.kind == 'AUDIO' else 's'}{at}"
            wanted.append(_Wanted(name, rendition.uri, essential=rendition is main))
            offered.append(replace(rendition, uri=f"{name}.m3u8"))
        local = replace(
            variant,
            uri=f"{PICTURE}.m3u8",
            audio=variant.audio if sounds else "",
            subtitles=variant.subtitles if len(sounds) < len(beside) else "",
        )
        offer = MasterPlaylist(variants=(local,), renditions=tuple(offered))
        self._offer = offer if len(wanted) > 1 else None
        return wanted

    def _flows(self) -> None:
        self.trouble = None
        if self._reason is not None:
            self._reason, self._told = None, False
            self._facts.publish(Recovered(self.channel, self._source))
        self.progress.publish(None)

    async def _pause(self, pause_s: float) -> None:
        self._again.clear()
        try:
            async with asyncio.timeout(pause_s):
                await self._again.wait()
        except TimeoutError:
            return
