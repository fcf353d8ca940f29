"""A household's evening: a box on a screen with a line-up and a guide that the test writes.

One rule: which instant is shown is read from the clock that the demo draws into
its pictures, or from the time stamps of the stream; never from what the box says.
"""

import asyncio
import itertools
import math
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

import msgspec

from gateway.schema import parse_yaml
from headend.demo import clock_art, lineup
from headend.demo.artwork import WIDTH
from headend.demo.channels import DemoChannel, Extent
from headend.demo.retime import CLOCK_HZ, WRAP
from headend.demo.stock import EPOCH
from tests.acceptance.box import Box
from tests.acceptance.started import Parts, Popen
from tests.media.player_fixtures import Framebuffer

NEWS, FILM, SCIENCE = "xinwen", "yingshi", "kejiao"
REMEMBERED_S = 1.0
"""What was chosen this long ago outlives the plug; nobody outside can see it being written."""
_DIRECTIONS = 240
_RUN = 20
_AROUND_S = WRAP / CLOCK_HZ

# Short spans, and everything looked at often: an evening in a minute.
_MEDIA = {
    "line_up_reload": {"file_every_s": 0.2},
    "guide_reload": {"file_every_s": 0.2, "retry_every_s": 0.5},
    "tv": {"remember_after_s": REMEMBERED_S / 5},
    "timeshift": {"settle_s": 0.2, "min_free_bytes": 0},
    "recordings": {"before_s": 0, "after_s": 0, "late_s": 0.5, "min_free_bytes": 0},
}


@dataclass(frozen=True, slots=True)
class Show:
    """A programme that a test puts into the guide."""

    channel: str
    start: datetime
    stop: datetime
    title: str


class Evening:
    """The box and what its operator sends it.

    Attributes:
        parts: The processes.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._folder = parts.state / "operator"
        self._folder.mkdir()
        now = datetime.now(UTC)
        # A guide without any programme is refused.
        self._shows = [Show("zongyi", now - minutes(30), now + minutes(60), "村口大舞台")]
        self.announce(Extent.QUICK.channels)
        self._write_guide()
        settings = parse_yaml(parts.configuration.read_bytes())
        assert isinstance(settings, dict)
        places = {"line_up": str(self._folder / "lineup.m3u"), "guide": str(self._folder / "guide.xml")}
        settings["media"] = {**_MEDIA, **places}
        parts.configuration.write_bytes(msgspec.yaml.encode(settings))
        self._box: Popen | None = None

    def start(self) -> None:
        """Start the head-end and the box."""
        self.parts.head_end()
        self._box = self.parts.box()

    @property
    def box(self) -> int:
        """Process id of the daemon's latest life."""
        assert self._box is not None
        return self._box.pid

    def pull_the_plug(self) -> None:
        """Kill the box without a word, and start it again."""
        assert self._box is not None
        self._box.kill()
        self._box.wait(10)
        self._box = self.parts.box()

    def announce(self, channels: Sequence[DemoChannel]) -> None:
        """Let the operator's line-up be `channels`."""
        base = f"http://127.0.0.1:{self.parts.ports.origin}"
        self._replace("lineup.m3u", lineup.m3u(channels, base=base))

    def broadcast(self, show: Show) -> Show:
        """Add a programme to the operator's guide; return it."""
        self._shows.append(show)
        self._write_guide()
        return show

    def _write_guide(self) -> None:
        lines = ["<tv>", *(f"<channel id={quoteattr(one.id)}/>" for one in Extent.QUICK.channels)]
        lines += [
            f"<programme channel={quoteattr(one.channel)} start={quoteattr(_xmltv(one.start))} "
            f"stop={quoteattr(_xmltv(one.stop))}><title>{one.title}</title></programme>"
            for one in self._shows
        ]
        self._replace("guide.xml", "\n".join([*lines, "</tv>"]))

    def _replace(self, name: str, text: str) -> None:
        fresh = self._folder / f"{name}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self._folder / name)


@contextmanager
def evening(folder: Path, material: Path, display: str) -> Iterator[Evening]:
    """Run a box that shows its picture on `display`."""
    with ExitStack() as stack:
        running = Evening(Parts(folder / "state", material, stack, display=display))
        running.start()
        yield running


async def programme(box: Box, show: Show) -> str:
    """Return the id of `show` once the box has it."""
    around = f"guide?from={_rfc(show.start)}&to={_rfc(show.stop)}"
    listed = await box.until(around, lambda all_: any(one["title"] == show.title for one in all_))
    return str(next(one["id"] for one in listed if one["title"] == show.title))


