"""What was seen, in tables, and the goals it meets.

One rule: every zap counts.  One that never showed anything makes no median
better: it is slower than all others, and freezes for ever.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.zap_site import Kind

DIRECT = ("libvlc", "mpv", "ffplay", "gstreamer", "hls.js")
ENOUGH = 30
FREEZE_MS = 200.0
OVERHEAD_MS = 15.0
WAYS = ("product", "remote")
"""How the names of the product begin: ordered over its API, or by its remote control."""
_NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Zap:
    """One change of channel.

    Attributes:
        player: Who did it.
        kind: How the new channel is packed.
        light_ms: From the command to the first frame on the screen; None if it never came.
        freeze_ms: The longest wait for a new frame in the two seconds after.
        frames: New frames in that time.
        frozen_at_ms: When the longest wait began, from the first frame on.
        how: What the product says it was: predicted, warm or cold; None for direct players.
        player_ms: What the product's player says it took.
        order_ms: What the product says it took from the order on.
    """

    player: str
    kind: Kind
    light_ms: float | None
    freeze_ms: float | None
    frames: int
    frozen_at_ms: float | None = None
    how: str | None = None
    player_ms: float | None = None
    order_ms: float | None = None

    def line(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> "Zap":
        """Return what `line` made."""
        said = json.loads(line)
        return cls(**{**said, "kind": Kind(said["kind"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Many zaps in short.

    Attributes:
        zaps: How many.
        lost: How many never showed a picture.
        frozen: How many froze for longer than `FREEZE_MS`.
        others: Product only: zaps that were warm instead of predicted, and so on; they are in no
            other figure but this.
        overhead_ms: Product only: median of light minus what the player says.
    """

    zaps: int
    lost: int
    p50_ms: float
    p95_ms: float
    worst_ms: float
    freeze_p50_ms: float
    worst_freeze_ms: float
    frozen: int
    others: int
    overhead_ms: float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What was promised, and whether it holds; None if it was not measured."""

    text: str
    holds: bool | None


def figures(zaps: Sequence[Zap]) -> Figures:
    """Return `zaps` of one player, at least one, in short."""
    wanted = zaps[0].player.rpartition(" ")[2]
    others = sum(1 for zap in zaps if zap.how not in (None, wanted))
    # Where nothing was as wanted, the figures are of what there was.
    zaps = [zap for zap in zaps if zap.how in (None, wanted)] or zaps
    light = sorted(_NEVER if zap.light_ms is None else zap.light_ms for zap in zaps)
    freeze = sorted(_NEVER if zap.freeze_ms is None else zap.freeze_ms for zap in zaps)
    added = [
        zap.light_ms - zap.player_ms for zap in zaps if zap.light_ms is not None and zap.player_ms is not None
    ]
    return Figures(
        zaps=len(zaps),
        lost=light.count(_NEVER),
        p50_ms=median(light),
        p95_ms=percentile(light, 0.95),
        worst_ms=light[-1],
        freeze_p50_ms=median(freeze),
        worst_freeze_ms=freeze[-1],
        frozen=sum(1 for each in freeze if each > FREEZE_MS),
        others=others,
        overhead_ms=median(added) if added else None,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of `ordered` that at least `share` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def goals(zaps: Iterable[Zap]) -> list[Goal]:
    """Return what `zaps` say about each goal."""
    by_player: dict[str, list[Zap]] = {}
    for zap in zaps:
        by_player.setdefault(zap.player, []).append(zap)
    of = {player: figures(seen) for player, seen in by_player.items()}

    def goal(text: str, players: Sequence[str], holds: Callable[..., bool]) -> Goal:
        known = [of[player] for player in players if player in of]
        return Goal(text, holds(*known) if len(known) == len(players) else None)

    product = [player for player in of if player.startswith(WAYS)]
    found = []
    for way in dict.fromkeys(player.partition(" ")[0] for player in product) or WAYS[:1]:
        by = ", by the remote control" if way == WAYS[1] else ""
        found += [
            goal(
                f"{backend}: predicted p50 <= 40 ms, p95 <= 80 ms{by}",
                [f"{way} {backend} predicted"],
                lambda it: it.p50_ms <= 40 and it.p95_ms <= 80,  # noqa: PLR2004 - the text says it
            )
            for backend in ("mpv", "vlc")
        ]
        found += [
            goal(f"libVLC: warm p50 <= 200 ms{by}", [f"{way} vlc warm"], lambda it: it.p50_ms <= 200),  # noqa: PLR2004
            goal(f"mpv: warm p50 <= 80 ms{by}", [f"{way} mpv warm"], lambda it: it.p50_ms <= 80),  # noqa: PLR2004
        ]
        found += [
            goal(
                f"{backend}: cold p50 <= half of libVLC direct{by}",
                [f"{way} {backend} cold", "libvlc"],
                lambda it, direct: it.p50_ms <= direct.p50_ms / 2,
            )
            for backend in ("vlc", "mpv")
        ]
    direct = [player for player in DIRECT if player in of]
    if product and len(direct) == len(DIRECT):
        best = min(of[player].p50_ms for player in direct)
        fastest = min(of[player].p50_ms for player in product)
        found.append(Goal("at least 3 times faster than the best direct player", fastest * 3 <= best))
        found.append(Goal("at least 10 times faster than libVLC direct", fastest * 10 <= of["libvlc"].p50_ms))
    for player in product:
        it = of[player]
        found.append(Goal(f"{player}: no freeze over {FREEZE_MS:.0f} ms", it.worst_freeze_ms <= FREEZE_MS))
        ready = player.rpartition(" ")[2]
        found.append(Goal(f"{player}: at least 9 in 10 zaps are {ready}", it.others * 9 <= it.zaps))
        # A cold channel must come from the origin before any player is asked.
        if it.overhead_ms is not None and ready != "cold":
            text = f"{player}: key to picture adds at most {OVERHEAD_MS:.0f} ms to the player's own"
            found.append(Goal(text, it.overhead_ms <= OVERHEAD_MS))
    found += [
        Goal(f"{player}: at least {ENOUGH} zaps, none lost", it.zaps >= ENOUGH and not it.lost)
        for player, it in of.items()
    ]
    return found


def table(zaps: Sequence[Zap]) -> str:
    """Return all figures as text: each player on each kind of channel, then on all."""
    head = (
        f"{'':24}{'kind':6}{'n':>4}{'p50':>8}{'p95':>8}{'worst':>8}{'freeze p50':>12}{'worst':>8}{'>200':>6}"
    )
    lines = [f"{head}{'lost':>6}{'other':>6}{'added':>7}"]
    for player in dict.fromkeys(zap.player for zap in zaps):
        mine = [zap for zap in zaps if zap.player == player]
        lines += [
            _row(player, kind, figures([zap for zap in mine if zap.kind is kind]))
            for kind in dict.fromkeys(zap.kind for zap in mine)
        ]
        lines.append(_row(player, "all", figures(mine)))
    return "\n".join(lines)


def summary(zaps: Sequence[Zap]) -> str:
    """Return everything as one line of JSON."""
    players = dict.fromkeys(zap.player for zap in zaps)
    said: dict[str, Any] = {"bench": "zap", "players": {}, "goals": {}}
    for player in players:
        mine = [zap for zap in zaps if zap.player == player]
        rows = {
            kind.value: figures(each) for kind in Kind if (each := [zap for zap in mine if zap.kind is kind])
        }
        said["players"][player] = {name: _finite(it) for name, it in (rows | {"all": figures(mine)}).items()}
    said["goals"] = {goal.text: goal.holds for goal in goals(zaps)}
    return json.dumps(said)


def _row(player: str, kind: str, it: Figures) -> str:
    light = f"{it.p50_ms:8.0f}{it.p95_ms:8.0f}{it.worst_ms:8.0f}"
    freeze = f"{it.freeze_p50_ms:12.0f}{it.worst_freeze_ms:8.0f}{it.frozen:6}"
    added = "" if it.overhead_ms is None else f"{it.overhead_ms:7.0f}"
    return f"{player:24}{kind:6}{it.zaps:4}{light}{freeze}{it.lost:6}{it.others:6}{added}"


def _finite(it: Figures) -> dict[str, float | None]:
    return {
        name: round(value, 1) if value is not None and math.isfinite(value) else None
        for name, value in asdict(it).items()
    }
