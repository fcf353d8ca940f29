"""One HTTP source of a channel: followed rung by rung until it is given up.

One rule: it ends only by an error that says why, and changes between its own
variants by itself, without losing or doubling media.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import GatewayError, ungrouped
from gateway.media import hls, hls_choice
from gateway.media.hls import MasterPlaylist, MediaPlaylist, PlaylistError, Variant
from gateway.media.hls_choice import Ladder
from gateway.media.lineup import Source
from gateway.media.relay_ahead import Aheads
from gateway.media.relay_cursor import Cursor
from gateway.media.relay_facts import (
    ForeignHostError,
    LowQualityError,
    RelayConfig,
    SourceError,
    SourceRefusedError,
)
from gateway.media.relay_fetch import Meter, Upstream
from gateway.media.relay_keys import KeyRing
from gateway.media.relay_offer import PICTURE, Offer, Wanted, for_variant, plain
from gateway.media.relay_quality import Report
from gateway.media.relay_shelf import Shelf
from gateway.media.relay_track import Supply, TrackPull, Watch

log = logging.getLogger(__name__)

OPTIONAL_PAUSE_S = 4.0


class ChangeRungError(GatewayError):
    """Not a failure: another variant is due.  Never leaves this module."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who hears what becomes of a source.

    Attributes:
        offered: Told what is about to be followed.
        flows: Told of every new piece.
        watch: Told of every segment of the picture; what it raises ends the source.
        shelf: Returns the shelf of a track.
        awaited: Whether somebody wants to see it now.
    """

    offered: Callable[[Offer], None]
    flows: Callable[[], None]
    watch: Watch
    shelf: Callable[[str], Shelf]
    awaited: Callable[[], bool]


class SourcePull:
    """Follows one source.

    Attributes:
        height: Lines of the picture being pulled, 0 if unknown.
    """

    def __init__(
        self, source: Source, upstream: Upstream, keys: KeyRing, config: RelayConfig, hooks: Hooks
    ) -> None:
        self.height = 0
        self._source = source
        self._upstream = upstream
        self._config = config
        self._hooks = hooks
        self._keys = keys
        self._aheads = Aheads(
            lambda guess, abreast: upstream.ahead(guess, source.headers, abreast=abreast),
            source.headers,
            upstream.guesses,
            config.begins_with,
        )
        self._cursors: dict[str, Cursor] = {}
        self._urls: dict[str, str] = {}
        self._master: MasterPlaylist | None = None
        self._ladder: Ladder | None = None
        self._segments = 0

    async def run(self, meter: Meter, cursor: Cursor) -> None:
        """Pull until the source is given up.

        Args:
            meter: Tells what the line carries.
            cursor: Of the picture, perhaps from the source before.

        Raises:
            SourceError, PlaylistError: why it is given up.
        """
        self._cursors[PICTURE] = cursor
        try:
            await self._run(meter)
        finally:
            self._aheads.drop()

    async def _run(self, meter: Meter) -> None:
        offer, recalled = self._recall(meter), True
        if offer is None:
            offer, recalled = await self._resolve(meter), False
        resumed = False
        while True:
            before = self._segments
            try:
                await self._follow(offer, resumed=resumed)
            except ChangeRungError:
                resumed = False
                offer = self._on_rung()
            except (SourceError, PlaylistError) as error:
                meter.learnt.masters.forget(self._source)
                self._aheads.drop()
                flowed = self._segments > before
                # Its token ran out: the address before the redirect leads to a new one.
                expired = flowed and isinstance(error, SourceRefusedError)
                outdated = recalled and not isinstance(error, LowQualityError)
                if not expired and not outdated:
                    raise
                resumed, recalled = flowed, False
                offer = await self._resolve(meter)

    async def _resolve(self, meter: Meter) -> Offer:
        self._aheads.follows(PICTURE, self._source.url)
        if self._hooks.awaited() and not self._hooks.shelf(PICTURE).pieces:
            self._aheads.begin(PICTURE, abreast=True, exactly=False)
        asked_s = asyncio.get_running_loop().time()
        fetched = await self._upstream.playlist(self._source.url, self._source.headers)
        playlist = hls.parse(fetched.text, fetched.url)
        if isinstance(playlist, MediaPlaylist):
            self._aheads.heard(PICTURE, playlist, asked_s)
            self._master = self._ladder = None
            return plain(fetched.url, playlist)
        offer = self._chosen(playlist, meter)
        meter.learnt.masters.keep(self._source, playlist, asyncio.get_running_loop().time())
        return offer

    def _recall(self, meter: Meter) -> Offer | None:
        """Return what was on offer a while ago, a round trip sooner than the origin could."""
        master = meter.learnt.masters.recall(self._source, asyncio.get_running_loop().time())
        return self._chosen(master, meter) if master is not None else None

    def _chosen(self, playlist: MasterPlaylist, meter: Meter) -> Offer:
        rungs = hls_choice.ladder(playlist.variants, self._config.ability)
        variant = hls_choice.choose(playlist.variants, self._config.ability, meter.expected_bps)
        if self._ladder is not None:
            variant = _same(rungs, self._ladder.at) or variant
        now_s = asyncio.get_running_loop().time()
        self._master = playlist
        self._ladder = Ladder(rungs, variant, now_s=now_s, hold_s=self._config.step_up_after_s)
        self.height = variant.height
        return for_variant(variant, playlist)

    def _on_rung(self) -> Offer:
        assert self._ladder is not None  # noqa: S101 - only a ladder asks for a change
        assert self._master is not None  # noqa: S101 - likewise
        self.height = self._ladder.at.height
        offer = for_variant(self._ladder.at, self._master)
        for wanted in offer.wanted:
            if wanted.name in self._cursors and self._urls.get(wanted.name) != wanted.url:
                self._cursors[wanted.name].elsewhere(by_number=True)
        log.info("relay: a picture of %d lines is pulled from now on", self.height)
        return offer

    async def _follow(self, offer: Offer, *, resumed: bool) -> None:
        self._hooks.offered(offer)
        with ungrouped():
            async with asyncio.TaskGroup() as group:
                tasks = []
                for wanted in offer.wanted:
                    joins = resumed or self._urls.get(wanted.name) == wanted.url
                    self._urls[wanted.name] = wanted.url
                    run = self._once if wanted.essential else self._insist
                    tasks.append(group.create_task(run(wanted, joins=joins), name=f"track {wanted.name}"))
                # Waited for in here: a group that ends by a failure while nothing is awaited in it
                # leaves a cancellation behind, and the next time limit of this task comes out as one.
                await asyncio.wait(tasks)

    async def _once(self, wanted: Wanted, *, joins: bool) -> None:
        watch = self._watch if wanted.name == PICTURE else _unwatched
        supply = Supply(
            self._upstream,
            self._keys,
            self._source.headers,
            self._flows,
            watch,
            self._hooks.awaited,
            self._aheads,
            exactly=len(self._urls) > 1,
        )
        pull = TrackPull(supply, self._hooks.shelf(wanted.name), self._config)
        cursor = self._cursors.setdefault(wanted.name, Cursor())
        await pull.run(wanted.url, cursor, wanted.first, resumed=joins)

    async def _insist(self, wanted: Wanted, *, joins: bool) -> None:
        """Follow a track the channel can do without: its failure costs only itself."""
        while True:
            try:
                await self._once(wanted, joins=joins)
            except (SourceRefusedError, ForeignHostError):
                raise
            except (SourceError, PlaylistError) as error:
                log.info("a sound or subtitle track is missing: %s", error.code)
            joins = False
            await asyncio.sleep(OPTIONAL_PAUSE_S)

    def _flows(self) -> None:
        self._segments += 1
        self._hooks.flows()

    def _watch(self, report: Report) -> None:
        if self._ladder is not None and not (report.failed and not report.slow):
            now_s = asyncio.get_running_loop().time()
            if self._ladder.after(report.load, now_s) is not None:
                raise ChangeRungError("Another variant is due")
        self._hooks.watch(report)


def _unwatched(_report: Report) -> None:
    """Sound and text are not what a source is judged by."""


def _same(rungs: list[Variant], former: Variant) -> Variant | None:
    """Return the rung that is what `former` was before addresses changed."""
    alike = (former.bandwidth_bps, former.height, former.codecs)
    return next((v for v in rungs if (v.bandwidth_bps, v.height, v.codecs) == alike), None)