def whole_second(at: datetime) -> datetime:
    """Return `at` without fractions, at an even second, where the demo's segments begin."""
    return at.replace(second=at.second // 2 * 2, microsecond=0)


def seconds_apart(one: float, other: float) -> float:
    """Return how far two places on the clock's ring are from each other, 0..30."""
    return abs((one - other + 30) % 60 - 30)


def second_shown(screen: Framebuffer) -> float:
    """Return the second at which the bead stands on the ring of the picture that `screen` shows."""
    scale = screen.width / WIDTH
    x, y = (part * scale for part in clock_art.CENTRE)
    radius = clock_art.RING_RADIUS * scale
    east = north = 0.0
    turns = [math.tau * step / _DIRECTIONS for step in range(_DIRECTIONS)]
    spots = [(round(x + radius * math.sin(turn)), round(y - radius * math.cos(turn))) for turn in turns]
    light = [sum(screen.pixel(*spot)) / 3 for spot in spots]
    for turn, amount in zip(turns, light, strict=True):
        weight = max(0.0, amount - max(light) + 60)
        east += weight * math.sin(turn)
        north += weight * math.cos(turn)
    return math.atan2(east, north) / math.tau * 60 % 60


async def shows_second_of(screen: Framebuffer, at: datetime, *, within_s: float = 15, slack_s: float) -> None:
    """Wait until `screen` shows the second of `at`, or up to `slack_s` later."""
    seen = -1.0
    try:
        async with asyncio.timeout(within_s):
            while not (seen - _second(at) + 1.5) % 60 < slack_s + 1.5:
                await asyncio.sleep(0.05)  # a screen tells nobody
                seen = second_shown(screen)
    except TimeoutError:
        raise AssertionError(f"the screen shows second {seen:.1f}, not {_second(at):.1f}") from None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The decode times of a stream's packets, as instants of the demo's clock, in order.

    Attributes:
        sizes: Of the pictures, by which a second showing is known.
    """

    video: tuple[float, ...]
    audio: tuple[float, ...]
    sizes: tuple[str, ...]

    @property
    def start(self) -> datetime:
        """Of the first picture."""
        return datetime.fromtimestamp(self.video[0], UTC)

    @property
    def end(self) -> datetime:
        """Of the last picture."""
        return datetime.fromtimestamp(self.video[-1], UTC)

    @property
    def longest_gap_s(self) -> tuple[float, float]:
        """Between two pictures, and between two packets of sound."""
        video, audio = (
            max(later - before for before, later in itertools.pairwise(each))
            for each in (self.video, self.audio)
        )
        return round(video, 3), round(audio, 3)

    @property
    def repeats(self) -> bool:
        """Whether pictures come a second time; the demo's own repeat after a minute."""
        runs = [self.sizes[at : at + _RUN] for at in range(len(self.sizes) - _RUN)]
        return len(set(runs)) < len(runs)

    @property
    def goes_back(self) -> bool:
        """Whether any time is earlier than the one before it."""
        return any(list(each) != sorted(each) for each in (self.video, self.audio))


def timeline(stream: bytes) -> Timeline:
    """Read the times of a transport stream of the demo's media."""
    show = ["-show_entries", "packet=codec_type,dts_time,size", "-of", "csv=p=0", "-i", "pipe:0"]
    text = subprocess.run(["ffprobe", "-v", "error", *show], input=stream, capture_output=True, check=True)
    times: dict[str, list[float]] = {"video": [], "audio": []}
    sizes = []
    for line in text.stdout.decode().splitlines():
        kind, time_s, size = [*line.split(","), "", ""][:3]
        if kind in times and time_s not in ("", "N/A"):
            times[kind].append(_unwrapped(float(time_s)))
            sizes += [size] if kind == "video" else []
    return Timeline(tuple(times["video"]), tuple(times["audio"]), tuple(sizes))


def _unwrapped(media_s: float) -> float:
    """Return the instant nearest to now that a 33-bit time stamp can mean."""
    now = datetime.now(UTC).timestamp()
    return EPOCH + media_s + round((now - EPOCH - media_s) / _AROUND_S) * _AROUND_S


def _second(at: datetime) -> float:
    return at.timestamp() % 60


def _xmltv(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S} +0000"


def _rfc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def minutes(count: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=count)
