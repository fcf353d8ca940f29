"""A house that records: a real database, real files, and a guide that a test writes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.media import recorder_capture, recordings_table
from gateway.media.epg import Programme
from gateway.media.lineup import Channel, LineUp
from gateway.media.recorder import Recorder
from gateway.media.recorder_agenda import Programmes
from gateway.media.recorder_capture import Shift, Sources
from gateway.media.recordings import Recordings
from gateway.media.recordings_facts import RecorderConfig, RecordingState
from gateway.media.recordings_library import Library
from gateway.media.recordings_table import RecordingTable
from gateway.media.reel import Reel
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve
from tests.media.reel_fixtures import NEWS, PIECE_S, SPORT, Air, numbers, piece, until

LINE_UP = LineUp(
    [
        Channel(id=NEWS, number=1, name="新闻", sources=()),
        Channel(id=SPORT, number=2, name="体育", sources=()),
    ]
)
QUICK = RecorderConfig(
    min_free_bytes=0,
    before_s=0,
    after_s=0,
    late_s=0,
    secure_every_s=0.05,
    retry_s=0.02,
    shortest_loss_s=1.0,
)


@dataclass
class Clock:
    """A wall clock that can be set."""

    wrong_by: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.wrong_by


@dataclass
class Guide:
    """What is on, as a test says; see `gateway.media.epg.Guide`."""

    programmes: list[Programme] = field(default_factory=list)
    changes: Publisher[object] = field(default_factory=Publisher)

    def become(self, *programmes: Programme) -> None:
        """Be renewed."""
        self.programmes = list(programmes)
        self.changes.publish(None)

    async def programme(self, programme: str) -> Programme | None:
        return next((each for each in self.programmes if each.id == programme), None)

    async def upcoming(
        self, series: str, channel: str | None = None, limit: int = 200
    ) -> Sequence[Programme]:
        found = [
            each
            for each in self.programmes
            if each.series == series and channel in (None, each.channel) and each.stop > datetime.now(UTC)
        ]
        return sorted(found, key=lambda each: each.start)[:limit]


@dataclass
class Book:
    """See `gateway.media.lineup_book.LineUpBook`."""

    state: LineUp = LINE_UP
    changes: Publisher[LineUp] = field(default_factory=Publisher)


@dataclass
class Studio:
    """A recorder with all that it needs."""

    recorder: Recorder
    library: Library
    recordings: Recordings
    air: Air
    guide: Guide
    clock: Clock
    folder: Path

    async def state_becomes(self, recording: str, *states: RecordingState) -> None:
        """Wait until a recording is in one of `states`."""
        await until(
            lambda: (
                recording in self.library.recordings and self.library.recordings[recording].state in states
            )
        )

    async def plays(self, recording: str) -> None:
        """Wait until there is something of a recording."""
        await until(lambda: self.library.recordings[recording].duration_s > 0)

    async def held(self, recording: str) -> list[int]:
        """Return which pieces a recording is made of."""
        reel = await self.library.reel(recording)
        found = [reel.read(entry) for entry in reel.entries]
        return numbers([each for each in found if each])

    async def reel(self, recording: str) -> Reel:
        return await self.library.reel(recording)


@dataclass(kw_only=True)
class Parts:
    """What outlives a restart of the box."""

    folder: Path
    air: Air = field(default_factory=Air)
    tape: recorder_capture.Air | None = None
    guide: Guide = field(default_factory=Guide)
    clock: Clock = field(default_factory=Clock)
    shift: Shift | None = None
    book: Book = field(default_factory=Book)
    config: RecorderConfig = QUICK

    @asynccontextmanager
    async def studio(self, serve: Serve, **changed: float | bool) -> AsyncIterator[Studio]:
        """Run a recorder."""
        config = replace(self.config, **changed)  # type: ignore[arg-type]
        store = Store(self.folder / "box.db", {"recordings": recordings_table.MIGRATIONS})
        async with serve(store):
            library = Library(RecordingTable(store), self.folder / "recordings", config)
            recorder = Recorder(
                library,
                Sources(self.tape or self.air, self.shift),
                Programmes(self.guide, self.book, self.guide.changes),
                config,
                self.clock,
            )
            async with serve(recorder):
                yield Studio(
                    recorder,
                    library,
                    Recordings(library),
                    self.air,
                    self.guide,
                    self.clock,
                    self.folder / "recordings",
                )


def programme(
    title: str, begins_in_s: float, lasts_s: float, channel: str = NEWS, subtitle: str = ""
) -> Programme:
    """Return a programme that begins soon; its id says where and when, as in the real guide."""
    start = datetime.now(UTC) + timedelta(seconds=begins_in_s)
    return Programme(
        id=f"{channel}.{start.timestamp():.2f}",
        channel=NEWS if channel == NEWS else SPORT,
        start=start,
        stop=start + timedelta(seconds=lasts_s),
        title=title,
        subtitle=subtitle,
    )


async def broadcast(air: Air, first: int, count: int, channel: str = NEWS, *, pull: int = 7) -> None:
    """Let pieces arrive whose time follows on from now."""
    now = datetime.now(UTC)
    pieces = [
        piece(number, pull=pull, size=20_000, at=now + timedelta(seconds=PIECE_S) * place)
        for place, number in enumerate(range(first, first + count))
    ]
    await air.broadcast(NEWS if channel == NEWS else SPORT, *pieces)
