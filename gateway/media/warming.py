"""Keeps the likely next channels ready, and counts what that costs.

One rule: who watches goes first.  While the present picture suffers, while a
hand is still moving, and while the set rests, nothing is pulled on a guess.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

from gateway.errors import GatewayError
from gateway.media.lineup import Channel, ChannelId, LineUp
from gateway.media.tv_facts import Focused, Gate, Hint, Picture, TvState, Typed
from gateway.media.warming_facts import Account, Hands, Memory, WarmingConfig
from gateway.media.zap import Budget, Cost, Hints, Predictor, afford
from gateway.media.zap_habit import Habits, hour_of

log = logging.getLogger(__name__)

MOST_CONSIDERED = 24
COUNT_EVERY_S = 5.0
LOOK_AGAIN_S = 0.25
MIN_SCORE = 0.7
WATCHED_S = 60.0
SAVE_EVERY_S = 3600.0
LAST_WRITE_S = 2.0
HELD_S = 16.0
"""Media of one channel that the relay holds, about."""
MAX_RATES = 1000

_HD_BPS, _ULTRA_HD_BPS, _RADIO_BPS = 8_000_000, 30_000_000, 300_000
_ULTRA_HD_LINES = 2160


class Warming:
    """A service.

    Attributes:
        account: What it has cost and brought.
        warmed: What is kept ready now, the likeliest first.
    """

    def __init__(
        self,
        config: WarmingConfig,
        hands: Hands,
        memory: Memory,
        *,
        local_now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self.account = Account()
        self.warmed: tuple[ChannelId, ...] = ()
        self._config = config
        self._hands = hands
        self._memory = memory
        self._local_now = local_now
        self._habits = Habits()
        self._predictor = Predictor(self._habits)
        self._hints = Hints()
        self._zap_due = False
        self._here: ChannelId | None = None
        self._since_s = 0.0
        self._relief_until_s = 0.0
        self._preparing: ChannelId | None = None
        self._rates: dict[ChannelId, int] = {}
        self._received: dict[ChannelId, int] = {}
        self._moved = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Guess until cancelled."""
        hands = self._hands
        self._habits = Habits(await self._memory.load())
        self._predictor = Predictor(self._habits)
        self._here = None
        with (
            hands.tv.changes.subscribe() as states,
            hands.tv.hints.subscribe() as hints,
            hands.line_up.changes.subscribe(backlog=1) as line_ups,
        ):
            self._heed(hands.tv.state)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hear_set(states), name="warming: set")
                    group.create_task(self._hear_hints(hints), name="warming: hints")
                    group.create_task(self._hear_line_up(line_ups), name="warming: line-up")
                    if hands.gate is not None:
                        group.create_task(self._hear_gate(hands.gate), name="warming: lock")
                    group.create_task(self._work(), name="warming")
                    group.create_task(self._learn(), name="warming: habits")
                    ready()
            finally:
                self.warmed = ()
                hands.relay.warm(())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WRITE_S):
                        await self._save()

    async def _hear_set(self, states: AsyncIterator[TvState]) -> None:
        async for state in states:
            self._heed(state)

    async def _hear_hints(self, hints: AsyncIterator[Hint]) -> None:
        async for hint in hints:
            match hint:
                case Typed(digits):
                    self._hints = replace(self._hints, digits=digits)
                case Focused(channel):
                    self._hints = replace(self._hints, focus=channel)
            self._moved.set()

    async def _hear_line_up(self, line_ups: AsyncIterator[LineUp]) -> None:
        async for _ in line_ups:
            self._moved.set()

    async def _hear_gate(self, gate: Gate) -> None:
        with gate.changes.subscribe(backlog=1) as changes:
            async for _ in changes:
                self._moved.set()

    def _heed(self, state: TvState) -> None:
        """Take in what the set shows."""
        here = state.channel.id if state.channel else None
        if here != self._here:
            self._count_bytes()
            self._here = here
            self._since_s = time.monotonic()
            self._hints = Hints()
            self._zap_due = here is not None
            self._moved.set()
            if here is not None:
                self._predictor.moved(here)
            if here == self._preparing:
                self._preparing = None
        if self._zap_due and state.zap is not None:
            self._zap_due = False
            self.account = replace(self.account, **{state.zap: getattr(self.account, state.zap) + 1})
        if here is None or state.picture is Picture.STALLED:
            self._suffer(for_s=self._config.relief_s if here is not None else 0.0)
        elif state.picture is Picture.PLAYING:
            self._moved.set()

    async def _work(self) -> None:
        """Act when the hand has come to rest."""
        while True:
            waiting = self._preparing is None and bool(self.warmed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    LOOK_AGAIN_S if waiting and self._config.prepare else COUNT_EVERY_S
                ):
                    await self._moved.wait()
            while self._moved.is_set():
                self._moved.clear()
                await asyncio.sleep(self._config.settle_s)
            self._count_bytes()
            await self._act()

    async def _act(self) -> None:
        state, relay = self._hands.tv.state, self._hands.relay
        if state.channel is not None and self._is_short(state.channel.id):
            self._suffer(for_s=self._config.relief_s)
        if time.monotonic() < self._relief_until_s or state.picture is Picture.STALLED or not state.is_on:
            await self._prepare(None)
            return
        if state.picture is not Picture.PLAYING:
            return  # what is kept ready may be just what is wanted
        wanted = await self._plan()
        if wanted != self.warmed:
            self.warmed = wanted
            # What was pulled so far was for somebody who watched.
            self._received = {each: pull.bytes_received for each, pull in relay.state.items()}
            relay.warm(wanted)
        first = wanted[0] if wanted and self._config.prepare else None
        if first is None or relay.temperature(first) == "warm":
            await self._prepare(first)
        elif self._preparing not in wanted:
            await self._prepare(None)

    async def _plan(self) -> tuple[ChannelId, ...]:
        config, line_up, gate = self._config, self._hands.line_up.state, self._hands.gate
        ranking = self._predictor.ranking(line_up, self._hints, self._local_now())
        known = (channel for each in ranking if (channel := line_up.by_id(each)) is not None)
        likely = itertools.islice(known, MOST_CONSIDERED)
        allowed = {one.id: one for one in likely if gate is None or await gate.verdict(one) is None}
        budget = Budget(
            bandwidth_bps=config.bandwidth_bps, memory_bytes=config.memory_bytes, channels=config.channels
        )
        return afford(tuple(allowed), lambda each: self._cost(allowed[each]), budget).warm

    async def _prepare(self, channel: ChannelId | None) -> None:
        if channel == self._preparing:
            return
        self._preparing = channel
        await self._hands.player.prepare(self._hands.streams.expected(channel) if channel is not None else "")

    def _suffer(self, *, for_s: float) -> None:
        """Give the line back at once."""
        self._relief_until_s = max(self._relief_until_s, time.monotonic() + for_s)
        if self.warmed:
            self._count_bytes()
            self.warmed = ()
            self._hands.relay.warm(())
            self._moved.set()

    def _is_short(self, channel: ChannelId) -> bool:
        pull = self._hands.relay.state.get(channel)
        return pull is not None and (pull.code is not None or pull.score < MIN_SCORE)

    def _cost(self, channel: Channel) -> Cost:
        rate = self._rates.get(channel.id)
        if rate is None:
            rate = _RADIO_BPS if channel.radio else _HD_BPS
            if channel.height >= _ULTRA_HD_LINES:
                rate = _ULTRA_HD_BPS
        return Cost(rate, round(rate / 8 * HELD_S))

    def _count_bytes(self) -> None:
        """Count what came for channels nobody watches, and how much each channel takes."""
        pulled = 0
        received: dict[ChannelId, int] = {}
        for channel, pull in self._hands.relay.state.items():
            if pull.bitrate_bps > 0 and (channel in self._rates or len(self._rates) < MAX_RATES):
                self._rates[channel] = pull.bitrate_bps
            if channel in self.warmed and channel != self._here:
                received[channel] = pull.bytes_received
                before = self._received.get(channel, 0)
                pulled += pull.bytes_received - (before if before <= pull.bytes_received else 0)
        self._received = received
        if pulled:
            self.account = replace(self.account, bytes_pulled=self.account.bytes_pulled + pulled)

    async def _learn(self) -> None:
        """Count what is really watched, once for each hour."""
        noted: tuple[ChannelId, int] | None = None
        saved_s = time.monotonic()
        saved = self._habits.rows
        while True:
            await asyncio.sleep(WATCHED_S / 4)
            state, now = self._hands.tv.state, self._local_now()
            watching = state.picture is Picture.PLAYING and state.mode == "live" and not state.paused
            long = watching and time.monotonic() - self._since_s >= WATCHED_S
            if long and self._here is not None and noted != (self._here, hour_of(now)):
                noted = (self._here, hour_of(now))
                self._habits.watched(self._here, now)
            if time.monotonic() - saved_s >= SAVE_EVERY_S and self._habits.rows != saved:
                saved_s, saved = time.monotonic(), self._habits.rows
                await self._save()

    async def _save(self) -> None:
        try:
            await self._memory.save(self._habits.rows)
        except GatewayError as error:
            log.warning("habits will not be remembered: %s", error)
