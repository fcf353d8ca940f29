"""Watching what was recorded, also while it is being recorded.

One rule: whoever watches sets the pace, and never holds up what is being recorded.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise, takewhile
from urllib.parse import quote

from gateway.media import ts
from gateway.media.hls import MediaPlaylist, Segment
from gateway.media.hls_write import write_media
from gateway.media.recordings_facts import PLAYABLE, Recording
from gateway.media.recordings_library import Library
from gateway.media.reel import Reel
from gateway.media.reel_index import Entry
from gateway.media.relay_continuous import Seam
from gateway.media.relay_facts import NoSuchPieceError, Resource
from gateway.media.relay_shelf import Piece
from gateway.media.streams import Recorded
from gateway.media.tv_facts import NoRecordingsError

INDEX = "index.m3u8"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
TICK_S = 5.0

_PIECE = re.compile(r"piece-(?P<number>\d{1,7})\.ts")


class Recordings:
    """What the television, the phones and the page play; see `gateway.media.streams`."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def recorded(self, recording: str) -> Recorded | None:
        """Return what a recording is, as far as it goes by now; None if nothing of it plays."""
        one = self._library.recordings.get(recording)
        if one is None or one.state not in PLAYABLE or one.begun_at is None:
            return None
        return Recorded(
            id=one.id,
            channel=one.channel,
            start=one.begun_at,
            stop=one.begun_at + timedelta(seconds=one.duration_s),
            position_s=one.resume_s,
            age=one.age,
        )

    async def left_at(self, recording: str, position_s: float) -> None:
        """Remember where somebody stopped watching."""
        await self._library.left_at(recording, position_s)

    async def continuous(self, recording: str, from_s: float = 0.0) -> AsyncGenerator[bytes, None]:
        """Yield a recording as one transport stream; one that grows is followed until it ends.

        Ends early where it changes to other codecs; opened again it begins there.

        Args:
            recording: Its id.
            from_s: Where to begin, in seconds of what plays; beyond the end is the end.

        Raises:
            NoRecordingsError: there is none of that id that plays.
            ReelError: its files cannot be read.
        """
        reel = await self._reel(recording)
        number, within_s = _place(reel, from_s)
        seam = Seam()
        before: Piece | None = None
        with self._library.progress.subscribe(backlog=1) as news:
            while True:
                if number >= len(reel.entries):
                    if not self._library.is_growing(recording):
                        return
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(TICK_S):
                            await anext(news)
                    continue
                piece = await asyncio.to_thread(reel.read, reel.entries[number])
                number += 1
                if piece is None:
                    continue
                if before is not None and not _joins(before, piece):
                    piece = replace(piece, discontinuity=True)
                if not seam.goes_on(piece):
                    return
                for chunk in seam.sewn(piece, _key_frame(piece.data, within_s)):
                    yield chunk
                before, within_s = piece, 0.0

    async def resource(self, recording: str, name: str, *, from_s: float = 0.0, ticket: str = "") -> Resource:
        """Return the playlist of a recording, or a piece that it names.

        Args:
            recording: Its id.
            name: ``index.m3u8`` or what that playlist says.
            from_s: Where players begin.
            ticket: Goes along with every address in the playlist.

        Raises:
            NoRecordingsError: there is none of that id that plays.
            NoSuchPieceError: it has no such piece.
            ReelError: its files cannot be read.
        """
        reel = await self._reel(recording)
        if name == INDEX:
            text = _playlist(reel, from_s, ticket, ended=not self._library.is_growing(recording))
            return Resource(PLAYLIST_TYPE, text.encode())
        found = _PIECE.fullmatch(name)
        parts = _segment(reel, int(found["number"])) if found else []
        pieces = [await asyncio.to_thread(reel.read, entry) for entry in parts]
        if not pieces or None in pieces:
            raise NoSuchPieceError("The recording has no such piece")
        return Resource("video/mp2t", b"".join(piece.data for piece in pieces if piece))

    async def _reel(self, recording: str) -> Reel:
        one: Recording | None = self._library.recordings.get(recording)
        if one is None or one.state not in PLAYABLE:
            raise NoRecordingsError("There is no such recording")
        return await self._library.reel(recording)


def _place(reel: Reel, from_s: float) -> tuple[int, float]:
    """Return the piece to begin with to play from `from_s`, and how far into it that is."""
    left_s = max(0.0, from_s)
    segment = 0
    for number, entry in enumerate(reel.entries):
        segment = segment if entry.continues else number
        if left_s < entry.duration_s:
            return segment, left_s if segment == number else 0.0
        left_s -= entry.duration_s
    return len(reel.entries), 0.0


def _key_frame(data: bytes, within_s: float) -> int:
    """Return the byte at which to begin to be `within_s` into a piece, or a little before."""
    if within_s <= 0:
        return 0
    frames = [(frame.offset, frame.pts) for frame in ts.key_frames(ts.aligned(data))]
    if not frames or frames[0][1] is None:
        return 0
    first = frames[0][1]
    before = [
        offset
        for offset, pts in frames[1:]
        if pts is not None and ts.difference(pts, first) <= within_s * ts.CLOCK_HZ
    ]
    return before[-1] if before else 0


def _playlist(reel: Reel, from_s: float, ticket: str, *, ended: bool) -> str:
    query = f"?ticket={quote(ticket, safe='')}" if ticket else ""
    entries = list(reel.entries)
    begins = [number for number, entry in enumerate(entries) if number == 0 or not entry.continues]
    segments = tuple(
        Segment(
            uri=f"piece-{number}.ts{query}",
            sequence=sequence,
            duration_s=sum(entry.duration_s for entry in entries[number:end]),
            discontinuity=number > 0
            and (entries[number].discontinuity or not _joins(entries[number - 1], entries[number])),
            program_date=entries[number].at,
        )
        for sequence, (number, end) in enumerate(pairwise([*begins, len(entries)]))
    )
    text = write_media(MediaPlaylist(target_s=1.0, segments=segments, ended=ended))
    # Without a start, players begin one that grows near its end.
    kind = "VOD" if ended else "EVENT"
    head = f"#EXT-X-PLAYLIST-TYPE:{kind}\n#EXT-X-START:TIME-OFFSET={max(0.0, from_s):.3f},PRECISE=YES\n"
    return text.replace("#EXT-X-MEDIA-SEQUENCE", f"{head}#EXT-X-MEDIA-SEQUENCE", 1)


def _segment(reel: Reel, number: int) -> list[Entry]:
    """Return the parts of the segment that begins with that piece; it is mostly one."""
    if number >= len(reel.entries):
        return []
    rest = takewhile(lambda entry: entry.continues, islice(reel.entries, number + 1, None))
    return [reel.entries[number], *rest]


def _joins(before: Piece | Entry, after: Piece | Entry) -> bool:
    return (before.pull, before.number + 1) == (after.pull, after.number)
