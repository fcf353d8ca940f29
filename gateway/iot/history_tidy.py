"""What keeps the history small: sums instead of samples, and an end for both.

One rule: a clock that jumps deletes nothing.  Only one that went steadily for a
while decides what is old.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.iot import history_table
from gateway.iot.history_table import STEPS_S
from gateway.schema import FieldError
from gateway.store import Store

DAY_S = 86_400
JUMP_S = 3600
"""A clock that differs by more from the steady one was put right, or wrong."""

SURE_AFTER_START_S = 3600
SURE_AFTER_JUMP_S = DAY_S
CROWDED_SHARE = 0.1
LEAST_RAW_S = 6 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryConfig:
    """The ``iot.history`` section.

    Attributes:
        kept: Whether anything is kept at all.
        write_every_s: How long reports may wait.
        samples_days: How long each report is kept.
        minutes_days: How long the sums of five minutes are kept.
        hours_days: How long the sums of an hour are kept.
        max_mb: Of disk; when there is more, the oldest reports go first.
    """

    kept: bool = True
    write_every_s: float = 5.0
    samples_days: int = 2
    minutes_days: int = 30
    hours_days: int = 730
    max_mb: int = 256

    def __post_init__(self) -> None:
        bounds = {
            "write_every_s": (0.01, 300),
            "samples_days": (1, 31),
            "minutes_days": (1, 366),
            "hours_days": (1, 3660),
            "max_mb": (1, 4096),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise FieldError(name, f"{getattr(self, name)} is outside {least}..{most}")


class Tidying:
    """Sums up and forgets."""

    def __init__(self, store: Store, config: HistoryConfig, steady: Callable[[], float]) -> None:
        """Describe it; `steady` are seconds that nobody puts right."""
        self._store = store
        self._config = config
        self._steady = steady
        self._sure_from_s = steady() + SURE_AFTER_START_S
        self._last: tuple[int, float] | None = None
        self._named_day = 0

    async def tidy(self, now_s: int) -> None:
        """Do what is due at the Unix time `now_s`.

        Raises:
            StoreError: it cannot be written.
        """
        while await self._store.write(partial(history_table.roll_up, now_s=now_s)):
            pass
        if not self._is_sure(now_s):
            return
        await self._store.write(partial(self._forget, now_s=now_s))
        if now_s // DAY_S != self._named_day:
            self._named_day = now_s // DAY_S
            await self._store.write(history_table.forget_names)

    def _is_sure(self, now_s: int) -> bool:
        steady_s = self._steady()
        if self._last is not None:
            jump_s = (now_s - self._last[0]) - (steady_s - self._last[1])
            if abs(jump_s) > JUMP_S:
                self._sure_from_s = steady_s + SURE_AFTER_JUMP_S
        self._last = (now_s, steady_s)
        return steady_s >= self._sure_from_s

    def _forget(self, db: sqlite3.Connection, *, now_s: int) -> None:
        config = self._config
        raw_before_s = now_s - config.samples_days * DAY_S
        spans_before_s = [now_s - config.minutes_days * DAY_S, now_s - config.hours_days * DAY_S]
        if history_table.bytes_used(db) > config.max_mb << 20:
            raw_s = history_table.oldest_s(db)
            if raw_s is not None:
                raw_before_s = max(raw_before_s, raw_s + int((now_s - raw_s) * CROWDED_SHARE))
            if raw_s is None or now_s - raw_s < LEAST_RAW_S:
                for at, step_s in enumerate(STEPS_S):
                    oldest_s = history_table.oldest_span_s(db, step_s)
                    if oldest_s is not None:
                        share_s = int((now_s - oldest_s) * CROWDED_SHARE)
                        spans_before_s[at] = max(spans_before_s[at], oldest_s + share_s)
        history_table.forget(db, raw_before_s=raw_before_s, spans_before_s=spans_before_s)
