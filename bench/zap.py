"""How long a change of channel takes, seen in light: players as they are, and the product.

One rule: one origin, one line, one screen's worth of detector for all, in one
run; the order of kinds, channels and pauses is the same for each.

``python -m bench.zap``: five zaps on each of six kinds of channels, hence 30 for
each player, about 45 minutes.  ``--full``: 30 on each kind.  ``--players`` and
``--kinds`` choose; ``--resume`` goes on where a run was broken off.  ``--keys evdev``
orders the product by its remote control; its rows are then called "remote".
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import zap_report
from bench.zap_detector import WATCHED_S, Screen, judge, screen
from bench.zap_material import Colour, make
from bench.zap_players import HEIGHT, PEERS, WIDTH, Peer
from bench.zap_product import BY_API, BY_REMOTE, PRODUCTS, Product, until_it_knows
from bench.zap_report import Zap
from bench.zap_site import Channel, Kind
from gateway import child

CACHE = Path(__file__).parents[1] / "build"
ORIGIN_START_S = 60.0
GIVEN_UP_S = 15.0
PAUSE_S = (0.5, 2.5)
"""Between two zaps, at random, so that they meet every moment of a segment."""

LATE_S = 1.0
ZAPS, FULL_ZAPS = 5, 30
_SEED = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        zaps: For each player and kind.
        results: Where each zap is written down as soon as it is over.
    """

    players: tuple[str, ...]
    kinds: tuple[Kind, ...]
    zaps: int
    results: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """Where players play."""

    folder: Path
    origin: str


async def run(plan: Plan) -> list[Zap]:
    """Measure what the plan says and has not been measured yet; return all."""
    material = await asyncio.to_thread(make, CACHE)
    done = [Zap.read(line) for line in plan.results.read_text().splitlines()] if plan.results.exists() else []
    with plan.results.open("a") as results:
        for player in plan.players:
            had = {kind: sum(1 for z in done if (z.player, z.kind) == (player, kind)) for kind in plan.kinds}
            todo = {kind: plan.zaps - had[kind] for kind in plan.kinds if had[kind] < plan.zaps}
            if not todo:
                continue

            def keep(zap: Zap) -> None:
                done.append(zap)
                results.write(zap.line() + "\n")
                results.flush()

            await _one(player, todo, material, keep)
    return done


