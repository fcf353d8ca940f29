"""One endless transport stream out of the segments on a shelf.

One rule: a reader is never waited for.  Whoever falls so far behind that the
next segment has left the shelf is dropped; nothing is buffered for anybody.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from gateway.media import ts, ts_edit
from gateway.media.relay_facts import Kind, NotContinuousError
from gateway.media.relay_pull import ChannelPull
from gateway.media.relay_shelf import Deep, Piece

CHUNK = 348 * ts.PACKET
SILENCE_TARGETS = 6
MIN_SILENCE_S = 12.0
MOST_HOLE = 20 * ts.CLOCK_HZ
"""A longer one is another clock, not a loss."""

MOST_OVERLAP = ts.CLOCK_HZ // 5
FRONT_PACKETS = 8


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
        target_s: How often a segment arrives; half of it more is kept as margin for
            a reload that comes just too early.
    """
    needed_s = max(0.0, pieces[-1].arrived_s + target_s - now_s) + target_s / 2
    later_s = 0.0
    for piece in reversed(pieces):
        for offset, at_s in reversed(_joints(piece)):
            if later_s + piece.duration_s - at_s >= needed_s:
                return Start(piece.number, offset)
        later_s += piece.duration_s
        if piece.discontinuity:
            return Start(piece.number, 0)
    return Start(pieces[0].number, 0)


async def follow(pull: ChannelPull) -> AsyncGenerator[Piece, None]:
    """Yield the transport stream pieces of `pull` as they arrive, from the newest on.

    Ends like `continuous`, and raises what it raises.
    """
    shelf = await pull.until_playing()
    if pull.kind is not Kind.TS or pull.has_separate_sound:
        raise NotContinuousError("This channel's segments do not make one continuous stream")
    number = shelf.pieces[-1].number
    with pull.progress.subscribe(backlog=1) as news:
        while True:
            piece = shelf.piece(number)
            if piece is not None and piece.kind is Kind.TS:
                yield piece
                number += 1
                continue
            if piece is not None or shelf.pieces[0].number > number:
                return
            try:
                async with asyncio.timeout(max(MIN_SILENCE_S, SILENCE_TARGETS * shelf.target_s)):
                    await anext(news)
            except TimeoutError:
                return


async def continuous(pull: ChannelPull, *, deep: Deep | None = None) -> AsyncGenerator[bytes, None]:
    """Yield the channel as whole transport stream packets, from now on.

    Args:
        pull: What to read.
        deep: Where pieces are found that have left memory.

    Ends when the reader is too slow, when nothing came for a long time, or
    when the channel stops being a transport stream.

    Raises:
        NotContinuousError: the channel is packed otherwise, or its sound comes separately.
        SourceError, PlaylistError: no source works.
    """
    shelf = await pull.until_playing()
    if pull.kind is not Kind.TS or pull.has_separate_sound:
        raise NotContinuousError("This channel's segments do not make one continuous stream")
    start = starting_point(shelf.pieces, asyncio.get_running_loop().time(), shelf.target_s)
    number, offset = start.number, start.offset
    seam = Seam()
    with pull.progress.subscribe(backlog=1) as news:
        while True:
            piece = shelf.piece(number)
            if piece is None and deep is not None and shelf.pieces[0].number > number:
                piece = await deep(pull.channel, pull.number, number)
            if piece is None:
                if shelf.pieces[0].number > number:
                    return
                try:
                    async with asyncio.timeout(max(MIN_SILENCE_S, SILENCE_TARGETS * shelf.target_s)):
                        await anext(news)
                except TimeoutError:
                    return
                continue
            if piece.kind is not Kind.TS:
                return
            for chunk in seam.sewn(piece, offset):
                yield chunk
            number, offset = number + 1, 0


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


def _joints(piece: Piece) -> list[tuple[int, float]]:
    """Return byte offset and seconds from the start of each key frame of `piece`; 0 comes first."""
    frames = ts.key_frames(ts.aligned(piece.data))
    first = frames[0].pts if frames else None
    later = [
        (frame.offset, ts.difference(frame.pts, first) / ts.CLOCK_HZ)
        for frame in frames[1:]
        if frame.pts is not None and first is not None
    ]
    return [(0, 0.0), *(joint for joint in later if 0 <= joint[1] < piece.duration_s)]
