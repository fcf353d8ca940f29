"""What was seen, in a table, and the goals it meets.

One rule: a crossing without a command makes no figure better: it counts as
slower than all others, and as an event that was not dealt with.
"""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.iot_circuit import Burst, Latency
from bench.iot_players import CROWDED, FROM_COAP, HOME_ASSISTANT, PAHO, PRODUCT, TO_COAP
from bench.zap_report import Goal, percentile

EVENTS_PER_S = 5_000
P50_MS, P99_MS = 1.0, 5.0
MORE_MB = 45.0
CROWD_SHARE = 0.20


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One player.

    Attributes:
        ready_s: From exec to the first command.
        idle_mb: Proportional share of memory of the whole tree, before anything happens.
        without_mb: Product only: the daemon without the home.
        busy_mb: The same after the burst.
        idle_share: Of one core, while nothing happens.
        paced_cpu_ms: Processor time of the tree for each paced report.
        intake_per_s: Reports that call for no command, heard and dealt with.
        burst_cpu_ms: The same in the burst.
    """

    player: str
    ready_s: float
    idle_mb: float
    without_mb: float | None
    busy_mb: float
    idle_share: float
    closed: Latency
    paced: Latency
    paced_cpu_ms: float
    intake_per_s: float
    burst: Burst
    burst_cpu_ms: float

    @property
    def lost(self) -> int:
        return self.closed.lost + self.paced.lost + self.burst.lost


def p50(latency: Latency) -> float:
    """Return the median, in ms."""
    return percentile(sorted(latency.each_ms), 0.5)


def p99(latency: Latency) -> float:
    """Return what 99 in 100 do not exceed, in ms."""
    return percentile(sorted(latency.each_ms), 0.99)


def goals(found: Sequence[Figures]) -> list[Goal]:
    """Return what the figures say about each goal."""
    of = {it.player: it for it in found}

    def goal(text: str, players: Sequence[str], holds: Callable[..., bool]) -> Goal:
        known = [of[player] for player in players if player in of]
        return Goal(text, holds(*known) if len(known) == len(players) else None)

    made = []
    for player in (PRODUCT, FROM_COAP, TO_COAP):
        made += [
            goal(
                f"{player}: burst >= {EVENTS_PER_S:,} events/s, "
                + ("each lamp at its last wish" if player == TO_COAP else "none lost"),
                [player],
                lambda it: it.burst.events_per_s >= EVENTS_PER_S and not it.burst.lost,
            ),
            goal(
                f"{player}: closed loop and paced p50 <= {P50_MS:.0f} ms, p99 <= {P99_MS:.0f} ms, none lost",
                [player],
                lambda it: all(
                    p50(way) <= P50_MS and p99(way) <= P99_MS and not way.lost
                    for way in (it.closed, it.paced)
                ),
            ),
        ]
    made += [
        goal(
            f"{PRODUCT}: the home holds <= {MORE_MB:.0f} MB",
            [PRODUCT],
            lambda it: it.without_mb is not None and it.idle_mb - it.without_mb <= MORE_MB,
        ),
        goal(
            f"{CROWDED}: closed loop and paced p50 within {CROWD_SHARE:.0%} of {PRODUCT}",
            [CROWDED, PRODUCT],
            lambda many, one: all(
                p50(mine) <= p50(its) * (1 + CROWD_SHARE)
                for mine, its in ((many.closed, one.closed), (many.paced, one.paced))
            ),
        ),
        goal(
            f"{CROWDED}: burst >= {EVENTS_PER_S:,} events/s, none lost",
            [CROWDED],
            lambda it: it.burst.events_per_s >= EVENTS_PER_S and not it.burst.lost,
        ),
        goal(
            f"{PRODUCT}: >= 10 times {HOME_ASSISTANT}'s events/s",
            [PRODUCT, HOME_ASSISTANT],
            lambda ours, its: ours.burst.events_per_s >= 10 * its.burst.events_per_s,
        ),
        goal(
            f"{PRODUCT}: <= 2 times {PAHO}'s p50, closed loop and paced",
            [PRODUCT, PAHO],
            lambda ours, bare: (
                p50(ours.closed) <= 2 * p50(bare.closed) and p50(ours.paced) <= 2 * p50(bare.paced)
            ),
        ),
        goal(
            f"{PRODUCT}: the home holds <= a third of {HOME_ASSISTANT}'s memory",
            [PRODUCT, HOME_ASSISTANT],
            lambda ours, its: ours.idle_mb - (ours.without_mb or 0.0) <= its.idle_mb / 3,
        ),
        goal(
            f"{PRODUCT}: ready in a tenth of {HOME_ASSISTANT}'s time",
            [PRODUCT, HOME_ASSISTANT],
            lambda ours, its: ours.ready_s * 10 <= its.ready_s,
        ),
    ]
    return made


_COLUMNS = (
    ("", "", 19),
    ("", "ready s", 8),
    ("memory", "idle", 8),
    ("MB", "after", 8),
    ("idle", "CPU %", 7),
    ("closed", "p50", 9),
    ("loop ms", "p99", 9),
    ("paced", "p50", 9),
    ("ms", "p99", 9),
    ("CPU", "ms/ev", 8),
    ("intake", "events/s", 10),
    ("burst", "events/s", 10),
    ("CPU", "ms/ev", 8),
    ("", "lost", 6),
)


def head() -> str:
    """Return the first lines of the table."""
    return "\n".join("".join(f"{column[line]:>{column[2]}}" for column in _COLUMNS) for line in (0, 1))


def row(it: Figures) -> str:
    """Return one player's line."""
    memory = f"{it.idle_mb:8.1f}{it.busy_mb:8.1f}{it.idle_share * 100:7.2f}"
    latencies = f"{p50(it.closed):9.2f}{p99(it.closed):9.2f}{p50(it.paced):9.2f}{p99(it.paced):9.2f}"
    many = f"{it.intake_per_s:10.0f}{it.burst.events_per_s:10.0f}{it.burst_cpu_ms:8.3f}{it.lost:6}"
    return f"{it.player:19}{it.ready_s:8.2f}{memory}{latencies}{it.paced_cpu_ms:8.3f}{many}"