async def _one(player: str, todo: dict[Kind, int], material: Path, keep: Callable[[Zap], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="zap-", dir=_memory(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            async with _origin(material, folder) as origin:
                await measure(player, todo, Stage(folder, origin), keep)
        except Exception as failure:  # noqa: BLE001 - the others are measured all the same
            words = [f"{player} FAILED", *map(repr, leaves(failure)), *_logs(folder)]
            print("\n".join(words), flush=True)  # noqa: T201 - a bench prints


def _logs(folder: Path) -> list[str]:
    logs = (log for log in folder.glob("*.log") if log.name != "origin.log")
    return [f"{log.name}: {log.read_text(errors='replace')[-2000:]}" for log in logs]


def leaves(failure: BaseException) -> list[BaseException]:
    """Return what really happened, without the groups around it."""
    if not isinstance(failure, BaseExceptionGroup):
        return [failure]
    return [leaf for each in failure.exceptions for leaf in leaves(each)]


async def measure(player: str, todo: dict[Kind, int], stage: Stage, keep: Callable[[Zap], None]) -> None:
    """Let one player zap; `keep` what counts."""
    chance = random.Random(_SEED)  # noqa: S311 - the same pauses for everybody
    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(screen(stage.folder, width=WIDTH, height=HEIGHT))
        who: Peer | Product
        if player in PRODUCTS:
            who = await stack.enter_async_context(PRODUCTS[player](seen.display, stage.folder, stage.origin))
            await until_it_knows(who, Channel(Kind.TS2, Colour.RED))
        else:
            who = await stack.enter_async_context(PEERS[player](seen.display, stage.folder))
        colour = Colour.RED
        for kind, zaps in todo.items():
            # The first of each kind does not count: nobody has met the kind before.  The product
            # is to guess the channel it comes from, so it must have been there and back.
            for number in range(-3 if isinstance(who, Product) else -1, zaps):
                colour = Colour.BLUE if colour is Colour.RED else Colour.RED
                await asyncio.sleep(chance.uniform(*PAUSE_S))
                zap = await _zap(player, who, Channel(kind, colour), seen, stage.origin)
                _tell(zap, number, zaps)
                if number >= 0:
                    keep(zap)


async def _zap(player: str, who: Peer | Product, channel: Channel, seen: Screen, origin: str) -> Zap:
    seen.forget()
    if isinstance(who, Product):
        await who.settle()
        pressed_s = await who.tune(channel)
    else:
        pressed_s = await who.zap(f"{origin}/{channel.id}/index.m3u8")
    if await seen.until(channel.colour, pressed_s, GIVEN_UP_S):
        await asyncio.sleep(WATCHED_S + LATE_S)
    it = judge(seen.changes, channel.colour, pressed_s, time.monotonic())
    said = await who.said() if isinstance(who, Product) else None
    return Zap(
        player=player,
        kind=channel.kind,
        light_ms=it.light_ms if it else None,
        freeze_ms=it.freeze_ms if it else None,
        frames=it.frames if it else 0,
        frozen_at_ms=it.frozen_at_ms if it else None,
        how=said.how if said else None,
        player_ms=said.player_ms if said else None,
        order_ms=said.order_ms if said else None,
    )


@asynccontextmanager
async def _origin(material: Path, folder: Path) -> AsyncIterator[str]:
    argv = [sys.executable, "-m", "bench.zap_origin", str(material), "--log", str(folder / "origin.log")]
    async with child.running(argv, stdout=PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        async with asyncio.timeout(ORIGIN_START_S):
            address = (await process.stdout.readline()).decode().strip()
        if not address:
            raise RuntimeError("the origin did not start")
        yield address


def _memory() -> Path | None:
    """Return a folder in memory if there is one: on a disk a framebuffer would be written out for ever."""
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder is made in it
    return shared if shared.is_dir() else None


def _tell(zap: Zap, number: int, zaps: int) -> None:
    light = "nothing"
    if zap.light_ms is not None:
        light = f"{zap.light_ms:5.0f} ms, freeze {zap.freeze_ms or 0:4.0f} ms at {zap.frozen_at_ms or 0:4.0f}"
    how = f", {zap.how}, says {zap.order_ms} ms, player {zap.player_ms} ms" if zap.how else ""
    count = "not counted" if number < 0 else f"{number + 1}/{zaps}"
    print(f"{zap.player:24} {zap.kind:6} {count:>11}: {light}{how}", flush=True)  # noqa: T201 - a bench prints


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    by_api = tuple(name for name in PRODUCTS if name.startswith(BY_API))
    everybody = (*PEERS, *by_api)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--zaps", type=int, default=ZAPS, help=f"for each player and kind (default: {ZAPS})")
    parser.add_argument("--full", action="store_true", help=f"{FULL_ZAPS} zaps for each player and kind")
    parser.add_argument("--players", default=",".join(everybody), help="comma between; default: %(default)s")
    parser.add_argument("--kinds", default=",".join(Kind), help="comma between; default: %(default)s")
    parser.add_argument(
        "--keys", choices=("api", "evdev"), default="api", help="how the product is ordered; default: api"
    )
    parser.add_argument("--results", type=Path, default=CACHE / "zap.jsonl", help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="keep what is in the results already")
    said = parser.parse_args(arguments)
    players = tuple(said.players.split(","))
    unknown = [player for player in players if player not in everybody]
    if unknown:
        parser.error(f"no such player: {', '.join(unknown)}")
    if said.keys == "evdev":
        players = tuple(player.replace(BY_API, BY_REMOTE) for player in players)
    CACHE.mkdir(exist_ok=True)
    if not said.resume:
        said.results.unlink(missing_ok=True)
    zaps = FULL_ZAPS if said.full else said.zaps
    kinds = tuple(Kind(kind) for kind in said.kinds.split(","))
    # Told to end, it still ends its children and empties its folders in memory.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seen = asyncio.run(run(Plan(players, kinds, zaps, said.results)))
    print(zap_report.table(seen))  # noqa: T201
    for goal in zap_report.goals(seen):
        print(f"{ {True: 'holds', False: 'FAILS', None: 'not measured'}[goal.holds]:>13}  {goal.text}")  # noqa: T201
    print(zap_report.summary(seen))  # noqa: T201


if __name__ == "__main__":
    main()
