"""One endless transport stream out of the segments on a shelf.

One rule: a reader is never waited for.  Whoever falls so far behind that the
next segment has left the shelf is dropped; nothing is buffered for anybody.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.media import ts, ts_edit
from gateway.media.relay_remux_shelf import TransportShelf
from gateway.media.relay_shelf import Deep, Piece
from gateway.pubsub import Subscription

CHUNK = 348 * ts.PACKET
FAR_AHEAD = timedelta(minutes=1)
"""Who asks for something later than this has another clock, and gets what there is."""
SILENCE_TARGETS = 6
MIN_SILENCE_S = 12.0
MOST_HOLE = 20 * ts.CLOCK_HZ
"""A longer one is another clock, not a loss."""

MOST_OVERLAP = ts.CLOCK_HZ // 5
FRONT_PACKETS = 8
NOT_SHOWN = frozenset({0x05, 0x0B, 0x0C, 0x0D, 0x15, 0x86})
"""Stream types of data: private sections, DSM-CC, metadata, SCTE-35."""

MOST_GAPS = 5
FEWEST_GAPS = 2
BURST = 0.3
SPARE_S = 0.15


@dataclass(frozen=True, slots=True)
class Start:
    """Where to join: a piece, and the byte of a key frame in it."""

    number: int
    offset: int


def starting_point(pieces: Sequence[Piece], now_s: float, target_s: float) -> Start:
    """Return the newest key frame that leaves enough media until the next segment arrives.

    Args:
        pieces: At least one, oldest first.
        now_s: Monotonic time.
        target_s: How often a segment should arrive.
    """
    needed_s = _needed_s(pieces, now_s, target_s)
    later_s = 0.0
    for piece in reversed(pieces):
        for offset, at_s in reversed(_joints(piece)):
            if later_s + piece.duration_s - at_s >= needed_s:
                return Start(piece.number, offset)
        later_s += piece.duration_s
        if piece.discontinuity:
            return Start(piece.number, 0)
    return Start(pieces[0].number, 0)


async def follow(shelf: TransportShelf, *, since: datetime | None = None) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of `shelf` as they arrive.

    Begins with the newest, or with the first that is held of what was on from `since` on.
    Nothing is left out silently: the piece after a hole has `Piece.discontinuity`.
    Ends when nothing came for a long time, and raises what `continuous` raises.
    """
    await shelf.until_playing()
    number = _first_since(shelf.pieces, since) if since is not None else shelf.pieces[-1].number
    with shelf.progress.subscribe(backlog=1) as news:
        while True:
            piece = shelf.piece(number)
            if piece is None and shelf.pieces[0].number > number:
                piece = replace(shelf.pieces[0], discontinuity=True)
            if piece is not None:
                number = piece.number + 1
                if since is None or not _is_before(piece, since):
                    yield piece
            elif not await _hears(news, shelf.target_s):
                return


def _first_since(pieces: Sequence[Piece], since: datetime) -> int:
    """Return the number of the first piece of which the greater part is after `since`."""
    for piece in pieces:
        if piece.at + timedelta(seconds=piece.duration_s / 2) >= since:
            return piece.number
    return pieces[-1].number + 1


def _is_before(piece: Piece, since: datetime) -> bool:
    """Tell whether `piece` comes late and is of before `since`: an archive may be ahead of the air."""
    middle = piece.at + timedelta(seconds=piece.duration_s / 2)
    return since - FAR_AHEAD < middle < since


async def continuous(shelf: TransportShelf, *, deep: Deep | None = None) -> AsyncGenerator[bytes, None]:
    """Yield the channel as whole transport stream packets, from now on.

    Args:
        shelf: What to read.
        deep: Where pieces are found that have left memory.

    Ends when the reader is so far behind that a piece is nowhere any more, when
    nothing came for a long time, and where the channel changes to other codecs:
    opened again it begins there.

    Raises:
        NotContinuousError: the channel's media cannot be made into a transport stream.
        SourceError, PlaylistError: no source works.
    """
    await shelf.until_playing()
    start = starting_point(shelf.pieces, asyncio.get_running_loop().time(), shelf.target_s)
    number, offset = start.number, start.offset
    seam = Seam()
    with shelf.progress.subscribe(backlog=1) as news:
        while True:
            piece = shelf.piece(number)
            if piece is None and shelf.pieces[0].number > number:
                piece = await deep(shelf.channel, shelf.number, number) if deep is not None else None
                if piece is None:
                    return
            if piece is not None:
                if not seam.goes_on(piece):
                    return
                for chunk in seam.sewn(piece, offset):
                    yield chunk
                number, offset = number + 1, 0
            elif not await _hears(news, shelf.target_s):
                return


