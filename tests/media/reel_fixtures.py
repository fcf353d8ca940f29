"""Pieces that know what they are, and a relay that hands them out."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Kind, Weight
from gateway.media.relay_shelf import Piece

NEWS = ChannelId("news")
SPORT = ChannelId("sport")
EVENING = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
PIECE_S = 2.0
STEP = timedelta(seconds=PIECE_S)


def media(number: int, size: int) -> bytes:
    """Return whole packets that nobody else has; private ones, so that they can be told apart."""
    packet = b"\x47\x1f\xfe\x10" + number.to_bytes(8) + bytes([number % 251]) * 176
    return packet * max(1, size // len(packet))


def piece(
    number: int, *, pull: int = 7, size: int = 188, at: datetime | None = None, continues: bool = False
) -> Piece:
    """Return the piece of that number; without `at` they follow each other from `EVENING` on."""
    return Piece(
        pull=pull,
        number=number,
        kind=Kind.TS,
        data=media(number, size),
        duration_s=PIECE_S,
        discontinuity=False,
        init=None,
        program_date=None,
        at=at or EVENING + number * STEP,
        arrived_s=0.0,
        continues=continues,
    )


def numbers(pieces: Sequence[Piece]) -> list[int]:
    """Return which pieces they are, by what is in them."""
    return [int.from_bytes(each.data[4:12]) for each in pieces]


async def until(fact: Callable[[], bool | Awaitable[bool]], within_s: float = 10.0) -> None:
    """Wait for something on the disk or in a state that nobody publishes."""
    async with asyncio.timeout(within_s):
        while not (await answer if inspect.isawaitable(answer := fact()) else answer):  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.01)


@dataclass
class Air:
    """A relay of which a test says what arrives, and when."""

    following: list[tuple[ChannelId, Weight]] = field(default_factory=list)
    failure: Exception | None = None
    _arrived: dict[ChannelId, list[Piece]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ends: int = 0

    async def broadcast(self, channel: ChannelId, *pieces: Piece) -> None:
        """Let `pieces` arrive."""
        async with self._news:
            self._arrived.setdefault(channel, []).extend(pieces)
            self._news.notify_all()

    async def interrupt(self) -> None:
        """Let every stream end."""
        async with self._news:
            self._ends += 1
            self._news.notify_all()

    async def follow(
        self, channel: ChannelId, *, weight: Weight = Weight.RECORDING, since: datetime | None = None
    ) -> AsyncGenerator[Piece, None]:
        """See `gateway.media.relay.Relay`."""
        if self.failure is not None:
            raise self.failure
        claim = (channel, weight)
        self.following.append(claim)
        ends = self._ends
        held = self._arrived.setdefault(channel, [])
        at = next(
            (n for n, each in enumerate(held) if since is None or each.at + STEP / 2 >= since), len(held)
        )
        if since is None:
            at = max(0, len(held) - 1)
        try:
            while True:
                async with self._news:
                    while at >= len(held) and ends == self._ends:
                        await self._news.wait()
                if ends != self._ends:
                    return
                yield held[at]
                at += 1
        finally:
            self.following.remove(claim)
