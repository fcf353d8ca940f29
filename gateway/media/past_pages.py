"""The past for phones and pages: a live playlist that begins where they asked.

One rule: a page's session is a few pieces in memory.  They are fetched as far
ahead of the newest request as a page likes to buffer, and no further.
"""

import asyncio
import re
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

from gateway.errors import GatewayError
from gateway.media.hls import MasterPlaylist, MediaPlaylist, Segment, Variant
from gateway.media.hls_write import write_master, write_media
from gateway.media.lineup import ChannelId
from gateway.media.past import Allowed
from gateway.media.relay_facts import NoSuchPieceError, Resource
from gateway.media.relay_shelf import Piece

MAX_SESSIONS = 6
AHEAD = 6
KEEP = 12
IDLE_S = 40.0
FIRST_PIECE_S = 10.0
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"

_NAME = re.compile(r"past-(?P<session>[0-9a-f]{16})(?:-(?P<number>\d{1,9})\.ts|\.m3u8)")


class Pieces(Protocol):
    """See `gateway.media.past.Past`."""

    def pieces(self, channel: ChannelId, at: datetime) -> AsyncGenerator[Piece, None]: ...


class PastPages:
    """Serves ``/live/{channel}/index.m3u8?at=…`` and what its playlist names; a service."""

    def __init__(self, past: Pieces) -> None:
        self._past = past
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                ready()
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            self._sessions.clear()

    async def begin(
        self, channel: ChannelId, at: datetime, *, ticket: str = "", allowed: Allowed | None = None
    ) -> Resource:
        """Return the playlist of a new session that begins at `at`, and ends at what is not `allowed`.

        Raises:
            GatewayError: see `gateway.media.past.Past.pieces`; or nothing came in time.
        """
        if self._group is None:
            raise NoSuchPieceError("The past is not being served now")
        while len(self._sessions) >= MAX_SESSIONS:
            self._end(next(iter(self._sessions)))
        name = secrets.token_hex(8)
        session = self._sessions[name] = _Session(name)
        session.task = self._group.create_task(
            self._fill(session, channel, at, allowed), name="past of a page"
        )
        await session.until_first()
        variant = Variant(uri=f"past-{name}.m3u8{_query(ticket)}")
        return Resource(PLAYLIST_TYPE, write_master(MasterPlaylist(variants=(variant,))).encode())

    async def resource(self, name: str, *, ticket: str = "") -> Resource:
        """Return the playlist or the piece of that `name`.

        Raises:
            NoSuchPieceError: there is no such session or piece, or not any more.
        """
        found = _NAME.fullmatch(name)
        session = self._sessions.get(found["session"]) if found else None
        if found is None or session is None:
            raise NoSuchPieceError("There is no such playlist here, or not any more")
        self._sessions.move_to_end(session.name)
        return session.playlist(ticket) if found["number"] is None else session.piece(int(found["number"]))

    async def _fill(
        self, session: "_Session", channel: ChannelId, at: datetime, allowed: Allowed | None
    ) -> None:
        """Fetch ahead of what the page reads, until it reads no more."""
        try:
            async with asyncio.timeout(None) as patience, aclosing(self._past.pieces(channel, at)) as pieces:
                session.patience = patience
                session.touch()
                # The first piece may begin a little before: what is watched of it is later.
                wanted = min(at, datetime.now(UTC))
                async for piece in pieces:
                    if allowed is not None and not await allowed(max(wanted, piece.at)):
                        session.end(NoSuchPieceError("What follows may not be watched now"))
                        # What is there may be watched to its end.
                        await asyncio.get_running_loop().create_future()
                    await session.put(piece)
        except TimeoutError:
            pass
        except GatewayError as error:
            session.fail(error)
        finally:
            self._sessions.pop(session.name, None)

    def _end(self, name: str) -> None:
        session = self._sessions.pop(name)
        if session.task is not None:
            session.task.cancel()


class _Session:
    """One page watching the past."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: asyncio.Task[None] | None = None
        self.patience: asyncio.Timeout | None = None
        self._pieces: deque[tuple[int, Piece]] = deque()
        self._next = 0
        self._asked = 0
        self._passed_discontinuities = 0
        self._failure: GatewayError | None = None
        self._is_over = False
        self._changed = asyncio.Event()

    def touch(self) -> None:
        """Somebody is still there."""
        if self.patience is not None:
            self.patience.reschedule(asyncio.get_running_loop().time() + IDLE_S)

    async def put(self, piece: Piece) -> None:
        """Keep the next piece; returns when there is room for one more."""
        self._pieces.append((self._next, piece))
        self._next += 1
        while len(self._pieces) > KEEP:
            self._passed_discontinuities += self._pieces.popleft()[1].discontinuity
        self._changed.set()
        while self._next > self._asked + AHEAD:
            self._changed.clear()
            await self._changed.wait()

    def end(self, error: GatewayError) -> None:
        """Let nothing follow, because of `error`."""
        self._is_over = True
        self.fail(error)

    def fail(self, error: GatewayError) -> None:
        """Tell whoever waits for the first piece."""
        self._failure = error
        self._changed.set()

    async def until_first(self) -> None:
        """Wait for the first piece.

        Raises:
            GatewayError: there will be none.
        """
        try:
            async with asyncio.timeout(FIRST_PIECE_S):
                while not self._pieces:
                    if self._failure is not None:
                        raise self._failure
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise NoSuchPieceError("Nothing of that time came in time") from error

    def playlist(self, ticket: str) -> Resource:
        """Return what is held, to be played from its beginning."""
        self.touch()
        segments = tuple(
            Segment(
                uri=f"past-{self.name}-{number}.ts{_query(ticket)}",
                sequence=number,
                duration_s=piece.duration_s,
                discontinuity=piece.discontinuity and number > 0,
                program_date=piece.at,
            )
            for number, piece in self._pieces
        )
        text = write_media(
            MediaPlaylist(
                target_s=max(piece.duration_s for _, piece in self._pieces),
                sequence=segments[0].sequence,
                discontinuity_sequence=self._passed_discontinuities,
                segments=segments,
                ended=self._is_over,
            ),
            from_first=True,
        )
        return Resource(PLAYLIST_TYPE, text.encode())

    def piece(self, number: int) -> Resource:
        """Return a piece that the playlist names."""
        self.touch()
        for held, piece in self._pieces:
            if held == number:
                self._asked = max(self._asked, number)
                self._changed.set()
                return Resource("video/mp2t", piece.data)
        raise NoSuchPieceError("There is no such piece here, or not any more")


def _query(ticket: str) -> str:
    return f"?ticket={quote(ticket, safe='')}" if ticket else ""
