"""The newest segments of one track, in memory, numbered by the relay itself.

One rule: bounded.  A new segment pushes out the oldest, whoever still reads it.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from gateway.media.hls import InitSection, MediaPlaylist, Segment
from gateway.media.hls_write import write_media
from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Kind, RelayConfig, Resource

CONTENT_TYPES = {
    Kind.TS: "video/mp2t",
    Kind.FMP4: "video/mp4",
    Kind.VTT: "text/vtt; charset=utf-8",
    Kind.AAC: "audio/aac",
}

SPARE_INITS = 3
"""The newest init sections stay though no piece names them yet."""

CREDIBLE = timedelta(hours=1)
DRIFT_TARGETS = 3


@dataclass(frozen=True, slots=True)
class Media:
    """What was fetched for a segment, in the clear.

    Attributes:
        init: Number of its init section.
        continues: It is a later part of the segment.
    """

    kind: Kind
    data: bytes
    init: int | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a segment came.

    Attributes:
        monotonic_s: Monotonic time.
        at: Wall time.
        newer_s: Media listed after it at that time: how far behind the newest it is.
    """

    monotonic_s: float
    at: datetime
    newer_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A segment the relay holds, in the clear.

    Attributes:
        pull: The pull it came by, at random; `number` counts within it.
        number: The relay's own count; goes on over all sources.
        discontinuity: What went before does not join on to it.
        continues: It begins inside a segment, where no player can join.
        init: Number of its init section, None if it needs none.
        program_date: What the origin says of its first picture's time.
        at: Wall time of its first picture: the origin's word if that is credible,
            otherwise reckoned from the arrival.
        arrived_s: Monotonic time.
    """

    pull: int
    number: int
    kind: Kind
    data: bytes
    duration_s: float
    discontinuity: bool
    init: int | None
    program_date: datetime | None
    at: datetime
    arrived_s: float
    continues: bool = False


Deep = Callable[[ChannelId, int, int], Awaitable[Piece | None]]
"""Finds a piece that has left the shelf: by channel, pull and number."""


class Shelf:
    """Holds the pieces of the track `name`, such as ``v``, ``a0`` or ``s1``.

    Attributes:
        pieces: Oldest first, numbers without a hole.
        target_s: Longest duration the track promises.
    """

    def __init__(self, name: str, config: RelayConfig, pull: int = 0, first: int = 0) -> None:
        self.name = name
        self._pull = pull
        self.pieces: deque[Piece] = deque()
        self.target_s = 1.0
        self._config = config
        self._inits: dict[int, bytes] = {}
        self._next = self._first = first
        self._next_init = 0
        self._passed_discontinuities = 0

    @property
    def following(self) -> int:
        """The number of the next piece."""
        return self._next

    @property
    def bytes_held(self) -> int:
        """Memory the media takes."""
        return sum(len(piece.data) for piece in self.pieces)

    def add_init(self, data: bytes) -> int:
        """Keep an init section and return its number."""
        self._next_init += 1
        self._inits[self._next_init] = data
        return self._next_init

    def add(self, segment: Segment, media: Media, *, discontinuity: bool, arrival: Arrival) -> Piece:
        """Put the newest piece on the shelf; the oldest may fall off."""
        piece = Piece(
            pull=self._pull,
            number=self._next,
            kind=media.kind,
            data=media.data,
            duration_s=segment.duration_s,
            discontinuity=discontinuity and self._next > self._first,
            init=media.init,
            program_date=segment.program_date,
            at=self._moment(segment, arrival, joins=not discontinuity),
            arrived_s=arrival.monotonic_s,
            continues=media.continues,
        )
        self._next += 1
        self.pieces.append(piece)
        while len(self.pieces) > self._config.keep_segments or (
            len(self.pieces) > 1 and self.bytes_held > self._config.max_track_bytes
        ):
            self._passed_discontinuities += self.pieces.popleft().discontinuity
        used = {piece.init for piece in self.pieces}
        self._inits = {n: d for n, d in self._inits.items() if n in used or n > self._next_init - SPARE_INITS}
        return piece

    def piece(self, number: int) -> Piece | None:
        """Return the piece, or None if it is not there (yet, or any more)."""
        at = number - self.pieces[0].number if self.pieces else -1
        return self.pieces[at] if 0 <= at < len(self.pieces) else None

    def resource(self, name: str) -> Resource | None:
        """Return the segment or init section of that `name`, or None."""
        stem, _, ending = name.rpartition(".")
        number = stem.rpartition("-")[2]
        if not (number.isascii() and number.isdigit()) or len(number) > len("9999999999"):
            return None
        if stem == f"{self.name}-init-{int(number)}" and ending == "mp4":
            init = self._inits.get(int(number))
            return Resource(CONTENT_TYPES[Kind.FMP4], init) if init is not None else None
        piece = self.piece(int(number))
        if piece is None or name != self._name(piece):
            return None
        return Resource(CONTENT_TYPES[piece.kind], piece.data)

    def playlist(self, ticket: str = "") -> bytes:
        """Return the window as a playlist; `ticket` goes along with every address in it."""
        query = f"?ticket={quote(ticket, safe='')}" if ticket else ""
        window = list(self.pieces)[-self._config.window_segments :]
        before = list(self.pieces)[: len(self.pieces) - len(window)]
        segments = tuple(
            Segment(
                uri=self._name(piece) + query,
                sequence=piece.number,
                duration_s=piece.duration_s,
                discontinuity=piece.discontinuity,
                init=InitSection(f"{self.name}-init-{piece.init}.mp4{query}") if piece.init else None,
                program_date=piece.program_date,
            )
            for piece in window
        )
        text = write_media(
            MediaPlaylist(
                target_s=self.target_s,
                sequence=window[0].number if window else self._next,
                discontinuity_sequence=self._passed_discontinuities + sum(p.discontinuity for p in before),
                segments=segments,
            )
        )
        return text.encode()

    def _moment(self, segment: Segment, arrival: Arrival, *, joins: bool) -> datetime:
        said = segment.program_date
        if said is not None and abs(said - arrival.at) < CREDIBLE:
            return said
        reckoned = arrival.at - timedelta(seconds=arrival.newer_s + segment.duration_s)
        before = self.pieces[-1] if self.pieces and joins else None
        if before is None:
            return reckoned
        # Arrivals jitter; what joins on begins where the piece before it ends, as long as that is true.
        follows = before.at + timedelta(seconds=before.duration_s)
        return (
            follows
            if abs(follows - reckoned) < DRIFT_TARGETS * timedelta(seconds=self.target_s)
            else reckoned
        )

    def _name(self, piece: Piece) -> str:
        return f"{self.name}-{piece.number}.{piece.kind.value}"