def table(found: Sequence[Figures]) -> str:
    """Return everything as text."""
    shares = [
        f"{it.player}: without the home {it.without_mb:.1f} MB, so the home holds at most "
        f"{it.idle_mb - it.without_mb:.1f} MB"
        for it in found
        if it.without_mb is not None
    ]
    load = f"load of the machine: {', '.join(f'{each:.1f}' for each in os.getloadavg())}"
    return "\n".join(["", head(), *map(row, found), *shares, load])


def summary(found: Sequence[Figures]) -> str:
    """Return everything as one line of JSON."""
    said: dict[str, Any] = {"bench": "iot", "load": os.getloadavg(), "players": {}}
    for it in found:
        said["players"][it.player] = {
            "ready_s": _rounded(it.ready_s),
            "idle_mb": _rounded(it.idle_mb),
            "without_mb": _rounded(it.without_mb),
            "busy_mb": _rounded(it.busy_mb),
            "idle_cpu_percent": _rounded(it.idle_share * 100),
            "closed_p50_ms": _rounded(p50(it.closed)),
            "closed_p99_ms": _rounded(p99(it.closed)),
            "paced_p50_ms": _rounded(p50(it.paced)),
            "paced_p99_ms": _rounded(p99(it.paced)),
            "paced_cpu_ms": _rounded(it.paced_cpu_ms),
            "intake_events_per_s": _rounded(it.intake_per_s),
            "burst_events_per_s": _rounded(it.burst.events_per_s),
            "burst_told": it.burst.told,
            "burst_cpu_ms": _rounded(it.burst_cpu_ms),
            "lost": {"closed": it.closed.lost, "paced": it.paced.lost, "burst": it.burst.lost},
        }
    said["goals"] = {goal.text: goal.holds for goal in goals(found)}
    return json.dumps(said)


def _rounded(value: float | None) -> float | None:
    return round(value, 3) if value is not None and math.isfinite(value) else None
