"""One rendition's loop on disk, and its segments at any moment of the endless stream.

One rule: segment number n is the same bytes whenever and by whomever it is
asked for; nothing is remembered between two requests.
"""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from headend.demo import retime
from headend.demo.channels import LOOP_S

EPOCH = 1_735_689_600
"""The stream's time zero, 2025-01-01T00:00:00Z: the start of a minute, hence of a loop."""

_INDEX = "index.m3u8"
_FACTS = "facts.json"


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a segment is in time.

    Attributes:
        number: Its media sequence number.
        start: Unix time of its first picture.
        duration_s: How long it lasts.
    """

    number: int
    start: float
    duration_s: float

    @property
    def end(self) -> float:
        """Unix time at which it is complete, hence published."""
        return self.start + self.duration_s


@dataclass(frozen=True)
class Stock:
    """A loop of segments.

    Attributes:
        folder: Where the files are.
        files: Their names, in order.
        durations_s: Their lengths, in order; together `LOOP_S`.
        first_pts: MPEG-TS: the loop's first presentation time.
        packets: MPEG-TS: packets with payload in the loop, per PID.
        scales: Fragmented MP4: ticks per second, per track; empty for MPEG-TS.
        peak_kbps: Of the largest segment.
    """

    folder: Path
    files: tuple[str, ...]
    durations_s: tuple[float, ...]
    first_pts: int
    packets: dict[int, int]
    scales: dict[int, int]
    peak_kbps: int

    @property
    def ending(self) -> str:
        """Of its segments' names, ``ts`` or ``m4s``."""
        return "m4s" if self.scales else "ts"

    @cached_property
    def starts_s(self) -> tuple[float, ...]:
        """When each segment begins, from the beginning of the loop."""
        return (0.0, *accumulate(self.durations_s))[:-1]

    def moment(self, number: int) -> Moment:
        """Return where segment `number` is in time."""
        loop, place = divmod(number, len(self.files))
        return Moment(number, EPOCH + loop * LOOP_S + self.starts_s[place], self.durations_s[place])

    def newest(self, now: float) -> int:
        """Return the number of the last segment that is complete at Unix time `now`."""
        return self.at(now) - 1

    def at(self, when: float) -> int:
        """Return the number of the segment that is on the air at Unix time `when`."""
        loop, into = divmod(when - EPOCH, LOOP_S)
        begun = sum(1 for start in self.starts_s if start <= into)
        return int(loop) * len(self.files) + begun - 1

    def segment(self, number: int) -> bytes:
        """Return segment `number` with its time in it."""
        loop, place = divmod(number, len(self.files))
        data = (self.folder / self.files[place]).read_bytes()
        if self.scales:
            return retime.retime_mp4(data, loop * LOOP_S, self.scales, number)
        shift = loop * LOOP_S * retime.CLOCK_HZ - self.first_pts
        return retime.retime_ts(data, shift, {pid: loop * count for pid, count in self.packets.items()})

    def init(self) -> bytes:
        """Return the initialisation segment of fragmented MP4."""
        return (self.folder / "init.mp4").read_bytes()


def take(folder: Path) -> Stock:
    """Write down what has to be known about the segments ffmpeg left in `folder`."""
    lines = (folder / _INDEX).read_text().splitlines()
    durations = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    files = [line for line in lines if line and not line.startswith("#")]
    # The list's roundings must not add up over the loops.
    durations[-1] = round(LOOP_S - sum(durations[:-1]), 6)
    packets: Counter[int] = Counter()
    first_pts, peak = 0, 0.0
    scales = retime.timescales((folder / "init.mp4").read_bytes()) if files[0].endswith("m4s") else {}
    for n, (file, duration) in enumerate(zip(files, durations, strict=True)):
        data = (folder / file).read_bytes()
        peak = max(peak, len(data) * 8 / duration / 1000)
        if not scales:
            facts = retime.ts_facts(data)
            packets.update(facts.packets)
            first_pts = first_pts if n else facts.first_pts
    facts_json = {
        "files": files,
        "durations_s": durations,
        "first_pts": first_pts,
        "packets": packets,
        "scales": scales,
        "peak_kbps": round(peak),
    }
    (folder / _FACTS).write_text(json.dumps(facts_json))
    return load(folder)


def load(folder: Path) -> Stock:
    """Return the stock written down in `folder`."""
    facts = json.loads((folder / _FACTS).read_text())
    return Stock(
        folder=folder,
        files=tuple(facts["files"]),
        durations_s=tuple(facts["durations_s"]),
        first_pts=facts["first_pts"],
        packets={int(pid): count for pid, count in facts["packets"].items()},
        scales={int(track): scale for track, scale in facts["scales"].items()},
        peak_kbps=facts["peak_kbps"],
    )