class Seam:
    """Joins pieces for one reader, so that they are one stream.

    Clocks run closer to the pictures, tables stand in front, and continuity
    counters go on.  Where a piece does not join on to the one before it, time
    goes on all the same if the clock is another one; a hole that was lost
    upstream stays a hole, marked.
    """

    def __init__(self) -> None:
        self._joined = False
        self._tables: ts.Tables | None = None
        self._version: int | None = None
        self._advance = 0
        self._rebase = 0
        self._ends: int | None = None
        self._counters: dict[int, int] | None = None
        self._before = b""

    def sewn(self, piece: Piece, offset: int = 0) -> Iterator[bytes]:
        """Yield `piece` from `offset` on, in chunks of whole packets."""
        whole = ts.aligned(piece.data)
        data = whole[offset:] if offset else whole
        if not self._joined and (early := ts_edit.early_sound_edits(data)):
            data = ts_edit.applied(data, early)
        span = ts.span(data)
        breaks = self._joined and piece.discontinuity
        marked = self._resume(data, span) if breaks else False
        if not self._joined:
            self._advance = ts.advance_needed(data)
        front = self._learn(whole, data, wanted=breaks or not self._joined)
        edits = ts_edit.clock_edits(data, self._advance + self._rebase, mark_discontinuity=marked)
        edits += ts_edit.media_edits(data, self._rebase)
        if self._version is not None and self._tables is not None:
            edits += ts_edit.version_edits(data, self._tables.pmt_pid, self._version)
            front = ts_edit.applied(front, ts_edit.version_edits(front, self._tables.pmt_pid, self._version))
        self._joined, self._before = True, data
        if span is not None:
            self._ends = (span[1] + self._rebase) % ts.WRAP
        for chunk in ts_edit.edited(data, edits, CHUNK):
            sent, front = front + chunk, b""
            yield ts_edit.counted(sent, self._counters) if self._counters is not None else sent

    def goes_on(self, piece: Piece) -> bool:
        """Tell whether a player can be expected to show `piece` in the stream it has open.

        None minds another resolution.  But mpv stands still for ever where a
        codec or a packet identifier changes, and libVLC longer than for a new start.
        """
        if self._tables is None or not piece.discontinuity:
            return True
        found = ts.tables(piece.data)
        shown = {pid: kind for pid, kind in ts.streams(self._tables.pmt).items() if kind not in NOT_SHOWN}
        return found is None or shown.items() <= ts.streams(found.pmt).items()

    def _resume(self, data: bytes, span: tuple[int, int] | None) -> bool:
        """Decide at a break how time goes on; tell whether it jumps."""
        if self._counters is None:
            self._counters = {}
            ts_edit.counted(self._before, self._counters)
        self._advance = ts.advance_needed(data)
        if span is None or self._ends is None:
            return True
        hole = ts.difference((span[0] + self._rebase) % ts.WRAP, self._ends)
        if -MOST_OVERLAP <= hole <= MOST_HOLE:
            return hole > ts.LEAD
        self._rebase = ts.difference(self._ends, span[0])
        return False

    def _learn(self, whole: bytes, data: bytes, *, wanted: bool) -> bytes:
        """Keep the tables in force; return those to send first if they are `wanted` and not there."""
        found = ts.tables(whole)
        if found is None:
            return b""
        before, self._tables = self._tables, found
        if before is not None and _programme(before) != _programme(found):
            # Players keep the old programme unless the version of its tables says otherwise.
            last = self._version if self._version is not None else ts.version(before.pmt)
            if wanted or self._version is not None or ts.version(found.pmt) == last:
                self._version = (last + 1) % 32
        begins_with_tables = ts.tables(data[: FRONT_PACKETS * ts.PACKET]) is not None
        return found.pat + found.pmt if wanted and not begins_with_tables else b""


def _programme(tables: ts.Tables) -> tuple[int, bytes]:
    """Return what tells one programme's PMT from another's: everything from its PCR's identifier on."""
    return tables.pmt_pid, ts.section_bytes(tables.pmt)[8:-4]


def _needed_s(pieces: Sequence[Piece], now_s: float, target_s: float) -> float:
    """Return how much media must be at hand until the next segment.

    When segments come is seen from the latest ones.  Those of a burst, with
    which every pull begins, say nothing: then the target duration counts, and
    half of it more, for a reload that comes just too early.
    """
    gaps = [after.arrived_s - before.arrived_s for before, after in pairwise(pieces)][-MOST_GAPS:]
    last = pieces[-1]
    usual_s = sum(gaps) / len(gaps) if gaps else 0.0
    if len(gaps) < FEWEST_GAPS or min(gaps) < BURST * last.duration_s:
        return max(0.0, last.arrived_s + target_s - now_s) + target_s / 2
    due_s = last.arrived_s + usual_s - now_s
    late_s = min(target_s, max(0.0, -due_s))
    return max(0.0, due_s) + max(gaps) - usual_s + late_s + SPARE_S


async def _hears(news: Subscription[None], target_s: float) -> bool:
    """Wait for news, but not for ever; tell whether there was any."""
    try:
        async with asyncio.timeout(max(MIN_SILENCE_S, SILENCE_TARGETS * target_s)):
            await anext(news)
    except TimeoutError:
        return False
    return True


def _joints(piece: Piece) -> list[tuple[int, float]]:
    """Return byte offset and seconds from the start of each key frame of `piece`; 0 comes first.

    Only a piece that begins inside a segment need not begin with a key frame.
    """
    frames = ts.key_frames(ts.aligned(piece.data))
    first = frames[0].pts if frames else None
    later = [
        (frame.offset, ts.difference(frame.pts, first) / ts.CLOCK_HZ)
        for frame in frames[0 if piece.continues else 1 :]
        if frame.pts is not None and first is not None
    ]
    begin = [] if piece.continues else [(0, 0.0)]
    return [*begin, *(joint for joint in later if 0 <= joint[1] < piece.duration_s)]
