"""What the home costs: from a sensor's report to the command, beside Home Assistant and bare clients.

One rule: everybody has the same broker, the same sensor, the same light and
the same rule, in one run on one machine.

``python -m bench.iot``: about ten minutes.  ``--short``: a tenth of it, to see
that everything works.  ``--players`` chooses.
"""

import argparse
import asyncio
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import iot_report
from bench.iot_circuit import burst, closed_loop, first_answer, intake, paced
from bench.iot_devices import plugged_in
from bench.iot_machine import broker, free, processor_s, pss_mb
from bench.iot_players import PLAYERS, PRODUCT, House, Player, playing
from bench.iot_product import argv_without, import_share_mb
from bench.iot_report import Figures

FIRST_START_S = 120.0
CALM_SHARE, LOOK_EVERY_S, LONGEST_SETTLING_S = 0.03, 1.0, 60.0
"""A player has settled when it uses less than this share of a core."""

AT_REST_S = 7.0
"""So long it must stay settled at first: what is done every few seconds has been done then."""

IDLE_S = 3.0
NOTED_S = 5.0
"""What was ordered is on the disk by then."""
PACE_PER_S = 200.0
ROUNDS = 10
"""Of the closed loop."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to do with each player.

    Attributes:
        mode: Of the product's rule.
        silent: Whether the light keeps to itself what it became.
        crossings: In the closed loop.
        paced: Reports at a steady pace.
        burst: Reports at once.
    """

    players: tuple[str, ...]
    mode: str
    silent: bool
    crossings: int
    paced: int
    burst: int


async def run(plan: Plan) -> list[Figures]:
    """Measure what the plan says."""
    found = []
    for name in plan.players:
        with tempfile.TemporaryDirectory(prefix="iot-", ignore_cleanup_errors=True) as folder:
            try:
                found.append(await _one(PLAYERS[name], plan, Path(folder)))
            except Exception as failure:  # noqa: BLE001 - the others are measured all the same
                _tell(f"{name} FAILED: {failure!r}\n{_said(Path(folder, 'player.log'))}")
    return found


async def _one(player: Player, plan: Plan, folder: Path) -> Figures:
    ports = tuple(free(socket.SOCK_DGRAM) for _ in range(player.pairs))
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(broker(folder))
        devices = await stack.enter_async_context(plugged_in(port, ports, silent=plan.silent))
        await devices.announce()
        if player.crowded:
            await devices.announce_crowd()
        circuit = devices.circuit(*player.way)
        argv = player.argv(House(folder=folder, broker=port, devices=ports, mode=plan.mode))
        if player.keeps:
            async with playing(argv, folder) as pid:
                await first_answer(circuit, FIRST_START_S)
                await settled(pid)
        without_mb = await _without(folder) if player.name == PRODUCT else None
        if player.fill is not None:
            _tell(f"{player.name}: {await player.fill(folder)} reports of an hour in its history")
        begun_s = time.monotonic()
        pid = await stack.enter_async_context(playing(argv, folder))
        ready_s = await first_answer(circuit, FIRST_START_S) - begun_s
        await settled(pid, AT_REST_S)
        idle_mb, before_s = pss_mb(pid), processor_s(pid)
        await asyncio.sleep(IDLE_S)
        idle_share = (processor_s(pid) - before_s) / IDLE_S
        closed = await closed_loop(circuit, plan.crossings // ROUNDS, rounds=ROUNDS)
        before_s = processor_s(pid)
        steady = await paced(circuit, plan.paced, PACE_PER_S)
        paced_cpu_s = processor_s(pid) - before_s
        await settled(pid)
        await settled(pid)
        taken_in_per_s = await intake(circuit, plan.burst)
        await settled(pid)
        before_s = processor_s(pid)
        noted = player.orders(folder) if player.orders is not None else 0
        many = await burst(circuit, plan.burst)
        burst_cpu_s = processor_s(pid) - before_s
        if player.orders is not None:
            # A report of which no order was noted was heard by nobody.
            await settled(pid, NOTED_S)
            many = replace(many, lost=many.lost + max(0, many.events - player.orders(folder) + noted))
        figures = Figures(
            player=player.name,
            ready_s=ready_s,
            idle_mb=idle_mb,
            without_mb=without_mb,
            busy_mb=pss_mb(pid),
            idle_share=idle_share,
            closed=closed,
            paced=steady,
            paced_cpu_ms=paced_cpu_s * 1e3 / plan.paced,
            intake_per_s=taken_in_per_s,
            burst=many,
            burst_cpu_ms=burst_cpu_s * 1e3 / many.events,
        )
    _tell(iot_report.row(figures))
    return figures


async def _without(folder: Path) -> float:
    """Return what the daemon holds without the home, less what it has imported of it."""
    async with playing(argv_without(folder, folder / "gateway.yaml"), folder) as pid:
        await asyncio.sleep(IDLE_S)
        await settled(pid)
        return pss_mb(pid) - await asyncio.to_thread(import_share_mb)


async def settled(pid: int, for_s: float = LOOK_EVERY_S) -> None:
    """Wait until a player has done nothing `for_s`, or it has become clear that it always does."""
    calm_since_s = begun_s = time.monotonic()
    while time.monotonic() < min(calm_since_s + for_s, begun_s + LONGEST_SETTLING_S):
        before_s = processor_s(pid)
        await asyncio.sleep(LOOK_EVERY_S)
        if processor_s(pid) - before_s >= CALM_SHARE * LOOK_EVERY_S:
            calm_since_s = time.monotonic()


def _said(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a bench prints


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--players", default=",".join(PLAYERS), help="comma between; default: %(default)s")
    parser.add_argument("--short", action="store_true", help="a tenth of everything")
    parser.add_argument(
        "--mode",
        choices=("single", "queued", "parallel"),
        default="single",
        help="of the product's rule; default: single",
    )
    parser.add_argument("--silent", action="store_true", help="the MQTT light never says what it became")
    said = parser.parse_args(arguments)
    players = tuple(said.players.split(","))
    if unknown := [player for player in players if player not in PLAYERS]:
        parser.error(f"no such player: {', '.join(unknown)}")
    part = 10 if said.short else 1
    plan = Plan(
        players=players,
        mode=said.mode,
        silent=said.silent,
        crossings=500 // part,
        paced=3_000 // part,
        burst=10_000 // part,
    )
    # Told to end, it still ends its children.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = asyncio.run(run(plan))
    _tell(iot_report.table(found))
    for goal in iot_report.goals(found):
        _tell(f"{ {True: 'holds', False: 'FAILS', None: 'not measured'}[goal.holds]:>13}  {goal.text}")
    _tell(iot_report.summary(found))
    if len(found) < len(players):
        sys.exit(1)


if __name__ == "__main__":
    main()
