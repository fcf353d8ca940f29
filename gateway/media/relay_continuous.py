"""One endless transport stream out of the segments on a shelf.

One rule: a reader is never waited for.  Whoever falls so far behind that the
next segment has left the shelf is dropped; nothing is buffered for anybody.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from gateway.media import ts
from gateway.media.relay_facts import Kind, NotContinuousError
from gateway.media.relay_pull import ChannelPull
from gateway.media.relay_shelf import Deep, Piece

CHUNK = 348 * ts.PACKET
SILENCE_TARGETS = 6
MIN_SILENCE_S = 12.0


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
    """Joins pieces for one reader: clock advanced, tables in front, breaks marked."""

    def __init__(self) -> None:
        self._advance = 0
        self._tables: ts.Tables | None = None
        self._version: int | None = None

    def sewn(self, piece: Piece, offset: int = 0) -> Iterator[bytes]:
        """Yield `piece` from `offset` on, in chunks of whole packets."""
        data = ts.aligned(piece.data)
        joining = self._tables is None
        if joining or piece.discontinuity:
            front, data = self._begin(data, offset, joining=joining)
            data = ts.shift_pcr(data, self._advance, mark_discontinuity=not joining)
            data = front + data
        else:
            data = ts.shift_pcr(data, self._advance)
        if self._version is not None and self._tables is not None:
            data = ts.with_version(data, self._tables.pmt_pid, self._version)
        for at in range(0, len(data), CHUNK):
            yield data[at : at + CHUNK]

    def _begin(self, data: bytes, offset: int, *, joining: bool) -> tuple[bytes, bytes]:
        """Learn the new programme; return the tables to send first, and the rest."""
        found = ts.tables(data)
        media = data[offset:]
        self._advance = ts.advance_needed(media)
        if found is None:
            return b"", media
        before, self._tables = self._tables, found
        if not joining and before is not None and before.pmt[4:] != found.pmt[4:]:
            # Players keep the old programme unless the version of its tables says otherwise.
            self._version = (
                (self._version if self._version is not None else ts.version(before.pmt)) + 1
            ) % 32
        begins_with_tables = ts.tables(media[: 4 * ts.PACKET]) is not None
        return (b"" if begins_with_tables else found.pat + found.pmt), media


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
