"""The channel as transport stream pieces, whatever it is made of.

One rule: what is a transport stream already goes through as it came; only the
rest is repacked, and only once somebody wants it.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.media import ts
from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Kind, NotContinuousError, RelayConfig
from gateway.media.relay_remux import Made, Remuxer, RemuxError
from gateway.media.relay_remux_language import iso_639_2
from gateway.media.relay_remux_wire import PICTURE, Feed, Force, Forget, Order, Sound
from gateway.media.relay_shelf import Piece, Shelf
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

LATE_SOUND = 0.75
"""So much of its duration a segment waits for its sound."""

MIN_WAIT_S = 0.3
MAX_WAIT_S = 4.0
FIRST_PIECE_S = 12.0
MOST_REFUSED = 3
SOUND_AGAIN = 4
"""So many of the newest pieces of sound a new process is told again."""


class Pulled(Protocol):
    """A channel being pulled; `gateway.media.relay_pull.ChannelPull`."""

    @property
    def channel(self) -> ChannelId: ...

    @property
    def number(self) -> int: ...

    @property
    def shelves(self) -> dict[str, Shelf]: ...

    @property
    def progress(self) -> Publisher[None]: ...

    @property
    def sounds(self) -> tuple[tuple[str, str], ...]:
        """Shelf and language tag of the sound that comes beside the picture, the main one first."""

    async def until_playing(self, *, fresh: bool = True) -> Shelf: ...


@dataclass(slots=True)
class _Waiting:
    """A picture segment that is being repacked."""

    piece: Piece
    since_s: float


class TransportShelf:
    """Holds the newest pieces of one pull as transport stream.

    Attributes:
        pieces: Oldest first, numbers without a hole; all of `Kind.TS`.
        progress: A piece was added, or none could be made of a segment.
    """

    def __init__(self, pull: Pulled, remuxer: Remuxer, config: RelayConfig) -> None:
        """Describe a shelf; it stays empty until `want`."""
        self.pieces: deque[Piece] = deque()
        self.progress: Publisher[None] = Publisher()
        self._pull = pull
        self._remuxer = remuxer
        self._config = config
        self._wanted = asyncio.Event()
        self._id = secrets.randbelow(1 << 48)
        self._taken = -1
        self._made = -1
        self._next: int | None = None
        self._broken = False
        self._life = 0
        self._fed: dict[str, int] = {}
        self._tables: dict[str, bytes] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._refused = 0

    @property
    def channel(self) -> ChannelId:
        """Whose pieces they are."""
        return self._pull.channel

    @property
    def number(self) -> int:
        """The pull they come by, as in `Piece.pull`."""
        return self._pull.number

    @property
    def target_s(self) -> float:
        """Longest duration the channel promises."""
        return self._pull.shelves[PICTURE].target_s

    @property
    def bytes_made(self) -> int:
        """Memory the repacked pieces take, beside that of the segments."""
        return sum(len(piece.data) for piece in self.pieces if self._is_made(piece))

    def want(self) -> None:
        """Make pieces from now on, and of what is there."""
        self._wanted.set()

    def piece(self, number: int) -> Piece | None:
        """Return the piece, or None if it is not there (yet, or any more)."""
        at = number - self.pieces[0].number if self.pieces else -1
        return self.pieces[at] if 0 <= at < len(self.pieces) else None

    async def until_playing(self) -> None:
        """Wait until there is a piece of what the source gives now.

        Raises:
            SourceError, PlaylistError: no source works.
            NotContinuousError: its media cannot be repacked.
        """
        self.want()
        shelf = await self._pull.until_playing()
        breaks = [piece.number for piece in shelf.pieces if piece.discontinuity]
        since = breaks[-1] if breaks else shelf.pieces[0].number
        self._pass_on()
        try:
            async with asyncio.timeout(FIRST_PIECE_S):
                with self.progress.subscribe(backlog=1) as news:
                    while self._made < since or not self.pieces:
                        if self._refused >= MOST_REFUSED and not self.pieces:
                            raise NotContinuousError(
                                "This channel's segments are of a kind that cannot be repacked"
                            )
                        await anext(news)
        except TimeoutError as error:
            raise NotContinuousError("This channel's segments cannot be repacked") from error

    async def run(self) -> None:
        """Keep the shelf filled until cancelled."""
        await self._wanted.wait()
        try:
            with self._pull.progress.subscribe(backlog=1) as news:
                while True:
                    self._pass_on()
                    await self._repack()
                    try:
                        async with asyncio.timeout(self._patience_s()):
                            await anext(news)
                    except TimeoutError:
                        await self._go_on_without()
        finally:
            self._remuxer.tell(Forget(self._id))

    def _following(self) -> Iterator[Piece]:
        """Yield the picture's pieces that have not been taken yet."""
        shelf = self._pull.shelves[PICTURE]
        while shelf.pieces and self._taken < shelf.pieces[-1].number:
            number = max(self._taken + 1, shelf.pieces[0].number)
            piece = shelf.piece(number)
            if piece is None:
                return
            self._broken = self._broken or 0 <= self._taken != number - 1
            yield piece

    def _pass_on(self) -> None:
        """Put what needs no repacking on the shelf, up to what does."""
        for piece in self._following():
            if piece.kind is not Kind.TS or self._pull.sounds or self._waiting:
                return
            self._taken = piece.number
            self._put(piece, piece.data)

    async def _repack(self) -> None:
        for piece in self._following():
            sounds = self._pull.sounds
            if piece.kind is Kind.TS and not sounds and not self._waiting:
                self._pass_on()
                continue
            self._taken = piece.number
            self._waiting[piece.number] = _Waiting(piece, asyncio.get_running_loop().time())
            await self._feed(PICTURE, piece)
            await self._feed_sounds()
        await self._feed_sounds()

    async def _go_on_without(self) -> None:
        """Do not wait any more for what is missing of the oldest picture."""
        oldest = next(iter(self._waiting), None)
        await self._ask(Force(self._id))
        if oldest in self._waiting:
            del self._waiting[oldest]
            self._broken = True

    async def _feed_sounds(self) -> None:
        for name, _ in self._pull.sounds:
            shelf = self._pull.shelves.get(name)
            while shelf is not None and shelf.pieces and self._fed.get(name, -1) < shelf.pieces[-1].number:
                number = max(self._fed.get(name, -1) + 1, shelf.pieces[0].number)
                piece = shelf.piece(number)
                self._fed[name] = number
                if piece is not None:
                    await self._feed(name, piece)

    async def _feed(self, track: str, piece: Piece) -> None:
        init = b""
        if piece.init is not None:
            found = self._pull.shelves[track].resource(f"{track}-init-{piece.init}.{'mp4'}")
            init = found.body if found is not None else b""
        if piece.kind is Kind.TS:
            init = self._tables_for(track, piece)
        sounds = tuple(Sound(name, iso_639_2(language)) for name, language in self._pull.sounds)
        order = Feed(self._id, track, piece.number, piece.kind.value, sounds)
        made = await self._ask(order, init + piece.data)
        if track == PICTURE and (made is None or made.refused):
            self._waiting.pop(piece.number, None)
            self._broken = True
            self._refused += 1
            self.progress.publish(None)
            if self._refused == 1:
                log.info("a segment could not be repacked: %s", made.refused if made else "no answer")

    def _tables_for(self, track: str, piece: Piece) -> bytes:
        """Return the tables a later part of a segment lacks, and keep those of a first one."""
        if piece.continues:
            return self._tables.get(track, b"")
        found = ts.tables(ts.aligned(piece.data))
        self._tables[track] = found.pat + found.pmt if found else b""
        return b""

    async def _ask(self, order: Order, data: bytes = b"") -> Made | None:
        try:
            made = await self._remuxer.ask(order, data)
        except RemuxError:
            self._forgotten()
            return None
        if made.life != self._life:
            if self._life:
                self._forgotten(but=order.number if isinstance(order, Feed) else None)
            self._life = made.life
        for number, piece in made.pieces:
            self._arrived(number, piece)
        return made

    def _forgotten(self, *, but: int | None = None) -> None:
        """A process that knew the channel is gone, and what it held: all `but` one picture."""
        self._waiting = {number: each for number, each in self._waiting.items() if number == but}
        self._broken = True
        for name, number in self._fed.items():
            self._fed[name] = number - SOUND_AGAIN

    def _arrived(self, number: int, data: bytes) -> None:
        for skipped in [each for each in self._waiting if each < number]:
            del self._waiting[skipped]
            self._broken = True
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            self._put(waiting.piece, data)

    def _put(self, piece: Piece, data: bytes) -> None:
        number = piece.number if self._next is None else self._next
        discontinuity = self._next is not None and (piece.discontinuity or self._broken)
        self.pieces.append(
            replace(
                piece, number=number, kind=Kind.TS, data=data, init=None, discontinuity=discontinuity,
                arrived_s=piece.arrived_s if data is piece.data else asyncio.get_running_loop().time(),
            )
        )  # fmt: skip
        self._next, self._made, self._broken = number + 1, piece.number, False
        while len(self.pieces) > self._config.keep_segments or (
            len(self.pieces) > 1
            and sum(len(each.data) for each in self.pieces) > self._config.max_track_bytes
        ):
            self.pieces.popleft()
        self.progress.publish(None)

    def _patience_s(self) -> float | None:
        """Return how long to wait for news: until a picture has waited long enough for its sound."""
        if not self._waiting:
            return None
        oldest = next(iter(self._waiting.values()))
        most_s = min(max(MIN_WAIT_S, LATE_SOUND * oldest.piece.duration_s), MAX_WAIT_S)
        return max(0.0, oldest.since_s + most_s - asyncio.get_running_loop().time())

    def _is_made(self, piece: Piece) -> bool:
        """Tell whether the bytes are this shelf's own."""
        return all(piece.data is not each.data for each in self._pull.shelves[PICTURE].pieces)
